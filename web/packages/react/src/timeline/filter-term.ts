/**
 * Terms of the query grammar of `EventClient.setQuery`, for the buttons that make one from what is looked at.
 */
import type { JsonPath } from "./json-text.ts";

/** A field that events have. */
export type TermField = "kind" | "agent" | "session" | "task" | "project";

/** `kind:task.failed`, or `-kind:task.failed` to hide it. */
export function fieldTerm(field: TermField, value: string, isHiding = false): string {
  return `${isHiding ? "-" : ""}${field}:${quoted(value)}`;
}

/**
 * `data.error:"timed out"`, or `-data.…` to hide it; null where no term can say it. The path begins with `data`, and places
 * in arrays are steps as names are.
 */
export function dataTerm(path: JsonPath, value: string, isHiding = false): string | null {
  const isSayable = path.length > 1 && path.every((step) => STEP.test(String(step))) && isSayableValue(value);
  return isSayable ? `${isHiding ? "-" : ""}${path.join(".")}:${quoted(value)}` : null;
}

/** A step of a path in the query language, which parts paths at dots and brackets and ends them at a colon. */
const STEP = /^[^\s:".[\]\\]+$/;

/** A longer one is not what anybody wants to look for, and the query has a limit of its own. */
const MOST_CHARACTERS = 200;

/** A star at the end would make it a prefix, and nothing cannot be looked for. */
function isSayableValue(value: string): boolean {
  return value !== "" && value.length <= MOST_CHARACTERS && !value.endsWith("*");
}

/** Values with spaces or quotes stand in quotes. */
function quoted(value: string): string {
  return /^[^\s"]+$/.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
}
