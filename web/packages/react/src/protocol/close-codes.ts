/**
 * What each close code of the server asks of us; docs/WIRE.md has the same table.
 */
import type { Phase } from "../event-client.ts";

/** The phases that a close leads to. Those that come back do so by themselves. */
type Closed = Extract<Phase, "disconnected" | "restarting" | "limited" | "unauthorized" | "forbidden" | "stopped">;

const PHASES: Readonly<Record<number, Closed>> = {
  // For what a client of ours never does; the code says which it was.
  1002: "stopped",
  1003: "stopped",
  1007: "stopped",
  1008: "stopped",
  1009: "stopped",
  1012: "restarting",
  3000: "unauthorized",
  3003: "forbidden",
  4429: "limited",
};

/** What a close code means. One that is not in the table is a lost connection, and comes back. */
export function phaseOf(code: number): Closed {
  return PHASES[code] ?? "disconnected";
}
