/**
 * Where lines are: from places in the order of the log to pixels of the scroller and back. Pure arithmetic.
 *
 * A line has one height, so every answer is a multiplication. What stays on the screen when lines are added or dropped at
 * either end follows from places alone: a place is the same place before and after.
 */

/** What comes first on the screen. */
export type Order = "oldest-first" | "newest-first";

/** All lines there are, and how they are laid out. */
export interface Extent {
  /** Places from `first` up to, not including, `next`. */
  readonly first: number;
  readonly next: number;
  readonly rowHeight: number;
  readonly order: Order;
  /** Pixels above the first line and below the last one. */
  readonly lead: number;
  readonly tail: number;
}

/**
 * The tallest a scroller's content is made. Firefox drops heights above 17,895,697 px and Chromium above 33,554,428 px; what
 * is taller is scrolled in proportion.
 */
export const MAX_CONTENT_PX = 16_000_000;

/** Number of lines from the top to this place: 0 for the line on top. */
export function lineOf(place: number, extent: Extent): number {
  return extent.order === "oldest-first" ? place - extent.first : extent.next - 1 - place;
}

/** The place of a line counted from the top. */
export function placeOf(line: number, extent: Extent): number {
  return extent.order === "oldest-first" ? extent.first + line : extent.next - 1 - line;
}

/** Height of all lines, as if there were no limit. */
export function fullHeight(extent: Extent): number {
  return extent.lead + (extent.next - extent.first) * extent.rowHeight + extent.tail;
}

/** Height of the scroller's content. */
export function contentHeight(extent: Extent): number {
  return Math.min(fullHeight(extent), MAX_CONTENT_PX);
}

/** The furthest that the top of the view can be, in pixels of the full height. */
export function lastTop(extent: Extent, room: number): number {
  return Math.max(0, fullHeight(extent) - room);
}

/** How many pixels of the full height one pixel of the scroller is worth: 1 but for the tallest. */
function scale(extent: Extent, room: number): number {
  const reach = contentHeight(extent) - room;
  return reach <= 0 || fullHeight(extent) <= MAX_CONTENT_PX ? 1 : (fullHeight(extent) - room) / reach;
}

/** From the scroller's position to pixels of the full height. */
export function topOfScroll(scrollTop: number, extent: Extent, room: number): number {
  return scrollTop * scale(extent, room);
}

/** From pixels of the full height to the scroller's position. */
export function scrollOfTop(top: number, extent: Extent, room: number): number {
  return top / scale(extent, room);
}

/** The top of the view after a change of the lines, so that what was on top stays there to the pixel. */
export function carriedTop(top: number, before: Extent, after: Extent): number {
  if (before.rowHeight === after.rowHeight && before.order === after.order) {
    const moved = after.order === "oldest-first" ? before.first - after.first : after.next - before.next;
    return top + moved * after.rowHeight + after.lead - before.lead;
  }
  const line = (top - before.lead) / before.rowHeight;
  const edge = before.order === "oldest-first" ? before.first + line : before.next - line;
  const lineAfter = after.order === "oldest-first" ? edge - after.first : after.next - edge;
  return after.lead + lineAfter * after.rowHeight;
}

/** Places from `from` up to, not including, `to`. */
export interface PlaceRange {
  readonly from: number;
  readonly to: number;
}

/** How many rows are drawn for a view of `room` pixels with `over` more on either side. */
export function slotsFor(room: number, rowHeight: number, over: number): number {
  return Math.ceil(Math.max(0, room) / rowHeight) + 1 + 2 * over;
}

/**
 * The lowest place of the `slots` rows that are drawn when the view's top is here, `over` of them before the view. It may
 * be a place where no line is yet: what is then drawn grows by itself when there is one.
 */
export function startInView(top: number, extent: Extent, slots: number, over: number): number {
  const line = Math.floor((top - extent.lead) / extent.rowHeight) - over;
  return extent.order === "oldest-first" ? extent.first + line : extent.next - line - slots;
}

/** Those of the places from `start` on that have a line. */
export function placesFrom(start: number, slots: number, extent: Extent): PlaceRange {
  const from = Math.min(extent.next, Math.max(extent.first, start));
  return { from, to: Math.max(from, Math.min(extent.next, start + slots)) };
}

/** The top of the view that has this place in its middle. */
export function topToCenter(place: number, extent: Extent, room: number): number {
  const middle = extent.lead + (lineOf(place, extent) + 0.5) * extent.rowHeight;
  return Math.min(lastTop(extent, room), Math.max(0, middle - room / 2));
}

/** The nearest top of the view that shows the whole line of this place. */
export function topToShow(place: number, top: number, extent: Extent, room: number): number {
  const start = extent.lead + lineOf(place, extent) * extent.rowHeight;
  if (start < top) return start;
  return Math.max(top, start + extent.rowHeight - room);
}

/** Where the view is when it follows what is new. */
export function topOfNow(extent: Extent, room: number): number {
  return extent.order === "oldest-first" ? lastTop(extent, room) : 0;
}
