/**
 * A client that does nothing: what there is before the first effect has run, on a server, and while a stream is disabled.
 *
 * With it whoever draws always has a client, and the time before there is a real one is a state like the others and not a
 * null to be asked for everywhere.
 */
import type { EventClient, Phase } from "./event-client.ts";
import { NO_COUNTS, NO_FACETS, NO_HISTOGRAM, NO_LANES, NO_ROWS, NO_STATUS } from "./nothing.ts";
import { still } from "./slice.ts";

function idle(phase: Phase): EventClient {
  const nothing = () => {};
  const refused = () => Promise.reject(new Error("the stream is not open"));
  return {
    status: still({ ...NO_STATUS, phase }),
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
export const connectingClient: EventClient = idle("connecting");

/** While a stream is disabled. */
export const stoppedClient: EventClient = idle("stopped");

/** Whether this is one of the clients of this file. */
export function isIdle(client: EventClient): boolean {
  return client === connectingClient || client === stoppedClient;
}
