/**
 * What has come while the view stood still, and the way back to it.
 */
import { type ReactNode, useCallback } from "react";
import type { Counts, EventClient, Rows } from "../event-client.ts";
import { useSlice } from "../use-slice.ts";
import type { Follower } from "./follow.ts";
import type { Order } from "./geometry.ts";
import { newText } from "./messages.ts";

export interface NewPillProps {
  readonly client: EventClient;
  readonly follower: Follower;
  readonly order: Order;
}

const isFollowing = (rows: Rows) => rows.isFollowing;
const hasNewer = (rows: Rows) => rows.hasNewer;
const freshText = ({ fresh, freshFailures }: Counts) => newText(fresh, freshFailures);

/** `↓ 1,204 new · 3 failed`: a button that follows again. Nothing while the view follows or nothing is new. */
export function NewPill({ client, follower, order }: NewPillProps): ReactNode {
  const following = useSlice(client.rows, isFollowing);
  const isAway = useSlice(client.rows, hasNewer);
  const fresh = useSlice(client.counts, freshText);
  const follow = useCallback(() => follower.resume(), [follower]);
  if (following || (fresh === "" && !isAway)) return null;
  return (
    <button type="button" className="todoki-new" data-order={order} onClick={follow}>
      <span aria-hidden="true">{order === "oldest-first" ? "↓" : "↑"}</span>
      {fresh || "Back to now"}
    </button>
  );
}
