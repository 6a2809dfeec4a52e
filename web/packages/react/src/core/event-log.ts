/**
 * The events in memory: a ring of their texts, with what is asked of each event in typed columns beside them.
 *
 * A line is an event, or a marker that says what happened to the stream at its place. Lines are numbered by `seq`, from
 * `first` up to, not including, `next`; numbers stay when lines are added or dropped at either end, and may be negative.
 * Cursors never fall from one line to the next: a marker has the cursor of the position where it stands. The log knows
 * nothing of queries but a flag that its owner sets.
 */
import type { Cursor, Marker } from "../event-client.ts";
import { type Envelope, envelope } from "../protocol/scan.ts";

/** The columns that hold ids, each the number of an interned text. */
const ID_COLUMNS = ["kind", "agent", "session", "task", "project"] as const;
export type IdColumn = (typeof ID_COLUMNS)[number];

const HIT = 1;
const FAILURE = 2;
const MARKER = 4;

/** How the kinds end that tell of a failure; the server has the same rule. */
const FAILURE_KIND = /(failed|error|denied|expired)$/;

/** Texts of ids are rebuilt when there are more than this for each line: one of each column, twice. */
const INTERNED_PER_LINE = 2 * ID_COLUMNS.length;

export class EventLog {
  readonly capacity: number;
  first = 0;
  next = 0;
  /** Events, that is lines without the markers, and those of them that are hits. */
  events = 0;
  hits = 0;
  /** Texts of ids by their numbers. 0 is the empty one: no id. */
  texts: string[] = [""];
  readonly #mask: number;
  readonly #cursor: Float64Array;
  readonly #time: Float64Array;
  readonly #ids: Record<IdColumn, Uint32Array>;
  readonly #data: Uint32Array;
  readonly #flags: Uint8Array;
  readonly #raw: string[];
  /** All of them. */
  readonly #columns: readonly { [slot: number]: number | string }[];
  readonly #markers = new Map<number, Marker>();
  #numbers = new Map<string, number>([["", 0]]);

