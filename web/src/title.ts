/** The title of the tab: what one must know while looking at another. */
import { type Counts, type Phase, type Rows, useSlice } from "@todoki/react";
import { useEffect } from "react";
import { formatShort } from "./lib/format.ts";
import { useWorkspace } from "./workspace.ts";

/** `(3 new) Todoki`, `Offline · Todoki`, `Todoki`. */
export function titleOf(phase: Phase, isFollowing: boolean, fresh: number): string {
  const state = statesInTitle[phase];
  if (state !== undefined) return `${state} · Todoki`;
  return isFollowing || fresh === 0 ? "Todoki" : `(${formatShort(fresh)} new) Todoki`;
}

const statesInTitle: Partial<Record<Phase, string>> = {
  disconnected: "Offline",
  offline: "No network",
  limited: "Rate limited",
  unauthorized: "Sign in",
  expired: "Token expired",
  forbidden: "Not allowed",
  stopped: "Stopped",
};

/** Keeps the title as the state is. */
export function useTitle(): void {
  const { client } = useWorkspace();
  const phase = useSlice(client.status, (status) => status.phase);
  const isFollowing = useSlice(client.rows, following);
  const fresh = useSlice(client.counts, freshOf);
  const title = titleOf(phase, isFollowing, fresh);
  useEffect(() => {
    document.title = title;
  }, [title]);
}

const following = (rows: Rows) => rows.isFollowing;
const freshOf = (counts: Counts) => counts.fresh;
