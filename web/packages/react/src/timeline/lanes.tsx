/**
 * Who did what, side by side: a lane for each agent, task or session, a tick for each event, a bar for what lasts.
 *
 * Ticks and bars are on one canvas; names, brush and words are elements. A click or Enter chooses an event, a drag or Shift
 * with the arrows a span of time, as on the histogram. Those who see no canvas are told each event they step to, and have
 * a table.
 */
import {
  type CSSProperties,
  type KeyboardEvent,
  type PointerEvent,
  type ReactNode,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import type { Cursor, EventClient, Lane, LaneKey } from "../event-client.ts";
import { useSlice } from "../use-slice.ts";
import { countText, spanOf, windowsOf } from "./bars.ts";
import { type Brush, type Scale, xAt } from "./brush.ts";
import { beginDrawing, type Size, tonesIn, useSize, useThemeVersion } from "./canvas.ts";
import { hueOf, shortId, wholeNumber } from "./format.ts";
import { FAMILIES, familyOf } from "./kinds.ts";
import { extentOf, laneBars, marksOf, nearestTick, stepTick, type Tick } from "./lane-layout.ts";
import { Axis, Chosen, Head } from "./strip.tsx";
import { clockTime, type Zone } from "./time.ts";
import { useBrush } from "./use-brush.ts";

export interface LanesProps {
  readonly client: EventClient;
  /** Called with the span that was chosen; with null when Escape is pressed while nothing is being chosen. */
  readonly onBrush: (brush: Brush | null) => void;
  /** Called with an event that was chosen. */
  readonly onSelect?: ((cursor: Cursor) => void) | undefined;
  /** The event that is chosen, marked in its lane. */
  readonly selected?: Cursor | null | undefined;
  /** The span that is in force, shown over the lanes. */
  readonly brush?: Brush | null | undefined;
  /** Whether times are of UTC; otherwise they are of the reader's own zone. */
  readonly utc?: boolean | undefined;
}

/** Height of a lane in pixels: a finger finds it, and twelve fit beside a list. */
const LANE_HEIGHT = 28;
/** Windows that the brush moves by: enough to be exact, few enough to cross by keys. */
const WINDOWS = 120;
/** How near to a tick a pointer has to be, in pixels. */
const REACH = 8;

const NAMES: Readonly<Record<LaneKey, string>> = { agent: "Agent", task: "Task", session: "Session" };

const NO_SPAN: Brush = { from: 0, to: 1 };

/** Lanes of events. */
export function Lanes({ client, onBrush, onSelect, selected, brush, utc }: LanesProps): ReactNode {
  const zone = utc ? "utc" : "local";
  const { by, lanes, others } = useSlice(client.lanes);
  const strip = useRef<HTMLDivElement>(null);
  const size = useSize(strip);
  const shown = useShownSpan(client, lanes);
  const scale = useMemo<Scale>(() => ({ ...shown, width: size.width }), [shown, size.width]);
  const walk = useWalk({ lanes, scale, onBrush, onSelect });
  const hint = useId();
  if (lanes.length === 0) return <p className="todoki-note">No events of any {by} in this time.</p>;
  return (
    <div className="todoki-lanes">
      <Samples />
      <Names by={by} lanes={lanes} at={walk.lane} />
      <div className="todoki-lanes-strip">
        <div
          ref={strip}
          {...walk.handlers}
          className="todoki-strip"
          role="application"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: an application takes keys.
          tabIndex={0}
          aria-label={`Events by ${by}`}
          aria-describedby={hint}
          style={{ height: `${lanes.length * LANE_HEIGHT}px` }}
        >
          <Ticks lanes={lanes} size={size} scale={scale} />
          <div className="todoki-lane-at" style={{ top: `${walk.lane * LANE_HEIGHT}px`, height: `${LANE_HEIGHT}px` }} />
          <Chosen brush={walk.pending ?? brush} scale={scale} />
          <Head head={walk.head} scale={scale} />
          <Selected lanes={lanes} selected={selected ?? null} scale={scale} />
          <Pointed tick={walk.pointed} scale={scale} zone={zone} />
        </div>
        <Axis scale={scale} zone={zone} />
      </div>
      <p id={hint} className="todoki-hidden">
        Up and Down go to another lane, Left and Right to its events, Enter opens one. Shift with the arrows chooses a
        span of time, Enter applies it, Escape gives it up.
      </p>
      <p role="status" className="todoki-hidden">
        {walk.tick ? tickText(walk.tick, zone) : ""}
      </p>
      {others === 0 ? null : <p className="todoki-note">{countText(others, 0)} in none of these lanes</p>}
      <Table by={by} lanes={lanes} zone={zone} />
    </div>
  );
}

/** The time that is shown: the histogram's, which is what the span of the client asks for, or that of the events. */
function useShownSpan(client: EventClient, lanes: readonly Lane[]): Brush {
  const histogram = useSlice(client.histogram);
  return useMemo(
    () => (windowsOf(histogram) > 0 ? spanOf(histogram) : (extentOf(lanes) ?? NO_SPAN)),
    [histogram, lanes],
  );
}

interface WalkOptions {
  readonly lanes: readonly Lane[];
  readonly scale: Scale;
  readonly onBrush: LanesProps["onBrush"];
  readonly onSelect: LanesProps["onSelect"];
}

/** Where keys and pointer are among the lanes, and what they do. */
function useWalk({ lanes, scale, onBrush, onSelect }: WalkOptions) {
  const [at, setAt] = useState(0);
  const [tick, setTick] = useState<Tick | null>(null);
  const [pointerLane, setPointerLane] = useState(0);
  const lane = Math.min(at, lanes.length - 1);
  const reach = scale.width > 0 ? (REACH / scale.width) * (scale.to - scale.from) : 0;
  const laneUnder = (event: PointerEvent) => {
    const y = event.clientY - event.currentTarget.getBoundingClientRect().top;
    return Math.min(lanes.length - 1, Math.max(0, Math.floor(y / LANE_HEIGHT)));
  };
  const nearest = (index: number, time: number) => nearestTick(lanes[index]?.ticks ?? [], time, reach);
  const onPoint = (time: number, event: PointerEvent) => {
    setAt(laneUnder(event));
    const found = nearest(laneUnder(event), time);
    setTick(found);
    if (found) onSelect?.(found.cursor);
  };
  const brushing = useBrush({ scale, windowMs: (scale.to - scale.from) / WINDOWS, onBrush, onPoint });
  const { pending, head, hover, setHead, ...handlers } = brushing;

  const step = (direction: 1 | -1) => {
    const next = stepTick(lanes[lane]?.ticks ?? [], tick, direction);
    if (!next) return;
    setTick(next);
    setHead(next.time);
  };
  const changeLane = (by: 1 | -1) => {
    const next = Math.min(lanes.length - 1, Math.max(0, lane + by));
    setAt(next);
    // The event nearest to where one was, so that going down and up again leads back.
    setTick(nearestTick(lanes[next]?.ticks ?? [], head ?? scale.to, Number.POSITIVE_INFINITY));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const isPlain = !(event.shiftKey || event.ctrlKey || event.metaKey || event.altKey);
    if (isPlain && event.key === "ArrowLeft") step(-1);
    else if (isPlain && event.key === "ArrowRight") step(1);
    else if (isPlain && event.key === "ArrowUp") changeLane(-1);
    else if (isPlain && event.key === "ArrowDown") changeLane(1);
    else if (isPlain && event.key === "Enter" && !pending && tick) onSelect?.(tick.cursor);
    else return brushing.onKeyDown(event);
    event.preventDefault();
    event.stopPropagation();
  };
  const onPointerMove = (event: PointerEvent) => {
    setPointerLane(laneUnder(event));
    brushing.onPointerMove(event);
  };
  const pointed = hover === null ? null : nearest(pointerLane, hover);
  return { lane, tick, pending, head, pointed, handlers: { ...handlers, onKeyDown, onPointerMove } };
}

/** Where the canvas has its colours from. */
function Samples(): ReactNode {
  return (
    <p hidden>
      {FAMILIES.map((family) => (
        <i key={family} data-tone={family} className={`todoki-tone-${family}`} />
      ))}
      <i data-tone="failure" className="todoki-tone-danger" />
    </p>
  );
}

interface NamesProps {
  readonly by: LaneKey;
  readonly lanes: readonly Lane[];
  readonly at: number;
}

function Names({ by, lanes, at }: NamesProps): ReactNode {
  return (
    <ul className="todoki-lane-names" aria-label={`Lanes by ${by}`}>
      {lanes.map((lane, index) => (
        <li key={lane.id} style={{ height: `${LANE_HEIGHT}px` }} data-at={index === at || undefined} title={lane.id}>
          <code className="todoki-id" style={{ "--todoki-hue": hueOf(lane.id) } as CSSProperties}>
            {shortId(lane.id)}
          </code>
          <span className="todoki-muted">{wholeNumber(lane.events)}</span>
        </li>
      ))}
    </ul>
  );
}

interface TicksProps {
  readonly lanes: readonly Lane[];
  readonly size: Size;
  readonly scale: Scale;
}

function Ticks({ lanes, size, scale }: TicksProps): ReactNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useThemeVersion();
  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme has other colours.
  useLayoutEffect(() => {
    const root = canvas.current?.closest(".todoki-lanes");
    const context = canvas.current && beginDrawing(canvas.current, size);
    if (!context || !root) return;
    const colors = colorsOf(tonesIn(root));
    lanes.forEach((lane, index) => {
      drawLane(context, lane, index * LANE_HEIGHT, scale, colors);
    });
  }, [lanes, size, scale, theme]);
  return <canvas ref={canvas} className="todoki-canvas" />;
}

