/**
 * What one stream of events can be asked and told, free of React and of where it runs.
 *
 * The socket, the events and the searching live in a worker (or, where there is none, on the main thread behind the same
 * interface); what is here is what comes out of it: small snapshots, at most one of each a frame, and the rows around
 * the view alone. So the main thread does the same work for ten events a second as for twenty thousand.
 */
import type { Slice } from "./slice.ts";

/** Place of an event in the log's one order, from 1 to 2^53 - 1; 0 is before the first. */
export type Cursor = number;

/** Which events the server sends. Absent members restrict nothing. */
export interface Subscription {
  /** Kinds and patterns such as `task.*`; none means all. At most 64. */
  readonly kinds?: readonly string[];
  readonly agentId?: string;
  readonly sessionId?: string;
  readonly taskId?: string;
  readonly projectId?: string;
}

/**
 * Where to begin: `"now"` is live only; `{ last: n }` the newest `n` events and then live; a cursor is after that event (0
 * is all history); a date is the first event at that time or later.
 */
export type Start = "now" | { readonly last: number } | Cursor | Date;

/** Where a view goes: around an event, or back to what happens now. */
export type Target = "now" | Cursor | Date;

/**
 * Why a token is asked for: a connection is to be made; the one in use is about to expire, and another is shown to the
 * server on the connection that stands; or the server has turned it away, and this is asked once before giving up.
 */
export type TokenReason = "connect" | "expiring" | "refused";

export interface EventClientOptions {
  /** Origin and path prefix of the server, such as `https://events.example.org`; the page's own when absent. */
  readonly url?: string;
  /**
   * The token, or a function that fetches a fresh one when there is a reason to. It is called at most once in three
   * seconds and has ten to answer; when it fails, `Status.error` has the code `token` and it is tried again. A token is
   * sent as a header, as a WebSocket subprotocol and in a message, never in a URL, and never logged.
   */
  readonly token?: string | ((reason: TokenReason) => string | Promise<string>);
  readonly subscription?: Subscription;
  /** Default `{ last: 500 }`. */
  readonly from?: Start;
  /** Events kept in memory, rounded up to a power of two; the oldest go first. Default and most: 131,072 and 524,288. */
  readonly retain?: number;
  /** Come back after a lost connection. Default true. */
  readonly autoReconnect?: boolean;
  /** Attempts in a row before giving up. Default: no end. */
  readonly maxReconnectAttempts?: number;
  /** Where the work is done. Default `"worker"`, which becomes `"main"` by itself where no worker can be made. */
  readonly transport?: "worker" | "main";
}

/** What the connection is doing. */
export type Phase =
  | "connecting"
  /** History is coming; see `progress`. */
  | "replaying"
  | "live"
  /** The server reads the log to us at our own pace, since we could not keep up; nothing is lost. See `lag`. */
  | "lagging"
  /** Lost; it comes back at `retryAt`. */
  | "disconnected"
  /** As `disconnected`, and the browser says that there is no network. */
  | "offline"
  /** The server said that it restarts (1012). */
  | "restarting"
  /** The server asks for less: too many connections or requests. It comes back at `retryAt`. */
  | "limited"
  /** No token, or one that is wrong or was revoked. Nothing is retried until another comes. */
  | "unauthorized"
  /** The token was good until its time was over. Nothing is retried until another comes; then the stream goes on. */
  | "expired"
  /** The grants of the token allow none of what was asked. Nothing is retried until something else is asked. */
  | "forbidden"
  /** Closed for good: by us, after the last attempt, or for a mistake that repeating does not mend; see `error`. */
  | "stopped";

export interface StreamError {
  /** The server's stable code, a close code as text, `network`, or `token`: the token could not be fetched. */
  readonly code: string;
  readonly message: string;
}

export interface Status {
  readonly phase: Phase;
  /** Attempts since the connection was lost; 0 while it stands. */
  readonly attempt: number;
  /** When the next attempt is made, in milliseconds since 1970; null when none is planned. */
  readonly retryAt: number | null;
  readonly progress: Progress | null;
  /** Median of the last round trips, in milliseconds. */
  readonly rttMs: number | null;
  /** How far behind we are. `events` is null where the server does not say it, since not all of them are ours to see. */
  readonly lag: { readonly events: number | null; readonly ms: number } | null;
  readonly error: StreamError | null;
  /** Identity of the log's history. */
  readonly epoch: string | null;
  /** The oldest event that the server still has, and the newest that we know of. */
  readonly earliest: Cursor | null;
  readonly head: Cursor | null;
  /** The server's clock minus ours, in milliseconds, by the best round trip so far. */
  readonly clockOffsetMs: number | null;
  /**
   * When the token's time is over, in milliseconds since 1970, once that is near and asking for another one has brought none
   * that the server takes; null otherwise. With another one by then nothing stops.
   */
  readonly tokenExpiresAt: number | null;
}

export interface Progress {
  /** Share of the way that is done, 0 to 1, by cursors. */
  readonly done: number;
  readonly eventsPerSecond: number;
  /** Null until it can be told. */
  readonly secondsLeft: number | null;
}

