/**
 * One subscription that survives its sockets.
 *
 * Comes back after a lost connection with full jitter, resumes after the last cursor that it received, drops what it has
 * had, and tells its owner each event once and in order, and every hole that the server tells of. What happens to the
 * events is not its business. Whatever comes before the answer to a `subscribe` belongs to the subscription before, and
 * is not passed on: it will come again, after the position that the command named.
 */
import type { Cursor, Phase, Progress, Status, StreamError, Subscription, TokenReason } from "../event-client.ts";
import { phaseOf } from "../protocol/close-codes.ts";
import { decode } from "../protocol/decode.ts";
import { queryOf, subprotocols, subscribeCommand } from "../protocol/filter.ts";
import type { Envelope } from "../protocol/scan.ts";
import type { Command, Gap, Message, Refused, Subscribed } from "../protocol/types.ts";
import { backoffMs } from "./backoff.ts";
import type { Environment, Socket } from "./environment.ts";
import { Latency } from "./latency.ts";
import type { CoreOptions } from "./port.ts";
import type { Refusal } from "./refusal.ts";

/** A connection that has stood so long was not refused: the next loss begins anew. */
const STABLE_MS = 10_000;
/** A server that does not answer a new connection, or another subscription, by then will not. */
const CONNECT_MS = 10_000;
/** Heartbeats of silence after which a connection is taken for dead: two may be late, a third is not. */
const SILENT_HEARTBEATS = 2.5;
/** After the network or the page has woken up, a connection that lives answers a ping by then. */
const PROBE_MS = 5_000;
/** The longest wait that a server may ask for: a page that waits longer looks broken. */
const MAX_WAIT_MS = 60_000;
/** It may limit us for longer, since that is counted down. Beyond an hour nobody looks any more. */
const MAX_LIMITED_MS = 3_600_000;
/** How long we stay away when it limits us and does not say for how long. */
const LIMITED_MS = 5_000;
/** A token that could not be fetched before the old one expires is fetched again after so long. */
const REFRESH_MS = 10_000;
/** What is told of a text that cannot be read. */
const ERROR_LENGTH = 100;
/** Between pings: short until there are enough for a median, then rare enough to cost nothing. */
const FIRST_PINGS = 5;
const FIRST_PING_MS = 1_000;
const PING_MS = 10_000;

/** What cannot be had: the server says so; or it is `forbidden` to read what was missed. */
export type Hole = Pick<Gap, "requested" | "resume_at"> & { readonly reason: Gap["reason"] | "forbidden" };

export interface ConnectionOptions extends Pick<CoreOptions, "url" | "autoReconnect" | "maxReconnectAttempts"> {
  readonly subscription: Subscription;
  /** Where to begin, as the wire has it. */
  readonly cursor: Cursor | string;
}

/** What the owner is told, always in the order of the stream. */
export interface ConnectionOwner {
  /** The token for a new connection, or for the one that stands. */
  token(reason: TokenReason): Promise<string | undefined>;
  /** Asks why a connection was refused, which a socket cannot tell; null when it is worth another attempt. */
  whyRefused(): Promise<Refusal | null>;
  /** The subscription that was asked for last stands. */
  subscribed(message: Subscribed): void;
  /** The connection is back after `downMs`; what was missed comes now. */
  resumed(downMs: number): void;
  /** The log has another history: told before `subscribed`. */
  epochChanged(): void;
  event(text: string, at: Envelope): void;
  gap(gap: Hole): void;
  /** All that was stored when the subscription was made has come: `count` events. */
  replayed(count: number): void;
  /** We were behind, at worst by so much, and are live again. */
  lagged(events: number | null, ms: number): void;
  /** The status, or what a frame brought, may be shown. */
  statusChanged(): void;
}

export class Connection {
  readonly #env: Environment;
  readonly #owner: ConnectionOwner;
  readonly #options: ConnectionOptions;
  readonly #latency = new Latency();
  #subscription: Subscription;
  /** After which cursor, or from where, a connection begins; a number once the server has said which. */
  #position: Cursor | string;
  #socket: Socket | null = null;
  #isReady = false;
  /** What was missed is not ours to read: a connection begins with what is new. */
  #isLiveOnly = false;
  #isOnline = true;
  /** Counts connections, so that what an older one says late is not heard. */
  #turn = 0;
  #refs = 0;
  #awaitedRef: string | null = null;

