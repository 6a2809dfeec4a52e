/**
 * Times for people: of day, of the calendar, and how long ago; and where an axis of time has its marks.
 *
 * Always 24 hours and always with the zone where it could be mistaken; `Intl` knows the zones. Pure: the present comes in.
 */

/** Which clock times are shown by. */
export type Zone = "local" | "utc";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Steps that an axis may have, in milliseconds: each divides the next larger unit, so that marks fall on round times. */
// biome-ignore format: a line for each unit
const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500,
  SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND,
  MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
  DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY,
] as const;

/** Marks at round times within a span, at most `most` of them. */
export function axisMarks(from: number, to: number, most: number, offsetMs = 0): readonly number[] {
  if (!(to > from) || most < 1) return [];
  const step = STEPS.find((each) => (to - from) / each <= most) ?? Math.ceil((to - from) / most / DAY) * DAY;
  const first = Math.ceil((from + offsetMs) / step) * step - offsetMs;
  const marks: number[] = [];
  for (let mark = first; mark < to && marks.length < most; mark += step) marks.push(mark);
  return marks;
}

/** How far a zone's clock is ahead of UTC at a time, in milliseconds. */
export function zoneOffset(time: number, zone: Zone): number {
  return zone === "utc" ? 0 : -new Date(time).getTimezoneOffset() * MINUTE;
}

/** `10:02`, with seconds or milliseconds where `stepMs` asks for them, or the day where it is a day or more. */
export function axisLabel(time: number, stepMs: number, zone: Zone): string {
  if (stepMs >= DAY) return isoDay(time, zone);
  const clock = clockTime(time, zone);
  if (stepMs >= MINUTE) return clock.slice(0, 5);
  return stepMs >= SECOND ? clock.slice(0, 8) : clock;
}

/** `10:02:14.103` */
export function clockTime(time: number, zone: Zone): string {
  return shifted(time, zone).slice(11, 23);
}

/** `2026-02-27` */
export function isoDay(time: number, zone: Zone): string {
  return shifted(time, zone).slice(0, 10);
}

/** `2026-02-27 10:02:14.103 UTC+1`, or `… UTC`. */
export function fullTime(time: number, zone: Zone): string {
  return `${isoDay(time, zone)} ${clockTime(time, zone)} ${zoneName(time, zone)}`;
}

/** `UTC`, `UTC+1`, `UTC−3:30` */
export function zoneName(time: number, zone: Zone): string {
  const minutes = zoneOffset(time, zone) / MINUTE;
  if (minutes === 0) return "UTC";
  const hours = Math.floor(Math.abs(minutes) / 60);
  const rest = Math.abs(minutes) % 60;
  return `UTC${minutes < 0 ? "−" : "+"}${hours}${rest === 0 ? "" : `:${String(rest).padStart(2, "0")}`}`;
}

const AGO_UNITS = [
  [DAY, "day"],
  [HOUR, "hour"],
  [MINUTE, "minute"],
] as const;

const ago = new Intl.RelativeTimeFormat("en", { numeric: "always" });

/** `3 minutes ago`; a server's clock that is a little ahead of ours does not make it the future. */
export function timeAgo(time: number, now: number): string {
  const past = Math.max(0, now - time);
  const [unit, name] = AGO_UNITS.find(([length]) => past >= length) ?? [SECOND, "second"];
  const count = Math.floor(past / unit);
  return count === 0 ? "just now" : ago.format(-count, name);
}

/** `850 ms`, `3.4 s`, `2 min 5 s`, `3 h 12 min` */
export function duration(ms: number): string {
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${+(ms / SECOND).toFixed(1)} s`;
  const [large, small, unit] = ms < HOUR ? [MINUTE, SECOND, ["min", "s"]] : [HOUR, MINUTE, ["h", "min"]];
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${unit[0]}${rest === 0 ? "" : ` ${rest} ${unit[1]}`}`;
}

/** The end of the year 9999, after which years have six digits. */
const LAST_TIME = 253_402_300_799_999;

/** ISO text of a time as the zone's clock shows it. Times that it cannot show become the nearest that it can. */
function shifted(time: number, zone: Zone): string {
  const clock = time + zoneOffset(time, zone);
  return new Date(Math.min(LAST_TIME, Math.max(0, Number.isNaN(clock) ? 0 : clock))).toISOString();
}

/** Whole seconds until a time, 0 when it has come. */
export function secondsUntil(time: number, now: number): number {
  return Math.max(0, Math.ceil((time - now) / 1000));
}
