/**
 * What a browser keeps for the page, where it may: a browser that refuses storage gives a page that forgets, not one
 * that fails.
 */

/** The value kept under `key`, if any. */
export function kept(area: "local" | "session", key: string): string | null {
  try {
    return storage(area).getItem(key);
  } catch {
    return null;
  }
}

/** Keeps a value under `key`; null forgets it. */
export function keep(area: "local" | "session", key: string, value: string | null): void {
  try {
    if (value === null) storage(area).removeItem(key);
    else storage(area).setItem(key, value);
  } catch {
    // Said in the head of the file: the page forgets, and works on.
  }
}

function storage(area: "local" | "session"): Storage {
  return area === "local" ? localStorage : sessionStorage;
}
