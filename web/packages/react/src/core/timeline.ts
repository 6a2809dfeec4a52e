/**
 * One stream of events as a list that can be looked at: the composition of connection, log, query and pages.
 *
 * What is in memory is one contiguous window of the filtered log, but for the gaps that markers in it tell of. While the
 * window is *attached* its end is the live edge. When it is *detached*, after going elsewhere or when older pages have
 * pushed the newest out, live events are counted only; newer ones are read as pages until the live edge is reached, and
 * then the server is asked to go on from the window's end on the same connection, so that no race can lose or repeat one.
 *
 * Knows neither threads nor frames: it says what has changed, and makes snapshots when it is asked to.
 */
import type {
  Counts,
  Cursor,
  Draft,
  ExportRequest,
  Facets,
  Find,
  Histogram,
  LaneKey,
  Lanes,
  Marker,
  Row,
  Rows,
  Span,
  Start,
  Status,
  Subscription,
  Target,
  View,
} from "../event-client.ts";
import { cursorOf } from "../protocol/filter.ts";
import type { Page } from "../protocol/page.ts";
import { type Envelope, envelope, readEvent } from "../protocol/scan.ts";
import type { Gap, Subscribed } from "../protocol/types.ts";
import { Api, ApiError, PAGE_EVENTS } from "./api.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import type { Environment } from "./environment.ts";
import { EventLog, type IdColumn, isFailureKind } from "./event-log.ts";
import type { WindowCounts } from "./histogram.ts";
import { PlaceIndex } from "./place-index.ts";
import type { CoreOptions, RowsChange, Watched } from "./port.ts";
import type { Test } from "./query.ts";
import { Rate } from "./rate.ts";
import { rowAt } from "./row.ts";

const DEFAULT_RETAIN = 131_072;
const MAX_RETAIN = 524_288;
const MIN_RETAIN = 1024;
const DEFAULT_START = { last: 500 };
/** Events that are read at once for a list that scrolls: some twenty screens. */
const STEP_EVENTS = 500;
/** Going to a place reads so many events to either side of it. */
const AROUND_EVENTS = 250;
/** The present is reached by reading on when it is no further away than this; otherwise the list begins anew. */
const NEAR_EVENTS = 10_000;
/** Pages that one `fill` reads, so that a gap of a million does not push everything else out; it can be repeated. */
const FILL_PAGES = 20;
/** Screens of rows around the view that the page is given, so that scrolling finds them there. */
const SCREENS_AROUND = 3;
const DEFAULT_VIEW: View = { first: 0, count: 50 };
/** The server counts at most so often. Between, what comes is added to its counts. */
const REFRESH_MS = 15_000;
/** What is counted in memory is counted again at most so often: it takes about a millisecond. */
const RECOUNT_MS = 500;
/** Until it is said otherwise, what the histogram shows. */
const DEFAULT_SPAN_MS = 15 * 60_000;

export type Extras = typeof import("./extras.ts");

export type Slice = "status" | "rows" | "counts" | "facets" | "histogram" | "lanes";

/** Whom a timeline tells that there is something to be shown. */
export interface TimelineOwner {
  token(isRefused: boolean): Promise<string | undefined>;
  changed(slice: Slice): void;
  /** Events for those who listen to each. */
  events(events: readonly string[]): void;
}

export class Timeline {
  readonly #env: Environment;
  readonly #owner: TimelineOwner;
  readonly #connection: Connection;
  readonly #api: Api;
  readonly #log: EventLog;
  readonly #index: PlaceIndex;
  readonly #at: Envelope = envelope();
  #subscription: Subscription;
  #test: Test | null = null;
  #isFiltered = false;

  #view = DEFAULT_VIEW;
  #isFollowing = true;
  #generation = 0;
  #target: number | null = null;
  /** The rows that the page has: of this generation, from one place up to another. */
  #sent = { generation: -1, from: 0, to: 0 };

