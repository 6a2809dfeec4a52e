/**
 * Events over time: a bar for each window, stacked by family, failures marked below, and a brush to choose a span.
 *
 * The bars are on a canvas; the axis, the brush and the words are elements, so that they can be read, zoomed and styled.
 * Those who see no canvas have a slider that says each window, and a table.
 */
import { type ReactNode, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { EventClient, Histogram as HistogramData } from "../event-client.ts";
import { useSlice } from "../use-slice.ts";
import { type Bar, barOf, barsOf, countText, spanOf, tallest, windowsPerRow } from "./bars.ts";
import { type Brush, type Scale, windowAt, xAt } from "./brush.ts";
import { beginDrawing, type Size, tonesIn, useSize, useThemeVersion } from "./canvas.ts";
import { wholeNumber } from "./format.ts";
import { isFamily } from "./kinds.ts";
import { Axis, Chosen, Head } from "./strip.tsx";
import { clockTime, isoDay, type Zone, zoneName } from "./time.ts";
import { type Brushing, useBrush } from "./use-brush.ts";

export interface HistogramProps {
  readonly client: EventClient;
  /** Called with the span that was chosen; with null when Escape is pressed while nothing is being chosen. */
  readonly onBrush: (brush: Brush | null) => void;
  /** The span that is in force, shown on the strip. */
  readonly brush?: Brush | null | undefined;
  /** Whether times are of UTC; otherwise they are of the reader's own zone. */
  readonly utc?: boolean | undefined;
}

/** The strip under the bars where failures are marked. */
const FAILURE_HEIGHT = 7;
/** Narrower bars touch each other: a gap would be most of them. */
const GAPPED_WIDTH = 4;

/** Events over time. */
export function Histogram({ client, onBrush, brush, utc }: HistogramProps): ReactNode {
  const zone = utc ? "utc" : "local";
  const histogram = useSlice(client.histogram);
  const bars = useMemo(() => barsOf(histogram), [histogram]);
  const [isTable, setTable] = useState(false);
  const element = useRef<HTMLDivElement>(null);
  const size = useSize(element);
  const scale: Scale = { ...spanOf(histogram), width: size.width };
  const brushing = useBrush({ scale, windowMs: histogram.windowMs, onBrush });

  if (bars.length === 0) {
    return (
      <div className="todoki-histogram">
        <div ref={element} className="todoki-strip todoki-strip-empty">
          No events in this time
        </div>
      </div>
    );
  }
  return (
    <div className="todoki-histogram">
      <Legend families={histogram.families} most={tallest(bars)} isTable={isTable} onTable={setTable} />
      <div ref={element} {...slider(scale, bars, brushing, histogram.windowMs, zone)}>
        <Bars bars={bars} families={histogram.families} size={size} scale={scale} />
        <Chosen brush={brushing.pending ?? brush} scale={scale} />
        <Head head={brushing.head} scale={scale} />
        <Tooltip bars={bars} families={histogram.families} scale={scale} hover={brushing.hover} zone={zone} />
      </div>
      <Axis scale={scale} zone={zone} />
      {isTable ? <Table histogram={histogram} zone={zone} /> : null}
      {histogram.isComplete ? null : <p className="todoki-note">Not all events of this time are counted.</p>}
    </div>
  );
}

/** What makes the strip a slider for those who do not point: its value is the window at the head, told in words. */
function slider(scale: Scale, bars: readonly Bar[], brushing: Brushing, windowMs: number, zone: Zone) {
  const { pending, head, hover: _, setHead: __, ...handlers } = brushing;
  const now = head ?? scale.to;
  const at = windowAt(scale, windowMs, now);
  const bar = barOf(bars, at.from);
  const chosen = pending ? `; chosen ${rangeText(pending, zone)}, Enter to apply` : "";
  return {
    ...handlers,
    className: "todoki-strip",
    role: "slider",
    tabIndex: 0,
    "aria-label": "Events over time",
    "aria-orientation": "horizontal",
    "aria-valuemin": scale.from,
    "aria-valuemax": scale.to,
    "aria-valuenow": Math.min(scale.to, Math.max(scale.from, now)),
    "aria-valuetext": `${rangeText(at, zone)}: ${countText(bar?.total ?? 0, bar?.failures ?? 0)}${chosen}`,
  } as const;
}

function rangeText(range: Brush, zone: Zone): string {
  return `${clockTime(range.from, zone).slice(0, 8)} to ${clockTime(range.to, zone).slice(0, 8)}`;
}

interface LegendProps {
  readonly families: readonly string[];
  readonly most: number;
  readonly isTable: boolean;
  readonly onTable: (isTable: boolean) => void;
}

/** The families by colour, which is also where the canvas has its colours from. */
function Legend({ families, most, isTable, onTable }: LegendProps): ReactNode {
  return (
    <div className="todoki-legend">
      {families.map((family) => (
        <span key={family}>
          <i data-tone={family} className={`todoki-swatch todoki-tone-${isFamily(family) ? family : "other"}`} />
          {family}
        </span>
      ))}
      <span>
        <i data-tone="failure" className="todoki-swatch todoki-swatch-failure todoki-tone-danger" />
        failed
      </span>
      <span className="todoki-legend-most">most: {wholeNumber(most)}</span>
      <button type="button" className="todoki-act" aria-expanded={isTable} onClick={() => onTable(!isTable)}>
        Table
      </button>
    </div>
  );
}

interface BarsProps {
  readonly bars: readonly Bar[];
  readonly families: readonly string[];
  readonly size: Size;
  readonly scale: Scale;
}

function Bars({ bars, families, size, scale }: BarsProps): ReactNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useThemeVersion();
  const { from, to, width } = scale;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme has other colours.
  useLayoutEffect(() => {
    const root = canvas.current?.closest(".todoki-histogram");
    const context = canvas.current && beginDrawing(canvas.current, size);
    if (context && root) drawBars(context, bars, families, { from, to, width }, size.height, tonesIn(root));
  }, [bars, families, size, from, to, width, theme]);
  return <canvas ref={canvas} className="todoki-canvas" />;
}

