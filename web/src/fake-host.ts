import type { Host } from "./router.ts";

/** A window with a history of its own that can be gone back in, for tests that are not to move the page that runs them. */
export function fakeHost(href: string, base = "http://page.test"): Host & { back(): void; readonly entries: string[] } {
  const entries = [href];
  const listeners: (() => void)[] = [];
  const url = () => new URL(entries.at(-1)!, base);
  return {
    entries,
    location: {
      get pathname() {
        return url().pathname;
      },
      get search() {
        return url().search;
      },
    },
    history: {
      pushState: (_state, _title, next) => void entries.push(String(next)),
      replaceState: (_state, _title, next) => void entries.splice(-1, 1, String(next)),
    },
    addEventListener: (_type, listener) => void listeners.push(listener),
    back() {
      entries.pop();
      for (const listener of listeners) listener();
    },
  };
}
