/**
 * The hand of the list: what moves the scroller, what gestures mean, and what is asked of the client.
 *
 * React draws rows; here is all that must happen between two drawings, in the same frame. The engine is told what was drawn
 * after each commit (`settle`), puts the scroller where it belongs, and asks for the rows that the view needs next.
 */
import { flushSync } from "react-dom";
import type { Cursor, EventClient, EventRow, Find, Row, Rows } from "../event-client.ts";
import type { Follower, Heading, Standing } from "./follow.ts";
import {
  carriedTop,
  contentHeight,
  type Extent,
  fullHeight,
  lastTop,
  lineOf,
  placeOf,
  scrollOfTop,
  startInView,
  topOfNow,
  topOfScroll,
  topToCenter,
  topToShow,
} from "./geometry.ts";

/** Lines drawn beyond the view, so that a scroll of the compositor meets rows before the next frame draws more. */
export const OVERSCAN = 6;
/** The client is told of the view when it has moved by so many screens; it has rows for more than that on either side. */
const TOLD_WITHIN_SCREENS = 0.25;
/** How far from an end, in screens, more is loaded. */
const LOAD_WITHIN_SCREENS = 2;
/** What counts as the end when a scroller stands on fractions of pixels. */
const END_SLACK_PX = 2;

/** What keys and buttons outside can have the list do. */
export interface ListControl {
  focus(): void;
  move(lines: number): void;
  movePages(pages: number): void;
  moveToEnd(end: "top" | "bottom"): void;
  /** The line that the keys are at. */
  active(): Row | null;
  /** Opens the event that the keys are at, or loads the gap. */
  open(): void;
  /** Puts the keys nowhere. Returns whether they were somewhere. */
  release(): boolean;
  /** Goes to the next such line in a direction of time. Resolves to whether there was one. */
  find(what: Find, direction: 1 | -1): Promise<boolean>;
  /** Goes to an event, wherever in the log it is. */
  show(cursor: Cursor): Promise<void>;
}

/** The line that the keys are at: a place, which means something in one generation only. */
export interface Active {
  readonly place: number;
  readonly generation: number;
}

/** What a commit of the list has drawn, and how to have it draw something else. */
export interface Drawing {
  readonly client: EventClient;
  readonly follower: Follower;
  readonly rows: Rows;
  readonly extent: Extent;
  /** Height of the view without the titles. */
  readonly room: number;
  readonly slots: number;
  readonly start: number;
  readonly base: number;
  readonly active: Active | null;
  readonly setStart: (start: number) => void;
  readonly setActive: (active: Active | null) => void;
  readonly redraw: () => void;
  readonly fill: (place: number) => void;
  readonly onOpen: (row: EventRow) => void;
  readonly onMove: (row: EventRow) => void;
}

export interface ListElements {
  readonly grid: HTMLElement;
  readonly content: HTMLElement;
  readonly layer: HTMLElement;
}

/** Where the view was put, and in which lines. */
interface Placed {
  readonly extent: Extent;
  readonly room: number;
  readonly generation: number;
  readonly top: number;
}

/** The view that the client was last asked for. */
interface Asked {
  readonly generation: number;
  readonly isFollowing: boolean;
  readonly first: number;
  readonly slots: number;
}

/** Moves one list of one client. */
export class ListEngine implements ListControl {
  #drawing: Drawing | null = null;
  #elements: ListElements | null = null;
  #placed: Placed | null = null;
  #asked: Asked | null = null;
  /** The row that the keys were at when it was last at hand. */
  #remembered: Row | null = null;
  /** Ends that could not be loaded; they are tried again when a person asks for it. */
  readonly #failed = new Set<"older" | "newer">();
  readonly #loading = new Set<"older" | "newer">();
  /** Stops waiting for the hand to leave the scroll bar. */
  #release: (() => void) | null = null;

