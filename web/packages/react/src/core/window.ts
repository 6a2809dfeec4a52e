/**
 * What of the filtered log is in memory: one contiguous piece, but for the gaps that markers in it tell of.
 *
 * While it is *attached* its end is the live edge. Older pages go before it and newer ones behind it; what is pushed out
 * at one end can be read again from there. It asks nobody for anything.
 */
import type { Cursor, Marker } from "../event-client.ts";
import type { Page } from "../protocol/page.ts";
import { type Envelope, envelope, readEvent } from "../protocol/scan.ts";
import { EventLog } from "./event-log.ts";
import { PlaceIndex } from "./place-index.ts";
import type { Line, Test } from "./query.ts";

export class Window {
  readonly log: EventLog;
  readonly index: PlaceIndex;
  isFiltered = false;
  isAttached = true;
  /** Older pages are before this. */
  before: Cursor = 0;
  hasOlder = false;
  /** Where newer pages begin while it is detached; what the stream brings up to here is in the window already. */
  after: Cursor = 0;
  #test: Test | null = null;
  readonly #at: Envelope = envelope();
  readonly #line: Line = { kind: "", agent: "", session: "", task: "", raw: "", data: 0 };

  constructor(capacity: number) {
    this.log = new EventLog(capacity);
    this.index = new PlaceIndex(this.log);
  }

  get isEmpty(): boolean {
    return this.log.first === this.log.next;
  }

  /** Whether the query lets an event through. */
  matches(raw: string, { kind, agent, session, task, data }: Envelope): boolean {
    return this.#test === null || this.#test(Object.assign(this.#line, { kind, agent, session, task, raw, data }));
  }

  append(raw: string, at: Envelope, isHit: boolean): void {
    const { isFull } = this.log;
    this.log.append(raw, at, isHit);
    this.#appended(isFull);
  }

  /** Adds a marker behind the newest line; its line. */
  mark(marker: Marker, cursor: Cursor, time: number): number {
    const { isFull } = this.log;
    // Pages may have run ahead of the stream.
    const last = this.isEmpty ? 0 : this.log.cursor(this.log.next - 1);
    const line = this.log.mark(marker, Math.max(cursor, last), time);
    this.#appended(isFull);
    return line;
  }

  appendPage({ events, next }: Page): void {
    for (const event of events)
      if (readEvent(event, this.#at)) this.append(event, this.#at, this.matches(event, this.#at));
    this.after = next;
  }

  /** Adds an older page, and says how many of its events are hits. What it pushes out at the other end detaches the window. */
  prependPage({ events, next, hasMore }: Page): number {
    const { log, index } = this;
    let hits = 0;
    for (const event of events.slice(-log.capacity).reverse()) {
      if (!readEvent(event, this.#at)) continue;
      if (log.isFull) {
        const last = log.next - 1;
        this.isAttached = false;
        this.after = log.cursor(last) - (log.isMarker(last) ? 0 : 1);
      }
      const isHit = this.matches(event, this.#at);
      if (isHit) hits++;
      log.prepend(event, this.#at, isHit);
      index.prepended(log.first);
    }
    this.before = next;
    this.hasOlder = hasMore;
    return hits;
  }

  /** Fills in events before the marker at `line`, which all older lines make room for. */
  insert(line: number, events: readonly string[]): void {
    this.log.insert(line, events, (event) => {
      if (!readEvent(event, this.#at)) return null;
      return { at: this.#at, isHit: this.matches(event, this.#at) };
    });
    if (this.log.isFull) this.#evictedOlder();
  }

  setTest(test: Test | null, isFiltered: boolean): void {
    const { log } = this;
    const line = this.#line;
    this.#test = test;
    this.isFiltered = isFiltered;
    for (let seq = log.first; seq < log.next; seq++) {
      if (test !== null) {
        line.kind = log.text("kind", seq);
        line.agent = log.text("agent", seq);
        line.session = log.text("session", seq);
        line.task = log.text("task", seq);
        line.raw = log.raw(seq);
        line.data = log.data(seq);
      }
      log.setHit(seq, test === null || test(line));
    }
  }

  clear(): void {
    this.after = 0;
    this.log.clear();
    this.index.rebuild(this.isFiltered);
  }

  /** Those of some events that are behind a cursor, up to another. */
  between(events: readonly string[], after: Cursor, through = Number.POSITIVE_INFINITY): string[] {
    return events.filter((event) => {
      const cursor = this.cursorOf(event);
      return cursor > after && cursor <= through;
    });
  }

  cursorOf(event: string): Cursor {
    return readEvent(event, this.#at) ? this.#at.cursor : 0;
  }

  #appended(wasFull: boolean): void {
    this.index.appended(this.log.next - 1);
    if (wasFull) this.#evictedOlder();
  }

  #evictedOlder(): void {
    const { first } = this.log;
    this.before = this.log.cursor(first) + (this.log.isMarker(first) ? 1 : 0);
    this.hasOlder = true;
  }
}
