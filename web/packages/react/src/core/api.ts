/**
 * What is asked of the server over HTTP: pages, single events and positions.
 *
 * Every request has an end, and can be given up. The token is a header; one that is refused is asked for again, once.
 */
import type { Cursor, Subscription, TokenReason } from "../event-client.ts";
import { queryOf } from "../protocol/filter.ts";
import { type Page, pageOf } from "../protocol/page.ts";
import type { Environment } from "./environment.ts";

/** The most that the server puts into a page. */
export const PAGE_EVENTS = 1000;
/** Nobody waits longer for a page. Exports are streams, and may take their time. */
const REQUEST_MS = 30_000;

/** A refusal of the server (RFC 9457), or a network that failed: then `status` is 0. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfterMs: number;

  constructor(status: number, code: string, message: string, retryAfterMs = 0) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

export class Api {
  readonly #env: Environment;
  readonly #base: string;
  readonly #token: (reason?: TokenReason) => Promise<string | undefined>;

  constructor(env: Environment, url: string, token: (reason?: TokenReason) => Promise<string | undefined>) {
    this.#env = env;
    this.#base = `${url}/api/event-bus`;
    this.#token = token;
  }

  /** Events before or after a cursor. */
  async page(
    from: { readonly before: Cursor } | { readonly cursor: Cursor },
    subscription: Subscription,
    limit: number,
    signal?: AbortSignal,
  ): Promise<Page> {
    const page = pageOf(await this.text(queryOf(subscription, { ...from, limit }), {}, signal));
    if (page === null) throw new ApiError(0, "invalid_page", "the server sent what is no page");
    return page;
  }

  /** The text of an answer, which has to come in time. */
  async text(path: string, init: RequestInit = {}, signal?: AbortSignal): Promise<string> {
    const end = new AbortController();
    const abort = () => end.abort();
    const cancel = this.#env.after(REQUEST_MS, abort);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    try {
      return await (await this.request(path, { ...init, signal: end.signal })).text();
    } catch (error) {
      if (error instanceof ApiError || signal?.aborted) throw error;
      throw new ApiError(0, "network", error instanceof Error ? error.message : String(error));
    } finally {
      cancel();
      signal?.removeEventListener("abort", abort);
    }
  }

  /** An answer that may be long: only its beginning is waited for. */
  async request(path: string, init: RequestInit): Promise<Response> {
    const ask = (token: string | undefined) => {
      const headers = {
        ...(init.headers as Record<string, string>),
        ...(token && { authorization: `Bearer ${token}` }),
      };
      return this.#env.fetch(this.#base + path, { ...init, headers });
    };
    const token = await this.#token();
    let response = await ask(token);
    if (response.status === 401) {
      const fresh = await this.#token("refused");
      if (fresh !== token) response = await ask(fresh);
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }
}

async function problemOf(response: Response): Promise<ApiError> {
  const retryAfterMs = Number(response.headers.get("retry-after") ?? 0) * 1000 || 0;
  const problem = (await response.json().catch(() => ({}))) as { code?: unknown; detail?: unknown };
  const code = typeof problem.code === "string" ? problem.code : String(response.status);
  const detail = typeof problem.detail === "string" ? problem.detail : `the server answered ${response.status}`;
  return new ApiError(response.status, code, detail, retryAfterMs);
}
