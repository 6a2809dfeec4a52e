import { describe, expect, test, vi } from "vitest";
import { createRouter, type Host, routeOf } from "./router.ts";

/** A window with a history that can be gone back in. */
function fakeHost(href: string): Host & { back(): void; readonly entries: string[] } {
  const entries = [href];
  const listeners: (() => void)[] = [];
  const url = () => new URL(entries.at(-1)!, "http://page.test");
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

describe("routeOf", () => {
  test("the root and /events are the page of events", () => {
    for (const path of ["/", "/events", "/events/"]) expect(routeOf(path)).toEqual({ page: "events", cursor: null });
  });
  test("a cursor below /events is a permalink", () => {
    expect(routeOf("/events/88012")).toEqual({ page: "events", cursor: 88012 });
    expect(routeOf("/events/9007199254740991")).toEqual({ page: "events", cursor: Number.MAX_SAFE_INTEGER });
  });
  test.each([
    "/events/0",
    "/events/-1",
    "/events/1.5",
    "/events/abc",
    "/events/9007199254740992",
    "/event",
    "/events/1/2",
  ])("%s is no page", (path) => expect(routeOf(path)).toEqual({ page: "not-found" }));
});

describe("createRouter", () => {
  test("a push makes an entry and tells those who listen", () => {
    const host = fakeHost("/events");
    const router = createRouter(host);
    const listener = vi.fn();
    router.place.subscribe(listener);
    router.go("/events?q=a", "push");
    expect(router.place.get()).toEqual({ path: "/events", search: "?q=a" });
    expect(host.entries).toEqual(["/events", "/events?q=a"]);
    expect(listener).toHaveBeenCalledOnce();
  });
  test("a replacement makes no entry", () => {
    const host = fakeHost("/events");
    createRouter(host).go("/events?q=a", "replace");
    expect(host.entries).toEqual(["/events?q=a"]);
  });
  test("going where one is makes no entry", () => {
    const host = fakeHost("/events?q=a");
    createRouter(host).go("/events?q=a", "push");
    expect(host.entries).toEqual(["/events?q=a"]);
  });
  test("going back is told", () => {
    const host = fakeHost("/events");
    const router = createRouter(host);
    router.go("/events/7", "push");
    host.back();
    expect(router.place.get()).toEqual({ path: "/events", search: "" });
  });
});
