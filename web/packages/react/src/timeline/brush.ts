/**
 * The arithmetic of a brush: choosing a span of time on a strip, by pointer or by keys.
 *
 * Everything is kept as time, never as pixels or as places of windows, since the strip moves on under a brush while events
 * come in. Pure: no DOM, no React.
 */

/** A span of time that was chosen, in milliseconds since 1970; `to` is not in it. */
export interface Brush {
  readonly from: number;
  readonly to: number;
}

/** The time that a strip shows, and how wide it is. */
export interface Scale extends Brush {
  readonly width: number;
}

/** What is being chosen: one end stands, the other moves. */
export interface Draft {
  /** Where the choosing began; null while nothing is being chosen. */
  readonly anchor: number | null;
  /** Where it is now. */
  readonly head: number;
}

/** The time at a pixel, within the strip. */
export function timeAt(scale: Scale, x: number): number {
  const share = scale.width > 0 ? clamp(x / scale.width, 0, 1) : 0;
  return scale.from + share * (scale.to - scale.from);
}

/** The pixel of a time; it may lie outside of the strip. */
export function xAt(scale: Scale, time: number): number {
  return scale.to > scale.from ? ((time - scale.from) / (scale.to - scale.from)) * scale.width : 0;
}

/** Moves the head by a step; `isExtending` keeps the other end where it is, or puts it where the head was. */
export function moveHead(draft: Draft, scale: Brush, step: number, isExtending: boolean): Draft {
  const head = clamp(draft.head + step, scale.from, scale.to);
  return { head, anchor: isExtending ? (draft.anchor ?? draft.head) : null };
}

/**
 * The span from window to window that holds both ends, at least one window and within the strip; null while nothing is
 * being chosen.
 */
export function brushOf(draft: Draft, scale: Brush, windowMs: number): Brush | null {
  if (draft.anchor === null) return null;
  const first = Math.min(draft.anchor, draft.head);
  const last = Math.max(draft.anchor, draft.head);
  const from = snap(first, scale, windowMs, Math.floor);
  const to = snap(last, scale, windowMs, Math.ceil);
  return to > from ? { from, to } : windowAt(scale, windowMs, from);
}

/** The window that a time falls into; at the end of the strip, the last one. */
export function windowAt(scale: Brush, windowMs: number, time: number): Brush {
  const index = Math.floor((time - scale.from) / windowMs);
  const last = Math.max(0, Math.ceil((scale.to - scale.from) / windowMs) - 1);
  const from = scale.from + clamp(index, 0, last) * windowMs;
  return { from, to: Math.min(from + windowMs, Math.max(scale.to, from + 1)) };
}

function snap(time: number, scale: Brush, windowMs: number, round: (windows: number) => number): number {
  const windows = (clamp(time, scale.from, scale.to) - scale.from) / windowMs;
  return clamp(scale.from + round(windows) * windowMs, scale.from, scale.to);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
