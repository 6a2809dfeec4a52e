/**
 * The page's half of a client: shows what the core sends, once a frame, and passes on what it is asked.
 *
 * The core runs in a worker, or here where none can be made. This half keeps the rows around the view and nothing else,
 * and holds the token, which goes to the core when a request needs it and nowhere else.
 */
import { commitClock, pageFrames } from "./commit-clock.ts";
import type { CoreOptions, Slices, ToCore, ToPage, Watched } from "./core/port.ts";
import { rowsAfter } from "./core/port.ts";
import { parseQuery } from "./core/query.ts";
import type { Cursor, EventClient, EventClientOptions, StreamEvent, View } from "./event-client.ts";
import { NO_COUNTS, NO_FACETS, NO_HISTOGRAM, NO_LANES, NO_ROWS, NO_STATUS } from "./nothing.ts";
import { type Cell, cell, type Slice } from "./slice.ts";
import { TokenSource } from "./token-source.ts";

/** The core makes the next snapshots so long before they are shown, for then they are the newest. */
const AHEAD_MS = 10;
/** When every frame commits, this is what is left of one. */
const LEAST_CREDIT_MS = 7;

/** What waits for an answer of the core. */
interface Call {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onProgress: ((...args: [number, Cursor]) => void) | undefined;
}

