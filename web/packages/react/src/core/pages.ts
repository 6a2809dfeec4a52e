/** Pages of the log, and how they come into the window. */
import type { Cursor } from "../event-client.ts";
import type { Page } from "../protocol/page.ts";
import { type Envelope, envelope, readEvent } from "../protocol/scan.ts";
import { PAGE_EVENTS } from "./api.ts";
import type { EventLog } from "./event-log.ts";
import type { Timeline } from "./timeline.ts";
import type { Window } from "./window.ts";

const at = envelope();

/** Adds a newer page. */
export function appendPage(window: Window, { events, next }: Page): void {
  for (const event of events) if (readEvent(event, at)) window.append(event, at, window.matches(event, at));
  window.after = next;
}

/** Adds an older page, and says how many of its events are hits. What it pushes out at the other end detaches the window. */
function prependPage(window: Window, { events, next, hasMore }: Page): number {
  const { log, index } = window;
  let hits = 0;
  for (const event of events.slice(-log.capacity).reverse()) {
    if (!readEvent(event, at)) continue;
    if (log.isFull) {
      const last = log.next - 1;
      window.isAttached = false;
      window.after = log.cursor(last) - (log.isMarker(last) ? 0 : 1);
    }
    const isHit = window.matches(event, at);
    if (isHit) hits++;
    prepend(log, event, at, isHit);
    index.prepended(log.first);
  }
  window.before = next;
  window.hasOlder = hasMore;
  return hits;
}

/** Adds an older event; the newest line makes room. */
export function prepend(log: EventLog, event: string, at: Envelope, isHit: boolean): void {
  if (log.isFull) log.drop(--log.next);
  log.write(--log.first, event, at, isHit);
}

/** Those of some events that are behind a cursor, up to another. */
export function between(events: readonly string[], after: Cursor, through = Number.POSITIVE_INFINITY): string[] {
  return events.filter((event) => {
    const cursor = cursorOf(event);
    return cursor > after && cursor <= through;
  });
}

export function cursorOf(event: string): Cursor {
  return readEvent(event, at) ? at.cursor : 0;
}

/** Reads the newest events that are older than the window into it, page by page, for as long as the list is the same. */
export async function newest(timeline: Timeline, count: number, isSame: () => boolean): Promise<readonly string[]> {
  const events: string[] = [];
  try {
    while (timeline.window.hasOlder && events.length < count && isSame()) {
      const page = await olderPage(timeline, Math.min(PAGE_EVENTS, count - events.length));
      if (page === null) break;
      events.unshift(...page.events);
    }
  } catch {
    // What has come is there; `loadOlder` can go on from it.
  }
  return events;
}

/** Reads an older page into the window; null when the list has become another one. */
export async function olderPage(
  timeline: Timeline,
  limit: number,
  signal?: AbortSignal,
): Promise<(Page & { readonly hits: number }) | null> {
  const { window, journeys } = timeline;
  const isSame = timeline.list();
  const { before, isAttached } = window;
  const page = await timeline.api.page({ before }, timeline.subscription, limit, signal);
  // Events that were evicted meanwhile would be missing between the page and the window.
  if (!isSame() || before !== window.before) return null;
  // Whoever has gone to the present meanwhile does not want it pushed out.
  const { first, next, capacity } = window.log;
  if (journeys !== timeline.journeys && next - first + page.events.length > capacity) return null;
  const hits = prependPage(window, page);
  if (!window.isAttached) {
    // The newest made room: whoever asks for older ones does not look at them.
    timeline.view.pause();
    if (isAttached || timeline.isAttaching) timeline.detach();
  }
  // The line that was the first knows now which day was before it.
  timeline.view.outdate();
  return { ...page, hits };
}
