/**
 * A slice that changes more seldom, for readers who asked their system for less motion.
 *
 * What a person does is shown at once; only what comes by itself waits.
 */
import { useMemo } from "react";
import type { Rows } from "../event-client.ts";
import type { Slice } from "../slice.ts";
import { useMedia } from "../use-media.ts";

/** Four changes a second can be followed without the list seeming to move. */
const CALM_MS = 250;

/** The rows, at most four times a second while they follow what is new, where less motion is wanted. */
export function useCalmRows(rows: Slice<Rows>): Slice<Rows> {
  const isCalm = useMedia("(prefers-reduced-motion: reduce)");
  return useMemo(() => (isCalm ? calm(rows, CALM_MS, isByItself) : rows), [rows, isCalm]);
}

/** New lines while the view follows: nobody asked for them now. */
function isByItself(next: Rows, shown: Rows): boolean {
  return next.isFollowing && shown.isFollowing && next.generation === shown.generation && shown.next > shown.first;
}

/** A slice that shows a change at once, and one that `canWait` so long after the change before it. */
export function calm<T>(slice: Slice<T>, ms: number, canWait: (next: T, shown: T) => boolean): Slice<T> {
  let shown = slice.get();
  let shownAt = Number.NEGATIVE_INFINITY;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const listeners = new Set<() => void>();
  const show = () => {
    clearTimeout(timer);
    timer = undefined;
    shown = slice.get();
    shownAt = performance.now();
    for (const listener of [...listeners]) listener();
  };
  const changed = () => {
    const wait = canWait(slice.get(), shown) ? shownAt + ms - performance.now() : 0;
    if (wait <= 0) show();
    else timer ??= setTimeout(show, wait);
  };
  let unsubscribe: (() => void) | undefined;
  return {
    get() {
      // Without a listener nothing keeps what is shown up to date.
      if (listeners.size === 0) shown = slice.get();
      return shown;
    },
    subscribe(listener) {
      if (listeners.size === 0) {
        shown = slice.get();
        unsubscribe = slice.subscribe(changed);
      }
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        clearTimeout(timer);
        timer = undefined;
        unsubscribe?.();
      };
    },
  };
}
