/**
 * Which lines of the log are shown, and at which places. Places stay while lines are added or dropped at the ends; only
 * `rebuild` begins anew.
 */
import type { EventLog } from "./event-log.ts";

export interface PlaceIndex {
  /** Places of all lines that are shown: from `first` up to, not including, `next`. */
  readonly first: number;
  readonly next: number;
  /** The line at a place between `first` and `next`. */
  seq(place: number): number;
  /** The place of a line, or of the next that is shown. */
  place(seq: number): number;
  /** Takes notice of a line behind the newest. */
  appended(seq: number): void;
  /** Takes notice of a line before the oldest. */
  prepended(seq: number): void;
  rebuild(): void;
}

/** All lines are shown: a place is a line's number. `shown-lines.ts` has the other way. */
export class AllLines implements PlaceIndex {
  readonly #log: EventLog;

  constructor(log: EventLog) {
    this.#log = log;
  }

  get first(): number {
    return this.#log.first;
  }

  get next(): number {
    return this.#log.next;
  }

  seq(place: number): number {
    return place;
  }

  place(seq: number): number {
    return seq;
  }

  appended(): void {}
  prepended(): void {}
  rebuild(): void {}
}