function drawBars(
  context: CanvasRenderingContext2D,
  bars: readonly Bar[],
  families: readonly string[],
  scale: Scale,
  height: number,
  tones: ReadonlyMap<string, string>,
): void {
  const foot = height - FAILURE_HEIGHT;
  const perEvent = foot / tallest(bars);
  for (const bar of bars) {
    const left = xAt(scale, bar.from);
    const full = xAt(scale, bar.to) - left;
    const width = full >= GAPPED_WIDTH ? full - 1 : full;
    let top = foot;
    families.forEach((family, index) => {
      const count = bar.counts[index] ?? 0;
      if (count === 0) return;
      // A family that is there shows, however few its events are beside the others.
      const part = Math.max(1, count * perEvent);
      context.fillStyle = tones.get(family) ?? "currentColor";
      context.fillRect(left, top - part, width, part);
      top -= part;
    });
    if (bar.failures > 0) drawFailure(context, left + width / 2, foot, width, tones);
  }
}

/** A triangle that points up at the bar: a shape that nothing else on the strip has. */
function drawFailure(
  context: CanvasRenderingContext2D,
  x: number,
  foot: number,
  width: number,
  tones: ReadonlyMap<string, string>,
): void {
  const half = Math.min(4, Math.max(2, width / 2));
  context.fillStyle = tones.get("failure") ?? "currentColor";
  context.beginPath();
  context.moveTo(x, foot + 1);
  context.lineTo(x + half, foot + FAILURE_HEIGHT);
  context.lineTo(x - half, foot + FAILURE_HEIGHT);
  context.fill();
}

interface TooltipProps {
  readonly bars: readonly Bar[];
  readonly families: readonly string[];
  readonly scale: Scale;
  readonly hover: number | null;
  readonly zone: Zone;
}

function Tooltip({ bars, families, scale, hover, zone }: TooltipProps): ReactNode {
  const bar = hover === null ? null : barOf(bars, hover);
  if (!bar) return null;
  const x = xAt(scale, bar.from);
  // On the side that has room, so that it never leaves the strip.
  const side =
    x > scale.width / 2 ? { insetInlineEnd: `${scale.width - x}px` } : { insetInlineStart: `${xAt(scale, bar.to)}px` };
  return (
    <div className="todoki-tooltip" aria-hidden="true" style={side}>
      <p>{rangeText(bar, zone)}</p>
      <p>{countText(bar.total, bar.failures)}</p>
      {families.map((family, index) =>
        bar.counts[index] ? (
          <p key={family}>
            <i className={`todoki-swatch todoki-tone-${isFamily(family) ? family : "other"}`} />
            {family} {wholeNumber(bar.counts[index])}
          </p>
        ) : null,
      )}
    </div>
  );
}

/** Rows of the table: what one reads, and not what one scrolls through. */
const TABLE_ROWS = 30;

function Table({ histogram, zone }: { readonly histogram: HistogramData; readonly zone: Zone }): ReactNode {
  const { families } = histogram;
  return (
    <table className="todoki-table">
      <caption>
        Events over time from {isoDay(histogram.from, zone)}, {zoneName(histogram.from, zone)}
      </caption>
      <thead>
        <tr>
          {["Time", "Events", "Failed", ...families].map((name) => (
            <th key={name} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {barsOf(histogram, windowsPerRow(histogram, TABLE_ROWS)).map((bar) => (
          <tr key={bar.from}>
            <th scope="row">{rangeText(bar, zone)}</th>
            <td>{wholeNumber(bar.total)}</td>
            <td>{wholeNumber(bar.failures)}</td>
            {families.map((family, index) => (
              <td key={family}>{wholeNumber(bar.counts[index] ?? 0)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