  /** A log that keeps `capacity` lines, a power of two. */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.#mask = capacity - 1;
    this.#cursor = new Float64Array(capacity);
    this.#time = new Float64Array(capacity);
    const column = () => new Uint32Array(capacity);
    this.#ids = { kind: column(), agent: column(), session: column(), task: column(), project: column() };
    this.#data = column();
    this.#flags = new Uint8Array(capacity);
    this.#raw = new Array<string>(capacity).fill("");
    this.#columns = [this.#cursor, this.#time, this.#data, this.#flags, this.#raw, ...Object.values(this.#ids)];
  }

  get isFull(): boolean {
    return this.next - this.first === this.capacity;
  }

  /** Adds a newer event; the oldest line makes room. */
  append(raw: string, at: Envelope, isHit: boolean): void {
    if (this.isFull) this.drop(this.first++);
    this.write(this.next++, raw, at, isHit);
  }

  /** Adds a marker behind the newest line. */
  mark(marker: Marker, cursor: Cursor, time: number): number {
    this.append("", { ...envelope(), cursor, time }, false);
    const seq = this.next - 1;
    this.events--;
    this.#flags[seq & this.#mask] = MARKER;
    this.#markers.set(seq, marker);
    return seq;
  }

  clear(): void {
    while (this.first < this.next) this.drop(this.first++);
  }

  cursor(seq: number): Cursor {
    return this.#cursor[seq & this.#mask]!;
  }

  time(seq: number): number {
    return this.#time[seq & this.#mask]!;
  }

  /** The text of an event, whole. */
  raw(seq: number): string {
    return this.#raw[seq & this.#mask]!;
  }

  /** Where `data` begins in the text. */
  data(seq: number): number {
    return this.#data[seq & this.#mask]!;
  }

  /** The number of an id; `texts` has what it says. */
  id(column: IdColumn, seq: number): number {
    return this.#ids[column][seq & this.#mask]!;
  }

  text(column: IdColumn, seq: number): string {
    return this.texts[this.id(column, seq)]!;
  }

  isHit(seq: number): boolean {
    return (this.#flags[seq & this.#mask]! & HIT) !== 0;
  }

  isFailure(seq: number): boolean {
    return (this.#flags[seq & this.#mask]! & FAILURE) !== 0;
  }

  isMarker(seq: number): boolean {
    return (this.#flags[seq & this.#mask]! & MARKER) !== 0;
  }

  marker(seq: number): Marker | undefined {
    return this.#markers.get(seq);
  }

  /** Changes what a marker says. */
  setMarker(seq: number, marker: Marker): void {
    this.#markers.set(seq, marker);
  }

  setHit(seq: number, isHit: boolean): void {
    const slot = seq & this.#mask;
    const flags = this.#flags[slot]!;
    if ((flags & MARKER) !== 0 || (flags & HIT) === +isHit) return;
    this.#flags[slot] = flags ^ HIT;
    this.hits += isHit ? 1 : -1;
  }

  /** The first line at `cursor` or after it; `next` when there is none. */
  at(cursor: Cursor): number {
    let low = this.first;
    let high = this.next;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (this.cursor(middle) < cursor) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The line of an event; null when it is not in memory. */
  find(cursor: Cursor): number | null {
    for (let seq = this.at(cursor); seq < this.next && this.cursor(seq) === cursor; seq++) {
      if (!this.isMarker(seq)) return seq;
    }
    return null;
  }

  /** Writes an event into a line that is free. */
  write(seq: number, raw: string, at: Envelope, isHit: boolean): void {
    const slot = seq & this.#mask;
    this.#cursor[slot] = at.cursor;
    this.#time[slot] = at.time;
    this.#data[slot] = at.data;
    this.#raw[slot] = raw;
    for (const name of ID_COLUMNS) this.#ids[name][slot] = this.#number(at[name]);
    this.#flags[slot] = (isHit ? HIT : 0) | (isFailureKind(at.kind) ? FAILURE : 0);
    this.events++;
    if (isHit) this.hits++;
    if (this.texts.length > INTERNED_PER_LINE * this.capacity) this.#reintern();
  }

  /** Takes a line out of its place. What is `first` and `next` after that is for the caller to say. */
  drop(seq: number): void {
    const slot = seq & this.#mask;
    const flags = this.#flags[slot]!;
    this.#raw[slot] = "";
    if ((flags & MARKER) !== 0) this.#markers.delete(seq);
    else this.events--;
    if ((flags & HIT) !== 0) this.hits--;
  }

  /** Writes a line over another. */
  move(from: number, to: number): void {
    const source = from & this.#mask;
    const target = to & this.#mask;
    for (const column of this.#columns) column[target] = column[source]!;
    const marker = this.#markers.get(from);
    if (marker === undefined) return;
    this.#markers.delete(from);
    this.#markers.set(to, marker);
  }

  #number(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.texts.length;
    // A slice keeps the frame that it was cut from; joining and cutting leaves a text of its own.
    const own = `${text} `.slice(0, -1);
    this.texts.push(own);
    this.#numbers.set(own, number);
    return number;
  }

  #reintern(): void {
    const texts = this.texts;
    this.texts = [""];
    this.#numbers = new Map([["", 0]]);
    for (let seq = this.first; seq < this.next; seq++) {
      for (const name of ID_COLUMNS) {
        const slot = seq & this.#mask;
        this.#ids[name][slot] = this.#number(texts[this.#ids[name][slot]!]!);
      }
    }
  }
}

let lastKind = "";
let isLastFailure = false;

/** Whether a kind tells of a failure. */
export function isFailureKind(kind: string): boolean {
  if (kind === lastKind) return isLastFailure;
  lastKind = kind;
  isLastFailure = FAILURE_KIND.test(kind);
  return isLastFailure;
}
