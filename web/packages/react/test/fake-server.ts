/** A server of docs/WIRE.md in memory, as far as a client can tell: one log, filters by kind, sockets, pages. */

import { eventText, type Parts } from "./events.ts";
import { type FakeSocket, FakeWorld } from "./fake-world.ts";

interface Stored {
  readonly cursor: number;
  readonly kind: string;
  readonly text: string;
}

interface Heard {
  readonly type: string;
  readonly ref?: string;
  readonly kinds?: string;
  readonly cursor: string;
  readonly t?: number;
  readonly token?: string;
}

interface Stream {
  readonly socket: FakeSocket;
  patterns: string[];
  isReady: boolean;
  /** When what was said last arrives: nothing overtakes it. */
  arrivesAt: number;
}

export class FakeServer {
  readonly world: FakeWorld;
  log: Stored[] = [];
  epoch = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";
  head = 0;
  earliest = 1;
  token: string | undefined;
  /** Taken in place of `token` from a client that shows it. */
  nextToken: string | undefined;
  /** Whether a stream may begin with what is stored. */
  mayResume = true;
  /** Requests that are made to fail, by path. */
  refuses: (path: string) => Response | null = () => null;
  /** How long an answer takes. */
  delayMs: () => number = () => 5;
  #streams = new Set<Stream>();

  constructor(world = new FakeWorld()) {
    this.world = world;
    world.onsocket = (socket) => world.after(this.delayMs(), () => this.#accept(socket));
    world.answer = (url, init) => this.#answer(url, init);
  }

  /** Stores events and sends them to who asked for them. */
  emit(...parts: Parts[]): void {
    const events = parts.map((one) => {
      const cursor = ++this.head;
      const { kind = "task.created" } = one;
      return { cursor, kind, text: eventText(cursor, { time: this.world.time, ...one, kind }) };
    });
    this.log.push(...events);
    for (const stream of this.#streams) {
      const { patterns, isReady } = stream;
      const matching = events.filter(({ kind }) => isReady && picks(patterns, kind));
      if (matching.length > 0) this.#say(stream, ...matching.map(({ text }) => text));
    }
  }

  #say(stream: Stream, ...messages: (object | string)[]): void {
    stream.arrivesAt = Math.max(stream.arrivesAt, this.world.time + this.delayMs());
    this.world.after(stream.arrivesAt - this.world.time, () => {
      if (!stream.socket.isClosed) stream.socket.say(...messages);
    });
  }

  forget(through: number): void {
    this.log = this.log.filter(({ cursor }) => cursor > through);
    this.earliest = through + 1;
  }