  /** After each commit: puts the view where it belongs and asks for what it needs. Before the browser paints. */
  settle(drawing: Drawing, elements: ListElements): void {
    const { follower, rows, active } = drawing;
    this.#drawing = drawing;
    this.#elements = elements;
    follower.confirm(rows.isFollowing);
    if (active?.generation === rows.generation) this.#remembered = this.rowAt(active.place) ?? this.#remembered;
    this.#put(this.#topAfter(drawing));
    this.#number(drawing);
    this.#draw();
    this.#ask();
    this.#loadNearEnds();
  }

  #topAfter({ follower, rows, extent, room, active }: Drawing): number {
    const before = this.#placed;
    if (follower.given(rows.isFollowing)) return topOfNow(extent, room);
    if (before === null || before.generation !== rows.generation) {
      return rows.target === null ? topOfNow(extent, room) : topToCenter(rows.target, extent, room);
    }
    const top = carriedTop(this.#top(), before.extent, extent);
    // The event that was just opened must not vanish under its own detail.
    const isSeen = active !== null && topToShow(active.place, before.top, before.extent, before.room) === before.top;
    return isSeen && room < before.room ? topToShow(active.place, top, extent, room) : top;
  }

  /** Where the view is now, in the lines of when it was put there. The scroller itself knows best: it may be in a fling. */
  #top(): number {
    if (this.#placed === null || this.#elements === null) return 0;
    return topOfScroll(this.#elements.grid.scrollTop, this.#placed.extent, this.#placed.room);
  }

  #put(wanted: number): void {
    const { extent, room, rows, base } = this.#drawing!;
    const { grid, content } = this.#elements!;
    const top = Math.min(lastTop(extent, room), Math.max(0, wanted));
    const height = `${contentHeight(extent)}px`;
    if (content.style.height !== height) content.style.height = height;
    const scrollTop = scrollOfTop(top, extent, room);
    if (Math.abs(grid.scrollTop - scrollTop) >= 0.01) grid.scrollTop = scrollTop;
    this.#placed = { extent, room, generation: rows.generation, top };
    this.#hang(base);
  }