  #isAttached = true;
  /** What the next `subscribed` answers: a list begun anew with so many older events, or the window taken up again. */
  #awaited: { readonly last: number; readonly isExplicit: boolean } | "attach" | null;
  /** Older pages are before this; what is evicted moves it. */
  #before: Cursor = 0;
  #hasOlder = false;
  /** Where newer pages begin while detached. */
  #after: Cursor = 0;
  #isLoadingOlder = false;
  #isLoadingNewer = false;
  /** Counts lists: a page that was asked for by another one is of no use to this. */
  #turn = 0;
  /** Counts where the view was sent: the last one counts. */
  #journey = 0;

  #received = 0;
  /** The newest event that was received: what comes again is not counted again. */
  #mark: Cursor = -1;
  #fresh = 0;
  #freshFailures = 0;
  readonly #rate: Rate;
  #reconnectLine: number | null = null;

  /** What `extras` has loaded. */
  loadedExtras: Extras | null = null;
  readonly #watched = new Set<Watched>();
  /** Events for listeners; held while older ones are on their way. */
  #batch: string[] = [];
  #isHeld = false;
  #span: Span;
  #laneKey: LaneKey = "agent";
  #windows: WindowCounts | null = null;
  #serverFacets: Facets | null = null;
  readonly #askedAt = new Map<Watched, number>();
  readonly #countedAt = new Map<Watched, number>();

  constructor(env: Environment, options: CoreOptions, owner: TimelineOwner) {
    this.#env = env;
    this.#owner = owner;
    this.#rate = new Rate(env);
    this.#span = { from: env.now() - DEFAULT_SPAN_MS, to: null };
    this.#subscription = options.subscription ?? {};
    this.#log = new EventLog(capacityOf(options.retain));
    this.#index = new PlaceIndex(this.#log);
    this.#api = new Api(env, options.url, owner.token);
    const start = options.from ?? DEFAULT_START;
    this.#awaited = awaitedOf(start, this.#log.capacity);
    const connection = {
      url: options.url,
      subscription: this.#subscription,
      cursor: cursorOf(start),
      autoReconnect: options.autoReconnect ?? true,
      maxReconnectAttempts: options.maxReconnectAttempts ?? Number.POSITIVE_INFINITY,
    };
    this.#connection = new Connection(env, connection, this.#connectionOwner(options.hasFreshTokens));
    this.#connection.connect();
  }

  // What there is to see.

  status(): Status {
    return this.#connection.status();
  }

  counts(): Counts {
    const { events, hits } = this.#log;
    return {
      received: this.#received,
      eventsPerSecond: this.#rate.perSecond(this.#received, () => this.#owner.changed("counts")),
      loaded: events,
      shown: this.#isFiltered ? hits : events,
      hits,
      fresh: this.#fresh,
      freshFailures: this.#freshFailures,
    };
  }

  /** The rows that the page should have and does not. More of them around the view when the view has asked. */
  rows(isAsked: boolean): RowsChange {
    const { first, next } = this.#index;
    const [from, to] = this.#reach(isAsked, first, next);
    const sent = this.#sent;
    const isSame = sent.generation === this.#generation;
    const fresh: Row[] = [];
    for (let place = from; place < to; place++) {
      if (!isSame || place < sent.from || place >= sent.to) fresh.push(rowAt(this.#log, this.#index, place));
    }
    this.#sent = { generation: this.#generation, from, to };
    return { ...this.#ends(first, next), from, count: to - from, fresh };
  }

  #reach(isAsked: boolean, first: number, next: number): [number, number] {
    const { count } = this.#view;
    const around = count * (isAsked ? SCREENS_AROUND : this.#isFollowing ? 1 : SCREENS_AROUND);
    const begin = this.#isFollowing && !isAsked ? next - count : this.#view.first;
    const from = Math.min(Math.max(first, begin - around), next);
    return [from, Math.max(from, Math.min(next, begin + count + around))];
  }

  #ends(first: number, next: number): Omit<Rows, "rows" | "from"> {
    return {
      generation: this.#generation,
      first,
      next,
      isFollowing: this.#isFollowing,
      hasOlder: this.#hasOlder,
      hasNewer: !this.#isAttached,
      isLoadingOlder: this.#isLoadingOlder,
      isLoadingNewer: this.#isLoadingNewer,
      target: this.#target,
    };
  }

  facets({ facetsOf, facetsOfServer }: Extras): Facets {
    this.#ask("facets", async () => {
      this.#serverFacets = await facetsOfServer(this.#api, this.#subscription);
    });
    return this.#serverFacets ?? facetsOf(this.#log);
  }

