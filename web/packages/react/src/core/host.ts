/**
 * The core's half of a client: takes commands, and sends snapshots as the page gives credit for them.
 */
import type { View } from "../event-client.ts";
import type { Environment } from "./environment.ts";
import type { Call } from "./extras.ts";
import type { Slices, ToCore, ToPage } from "./port.ts";
import { Timeline } from "./timeline.ts";

// One chunk for both, where there is no worker.
export { ownEnvironment } from "./environment.ts";

type Slice = keyof Slices;

/** Snapshots wait so long for company: the messages of one moment are shown together. */
const GATHER_MS = 4;
/** What is made at its own pace is looked at again after so long. */
const LATER_MS = 250;

/** What the page may call by name; all else is in the extras. */
const METHODS = ["pause", "resume", "reconnect"] as const;

type Method = (...args: readonly unknown[]) => unknown;

/** Serves a page; the returned function takes its messages. */
export function host(env: Environment, post: (message: ToPage) => void): (message: ToCore) => void {
  let timeline: Timeline | null = null;
  /** Calls that wait for the extras. */
  let waiting = 0;
  let hasCredit = true;
  let isGathering = false;
  let later: (() => void) | null = null;
  const changed = new Set<Slice>();
  /** What was sent last of each slice. */
  const last = new Map<Slice, string>();
  const aborts = new Map<number, AbortController>();
  /** Who waits for a token, by the number of the question. */
  const tokens = new Map<number, (answer: Extract<ToCore, { type: "token" }>) => void>();
  let questions = 0;

  const flush = () => {
    isGathering = false;
    if (!hasCredit || changed.size === 0 || timeline === null) return;
    const slices = snapshots(timeline, changed);
    // What is not due yet stays to be made, and is looked at again in a while.
    later?.();
    later = changed.size > 0 ? env.after(LATER_MS, flush) : null;
    for (const name of Object.keys(slices) as Slice[]) if (isSame(name, slices)) delete slices[name];
    if (Object.keys(slices).length === 0) return;
    hasCredit = false;
    post({ type: "slices", ...slices });
  };

  /** Whether the page has just this already: a frame in which nothing changed costs it nothing. */
  const isSame = (name: Slice, slices: Snapshots) => {
    if (name === "rows" && slices.rows!.fresh.length > 0) {
      last.delete(name);
      return false;
    }
    const text = JSON.stringify(slices[name]);
    if (last.get(name) === text) return true;
    last.set(name, text);
    return false;
  };

  const open = (options: Extract<ToCore, { type: "open" }>["options"]) => {
    timeline = new Timeline(env, options, {
      token: (reason) =>
        new Promise((resolve, reject) => {
          tokens.set(++questions, ({ token, error }) =>
            error === undefined ? resolve(token) : reject(new Error(error)),
          );
          post({ type: "token", id: questions, reason });
        }),
      changed(slice) {
        changed.add(slice);
        if (!hasCredit || isGathering) return;
        isGathering = true;
        env.after(GATHER_MS, flush);
      },
      events: (events) => post({ type: "events", events }),
    });
  };

  const view = (wanted: View) => {
    if (timeline === null) return;
    timeline.view.wanted = wanted;
    last.delete("rows");
    post({ type: "rows", rows: timeline.rows(true) });
  };

  const call = async (id: number, method: string, args: readonly unknown[]) => {
    try {
      post({ type: "result", id, value: await answer(id, method, args) });
    } catch (error) {
      const { message, code } = error as { readonly message: string; readonly code?: unknown };
      // A refusal of the server has its stable code; other errors have none, or a number.
      post({ type: "result", id, error: message, ...(typeof code === "string" && { code }) });
    }
    aborts.delete(id);
  };

  const answer = async (id: number, method: string, args: readonly unknown[]): Promise<unknown> => {
    const own = METHODS.find((one) => one === method);
    // What is called in some order is done in that order, also while the first of it waits for the extras.
    if (timeline !== null && (own === undefined ? timeline.loadedExtras === null : waiting > 0)) {
      waiting++;
      const loading = timeline.extras().finally(() => waiting--);
      await (own === undefined ? loading : loading.catch(() => {}));
    }
    if (timeline === null) throw new Error("the client is closed");
    if (own !== undefined) return timeline[own]();
    const { calls } = timeline.loadedExtras!;
    if (!Object.hasOwn(calls, method)) throw new Error(`there is no ${method}`);
    const abort = new AbortController();
    aborts.set(id, abort);
    const onProgress = (...args: [number, number?]) => post({ type: "progress", id, args });
    const call: Call = { timeline, env, signal: abort.signal, onProgress };
    return (calls[method as keyof typeof calls] as Method)(call, ...args);
  };

  return (message) => {
    switch (message.type) {
      case "open":
        return open(message.options);
      case "view":
        return view(message.view);
      case "credit":
        env.after(message.inMs, () => {
          hasCredit = true;
          flush();
        });
        return;
      case "watch":
        return timeline?.watch(message.what, message.isWatched);
      case "token":
        tokens.get(message.id)?.(message);
        tokens.delete(message.id);
        return;
      case "page":
        return timeline?.page(message.what);
      case "call":
        if (message.method === "close") {
          timeline?.close();
          timeline = null;
        } else void call(message.id, message.method, message.args);
        return;
      case "abort":
        return aborts.get(message.id)?.abort();
    }
  };
}

type Snapshots = Partial<{ -readonly [name in Slice]: Slices[name] }>;

/** Snapshots of what has changed and is due; what is not due stays in `changed`. */
function snapshots(timeline: Timeline, changed: Set<Slice>): Snapshots {
  const slices: Snapshots = {};
  const { views } = timeline;
  for (const slice of [...changed]) {
    const isView = slice === "facets" || slice === "histogram" || slice === "lanes";
    if (!isView) Object.assign(slices, { [slice]: timeline[slice]() });
    else if (views !== null && timeline.isWatched(slice)) {
      if (!views.isDue(slice)) continue;
      Object.assign(slices, { [slice]: views[slice]() });
    }
    changed.delete(slice);
  }
  return slices;
}