  #phase: Phase = "connecting";
  #attempt = 0;
  #retryAt: number | null = null;
  #error: StreamError | null = null;
  #epoch: string | null = null;
  #earliest: Cursor | null = null;
  #head: Cursor | null = null;
  #lag: Status["lag"] = null;
  #replay: { from: Cursor; to: Cursor; since: number; events: number } | null = null;

  #failures = 0;
  #token: string | undefined;
  /** What a token that was turned away led to, until another one is let in. */
  #refusedAs: Phase | null = null;
  /** When the token's time is over, as far as the server said; null while it said nothing. */
  #expiresAt: number | null = null;
  /** False when another token was asked for in its place, and none came that the server takes. */
  #isRenewed = true;
  /** Of the token that was shown last, while that is unanswered. */
  #authRef: string | null = null;
  #downSince: number | null = null;
  /** The server does not want to see us before. */
  #notBefore = 0;
  #heartbeatMs = 0;
  #heardAt = 0;
  #pings = 0;
  #cancels = new Map<string, () => void>();

  constructor(env: Environment, options: ConnectionOptions, owner: ConnectionOwner) {
    this.#env = env;
    this.#owner = owner;
    this.#options = options;
    this.#subscription = options.subscription;
    this.#position = options.cursor;
  }

  get head(): Cursor | null {
    return this.#head;
  }

  /** Whether what comes is the present. */
  get isLive(): boolean {
    return this.#phase === "live";
  }

  /** Whether what comes is history. */
  get isReplaying(): boolean {
    return this.#phase === "replaying";
  }

  status(): Status {
    return {
      phase: this.#phase,
      attempt: this.#attempt,
      retryAt: this.#retryAt,
      progress: this.#progress(),
      rttMs: this.#latency.rttMs,
      lag: this.#lag,
      error: this.#error,
      epoch: this.#epoch,
      earliest: this.#earliest,
      head: this.#head,
      clockOffsetMs: this.#latency.offsetMs,
      tokenExpiresAt: this.#isRenewed ? null : this.#expiresAt,
    };
  }