/** One line of the list. `place` counts lines in the present order; it stays when older ones are added or dropped. */
export type Row = EventRow | MarkerRow;

export interface EventRow {
  readonly type: "event";
  readonly place: number;
  readonly cursor: Cursor;
  /** Milliseconds since 1970, of the server's clock. */
  readonly time: number;
  readonly kind: string;
  readonly agentId: string | null;
  readonly sessionId: string | null;
  readonly taskId: string | null;
  readonly projectId: string | null;
  /** JSON text of `data` as it was sent; cut at 4 KiB, and then `isWhole` is false and `event()` has all of it. */
  readonly data: string;
  readonly isWhole: boolean;
  /** `key=value` of the first plain members of `data`, at most 160 characters. */
  readonly summary: string;
  /** Whether it tells of a failure: its kind ends in `failed`, `error`, `denied` or `expired`. */
  readonly isFailure: boolean;
  /** Whether the query matches it; in filter mode always true. */
  readonly isHit: boolean;
  /** Whether the line before it is of another local day. */
  readonly isNewDay: boolean;
}

/** What happened to the stream at this place, said in the list itself. */
export interface MarkerRow {
  readonly type: "marker";
  readonly place: number;
  readonly time: number;
  readonly marker: Marker;
}

export type Marker =
  /** We could not keep up and were read the log; nothing is missing. */
  | { readonly type: "lag"; readonly events: number | null; readonly ms: number }
  /** Events after `after` up to `through` are not in the list. `count` is exact where it is known: all events, whatever their kind. */
  | {
      readonly type: "gap";
      /**
       * `retention`: the server has them no more. `ahead`: the log has another history. `forbidden`: the token may read
       * what happens, not what has happened. `slow`, `skipped`: they can be loaded.
       */
      readonly reason: "retention" | "ahead" | "forbidden" | "slow" | "skipped";
      readonly after: Cursor;
      readonly through: Cursor;
      readonly count: number | null;
      readonly isLoadable: boolean;
      readonly isLoading: boolean;
    }
  /** The connection was lost for so long; everything since has come, in order. `missed` events came late. */
  | { readonly type: "reconnect"; readonly downMs: number; readonly missed: number }
  /** The server's history is another one than before: an import, or a restored backup. */
  | { readonly type: "epoch" };

/** The rows around the view, and where they are among all. */
export interface Rows {
  /** Changes when places lose their meaning: a new query, subscription or target. */
  readonly generation: number;
  /** Places of all lines: from `first` up to, not including, `next`. `first` may be negative. */
  readonly first: number;
  readonly next: number;
  /** The lines at hand, the first of them at place `from`. */
  readonly from: number;
  readonly rows: readonly Row[];
  /** Whether the view follows what is new. */
  readonly isFollowing: boolean;
  /** Whether the server has older or newer events than `first` and `next` show. `hasNewer` is false while live is attached. */
  readonly hasOlder: boolean;
  readonly hasNewer: boolean;
  readonly isLoadingOlder: boolean;
  readonly isLoadingNewer: boolean;
  /** Where the view should stand after the generation has changed: this place in its middle. */
  readonly target: number | null;
}

/** What the list needs next. */
export interface View {
  /** The first place that should be at hand, and how many. */
  readonly first: number;
  readonly count: number;
}

export interface Counts {
  /** Events received since the client was opened, each once. */
  readonly received: number;
  readonly eventsPerSecond: number;
  /** Events in memory, and those of them that the query lets through. */
  readonly loaded: number;
  readonly shown: number;
  /** Events that the query matches: `shown` in filter mode. */
  readonly hits: number;
  /** Since the view was paused: shown events, and failures among them. */
  readonly fresh: number;
  readonly freshFailures: number;
}

export interface FacetValue {
  readonly value: string;
  readonly count: number;
}

/** The most frequent values, most frequent first, at most 50 of each. */
export interface Facets {
  readonly kinds: readonly FacetValue[];
  readonly agents: readonly FacetValue[];
  readonly sessions: readonly FacetValue[];
  readonly tasks: readonly FacetValue[];
  /** Of the events in memory, whatever the scope of the others: the server does not count them. */
  readonly projects: readonly FacetValue[];
  /** `loaded`: of the events in memory. `log`: of all that the server has. */
  readonly scope: "loaded" | "log";
  /** Whether all events of the scope were counted. */
  readonly isComplete: boolean;
}

/** A span of time in milliseconds since 1970; `to` null follows the present. */
export interface Span {
  readonly from: number;
  readonly to: number | null;
}

/** Events per window of time, stacked by family: the part of a kind before its first dot. */
export interface Histogram {
  readonly from: number;
  readonly windowMs: number;
  readonly families: readonly string[];
  /** For each family, the events in each window. */
  readonly counts: readonly (readonly number[])[];
  /** In each window, those that tell of a failure. */
  readonly failures: readonly number[];
  readonly isComplete: boolean;
}

