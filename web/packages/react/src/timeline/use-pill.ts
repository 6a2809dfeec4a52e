/**
 * The pill of a client, kept up to date: the one place of the timeline that has a clock.
 */
import { useEffect, useState } from "react";
import type { Counts, EventClient, Rows } from "../event-client.ts";
import { useSlice } from "../use-slice.ts";
import { type Pill, pillOf } from "./pill.ts";

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

/** The present, told again at each whole second that is left until a time; still when there is none. */
function useSecond(until: number | null): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (until === null) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tick = () => {
      const left = until - Date.now();
      setNow(Date.now());
      if (left > 0) timer = setTimeout(tick, left % 1000 || 1000);
    };
    tick();
    return () => clearTimeout(timer);
  }, [until]);
  return now;
}
