/**
 * The columns of the list: what they are called and how wide they are.
 */
import type { CSSProperties } from "react";

/** A column of the list. */
export type Column = "time" | "cursor" | "kind" | "agent" | "session" | "task" | "project" | "summary";

/** What is shown when nothing else is asked for. The session is seldom of use beside the agent and the task. */
export const DEFAULT_COLUMNS: readonly Column[] = ["time", "cursor", "kind", "agent", "task", "summary"];

/** The same where there is less room: the summary says more than ids do. */
export const FEWER_COLUMNS: readonly Column[] = ["time", "kind", "task", "summary"];

/** In characters of the list's monospaced font, wide enough for what each holds; the summary takes the rest. */
const COLUMNS: Readonly<Record<Column, readonly [title: string, width: string]>> = {
  time: ["Time", "12.5ch"],
  cursor: ["Cursor", "10ch"],
  kind: ["Kind", "32ch"],
  agent: ["Agent", "10.5ch"],
  session: ["Session", "10.5ch"],
  task: ["Task", "10.5ch"],
  project: ["Project", "10.5ch"],
  summary: ["Summary", "minmax(0, 1fr)"],
};

export function titleOf(column: Column): string {
  return COLUMNS[column][0];
}

/** The variables that lay a list out. */
export function layoutStyle(columns: readonly Column[], rowHeight: number): CSSProperties {
  return {
    "--todoki-columns": columns.map((column) => COLUMNS[column][1]).join(" "),
    "--todoki-row-height": `${rowHeight}px`,
  } as CSSProperties;
}
