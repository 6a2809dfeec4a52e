/**
 * What each close code of the server asks of us; docs/WIRE.md has the same table.
 */
import type { Phase } from "../event-client.ts";

export interface Closing {
  /** The phase that it leads to. Those that come back do so by themselves. */
  readonly phase: Extract<Phase, "disconnected" | "restarting" | "unauthorized" | "forbidden" | "stopped">;
  readonly message: string;
}

const LOST: Closing = { phase: "disconnected", message: "the connection was lost" };

const CODES: Readonly<Record<number, Closing>> = {
  1002: { phase: "stopped", message: "the server read a frame that RFC 6455 forbids" },
  1003: { phase: "stopped", message: "the server read a binary message" },
  1007: { phase: "stopped", message: "the server read text that is not UTF-8" },
  1008: { phase: "stopped", message: "the server read a message in too many fragments" },
  1009: { phase: "stopped", message: "the server read a message that is too large" },
  1012: { phase: "restarting", message: "the server restarts" },
  1013: { phase: "disconnected", message: "the server is overloaded" },
  3000: { phase: "unauthorized", message: "the token is missing or wrong" },
  3003: { phase: "forbidden", message: "the token may not read this" },
  3008: { phase: "disconnected", message: "the server heard nothing of us" },
  4408: { phase: "disconnected", message: "we were too slow" },
};

/** What a close code means. One that is not in the table is a lost connection, and comes back. */
export function closingOf(code: number): Closing {
  return CODES[code] ?? LOST;
}
