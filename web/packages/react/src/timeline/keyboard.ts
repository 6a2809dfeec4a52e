/**
 * The keys of the timeline: one table that says what each does, in words too, and which of them a key press means.
 *
 * The list obeys those of scope `list`; those of scope `app` are handed to whoever surrounds it. Nothing here acts.
 */

/** Everything that a key can ask for. */
export type ShortcutId =
  | "down"
  | "up"
  | "page-down"
  | "page-up"
  | "top"
  | "bottom"
  | "pause"
  | "open"
  | "close"
  | "next-hit"
  | "previous-hit"
  | "next-failure"
  | "previous-failure"
  | "next-related"
  | "previous-related"
  | "hide-kind"
  | "copy"
  | "copy-link"
  | "density"
  | "time-zone"
  | "search"
  | "lanes"
  | "help";

export interface Shortcut {
  readonly id: ShortcutId;
  /** Values of `KeyboardEvent.key`. */
  readonly keys: readonly string[];
  /** How the help shows them. */
  readonly label: string;
  readonly help: string;
  readonly group: "Move" | "Read" | "Find" | "View";
  readonly scope: "list" | "app";
  /** Keys of one letter could be typed or spoken by mistake, and can be turned off; the others belong to any list. */
  readonly isLetter: boolean;
}

type Line = readonly [id: ShortcutId, keys: readonly string[], label: string, help: string];

function group(name: Shortcut["group"], scope: Shortcut["scope"], lines: readonly Line[]): readonly Shortcut[] {
  return lines.map(([id, keys, label, help]) => ({
    id,
    keys,
    label,
    help,
    group: name,
    scope,
    isLetter: keys.some((key) => key.length === 1 && key !== " "),
  }));
}

/** The table, in the order of the help. */
export const SHORTCUTS: readonly Shortcut[] = [
  ...group("Move", "list", [
    ["down", ["ArrowDown"], "↓", "Next line"],
    ["down", ["j"], "j", "Next line"],
    ["up", ["ArrowUp"], "↑", "Line before"],
    ["up", ["k"], "k", "Line before"],
    ["page-down", ["PageDown"], "PgDn", "A screen down"],
    ["page-up", ["PageUp"], "PgUp", "A screen up"],
    ["top", ["Home"], "Home", "First line; loads older ones"],
    ["top", ["g"], "g", "First line; loads older ones"],
    ["bottom", ["End"], "End", "Newest event, and follow"],
    ["bottom", ["G"], "G", "Newest event, and follow"],
  ]),
  ...group("Read", "list", [
    ["pause", [" "], "Space", "Pause, or follow again"],
    ["open", ["Enter"], "Enter", "Open the event; load what a gap left out"],
    ["close", ["Escape"], "Esc", "Close the event"],
    ["copy", ["c"], "c", "Copy the event as JSON"],
    ["copy-link", ["y"], "y", "Copy a link to the event"],
  ]),
  ...group("Find", "list", [
    ["next-hit", ["n"], "n", "Next match"],
    ["previous-hit", ["N"], "N", "Match before"],
    ["next-failure", ["e"], "e", "Next failure"],
    ["previous-failure", ["E"], "E", "Failure before"],
    ["next-related", ["o"], "o", "Next event of the same task, session or agent"],
    ["previous-related", ["O"], "O", "Event before of the same task, session or agent"],
    ["hide-kind", ["x"], "x", "Hide this kind"],
  ]),
  ...group("Find", "app", [["search", ["/"], "/", "Search"]]),
  ...group("View", "list", [
    ["density", ["d"], "d", "Row height"],
    ["time-zone", ["t"], "t", "Local time or UTC"],
  ]),
  ...group("View", "app", [
    ["lanes", ["l"], "l", "Lanes"],
    ["help", ["?"], "?", "Keys"],
  ]),
];

const byKey = new Map(SHORTCUTS.flatMap((shortcut) => shortcut.keys.map((key) => [key, shortcut] as const)));

/** What of a `KeyboardEvent` the meaning of a key depends on. */
export interface KeyPress {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly isComposing: boolean;
  readonly defaultPrevented: boolean;
}

/** The shortcut that a key press means, null when it means none. */
export function shortcutOf(press: KeyPress, areLettersOn: boolean): Shortcut | null {
  if (press.ctrlKey || press.metaKey || press.altKey || press.isComposing || press.defaultPrevented) return null;
  const shortcut = byKey.get(press.key) ?? null;
  return shortcut?.isLetter === true && !areLettersOn ? null : shortcut;
}

const TYPED_INTO = "input, textarea, select, [contenteditable], [role=textbox], [role=combobox], [role=searchbox]";
/** Things with keys of their own: what they do not take is not ours either. */
const OWN_KEYS =
  "[role=tree], [role=menu], [role=listbox], [role=dialog], [role=slider], [role=toolbar], [role=radiogroup]";
const PRESSED = "a[href], button, summary, [role=button], [role=tab]";

/** Whether a key press at this element is for the element and not for the list. */
export function isTakenBy(target: Element, shortcut: Shortcut): boolean {
  if (target.closest(`${TYPED_INTO}, [aria-modal=true]`) !== null) return true;
  if (shortcut.id === "close") return target.closest("[role=menu], [role=listbox], [role=dialog]") !== null;
  if (target.closest(OWN_KEYS) !== null) return !shortcut.isLetter;
  return (shortcut.id === "pause" || shortcut.id === "open") && target.closest(PRESSED) !== null;
}