  /** Connects now: at first, by hand, or since there is reason to hope. */
  connect(reason: TokenReason = "connect"): void {
    this.#disconnect();
    this.#phase = "connecting";
    this.#retryAt = null;
    const turn = this.#turn;
    this.#owner.statusChanged();
    this.#owner.token(reason).then(
      (token) => {
        if (turn !== this.#turn) return;
        const isSame = token === this.#token;
        if (isSame && this.#refusedAs !== null) return this.#lose(this.#refusedAs, this.#error!);
        if (!isSame) this.#goodUntil(null);
        this.#token = token;
        this.#open(token);
      },
      (error: unknown) => {
        if (turn === this.#turn) this.#lose("disconnected", noToken(error));
      },
    );
  }

  /** Begins anew: forgets failures, and connects. */
  reconnect(): void {
    this.#failures = 0;
    this.#attempt = 0;
    this.#refusedAs = null;
    this.#isLiveOnly = false;
    if (this.#isReady) this.#downSince ??= this.#env.now();
    this.connect();
  }

  /** Replaces the filter and the position, on the connection that stands if there is one. `subscribed` follows. */
  resubscribe(subscription: Subscription, cursor: Cursor | string): void {
    this.#subscription = subscription;
    this.#position = cursor;
    this.#replay = null;
    if (!this.#isReady) {
      // The connection that is being made would begin with the old ones.
      if (["connecting", "stopped", "forbidden"].includes(this.#phase)) this.connect();
      this.#downSince = null;
      return;
    }
    this.#awaitedRef = `s${++this.#refs}`;
    this.#send(subscribeCommand(subscription, cursor, this.#awaitedRef));
    this.#awaitSubscribed();
  }

  /** The page is seen again, or the token is new: what waits is tried at once, what stands is probed. */
  wake(): void {
    // Whom the server limits does not come before it may.
    if (this.#retryAt !== null && this.#phase !== "limited") this.connect();
    else if (this.#isReady) this.#probe();
  }

  setOnline(isOnline: boolean): void {
    this.#isOnline = isOnline;
    if (this.#phase === "disconnected" || this.#phase === "offline") {
      this.#phase = isOnline ? "disconnected" : "offline";
      this.#owner.statusChanged();
    }
    if (isOnline || this.#isReady) this.wake();
  }

  /** Another token: whoever was turned away is let in now, and a connection that stands goes on with it. */
  tokenChanged(): void {
    if (["unauthorized", "expired", "forbidden"].includes(this.#phase)) this.reconnect();
    else if (this.#isReady) this.#refresh("connect");
    else this.wake();
  }

  close(): void {
    this.#disconnect();
    this.#retryAt = null;
    this.#phase = "stopped";
  }

  #open(token: string | undefined): void {
    const turn = this.#turn;
    const query = queryOf(this.#subscription, {
      cursor: this.#isLiveOnly ? "head" : this.#position,
      encoding: "lines",
    });
    let socket: Socket;
    try {
      socket = this.#env.openSocket(
        `${this.#options.url.replace(/^http/, "ws")}/ws/event-bus${query}`,
        subprotocols(token),
      );
    } catch (error) {
      this.#lose("stopped", { code: "network", message: messageOf(error) });
      return;
    }
    this.#socket = socket;
    let wasOpen = false;
    // What went wrong is told by `onclose`, which follows; some sockets insist on being heard.
    socket.onerror = () => {};
    socket.onopen = () => {
      wasOpen = true;
    };
    socket.onmessage = ({ data }) => {
      if (turn === this.#turn && typeof data === "string") this.#receive(data);
    };
    socket.onclose = ({ code, reason }) => {
      if (turn === this.#turn) this.#closed(code, reason, wasOpen);
    };
    this.#awaitSubscribed();
  }

  #awaitSubscribed(): void {
    this.#timer("connect", CONNECT_MS, () => this.#lost("the server does not answer"));
  }

  #closed(code: number, reason: string, wasOpen: boolean): void {
    const phase = phaseOf(code);
    // Where the server has not said when, for the page was away, its reason is what there is to go by.
    const isOver = this.#expiresAt !== null && this.#env.now() >= this.#expiresAt;
    const isExpired = phase === "unauthorized" && (isOver || /expired/.test(reason));
    // Whoever may see only what happens now may not resume, but may go on.
    const mayGoOn = !this.#isReady && !this.#isLiveOnly && this.#epoch !== null;
    if (!wasOpen) this.#refused();
    // Or the token was somebody else's. Who that is may see something else, so the server begins with them anew.
    else if (phase === "forbidden" && (mayGoOn || this.#authRef !== null)) {
      this.reconnect();
      this.#isLiveOnly = mayGoOn;
    } else this.#lose(isExpired ? "expired" : phase, { code: String(code), message: reason || `closed with ${code}` });
  }

  /** Asks for another token, and shows it to the server on the connection that stands. */
  #refresh(reason: TokenReason): void {
    const turn = this.#turn;
    this.#owner.token(reason).then(
      (token) => {
        if (turn !== this.#turn) return;
        if (!token || token === this.#token) return this.#notRenewed();
        this.#token = token;
        this.#authRef = `a${++this.#refs}`;
        this.#send({ type: "auth", token, ref: this.#authRef });
      },
      (error: unknown) => {
        if (turn !== this.#turn) return;
        this.#error = noToken(error);
        this.#notRenewed();
        this.#timer("refresh", REFRESH_MS, () => this.#refresh("expiring"));
      },
    );
  }

  /** The token in use is the last, as far as is known; whoever has another one is to be told until when it is good. */
  #notRenewed(): void {
    this.#isRenewed = false;
    this.#owner.statusChanged();
  }

  /** A token is in force. */
  #goodUntil(time: number | null): void {
    this.#expiresAt = time;
    this.#isRenewed = true;
  }

  /** The server was there and said no, or was not there: only HTTP can tell. */
  #refused(): void {
    const turn = this.#turn;
    this.#disconnect(false);
    this.#owner
      .whyRefused()
      .catch(() => null)
      .then((refusal) => {
        if (turn !== this.#turn) return;
        if (refusal === null) return this.#lost("the server cannot be reached");
        this.#stayAway(refusal.retryAfterMs);
        this.#lose(refusal.phase, refusal);
      });
  }

  #lost(message: string): void {
    this.#lose("disconnected", { code: "network", message });
  }

  /** The connection is gone; what comes next depends on `phase`. */
  #lose(phase: Phase, error: StreamError): void {
    if (this.#isReady) this.#downSince = this.#env.now();
    this.#disconnect();
    this.#error = { code: error.code, message: error.message };
    this.#phase = phase;
    this.#retryAt = null;
    // Asking again may bring another token.
    if ((phase === "unauthorized" || phase === "expired") && this.#refusedAs === null) {
      this.#refusedAs = phase;
      this.connect("refused");
      return;
    }
    if (["disconnected", "restarting", "limited"].includes(phase)) {
      // Whatever the token is now, it was not turned away.
      this.#refusedAs = null;
      this.#retry();
    }
    this.#owner.statusChanged();
  }

  #retry(): void {
    const { autoReconnect = true, maxReconnectAttempts = Number.POSITIVE_INFINITY } = this.#options;
    this.#attempt = ++this.#failures;
    if (!autoReconnect || this.#failures > maxReconnectAttempts) {
      this.#phase = "stopped";
      return;
    }
    if (this.#phase === "disconnected" && !this.#isOnline) this.#phase = "offline";
    const now = this.#env.now();
    if (this.#phase === "limited" && this.#notBefore <= now) this.#notBefore = now + LIMITED_MS;
    const ms = Math.max(0, this.#notBefore - now) + backoffMs(this.#failures, this.#env.random);
    this.#retryAt = now + ms;
    this.#timer("retry", ms, () => this.connect());
  }

  #stayAway(ms = 0, most = MAX_LIMITED_MS): void {
    this.#notBefore = Math.max(this.#notBefore, this.#env.now() + Math.min(ms, most));
  }

  /** Lets go of the socket and of all timers. Nothing that it says later is heard, unless `isOver` is false. */
  #disconnect(isOver = true): void {
    if (isOver) this.#turn++;
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
    const socket = this.#socket;
    this.#socket = null;
    this.#isReady = false;
    this.#awaitedRef = null;
    this.#authRef = null;
    this.#replay = null;
    this.#lag = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #receive(frame: string): void {
    this.#heardAt = this.#env.now();
    const turn = this.#turn;
    decode(frame, {
      event: (text, at) => {
        if (turn === this.#turn) this.#event(text, at);
      },
      message: (message) => {
        if (turn === this.#turn) this.#message(message);
      },
      unknown: (text) => {
        // A message of a later version is none of our business; an event that cannot be read is.
        if (text.includes(`"type":"event"`))
          this.#error = { code: "invalid_event", message: text.slice(0, ERROR_LENGTH) };
      },
    });
    if (turn === this.#turn) this.#owner.statusChanged();
  }

  #event(text: string, at: Envelope): void {
    if (this.#awaitedRef !== null || !this.#isReady || at.cursor <= (this.#position as Cursor)) return;
    this.#position = at.cursor;
    if (at.cursor > (this.#head ?? 0)) this.#head = at.cursor;
    if (this.#replay !== null) this.#replay.events++;
    this.#owner.event(text, at);
  }

  #message(message: Message): void {
    const isAwaited = "ref" in message && message.ref !== undefined && message.ref === this.#awaitedRef;
    switch (message.type) {
      case "subscribed":
        if (isAwaited || (message.ref === undefined && !this.#isReady)) this.#subscribed(message);
        return;
      case "error":
        this.#refusedBy(message);
        return;
      case "ping":
        this.#send({ type: "pong" });
        this.#error = null;
        this.#head = Math.max(this.#head ?? 0, message.cursor);
        if (this.#awaitedRef === null && this.#isReady) {
          this.#position = Math.max(this.#position as Cursor, message.cursor);
        }
        return;
      case "pong":
        // Sent in microseconds, since the wire takes whole numbers only.
        if (message.t !== undefined) {
          this.#latency.add(message.t / 1000, this.#env.now(), Date.parse(message.time));
        }
        return;
      case "drain":
        this.#stayAway(message.reconnect_after_ms, MAX_WAIT_MS);
        return;
      case "token_expiring":
        this.#expiresAt = this.#env.now() + message.expires_in_ms;
        this.#refresh("expiring");
        return;
      case "authorised":
        if (message.ref === this.#authRef) this.#authRef = null;
        this.#goodUntil(message.expires_in_ms == null ? null : this.#env.now() + message.expires_in_ms);
        this.#error = null;
        return;
    }
    if (this.#awaitedRef !== null) return;
    switch (message.type) {
      case "replay_complete":
        this.#replay = null;
        if (this.#phase === "replaying") this.#phase = "live";
        this.#owner.replayed(message.count);
        return;
      case "gap":
        this.#position = message.resume_at;
        this.#earliest = message.earliest;
        this.#head = message.head;
        this.#owner.gap(message);
        return;
      case "lag":
        this.#lagging(message.state === "live", message.lag_events ?? null, message.lag_ms);
    }
  }

  /** A command was refused, or the server has something to complain about. */
  #refusedBy({ code, message, retry_after_ms, ref }: Refused): void {
    const isLimited = code === "rate_limited";
    // Whom the server limits it does not listen to, so it does not know what it leaves unanswered.
    const isOf = (asked: string | null) => asked !== null && (asked === ref || (isLimited && ref === undefined));
    this.#stayAway(retry_after_ms, isLimited ? MAX_LIMITED_MS : MAX_WAIT_MS);
    this.#error = { code, message };
    // A subscription that is refused for now begins with the next connection.
    if (isOf(this.#awaitedRef))
      this.#lose(isLimited ? "limited" : code === "forbidden" ? code : "stopped", this.#error);
    if (!isOf(this.#authRef)) return;
    this.#authRef = null;
    if (!isLimited) {
      this.#notRenewed();
      return;
    }
    // The server has not looked at the token.
    this.#token = undefined;
    this.#timer("refresh", retry_after_ms ?? LIMITED_MS, () => this.#refresh("expiring"));
  }

  #subscribed(message: Subscribed): void {
    const isResumed = this.#downSince !== null;
    const isOtherHistory = this.#epoch !== null && this.#epoch !== message.epoch;
    this.#cancels.get("connect")?.();
    if (!this.#isReady) this.#keepAlive(message.heartbeat_ms);
    this.#isReady = true;
    this.#awaitedRef = null;
    this.#refusedAs = null;
    this.#attempt = 0;
    this.#error = null;
    this.#epoch = message.epoch;
    this.#earliest = message.earliest;
    this.#head = message.head;
    const { cursor, head } = message;
    const requested = this.#position as Cursor;
    this.#position = cursor;
    this.#phase = cursor < head ? "replaying" : "live";
    this.#replay = cursor < head ? { from: cursor, to: head, since: this.#env.now(), events: 0 } : null;
    const downSince = this.#downSince;
    this.#downSince = null;
    if (isOtherHistory) this.#owner.epochChanged();
    else if (isResumed && this.#isLiveOnly) this.#owner.gap({ reason: "forbidden", requested, resume_at: cursor });
    else if (isResumed) this.#owner.resumed(this.#env.now() - downSince!);
    // Whoever does not want this history has asked for another place in it already.
    if (this.#awaitedRef === null) this.#owner.subscribed(message);
  }

  #lagging(isLive: boolean, events: number | null, ms: number): void {
    const worst = {
      events: events === null ? null : Math.max(events, this.#lag?.events ?? 0),
      ms: Math.max(ms, this.#lag?.ms ?? 0),
    };
    this.#phase = isLive ? "live" : "lagging";
    this.#lag = isLive ? null : worst;
    if (isLive) this.#owner.lagged(worst.events, worst.ms);
  }

  #keepAlive(heartbeatMs: number): void {
    this.#heartbeatMs = heartbeatMs;
    this.#pings = 0;
    this.#latency.reset();
    this.#timer("stable", STABLE_MS, () => {
      this.#failures = 0;
    });
    this.#watch();
    this.#ping();
  }

  /** Looks whether the server has been silent for too long, and again when it could have been. */
  #watch(): void {
    const limit = SILENT_HEARTBEATS * this.#heartbeatMs;
    const silence = this.#env.now() - this.#heardAt;
    if (silence >= limit) this.#lost("the server has fallen silent");
    else this.#timer("watch", limit - silence, () => this.#watch());
  }

  #ping(): void {
    this.#send({ type: "ping", t: Math.round(this.#env.now() * 1000) });
    this.#timer("ping", ++this.#pings < FIRST_PINGS ? FIRST_PING_MS : PING_MS, () => this.#ping());
  }

  #probe(): void {
    const since = this.#env.now();
    this.#ping();
    this.#timer("probe", PROBE_MS, () => {
      if (this.#heardAt < since) this.#lost("the connection did not survive");
    });
  }

  #progress(): Progress | null {
    if (this.#replay === null) return null;
    const { from, to, since, events } = this.#replay;
    const seconds = Math.max(this.#env.now() - since, 1) / 1000;
    const done = Math.min(1, ((this.#position as Cursor) - from) / (to - from));
    return {
      done,
      eventsPerSecond: events / seconds,
      secondsLeft: done > 0 ? (seconds / done) * (1 - done) : null,
    };
  }

  #send(command: Command): void {
    this.#socket?.send(JSON.stringify(command));
  }

  /** One timer of each name. */
  #timer(name: string, ms: number, run: () => void): void {
    this.#cancels.get(name)?.();
    this.#cancels.set(name, this.#env.after(ms, run));
  }
}

function noToken(error: unknown): StreamError {
  return { code: "token", message: messageOf(error) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
