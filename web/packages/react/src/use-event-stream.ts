/**
 * A stream of events for as long as a component is there.
 *
 * The hook owns when a client is opened, told of changed options and closed. It keeps no event and has no state for one:
 * it renders again when the status changes, and for new rows only when `events` was read.
 */
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { ClientPool, identityOf } from "./client-pool.ts";
import type {
  Cursor,
  EventClient,
  EventClientOptions,
  ExportRequest,
  QueryProblem,
  Start,
  Status,
  StreamError,
  StreamEvent,
  Subscription,
  Target,
} from "./event-client.ts";
import { type WindowEvent, windowOf } from "./event-window.ts";
import { connectingClient, isIdle, stoppedClient } from "./idle-client.ts";
import { useTodokiSettings } from "./settings.ts";
import { type Cell, cell } from "./slice.ts";
import { useSlice } from "./use-slice.ts";

/** What to stream. Absent members restrict nothing; `url` and `token` come from the provider when absent. */
export interface EventStreamOptions {
  /** Kinds and patterns such as `task.*`. A change is a command on the same connection, as for the ids. */
  readonly kinds?: readonly string[] | undefined;
  readonly agentId?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly taskId?: string | undefined;
  readonly projectId?: string | undefined;
  /** Begin after this cursor; 0 is all history. The same as `from` with a number. */
  readonly cursor?: Cursor | undefined;
  /** Where to begin. Default `{ last: 500 }`. */
  readonly from?: Start | undefined;
  /** Origin and path prefix of the server. A change opens another connection. */
  readonly url?: string | undefined;
  /** A change of a string is told to the server in place; a function is called whenever a token is needed. */
  readonly token?: EventClientOptions["token"] | undefined;
  /** False closes the connection. Default true. */
  readonly enabled?: boolean | undefined;
  readonly autoReconnect?: boolean | undefined;
  readonly maxReconnectAttempts?: number | undefined;
  /** Events kept in memory. Default 131,072. */
  readonly retain?: number | undefined;
  readonly transport?: "worker" | "main" | undefined;
}

/** What a stream tells, and what can be done with it. The functions stay the same for the life of the component. */
export interface EventStream {
  /**
   * The rows at hand, oldest first: a window of bounded length (what a list shows and a little around it, else the newest
   * 200), in the order of the log. To see every event use `on`.
   */
  readonly events: readonly WindowEvent[];
  readonly isConnected: boolean;
  readonly isReplaying: boolean;
  readonly error: StreamError | null;
  readonly status: Status;
  /** What is under it all, for `EventTimeline` and for what has no short cut here. Does nothing until it is open. */
  readonly client: EventClient;
  /** Tries now, also after giving up. */
  reconnect(): void;
  /** Empties the list. */
  clearEvents(): void;
  /** Stops following what is new; events go on coming in. */
  pause(): void;
  resume(): void;
  /** Filters or marks what is in memory; the grammar is that of `EventClient.setQuery`. Default mode `"filter"`. */
  setFilter(query: string, mode?: "filter" | "mark"): QueryProblem | null;
  seek(target: Target): Promise<void>;
  loadOlder(): Promise<void>;
  export(request: ExportRequest): Promise<Blob>;
  /** Calls back with every event, in order, each once, until the returned function is called. */
  on(type: "event", listener: (event: StreamEvent) => void): () => void;
}

/** Rows at hand when no list asks for others. */
const WINDOW_EVENTS = 200;

const pool = new ClientPool();

/** Streams events for as long as the component is mounted. */
export function useEventStream(options: EventStreamOptions = {}): EventStream {
  const plan = usePlan(options);
  const [desk] = useState(() => new Desk());
  const client = useDesk(desk, plan);
  const status = useSlice(client.status);
  const [interest] = useState(() => ({ inEvents: false }));
  const subscribeRows = useCallback(
    (listener: () => void) => client.rows.subscribe(() => interest.inEvents && listener()),
    [client, interest],
  );
  const getRows = useCallback(() => (interest.inEvents ? client.rows.get() : null), [client, interest]);
  const rows = useSyncExternalStore(subscribeRows, getRows, getRows);
  return useMemo(
    () => ({
      ...desk.commands,
      client,
      status,
      get events() {
        interest.inEvents = true;
        return windowOf(rows ?? client.rows.get());
      },
      isConnected: status.phase === "live" || status.phase === "lagging" || status.phase === "replaying",
      isReplaying: status.phase === "replaying",
      error: status.error,
    }),
    [desk, client, status, rows, interest],
  );
}

/** The options with what the provider says, and with keys that are equal when they mean the same. */
interface Plan {
  readonly isEnabled: boolean;
  readonly open: (options: EventClientOptions) => EventClient;
  readonly opening: Omit<EventClientOptions, "token" | "subscription" | "from">;
  readonly token: EventClientOptions["token"];
  readonly subscription: Subscription;
  readonly from: Start | undefined;
  /** What cannot change without another client. */
  readonly openingKey: string;
  readonly subscriptionKey: string;
  readonly fromKey: string;
  readonly tokenKey: string;
}

