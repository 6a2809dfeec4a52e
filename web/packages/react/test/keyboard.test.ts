import { expect, it } from "vitest";
import { type KeyPress, SHORTCUTS, shortcutOf } from "../src/timeline/keyboard.ts";

function press(key: string, change: Partial<KeyPress> = {}): KeyPress {
  const quiet = { ctrlKey: false, metaKey: false, altKey: false, isComposing: false, defaultPrevented: false };
  return { key, ...quiet, ...change };
}

it("means one thing by each key, and says what", () => {
  const keys = SHORTCUTS.flatMap((shortcut) => shortcut.keys);
  expect(new Set(keys).size).toBe(keys.length);
  for (const shortcut of SHORTCUTS) expect(shortcut.help).not.toBe("");
});

it("knows letters, their capitals and the keys of lists apart", () => {
  expect(shortcutOf(press("n"), true)?.id).toBe("next-hit");
  expect(shortcutOf(press("N"), true)?.id).toBe("previous-hit");
  expect(shortcutOf(press("G"), true)?.id).toBe("bottom");
  expect(shortcutOf(press("ArrowDown"), true)?.id).toBe("down");
  expect(shortcutOf(press("q"), true)).toBeNull();
});

it("leaves keys with modifiers, composed ones and taken ones alone", () => {
  for (const change of [{ ctrlKey: true }, { metaKey: true }, { altKey: true }, { isComposing: true }]) {
    expect(shortcutOf(press("c", change), true)).toBeNull();
  }
  expect(shortcutOf(press("c", { defaultPrevented: true }), true)).toBeNull();
});

it("hears no letter when letters are off, and still the keys of a list", () => {
  for (const key of ["j", "k", "e", "/", "?"]) expect(shortcutOf(press(key), false)).toBeNull();
  for (const key of ["ArrowDown", "Home", " ", "Enter", "Escape"]) expect(shortcutOf(press(key), false)).not.toBeNull();
});
