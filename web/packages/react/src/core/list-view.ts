/**
 * Where the page stands in the window: what it follows, what it looks at, and which rows it has been given.
 */

import type { Row, View } from "../event-client.ts";
import { isFailureKind } from "./event-log.ts";
import type { RowsChange } from "./port.ts";
import { rowAt } from "./row.ts";
import type { Window } from "./window.ts";

/** Screens of rows around the view that the page is given, so that scrolling finds them there. */
const SCREENS_AROUND = 3;

export class ListView {
  isFollowing = true;
  /** Since the view was paused: shown events, and failures among them. */
  fresh = 0;
  freshFailures = 0;
  readonly #window: Window;
  /** Tells that there is something else to be shown. */
  readonly changed: () => void;
  /** What the list said last that it needs. */
  wanted: View = { first: 0, count: 50 };
  #generation = 0;
  #target: number | null = null;
  /** The rows that the page has: of this generation, from one place up to another. */
  #sent = { generation: -1, from: 0, to: 0 };

  constructor(window: Window, changed: () => void) {
    this.#window = window;
    this.changed = changed;
  }

  /** The rows that the page should have and does not. More of them around the view when the view has asked. */
  rows(isAsked: boolean): Omit<RowsChange, "isLoadingOlder" | "isLoadingNewer"> {
    const { index, log, hasOlder, isAttached } = this.#window;
    const { first, next } = index;
    const [from, to] = this.#reach(isAsked);
    const sent = this.#sent;
    const generation = this.#generation;
    const fresh: Row[] = [];
    for (let place = from; place < to; place++) {
      if (sent.generation !== generation || place < sent.from || place >= sent.to) fresh.push(rowAt(log, index, place));
    }
    this.#sent = { generation, from, to };
    const [count, target] = [to - from, this.#target];
    return {
      generation,
      first,
      next,
      from,
      count,
      fresh,
      isFollowing: this.isFollowing,
      hasOlder,
      hasNewer: !isAttached,
      target,
    };
  }

  #reach(isAsked: boolean): [number, number] {
    const { first, next } = this.#window.index;
    const { count } = this.wanted;
    const isTail = this.isFollowing && !isAsked;
    const around = count * (isTail ? 1 : SCREENS_AROUND);
    const begin = isTail ? next - count : this.wanted.first;
    const from = Math.min(Math.max(first, begin - around), next);
    return [from, Math.max(from, Math.min(next, begin + count + around))];
  }

  pause(): void {
    if (!this.isFollowing) return;
    const { first, next } = this.#window.index;
    const { count } = this.wanted;
    this.wanted = { first: Math.max(first, next - count), count };
    this.#setFollowing(false);
  }

  follow(): void {
    this.#setFollowing(true);
  }

  #setFollowing(isFollowing: boolean): void {
    this.isFollowing = isFollowing;
    this.fresh = 0;
    this.freshFailures = 0;
    this.changed();
  }

  /** Takes notice of an event that is new. */
  received(kind: string, isHit: boolean): void {
    if (this.isFollowing || (!isHit && this.#window.isFiltered)) return;
    this.fresh++;
    if (isFailureKind(kind)) this.freshFailures++;
  }

  /** Whether the view is so near the oldest line that one more would take from under it. */
  get isReadAtItsEnd(): boolean {
    return !this.isFollowing && this.#window.index.first >= this.wanted.first - this.wanted.count;
  }

  /** Places have lost their meaning; the view should stand at `line`, if at any. */
  goTo(line: number | null): void {
    const { index } = this.#window;
    this.#generation++;
    this.#target = line === null ? null : Math.max(index.first, Math.min(index.place(line), index.next - 1));
    const { count } = this.wanted;
    if (this.#target !== null) this.wanted = { first: this.#target - (count >> 1), count };
    this.changed();
  }

  /** Rows that were sent may say something else now. */
  outdate(): void {
    this.#sent.generation = -1;
    this.changed();
  }
}
