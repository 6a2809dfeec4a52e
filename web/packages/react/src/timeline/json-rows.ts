/**
 * The lines of a JSON tree: which of its values are shown, given what is open. Pure; `json-tree` draws them.
 *
 * Only what is open becomes a line, so a large value costs what one looks at.
 */
import type { JsonNode, JsonPath } from "./json-text.ts";

/** One line of the tree. */
export type JsonRow = ValueRow | MoreRow;

interface RowPlace {
  /** The path as text, which is the same for the same value of the next event. */
  readonly id: string;
  /** The line of the value that holds it; null for the first. */
  readonly parent: string | null;
  /** From 1, as are `position` and `siblings`, for those who hear the tree. */
  readonly level: number;
  readonly position: number;
  readonly siblings: number;
}

export interface ValueRow extends RowPlace {
  readonly type: "value";
  readonly path: JsonPath;
  /** The last step of the path. */
  readonly name: string;
  readonly node: JsonNode;
  /** Whether it is open; null when there is nothing to open. */
  readonly isOpen: boolean | null;
}

/** Stands for children that are not shown yet. */
interface MoreRow extends RowPlace {
  readonly type: "more";
  readonly hidden: number;
}

/** What is open, and how many children of each value are shown. */
export interface Opening {
  isOpen(id: string, node: JsonNode, level: number): boolean;
  shown(id: string): number;
}

/** Children shown at first and added by each `more`: a screen or two, so that an array of 10,000 opens at once. */
export const CHILDREN_AT_ONCE = 100;

/** Strings longer than this are folded: about three lines of a panel. */
export const FOLDED_CHARACTERS = 160;

/** The lines, from top to bottom. */
export function jsonRows(root: JsonNode, rootPath: JsonPath, opening: Opening): readonly JsonRow[] {
  const rows: JsonRow[] = [];
  add(rows, root, rootPath, { parent: null, level: 1, position: 1, siblings: 1 }, opening);
  return rows;
}

function add(rows: JsonRow[], node: JsonNode, path: JsonPath, place: Omit<RowPlace, "id">, opening: Opening): void {
  const id = JSON.stringify(path);
  const isOpen = canOpen(node) ? opening.isOpen(id, node, place.level) : null;
  rows.push({ type: "value", id, path, name: String(path.at(-1) ?? ""), node, isOpen, ...place });
  if (!isOpen) return;
  const children = childrenOf(node);
  const shown = Math.min(children.length, opening.shown(id));
  const siblings = shown < children.length ? shown + 1 : shown;
  const inner = { parent: id, level: place.level + 1, siblings };
  children.slice(0, shown).forEach(([step, child], index) => {
    add(rows, child, [...path, step], { ...inner, position: index + 1 }, opening);
  });
  if (shown < children.length) {
    rows.push({ type: "more", id: `${id} more`, hidden: children.length - shown, position: siblings, ...inner });
  }
}

/** Names or places, and values, of what a value holds. */
export function childrenOf(node: JsonNode): readonly (readonly [step: string | number, child: JsonNode])[] {
  if (node.type === "object") return node.members.map((each) => [each.key, each.value]);
  return node.type === "array" ? node.items.map((each, index) => [index, each]) : [];
}

function canOpen(node: JsonNode): boolean {
  if (node.type === "string") return node.value.length > FOLDED_CHARACTERS;
  return childrenOf(node).length > 0;
}

/** Where a key leads: to another line, or to opening or closing this one; null when it means nothing here. */
export type Step = { readonly go: string } | { readonly toggle: string } | null;

/** What a key does on the line `id`, by the tree pattern of the ARIA practices. */
export function keyStep(rows: readonly JsonRow[], id: string, key: string): Step {
  const index = Math.max(
    0,
    rows.findIndex((row) => row.id === id),
  );
  const row = rows[index];
  if (!row) return null;
  const isOpen = row.type === "more" ? false : row.isOpen;
  switch (key) {
    case "ArrowDown":
      return go(rows[index + 1]);
    case "ArrowUp":
      return go(rows[index - 1]);
    case "Home":
      return go(rows[0]);
    case "End":
      return go(rows.at(-1));
    case "ArrowRight":
      if (isOpen === false) return { toggle: row.id };
      return rows[index + 1]?.parent === row.id ? go(rows[index + 1]) : null;
    case "ArrowLeft":
      if (isOpen) return { toggle: row.id };
      return row.parent === null ? null : { go: row.parent };
    case "Enter":
    case " ":
      return isOpen === null ? null : { toggle: row.id };
    default:
      return null;
  }
}

function go(row: JsonRow | undefined): Step {
  return row ? { go: row.id } : null;
}