  histogram({ WindowCounts, histogramOfServer }: Extras): Histogram {
    const now = this.#serverNow();
    const span = this.#span;
    const log = this.#log;
    this.#ask("histogram", async () => {
      const counts = await histogramOfServer(
        this.#api,
        this.#subscription,
        span.from,
        Math.max(span.to ?? now, span.from + 1),
      );
      if (span === this.#span) this.#windows = counts;
    });
    const reachesBack = !this.#hasOlder || (log.first < log.next && log.time(log.first) <= span.from);
    const counts = this.#windows ?? WindowCounts.ofLog(log, span, now, reachesBack && this.#isAttached);
    if (span.to === null) counts.follow(now);
    return counts.snapshot();
  }

  lanes({ lanesOf }: Extras): Lanes {
    return lanesOf(this.#log, this.#laneKey, this.#span);
  }

  /** What is loaded only when it is asked for. */
  async extras(): Promise<Extras> {
    this.loadedExtras ??= await import("./extras.ts");
    return this.loadedExtras;
  }

  /** Whether it is time to make a snapshot of what costs more than a row. */
  isDue(what: Watched): boolean {
    const now = this.#env.now();
    if (now - (this.#countedAt.get(what) ?? Number.NEGATIVE_INFINITY) < RECOUNT_MS) return false;
    this.#countedAt.set(what, now);
    return true;
  }

  isWatched(what: Watched): boolean {
    return this.#watched.has(what);
  }

  watch(what: Watched, isWatched: boolean): void {
    if (isWatched) this.#watched.add(what);
    else this.#watched.delete(what);
    this.#countedAt.delete(what);
    if (isWatched && what !== "event") void this.extras().then(() => this.#owner.changed(what));
  }

  /** Asks the server for what it counts, at most so often; when it cannot tell, what is in memory has to do. */
  #ask(what: Watched, ask: () => Promise<void>): void {
    const now = this.#env.now();
    if (now - (this.#askedAt.get(what) ?? Number.NEGATIVE_INFINITY) < REFRESH_MS) return;
    this.#askedAt.set(what, now);
    ask().then(
      () => {
        this.#countedAt.delete(what);
        this.#recount();
      },
      () => {},
    );
  }

  // What can be asked for.

  setView(view: View): void {
    this.#view = view;
  }

  pause(): void {
    if (!this.#isFollowing) return;
    this.#isFollowing = false;
    this.#fresh = 0;
    this.#freshFailures = 0;
    this.#view = { first: Math.max(this.#index.first, this.#index.next - this.#view.count), count: this.#view.count };
    this.#shown();
  }

  resume(): void {
    this.#present(true).catch(() => {});
  }

  setSubscription(subscription: Subscription, from?: Start): void {
    const middle = this.#middle();
    const place = from === undefined && !this.#isFollowing && middle !== null ? this.#log.cursor(middle) : null;
    this.#subscription = subscription;
    this.#anew();
    if (place === null) {
      this.#follow();
      this.#start(from ?? DEFAULT_START);
    } else {
      this.#start("now");
      this.#isAttached = false;
      this.#around(place).catch(() => this.#start(DEFAULT_START));
    }
  }

  async setQuery(query: string, mode: "filter" | "mark"): Promise<void> {
    const { parseQuery } = await this.extras();
    const { test, problem } = parseQuery(query);
    if (problem !== null) return;
    const middle = this.#isFollowing ? null : this.#middle();
    this.#test = test;
    this.#isFiltered = test !== null && mode === "filter";
    for (let seq = this.#log.first; seq < this.#log.next; seq++) this.#log.setHit(seq, this.#isHit(seq));
    this.#relist(middle);
  }

  async seek(target: Target): Promise<void> {
    if (target === "now") return this.#present();
    this.pause();
    const journey = ++this.#journey;
    const cursor = typeof target === "number" ? target : (await this.#api.seek(new Date(target))) + 1;
    if (journey !== this.#journey) return;
    const line = this.#log.find(cursor);
    if (line === null) await this.#around(cursor);
    else this.#relist(line, false);
  }

  async loadOlder(): Promise<void> {
    await this.#older(STEP_EVENTS);
  }

  async loadNewer(): Promise<void> {
    if (this.#isAttached || this.#isLoadingNewer || this.#awaited !== null) return;
    const turn = this.#turn;
    this.#isLoadingNewer = true;
    this.#shown();
    try {
      const page = await this.#api.page({ cursor: this.#after }, this.#subscription, STEP_EVENTS);
      if (turn !== this.#turn) return;
      this.#appendPage(page);
      if (!page.hasMore) this.#attach();
    } finally {
      this.#isLoadingNewer = false;
      this.#shown();
    }
  }

  async fill(place: number): Promise<void> {
    for (let pages = 0, seq: number | null = this.#index.seq(place); seq !== null && pages < FILL_PAGES; pages++) {
      seq = await this.#fillPage(seq);
    }
  }

  async searchOlder(onProgress: (scanned: number, reached: Cursor) => void, signal: AbortSignal): Promise<boolean> {
    for (let scanned = 0; this.#hasOlder && !signal.aborted; ) {
      const hits = await this.#older(PAGE_EVENTS, signal);
      if (hits === null) return false;
      scanned += hits.events;
      onProgress(scanned, this.#before);
      if (hits.hits > 0) return true;
    }
    return false;
  }

  clear(): void {
    const isDetached = !this.#isAttached;
    this.#anew();
    this.#hasOlder = false;
    if (isDetached) this.#start("now");
  }

  reconnect(): void {
    this.#connection.reconnect();
  }

  setSpan(span: Span): void {
    this.#span = span;
    this.#windows = null;
    this.#askAgain("histogram");
    this.#askAgain("lanes");
  }

  setLaneKey(by: LaneKey): void {
    this.#laneKey = by;
    this.#askAgain("lanes");
  }

  #askAgain(what: "facets" | "histogram" | "lanes"): void {
    this.#askedAt.delete(what);
    this.#countedAt.delete(what);
    this.#owner.changed(what);
  }

  async event(cursor: Cursor): Promise<string | null> {
    const line = this.#log.find(cursor);
    return line === null ? this.#api.event(cursor) : this.#log.raw(line);
  }

  find(what: Find, from: number, direction: 1 | -1): number | null {
    const { first, next } = this.#index;
    const column: IdColumn | null = what === "hit" || what === "failure" ? null : (what.slice(5) as IdColumn);
    const id = column !== null && from >= first && from < next ? this.#log.id(column, this.#index.seq(from)) : 0;
    if (column !== null && id === 0) return null;
    const begin = direction > 0 ? Math.max(from + 1, first) : Math.min(from - 1, next - 1);
    for (let place = begin; place >= first && place < next; place += direction) {
      const seq = this.#index.seq(place);
      if (this.#log.isMarker(seq)) continue;
      const isIt =
        column !== null
          ? this.#log.id(column, seq) === id
          : what === "hit"
            ? this.#log.isHit(seq)
            : this.#log.isFailure(seq);
      if (isIt) return place;
    }
    return null;
  }

  placeOf(cursor: Cursor): number | null {
    const seq = this.#log.find(cursor);
    if (seq === null) return null;
    const place = this.#index.place(seq);
    return place < this.#index.next && this.#index.seq(place) === seq ? place : null;
  }

  async export(
    { format, scope }: Pick<ExportRequest, "format" | "scope">,
    onProgress: (events: number) => void,
    signal: AbortSignal,
  ): Promise<Blob> {
    const { ExportFile, eachLine, replay } = await this.extras();
    const file = new ExportFile(format);
    if (scope === "loaded") {
      for (let place = this.#index.first; place < this.#index.next; place++) {
        const seq = this.#index.seq(place);
        if (!this.#log.isMarker(seq)) file.add(this.#log.raw(seq));
      }
      onProgress(file.events);
      return file.blob();
    }
    const response = await replay(this.#api, this.#subscription, signal);
    await eachLine(response, (line) => {
      file.add(line);
      if (file.events % PAGE_EVENTS === 0) onProgress(file.events);
    });
    onProgress(file.events);
    return file.blob();
  }

  async emit(draft: Draft): Promise<Cursor> {
    return (await this.extras()).emit(this.#api, this.#env, draft);
  }

  /** The page, or the machine under it, has something to say. */
  page(what: "online" | "offline" | "visible" | "token"): void {
    if (what === "token") this.#connection.tokenChanged();
    else if (what === "visible") this.#connection.wake();
    else this.#connection.setOnline(what === "online");
  }

  close(): void {
    this.#turn++;
    this.#journey++;
    this.#connection.close();
    this.#rate.stop();
    this.#log.clear();
  }

  // What the connection tells.

  #connectionOwner(hasFreshTokens: boolean): ConnectionOwner {
    return {
      hasFreshTokens,
      token: () => this.#owner.token(false),
      whyRefused: async () => {
        try {
          await this.#api.page({ before: 1 }, this.#subscription, 1);
          return null;
        } catch (error) {
          return error instanceof ApiError && error.status > 0 ? error : null;
        }
      },
      subscribed: (message) => this.#subscribed(message),
      resumed: (downMs) => this.#resumed(downMs),
      epochChanged: () => {
        this.#anew();
        this.#mark = 0;
        this.#markLine({ type: "epoch" }, 0);
        this.#start(DEFAULT_START);
      },
      event: (text, at) => this.#event(text, at),
      gap: (gap) => this.#gap(gap),
      replayed: (count) => this.#replayed(count),
      lagged: (events, ms) => {
        if (this.#isAttached) this.#markLine({ type: "lag", events, ms }, this.#mark);
      },
      changed: () => this.#frameEnded(),
    };
  }

  #frameEnded(): void {
    this.#owner.changed("status");
    if (this.#batch.length > 0 && !this.#isHeld) {
      this.#owner.events(this.#batch);
      this.#batch = [];
    }
  }

  #subscribed({ cursor, earliest }: Subscribed): void {
    const awaited = this.#awaited;
    this.#awaited = null;
    if (awaited === "attach") this.#isAttached = true;
    else if (awaited !== null) {
      const mark = this.#mark;
      this.#isAttached = true;
      this.#before = cursor + 1;
      this.#hasOlder = cursor >= earliest;
      // At first, or when it was asked to go back, everything is new again.
      this.#mark = awaited.isExplicit ? cursor : Math.max(mark, cursor);
      if (awaited.last > 0) this.#loadNewest(awaited.last, mark);
    }
    this.#shown();
  }

  /** The newest events before a subscription that is live. Those that listen get them first. */
  async #loadNewest(count: number, mark: Cursor): Promise<void> {
    const turn = this.#turn;
    this.#isHeld = true;
    const events: string[] = [];
    try {
      while (this.#hasOlder && events.length < count && turn === this.#turn) {
        const page = await this.#olderPage(Math.min(PAGE_EVENTS, count - events.length));
        if (page === null) break;
        events.unshift(...page.events);
      }
    } catch {
      // The list goes on without them, and `loadOlder` can try again.
    }
    const unheard = events.filter((event) => readEvent(event, this.#at) && this.#at.cursor > mark);
    this.#received += unheard.length;
    if (this.#watched.has("event")) this.#batch.unshift(...unheard);
    this.#isHeld = false;
    this.#frameEnded();
    this.#owner.changed("counts");
  }

  #event(text: string, at: Envelope): void {
    const isHit = this.#test === null || this.#matches(text, at);
    if (at.cursor > this.#mark) this.#receive(text, at, isHit);
    if (!this.#isAttached) return;
    const isFull = this.#log.isFull;
    if (isFull && this.#isReadAtItsEnd()) {
      this.#detach(at.cursor - 1);
      return;
    }
    this.#log.append(text, at, isHit);
    this.#index.appended(this.#log.next - 1);
    if (isFull) this.#evictedOlder();
    this.#owner.changed("rows");
  }

  #receive(text: string, at: Envelope, isHit: boolean): void {
    this.#mark = at.cursor;
    this.#received++;
    if (!this.#isFollowing && (isHit || !this.#isFiltered)) {
      this.#fresh++;
      if (isFailureKind(at.kind)) this.#freshFailures++;
    }
    if (this.#watched.has("event")) {
      this.#batch.push(text);
      // Listeners get the older ones late rather than the page so many at once.
      if (this.#batch.length > this.#log.capacity) this.#isHeld = false;
    }
    this.#windows?.add(at.kind, at.time);
    this.#owner.changed("counts");
    this.#recount();
  }

  #recount(): void {
    for (const what of this.#watched) if (what !== "event") this.#owner.changed(what);
  }

  /** Whether the view is so near the oldest line that one more would take from under it. */
  #isReadAtItsEnd(): boolean {
    return !this.#isFollowing && this.#index.first >= this.#view.first - this.#view.count;
  }

  #detach(after: Cursor): void {
    this.#isAttached = false;
    this.#after = after;
    this.#shown();
  }

  #evictedOlder(): void {
    const { first } = this.#log;
    this.#before = this.#log.cursor(first) + (this.#log.isMarker(first) ? 1 : 0);
    this.#hasOlder = true;
  }

  #gap({ reason, requested, resume_at }: Gap): void {
    if (reason === "ahead") {
      this.#anew();
      this.#isAttached = true;
      this.#mark = resume_at;
      this.#before = resume_at + 1;
      this.#hasOlder = resume_at > 0;
    } else if (!this.#isAttached) return;
    else if (this.#log.first === this.#log.next) this.#hasOlder = false;
    const count = reason === "ahead" ? null : resume_at - requested;
    const isLoadable = reason === "slow";
    this.#markLine(
      { type: "gap", reason, after: requested, through: resume_at, count, isLoadable, isLoading: false },
      resume_at,
    );
  }

  #resumed(downMs: number): void {
    if (!this.#isAttached) return;
    const last = this.#log.next - 1;
    const marker = this.#log.marker(last);
    if (last >= this.#log.first && marker?.type === "reconnect") {
      // Nothing came between two losses: they are one.
      this.#log.setMarker(last, { ...marker, downMs: marker.downMs + downMs });
      this.#forgetSent();
    } else this.#markLine({ type: "reconnect", downMs, missed: 0 }, Math.max(this.#mark, 0));
    this.#reconnectLine = this.#log.next - 1;
  }

  #replayed(count: number): void {
    const line = this.#reconnectLine;
    this.#reconnectLine = null;
    const marker = line === null ? undefined : this.#log.marker(line);
    if (line === null || marker?.type !== "reconnect") return;
    this.#log.setMarker(line, { ...marker, missed: marker.missed + count });
    this.#forgetSent();
  }

  #markLine(marker: Marker, cursor: Cursor): void {
    const isFull = this.#log.isFull;
    this.#log.mark(marker, cursor, this.#serverNow());
    this.#index.appended(this.#log.next - 1);
    if (isFull) this.#evictedOlder();
    this.#shown();
  }

  // How the window moves.

  /** The list begins anew: nothing of what it was stays, nor does what is on its way. */
  #anew(): void {
    this.#turn++;
    this.#journey++;
    this.#isLoadingOlder = false;
    this.#isLoadingNewer = false;
    this.#isHeld = false;
    this.#awaited = null;
    this.#reconnectLine = null;
    this.#windows = null;
    this.#serverFacets = null;
    this.#askedAt.clear();
    this.#log.clear();
    this.#index.rebuild(this.#isFiltered);
    this.#generation++;
    this.#target = null;
    this.#fresh = 0;
    this.#freshFailures = 0;
    this.#recount();
    this.#shown();
  }

  #start(start: Start): void {
    this.#awaited = awaitedOf(start, this.#log.capacity);
    this.#connection.resubscribe(this.#subscription, cursorOf(start));
  }

  /** Takes the window up again where it ends. */
  #attach(): void {
    this.#awaited = "attach";
    this.#connection.resubscribe(this.#subscription, this.#after);
  }

  #follow(): void {
    this.#isFollowing = true;
    this.#fresh = 0;
    this.#freshFailures = 0;
    this.#shown();
  }

  /** Goes to what happens now; one that only resumes reads on when it is attached, however far behind it is. */
  async #present(isResumed = false): Promise<void> {
    const journey = ++this.#journey;
    this.#follow();
    if (this.#isAttached && (isResumed || this.#connection.isLive || this.#awaited !== null)) return;
    const head = this.#connection.head;
    if (!this.#isAttached && head !== null && head - this.#after <= NEAR_EVENTS) return this.#attach();
    const latest = await this.#api.latest();
    const page = await this.#api.page({ before: latest + 1 }, this.#subscription, DEFAULT_START.last);
    if (journey !== this.#journey) return;
    if (this.#isAttached) this.#skipTo(page);
    else {
      this.#anew();
      this.#before = page.next;
      this.#hasOlder = page.hasMore;
      this.#appendPage(page);
    }
    this.#after = latest;
    this.#attach();
  }

  /** Leaves out what is between the end of the window and a page that was read ahead. */
  #skipTo(page: Page): void {
    const after = this.#mark;
    const events = page.events.filter((event) => readEvent(event, this.#at) && this.#at.cursor > after);
    const through = events[0] !== undefined && readEvent(events[0], this.#at) ? this.#at.cursor - 1 : after;
    if (through > after && page.hasMore) {
      const count = through - after;
      this.#markLine(
        { type: "gap", reason: "skipped", after, through, count, isLoadable: true, isLoading: false },
        through,
      );
    }
    this.#appendPage({ ...page, events });
  }

  /** Shows what was around a cursor. */
  async #around(cursor: Cursor): Promise<void> {
    const journey = ++this.#journey;
    const [older, newer] = await Promise.all([
      this.#api.page({ before: cursor }, this.#subscription, AROUND_EVENTS),
      this.#api.page({ cursor: Math.max(0, cursor - 1) }, this.#subscription, AROUND_EVENTS),
    ]);
    if (journey !== this.#journey) return;
    this.#anew();
    this.#isAttached = false;
    this.#before = older.next;
    this.#hasOlder = older.hasMore;
    this.#appendPage(older);
    this.#appendPage(newer);
    this.#target = this.#index.place(this.#log.at(cursor));
    this.#shown();
    if (!newer.hasMore) this.#attach();
  }

  #appendPage(page: Page): void {
    for (const event of page.events) {
      if (!readEvent(event, this.#at)) continue;
      const isFull = this.#log.isFull;
      this.#log.append(event, this.#at, this.#test === null || this.#matches(event, this.#at));
      this.#index.appended(this.#log.next - 1);
      if (isFull) this.#evictedOlder();
    }
    this.#after = page.next;
    this.#shown();
  }

  /** Loads older events; how many, and how many of them are hits, or null when the list has become another one. */
  async #older(limit: number, signal?: AbortSignal): Promise<{ events: number; hits: number } | null> {
    if (!this.#hasOlder || this.#isLoadingOlder) return null;
    this.#isLoadingOlder = true;
    const turn = this.#turn;
    this.#shown();
    try {
      const page = await this.#olderPage(limit, signal);
      if (page === null) return null;
      let hits = 0;
      for (let i = 0; i < page.events.length; i++) if (this.#log.isHit(this.#log.first + i)) hits++;
      return { events: page.events.length, hits };
    } finally {
      if (turn === this.#turn) this.#isLoadingOlder = false;
      this.#shown();
    }
  }

  async #olderPage(limit: number, signal?: AbortSignal): Promise<Page | null> {
    const turn = this.#turn;
    const before = this.#before;
    const page = await this.#api.page({ before }, this.#subscription, limit, signal);
    // Events that were evicted meanwhile would be missing between the page and the window.
    if (turn !== this.#turn || before !== this.#before) return null;
    const { capacity } = this.#log;
    for (const event of page.events.slice(-capacity).reverse()) {
      if (!readEvent(event, this.#at)) continue;
      if (this.#log.isFull) this.#makeRoom();
      this.#log.prepend(event, this.#at, this.#test === null || this.#matches(event, this.#at));
      this.#index.prepended(this.#log.first);
    }
    this.#before = page.next;
    this.#hasOlder = page.hasMore;
    // The line that was the first knows now which day was before it.
    this.#forgetSent();
    return page;
  }

  /** The newest line goes: the window no longer ends at the live edge. */
  #makeRoom(): void {
    this.pause();
    const last = this.#log.next - 1;
    this.#isAttached = false;
    if (this.#awaited === "attach") this.#awaited = null;
    this.#after = this.#log.cursor(last) - (this.#log.isMarker(last) ? 0 : 1);
  }

  /** Fills a page of a gap; the line of its marker, or null when there is nothing more to do. */
  async #fillPage(seq: number): Promise<number | null> {
    const marker = this.#log.marker(seq);
    if (marker?.type !== "gap" || !marker.isLoadable || marker.isLoading) return null;
    const turn = this.#turn;
    this.#log.setMarker(seq, { ...marker, isLoading: true });
    this.#forgetSent();
    let page: Page;
    try {
      page = await this.#api.page({ cursor: marker.after }, this.#subscription, PAGE_EVENTS);
    } catch (error) {
      if (turn === this.#turn && this.#log.marker(seq) !== undefined) this.#log.setMarker(seq, marker);
      this.#forgetSent();
      throw error;
    }
    if (turn !== this.#turn || this.#log.marker(seq)?.type !== "gap") return null;
    const events = page.events.filter((event) => readEvent(event, this.#at) && this.#at.cursor <= marker.through);
    this.#log.insert(seq, events, (raw) => {
      readEvent(raw, this.#at);
      return { at: this.#at, isHit: this.#test === null || this.#matches(raw, this.#at) };
    });
    const isFilled = !page.hasMore || page.next >= marker.through;
    if (isFilled) this.#log.unmark(seq);
    else {
      const count = marker.count === null ? null : marker.through - page.next;
      this.#log.setMarker(seq, { ...marker, after: page.next, count, isLoading: false });
    }
    if (this.#log.isFull) this.#evictedOlder();
    this.#relist(isFilled ? seq + 1 : seq);
    return isFilled ? null : seq;
  }

  /** Places have lost their meaning; the view should stand at `line`. */
  #relist(line: number | null, isRebuilt = true): void {
    if (isRebuilt) this.#index.rebuild(this.#isFiltered);
    this.#generation++;
    this.#target =
      line === null ? null : Math.max(this.#index.first, Math.min(this.#index.place(line), this.#index.next - 1));
    if (this.#target !== null) this.#view = { first: this.#target - (this.#view.count >> 1), count: this.#view.count };
    this.#shown();
  }

  /** The line in the middle of the view; null when there is none. */
  #middle(): number | null {
    const { first, next } = this.#index;
    if (first === next) return null;
    const place = this.#isFollowing ? next - 1 : this.#view.first + (this.#view.count >> 1);
    return this.#index.seq(Math.max(first, Math.min(place, next - 1)));
  }

  #forgetSent(): void {
    this.#sent.generation = -1;
    this.#owner.changed("rows");
  }

  #shown(): void {
    this.#owner.changed("rows");
    this.#owner.changed("counts");
  }

  #matches(text: string, at: Envelope): boolean {
    const { kind, agent, session, task, data } = at;
    return this.#test!({ kind, agent, session, task, raw: text, data });
  }

  #isHit(seq: number): boolean {
    const log = this.#log;
    if (this.#test === null) return true;
    const [kind, agent, session, task] = [
      log.text("kind", seq),
      log.text("agent", seq),
      log.text("session", seq),
      log.text("task", seq),
    ];
    return this.#test({ kind, agent, session, task, raw: log.raw(seq), data: log.data(seq) });
  }

  #serverNow(): number {
    return this.#env.now() + (this.#connection.status().clockOffsetMs ?? 0);
  }
}

function awaitedOf(start: Start, capacity: number): { last: number; isExplicit: boolean } {
  if (typeof start === "object" && "last" in start) return { last: Math.min(start.last, capacity), isExplicit: false };
  return { last: 0, isExplicit: start !== "now" };
}

/** A power of two, so that a place in the ring is a matter of bits. */
function capacityOf(retain = DEFAULT_RETAIN): number {
  const wanted = Math.min(Math.max(retain, MIN_RETAIN), MAX_RETAIN);
  return 2 ** Math.ceil(Math.log2(wanted));
}
