/**
 * Where a view can be sent, and how the window gets there. Of journeys that overlap the last one counts.
 */
import type { Cursor, Find, Start, Subscription, Target } from "../event-client.ts";
import type { Page } from "../protocol/page.ts";
import { PAGE_EVENTS } from "./api.ts";
import { eventOf, headOf, seekTime } from "./api-extras.ts";
import type { IdColumn } from "./event-log.ts";
import type { ListView } from "./list-view.ts";
import { appendPage, between, cursorOf, olderPage } from "./pages.ts";
import { DEFAULT_START, type Timeline } from "./timeline.ts";
import type { Window } from "./window.ts";

/** Going to a place reads so many events to either side of it. */
const AROUND_EVENTS = 250;
/** Going to the present reads so many. */
const NEWEST_EVENTS = 500;
/** The present is reached by reading on when it is no further away than this; otherwise the list begins anew. */
const NEAR_EVENTS = 10_000;
/** What a page may be ahead of the stream by time on the way; beyond it was meant to be left out. */
const AHEAD_EVENTS = 10_000;
/** Events that are read at once for a list that scrolls: some twenty screens. */
const STEP_EVENTS = 500;

/** Shows what was around an event or a time, paused. */
export async function seek(timeline: Timeline, target: Exclude<Target, "now">): Promise<void> {
  timeline.view.pause();
  const isLast = timeline.depart();
  const cursor = typeof target === "number" ? target : (await seekTime(timeline.api, new Date(target))) + 1;
  if (!isLast()) return;
  const line = timeline.window.log.find(cursor);
  if (line === null) await around(timeline, cursor);
  else timeline.view.goTo(line);
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
  appendPage(window, newer);
  timeline.view.goTo(window.log.at(cursor));
  if (!newer.hasMore) attach(timeline);
}

/** Asks for other events. The list begins anew from where the view stands, or from `from`. */
export function setSubscription(timeline: Timeline, subscription: Subscription, from?: Start): void {
  const { view, window } = timeline;
  const middle = view.isFollowing || from !== undefined ? null : middleOf(view, window);
  const cursor = middle === null ? null : window.log.cursor(middle);
  timeline.subscription = subscription;
  timeline.anew();
  if (cursor === null) {
    view.follow();
    timeline.start(from ?? DEFAULT_START);
    return;
  }
  const isSame = timeline.list();
  timeline.start("now");
  window.isAttached = false;
  around(timeline, cursor).catch(() => {
    if (isSame()) timeline.start(DEFAULT_START);
  });
}

/** The line in the middle of the view; null when there is none. */
export function middleOf({ isFollowing, wanted }: ListView, { index }: Window): number | null {
  if (index.first === index.next) return null;
  const place = isFollowing ? index.next - 1 : wanted.first + (wanted.count >> 1);
  return index.seq(Math.max(index.first, Math.min(place, index.next - 1)));
}

/** Empties the list; events after it are shown as they come. */
export function clear(timeline: Timeline): void {
  const { window } = timeline;
  const { isAttached } = window;
  timeline.anew();
  window.hasOlder = false;
  if (isAttached) return;
  // From the last event received, so that those who listen miss none of what is on its way.
  window.after = Math.max(timeline.mark, 0);
  attach(timeline);
}

/** Goes to what happens now; one that only resumes reads on when it is attached, however far behind it is. */
export async function present(timeline: Timeline, isResumed: boolean): Promise<void> {
  const { api, connection, subscription, window } = timeline;
  const isLast = timeline.depart();
  timeline.view.follow();
  if (window.isAttached && (isResumed || connection.isLive || timeline.isBeginning)) return;
  const { head } = connection;
  if (!window.isAttached && head !== null && head - window.after <= NEAR_EVENTS) {
    attach(timeline);
    return;
  }
  const latest = await headOf(api);
  const page = await api.page({ before: latest + 1 }, subscription, NEWEST_EVENTS);
  if (!isLast()) return;
  if (window.isAttached) skipTo(timeline, page, latest);
  else {
    beginWith(timeline, page);
    window.after = latest;
  }
  attach(timeline);
}

/**
 * Takes the window up again where it ends; or a little before, since pages may have run ahead of the stream, and whoever
 * listens to each event has not had those between.
 */
function attach(timeline: Timeline): void {
  const { mark, window } = timeline;
  const { after } = window;
  const isAhead = mark >= 0 && mark < after && after - mark <= AHEAD_EVENTS;
  timeline.attach(isAhead ? mark : after);
}

function beginWith(timeline: Timeline, page: Page): void {
  const { window } = timeline;
  timeline.anew();
  window.isAttached = false;
  window.before = page.next;
  window.hasOlder = page.hasMore;
  appendPage(window, page);
}

/** Leaves out what is between the end of the window and a page that was read ahead. */
function skipTo(timeline: Timeline, page: Page, latest: Cursor): void {
  const { window } = timeline;
  const after = timeline.end;
  const events = between(page.events, after);
  const through = events[0] === undefined ? after : cursorOf(events[0]) - 1;
  if (through > after && page.hasMore) {
    const gap = { after, through, count: through - after, isLoadable: true, isLoading: false };
    timeline.markers.add({ type: "gap", reason: "skipped", ...gap }, through);
  }
  appendPage(window, { ...page, events });
  // The stream may have brought more while the page was on its way.
  window.after = Math.max(latest, after);
}

/** Loads older events, as many as a list that scrolls needs. */
export async function loadOlder(timeline: Timeline): Promise<void> {
  await older(timeline, STEP_EVENTS);
}

/** Loads older events; how many, and how many of them are hits, or null when the list has become another one. */
async function older(
  timeline: Timeline,
  limit: number,
  signal?: AbortSignal,
): Promise<{ events: number; hits: number } | null> {
  if (!timeline.window.hasOlder || timeline.isLoadingOlder) return null;
  const isSame = timeline.list();
  timeline.isLoadingOlder = true;
  timeline.shown();
  try {
    const page = await olderPage(timeline, limit, signal);
    return page && { events: page.events.length, hits: page.hits };
  } finally {
    if (isSame()) timeline.isLoadingOlder = false;
    timeline.shown();
  }
}

export async function loadNewer(timeline: Timeline): Promise<void> {
  const { api, subscription, window } = timeline;
  if (window.isAttached || timeline.isLoadingNewer || timeline.isBeginning) return;
  const isSame = timeline.list();
  timeline.isLoadingNewer = true;
  timeline.shown();
  try {
    const page = await api.page({ cursor: window.after }, subscription, STEP_EVENTS);
    // Once it is attached, the stream has brought these.
    if (!isSame() || window.isAttached) return;
    appendPage(window, page);
    if (!page.hasMore) attach(timeline);
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
    const page = await older(timeline, PAGE_EVENTS, signal);
    if (page === null) return false;
    scanned += page.events;
    onProgress(scanned, timeline.window.before);
    if (page.hits > 0) return true;
  }
  return false;
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

/** The text of an event, from memory or from the server; null when neither has it. */
export function textOf({ api, window }: Timeline, cursor: Cursor): string | Promise<string | null> {
  const line = window.log.find(cursor);
  return line === null ? eventOf(api, cursor) : window.log.raw(line);
}

/** The place of an event; null when the list does not have it. */
export function placeOf({ index, log }: Window, cursor: Cursor): number | null {
  const seq = log.find(cursor);
  if (seq === null) return null;
  const place = index.place(seq);
  return place < index.next && index.seq(place) === seq ? place : null;
}
