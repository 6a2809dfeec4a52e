/**
 * A client for tests of what is drawn: the same cells as a real one, filled by hand, and a list of what it was asked.
 *
 * It keeps its rows in an array and obeys `setView`, `pause`, `resume`, `find` and `placeOf` as the real one does, at once.
 * It has no connection, so a test says itself what the connection does.
 */
import type {
  Counts,
  EventClient,
  EventRow,
  Facets,
  Histogram,
  Lanes,
  Marker,
  MarkerRow,
  Row,
  Rows,
  Status,
  StreamEvent,
  View,
} from "../src/event-client.ts";
import { NO_COUNTS, NO_FACETS, NO_ROWS } from "../src/nothing.ts";
import { type Cell, cell } from "../src/slice.ts";

/** What was asked: the name of the method and what it was given. */
type Call = readonly [name: string, ...args: readonly unknown[]];

export interface FakeClient extends EventClient {
  readonly status: Cell<Status>;
  readonly rows: Cell<Rows>;
  readonly counts: Cell<Counts>;
  readonly facets: Cell<Facets>;
  readonly histogram: Cell<Histogram>;
  readonly lanes: Cell<Lanes>;
  /** What it was asked so far, in order. */
  readonly calls: Call[];
  /** The calls of one method. */
  called(name: string): Call[];
  isClosed: boolean;
  /** Adds rows at the end: that many events, or these rows. */
  append(rows: number | readonly Partial<EventRow>[]): void;
  /** Adds that many events before the first. */
  prepend(events: number): void;
  /** Drops that many rows before the first that stays. */
  evict(rows: number): void;
  /** Adds a marker at the end. */
  mark(marker: Marker): void;
  /** Begins anew with that many events, in a new generation. */
  restart(events: number, target?: number): void;
  /** Calls back those who listen for events. */
  emitEvent(cursor: number): void;
  /** Changes the status. */
  is(status: Partial<Status>): void;
  /** Changes what is said of the rows, or of the counts. */
  say(change: { readonly rows?: Partial<Rows>; readonly counts?: Partial<Counts> }): void;
}

const KINDS = ["task.created", "agent.output_batch", "task.status_changed", "artifact.created", "task.failed"];
const START = Date.UTC(2026, 1, 27, 10, 0, 0);
const DEFAULT_COUNT = 200;
/** Rows that are at hand beside those of the view, as the real one has it. */
const SCREENS_AROUND = 3;

/** The row of an event, believable and the same for the same place. */
export function fakeRow(place: number, change: Partial<EventRow> = {}): EventRow {
  const kind = change.kind ?? KINDS[((place % KINDS.length) + KINDS.length) % KINDS.length]!;
  return {
    type: "event",
    place,
    cursor: place + 1_000_000,
    time: START + place * 250,
    kind,
    agentId: uuid(1 + (Math.abs(place) % 3)),
    sessionId: uuid(100 + (Math.abs(place) % 5)),
    taskId: uuid(1000 + (Math.abs(place) % 7)),
    projectId: null,
    data: `{"title":"Fix login ${place}","priority":2}`,
    isWhole: true,
    summary: `title=Fix login ${place} priority=2`,
    isFailure: /(?:failed|error|denied|expired)$/.test(kind),
    isHit: true,
    isNewDay: false,
    ...change,
  };
}

function uuid(n: number): string {
  return `0197f1c2-0000-7000-8000-${(n * 7919).toString(16).padStart(12, "0")}`;
}