function usePlan(options: EventStreamOptions): Plan {
  const settings = useTodokiSettings();
  const token = options.token ?? settings.token;
  const opening = present({
    url: options.url ?? settings.url,
    retain: options.retain,
    autoReconnect: options.autoReconnect,
    maxReconnectAttempts: options.maxReconnectAttempts,
    transport: options.transport,
  });
  const subscription = present({
    kinds: options.kinds,
    agentId: options.agentId,
    sessionId: options.sessionId,
    taskId: options.taskId,
    projectId: options.projectId,
  });
  const from = options.from ?? options.cursor;
  return {
    isEnabled: options.enabled ?? true,
    open: settings.open,
    opening,
    token,
    subscription,
    from,
    openingKey: JSON.stringify([identityOf(settings.open), opening]),
    subscriptionKey: JSON.stringify(subscription),
    fromKey: JSON.stringify(from) ?? "",
    tokenKey: typeof token === "function" ? "function" : `text ${token ?? ""}`,
  };
}

/** The object without its undefined members. */
function present<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function useDesk(desk: Desk, plan: Plan): EventClient {
  const latest = useRef(plan);
  const { isEnabled, openingKey } = plan;
  useEffect(() => {
    latest.current = plan;
    desk.follow(plan);
  });
  useEffect(() => {
    if (!isEnabled) return;
    desk.open(openingKey, latest.current);
    return () => desk.leave();
  }, [desk, isEnabled, openingKey]);
  const client = useSlice(desk.client);
  return isEnabled ? client : stoppedClient;
}

/** What one hook does with one client after the other. */
class Desk {
  readonly client: Cell<EventClient> = cell(connectingClient);
  #plan: Plan | null = null;
  /** The latest token, read by the function that the client has. */
  #token: EventClientOptions["token"];
  #query: readonly [string, "filter" | "mark"] | null = null;

  /** Opens a client for this plan, or takes the one that was just left. `openingKey` is the plan's own. */
  open(openingKey: string, plan: Plan): void {
    this.#token = plan.token;
    this.#plan = plan;
    const client = pool.take(this.#key(openingKey, plan), () => this.#make(plan));
    if (this.#query !== null) client.setQuery(...this.#query);
    this.client.set(client);
  }

  /** Gives the client back. */
  leave(): void {
    const client = this.client.get();
    if (this.#plan !== null && !isIdle(client)) pool.give(this.#key(this.#plan.openingKey, this.#plan), client);
    this.#plan = null;
    this.client.set(connectingClient);
  }

  /** Tells an open client what is different in this plan. */
  follow(plan: Plan): void {
    const before = this.#plan;
    if (before === null || before.openingKey !== plan.openingKey) return;
    const client = this.client.get();
    this.#token = plan.token;
    if (before.tokenKey !== plan.tokenKey) client.setToken(this.#tokenOf(plan));
    if (before.fromKey !== plan.fromKey && plan.from !== undefined) {
      client.setSubscription(plan.subscription, plan.from);
    } else if (before.subscriptionKey !== plan.subscriptionKey) {
      client.setSubscription(plan.subscription);
    }
    this.#plan = plan;
  }

  #make(plan: Plan): EventClient {
    const token = this.#tokenOf(plan);
    const client = plan.open({
      ...plan.opening,
      subscription: plan.subscription,
      ...(token === undefined ? {} : { token }),
      ...(plan.from === undefined ? {} : { from: plan.from }),
    });
    client.setView({ first: 0, count: WINDOW_EVENTS });
    return client;
  }

  /** A function made while rendering is another one each time; the client gets one that stays and asks the latest. */
  #tokenOf(plan: Plan): EventClientOptions["token"] {
    if (typeof plan.token !== "function") return plan.token;
    return (reason) => (typeof this.#token === "function" ? this.#token(reason) : (this.#token ?? ""));
  }

  #key(openingKey: string, plan: Plan): string {
    const auth = typeof plan.token === "function" ? identityOf(plan.token) : plan.tokenKey;
    return JSON.stringify([openingKey, auth, plan.subscriptionKey, plan.fromKey, this.#query]);
  }

  /** What a component may call at any time, before the client is open too. */
  readonly commands = {
    reconnect: () => this.client.get().reconnect(),
    clearEvents: () => this.client.get().clear(),
    pause: () => this.client.get().pause(),
    resume: () => this.client.get().resume(),
    setFilter: (query: string, mode: "filter" | "mark" = "filter"): QueryProblem | null => {
      const problem = this.client.get().setQuery(query, mode);
      if (problem === null) this.#query = query === "" ? null : [query, mode];
      return problem;
    },
    seek: (target: Target) => this.client.get().seek(target),
    loadOlder: () => this.client.get().loadOlder(),
    export: (request: ExportRequest) => this.client.get().export(request),
    on: (type: "event", listener: (event: StreamEvent) => void) => {
      let stop = this.client.get().on(type, listener);
      const unsubscribe = this.client.subscribe(() => {
        stop();
        stop = this.client.get().on(type, listener);
      });
      return () => {
        unsubscribe();
        stop();
      };
    },
  };
}
