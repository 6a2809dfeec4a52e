/**
 * What is counted over many events, for those who look: facets, histogram and lanes. The server counts where it can, at
 * most so often; otherwise, and between, what is in memory has to do.
 */
import type { Facets, Histogram, LaneKey, Lanes, Span } from "../event-client.ts";
import type { Envelope } from "../protocol/scan.ts";
import { facetsOfServer, histogramOfServer } from "./api-extras.ts";
import type { Environment } from "./environment.ts";
import { FacetCounts, facetsOf, projectsOf } from "./facets.ts";
import { WindowCounts } from "./histogram.ts";
import { lanesOf } from "./lanes.ts";
import type { View } from "./port.ts";
import type { Timeline } from "./timeline.ts";

/** The server counts at most so often. Between, what comes is added to its counts. */
const REFRESH_MS = 15_000;
/** What is counted in memory is counted again at most so often: it takes some milliseconds. */
const RECOUNT_MS = 500;
/** Until it is said otherwise, what the histogram shows. */
const DEFAULT_SPAN_MS = 15 * 60_000;

export class Views {
  readonly #timeline: Timeline;
  readonly #env: Environment;
  #span: Span;
  #laneKey: LaneKey = "agent";
  #windows: WindowCounts | null = null;
  #facets: FacetCounts | null = null;
  readonly #askedAt = new Map<View, number>();
  readonly #countedAt = new Map<View, number>();

  constructor(timeline: Timeline, env: Environment) {
    this.#timeline = timeline;
    this.#env = env;
    this.#span = { from: env.now() - DEFAULT_SPAN_MS, to: null };
  }

  /** Whether it is time to make a snapshot again. */
  isDue(view: View): boolean {
    return this.#isTime(this.#countedAt, view, RECOUNT_MS);
  }

  facets(): Facets {
    const { api, subscription, window } = this.#timeline;
    this.#ask("facets", async () => {
      const facets = await facetsOfServer(api, subscription);
      if (subscription === this.#timeline.subscription) this.#facets = new FacetCounts(facets);
    });
    const { log } = window;
    return this.#facets === null ? facetsOf(log) : { ...this.#facets.snapshot(), projects: projectsOf(log) };
  }

  histogram(): Histogram {
    const { api, subscription, window } = this.#timeline;
    const { isEmpty, isAttached, hasOlder, log } = window;
    const span = this.#span;
    const now = this.#timeline.serverNow();
    this.#ask("histogram", async () => {
      const counts = await histogramOfServer(api, subscription, span.from, span.to ?? now);
      if (span === this.#span && subscription === this.#timeline.subscription) this.#windows = counts;
    });
    const reachesBack = !hasOlder || (!isEmpty && log.time(log.first) <= span.from);
    const counts = this.#windows ?? WindowCounts.ofLog(log, span, now, reachesBack && isAttached);
    if (span.to === null) counts.follow(now);
    return counts.snapshot();
  }

  lanes(): Lanes {
    return lanesOf(this.#timeline.window.log, this.#laneKey, this.#span);
  }

  setSpan(span: Span): void {
    this.#span = span;
    this.#windows = null;
    this.renew("histogram");
    this.renew("lanes");
  }

  setLaneKey(by: LaneKey): void {
    this.#laneKey = by;
    this.renew("lanes");
  }

  /** Makes the next snapshot at once, and asks the server anew. */
  renew(view: View): void {
    this.#askedAt.delete(view);
    this.#countedAt.delete(view);
    this.#timeline.changed(view);
  }

  renewAll(): void {
    this.renew("facets");
    this.renew("histogram");
    this.renew("lanes");
  }

  /** An event has happened. */
  add(at: Envelope): void {
    this.#windows?.add(at.kind, at.time);
    this.#facets?.add(at);
  }

  /** The list is another one. */
  reset(): void {
    this.#windows = null;
    this.#facets = null;
    this.#askedAt.clear();
  }

  #ask(view: View, ask: () => Promise<void>): void {
    if (!this.#isTime(this.#askedAt, view, REFRESH_MS)) return;
    ask().then(
      () => {
        this.#countedAt.delete(view);
        this.#timeline.changed(view);
      },
      () => {},
    );
  }

  #isTime(times: Map<View, number>, view: View, ms: number): boolean {
    const now = this.#env.now();
    if (now - (times.get(view) ?? Number.NEGATIVE_INFINITY) < ms) return false;
    times.set(view, now);
    return true;
  }
}
