/** The page's half of a client without frames: gives credit at once, and keeps what it was sent. */
import { host } from "../src/core/host.ts";
import { type CoreOptions, rowsAfter, type ToCore, type ToPage, type Watched } from "../src/core/port.ts";
import type { Counts, EventRow, Facets, Histogram, Lanes, Marker, Rows, Status } from "../src/event-client.ts";
import type { FakeWorld } from "./fake-world.ts";

export class FakePage {
  readonly world: FakeWorld;
  status!: Status;
  counts!: Counts;
  facets: Facets | null = null;
  histogram: Histogram | null = null;
  lanes: Lanes | null = null;
  rows: Rows = { rows: [], generation: -1, from: 0, first: 0, next: 0 } as unknown as Rows;
  /** Cursors of the events that listeners would have been told. */
  heard: number[] = [];
  messages: ToPage[] = [];
  progress: number[][] = [];
  token: string | undefined;
  /** Whether credit is given. A hidden page gives none. */
  isVisible = true;
  readonly #take: (message: ToCore) => void;
  #ids = 0;
  #calls = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();

  constructor(world: FakeWorld, options: Partial<CoreOptions> = {}, token?: string) {
    this.world = world;
    this.token = token;
    this.#take = host(world, (message) => this.#receive(structuredClone(message)));
    this.send({ type: "open", options: { url: "https://events.example.org", ...options } });
  }

  send(message: ToCore): void {
    this.#take(structuredClone(message));
  }

  watch(what: Watched, isWatched = true): void {
    this.send({ type: "watch", what, isWatched });
  }

  view(first: number, count: number): void {
    this.send({ type: "view", view: { first, count } });
  }

  call<T = unknown>(method: string, ...args: unknown[]): Promise<T> {
    const id = ++this.#ids;
    const answer = new Promise<T>((resolve, reject) => {
      this.#calls.set(id, { resolve: resolve as (value: unknown) => void, reject });
    });
    this.send({ type: "call", id, method, args });
    return answer;
  }

  /** The id of the last call, to abort it. */
  get lastCall(): number {
    return this.#ids;
  }

  show(): void {
    this.isVisible = true;
    this.send({ type: "credit", inMs: 0 });
  }

  /** All lines, as if the view were as large as the list. */
  all(): Rows {
    const { first, next } = this.rows;
    this.view(first, next - first + 1);
    return this.rows;
  }

  cursors(): number[] {
    return this.all().rows.flatMap((row) => (row.type === "event" ? [row.cursor] : []));
  }

  markers(): Marker[] {
    return this.all().rows.flatMap((row) => (row.type === "marker" ? [row.marker] : []));
  }

  event(cursor: number): EventRow | undefined {
    return this.all().rows.find((row): row is EventRow => row.type === "event" && row.cursor === cursor);
  }

  #receive(message: ToPage): void {
    this.messages.push(message);
    switch (message.type) {
      case "slices": {
        const { type: _, rows, ...slices } = message;
        if (rows !== undefined) this.rows = rowsAfter(this.rows, rows);
        Object.assign(this, slices);
        if (this.isVisible) this.send({ type: "credit", inMs: 7 });
        return;
      }
      case "rows":
        this.rows = rowsAfter(this.rows, message.rows);
        return;
      case "events":
        for (const text of message.events) this.heard.push((JSON.parse(text) as { cursor: number }).cursor);
        return;
      case "token":
        queueMicrotask(() => this.send({ type: "token", id: message.id, token: this.token }));
        return;
      case "progress":
        this.progress.push([...(message.args as readonly number[])]);
        return;
      case "result": {
        const call = this.#calls.get(message.id);
        this.#calls.delete(message.id);
        if (message.error === undefined) call?.resolve(message.value);
        else call?.reject(new Error(message.error));
      }
    }
  }
}
