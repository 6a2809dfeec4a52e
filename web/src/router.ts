/**
 * Where the page is: the path and the query of the address bar, as a slice, and the two ways to change them.
 *
 * It owns `history` and knows which paths are pages. What the query says is `url-state.ts`'s.
 */
import { type Cell, type Cursor, cell, type Slice } from "@todoki/react";

/** The part of the address that the app reads. The fragment is nobody's: nothing secret and no state is kept there. */
export interface Place {
  readonly path: string;
  readonly search: string;
}

/** A page of the app. `cursor` is the event of a permalink. */
export type Route = { readonly page: "events"; readonly cursor: Cursor | null } | { readonly page: "not-found" };

/** What the router needs of a window, so that it can be tested without one. */
export interface Host {
  readonly location: { readonly pathname: string; readonly search: string };
  readonly history: Pick<History, "pushState" | "replaceState">;
  addEventListener(type: "popstate", listener: () => void): void;
}

/** The address as a slice. */
export interface Router {
  readonly place: Slice<Place>;
  /** Goes to `href` with an entry of its own in the history, or in the place of the present one. */
  go(href: string, how: "push" | "replace"): void;
}

/** Matches the cursor of a permalink; a cursor has at most 16 digits. */
const permalink = /^\/events\/([1-9]\d{0,15})\/?$/;

/** The page at a path. */
export function routeOf(path: string): Route {
  if (path === "/" || path === "/events" || path === "/events/") return { page: "events", cursor: null };
  const cursor = Number(permalink.exec(path)?.[1] ?? Number.NaN);
  return Number.isSafeInteger(cursor) ? { page: "events", cursor } : { page: "not-found" };
}

/** A router over a window's history. One is made for the page, in `main.tsx`. */
export function createRouter(host: Host): Router {
  const read = (): Place => ({ path: host.location.pathname, search: host.location.search });
  const place: Cell<Place> = cell(read());
  host.addEventListener("popstate", () => place.set(read()));
  return {
    place,
    go(href, how) {
      const now = place.get();
      if (href === now.path + now.search) return;
      if (how === "push") host.history.pushState(null, "", href);
      else host.history.replaceState(null, "", href);
      place.set(read());
    },
  };
}
