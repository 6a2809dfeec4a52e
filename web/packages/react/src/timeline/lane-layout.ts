/**
 * The arithmetic of the lanes: where ticks and spans lie, and which event is nearest. Pure: no DOM, no React.
 */
import type { Lane } from "../event-client.ts";
import { type Brush, type Scale, xAt } from "./brush.ts";

/** One event of a lane. */
export type Tick = Lane["ticks"][number];

/** Ticks of a lane that fall on one pixel. */
export interface Mark {
  /** In whole pixels. */
  readonly x: number;
  readonly kind: string;
  readonly isFailure: boolean;
}

/** Something that lasted, on one of the rows of its lane. */
export interface LaneBar {
  readonly left: number;
  readonly right: number;
  readonly row: number;
  readonly kind: string;
  readonly isFailure: boolean;
  /** Whether it still lasts. */
  readonly isOpen: boolean;
}

/** Rows for spans that overlap; more of them lie on the last row, since a lane has no room for more. */
export const BAR_ROWS = 3;

/** One mark for each pixel that has ticks. A failure shows before anything else on its pixel, then the newest. */
export function marksOf(ticks: readonly Tick[], scale: Scale): readonly Mark[] {
  const marks: Mark[] = [];
  // By pixel: a list with holes is several times quicker here than a map, and there may be thousands of ticks in a lane.
  const places: number[] = [];
  for (const { time, kind, isFailure } of ticks) {
    if (time < scale.from || time > scale.to) continue;
    const x = Math.floor(xAt(scale, time));
    const place = places[x];
    if (place === undefined) places[x] = marks.push({ x, kind, isFailure }) - 1;
    else if (isFailure || !marks[place]?.isFailure) marks[place] = { x, kind, isFailure };
  }
  return marks;
}

/** The spans of a lane, each on the first row that is free where it begins. */
export function laneBars(spans: Lane["spans"], scale: Scale): readonly LaneBar[] {
  const ends: number[] = [];
  const bars: LaneBar[] = [];
  for (const { kind, from, to, isFailure } of [...spans].sort((one, other) => one.from - other.from)) {
    const end = to ?? Number.POSITIVE_INFINITY;
    if (end < scale.from || from > scale.to) continue;
    const free = ends.findIndex((taken) => taken <= from);
    const row = Math.min(free < 0 ? ends.length : free, BAR_ROWS - 1);
    ends[row] = Math.max(ends[row] ?? 0, end);
    const left = Math.max(0, xAt(scale, from));
    const right = Math.min(scale.width, end === Number.POSITIVE_INFINITY ? scale.width : xAt(scale, end));
    bars.push({ left, right: Math.max(right, left + 1), row, kind, isFailure, isOpen: to === null });
  }
  return bars;
}

/** The tick that is nearest to a time, at most `most` milliseconds away; null when there is none so near. */
export function nearestTick(ticks: readonly Tick[], time: number, most: number): Tick | null {
  let nearest: Tick | null = null;
  for (const tick of ticks) {
    if (nearest === null || Math.abs(tick.time - time) <= Math.abs(nearest.time - time)) nearest = tick;
  }
  return nearest !== null && Math.abs(nearest.time - time) <= most ? nearest : null;
}

/** The next tick of a lane in a direction from the event that is chosen, or from the end when none of the lane is. */
export function stepTick(ticks: readonly Tick[], chosen: Tick | null, direction: 1 | -1): Tick | null {
  if (chosen === null) return (direction === 1 ? ticks[0] : ticks.at(-1)) ?? null;
  const beyond = ticks.filter((tick) => (tick.cursor - chosen.cursor) * direction > 0);
  return (direction === 1 ? beyond[0] : beyond.at(-1)) ?? null;
}

/** The time of all ticks and spans, where no histogram says which time is shown; null without any. */
export function extentOf(lanes: readonly Lane[]): Brush | null {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const lane of lanes) {
    for (const { time } of lane.ticks) {
      from = Math.min(from, time);
      to = Math.max(to, time);
    }
    for (const span of lane.spans) {
      from = Math.min(from, span.from);
      to = Math.max(to, span.to ?? span.from);
    }
  }
  // A moment has no width, and a scale needs one.
  return from <= to ? { from, to: Math.max(to, from + 1) } : null;
}
