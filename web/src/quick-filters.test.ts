import { expect, test } from "vitest";
import { countOf, customPatterns, pressedFilters, pressFilters, quickFilters } from "./quick-filters.ts";

test("a pressed family is its pattern", () => {
  expect(pressFilters([], ["task", "agent"])).toEqual(["agent.*", "task.*"]);
  expect(pressedFilters(["agent.*", "task.*"])).toEqual(["task", "agent"]);
});

test("the system's button stands for its relays too", () => {
  expect(pressFilters([], ["system"])).toEqual(["relay.*", "system.*"]);
  expect(pressedFilters(["system.*"])).toEqual([]);
});

test("patterns of one's own stay when a family is pressed or let go", () => {
  expect(pressFilters(["build.*"], ["task"])).toEqual(["build.*", "task.*"]);
  expect(pressFilters(["build.*", "task.*"], [])).toEqual(["build.*"]);
  expect(customPatterns(["build.*", "task.*"])).toEqual(["build.*"]);
});

test("a kind within a pressed family is covered by it", () => {
  expect(pressFilters(["task.created"], ["task"])).toEqual(["task.*"]);
});

test("a button counts the kinds that it stands for", () => {
  const system = quickFilters.find((filter) => filter.family === "system")!;
  const kinds = ["relay.up", "system.relay_connected", "task.created"].map((value, index) => ({
    value,
    count: index + 1,
  }));
  expect(countOf(system, kinds)).toBe(3);
});
