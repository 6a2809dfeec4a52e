/** What buttons in more than one place do. Each takes the workspace that it acts on. */
import type { Cursor } from "@todoki/react";
import { patternProblem } from "./kind-pattern.ts";
import { copyText } from "./lib/clipboard.ts";
import { type At, eventHref, type ViewState, viewHref } from "./url-state.ts";
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

/** How the two things that one walks through are called. */
const nouns = { hit: "hit", failure: "failure" } as const;

/** Goes to the next event that the query matches, or that tells of a failure, from where the list is. */
export async function stepTo({ list, notice }: Workspace, what: keyof typeof nouns, direction: 1 | -1): Promise<void> {
  const isFound = (await list.current?.find(what, direction)) ?? false;
  const where = direction === 1 ? "newer" : "older";
  if (!isFound) notice.set({ text: `No ${where} ${nouns[what]} is in memory`, isProblem: false });
}

/** Narrows the view to a value, or hides it: what a click on a value in an event does. */
export function addTerm({ store }: Workspace, term: string): void {
  store.change(narrowedBy(term, store.view.get().query), "push");
}

const onlyId = /^(agent|task|session|project):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const onlyKind = /^kind:([^"]+)$/;

/**
 * What a term changes. An id or a kind that alone is wanted is asked of the server, which has all of its events;
 * everything else is a term of the query, out of which its opposite goes.
 */
export function narrowedBy(term: string, query: string): Partial<ViewState> {
  const id = onlyId.exec(term);
  if (id) return { [id[1]!]: id[2] };
  const kind = onlyKind.exec(term)?.[1];
  if (kind !== undefined && patternProblem(kind) === null) return { kinds: [kind] };
  const opposite = term.startsWith("-") ? term.slice(1) : `-${term}`;
  const others = query
    .split(/\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/)
    .filter((one) => one !== "" && one !== term && one !== opposite);
  return { query: [...others, term].join(" ") };
}

/**
 * Copies the link to this view; or, with a cursor, to that event in it. A view that was paused by hand has no place in its
 * address, so the link gets the one that it stands at: whoever opens it sees what one sees here.
 */
export async function copyLink(workspace: Workspace, cursor: Cursor | null): Promise<void> {
  const { store, notice } = workspace;
  const view = store.view.get();
  const href = cursor === null ? viewHref({ ...view, at: placeOf(workspace) }) : eventHref(view, cursor);
  const isCopied = await copyText(new URL(href, location.href).href);
  notice.set(
    isCopied
      ? { text: cursor === null ? "Link to this view copied" : "Link to the event copied", isProblem: false }
      : { text: "This browser does not let the page copy; take the address bar", isProblem: true },
  );
}

/** Where the view stands: as its address says, else at the middle of the list while that is paused. */
function placeOf({ store, client, list }: Workspace): At | null {
  const { at } = store.view.get();
  const middle = client.rows.get().isFollowing ? null : (list.current?.middle() ?? null);
  return at ?? (middle && { cursor: middle.cursor });
}