/** Events in lanes, for the lanes view: one per value of an id, the most active first. */
export interface Lanes {
  readonly by: LaneKey;
  readonly lanes: readonly Lane[];
  /** Events that are in none of the lanes. */
  readonly others: number;
}

export type LaneKey = "agent" | "task" | "session";

export interface Lane {
  readonly id: string;
  readonly events: number;
  /** One per event in the span, at most 2,000 per lane, evenly thinned beyond. */
  readonly ticks: readonly {
    readonly cursor: Cursor;
    readonly time: number;
    readonly kind: string;
    readonly isFailure: boolean;
  }[];
  /** From a kind that ends in `started` or `created` to one that ends it; `to` null while it lasts. */
  readonly spans: readonly {
    readonly kind: string;
    readonly from: number;
    readonly to: number | null;
    readonly isFailure: boolean;
  }[];
}

/** An event as the wire has it, parsed. `EventClient.event` has the text, for numbers that a parser would round. */
export interface StreamEvent {
  readonly type: "event";
  readonly cursor: Cursor;
  readonly kind: string;
  readonly time: string;
  readonly agent_id: string;
  readonly session_id: string | null;
  readonly task_id: string | null;
  readonly project_id?: string;
  readonly data: Record<string, unknown>;
}

export interface Draft {
  readonly kind: string;
  readonly data: Record<string, unknown>;
  readonly agent_id?: string;
  readonly session_id?: string;
  readonly task_id?: string;
  readonly project_id?: string;
  /** Makes a repetition harmless. */
  readonly id?: string;
}

/** What to go to next from a row. */
export type Find = "hit" | "failure" | "same-task" | "same-session" | "same-agent";

export interface QueryProblem {
  readonly message: string;
  /** Where in the text, in characters. */
  readonly at: number;
}

export interface ExportRequest {
  readonly format: "ndjson" | "csv";
  /** `loaded`: the rows in memory that the query shows. `log`: everything of the subscription that the server has. */
  readonly scope: "loaded" | "log";
  readonly onProgress?: (events: number) => void;
  readonly signal?: AbortSignal;
}

export interface EventClient {
  readonly status: Slice<Status>;
  readonly rows: Slice<Rows>;
  readonly counts: Slice<Counts>;
  /** Made only while somebody is subscribed. */
  readonly facets: Slice<Facets>;
  readonly histogram: Slice<Histogram>;
  readonly lanes: Slice<Lanes>;

  /** Tells what the list needs. Answered at once when the rows are in memory, whatever the commit cadence. */
  setView(view: View): void;
  /** Stops following; events go on coming in, and are counted as fresh. Remembered by cursor, so it survives eviction. */
  pause(): void;
  /** Follows again, from what is newest. */
  resume(): void;
  /** Asks the server for others, on the same connection. The list begins anew from where the view stands, or from `from`. */
  setSubscription(subscription: Subscription, from?: Start): void;
  /**
   * Filters or marks what is in memory. Terms: `text`, `"a phrase"`, `/regex/`, `kind:task.*`, `agent:`, `task:`, `session:`,
   * `project:` (an id or its end), `data.path:value`, each negated by `-`; all must hold. Returns what is wrong with it, and then changes nothing.
   */
  setQuery(query: string, mode: "filter" | "mark"): QueryProblem | null;
  /** Shows what was around an event or a time, paused; `"now"` returns to the present. Rejects when the server cannot tell. */
  seek(target: Target): Promise<void>;
  loadOlder(): Promise<void>;
  loadNewer(): Promise<void>;
  /** Loads what a gap at this place left out. */
  fill(place: number): Promise<void>;
  /** Goes on to older events of the log until one matches the query; resolves to whether one did. */
  searchOlder(onProgress?: (scanned: number, reached: Cursor) => void, signal?: AbortSignal): Promise<boolean>;
  /** Empties the list. Events after it are shown as they come. */
  clear(): void;
  /** Tries now, also after giving up. */
  reconnect(): void;
  /** Another token: shown to the server on a connection that stands; whoever was turned away comes back with it. */
  setToken(token: EventClientOptions["token"]): void;
  /** What the histogram and the lanes show. */
  setSpan(span: Span): void;
  setLaneKey(by: LaneKey): void;

  /** The event's JSON, whole, from memory or from the server; null when neither has it. */
  event(cursor: Cursor): Promise<string | null>;
  /** The place of the next such row in a direction, null when there is none in memory. `-1` is towards older. */
  find(what: Find, from: number, direction: 1 | -1): Promise<number | null>;
  /** The place of an event, null when the list does not have it. */
  placeOf(cursor: Cursor): Promise<number | null>;
  export(request: ExportRequest): Promise<Blob>;
  /** Publishes an event; resolves to its cursor once it is durable. */
  emit(draft: Draft): Promise<Cursor>;

  /** Calls back with every event, in order, each once, until the returned function is called. */
  on(type: "event", listener: (event: StreamEvent) => void): () => void;

  /** Ends the connection and frees everything. */
  close(): void;
}