const LIVE: Status = {
  phase: "live",
  attempt: 0,
  retryAt: null,
  progress: null,
  rttMs: 8,
  lag: null,
  error: null,
  epoch: "01",
  earliest: 1,
  head: 1_000_000,
  clockOffsetMs: 0,
  tokenExpiresAt: null,
};
/** A client that is live and has that many events. */
export function fakeClient(events = 0): FakeClient {
  let kept: Row[] = Array.from({ length: events }, (_, place) => fakeRow(place));
  let first = 0;
  let view: View = { first: 0, count: DEFAULT_COUNT };
  const status = cell<Status>(LIVE);
  const counts = cell<Counts>({ ...NO_COUNTS, received: events, loaded: events, shown: events, hits: events });
  const rows = cell<Rows>({ ...NO_ROWS, generation: 1, next: events });
  const calls: Call[] = [];
  const listeners = new Set<(event: StreamEvent) => void>();

  function publish(change: Partial<Rows> = {}): void {
    const next = first + kept.length;
    const isFollowing = change.isFollowing ?? rows.get().isFollowing;
    const around = isFollowing ? 0 : SCREENS_AROUND * view.count;
    const from = Math.max(first, isFollowing ? next - view.count : Math.min(view.first - around, next));
    const slice = kept.slice(from - first, isFollowing ? undefined : view.first + view.count + around - first);
    rows.set({ ...rows.get(), ...change, first, next, from, rows: slice });
  }
  function count(added: number, failures: number): void {
    const now = counts.get();
    const isPaused = !rows.get().isFollowing;
    counts.set({
      ...now,
      received: now.received + Math.max(0, added),
      loaded: kept.length,
      shown: kept.length,
      hits: kept.length,
      fresh: isPaused ? now.fresh + added : 0,
      freshFailures: isPaused ? now.freshFailures + failures : 0,
    });
  }
  function call(...made: Call): void {
    calls.push(made);
  }
  publish();

  const client: FakeClient = {
    status,
    rows,
    counts,
    facets: cell<Facets>({ ...NO_FACETS, isComplete: true }),
    histogram: cell<Histogram>({ from: 0, windowMs: 1000, families: [], counts: [], failures: [], isComplete: true }),
    lanes: cell<Lanes>({ by: "agent", lanes: [], others: 0 }),
    calls,
    called: (name) => calls.filter(([called]) => called === name),
    isClosed: false,
    append(added) {
      const start = first + kept.length;
      const fresh =
        typeof added === "number"
          ? Array.from({ length: added }, (_, i) => fakeRow(start + i))
          : added.map((row, i) => fakeRow(start + i, row));
      kept = kept.concat(fresh);
      count(fresh.length, fresh.filter((row) => row.isFailure).length);
      publish();
    },
    prepend(events) {
      first -= events;
      kept = Array.from({ length: events }, (_, i): Row => fakeRow(first + i)).concat(kept);
      publish();
    },
    evict(events) {
      first += events;
      kept = kept.slice(events);
      publish();
    },
    mark(marker) {
      const row: MarkerRow = { type: "marker", place: first + kept.length, time: START, marker };
      kept = [...kept, row];
      publish();
    },
    restart(events, target) {
      first = 0;
      kept = Array.from({ length: events }, (_, place) => fakeRow(place));
      view = target === undefined ? view : { ...view, first: Math.max(0, target - view.count / 2) };
      publish({ generation: rows.get().generation + 1, target: target ?? null });
    },
    emitEvent(cursor) {
      const event = JSON.parse(eventText(fakeRow(0, { cursor }))) as StreamEvent;
      for (const listener of [...listeners]) listener(event);
    },
    is: (change) => status.set({ ...status.get(), ...change }),
    say(change) {
      if (change.counts !== undefined) counts.set({ ...counts.get(), ...change.counts });
      if (change.rows !== undefined) publish(change.rows);
    },
    setView(next) {
      call("setView", next);
      view = next;
      publish();
    },
    pause() {
      call("pause");
      publish({ isFollowing: false });
    },
    resume() {
      call("resume");
      publish({ isFollowing: true, hasNewer: false });
      count(0, 0);
    },
    setSubscription: (...args) => call("setSubscription", ...args),
    setQuery(...args) {
      call("setQuery", ...args);
      return null;
    },
    seek: async (target) => call("seek", target),
    loadOlder: async () => call("loadOlder"),
    loadNewer: async () => call("loadNewer"),
    fill: async (place) => call("fill", place),
    async searchOlder() {
      call("searchOlder");
      return false;
    },
    clear: () => call("clear"),
    reconnect: () => call("reconnect"),
    setToken: (token) => call("setToken", token),
    setSpan: (span) => call("setSpan", span),
    setLaneKey: (key) => call("setLaneKey", key),
    async event(cursor) {
      const row = kept.find((each) => each.type === "event" && each.cursor === cursor);
      return row?.type === "event" ? eventText(row) : null;
    },
    async find(what, from, direction) {
      call("find", what, from, direction);
      for (let place = from + direction; place >= first && place < first + kept.length; place += direction) {
        const row = kept[place - first]!;
        if (row.type === "event" && (what === "failure" ? row.isFailure : row.isHit)) return place;
      }
      return null;
    },
    async placeOf(cursor) {
      return kept.find((row) => row.type === "event" && row.cursor === cursor)?.place ?? null;
    },
    export: async () => new Blob(),
    async emit(draft) {
      call("emit", draft);
      return 1;
    },
    on(_type, listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      call("close");
      client.isClosed = true;
    },
  };
  return client;
}

function eventText(row: EventRow): string {
  const { cursor, kind, agentId, sessionId, taskId, data } = row;
  const head = { type: "event", cursor, kind, time: new Date(row.time).toISOString() };
  const ids = { agent_id: agentId, session_id: sessionId, task_id: taskId };
  return `${JSON.stringify({ ...head, ...ids }).slice(0, -1)},"data":${data}}`;
}
