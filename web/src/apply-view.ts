/**
 * Brings the client to where the view is, and the view to where the client went by itself.
 *
 * The view is the one truth about what is asked for; the client is told of each difference once. The one thing that goes
 * the other way is following: the list's own keys and buttons return to the present, and then the view is of the present.
 */
import { type EventClient, type Rows, type Slice, type Span, useSlice } from "@todoki/react";
import { useCallback, useEffect, useRef } from "react";
import { needsToken } from "./token.ts";
import { type At, spans, type ViewState } from "./url-state.ts";
import type { Workspace } from "./workspace.ts";

/** Keeps the two together for as long as the component is there. */
export function useAppliedView(workspace: Workspace): void {
  useQuery(workspace);
  usePlace(workspace);
  useFollowing(workspace);
  useSpan(workspace);
}

function useQuery({ client, store, problem }: Workspace): void {
  const { query, mode } = useSlice(store.view);
  useEffect(() => problem.set(client.setQuery(query, mode)), [client, problem, query, mode]);
}

/** Goes where the view stands, and again after signing in, since nothing could be read before. */
function usePlace({ client, store, notice }: Workspace): void {
  const at = usePart(store.view, (view) => view.at);
  const isRefused = useSlice(client.status, ({ phase }) => needsToken(phase));
  const wasAway = useRef(false);
  useEffect(() => {
    if (isRefused) return;
    if (at === null) {
      if (wasAway.current) client.resume();
      wasAway.current = false;
      return;
    }
    wasAway.current = true;
    let isCurrent = true;
    client.seek(targetOf(at)).catch((error: Error & { readonly code?: string }) => {
      // The stream hears of the token a moment before or after, and what it hears is shown.
      if (isCurrent && error.code !== "unauthorised" && !needsToken(client.status.get().phase)) {
        notice.set({ text: `Could not go there: ${error.message}`, isProblem: true });
      }
    });
    return () => {
      isCurrent = false;
    };
  }, [client, notice, at, isRefused]);
}

function targetOf(at: At): number | Date {
  return "cursor" in at ? at.cursor : new Date(at.time);
}

/** Takes the place out of the view when the list follows the present again. */
function useFollowing({ client, store }: Workspace): void {
  useEffect(() => {
    let wasFollowing = client.rows.get().isFollowing;
    return client.rows.subscribe(() => {
      const { isFollowing } = client.rows.get();
      const hasReturned = isFollowing && !wasFollowing;
      wasFollowing = isFollowing;
      if (hasReturned && store.view.get().at !== null) store.change({ at: null }, "push");
    });
  }, [client, store]);
}

function useSpan({ client, store }: Workspace): void {
  const { span, laneKey, view } = useSlice(store.view);
  const place = useTimeOfPlace(client);
  useEffect(() => client.setSpan(spanAround(place, spans[span], Date.now())), [client, span, place]);
  useEffect(() => {
    if (view === "lanes") client.setLaneKey(laneKey);
  }, [client, view, laneKey]);
}

/**
 * When the event happened that one went to; null while the present is followed. It stays while one scrolls on from there,
 * so that the strip does not move under whoever reads it.
 */
function useTimeOfPlace(client: EventClient): number | null {
  const seen = useRef<{ readonly generation: number; readonly time: number } | null>(null);
  const select = useCallback(({ isFollowing, generation, target, from, rows }: Rows) => {
    if (isFollowing || target === null) return null;
    const time = rows[target - from]?.time;
    if (time !== undefined && seen.current?.generation !== generation) seen.current = { generation, time };
    return seen.current?.generation === generation ? seen.current.time : null;
  }, []);
  return useSlice(client.rows, select);
}

/** What the strip shows: the last `ms`, or as much around a place that is longer ago than that. */
export function spanAround(place: number | null, ms: number, nowMs: number): Span {
  if (place === null || nowMs - place < ms) return { from: nowMs - ms, to: null };
  return { from: place - ms / 2, to: place + ms / 2 };
}

/** A part of the view that is the same object while it says the same. */
function usePart<T>(view: Slice<ViewState>, select: (view: ViewState) => T): T {
  return useSlice(view, select, sameText);
}

function sameText(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
