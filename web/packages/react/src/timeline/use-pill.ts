/**
 * The pill of a client, kept up to date.
 */
import type { Counts, EventClient, Rows } from "../event-client.ts";
import { useSlice } from "../use-slice.ts";
import { type Pill, pillOf } from "./pill.ts";
import { useSecond } from "./use-second.ts";

const isFollowing = (rows: Rows) => rows.isFollowing;
const fresh = (counts: Counts) => counts.fresh;

/** What the pill of this client says now. Renders once a second while it counts down, else when something changes. */
export function usePill(client: EventClient): Pill {
  const status = useSlice(client.status);
  const following = useSlice(client.rows, isFollowing);
  const waiting = useSlice(client.counts, fresh);
  const isCounted = status.phase === "disconnected" || status.phase === "limited";
  const now = useSecond(isCounted ? status.retryAt : null);
  return pillOf(status, { isFollowing: following, fresh: waiting, now });
}
