/**
 * Which lines of the log are shown, and at which places.
 *
 * Without a filter a place is a line's number. With one, places count hits and markers alone. Either way places stay while
 * lines are added or dropped at the ends; only `rebuild` begins anew.
 */
import type { EventLog } from "./event-log.ts";

export class PlaceIndex {
  readonly #log: EventLog;
  /** Lines by place, a ring as large as the log's; null when all lines are shown. */
  #seqs: Float64Array | null = null;
  #first = 0;
  #next = 0;

  constructor(log: EventLog) {
    this.#log = log;
  }

  get first(): number {
    return this.#seqs === null ? this.#log.first : this.#first;
  }

  get next(): number {
    return this.#seqs === null ? this.#log.next : this.#next;
  }

  /** Shows all lines, or hits and markers alone. */
  rebuild(isFiltered: boolean): void {
    this.#seqs = isFiltered ? (this.#seqs ?? new Float64Array(this.#log.capacity)) : null;
    this.#first = 0;
    this.#next = 0;
    for (let seq = this.#log.first; seq < this.#log.next; seq++) this.appended(seq);
  }

  /** Takes notice of a line behind the newest. */
  appended(seq: number): void {
    if (this.#seqs === null) return;
    this.evicted();
    if (this.#isShown(seq)) this.#seqs[this.#slot(this.#next++)] = seq;
  }

  /** Takes notice of a line before the oldest. */
  prepended(seq: number): void {
    if (this.#seqs === null) return;
    this.evicted();
    if (this.#isShown(seq)) this.#seqs[this.#slot(--this.#first)] = seq;
  }

  /** Forgets the places of lines that the log has no more. */
  evicted(): void {
    if (this.#seqs === null) return;
    while (this.#first < this.#next && this.#seqs[this.#slot(this.#first)]! < this.#log.first) this.#first++;
    while (this.#first < this.#next && this.#seqs[this.#slot(this.#next - 1)]! >= this.#log.next) this.#next--;
  }

  /** The line at a place between `first` and `next`. */
  seq(place: number): number {
    return this.#seqs === null ? place : this.#seqs[this.#slot(place)]!;
  }

  /** The place of a line, or of the next that is shown. */
  place(seq: number): number {
    if (this.#seqs === null) return seq;
    let low = this.#first;
    let high = this.#next;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (this.seq(middle) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #isShown(seq: number): boolean {
    return this.#log.isHit(seq) || this.#log.isMarker(seq);
  }

  #slot(place: number): number {
    return place & (this.#log.capacity - 1);
  }
}
