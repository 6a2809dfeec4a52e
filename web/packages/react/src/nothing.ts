/**
 * What each slice says before there is anything to say.
 */
import type { Counts, Facets, Histogram, Lanes, Rows, Status } from "./event-client.ts";

export const NO_STATUS: Status = {
  phase: "connecting",
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
  tokenExpiresAt: null,
};
export const NO_ROWS: Rows = {
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
export const NO_COUNTS: Counts = {
  received: 0,
  eventsPerSecond: 0,
  loaded: 0,
  shown: 0,
  hits: 0,
  fresh: 0,
  freshFailures: 0,
};
export const NO_FACETS: Facets = {
  kinds: [],
  agents: [],
  sessions: [],
  tasks: [],
  projects: [],
  scope: "loaded",
  isComplete: false,
};
export const NO_HISTOGRAM: Histogram = {
  from: 0,
  windowMs: 1,
  families: [],
  counts: [],
  failures: [],
  isComplete: false,
};
export const NO_LANES: Lanes = { by: "agent", lanes: [], others: 0 };
