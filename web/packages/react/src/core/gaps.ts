/** Loads what a gap left out, and puts it in its place. */

import type { Page } from "../protocol/page.ts";
import { type Envelope, envelope, readEvent } from "../protocol/scan.ts";
import { PAGE_EVENTS } from "./api.ts";
import type { EventLog } from "./event-log.ts";
import { between } from "./pages.ts";
import type { Timeline } from "./timeline.ts";

/** Pages that one `fill` reads, so that a gap of a million does not push everything else out; it can be repeated. */
const FILL_PAGES = 20;

/** Loads what the gap at a place left out. */
export async function fill(timeline: Timeline, place: number): Promise<void> {
  let line: number | null = timeline.window.index.seq(place);
  for (let pages = 0; line !== null && pages < FILL_PAGES; pages++) line = await fillPage(timeline, line);
}

/** Fills a page of a gap; the line of its marker, or null when there is nothing more to do. */
async function fillPage(timeline: Timeline, line: number): Promise<number | null> {
  const { window } = timeline;
  const { log } = window;
  const marker = log.marker(line);
  if (marker?.type !== "gap" || !marker.isLoadable || marker.isLoading) return null;
  const isSame = timeline.list();
  timeline.markers.set(line, { ...marker, isLoading: true });
  let page: Page;
  try {
    page = await timeline.api.page({ cursor: marker.after }, timeline.subscription, PAGE_EVENTS);
  } catch (error) {
    if (isSame() && log.marker(line) !== undefined) timeline.markers.set(line, marker);
    throw error;
  }
  if (!isSame() || log.marker(line)?.type !== "gap") return null;
  const events = between(page.events, marker.after, marker.through);
  insert(log, line, events, (event, at) => window.matches(event, at));
  if (log.isFull) window.evictedOlder();
  const isFilled = !page.hasMore || page.next >= marker.through;
  if (isFilled) shift(log, line, -1);
  else {
    const count = marker.count === null ? null : marker.through - page.next;
    timeline.markers.set(line, { ...marker, after: page.next, count, isLoading: false });
  }
  window.index.rebuild();
  timeline.view.goTo(isFilled ? line + 1 : line);
  return isFilled ? null : line;
}

/** Puts events before the line at `seq`: that and all newer stay, all older move; the oldest make room. */
export function insert(
  log: EventLog,
  seq: number,
  events: readonly string[],
  isHit: (event: string, at: Envelope) => boolean,
): void {
  const count = Math.min(events.length, log.capacity - (log.next - seq));
  shift(log, seq, count);
  const at = envelope();
  events.slice(events.length - count).forEach((event, i) => {
    // A refused text would leave a hole. Whoever inserts has read the texts before, so it is a mistake of ours.
    if (!readEvent(event, at)) throw new Error("a page holds what is no event");
    log.write(seq - count + i, event, at, isHit(event, at));
  });
}

/**
 * Moves all lines before `seq` by so many towards older, and leaves room for `write`; the oldest lines go where there is
 * none. A negative `by` takes as many lines out, from `seq` on.
 */
export function shift(log: EventLog, seq: number, by: number): void {
  while (log.next - log.first + by > log.capacity) log.drop(log.first++);
  for (let out = seq; out < seq - by; out++) log.drop(out);
  // Those that go first are those in whose place others come.
  if (by > 0) for (let from = log.first; from < seq; from++) log.move(from, from - by);
  else for (let from = seq - 1; from >= log.first; from--) log.move(from, from - by);
  log.first -= by;
}
