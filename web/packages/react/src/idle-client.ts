/**
 * A client that does nothing: what there is before the first effect has run, on a server, and while a stream is disabled.
 *
 * With it whoever draws always has a client, and the time before there is a real one is a state like the others and not a
 * null to be asked for everywhere.
 */
import type { Counts, EventClient, Facets, Histogram, Lanes, Phase, Rows, Status } from "./event-client.ts";
import { type Slice, still } from "./slice.ts";

const NO_ROWS: Rows = {
  generation: 0,
  first: 0,
  next: 0,
  from: 0,
  rows: [],
  isFollowing: true,
  hasOlder: false,
  hasNewer: false,
  isLoadingOlder: false,
  isLoadingNewer: false,
  target: null,
};
const NO_COUNTS: Counts = {
  received: 0,
  eventsPerSecond: 0,
  loaded: 0,
  shown: 0,
  hits: 0,
  fresh: 0,
  freshFailures: 0,
};
const NO_FACETS: Facets = { kinds: [], agents: [], sessions: [], tasks: [], scope: "loaded", isComplete: true };
const NO_HISTOGRAM: Histogram = { from: 0, windowMs: 1000, families: [], counts: [], failures: [], isComplete: true };
const NO_LANES: Lanes = { by: "agent", lanes: [], others: 0 };

function statusIn(phase: Phase): Status {
  return {
    phase,
    attempt: 0,
    retryAt: null,
    progress: null,
    rttMs: null,
    lag: null,
    error: null,
    epoch: null,
    earliest: null,
    head: null,
    clockOffsetMs: null,
  };
}

function idle(status: Slice<Status>): EventClient {
  const nothing = () => {};
  const refused = () => Promise.reject(new Error("the stream is not open"));
  return {
    status,
    rows: still(NO_ROWS),
    counts: still(NO_COUNTS),
    facets: still(NO_FACETS),
    histogram: still(NO_HISTOGRAM),
    lanes: still(NO_LANES),
    setView: nothing,
    pause: nothing,
    resume: nothing,
    setSubscription: nothing,
    setQuery: () => null,
    seek: refused,
    loadOlder: refused,
    loadNewer: refused,
    fill: refused,
    searchOlder: refused,
    clear: nothing,
    reconnect: nothing,
    setToken: nothing,
    setSpan: nothing,
    setLaneKey: nothing,
    event: async () => null,
    find: async () => null,
    placeOf: async () => null,
    export: refused,
    emit: refused,
    on: () => nothing,
    close: nothing,
  };
}

/** Before the real client is open. */
export const connectingClient: EventClient = idle(still(statusIn("connecting")));

/** While a stream is disabled. */
export const stoppedClient: EventClient = idle(still(statusIn("stopped")));

/** Whether this is one of the clients of this file. */
export function isIdle(client: EventClient): boolean {
  return client === connectingClient || client === stoppedClient;
}
