/** What buttons in more than one place do. Each takes the workspace that it acts on. */
import type { Cursor } from "@todoki/react";
import { copyText } from "./lib/clipboard.ts";
import type { At } from "./url-state.ts";
import { eventHref, viewHref } from "./url-state.ts";
import type { Workspace } from "./workspace.ts";

/** Stops following, or follows again. */
export function togglePause({ client }: Workspace): void {
  if (client.rows.get().isFollowing) client.pause();
  else client.resume();
}

/** Shows an event or a time, or with null the present. */
export function goTo({ store, client }: Workspace, at: At | null): void {
  store.change({ at, ...(at !== null && "cursor" in at ? { selected: at.cursor } : {}) }, "push");
  if (at === null) client.resume();
}

/** Shows an event in the detail; null closes it. */
export function selectEvent({ store }: Workspace, cursor: Cursor | null): void {
  store.change({ selected: cursor }, "replace");
}

/** Goes to the next event that the query matches, from where the list is. */
export async function stepHit({ list, notice }: Workspace, direction: 1 | -1): Promise<void> {
  const isFound = (await list.current?.find("hit", direction)) ?? false;
  if (!isFound) notice.set({ text: `No ${direction === 1 ? "newer" : "older"} hit is in memory`, isProblem: false });
}

/** Adds a term to the query, or takes its opposite out: what a click on a value in an event does. */
export function addTerm({ store }: Workspace, term: string): void {
  const { query } = store.view.get();
  const opposite = term.startsWith("-") ? term.slice(1) : `-${term}`;
  const others = query
    .split(/\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/)
    .filter((one) => one !== "" && one !== term && one !== opposite);
  store.change({ query: [...others, term].join(" ") }, "push");
}

/** Copies the link to this view; or, with a cursor, to that event in it. */
export async function copyLink({ store, notice }: Workspace, cursor: Cursor | null): Promise<void> {
  const view = store.view.get();
  const href = cursor === null ? viewHref(view) : eventHref(view, cursor);
  const isCopied = await copyText(new URL(href, location.href).href);
  notice.set(
    isCopied
      ? { text: cursor === null ? "Link to this view copied" : "Link to the event copied", isProblem: false }
      : { text: "This browser does not let the page copy; take the address bar", isProblem: true },
  );
}