/** Connects to a server and begins to follow its events. */
export function openEventClient(options: EventClientOptions): EventClient {
  const tokens = new TokenSource(options.token);
  let isClosed = false;
  let owesCredit = false;
  let view: View | null = null;
  let rows = NO_ROWS;
  let pending: Partial<{ -readonly [name in keyof Slices]: Slices[name] }> = {};
  let ids = 0;
  const calls = new Map<number, Call>();
  const listeners = new Set<(event: StreamEvent) => void>();

  const cells = {
    status: cell(NO_STATUS),
    rows: cell(NO_ROWS),
    counts: cell(NO_COUNTS),
    facets: cell(NO_FACETS),
    histogram: cell(NO_HISTOGRAM),
    lanes: cell(NO_LANES),
  };

  const clock = commitClock(pageFrames(), () => {
    const { rows: _, ...slices } = pending;
    pending = {};
    cells.rows.set(rows);
    for (const [name, value] of Object.entries(slices)) (cells[name as keyof typeof cells] as Cell<unknown>).set(value);
    if (!owesCredit) return;
    owesCredit = false;
    send({ type: "credit", inMs: Math.max(LEAST_CREDIT_MS, clock.cadenceMs() - AHEAD_MS) });
  });

  const receive = (message: ToPage) => {
    if (isClosed) return;
    switch (message.type) {
      case "slices": {
        const { type: _, ...slices } = message;
        if (slices.rows !== undefined) rows = rowsAfter(rows, slices.rows);
        pending = { ...pending, ...slices };
        owesCredit = true;
        return clock.request(false);
      }
      case "rows":
        rows = rowsAfter(rows, message.rows);
        return clock.request(true);
      case "events":
        return tell(message.events);
      case "token":
        return answerToken(message);
      case "progress":
        return calls.get(message.id)?.onProgress?.(message.args[0], message.args[1] ?? 0);
      case "result": {
        const call = calls.get(message.id);
        calls.delete(message.id);
        if (message.error === undefined) call?.resolve(message.value);
        // Errors lose their members on the way from a worker; the server's stable code is what a caller goes by.
        else call?.reject(Object.assign(new Error(message.error), message.code && { code: message.code }));
      }
    }
  };

  const answerToken = ({ id, reason }: Extract<ToPage, { type: "token" }>) => {
    tokens.get(reason).then(
      (token) => send({ type: "token", id, token }),
      (error: unknown) => {
        send({ type: "token", id, token: undefined, error: error instanceof Error ? error.message : String(error) });
      },
    );
  };

  const tell = (events: readonly string[]) => {
    for (const text of events) {
      const event = JSON.parse(text) as StreamEvent;
      for (const listener of [...listeners]) {
        try {
          listener(event);
        } catch (error) {
          // One listener's mistake is not to cost the others an event; it is reported as any uncaught error.
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    }
  };

  const core = openCore(options.transport ?? "worker", receive);
  const send = core.send;
  send({ type: "open", options: coreOptions(options) });
  const unlisten = listenToPage((what) => send({ type: "page", what }));

  const call = <T>(
    method: string,
    args: readonly unknown[],
    onProgress?: (...args: [number, Cursor]) => void,
    signal?: AbortSignal,
  ): Promise<T> => {
    if (isClosed) return Promise.reject(new Error("the client is closed"));
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = ++ids;
    return new Promise<T>((resolve, reject) => {
      const abort = () => {
        send({ type: "abort", id });
        calls.delete(id);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", abort, { once: true });
      const over = () => signal?.removeEventListener("abort", abort);
      calls.set(id, {
        resolve: (value) => {
          over();
          resolve(value as T);
        },
        reject: (error) => {
          over();
          reject(error);
        },
        onProgress,
      });
      send({ type: "call", id, method, args });
    });
  };
  /** For what has no answer: it cannot fail but by the client's end. */
  const tellCore = (method: string, ...args: readonly unknown[]) => void call(method, args).catch(() => {});

  const watch = (what: Watched, isWatched: boolean) => {
    if (!isClosed) send({ type: "watch", what, isWatched });
  };

  return {
    status: cells.status,
    rows: cells.rows,
    counts: cells.counts,
    facets: watched(cells.facets, (is) => watch("facets", is)),
    histogram: watched(cells.histogram, (is) => watch("histogram", is)),
    lanes: watched(cells.lanes, (is) => watch("lanes", is)),
    setView(wanted) {
      if (isClosed || (view?.first === wanted.first && view.count === wanted.count)) return;
      view = { first: wanted.first, count: wanted.count };
      send({ type: "view", view });
    },
    pause: () => tellCore("pause"),
    resume: () => tellCore("resume"),
    setSubscription: (subscription, from) => tellCore("setSubscription", subscription, from),
    setQuery(query, mode) {
      const { problem } = parseQuery(query);
      if (problem === null) tellCore("setQuery", query, mode);
      return problem;
    },
    seek: (target) => call("seek", [target]),
    loadOlder: () => call("loadOlder", []),
    loadNewer: () => call("loadNewer", []),
    fill: (place) => call("fill", [place]),
    searchOlder: (onProgress, signal) => call("searchOlder", [], onProgress, signal),
    clear: () => tellCore("clear"),
    reconnect: () => tellCore("reconnect"),
    setToken(next) {
      tokens.set(next);
      if (!isClosed) send({ type: "page", what: "token" });
    },
    setSpan: (span) => tellCore("setSpan", span),
    setLaneKey: (by) => tellCore("setLaneKey", by),
    event: (cursor) => call("event", [cursor]),
    find: (what, from, direction) => call("find", [what, from, direction]),
    placeOf: (cursor) => call("placeOf", [cursor]),
    export: ({ format, scope, onProgress, signal }) => call("export", [{ format, scope }], onProgress, signal),
    emit: (draft) => call("emit", [draft]),
    on(_type, listener) {
      // Each call is a listener of its own, also when the function is the same.
      const own = (event: StreamEvent) => listener(event);
      listeners.add(own);
      if (listeners.size === 1) watch("event", true);
      return () => {
        if (listeners.delete(own) && listeners.size === 0) watch("event", false);
      };
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      tokens.set(undefined);
      unlisten();
      clock.stop();
      core.close();
      listeners.clear();
      for (const { reject } of calls.values()) reject(new Error("the client is closed"));
      calls.clear();
    },
  };
}

function coreOptions({ url, token: _, transport: __, ...rest }: EventClientOptions): CoreOptions {
  const here = typeof location === "undefined" ? undefined : location.href;
  const { origin, pathname } = new URL(url ?? "/", here);
  return { ...rest, url: origin + pathname.replace(/\/+$/, "") };
}

interface Core {
  send(message: ToCore): void;
  close(): void;
}

/** Starts a core: in a worker if that can be, here otherwise. */
function openCore(transport: "worker" | "main", receive: (message: ToPage) => void): Core {
  if (transport === "main" || typeof Worker === "undefined") return localCore(receive);
  let worker: Worker;
  try {
    worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  } catch {
    return localCore(receive);
  }
  // A worker that a policy forbids fails only later. Until it has spoken, what it was told is kept for its replacement.
  let unheard: ToCore[] | null = [];
  let fallback: Core | null = null;
  worker.onmessage = ({ data }: MessageEvent<ToPage>) => {
    unheard = null;
    receive(data);
  };
  worker.onerror = (event) => {
    if (unheard === null) return;
    event.preventDefault();
    worker.terminate();
    fallback = localCore(receive);
    for (const message of unheard) fallback.send(message);
    unheard = null;
  };
  return {
    send(message) {
      if (fallback !== null) return fallback.send(message);
      unheard?.push(message);
      worker.postMessage(message);
    },
    close() {
      worker.terminate();
      fallback?.close();
    },
  };
}

/** A core on this thread. It is fetched when it is needed, so that those with a worker do not carry it twice. */
function localCore(receive: (message: ToPage) => void): Core {
  let take: ((message: ToCore) => void) | null = null;
  let waiting: ToCore[] = [];
  let isClosed = false;
  void import("./core/host.ts").then(({ host, ownEnvironment }) => {
    if (isClosed) return;
    // Answers come later, as they do from a worker, so that nobody is called back in the middle of a call.
    take = host(ownEnvironment(), (message) => queueMicrotask(() => receive(message)));
    for (const message of waiting) take(message);
    waiting = [];
  });
  return {
    send(message) {
      if (take === null) waiting.push(message);
      else take(message);
    },
    close() {
      isClosed = true;
      take?.({ type: "call", id: 0, method: "close", args: [] });
    },
  };
}

/** Tells what happens to the page and to the network under it, until the returned function is called. */
function listenToPage(tell: (what: "online" | "offline" | "visible") => void): () => void {
  if (typeof document === "undefined") return () => {};
  const online = () => tell("online");
  const offline = () => tell("offline");
  const visible = () => {
    if (document.visibilityState === "visible") tell("visible");
  };
  addEventListener("online", online);
  addEventListener("offline", offline);
  document.addEventListener("visibilitychange", visible);
  if (!navigator.onLine) offline();
  return () => {
    removeEventListener("online", online);
    removeEventListener("offline", offline);
    document.removeEventListener("visibilitychange", visible);
  };
}

/** A slice that tells whether somebody is subscribed to it. */
function watched<T>(slice: Slice<T>, onWatch: (isWatched: boolean) => void): Slice<T> {
  let subscribers = 0;
  return {
    get: slice.get,
    subscribe(listener) {
      const unsubscribe = slice.subscribe(listener);
      if (++subscribers === 1) onWatch(true);
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        unsubscribe();
        if (--subscribers === 0) onWatch(false);
      };
    },
  };
}