/** Bars lie in the upper part of a lane, one row under the other; ticks cross all of it. */
const BAR_TOP = 4;
const BAR_STEP = 7;
const BAR_HEIGHT = 5;

function drawLane(
  context: CanvasRenderingContext2D,
  lane: Lane,
  top: number,
  scale: Scale,
  colors: (kind: string, isFailure: boolean) => string,
): void {
  context.globalAlpha = 0.45;
  for (const bar of laneBars(lane.spans, scale)) {
    context.fillStyle = colors(bar.kind, bar.isFailure);
    const y = top + BAR_TOP + bar.row * BAR_STEP;
    context.fillRect(bar.left, y, bar.right - bar.left, BAR_HEIGHT);
    // What still lasts has no end: its bar runs out in dots.
    if (bar.isOpen) context.clearRect(bar.right - 6, y, 2, BAR_HEIGHT);
  }
  context.globalAlpha = 1;
  let color = "";
  for (const mark of marksOf(lane.ticks, scale)) {
    const next = colors(mark.kind, mark.isFailure);
    // Setting a colour has the browser read it, and there are thousands of ticks of few colours.
    if (next !== color) {
      color = next;
      context.fillStyle = color;
    }
    context.fillRect(mark.x, top + BAR_TOP, 1.5, LANE_HEIGHT - 2 * BAR_TOP);
    if (mark.isFailure) drawCross(context, mark.x + 0.75, top + LANE_HEIGHT - BAR_TOP - 2);
  }
}

