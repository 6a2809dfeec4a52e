import { describe, expect, it } from "vitest";
import { barOf, barsOf, countText, spanOf, tallest, windowsPerRow } from "../src/timeline/bars.ts";

const histogram = {
  from: 1000,
  windowMs: 10,
  families: ["agent", "task"],
  counts: [
    [1, 0, 5],
    [2, 0, 1],
  ],
  failures: [1, 0, 2],
  isComplete: true,
};

describe("the bars of a histogram", () => {
  it("have the events of all families in their window", () => {
    expect(barsOf(histogram)).toEqual([
      { from: 1000, to: 1010, total: 3, failures: 1, counts: [1, 2] },
      { from: 1010, to: 1020, total: 0, failures: 0, counts: [0, 0] },
      { from: 1020, to: 1030, total: 6, failures: 2, counts: [5, 1] },
    ]);
    expect(spanOf(histogram)).toEqual({ from: 1000, to: 1030 });
    expect(tallest(barsOf(histogram))).toBe(6);
  });

  it("join windows for a table, without losing the last ones", () => {
    expect(windowsPerRow(histogram, 2)).toBe(2);
    expect(barsOf(histogram, 2)).toMatchObject([
      { from: 1000, to: 1020, total: 3 },
      { from: 1020, to: 1030, total: 6, failures: 2 },
    ]);
  });

  it("are found by time, the last one also at the end", () => {
    const bars = barsOf(histogram);
    expect(barOf(bars, 1019)).toBe(bars[1]);
    expect(barOf(bars, 1030)).toBe(bars[2]);
    expect(barOf(bars, 999)).toBeNull();
    expect(barOf([], 1000)).toBeNull();
  });

  it("are told in words", () => {
    expect(countText(1, 0)).toBe("1 event");
    expect(countText(1234, 2)).toBe("1,234 events, 2 failed");
  });
});
