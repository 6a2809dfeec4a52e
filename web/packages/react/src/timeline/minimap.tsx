/**
 * A narrow strip beside the list: where in time events are dense, where they failed, and which part the list shows.
 *
 * From the oldest on top to the newest below, by time. It is for the pointer alone and hidden from those who do not use
 * one: the histogram tells the same, and takes keys.
 */
import { type PointerEvent, type ReactNode, useLayoutEffect, useMemo, useRef } from "react";
import type { EventClient, Rows } from "../event-client.ts";
import { useSlice } from "../use-slice.ts";
import { type Bar, barsOf, spanOf, tallest } from "./bars.ts";
import { type Brush, timeAt, xAt } from "./brush.ts";
import { beginDrawing, tonesIn, useSize, useThemeVersion } from "./canvas.ts";

export interface MinimapProps {
  readonly client: EventClient;
  /** Called with the time of a click; by default the client goes there. */
  readonly onGo?: ((time: Date) => void) | undefined;
}

/** Density and failures over time. */
export function Minimap({ client, onGo }: MinimapProps): ReactNode {
  const histogram = useSlice(client.histogram);
  const bars = useMemo(() => barsOf(histogram), [histogram]);
  const element = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = useSize(element);
  const theme = useThemeVersion();
  const span = spanOf(histogram);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme has other colours.
  useLayoutEffect(() => {
    const context = canvas.current && beginDrawing(canvas.current, size);
    if (context && element.current) drawDensity(context, bars, size.width, size.height, tonesIn(element.current));
  }, [bars, size, theme]);

  const onPointerDown = (event: PointerEvent) => {
    if (event.button !== 0 || bars.length === 0) return;
    const y = event.clientY - event.currentTarget.getBoundingClientRect().top;
    const time = new Date(timeAt({ ...span, width: size.height }, y));
    if (onGo) onGo(time);
    // A server that cannot tell says so in the status; the list stays where it is.
    else client.seek(time).catch(() => {});
  };
  return (
    <div ref={element} className="todoki-minimap" aria-hidden="true" onPointerDown={onPointerDown}>
      <i data-tone="density" className="todoki-tone-info" />
      <i data-tone="failure" className="todoki-tone-danger" />
      <canvas ref={canvas} className="todoki-canvas" />
      <InView client={client} span={span} height={size.height} />
    </div>
  );
}

/** Faint still shows: a window with one event beside one with ten thousand. */
const LEAST_ALPHA = 0.2;

function drawDensity(
  context: CanvasRenderingContext2D,
  bars: readonly Bar[],
  width: number,
  height: number,
  tones: ReadonlyMap<string, string>,
): void {
  const step = height / bars.length;
  const most = tallest(bars);
  bars.forEach((bar, index) => {
    if (bar.total === 0) return;
    context.globalAlpha = LEAST_ALPHA + (1 - LEAST_ALPHA) * (bar.total / most);
    context.fillStyle = tones.get("density") ?? "currentColor";
    context.fillRect(0, index * step, width, Math.max(1, step));
    if (bar.failures === 0) return;
    // Failures have the outer half to themselves, so that they differ by place and not by colour alone.
    context.globalAlpha = 1;
    context.fillStyle = tones.get("failure") ?? "currentColor";
    context.fillRect(width / 2, index * step, width / 2, Math.max(2, step));
  });
  context.globalAlpha = 1;
}

interface InViewProps {
  readonly client: EventClient;
  readonly span: Brush;
  readonly height: number;
}

/** The part of the time that the rows at hand are of. By itself, since rows change far more often than the bars. */
function InView({ client, span, height }: InViewProps): ReactNode {
  const shown = timesOf(useSlice(client.rows));
  if (!shown || shown.to < span.from || shown.from > span.to) return null;
  const scale = { ...span, width: height };
  const top = Math.max(0, xAt(scale, shown.from));
  const bottom = Math.min(height, xAt(scale, shown.to));
  return <div className="todoki-minimap-view" style={{ top: `${top}px`, height: `${Math.max(3, bottom - top)}px` }} />;
}

function timesOf({ rows }: Rows): Brush | null {
  const first = rows[0];
  const last = rows.at(-1);
  return first && last ? { from: Math.min(first.time, last.time), to: Math.max(first.time, last.time) } : null;
}
