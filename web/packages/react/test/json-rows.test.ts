import { describe, expect, it } from "vitest";
import { type JsonRow, jsonRows, keyStep, type Opening } from "../src/timeline/json-rows.ts";
import { readJson } from "../src/timeline/json-text.ts";

const all: Opening = { isOpen: () => true, shown: () => 100 };

function rowsOf(value: unknown, opening = all): readonly JsonRow[] {
  return jsonRows(readJson(JSON.stringify(value)).root!, ["data"], opening);
}

const id = (...path: (string | number)[]) => JSON.stringify(["data", ...path]);

describe("the lines of a tree", () => {
  it("are the values that are open, from top to bottom, with their place among their siblings", () => {
    const rows = rowsOf({ a: [1, 2], b: null });
    expect(rows.map((row) => [row.id, row.level, row.position, row.siblings])).toEqual([
      [id(), 1, 1, 1],
      [id("a"), 2, 1, 2],
      [id("a", 0), 3, 1, 2],
      [id("a", 1), 3, 2, 2],
      [id("b"), 2, 2, 2],
    ]);
  });

  it("leave out what is in a closed value", () => {
    const rows = rowsOf({ a: { b: 1 } }, { ...all, isOpen: (at) => at === id() });
    expect(rows.map((row) => row.id)).toEqual([id(), id("a")]);
    expect(rows[1]).toMatchObject({ isOpen: false });
  });

  it("show the first hundred of a thousand, and a line for the rest", () => {
    const rows = rowsOf(Array.from({ length: 1000 }, (_, index) => index));
    expect(rows).toHaveLength(102);
    expect(rows.at(-1)).toMatchObject({ type: "more", hidden: 900, parent: id(), position: 101, siblings: 101 });
  });

  it("can be opened where a string is long, and not where a value is empty", () => {
    const rows = rowsOf({ long: "x".repeat(500), short: "x", none: {}, empty: [] });
    expect(rows.slice(1).map((row) => row.type === "value" && row.isOpen)).toEqual([true, null, null, null]);
  });
});

describe("a key in the tree", () => {
  const open = rowsOf({ a: [1], b: 2 });
  const closed = rowsOf({ a: [1], b: 2 }, { ...all, isOpen: (at) => at === id() });

  it("goes down and up, and stays at the ends", () => {
    expect(keyStep(open, id("a"), "ArrowDown")).toEqual({ go: id("a", 0) });
    expect(keyStep(open, id("a"), "ArrowUp")).toEqual({ go: id() });
    expect(keyStep(open, id("b"), "ArrowDown")).toBeNull();
    expect(keyStep(open, id(), "ArrowUp")).toBeNull();
  });

  it("goes to the first and to the last line", () => {
    expect(keyStep(open, id("a"), "Home")).toEqual({ go: id() });
    expect(keyStep(open, id("a"), "End")).toEqual({ go: id("b") });
  });

  it("opens to the right, and then goes in", () => {
    expect(keyStep(closed, id("a"), "ArrowRight")).toEqual({ toggle: id("a") });
    expect(keyStep(open, id("a"), "ArrowRight")).toEqual({ go: id("a", 0) });
    expect(keyStep(open, id("b"), "ArrowRight")).toBeNull();
  });

  it("closes to the left, and then goes out", () => {
    expect(keyStep(open, id("a"), "ArrowLeft")).toEqual({ toggle: id("a") });
    expect(keyStep(closed, id("a"), "ArrowLeft")).toEqual({ go: id() });
    expect(keyStep(open, id("a", 0), "ArrowLeft")).toEqual({ go: id("a") });
  });

  it("toggles what can be opened, and leaves other keys alone", () => {
    expect(keyStep(open, id("a"), "Enter")).toEqual({ toggle: id("a") });
    expect(keyStep(open, id("b"), " ")).toBeNull();
    expect(keyStep(open, id("a"), "x")).toBeNull();
  });
});
