import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eventHref, initialView, isNarrowed, parseView, type ViewState, viewHref } from "./url-state.ts";

const id = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";

function parse(href: string): ViewState {
  const url = new URL(href, "http://page.test");
  return parseView(url.pathname, url.search);
}

const anyId = fc.option(fc.uuid().map((text) => text.toLowerCase()));
const anyCursor = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const anyView: fc.Arbitrary<ViewState> = fc.record({
  query: fc.string({ unit: "grapheme" }),
  mode: fc.constantFrom("filter", "mark"),
  kinds: fc.uniqueArray(fc.constantFrom("agent.*", "human.message", "task.*", "x-1.y_2*")).map((kinds) => kinds.sort()),
  agent: anyId,
  task: anyId,
  session: anyId,
  project: anyId,
  at: fc.option(
    fc.oneof(
      anyCursor.map((cursor) => ({ cursor })),
      fc.integer({ min: 0, max: 253_402_300_799_999 }).map((time) => ({ time })),
    ),
  ),
  selected: fc.option(anyCursor),
  clock: fc.constantFrom("local", "utc"),
  view: fc.constantFrom("list", "lanes"),
  laneKey: fc.constantFrom("agent", "task", "session"),
  density: fc.constantFrom("compact", "default", "comfortable"),
  span: fc.constantFrom("5m", "15m", "1h", "24h"),
});

describe("the URL is the view", () => {
  test("every view comes back from its address", () => {
    fc.assert(
      fc.property(anyView, (view) => {
        expect(parse(viewHref(view))).toEqual(view);
      }),
    );
  });
  test("the plain page has a plain address", () => {
    expect(viewHref(initialView)).toBe("/events");
    expect(parse("/events")).toEqual(initialView);
  });
  test("an address is readable", () => {
    const view: ViewState = {
      ...initialView,
      query: "kind:task.* -agent:7f3a",
      kinds: ["agent.*", "task.*"],
      clock: "utc",
    };
    expect(viewHref(view)).toBe("/events?q=kind:task.*%20-agent:7f3a&kinds=agent.*,task.*&t=utc");
  });
  test("characters that mean something in a query come through it", () => {
    for (const query of ["a&b=c", "#7", "100%", "1+1", "?", "/a b/", "ö"]) {
      expect(parse(viewHref({ ...initialView, query })).query).toBe(query);
    }
  });
});

describe("permalinks", () => {
  test("open around their event, with it selected", () => {
    expect(parse("/events/88012")).toEqual({ ...initialView, at: { cursor: 88012 }, selected: 88012 });
  });
  test("are the address of a view that stands at its selected event", () => {
    expect(eventHref({ ...initialView, query: "a" }, 7)).toBe("/events/7?q=a");
  });
  test("win over what the query says", () => {
    expect(parse("/events/7?at=9&sel=9")).toEqual({ ...initialView, at: { cursor: 7 }, selected: 7 });
  });
});

describe("what is malformed in an address is dropped", () => {
  test.each([
    "kinds=ta*sk,,.",
    "agent=7f3a",
    "task=x",
    "at=yesterday",
    "at=0",
    "at=-5",
    "sel=1e3",
    "sel=9007199254740993",
    "t=mars",
    "view=tree",
    "density=huge",
    "span=2y",
    "mode=",
    "unknown=1",
  ])("%s", (search) => expect(parse(`/events?${search}`)).toEqual(initialView));
  test("and what is right beside it stays", () => {
    expect(parse(`/events?kinds=task.*,ta*sk&agent=${id.toUpperCase()}`)).toEqual({
      ...initialView,
      kinds: ["task.*"],
      agent: id,
    });
  });
  test("no more patterns are read than the server takes", () => {
    const many = Array.from({ length: 80 }, (_, index) => `k${index}.a`).join(",");
    expect(parse(`/events?kinds=${many}`).kinds).toHaveLength(64);
  });
});

test("a view is narrowed by a query, kinds or an id, and by nothing else", () => {
  expect(isNarrowed(initialView)).toBe(false);
  expect(isNarrowed({ ...initialView, clock: "utc", selected: 4, at: { cursor: 4 } })).toBe(false);
  for (const patch of [
    { query: "a" },
    { kinds: ["a"] },
    { agent: id },
    { task: id },
    { session: id },
    { project: id },
  ]) {
    expect(isNarrowed({ ...initialView, ...patch })).toBe(true);
  }
});
