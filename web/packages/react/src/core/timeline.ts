/**
 * One stream of events as a list that can be looked at: the composition of connection, window and pages.
 *
 * While the window is detached, after going elsewhere or when older pages have pushed the newest out, live events are
 * counted only. Newer ones are read as pages until the live edge is reached, and then the server is asked to go on from
 * the window's end on the same connection, so that no race can lose or repeat one.
 *
 * Knows neither threads nor frames: it says what has changed, and makes snapshots when it is asked to.
 */
import type { Counts, Cursor, Marker, Row, Start, Status, Subscription, View } from "../event-client.ts";
import { cursorOf } from "../protocol/filter.ts";
import type { Page } from "../protocol/page.ts";
import type { Envelope } from "../protocol/scan.ts";
import type { Gap, Subscribed } from "../protocol/types.ts";
import { Api, ApiError, PAGE_EVENTS } from "./api.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import type { Environment } from "./environment.ts";
import { isFailureKind } from "./event-log.ts";
import type { CoreOptions, RowsChange, Slices, Watched } from "./port.ts";
import type { Test } from "./query.ts";
import { Rate } from "./rate.ts";
import { rowAt } from "./row.ts";
import type { Views } from "./views.ts";
import { Window } from "./window.ts";

const DEFAULT_RETAIN = 131_072;
const MAX_RETAIN = 524_288;
const MIN_RETAIN = 1024;
const DEFAULT_START = { last: 500 };
/** Events that are read at once for a list that scrolls: some twenty screens. */
const STEP_EVENTS = 500;
/** What a page may be ahead of the stream by time on the way; beyond it was meant to be left out. */
const AHEAD_EVENTS = 10_000;
/** Screens of rows around the view that the page is given, so that scrolling finds them there. */
const SCREENS_AROUND = 3;
const DEFAULT_VIEW: View = { first: 0, count: 50 };
export type Extras = typeof import("./extras.ts");

/** Whom a timeline tells that there is something to be shown. */
export interface TimelineOwner {
  token(): Promise<string | undefined>;
  changed(slice: keyof Slices): void;
  /** Events for those who listen to each. */
  events(events: readonly string[]): void;
}

/** What the next `subscribed` answers: a list begun anew with so many older events, or the window taken up again. */
type Beginning = { readonly last: number; readonly isExplicit: boolean } | "attach" | null;

export class Timeline {
  readonly api: Api;
  readonly connection: Connection;
  readonly window: Window;
  subscription: Subscription;
  isLoadingNewer = false;
  /** The newest event that was received: what comes again is not counted again. */
  mark: Cursor = -1;
  /** What `extras` has loaded, and what is made of it. */
  loadedExtras: Extras | null = null;
  views: Views | null = null;

  readonly #env: Environment;
  readonly #owner: TimelineOwner;
  #awaited: Beginning;
  #isLoadingOlder = false;
  /** Counts lists: a page that was asked for by another one is of no use to this. */
  #lists = 0;
  /** Counts where the view was sent: the last one counts. */
  #journeys = 0;

  #view = DEFAULT_VIEW;
  #isFollowing = true;
  #generation = 0;
  #target: number | null = null;
  /** The rows that the page has: of this generation, from one place up to another. */
  #sent = { generation: -1, from: 0, to: 0 };

  #received = 0;
  #fresh = 0;
  #freshFailures = 0;
  readonly #rate: Rate;
  #reconnectLine: number | null = null;

  readonly #watched = new Set<Watched>();
  /** Events for listeners; held while older ones are on their way. */
  #batch: string[] = [];
  #isHeld = false;

