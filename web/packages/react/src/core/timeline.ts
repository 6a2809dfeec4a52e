/**
 * One stream of events as a list that can be looked at: the composition of connection, window and pages.
 *
 * While the window is detached, after going elsewhere or when older pages have pushed the newest out, live events are
 * counted only. Newer ones are read as pages until the live edge is reached, and then the server is asked to go on from
 * the window's end on the same connection, so that no race can lose or repeat one.
 *
 * Knows neither threads nor frames: it says what has changed, and makes snapshots when it is asked to.
 */
import type { Counts, Cursor, Start, Status, Subscription, TokenReason } from "../event-client.ts";
import { cursorOf } from "../protocol/filter.ts";
import type { Envelope } from "../protocol/scan.ts";
import type { Subscribed } from "../protocol/types.ts";
import type { Api } from "./api.ts";
import { Connection, type ConnectionOwner, type Hole } from "./connection.ts";
import type { Environment, Extras } from "./environment.ts";
import { ListView } from "./list-view.ts";
import { Markers } from "./markers.ts";
import type { CoreOptions, RowsChange, Slices, Watched } from "./port.ts";
import { Rate } from "./rate.ts";
import type { Refusal } from "./refusal.ts";
import type { Views } from "./views.ts";
import { Window } from "./window.ts";

const DEFAULT_RETAIN = 131_072;
const MAX_RETAIN = 524_288;
const MIN_RETAIN = 1024;
/** Where a list begins when nobody says. */
export const DEFAULT_START = { last: 500 };

/** Whom a timeline tells that there is something to be shown. */
export interface TimelineOwner {
  /** A token; without a reason the one at hand. */
  token(reason?: TokenReason): Promise<string | undefined>;
  changed(slice: keyof Slices): void;
  /** Events for those who listen to each. */
  events(events: readonly string[]): void;
}

/** A list begun anew, with so many older events; from a place that was named, or from the present. */
interface Beginning {
  readonly last: number;
  readonly isExplicit: boolean;
}

export class Timeline implements ConnectionOwner {
  /** There once the extras are, which alone make requests. */
  api!: Api;
  readonly connection: Connection;
  readonly window: Window;
  readonly view: ListView;
  readonly markers: Markers;
  subscription: Subscription;
  isLoadingOlder = false;
  isLoadingNewer = false;
  /** The newest event that was received: what comes again is not counted again. */
  mark: Cursor = -1;
  /** What `extras` has loaded, and what is made of it. */
  loadedExtras: Extras | null = null;
  views: Views | null = null;
  #loading: Promise<Extras> | null = null;

  readonly #env: Environment;
  readonly #url: string;
  readonly #owner: TimelineOwner;
  /** What the next `subscribed` answers: a list begun anew, the window taken up again where it ends, or neither. */
  #awaited: Beginning | "attach" | null;
  /** Counts lists: a page that was asked for by another one is of no use to this. */
  #lists = 0;
  /** Counts where the view was sent: the last one counts. */
  #journeys = 0;

