/**
 * What each close code of the server asks of us; docs/WIRE.md has the same table.
 */
import type { Phase } from "../event-client.ts";

export interface Closing {
  /** The phase that it leads to. Those that come back do so by themselves. */
  readonly phase: Extract<Phase, "disconnected" | "restarting" | "limited" | "unauthorized" | "forbidden" | "stopped">;
  readonly message: string;
}

/** For what a client of ours never does; the code says which it was. */
const REFUSED: Closing = { phase: "stopped", message: "the server refused what was sent" };

const CODES: Readonly<Record<number, Closing>> = {
  1002: REFUSED,
  1003: REFUSED,
  1007: REFUSED,
  1008: REFUSED,
  1009: REFUSED,
  1012: { phase: "restarting", message: "the server restarts" },
  1013: { phase: "disconnected", message: "the server is overloaded" },
  3000: { phase: "unauthorized", message: "the token is not valid" },
  3003: { phase: "forbidden", message: "the token does not allow it" },
  3008: { phase: "disconnected", message: "the server heard nothing of us" },
  4408: { phase: "disconnected", message: "we were too slow" },
  4429: { phase: "limited", message: "too many requests" },
};

/** What a close code means. One that is not in the table is a lost connection, and comes back. */
export function closingOf(code: number): Closing {
  return CODES[code] ?? { phase: "disconnected", message: "the connection was lost" };
}