  constructor(env: Environment, options: CoreOptions, owner: TimelineOwner) {
    this.#env = env;
    this.#owner = owner;
    this.#rate = new Rate(env);
    this.subscription = options.subscription ?? {};
    this.window = new Window(capacityOf(options.retain));
    this.api = new Api(env, options.url, owner.token);
    const start = options.from ?? DEFAULT_START;
    this.#awaited = this.#awaitedOf(start);
    const connection = {
      url: options.url,
      subscription: this.subscription,
      cursor: cursorOf(start),
      autoReconnect: options.autoReconnect ?? true,
      maxReconnectAttempts: options.maxReconnectAttempts ?? Number.POSITIVE_INFINITY,
    };
    this.connection = new Connection(env, connection, this.#connectionOwner());
    this.connection.connect();
  }

  // What there is to see.

  status(): Status {
    return this.connection.status();
  }

  counts(): Counts {
    const { events, hits } = this.window.log;
    return {
      received: this.#received,
      eventsPerSecond: this.#rate.perSecond(this.#received, () => this.#owner.changed("counts")),
      loaded: events,
      shown: this.window.isFiltered ? hits : events,
      hits,
      fresh: this.#fresh,
      freshFailures: this.#freshFailures,
    };
  }

  /** The rows that the page should have and does not. More of them around the view when the view has asked. */
  rows(isAsked: boolean): RowsChange {
    const { index, log, hasOlder, isAttached } = this.window;
    const { first, next } = index;
    const [from, to] = this.#reach(isAsked, first, next);
    const sent = this.#sent;
    const isSame = sent.generation === this.#generation;
    const fresh: Row[] = [];
    for (let place = from; place < to; place++) {
      if (!isSame || place < sent.from || place >= sent.to) fresh.push(rowAt(log, index, place));
    }
    this.#sent = { generation: this.#generation, from, to };
    return {
      generation: this.#generation,
      first,
      next,
      from,
      count: to - from,
      fresh,
      isFollowing: this.#isFollowing,
      hasOlder,
      hasNewer: !isAttached,
      isLoadingOlder: this.#isLoadingOlder,
      isLoadingNewer: this.isLoadingNewer,
      target: this.#target,
    };
  }

  #reach(isAsked: boolean, first: number, next: number): [number, number] {
    const { count } = this.#view;
    const isTail = this.#isFollowing && !isAsked;
    const around = count * (isTail ? 1 : SCREENS_AROUND);
    const begin = isTail ? next - count : this.#view.first;
    const from = Math.min(Math.max(first, begin - around), next);
    return [from, Math.max(from, Math.min(next, begin + count + around))];
  }

  /** What is loaded only when it is asked for. */
  async extras(): Promise<Extras> {
    this.loadedExtras ??= await import("./extras.ts");
    return this.loadedExtras;
  }

