/**
 * The list: of all lines only those that show, at places that scrolling, new lines and dropped ones do not move.
 *
 * Rows are recycled by slot: a line that leaves the view gives its elements to the one that comes in, so that scrolling
 * creates nothing. Within the list everything is told by place, and pixels are only derived from places: rows hang in a
 * layer at a fixed distance from a base place, and when lines are added before them the layer moves, not the rows.
 *
 * The list knows no connection and no panel. Whether it follows is the follower's to decide; what is selected is its owner's.
 */
import {
  type ReactNode,
  type RefObject,
  useEffect,
  useId,
  useImperativeHandle,
  useLayoutEffect,
  useReducer,
  useRef,
  useState,
} from "react";
import type { Cursor, EventClient, EventRow, Row, Rows } from "../event-client.ts";
import { useSlice } from "../use-slice.ts";
import { useCalmRows } from "./calm.ts";
import { layoutStyle } from "./columns.ts";
import { EdgeRow } from "./edge-row.tsx";
import type { Follower } from "./follow.ts";
import { type Extent, type Order, placesFrom, slotsFor, startInView, topOfNow } from "./geometry.ts";
import { type Active, type ListControl, ListEngine, OVERSCAN } from "./list-engine.ts";
import { HeadRow, type RowLook, TimelineRow } from "./row.tsx";

/** Height of the line at the end of the past: large enough for a finger. */
const EDGE_PX = 44;
/** Height of the titles. */
const HEAD_PX = 28;
/** The base of the layer moves in steps of so many places: seldom, and never so far that pixels become inexact. */
const BASE_STEP = 16_384;

export interface ListProps {
  readonly client: EventClient;
  readonly follower: Follower;
  readonly look: RowLook;
  readonly rowHeight: number;
  readonly order: Order;
  /** Two lines for a row and no titles. */
  readonly isNarrow: boolean;
  readonly label: string;
  readonly selected: Cursor | null;
  /** An event was opened, by a click or by a key. */
  readonly onOpen: (row: EventRow) => void;
  /** The keys have gone to another event. */
  readonly onMove: (row: EventRow) => void;
  readonly control: RefObject<ListControl | null>;
}

/** A window of lines over all that there are. */
export function List(props: ListProps): ReactNode {
  const { client, follower, look, rowHeight, order, isNarrow, label, selected, control } = props;
  const id = useId();
  const rows = useSlice(useCalmRows(client.rows));
  const grid = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const layer = useRef<HTMLDivElement>(null);
  const room = Math.max(0, useHeight(grid) - (isNarrow ? 0 : HEAD_PX));
  const slots = slotsFor(room, rowHeight, OVERSCAN);
  const extent = extentOf(rows, rowHeight, order);
  const [start, setStart] = useState(0);
  const [active, setActive] = useState<Active | null>(null);
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const [engine] = useState(() => new ListEngine());

  const isFollowing = follower.given(rows.isFollowing);
  // Nothing is drawn beyond a view that follows: all its rows change at once, and it does not scroll before it is paused.
  const wanted = isFollowing ? startInView(topOfNow(extent, room), extent, slots - 2 * OVERSCAN, 0) : start;
  const drawn = placesFrom(wanted, isFollowing ? slots - 2 * OVERSCAN : slots, extent);
  const base = Math.floor(drawn.from / BASE_STEP) * BASE_STEP;
  const activeRow = activeRowOf(active, rows, engine.remembered());
  const isPinned = activeRow !== null && (activeRow.place < drawn.from || activeRow.place >= drawn.to);
  const lines = rows.rows.slice(Math.max(0, drawn.from - rows.from), Math.max(0, drawn.to - rows.from));
  if (isPinned) lines.push(activeRow);
  const slotOf = (row: Row) => (isPinned && row === activeRow ? "pinned" : `${modulo(row.place, slots)}`);

  useLayoutEffect(() => {
    const { fill } = look;
    const { onOpen, onMove } = props;
    const drawing = { client, follower, rows, extent, room, slots, start, base, active, fill, onOpen, onMove };
    const elements = { grid: grid.current!, content: content.current!, layer: layer.current! };
    engine.settle({ ...drawing, setStart, setActive, redraw }, elements);
  });
  useEffect(() => engine.listen(grid.current!), [engine]);
  useImperativeHandle(control, () => engine, [engine]);
  useActiveAcrossGenerations(engine, client, rows.generation, active, setActive);

  return (
    <div
      ref={grid}
      role="grid"
      tabIndex={0}
      className="todoki-grid"
      aria-label={label}
      aria-rowcount={extent.next - extent.first + 1}
      aria-colcount={look.columns.length}
      aria-activedescendant={activeRow === null ? undefined : `${id}${slotOf(activeRow)}`}
      data-following={isFollowing || undefined}
      style={layoutStyle(look.columns, rowHeight)}
    >
      {isNarrow ? null : <HeadRow columns={look.columns} />}
      <div ref={content} role="presentation" className="todoki-content">
        <div ref={layer} role="presentation" className="todoki-layer">
          {lines.map((row) => (
            <TimelineRow
              key={slotOf(row)}
              id={`${id}${slotOf(row)}`}
              row={row}
              y={(order === "oldest-first" ? row.place - base : base - row.place) * rowHeight}
              isActive={row === activeRow}
              isSelected={row.type === "event" && row.cursor === selected}
              look={look}
            />
          ))}
        </div>
        {extent.next > extent.first ? <EdgeRow client={client} order={order} /> : null}
      </div>
    </div>
  );
}

function extentOf(rows: Rows, rowHeight: number, order: Order): Extent {
  const [lead, tail] = order === "oldest-first" ? [EDGE_PX, 0] : [0, EDGE_PX];
  return { first: rows.first, next: rows.next, rowHeight, order, lead, tail };
}

/** The row that the keys are at: from the rows at hand, else as it was remembered, so that it stays when it is far away. */
function activeRowOf(active: Active | null, rows: Rows, remembered: Row | null): Row | null {
  if (active === null || active.generation !== rows.generation || active.place < rows.first) return null;
  const row = rows.rows[active.place - rows.from];
  return row ?? (remembered?.place === active.place ? remembered : null);
}

/** The height of an element, measured before the first paint and whenever it changes. */
function useHeight(element: RefObject<HTMLElement | null>): number {
  const [height, setHeight] = useState(0);
  useLayoutEffect(() => {
    const { current } = element;
    if (current === null) return;
    const measure = () => setHeight(current.clientHeight);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(current);
    return () => observer.disconnect();
  }, [element]);
  return height;
}

/** A place means nothing in another generation, so the event that the keys were at is looked for anew. */
function useActiveAcrossGenerations(
  engine: ListEngine,
  client: EventClient,
  generation: number,
  active: Active | null,
  setActive: (active: Active | null) => void,
): void {
  useEffect(() => {
    if (active === null || active.generation === generation) return;
    const row = engine.remembered();
    if (row?.type !== "event") {
      setActive(null);
      return;
    }
    let isWanted = true;
    void client.placeOf(row.cursor).then((place) => {
      if (isWanted) setActive(place === null ? null : { place, generation });
    });
    return () => {
      isWanted = false;
    };
  }, [engine, active, generation, client, setActive]);
}

function modulo(place: number, slots: number): number {
  return ((place % slots) + slots) % slots;
}
