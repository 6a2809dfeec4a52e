/**
 * Where a client has its token from: a text, or a function that is asked for one when there is a reason to.
 *
 * However often the stream is turned away, the function is not called more than once in three seconds, and one that does
 * not answer is not waited for. Whoever asks while it is at work is answered with the same.
 */
import type { EventClientOptions, TokenReason } from "./event-client.ts";

/** Between two calls: a sign-in service is to survive a page whose tokens are all refused, and nobody notices the wait. */
const LEAST_MS = 3_000;
/** A service that has not answered by then will not, and a person wants to know. */
const ANSWER_MS = 10_000;

export class TokenSource {
  #source: EventClientOptions["token"];
  #held: { readonly token: string; readonly at: number } | null = null;
  #askedAt = Number.NEGATIVE_INFINITY;
  #answer: Promise<string | undefined> | null = null;

  constructor(source: EventClientOptions["token"]) {
    this.#source = source;
  }

  /** Replaces the source. Who still waits for the one before is answered by this one. */
  set(source: EventClientOptions["token"]): void {
    this.#source = source;
    this.#held = null;
    this.#answer = null;
    this.#askedAt = Number.NEGATIVE_INFINITY;
  }

  /** The token, for a reason; without one, whatever is at hand. */
  async get(reason?: TokenReason): Promise<string | undefined> {
    const source = this.#source;
    if (typeof source !== "function") return source;
    const held = this.#held;
    const isFresh = held !== null && performance.now() - held.at < LEAST_MS;
    if (held !== null && (reason === undefined || (isFresh && reason !== "refused"))) return held.token;
    this.#answer ??= this.#ask(source, reason ?? "connect");
    return this.#answer;
  }

  async #ask(
    source: (reason: TokenReason) => string | Promise<string>,
    reason: TokenReason,
  ): Promise<string | undefined> {
    try {
      await after(this.#askedAt + LEAST_MS - performance.now());
      if (this.#source !== source) return this.get(reason);
      this.#askedAt = performance.now();
      const token = await inTime(source(reason));
      if (this.#source !== source) return this.get(reason);
      this.#held = { token, at: performance.now() };
      return token;
    } finally {
      if (this.#source === source) this.#answer = null;
    }
  }
}

async function after(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}

/** An answer that comes in time; else what is said of one that does not. */
function inTime(answer: string | Promise<string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`no token within ${ANSWER_MS / 1000} seconds`));
    const timer = setTimeout(late, ANSWER_MS);
    Promise.resolve(answer)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}
