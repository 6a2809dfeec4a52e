import { cell } from "@todoki/react";
import { beforeEach, expect, test, vi } from "vitest";
import type { Place, Router } from "./router.ts";
import { createViewStore, typingRestMs } from "./view-store.ts";

/** A router that remembers how it was told to go. */
function fakeRouter(href: string) {
  const place = cell<Place>(placeOf(href));
  const steps: string[] = [];
  const router: Router = {
    place,
    go(next, how) {
      steps.push(`${how} ${next}`);
      place.set(placeOf(next));
    },
  };
  return { router, steps, visit: (next: string) => place.set(placeOf(next)) };
}

function placeOf(href: string): Place {
  const url = new URL(href, "http://page.test");
  return { path: url.pathname, search: url.search };
}

beforeEach(() => {
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

const timers = {
  setTimeout: (callback: () => void, ms: number) => Number(setTimeout(callback, ms)),
  clearTimeout: (id: number) => clearTimeout(id),
};

test("the view begins as the address says", () => {
  const store = createViewStore(fakeRouter("/events?q=abc").router, timers);
  expect(store.view.get().query).toBe("abc");
});

test("typing is seen at once, and is in the address when it rests", () => {
  const { router, steps } = fakeRouter("/events");
  const store = createViewStore(router, timers);
  for (const query of ["a", "ab", "abc"]) {
    store.change({ query }, "typing");
    expect(store.view.get().query).toBe(query);
    vi.advanceTimersByTime(typingRestMs - 1);
  }
  expect(steps).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(steps).toEqual(["replace /events?q=abc"]);
});

test("a step away keeps what was typed in the entry that it was typed in", () => {
  const { router, steps } = fakeRouter("/events");
  const store = createViewStore(router, timers);
  store.change({ query: "a" }, "typing");
  store.change({ at: { cursor: 7 } }, "push");
  vi.advanceTimersByTime(typingRestMs);
  expect(steps).toEqual(["replace /events?q=a", "push /events?q=a&at=7"]);
});

test("a change that changes nothing makes no entry", () => {
  const { router, steps } = fakeRouter("/events?q=a");
  createViewStore(router, timers).change({ query: "a" }, "push");
  expect(steps).toEqual([]);
});

test("going back changes the view, and forgets what was being typed", () => {
  const { router, steps, visit } = fakeRouter("/events?q=a");
  const store = createViewStore(router, timers);
  store.change({ query: "ab" }, "typing");
  visit("/events?q=before");
  vi.advanceTimersByTime(typingRestMs);
  expect(store.view.get().query).toBe("before");
  expect(steps).toEqual([]);
});