/** The colour of each kind, looked up once for each of them. */
function colorsOf(tones: ReadonlyMap<string, string>): (kind: string, isFailure: boolean) => string {
  const byKind = new Map<string, string>();
  return (kind, isFailure) => {
    const known = byKind.get(isFailure ? "" : kind);
    if (known !== undefined) return known;
    const color = tones.get(isFailure ? "failure" : familyOf(kind)) ?? "currentColor";
    byKind.set(isFailure ? "" : kind, color);
    return color;
  };
}

/** A failure has a cross at its foot: a shape that no other tick has. */
function drawCross(context: CanvasRenderingContext2D, x: number, y: number): void {
  context.strokeStyle = context.fillStyle;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(x - 3, y - 3);
  context.lineTo(x + 3, y + 3);
  context.moveTo(x + 3, y - 3);
  context.lineTo(x - 3, y + 3);
  context.stroke();
}

interface SelectedProps {
  readonly lanes: readonly Lane[];
  readonly selected: Cursor | null;
  readonly scale: Scale;
}

function Selected({ lanes, selected, scale }: SelectedProps): ReactNode {
  const found = useMemo(() => {
    if (selected === null) return null;
    for (const [index, lane] of lanes.entries()) {
      const tick = lane.ticks.find((each) => each.cursor === selected);
      if (tick) return { index, tick };
    }
    return null;
  }, [lanes, selected]);
  if (!found) return null;
  const place = { insetInlineStart: `${xAt(scale, found.tick.time)}px`, top: `${found.index * LANE_HEIGHT}px` };
  return <div className="todoki-lane-selected" style={{ ...place, height: `${LANE_HEIGHT}px` }} />;
}

interface PointedProps {
  readonly tick: Tick | null;
  readonly scale: Scale;
  readonly zone: Zone;
}

function Pointed({ tick, scale, zone }: PointedProps): ReactNode {
  if (!tick) return null;
  const x = xAt(scale, tick.time);
  const side =
    x > scale.width / 2 ? { insetInlineEnd: `${scale.width - x + REACH}px` } : { insetInlineStart: `${x + REACH}px` };
  return (
    <div className="todoki-tooltip" aria-hidden="true" style={side}>
      {tickText(tick, zone)}
    </div>
  );
}

function tickText(tick: Tick, zone: Zone): string {
  return `${clockTime(tick.time, zone)} ${tick.kind} #${wholeNumber(tick.cursor)}`;
}

interface TableProps {
  readonly by: LaneKey;
  readonly lanes: readonly Lane[];
  readonly zone: Zone;
}

function Table({ by, lanes, zone }: TableProps): ReactNode {
  const [isOpen, setOpen] = useState(false);
  return (
    <details className="todoki-fold" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>As a table</summary>
      {isOpen ? (
        <table className="todoki-table">
          <caption>Events by {by}</caption>
          <thead>
            <tr>
              {[NAMES[by], "Events", "Failed", "First", "Last"].map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {lanes.map((lane) => (
              <tr key={lane.id}>
                <th scope="row">{lane.id}</th>
                <td>{wholeNumber(lane.events)}</td>
                <td>{wholeNumber(lane.ticks.filter((tick) => tick.isFailure).length)}</td>
                <td>{lane.ticks[0] ? clockTime(lane.ticks[0].time, zone) : ""}</td>
                <td>{clockTime(lane.ticks.at(-1)?.time ?? 0, zone)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : null}
    </details>
  );
}
