/**
 * What of the filtered log is in memory: one contiguous piece, but for the gaps that markers in it tell of.
 *
 * While it is *attached* its end is the live edge. Older pages go before it and newer ones behind it; what is pushed out
 * at one end can be read again from there. It asks nobody for anything.
 */
import type { Cursor, Marker } from "../event-client.ts";
import type { Envelope } from "../protocol/scan.ts";
import { EventLog } from "./event-log.ts";
import type { Test } from "./match.ts";
import { AllLines, type PlaceIndex } from "./place-index.ts";

export class Window {
  readonly log: EventLog;
  index: PlaceIndex;
  /** What is a hit; null when all are. `search.ts` sets it, with the index that goes with it. */
  test: Test | null = null;
  isFiltered = false;
  isAttached = true;
  /** Older pages are before this. */
  before: Cursor = 0;
  hasOlder = false;
  /** Where newer pages begin while it is detached; what the stream brings up to here is in the window already. */
  after: Cursor = 0;

  constructor(capacity: number) {
    this.log = new EventLog(capacity);
    this.index = new AllLines(this.log);
  }

  get isEmpty(): boolean {
    return this.log.first === this.log.next;
  }

  /** Whether an event is a hit. */
  matches(raw: string, at: Envelope): boolean {
    return this.test === null || this.test(at, raw);
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

  clear(): void {
    this.after = 0;
    this.log.clear();
    this.index.rebuild();
  }

  #appended(wasFull: boolean): void {
    this.index.appended(this.log.next - 1);
    if (wasFull) this.evictedOlder();
  }

  /** The oldest lines made room, and can be read again. */
  evictedOlder(): void {
    const { first } = this.log;
    this.before = this.log.cursor(first) + (this.log.isMarker(first) ? 1 : 0);
    this.hasOlder = true;
  }
}
