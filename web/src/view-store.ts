/**
 * The view and the address bar, kept the same in both directions.
 *
 * The view is told at once; the address follows at once for a step that one may want to go back from, and a moment later
 * while one types, since browsers refuse many changes of the address in a short time.
 */
import { cell, type Slice } from "@todoki/react";
import type { Router } from "./router.ts";
import { parseView, type ViewState, viewHref } from "./url-state.ts";

/** How long typing rests before the address is brought up to date. */
export const typingRestMs = 300;

/** `push` can be gone back from, `replace` cannot, `typing` is `replace` once the keys rest. */
export type ChangeKind = "push" | "replace" | "typing";

/** The view as a slice. */
export interface ViewStore {
  readonly view: Slice<ViewState>;
  change(patch: Partial<ViewState>, how: ChangeKind): void;
}

/** The part of a clock that waits. */
export interface Timers {
  setTimeout(callback: () => void, ms: number): number;
  clearTimeout(id: number): void;
}

/** The view of a router's place. */
export function createViewStore(router: Router, timers: Timers): ViewStore {
  const read = () => parseView(router.place.get().path, router.place.get().search);
  const view = cell(read());
  let pending: number | null = null;

  const write = (how: "push" | "replace") => {
    if (pending !== null) timers.clearTimeout(pending);
    pending = null;
    router.go(viewHref(view.get()), how);
  };
  router.place.subscribe(() => {
    // An address of our own making says what the view says already; only going back or forward says something else.
    const next = read();
    if (viewHref(next) === viewHref(view.get())) return;
    if (pending !== null) timers.clearTimeout(pending);
    pending = null;
    view.set(next);
  });
  return {
    view,
    change(patch, how) {
      const next = { ...view.get(), ...patch };
      if (viewHref(next) === viewHref(view.get())) return;
      // What was typed last belongs to the entry that it was typed in, not to the next one.
      if (how === "push" && pending !== null) write("replace");
      view.set(next);
      if (how !== "typing") return write(how);
      if (pending !== null) timers.clearTimeout(pending);
      pending = timers.setTimeout(() => write("replace"), typingRestMs);
    },
  };
}
