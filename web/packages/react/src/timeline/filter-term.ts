/**
 * Terms of the query grammar of `EventClient.setQuery`, for the buttons that make one from what is looked at.
 */
import type { JsonPath } from "./json-text.ts";

/** A field that every event has. */
export type TermField = "kind" | "agent" | "session" | "task";

/** `kind:task.failed`, or `-kind:task.failed` to hide it. */
export function fieldTerm(field: TermField, value: string, isHiding = false): string {
  return `${isHiding ? "-" : ""}${field}:${quoted(value)}`;
}

/** `data.error:"timed out"`, or `-data.…` to hide it; the path begins with `data`. Places in arrays are steps as names are. */
export function dataTerm(path: JsonPath, value: string, isHiding = false): string {
  return `${isHiding ? "-" : ""}${path.join(".")}:${quoted(value)}`;
}

/** Values with spaces or quotes stand in quotes. */
function quoted(value: string): string {
  return /^[^\s"]+$/.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
}
