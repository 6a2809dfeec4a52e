/** Requests that most pages never make, or not at first: single events and places, aggregates, exports, and emitting. */
import type { Cursor, Draft, Facets, Subscription } from "../event-client.ts";
import { queryOf } from "../protocol/filter.ts";
import { type Api, ApiError } from "./api.ts";
import { backoffMs } from "./backoff.ts";
import type { Environment } from "./environment.ts";
import { FACET_VALUES } from "./facets.ts";
import { WINDOWS, WindowCounts } from "./histogram.ts";

/** An emit is worth some patience: with one id all attempts are one event. */
const EMIT_ATTEMPTS = 5;

/** Answers that may be another one soon; 0 is a network that failed. */
const PASSING = [0, 408, 429, 500, 502, 503, 504];

/** Publishes an event; the answer is its cursor, also when an attempt before this one had arrived. */
export async function emit(api: Api, env: Environment, draft: Draft): Promise<Cursor> {
  const body = JSON.stringify({ ...draft, id: draft.id ?? randomId() });
  const init = { method: "POST", headers: { "content-type": "application/json" }, body };
  for (let attempt = 1; ; attempt++) {
    try {
      return Number(await api.text("/emit", init));
    } catch (error) {
      const isPassing = error instanceof ApiError && PASSING.includes(error.status);
      if (!isPassing || attempt === EMIT_ATTEMPTS) throw error;
      const ms = error.retryAfterMs + backoffMs(attempt, env.random);
      await new Promise<void>((resolve) => env.after(ms, resolve));
    }
  }
}

/** An id that nobody else has. `crypto.randomUUID` is missing where a page does not come over TLS. */
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** One event, whatever the subscription; null when the server does not have it. */
export async function eventOf(api: Api, cursor: Cursor): Promise<string | null> {
  const { events } = await api.page({ cursor: cursor - 1 }, {}, 1);
  return events[0]?.startsWith(`{"type":"event","cursor":${cursor},`) ? events[0] : null;
}

/** The newest event of the log. */
export async function headOf(api: Api): Promise<Cursor> {
  return Number(await api.text("/latest"));
}

/** The position before the first event at a time or later. */
export async function seekTime(api: Api, time: Date): Promise<Cursor> {
  const answer = await api.text(`/seek${queryOf({}, { time: time.toISOString() })}`);
  return (JSON.parse(answer) as { cursor: Cursor }).cursor;
}

/** All events of a subscription as NDJSON, as they are stored. */
export async function replay(api: Api, subscription: Subscription, signal: AbortSignal): Promise<Response> {
  const init = { method: "POST", headers: { accept: "application/x-ndjson" }, signal };
  const response = await api.request(`/replay${queryOf(subscription)}`, init);
  if (!response.headers.get("content-type")?.includes("ndjson")) {
    throw new ApiError(response.status, "unsupported_media_type", "this server exports no NDJSON");
  }
  return response;
}

type ServerFacet = Facets["kinds"];

interface ServerFacets {
  readonly kinds: ServerFacet;
  readonly agents: ServerFacet;
  readonly sessions: ServerFacet;
  readonly tasks: ServerFacet;
  readonly is_complete: boolean;
}

export async function facetsOfServer(api: Api, subscription: Subscription): Promise<Omit<Facets, "projects">> {
  const answer = JSON.parse(await api.text(`/facets${queryOf(subscription, { limit: FACET_VALUES })}`)) as ServerFacets;
  const { kinds, agents, sessions, tasks, is_complete } = answer;
  return { kinds, agents, sessions, tasks, scope: "log", isComplete: is_complete };
}

export async function histogramOfServer(
  api: Api,
  subscription: Subscription,
  from: number,
  to: number,
): Promise<WindowCounts> {
  const span = {
    from: new Date(from).toISOString(),
    to: new Date(Math.max(to, from + 1)).toISOString(),
    windows: WINDOWS,
  };
  return WindowCounts.ofServer(JSON.parse(await api.text(`/histogram${queryOf(subscription, span)}`)));
}