  async loadViews(): Promise<Views> {
    const { Views } = await this.extras();
    this.views ??= new Views(this, this.#env);
    return this.views;
  }

  isWatched(what: Watched): boolean {
    return this.#watched.has(what);
  }

  watch(what: Watched, isWatched: boolean): void {
    if (isWatched) this.#watched.add(what);
    else this.#watched.delete(what);
    if (isWatched && what !== "event") this.loadViews().then((views) => views.renew(what), ignore);
  }

  /** Something may be shown anew. */
  changed(slice: keyof Slices): void {
    this.#owner.changed(slice);
  }

  // What can be asked for.

  setView(view: View): void {
    this.#view = view;
  }

  pause(): void {
    if (!this.#isFollowing) return;
    const { first, next } = this.window.index;
    const { count } = this.#view;
    this.#view = { first: Math.max(first, next - count), count };
    this.#setFollowing(false);
  }

  follow(): void {
    this.#setFollowing(true);
  }

  #setFollowing(isFollowing: boolean): void {
    this.#isFollowing = isFollowing;
    this.#fresh = 0;
    this.#freshFailures = 0;
    this.shown();
  }

  resume(): void {
    this.depart();
    this.follow();
    if (this.window.isAttached) return;
    this.extras()
      .then(({ present }) => present(this, true))
      .catch(ignore);
  }

  setSubscription(subscription: Subscription, from?: Start): void {
    const middle = this.#middle();
    const cursor = from === undefined && !this.#isFollowing && middle !== null ? this.window.log.cursor(middle) : null;
    this.subscription = subscription;
    this.anew();
    if (cursor === null) {
      this.follow();
      this.#start(from ?? DEFAULT_START);
      return;
    }
    const isSame = this.list();
    this.#start("now");
    this.window.isAttached = false;
    this.extras()
      .then(({ around }) => around(this, cursor))
      .catch(() => {
        if (isSame()) this.#start(DEFAULT_START);
      });
  }

  /** Sets what is a hit, and whether hits alone are shown. */
  setTest(test: Test | null, isFiltered: boolean): void {
    const middle = this.#isFollowing ? null : this.#middle();
    this.window.setTest(test, isFiltered);
    this.relist(middle);
  }

  async loadOlder(): Promise<void> {
    await this.older(STEP_EVENTS);
  }

  clear(): void {
    const { isAttached } = this.window;
    this.anew();
    this.window.hasOlder = false;
    if (!isAttached) this.#start("now");
  }

  reconnect(): void {
    this.connection.reconnect();
  }

  async event(cursor: Cursor): Promise<string | null> {
    const line = this.window.log.find(cursor);
    return line === null ? this.api.event(cursor) : this.window.log.raw(line);
  }

  /** The page, or the machine under it, has something to say. */
  page(what: "online" | "offline" | "visible" | "token"): void {
    if (what === "token") this.connection.tokenChanged();
    else if (what === "visible") this.connection.wake();
    else this.connection.setOnline(what === "online");
  }

  close(): void {
    this.#lists++;
    this.#journeys++;
    this.connection.close();
    this.#rate.stop();
    this.window.clear();
  }

  // What the connection tells.

  #connectionOwner(): ConnectionOwner {
    return {
      token: () => this.#owner.token(),
      whyRefused: async () => {
        try {
          await this.api.page({ before: 1 }, this.subscription, 1);
          return null;
        } catch (error) {
          return error instanceof ApiError && error.status > 0 ? error : null;
        }
      },
      subscribed: (message) => this.#subscribed(message),
      resumed: (downMs) => this.#resumed(downMs),
      epochChanged: () => {
        this.anew();
        this.mark = 0;
        this.markLine({ type: "epoch" }, 0);
        this.#start(DEFAULT_START);
      },
      event: (text, at) => this.#event(text, at),
      gap: (gap) => this.#gap(gap),
      replayed: (count) => this.#replayed(count),
      lagged: (events, ms) => {
        if (this.window.isAttached) this.markLine({ type: "lag", events, ms }, this.mark);
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
    const { mark, window } = this;
    this.#awaited = null;
    if (awaited !== null) window.isAttached = true;
    if (awaited !== null && awaited !== "attach") {
      window.before = cursor + 1;
      window.hasOlder = cursor >= earliest;
      // At first, or when it was asked to go back, everything is new again.
      this.mark = awaited.isExplicit ? cursor : Math.max(mark, cursor);
      if (awaited.last > 0) void this.#loadNewest(awaited.last, mark);
    }
    this.shown();
  }

  /** The newest events before a subscription that is live. Those that listen get them first. */
  async #loadNewest(count: number, mark: Cursor): Promise<void> {
    const isSame = this.list();
    const events: string[] = [];
    this.#isHeld = true;
    try {
      while (this.window.hasOlder && events.length < count && isSame()) {
        const page = await this.#olderPage(Math.min(PAGE_EVENTS, count - events.length));
        if (page === null) break;
        events.unshift(...page.events);
      }
    } catch {
      // The list goes on without them, and `loadOlder` can try again.
    }
    const unheard = this.window.between(events, mark);
    this.#received += unheard.length;
    if (this.#watched.has("event")) this.#batch.unshift(...unheard);
    this.#isHeld = false;
    this.#frameEnded();
    this.shown();
  }

  #event(text: string, at: Envelope): void {
    const { window } = this;
    const isHit = window.matches(text, at);
    if (at.cursor > this.mark) this.#receive(text, at, isHit);
    if (!window.isAttached || at.cursor <= window.after) return;
    if (window.log.isFull && this.#isReadAtItsEnd()) {
      window.isAttached = false;
      window.after = at.cursor - 1;
    } else window.append(text, at, isHit);
    this.#owner.changed("rows");
  }

  #receive(text: string, at: Envelope, isHit: boolean): void {
    this.mark = at.cursor;
    this.#received++;
    if (!this.#isFollowing && (isHit || !this.window.isFiltered)) {
      this.#fresh++;
      if (isFailureKind(at.kind)) this.#freshFailures++;
    }
    if (this.#watched.has("event")) {
      this.#batch.push(text);
      // Listeners get the older ones late rather than the page so many at once.
      if (this.#batch.length > this.window.log.capacity) this.#isHeld = false;
    }
    this.views?.add(at.kind, at.time);
    this.#owner.changed("counts");
    this.#recount();
  }

  #recount(): void {
    for (const what of this.#watched) if (what !== "event") this.#owner.changed(what);
  }

  /** Whether the view is so near the oldest line that one more would take from under it. */
  #isReadAtItsEnd(): boolean {
    return !this.#isFollowing && this.window.index.first >= this.#view.first - this.#view.count;
  }