  /** Puts the layer under the scroller. Where all pixels fit this depends on the lines alone. */
  #hang(base: number): void {
    const { extent, top, room } = this.#placed!;
    const excess = fullHeight(extent) === contentHeight(extent) ? 0 : scrollOfTop(top, extent, room) - top;
    const y = extent.lead + lineOf(base, extent) * extent.rowHeight + excess;
    const transform = `translateY(${y}px)`;
    const { style } = this.#elements!.layer;
    if (style.transform !== transform) style.transform = transform;
  }

  /** Tells assistive technology which of all lines each row is. Not a prop of the row: it changes when lines are dropped. */
  #number({ extent }: Drawing): void {
    for (const element of this.#elements!.layer.children) {
      const place = Number(element.getAttribute("data-place"));
      const index = `${lineOf(place, extent) + 2}`;
      if (element.getAttribute("aria-rowindex") !== index) element.setAttribute("aria-rowindex", index);
    }
  }

  /** Has the rows drawn that the view is over, if they are others than those that are. */
  #draw(): void {
    const { extent, slots, start, setStart, follower, rows } = this.#drawing!;
    if (follower.given(rows.isFollowing)) return;
    const wanted = startInView(this.#placed!.top, extent, slots, OVERSCAN);
    if (wanted !== start) setStart(wanted);
  }

  /** Tells the client where the view is, when it is elsewhere than it was told. It sends rows for some screens around. */
  #ask(): void {
    const { client, rows, extent, slots, follower } = this.#drawing!;
    const isFollowing = follower.given(rows.isFollowing);
    const start = isFollowing ? extent.next - slots : startInView(this.#placed!.top, extent, slots, OVERSCAN);
    const first = Math.max(extent.first, start);
    const last = this.#asked;
    const isAsked =
      last !== null &&
      last.generation === rows.generation &&
      last.isFollowing === isFollowing &&
      last.slots === slots &&
      (isFollowing || Math.abs(first - last.first) < slots * TOLD_WITHIN_SCREENS);
    if (isAsked) return;
    this.#asked = { generation: rows.generation, isFollowing, first, slots };
    client.setView({ first, count: slots });
  }

  /** Loads more where the view comes near an end that is not the end of the log. */
  #loadNearEnds(): void {
    const { client, rows, extent, slots, follower } = this.#drawing!;
    if (follower.given(rows.isFollowing)) return;
    const start = startInView(this.#placed!.top, extent, slots, OVERSCAN);
    const near = LOAD_WITHIN_SCREENS * slots;
    if (rows.hasOlder && !rows.isLoadingOlder && start - extent.first < near) {
      this.#load("older", () => client.loadOlder());
    }
    if (rows.hasNewer && !rows.isLoadingNewer && extent.next - (start + slots) < near) {
      this.#load("newer", () => client.loadNewer());
    }
  }

  #load(end: "older" | "newer", load: () => Promise<void>): void {
    if (this.#loading.has(end) || this.#failed.has(end)) return;
    this.#loading.add(end);
    load()
      .catch(() => this.#failed.add(end))
      .finally(() => this.#loading.delete(end));
  }

  /** Hears what is done with the scroller, until the returned function is called. */
  listen(grid: HTMLElement): () => void {
    const quiet = { passive: true } as const;
    let touchY = 0;
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey && event.deltaY !== 0) this.#gesture(event.deltaY > 0 ? 1 : -1);
    };
    const touchStart = (event: TouchEvent) => {
      touchY = event.touches[0]?.clientY ?? 0;
    };
    const touchMove = (event: TouchEvent) => {
      const y = event.touches[0]?.clientY ?? touchY;
      if (y !== touchY) this.#gesture(y < touchY ? 1 : -1);
      touchY = y;
    };
    const pointerDown = (event: PointerEvent) => {
      const isOnBar = event.target === grid && event.offsetX >= grid.clientWidth;
      if (isOnBar) this.#grabBar();
    };
    const scroll = () => this.#scrolled();
    const click = (event: MouseEvent) => this.#click(event);
    grid.addEventListener("click", click);
    grid.addEventListener("wheel", wheel, quiet);
    grid.addEventListener("touchstart", touchStart, quiet);
    grid.addEventListener("touchmove", touchMove, quiet);
    grid.addEventListener("pointerdown", pointerDown, quiet);
    grid.addEventListener("scroll", scroll, quiet);
    return () => {
      grid.removeEventListener("wheel", wheel);
      grid.removeEventListener("touchstart", touchStart);
      grid.removeEventListener("touchmove", touchMove);
      grid.removeEventListener("pointerdown", pointerDown);
      grid.removeEventListener("scroll", scroll);
      grid.removeEventListener("click", click);
      this.#releaseBar();
    };
  }

  #gesture(down: 1 | -1): void {
    const drawing = this.#drawing;
    if (drawing === null || this.#placed === null) return;
    this.#failed.clear();
    drawing.follower.gesture(headingOf(down, drawing.extent), this.#standing());
    this.#afterDecision();
  }

  /** Has the list drawn as was decided, without waiting for the client to confirm it. */
  #afterDecision(): void {
    const { follower, rows, redraw } = this.#drawing!;
    // In the gesture itself, so that the rows beyond the view are there when the browser scrolls.
    if (follower.given(rows.isFollowing) !== rows.isFollowing) flushSync(redraw);
    else this.#loadNearEnds();
  }

  /** Browsers do not always say that a scroll bar was let go, so a pointer that comes back without a button says it too. */
  #grabBar(): void {
    if (this.#drawing === null || this.#placed === null) return;
    this.#releaseBar();
    const end = () => this.#releaseBar();
    const move = (event: PointerEvent) => event.buttons === 0 && end();
    window.addEventListener("pointerup", end);
    window.addEventListener("pointermove", move);
    this.#release = () => {
      window.removeEventListener("pointerup", end);
      window.removeEventListener("pointermove", move);
    };
    this.#drawing.follower.grabBar(this.#standing());
    this.#afterDecision();
  }

  #releaseBar(): void {
    this.#release?.();
    this.#release = null;
    this.#drawing?.follower.releaseBar();
  }

  #standing(): Standing {
    const { rows, extent, room } = this.#drawing!;
    const top = this.#top();
    const isAtEnd = extent.order === "oldest-first" ? top >= lastTop(extent, room) - END_SLACK_PX : top <= END_SLACK_PX;
    return { isAtNow: isAtEnd && !rows.hasNewer, canScroll: fullHeight(extent) > room || rows.hasOlder };
  }

  /** The scroller has moved: by a person, or by us. */
  #scrolled(): void {
    const drawing = this.#drawing;
    if (drawing === null || this.#placed === null) return;
    const { follower, rows, extent } = drawing;
    const top = this.#top();
    const moved = top - this.#placed.top;
    const heading = moved === 0 ? null : headingOf(moved, extent);
    const wasFollowing = follower.given(rows.isFollowing);
    follower.scrolled(heading, this.#standing());
    if (follower.given(rows.isFollowing)) {
      if (!wasFollowing) drawing.redraw();
      return;
    }
    this.#placed = { ...this.#placed, top };
    this.#hang(drawing.base);
    // A scroll event comes before the frame is drawn; what is drawn later than that would be seen missing.
    flushSync(() => this.#draw());
    this.#ask();
    this.#loadNearEnds();
  }

  /** The row at a place, when it is at hand. */
  rowAt(place: number): Row | null {
    const rows = this.#drawing?.rows;
    return rows?.rows[place - rows.from] ?? null;
  }

  /** The row that the keys were at, when it was last at hand. */
  remembered(): Row | null {
    return this.#remembered;
  }

  /** Opens the line that was clicked. */
  #click(event: MouseEvent): void {
    const target = event.target as Element;
    const element = target.closest(".todoki-row");
    if (element === null || target.closest("button, a, input") !== null || isSelectingText()) return;
    const place = Number(element.getAttribute("data-place"));
    this.#drawing?.follower.pause();
    this.#activate(place);
    this.#openRow(this.rowAt(place) ?? (this.#remembered?.place === place ? this.#remembered : null));
  }

  focus(): void {
    this.#elements?.grid.focus({ preventScroll: true });
  }

  active(): Row | null {
    const { active, rows } = this.#drawing ?? {};
    if (!active || !rows || active.generation !== rows.generation) return null;
    return this.rowAt(active.place) ?? this.#remembered;
  }

  open(): void {
    this.#openRow(this.active());
  }

  #openRow(row: Row | null): void {
    if (row?.type === "event") this.#drawing!.onOpen(row);
    else if (row?.marker.type === "gap" && row.marker.isLoadable) this.#drawing!.fill(row.place);
  }

  release(): boolean {
    if (this.#drawing === null || this.#drawing.active === null) return false;
    this.#drawing.setActive(null);
    return true;
  }

  move(lines: number): void {
    const drawing = this.#drawing;
    if (drawing === null || drawing.rows.next === drawing.rows.first) return;
    const { extent } = drawing;
    const from = drawing.active?.generation === drawing.rows.generation ? drawing.active.place : null;
    const line = from === null ? this.#lineToBegin(lines) : lineOf(from, extent) + lines;
    const place = placeOf(Math.min(extent.next - extent.first - 1, Math.max(0, line)), extent);
    // A line further down is not the wish to follow; to go on where there is no further line is.
    if (headingOf(lines, extent) === "past" || place === from) this.#gesture(lines > 0 ? 1 : -1);
    this.#goTo(place);
  }

  /** The first line that keys go to: the one at the edge of the view that they come from. */
  #lineToBegin(lines: number): number {
    const { extent, room } = this.#drawing!;
    const top = this.#top() - extent.lead;
    return lines > 0 ? Math.ceil(top / extent.rowHeight) : Math.floor((top + room) / extent.rowHeight) - 1;
  }

  movePages(pages: number): void {
    const { room, extent } = this.#drawing ?? {};
    if (room === undefined || extent === undefined) return;
    this.move(pages * Math.max(1, Math.floor(room / extent.rowHeight) - 1));
  }

  moveToEnd(end: "top" | "bottom"): void {
    const drawing = this.#drawing;
    if (drawing === null || drawing.rows.next === drawing.rows.first) return;
    const { extent, follower } = drawing;
    const isNow = (end === "bottom") === (extent.order === "oldest-first");
    if (isNow) {
      follower.resume();
      drawing.setActive(null);
      drawing.redraw();
      return;
    }
    this.#gesture(end === "bottom" ? 1 : -1);
    this.#goTo(extent.first);
    if (!follower.given(drawing.rows.isFollowing)) {
      this.#scrollTo(end === "top" ? 0 : lastTop(extent, drawing.room));
    }
  }

  async find(what: Find, direction: 1 | -1): Promise<boolean> {
    const drawing = this.#drawing;
    if (drawing === null) return false;
    const { client, rows, active } = drawing;
    const { generation } = rows;
    const from = active?.generation === generation ? active.place : this.#placeToBegin(drawing);
    const place = await client.find(what, from, direction);
    if (place === null || this.#drawing?.rows.generation !== generation) return place !== null;
    this.#drawing.follower.pause();
    this.#goTo(place, true);
    return true;
  }

  /** Where a search begins when the keys are nowhere: at what is newest while that is followed, else in the middle. */
  #placeToBegin({ follower, rows, extent, room }: Drawing): number {
    if (follower.given(rows.isFollowing)) return extent.next;
    const line = Math.floor((this.#top() - extent.lead + room / 2) / extent.rowHeight);
    return placeOf(Math.min(extent.next - extent.first - 1, Math.max(0, line)), extent);
  }

  async show(cursor: Cursor): Promise<void> {
    const drawing = this.#drawing;
    if (drawing === null) return;
    const { client, rows, follower } = drawing;
    const place = await client.placeOf(cursor);
    if (this.#drawing?.rows.generation !== rows.generation) return;
    if (place === null) {
      // The connection shows what went wrong; the view stays where it is.
      await client.seek(cursor).catch(() => {});
      return;
    }
    follower.pause();
    this.#goTo(place, true);
  }

  /** Puts the keys at a line and the line into view. */
  #goTo(place: number, isFar = false): void {
    const { extent, room, follower, rows, onMove } = this.#drawing!;
    this.#activate(place);
    const row = this.rowAt(place);
    if (row?.type === "event") onMove(row);
    if (follower.given(rows.isFollowing)) return;
    const top = this.#top();
    const shown = topToShow(place, top, extent, room);
    if (shown !== top) this.#scrollTo(isFar ? topToCenter(place, extent, room) : shown);
  }

  #activate(place: number): void {
    const { setActive, rows } = this.#drawing!;
    this.#remembered = this.rowAt(place);
    setActive({ place, generation: rows.generation });
  }

  #scrollTo(top: number): void {
    const { extent, room } = this.#drawing!;
    this.#elements!.grid.scrollTop = scrollOfTop(top, extent, room);
  }
}

/** Towards which end of time a movement down (above zero) or up (below zero) goes. */
function headingOf(down: number, { order }: Extent): Heading {
  return down > 0 === (order === "oldest-first") ? "now" : "past";
}

/** Whether the click that is handled was the end of marking text. */
function isSelectingText(): boolean {
  const selection = document.getSelection();
  return selection !== null && !selection.isCollapsed && selection.toString() !== "";
}
