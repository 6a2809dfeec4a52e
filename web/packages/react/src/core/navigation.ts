/**
 * Where a view can be sent, and how the window gets there. Of journeys that overlap the last one counts.
 */
import type { Cursor, Find, Target } from "../event-client.ts";
import type { Page } from "../protocol/page.ts";
import { PAGE_EVENTS } from "./api.ts";
import type { IdColumn } from "./event-log.ts";
import type { Timeline } from "./timeline.ts";
import type { Window } from "./window.ts";

/** Going to a place reads so many events to either side of it. */
const AROUND_EVENTS = 250;
/** Going to the present reads so many. */
const NEWEST_EVENTS = 500;
/** The present is reached by reading on when it is no further away than this; otherwise the list begins anew. */
const NEAR_EVENTS = 10_000;
/** Events that are read at once for a list that scrolls: some twenty screens. */
const STEP_EVENTS = 500;
/** Pages that one `fill` reads, so that a gap of a million does not push everything else out; it can be repeated. */
const FILL_PAGES = 20;

/** Shows what was around an event or a time, paused. */
export async function seek(timeline: Timeline, target: Exclude<Target, "now">): Promise<void> {
  timeline.pause();
  const isLast = timeline.depart();
  const cursor = typeof target === "number" ? target : (await timeline.api.seek(new Date(target))) + 1;
  if (!isLast()) return;
  const line = timeline.window.log.find(cursor);
  if (line === null) await around(timeline, cursor);
  else timeline.relist(line, false);
}

/** Shows what was around a cursor. */
export async function around(timeline: Timeline, cursor: Cursor): Promise<void> {
  const { api, subscription, window } = timeline;
  const isLast = timeline.depart();
  const [older, newer] = await Promise.all([
    api.page({ before: cursor }, subscription, AROUND_EVENTS),
    api.page({ cursor: Math.max(0, cursor - 1) }, subscription, AROUND_EVENTS),
  ]);
  if (!isLast()) return;
  beginWith(timeline, older);
  window.appendPage(newer);
  timeline.relist(window.log.at(cursor), false);
  if (!newer.hasMore) timeline.attach();
}

/** Goes to what happens now; one that only resumes reads on when it is attached, however far behind it is. */
export async function present(timeline: Timeline, isResumed: boolean): Promise<void> {
  const { api, connection, subscription, window } = timeline;
  const isLast = timeline.depart();
  timeline.follow();
  if (window.isAttached && (isResumed || connection.isLive || timeline.isBeginning)) return;
  const { head } = connection;
  if (!window.isAttached && head !== null && head - window.after <= NEAR_EVENTS) {
    timeline.attach();
    return;
  }
  const latest = await api.latest();
  const page = await api.page({ before: latest + 1 }, subscription, NEWEST_EVENTS);
  if (!isLast()) return;
  if (window.isAttached) skipTo(timeline, page);
  else beginWith(timeline, page);
  window.after = latest;
  timeline.attach();
}

function beginWith(timeline: Timeline, page: Page): void {
  const { window } = timeline;
  timeline.anew();
  window.isAttached = false;
  window.before = page.next;
  window.hasOlder = page.hasMore;
  window.appendPage(page);
}

/** Leaves out what is between the end of the window and a page that was read ahead. */
function skipTo(timeline: Timeline, page: Page): void {
  const { window } = timeline;
  const after = timeline.mark;
  const events = window.between(page.events, after);
  const through = events[0] === undefined ? after : window.cursorOf(events[0]) - 1;
  if (through > after && page.hasMore) {
    const gap = { after, through, count: through - after, isLoadable: true, isLoading: false };
    timeline.markLine({ type: "gap", reason: "skipped", ...gap }, through);
  }
  window.appendPage({ ...page, events });
}

export async function loadNewer(timeline: Timeline): Promise<void> {
  const { api, subscription, window } = timeline;
  if (window.isAttached || timeline.isLoadingNewer || timeline.isBeginning) return;
  const isSame = timeline.list();
  timeline.isLoadingNewer = true;
  timeline.shown();
  try {
    const page = await api.page({ cursor: window.after }, subscription, STEP_EVENTS);
    if (!isSame()) return;
    window.appendPage(page);
    if (!page.hasMore) timeline.attach();
  } finally {
    if (isSame()) timeline.isLoadingNewer = false;
    timeline.shown();
  }
}

export async function searchOlder(
  timeline: Timeline,
  onProgress: (scanned: number, reached: Cursor) => void,
  signal: AbortSignal,
): Promise<boolean> {
  for (let scanned = 0; timeline.window.hasOlder && !signal.aborted; ) {
    const page = await timeline.older(PAGE_EVENTS, signal);
    if (page === null) return false;
    scanned += page.events;
    onProgress(scanned, timeline.window.before);
    if (page.hits > 0) return true;
  }
  return false;
}

/** Loads what the gap at a place left out. */
export async function fill(timeline: Timeline, place: number): Promise<void> {
  let line: number | null = timeline.window.index.seq(place);
  for (let pages = 0; line !== null && pages < FILL_PAGES; pages++) line = await fillPage(timeline, line);
}

/** Fills a page of a gap; the line of its marker, or null when there is nothing more to do. */
async function fillPage(timeline: Timeline, line: number): Promise<number | null> {
  const { log } = timeline.window;
  const marker = log.marker(line);
  if (marker?.type !== "gap" || !marker.isLoadable || marker.isLoading) return null;
  const isSame = timeline.list();
  timeline.setMarker(line, { ...marker, isLoading: true });
  let page: Page;
  try {
    page = await timeline.api.page({ cursor: marker.after }, timeline.subscription, PAGE_EVENTS);
  } catch (error) {
    if (isSame() && log.marker(line) !== undefined) timeline.setMarker(line, marker);
    throw error;
  }
  if (!isSame() || log.marker(line)?.type !== "gap") return null;
  timeline.window.insert(line, timeline.window.between(page.events, marker.after, marker.through));
  const isFilled = !page.hasMore || page.next >= marker.through;
  if (isFilled) log.unmark(line);
  else {
    const count = marker.count === null ? null : marker.through - page.next;
    timeline.setMarker(line, { ...marker, after: page.next, count, isLoading: false });
  }
  timeline.relist(isFilled ? line + 1 : line);
  return isFilled ? null : line;
}

/** The place of the next line of some sort in a direction; null when there is none in memory. */
export function find({ index, log }: Window, what: Find, from: number, direction: 1 | -1): number | null {
  const { first, next } = index;
  const column: IdColumn | null = what === "hit" || what === "failure" ? null : (what.slice(5) as IdColumn);
  const id = column !== null && from >= first && from < next ? log.id(column, index.seq(from)) : 0;
  if (column !== null && id === 0) return null;
  const isIt = (seq: number) => {
    if (column !== null) return log.id(column, seq) === id;
    return what === "hit" ? log.isHit(seq) : log.isFailure(seq);
  };
  const begin = direction > 0 ? Math.max(from + 1, first) : Math.min(from - 1, next - 1);
  for (let place = begin; place >= first && place < next; place += direction) {
    const seq = index.seq(place);
    if (!log.isMarker(seq) && isIt(seq)) return place;
  }
  return null;
}

/** The place of an event; null when the list does not have it. */
export function placeOf({ index, log }: Window, cursor: Cursor): number | null {
  const seq = log.find(cursor);
  if (seq === null) return null;
  const place = index.place(seq);
  return place < index.next && index.seq(place) === seq ? place : null;
}
