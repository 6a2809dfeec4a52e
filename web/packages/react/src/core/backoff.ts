/** When to try again: full jitter, so that the clients of a restarted server do not all come back at once. */

const BASE_MS = 1000;
/** Nobody wants to wait longer for a page to come alive. */
const CAP_MS = 30_000;

/** How long to wait before attempt `attempt`, from 1: any time up to the base, doubled by each attempt, capped. */
export function backoffMs(attempt: number, random: () => number): number {
  return random() * Math.min(CAP_MS, BASE_MS * 2 ** (attempt - 1));
}
