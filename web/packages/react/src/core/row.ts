/**
 * Lines of the log as rows: what the main thread is given of them, made only for those that somebody looks at.
 */
import type { EventRow, Row } from "../event-client.ts";
import { objectEnd } from "../protocol/scan.ts";
import type { EventLog } from "./event-log.ts";
import type { PlaceIndex } from "./place-index.ts";

/** The most of `data` that a row carries: more than a screen shows, little enough to copy to another thread. */
const DATA_LENGTH = 4096;
const SUMMARY_LENGTH = 160;
/** The nil UUID stands for the system. */
export const SYSTEM = "00000000-0000-0000-0000-000000000000";

/** The row at a place. */
export function rowAt(log: EventLog, index: PlaceIndex, place: number): Row {
  const seq = index.seq(place);
  const time = log.time(seq);
  const marker = log.marker(seq);
  if (marker !== undefined) return { type: "marker", place, time, marker };
  const before = place > index.first ? log.time(index.seq(place - 1)) : time;
  return { ...eventRow(log, seq), place, isNewDay: localDay(before) !== localDay(time) };
}

function eventRow(log: EventLog, seq: number): Omit<EventRow, "place" | "isNewDay"> {
  const raw = log.raw(seq);
  const from = log.data(seq);
  const data = raw.slice(from, from + DATA_LENGTH);
  const end = objectEnd(data, 0) + 1;
  const agent = log.text("agent", seq);
  return {
    type: "event",
    cursor: log.cursor(seq),
    time: log.time(seq),
    kind: log.text("kind", seq),
    agentId: agent === SYSTEM ? null : agent,
    sessionId: log.text("session", seq) || null,
    taskId: log.text("task", seq) || null,
    projectId: log.text("project", seq) || null,
    data: end > 0 ? data.slice(0, end) : data,
    isWhole: end > 0,
    summary: summaryOf(data),
    isFailure: log.isFailure(seq),
    isHit: log.isHit(seq),
  };
}

const MINUTE = 60_000;

function localDay(time: number): number {
  return Math.floor((time / MINUTE - new Date(time).getTimezoneOffset()) / 1440);
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+|"/g;

/** `key=value` of the first plain members of a JSON object, whose text may be cut. */
export function summaryOf(data: string): string {
  let summary = "";
  let depth = 0;
  let key = "";
  let last = "";
  for (const [token] of data.matchAll(TOKEN)) {
    // A text that is cut off is no value.
    if (token === '"') break;
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    else if (depth === 1 && token === ":") key = last;
    else if (depth === 1 && key !== "" && token !== ",") {
      summary += `${summary && " "}${plain(key)}=${plain(token)}`;
      key = "";
    }
    if (depth !== 1) key = "";
    last = token;
    if (depth === 0 || summary.length > SUMMARY_LENGTH) break;
  }
  return summary.length > SUMMARY_LENGTH ? `${summary.slice(0, SUMMARY_LENGTH - 1)}…` : summary;
}

/** A JSON scalar as a person reads it: on one line, without the marks that are of no help. */
function plain(token: string): string {
  if (token[0] !== '"') return token;
  let text: string;
  try {
    text = String(JSON.parse(token)).replace(/\s+/g, " ");
  } catch {
    return token;
  }
  return /[\s=]/.test(text) || text === "" ? `“${text}”` : text;
}