  #received = 0;
  /** Those of them that came as they happened. */
  #live = 0;
  readonly #rate: Rate;

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
    this.view = new ListView(this.window, () => this.shown());
    this.markers = new Markers(this.window, this.view, () => this.serverNow());
    this.#url = options.url;
    const start = options.from ?? DEFAULT_START;
    const beginning = beginningOf(start, this.window.log.capacity);
    this.#awaited = beginning;
    const connection = { ...options, subscription: this.subscription, cursor: cursorOf(start) };
    this.connection = new Connection(env, connection, this);
    this.connection.connect();
    // While the connection is made, so that the first page is not waited for any longer.
    if (beginning.last > 0) this.extras().catch(ignore);
  }

  // What there is to see.

  status(): Status {
    return this.connection.status();
  }

  counts(): Counts {
    const { events, hits } = this.window.log;
    return {
      received: this.#received,
      eventsPerSecond: this.#rate.perSecond(this.#live, () => this.#owner.changed("counts")),
      loaded: events,
      shown: this.window.isFiltered ? hits : events,
      hits,
      fresh: this.view.fresh,
      freshFailures: this.view.freshFailures,
    };
  }

  /** The rows that the page should have and does not. */
  rows(isAsked = false): RowsChange {
    const { isLoadingOlder, isLoadingNewer } = this;
    return { ...this.view.rows(isAsked), isLoadingOlder, isLoadingNewer };
  }

  /** What is loaded only when it is asked for; once, unless that fails. */
  extras(): Promise<Extras> {
    this.#loading ??= this.#env.extras().then(
      (extras) => {
        this.loadedExtras = extras;
        this.api = new extras.Api(this.#env, this.#url, this.#owner.token);
        return extras;
      },
      (error: unknown) => {
        this.#loading = null;
        throw error;
      },
    );
    return this.#loading;
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

  pause(): void {
    this.view.pause();
  }

  resume(): void {
    this.depart();
    this.view.follow();
    if (this.window.isAttached) return;
    this.extras()
      .then(({ present }) => present(this, true))
      .catch(ignore);
  }

  reconnect(): void {
    this.connection.reconnect();
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

  token(reason: TokenReason): Promise<string | undefined> {
    return this.#owner.token(reason);
  }

  async whyRefused(): Promise<Refusal | null> {
    return (await this.extras()).whyRefused(this);
  }

  epochChanged(): void {
    this.anew();
    this.mark = 0;
    this.markers.add({ type: "epoch" }, 0);
    this.start(DEFAULT_START);
  }

  lagged(events: number | null, ms: number): void {
    if (this.window.isAttached) this.markers.add({ type: "lag", events, ms }, this.end);
  }

  statusChanged(): void {
    this.#owner.changed("status");
    if (this.#batch.length > 0 && !this.#isHeld) {
      this.#owner.events(this.#batch);
      this.#batch = [];
    }
  }

  subscribed({ cursor, earliest }: Subscribed): void {
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

  /** Loads the newest events before a subscription that is live. Those that listen get them first. */
  async #loadNewest(count: number, mark: Cursor): Promise<void> {
    const isSame = this.list();
    this.#isHeld = true;
    let unheard: readonly string[] = [];
    try {
      const { newest, between } = await this.extras();
      unheard = between(await newest(this, count, isSame), mark);
    } catch {
      // The list goes on without them, and `loadOlder` can try again.
    }
    // Another list holds events for itself.
    if (!isSame()) return;
    this.#received += unheard.length;
    if (this.#watched.has("event")) this.#batch.unshift(...unheard);
    this.#isHeld = false;
    this.statusChanged();
    this.shown();
  }

  event(text: string, at: Envelope): void {
    const { window } = this;
    const isHit = window.matches(text, at);
    if (at.cursor > this.mark) this.#receive(text, at, isHit);
    if (!window.isAttached || at.cursor <= window.after) return;
    if (window.log.isFull && this.view.isReadAtItsEnd) {
      window.isAttached = false;
      window.after = at.cursor - 1;
    } else window.append(text, at, isHit);
    this.#owner.changed("rows");
  }

  #receive(text: string, at: Envelope, isHit: boolean): void {
    this.mark = at.cursor;
    this.#received++;
    this.view.received(at.kind, isHit);
    if (!this.connection.isReplaying) {
      this.#live++;
      this.views?.add(at);
    }
    if (this.#watched.has("event")) {
      this.#batch.push(text);
      // Listeners get the older ones late rather than the page so many at once.
      if (this.#batch.length > this.window.log.capacity) this.#isHeld = false;
    }
    this.#owner.changed("counts");
    this.#recount();
  }

  #recount(): void {
    for (const what of this.#watched) if (what !== "event") this.#owner.changed(what);
  }

  gap({ reason, requested, resume_at }: Hole): void {
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
    // Of what is hidden nobody knows how much it is.
    const count = reason === "ahead" || reason === "forbidden" ? null : resume_at - requested;
    this.markers.add({ type: "gap", reason, ...gap, count }, resume_at);
  }

  resumed(downMs: number): void {
    if (this.window.isAttached) this.markers.resumed(downMs, this.end);
  }

  replayed(count: number): void {
    // History has not been added to what the server had counted.
    if (count > 0) this.views?.renewAll();
    this.markers.replayed(count);
  }

  // How the list moves.

  /** The list begins anew: nothing of what it was stays, nor does what is on its way. */
  anew(): void {
    this.#lists++;
    this.#journeys++;
    this.isLoadingOlder = false;
    this.isLoadingNewer = false;
    this.#isHeld = false;
    this.#awaited = null;
    this.markers.forget();
    this.views?.reset();
    this.window.clear();
    this.view.fresh = 0;
    this.view.freshFailures = 0;
    this.view.goTo(null);
    this.#recount();
  }

  /**
   * Where the window ends. While it catches up, that is before what was received when it was elsewhere; an empty one ends
   * where what was received does.
   */
  get end(): Cursor {
    const { isEmpty, log } = this.window;
    return isEmpty ? Math.max(this.mark, 0) : log.cursor(log.next - 1);
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

  /** Whether it is to take the window up where it ends. */
  get isAttaching(): boolean {
    return this.#awaited === "attach";
  }

  /** The window is left where it is: its newest lines made room for older ones. */
  detach(): void {
    this.#awaited = null;
  }

  /** Counts where the view was sent. */
  get journeys(): number {
    return this.#journeys;
  }

  /** Asks for the subscription from a place on; the answer begins the list. */
  start(start: Start): void {
    this.#awaited = beginningOf(start, this.window.log.capacity);
    this.connection.resubscribe(this.subscription, cursorOf(start));
  }

  /** Takes the window up again where it ends, from a cursor that is there or before. */
  attach(cursor: Cursor): void {
    this.#awaited = "attach";
    this.connection.resubscribe(this.subscription, cursor);
    this.shown();
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

function beginningOf(start: Start, most: number): Beginning {
  if (typeof start !== "object" || start instanceof Date) return { last: 0, isExplicit: start !== "now" };
  return { last: Math.min(start.last, most), isExplicit: false };
}

/** A power of two, so that a place in the ring is a matter of bits. */
function capacityOf(retain = DEFAULT_RETAIN): number {
  const wanted = Math.min(Math.max(retain, MIN_RETAIN), MAX_RETAIN);
  return 2 ** Math.ceil(Math.log2(wanted));
}