  /** Cuts every connection. */
  cut(code = 1006): void {
    const streams = [...this.#streams];
    this.#streams.clear();
    for (const { socket } of streams) if (!socket.isClosed) socket.drop(code);
  }

  heartbeat(): void {
    for (const stream of this.#streams) this.#say(stream, { type: "ping", time: this.#now(), cursor: this.head });
  }

  matching(patterns: readonly string[], after = 0): Stored[] {
    return this.log.filter(({ cursor, kind }) => cursor > after && picks(patterns, kind));
  }

  #accept(socket: FakeSocket): void {
    if (socket.isClosed) return;
    const [, bearer] = socket.protocols;
    socket.open();
    if (this.token !== undefined && decodedToken(bearer) !== this.token) {
      socket.drop(3000);
      return;
    }
    const query = new URL(socket.url).searchParams;
    if (!this.mayResume && query.get("cursor") !== "head") {
      socket.drop(3003);
      return;
    }
    const stream = { socket, patterns: patternsOf(query.get("kinds")), isReady: false, arrivesAt: 0 };
    this.#streams.add(stream);
    socket.onsent = (text) => this.world.after(this.delayMs(), () => this.#command(stream, text));
    this.#subscribe(stream, query.get("cursor") ?? "head");
  }

  #command(stream: Stream, text: string): void {
    if (stream.socket.isClosed || !this.#streams.has(stream)) return;
    const command = JSON.parse(text) as Heard;
    if (command.type === "auth") this.#authorise(stream, command);
    if (command.type === "ping") this.#say(stream, { type: "pong", t: command.t, time: this.#now() });
    if (command.type !== "subscribe") return;
    stream.patterns = patternsOf(command.kinds);
    this.#subscribe(stream, String(command.cursor), command.ref);
  }

  /** Says that the token is good for so long, and makes another one good already. */
  expire(inMs: number, next: string): void {
    this.nextToken = next;
    for (const stream of this.#streams) this.#say(stream, { type: "token_expiring", expires_in_ms: inMs });
  }

  #authorise(stream: Stream, { token, ref }: Heard): void {
    if (token === this.nextToken) {
      this.token = token;
      this.#say(stream, { type: "authorised", cursor: this.head, expires_in_ms: 3_600_000, ref });
    } else this.#say(stream, { type: "error", code: "unauthorised", message: "no such token", ref });
  }

  #subscribe(stream: Stream, cursor: string, ref?: string): void {
    const after = /^\d+$/.test(cursor) ? Number(cursor) : cursor === "head" ? this.head : this.#before(cursor);
    const { patterns } = stream;
    const { epoch, earliest, head } = this;
    const subscribed = {
      kinds: patterns,
      cursor: after,
      epoch,
      earliest,
      head,
      server_time: this.#now(),
      heartbeat_ms: 30_000,
    };
    this.#say(stream, { type: "subscribed", ...subscribed, ...(ref === undefined ? {} : { ref }) });
    const gap = (reason: string, resume_at: number) =>
      this.#say(stream, { type: "gap", reason, requested: after, resume_at, earliest, head });
    if (after > head) gap("ahead", head);
    else if (after < earliest - 1) gap("retention", earliest - 1);
    const history = this.matching(patterns, after);
    for (let i = 0; i < history.length; i += 512)
      this.#say(stream, ...history.slice(i, i + 512).map(({ text }) => text));
    if (cursor !== "head") this.#say(stream, { type: "replay_complete", cursor: head, count: history.length });
    stream.isReady = true;
  }

  async #answer(url: URL, init: RequestInit): Promise<Response> {
    const { promise, resolve } = promised<void>();
    this.world.after(this.delayMs(), resolve);
    await promise;
    if (init.signal?.aborted) throw new DOMException("aborted", "AbortError");
    const refusal = this.refuses(url.pathname);
    if (refusal !== null) return refusal;
    const sent = (init.headers as Record<string, string>)["authorization"];
    if (this.token !== undefined && sent !== `Bearer ${this.token}`) return problem(401, "unauthorised");
    const path = url.pathname.replace(/.*\/api\/event-bus/, "");
    if (path === "") return this.#page(url.searchParams);
    if (path === "/latest") return new Response(String(this.head));
    if (path === "/seek") return Response.json({ cursor: this.#before(url.searchParams.get("time")!) });
    if (path === "/emit") {
      this.emit(JSON.parse(init.body as string) as Parts);
      return new Response(String(this.head));
    }
    if (path === "/replay") {
      const all = this.matching(patternsOf(url.searchParams.get("kinds")));
      const headers = { "content-type": "application/x-ndjson" };
      return new Response(all.map(({ text }) => `${text}\n`).join(""), { headers });
    }
    return problem(404, "not_found");
  }

  #page(query: URLSearchParams): Response {
    const limit = Number(query.get("limit") ?? 100);
    const all = this.matching(patternsOf(query.get("kinds")));
    const before = query.get("before");
    if (before !== null) {
      const older = all.filter(({ cursor }) => cursor < Number(before));
      const events = older.slice(-limit);
      const hasMore = events.length < older.length;
      return this.#pageOf(events, hasMore ? events[0]!.cursor : this.earliest, hasMore);
    }
    const after = Number(query.get("cursor"));
    if (after > this.head) return problem(409, "cursor_ahead");
    const newer = all.filter(({ cursor }) => cursor > after);
    const events = newer.slice(0, limit);
    const hasMore = events.length < newer.length;
    return this.#pageOf(events, hasMore ? events.at(-1)!.cursor : this.head, hasMore);
  }

  #pageOf(events: readonly Stored[], next: number, hasMore: boolean): Response {
    const texts = events.map(({ text }) => text).join(",");
    return new Response(
      `{"events":[${texts}],"next_cursor":${next},"has_more":${hasMore},"earliest":${this.earliest}}`,
    );
  }

  #before(time: string): number {
    const at = Date.parse(time);
    const first = this.log.find(({ text }) => Date.parse(/"time":"([^"]*)"/.exec(text)![1]!) >= at);
    return first === undefined ? this.head : first.cursor - 1;
  }

  #now(): string {
    return new Date(this.world.time).toISOString();
  }
}

export function problem(status: number, code: string, headers: Record<string, string> = {}): Response {
  return Response.json({ title: code, status, code, detail: `refused: ${code}` }, { status, headers });
}

function patternsOf(kinds: string | null | undefined): string[] {
  return kinds?.split(",") ?? ["*"];
}

function picks(patterns: readonly string[], kind: string): boolean {
  return patterns.some((one) => (one.endsWith("*") ? kind.startsWith(one.slice(0, -1)) : kind === one));
}

function decodedToken(bearer: string | undefined): string | undefined {
  const encoded = bearer?.split(".").at(-1);
  return encoded && Buffer.from(encoded, "base64url").toString();
}

function promised<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