  #gap({ reason, requested, resume_at }: Gap): void {
    const { window } = this;
    if (reason === "ahead") {
      this.anew();
      window.isAttached = true;
      this.mark = resume_at;
      window.before = resume_at + 1;
      window.hasOlder = resume_at > 0;
    } else if (!window.isAttached) return;
    else if (window.isEmpty) window.hasOlder = false;
    const gap = { after: requested, through: resume_at, isLoadable: reason === "slow", isLoading: false };
    const count = reason === "ahead" ? null : resume_at - requested;
    this.markLine({ type: "gap", reason, ...gap, count }, resume_at);
  }

  #resumed(downMs: number): void {
    if (!this.window.isAttached) return;
    const last = this.window.log.next - 1;
    const marker = this.window.log.marker(last);
    // Nothing came between two losses: they are one.
    if (marker?.type === "reconnect") this.setMarker(last, { ...marker, downMs: marker.downMs + downMs });
    else this.markLine({ type: "reconnect", downMs, missed: 0 }, Math.max(this.mark, 0));
    this.#reconnectLine = this.window.log.next - 1;
  }

  #replayed(count: number): void {
    const line = this.#reconnectLine;
    this.#reconnectLine = null;
    const marker = line === null ? undefined : this.window.log.marker(line);
    if (line === null || marker?.type !== "reconnect") return;
    this.setMarker(line, { ...marker, missed: marker.missed + count });
  }

  // How the list moves.

  markLine(marker: Marker, cursor: Cursor): void {
    this.window.mark(marker, cursor, this.serverNow());
    this.shown();
  }

  setMarker(line: number, marker: Marker): void {
    this.window.log.setMarker(line, marker);
    this.#forgetSent();
  }

  /** The list begins anew: nothing of what it was stays, nor does what is on its way. */
  anew(): void {
    this.#lists++;
    this.#journeys++;
    this.#isLoadingOlder = false;
    this.isLoadingNewer = false;
    this.#isHeld = false;
    this.#awaited = null;
    this.#reconnectLine = null;
    this.views?.reset();
    this.window.clear();
    this.#generation++;
    this.#target = null;
    this.#fresh = 0;
    this.#freshFailures = 0;
    this.#recount();
    this.shown();
  }

  /** Whether the list is still the one that it was, for what comes back later. */
  list(): () => boolean {
    const list = this.#lists;
    return () => list === this.#lists;
  }

  /** Sets out for somewhere; what is returned tells later whether nothing has set out since. */
  depart(): () => boolean {
    const journey = ++this.#journeys;
    return () => journey === this.#journeys;
  }

  /** Whether the server has yet to answer what the window will be. */
  get isBeginning(): boolean {
    return this.#awaited !== null;
  }

  #start(start: Start): void {
    this.#awaited = this.#awaitedOf(start);
    this.connection.resubscribe(this.subscription, cursorOf(start));
  }

  #awaitedOf(start: Start): Beginning {
    if (typeof start !== "object" || start instanceof Date) return { last: 0, isExplicit: start !== "now" };
    return { last: Math.min(start.last, this.window.log.capacity), isExplicit: false };
  }

  /**
   * Takes the window up again where it ends; or a little before, since pages may have run ahead of the stream, and whoever
   * listens to each event has not had those between.
   */
  attach(): void {
    const { after } = this.window;
    const isAhead = this.mark >= 0 && this.mark < after && after - this.mark <= AHEAD_EVENTS;
    this.#awaited = "attach";
    this.connection.resubscribe(this.subscription, isAhead ? this.mark : after);
    this.shown();
  }

  /** Loads older events; how many, and how many of them are hits, or null when the list has become another one. */
  async older(limit: number, signal?: AbortSignal): Promise<{ events: number; hits: number } | null> {
    if (!this.window.hasOlder || this.#isLoadingOlder) return null;
    const isSame = this.list();
    this.#isLoadingOlder = true;
    this.shown();
    try {
      const page = await this.#olderPage(limit, signal);
      return page && { events: page.events.length, hits: page.hits };
    } finally {
      if (isSame()) this.#isLoadingOlder = false;
      this.shown();
    }
  }

  async #olderPage(limit: number, signal?: AbortSignal): Promise<(Page & { hits: number }) | null> {
    const { window } = this;
    const isSame = this.list();
    const journeys = this.#journeys;
    const { before, isAttached } = window;
    const page = await this.api.page({ before }, this.subscription, limit, signal);
    // Events that were evicted meanwhile would be missing between the page and the window.
    if (!isSame() || before !== window.before) return null;
    // Whoever has gone to the present meanwhile does not want it pushed out.
    const { first, next, capacity } = window.log;
    if (journeys !== this.#journeys && next - first + page.events.length > capacity) return null;
    const hits = window.prependPage(page);
    if (!window.isAttached) {
      // The newest made room: whoever asks for older ones does not look at them.
      this.pause();
      if (isAttached || this.#awaited === "attach") this.#awaited = null;
    }
    // The line that was the first knows now which day was before it.
    this.#forgetSent();
    return { ...page, hits };
  }

  /** Places have lost their meaning; the view should stand at `line`. */
  relist(line: number | null, isRebuilt = true): void {
    const { index, isFiltered } = this.window;
    if (isRebuilt) index.rebuild(isFiltered);
    this.#generation++;
    this.#target = line === null ? null : Math.max(index.first, Math.min(index.place(line), index.next - 1));
    const { count } = this.#view;
    if (this.#target !== null) this.#view = { first: this.#target - (count >> 1), count };
    this.shown();
  }

  /** The line in the middle of the view; null when there is none. */
  #middle(): number | null {
    const { index, isEmpty } = this.window;
    if (isEmpty || index.first === index.next) return null;
    const place = this.#isFollowing ? index.next - 1 : this.#view.first + (this.#view.count >> 1);
    return index.seq(Math.max(index.first, Math.min(place, index.next - 1)));
  }

  #forgetSent(): void {
    this.#sent.generation = -1;
    this.#owner.changed("rows");
  }

  shown(): void {
    this.#owner.changed("rows");
    this.#owner.changed("counts");
  }

  /** What time it is for the server. */
  serverNow(): number {
    return this.#env.now() + (this.connection.status().clockOffsetMs ?? 0);
  }
}

/** For what fails without harm: it is asked for again. */
function ignore(): void {}

/** A power of two, so that a place in the ring is a matter of bits. */
function capacityOf(retain = DEFAULT_RETAIN): number {
  const wanted = Math.min(Math.max(retain, MIN_RETAIN), MAX_RETAIN);
  return 2 ** Math.ceil(Math.log2(wanted));
}
