/** Numbers, times and ids as the page writes them. Pure. */

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

/** `1,284,031`. */
export function formatCount(count: number): string {
  return whole.format(count);
}

/** `1.3M` where there is little room. */
export function formatShort(count: number): string {
  return count < 10_000 ? whole.format(count) : short.format(count);
}

/** `4,980/s`; below ten with a decimal, so that a slow stream does not read as none. */
export function formatRate(perSecond: number): string {
  return `${perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : whole.format(perSecond)}/s`;
}

/** The end of an id, where ids that were made at the same time differ. */
export function shortId(id: string): string {
  return id.slice(-8);
}

/** `10:02:10`, with the day before it when that is not today. */
export function formatTime(ms: number, clock: "local" | "utc", nowMs: number): string {
  const [day, time] = dayAndTime(ms, clock);
  return day === dayAndTime(nowMs, clock)[0] ? time : `${day} ${time}`;
}

function dayAndTime(ms: number, clock: "local" | "utc"): [day: string, time: string] {
  const shifted = clock === "utc" ? ms : ms - new Date(ms).getTimezoneOffset() * 60_000;
  const text = new Date(shifted).toISOString();
  return [text.slice(0, 10), text.slice(11, 19)];
}
