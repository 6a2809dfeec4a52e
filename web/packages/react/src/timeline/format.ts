/**
 * Numbers and ids as the timeline writes them. Pure. Times are in `time.ts`.
 */

const grouped = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** Below this a number is short enough to be written whole. */
const WHOLE_BELOW = 10_000;

/** `88,011` */
export function wholeNumber(n: number): string {
  return grouped.format(n);
}

/** `4,980`, `82K` */
export function shortNumber(n: number): string {
  return n < WHOLE_BELOW ? grouped.format(Math.round(n)) : compact.format(n);
}

/** `1 event`, `1,204 events` */
export function counted(n: number, noun: string): string {
  return `${grouped.format(n)} ${noun}${n === 1 ? "" : "s"}`;
}

/** The end of an id. The beginning of many ids is the same: it holds the time they were made. */
export function shortId(id: string): string {
  return id.slice(-8);
}

/** Colours that a reader can tell apart side by side. */
const HUES = 24;

/** A hue in degrees for a whole id: the same id has the same colour everywhere. */
export function hueOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return ((hash >>> 0) % HUES) * (360 / HUES);
}
