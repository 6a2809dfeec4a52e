/** Why a connection was refused, which a socket cannot tell: the server is asked over HTTP. */
import type { Phase } from "../event-client.ts";
import { ApiError } from "./api.ts";
import type { Timeline } from "./timeline.ts";

/** The phase that a refusal leads to, and what the server said. */
export interface Refusal {
  readonly phase: Phase;
  readonly code: string;
  readonly message: string;
  /** Not before so long. */
  readonly retryAfterMs?: number;
}

/** The refusal of the stream that a timeline asks for; null when there is none that repeating would not mend. */
export async function whyRefused({ api, subscription }: Timeline): Promise<Refusal | null> {
  try {
    await api.page({ before: 1 }, subscription, 1);
    return null;
  } catch (error) {
    if (!(error instanceof ApiError)) return null;
    const { status, code, message } = error;
    if (status === 401) return { phase: "unauthorized", code, message };
    if (status === 403) return { phase: "forbidden", code, message };
    if (status === 429) return { phase: "limited", code, message, retryAfterMs: error.retryAfterMs };
    const isPassing = status === 0 || status >= 500 || status === 408;
    return isPassing ? null : { phase: "stopped", code, message };
  }
}
