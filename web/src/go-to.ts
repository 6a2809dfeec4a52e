/**
 * What the go-to field takes: a cursor, `now`, a span back such as `-15m`, or a time.
 *
 * Pure: the clock is handed in.
 */
import type { Cursor } from "@todoki/react";

/** Where to go, or what is wrong with the text. */
export type GoTo =
  | { readonly type: "now" }
  | { readonly type: "cursor"; readonly cursor: Cursor }
  | { readonly type: "time"; readonly time: number }
  | { readonly type: "problem"; readonly message: string };

/** Milliseconds of the units that a span back is written in. */
const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const back = /^-\s*(\d{1,9})\s*([smhd])$/i;
const timeOfDay = /^(\d{1,2}):(\d\d)(?::(\d\d)(\.\d{1,6})?)?$/;
const dateTime = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?))?\s*(Z|[+-]\d\d:\d\d)?$/i;

/** Reads the field. Times without a zone are of the clock that the page shows. */
export function parseGoTo(input: string, clock: "local" | "utc", nowMs: number): GoTo {
  const text = input.trim();
  if (text === "") return problem("Type a cursor, a time, or a span back such as -15m");
  if (/^now$/i.test(text)) return { type: "now" };
  if (/^#?[\d,\u202f ]+$/.test(text)) return parseCursor(text.replace(/[#,\u202f ]/g, ""));
  const span = back.exec(text);
  if (span) return time(nowMs - Number(span[1]) * (units[span[2]!.toLowerCase()] ?? 0));
  const day = timeOfDay.exec(text);
  if (day) return time(timeToday(day, clock, nowMs));
  return parseDateTime(text, clock);
}

function parseCursor(digits: string): GoTo {
  const cursor = Number(digits);
  if (!Number.isSafeInteger(cursor)) return problem("A cursor is at most 9007199254740991");
  return cursor === 0 ? problem("Cursors begin at 1") : { type: "cursor", cursor };
}

function timeToday(parts: RegExpExecArray, clock: "local" | "utc", nowMs: number): number {
  const [hours, minutes, seconds] = [Number(parts[1]), Number(parts[2]), Number(parts[3] ?? 0)];
  if (hours > 23 || minutes > 59 || seconds > 59) return Number.NaN;
  const ms = Math.round(Number(parts[4] ?? 0) * 1_000);
  const date = new Date(nowMs);
  return clock === "utc" ? date.setUTCHours(hours, minutes, seconds, ms) : date.setHours(hours, minutes, seconds, ms);
}

function parseDateTime(text: string, clock: "local" | "utc"): GoTo {
  const parts = dateTime.exec(text);
  if (!parts) return problem("Not a cursor, a time such as 2026-02-27T10:30:00Z, or a span such as -15m");
  const zone = parts[3]?.toUpperCase() ?? (clock === "utc" ? "Z" : "");
  return time(Date.parse(`${parts[1]}T${parts[2] ?? "00:00"}${zone}`));
}

function time(ms: number): GoTo {
  return Number.isNaN(ms) || Math.abs(ms) > 8.64e15 ? problem("There is no such time") : { type: "time", time: ms };
}

function problem(message: string): GoTo {
  return { type: "problem", message };
}
