/**
 * Views that one gave a name: addresses, kept in this browser.
 *
 * An address says the whole view, so nothing else needs keeping, and a saved view can be sent to somebody as it is.
 */
import { cell, type Slice } from "@todoki/react";
import { keep, kept } from "./storage.ts";

/** A name and the address of a view, path and query. */
export interface SavedView {
  readonly name: string;
  readonly href: string;
}

const key = "todoki-views";

/** Views that are kept: more than a menu shows well would be a list that nobody reads. */
const maxViews = 24;

/** Characters of a name. */
export const maxNameLength = 60;

const views = cell<readonly SavedView[]>(parseViews(kept("local", key)));

/** The saved views, by name. */
export const savedViews: Slice<readonly SavedView[]> = views;

/** Saves a view, in the place of one of the same name. */
export function saveView(view: SavedView): void {
  store(withView(views.get(), view));
}

/** Forgets the view of that name. */
export function forgetView(name: string): void {
  store(views.get().filter((view) => view.name !== name));
}

/** The views with one more, by name; the new one wins over one of its name, and the list stays within its bound. */
export function withView(all: readonly SavedView[], view: SavedView): readonly SavedView[] {
  const others = all.filter((one) => one.name !== view.name).slice(-(maxViews - 1));
  return [...others, view].sort((a, b) => a.name.localeCompare(b.name));
}

/** The views in a kept text; what is not a view of this app is left out. */
export function parseViews(text: string | null): readonly SavedView[] {
  let found: unknown;
  try {
    found = JSON.parse(text ?? "[]");
  } catch {
    return [];
  }
  return Array.isArray(found) ? found.filter(isView).slice(0, maxViews) : [];
}

function isView(value: unknown): value is SavedView {
  if (typeof value !== "object" || value === null || !("name" in value) || !("href" in value)) return false;
  return (
    typeof value.name === "string" && typeof value.href === "string" && /^\/events[/?]|^\/events$/.test(value.href)
  );
}

function store(next: readonly SavedView[]): void {
  keep("local", key, JSON.stringify(next));
  views.set(next);
}
