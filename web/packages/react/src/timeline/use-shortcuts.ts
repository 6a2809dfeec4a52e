/**
 * Has the keys of the table do what they say.
 */
import { type RefObject, useEffect, useRef } from "react";
import { isTakenBy, type Shortcut, shortcutOf } from "./keyboard.ts";

/** Where keys are heard: in the timeline, on the whole page, or only those that any list has. */
export type ShortcutScope = boolean | "page";

/** Calls `act` for each key of the table that is pressed where the scope says. It returns whether the key meant something. */
export function useShortcuts(
  root: RefObject<HTMLElement | null>,
  scope: ShortcutScope,
  act: (shortcut: Shortcut) => boolean,
): void {
  const latest = useRef(act);
  useEffect(() => {
    latest.current = act;
  });
  useEffect(() => {
    const hearing = scope === "page" ? document : root.current;
    if (hearing === null) return;
    const press = (event: Event) => {
      if (!(event instanceof KeyboardEvent) || !(event.target instanceof Element)) return;
      const shortcut = shortcutOf(event, scope !== false);
      if (shortcut === null || isTakenBy(event.target, shortcut)) return;
      if (latest.current(shortcut)) event.preventDefault();
    };
    hearing.addEventListener("keydown", press);
    return () => hearing.removeEventListener("keydown", press);
  }, [root, scope]);
}
