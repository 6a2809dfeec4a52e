/**
 * What the strips of time have in common: the marks of the axis, and the span that is chosen, drawn over the canvas.
 */
import type { ReactNode } from "react";
import { type Brush, type Scale, xAt } from "./brush.ts";
import { axisLabel, axisMarks, type Zone, zoneOffset } from "./time.ts";

/** Room for a label of the axis, in pixels: one with milliseconds, and a gap. */
const MARK_WIDTH = 110;

/** The marks of the axis under a strip. */
export function Axis({ scale, zone }: { readonly scale: Scale; readonly zone: Zone }): ReactNode {
  const most = Math.max(1, Math.floor(scale.width / MARK_WIDTH));
  const marks = axisMarks(scale.from, scale.to, most, zoneOffset(scale.from, zone));
  const step = marks.length > 1 ? marks[1]! - marks[0]! : scale.to - scale.from;
  return (
    <div className="todoki-axis" aria-hidden="true">
      {marks.map((mark) => (
        <span key={mark} style={{ insetInlineStart: `${xAt(scale, mark)}px` }}>
          {axisLabel(mark, step, zone)}
        </span>
      ))}
    </div>
  );
}

/** A span over a strip; nothing where it lies outside. */
export function Chosen({
  brush,
  scale,
}: {
  readonly brush: Brush | null | undefined;
  readonly scale: Scale;
}): ReactNode {
  if (!brush || brush.to <= scale.from || brush.from >= scale.to) return null;
  const left = Math.max(0, xAt(scale, brush.from));
  const right = Math.min(scale.width, xAt(scale, brush.to));
  return (
    <div className="todoki-brush" style={{ insetInlineStart: `${left}px`, width: `${Math.max(2, right - left)}px` }} />
  );
}

/** The place of the keys on a strip. */
export function Head({ head, scale }: { readonly head: number | null; readonly scale: Scale }): ReactNode {
  if (head === null || head < scale.from || head > scale.to) return null;
  return <div className="todoki-brush-head" style={{ insetInlineStart: `${xAt(scale, head)}px` }} />;
}
