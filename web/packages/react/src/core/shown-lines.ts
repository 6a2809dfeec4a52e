/** What a filter lets through: places count hits and markers alone. */
import type { EventLog } from "./event-log.ts";
import type { PlaceIndex } from "./place-index.ts";

export class ShownLines implements PlaceIndex {
  first = 0;
  next = 0;
  readonly #log: EventLog;
  /** Lines by place, a ring as large as the log's. */
  readonly #seqs: Float64Array;

  constructor(log: EventLog) {
    this.#log = log;
    this.#seqs = new Float64Array(log.capacity);
    this.rebuild();
  }

  rebuild(): void {
    this.first = 0;
    this.next = 0;
    for (let seq = this.#log.first; seq < this.#log.next; seq++) this.appended(seq);
  }

  appended(seq: number): void {
    this.#forgetEvicted();
    if (this.#isShown(seq)) this.#seqs[this.#slot(this.next++)] = seq;
  }

  prepended(seq: number): void {
    this.#forgetEvicted();
    if (this.#isShown(seq)) this.#seqs[this.#slot(--this.first)] = seq;
  }

  seq(place: number): number {
    return this.#seqs[this.#slot(place)]!;
  }

  place(seq: number): number {
    let low = this.first;
    let high = this.next;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (this.seq(middle) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Forgets the places of lines that the log has no more. */
  #forgetEvicted(): void {
    while (this.first < this.next && this.seq(this.first) < this.#log.first) this.first++;
    while (this.first < this.next && this.seq(this.next - 1) >= this.#log.next) this.next--;
  }

  #isShown(seq: number): boolean {
    return this.#log.isHit(seq) || this.#log.isMarker(seq);
  }

  #slot(place: number): number {
    return place & (this.#log.capacity - 1);
  }
}
