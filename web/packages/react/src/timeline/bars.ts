/**
 * The arithmetic of the histogram: what each bar is made of, and the rows of its table. Pure.
 */

import type { Histogram } from "../event-client.ts";
import type { Brush } from "./brush.ts";
import { wholeNumber } from "./format.ts";

/** The events of one window of time. */
export interface Bar extends Brush {
  readonly total: number;
  readonly failures: number;
  /** Events of each family, in the histogram's order. */
  readonly counts: readonly number[];
}

/** The time that a histogram covers. */
export function spanOf(histogram: Histogram): Brush {
  return { from: histogram.from, to: histogram.from + windowsOf(histogram) * histogram.windowMs };
}

/** How many windows a histogram has. */
export function windowsOf(histogram: Histogram): number {
  return histogram.failures.length;
}

/** The bars in order of time, each of `windows` windows of the histogram. */
export function barsOf(histogram: Histogram, windows = 1): readonly Bar[] {
  const bars: Bar[] = [];
  for (let first = 0; first < windowsOf(histogram); first += windows) bars.push(barAt(histogram, first, windows));
  return bars;
}

function barAt(histogram: Histogram, first: number, windows: number): Bar {
  const last = Math.min(first + windows, windowsOf(histogram));
  const sum = (values: readonly number[]) => values.slice(first, last).reduce((total, value) => total + value, 0);
  const counts = histogram.counts.map(sum);
  return {
    from: histogram.from + first * histogram.windowMs,
    to: histogram.from + last * histogram.windowMs,
    total: counts.reduce((total, count) => total + count, 0),
    failures: sum(histogram.failures),
    counts,
  };
}

/** The bar that a time falls into; null before the first and after the last. */
export function barOf(bars: readonly Bar[], time: number): Bar | null {
  return (
    bars.find((bar) => time >= bar.from && time < bar.to) ?? (time === bars.at(-1)?.to ? (bars.at(-1) ?? null) : null)
  );
}

/** The tallest bar, at least 1 so that it divides. */
export function tallest(bars: readonly Bar[]): number {
  return bars.reduce((most, bar) => Math.max(most, bar.total), 1);
}

/** How many windows a row of the table has, so that it has at most `rows` rows. */
export function windowsPerRow(histogram: Histogram, rows: number): number {
  return Math.max(1, Math.ceil(windowsOf(histogram) / rows));
}

/** `34 events, 2 failed` */
export function countText(total: number, failures: number): string {
  const events = `${wholeNumber(total)} ${total === 1 ? "event" : "events"}`;
  return failures === 0 ? events : `${events}, ${wholeNumber(failures)} failed`;
}
