import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BAR_ROWS,
  extentOf,
  laneBars,
  marksOf,
  nearestTick,
  stepTick,
  type Tick,
} from "../src/timeline/lane-layout.ts";

const scale = { from: 1000, to: 2000, width: 100 };

const tick = (cursor: number, time: number, isFailure = false): Tick => ({
  cursor,
  time,
  kind: "task.created",
  isFailure,
});

const anySpan = fc
  .tuple(fc.integer({ min: 0, max: 3000 }), fc.option(fc.integer({ min: 0, max: 2000 })), fc.boolean())
  .map(([from, length, isFailure]) => ({
    kind: "task.created",
    from,
    to: length === null ? null : from + length,
    isFailure,
  }));

describe("the marks of a lane", () => {
  it("are one for each pixel, of those that are in sight", () => {
    const marks = marksOf([tick(1, 500), tick(2, 1001), tick(3, 1002), tick(4, 1500)], scale);
    expect(marks.map((mark) => mark.x)).toEqual([0, 50]);
  });

  it("show a failure whatever else is on its pixel", () => {
    expect(marksOf([tick(1, 1001, true), tick(2, 1002)], scale)).toMatchObject([{ x: 0, isFailure: true }]);
    expect(marksOf([tick(1, 1001), tick(2, 1002, true)], scale)).toMatchObject([{ x: 0, isFailure: true }]);
  });
});

describe("the bars of a lane", () => {
  it("lie within the strip, on the rows that there are, and can be seen", () => {
    fc.assert(
      fc.property(fc.array(anySpan), (spans) => {
        for (const bar of laneBars(spans, scale)) {
          expect(bar.left).toBeGreaterThanOrEqual(0);
          expect(bar.right).toBeLessThanOrEqual(scale.width + 1);
          expect(bar.right - bar.left).toBeGreaterThanOrEqual(1);
          expect(bar.row >= 0 && bar.row < BAR_ROWS).toBe(true);
        }
      }),
    );
  });

  it("lie on different rows while they overlap, as long as there are rows", () => {
    const spans = [
      { kind: "a.started", from: 1000, to: 1500, isFailure: false },
      { kind: "b.started", from: 1200, to: null, isFailure: false },
      { kind: "c.started", from: 1600, to: 1700, isFailure: true },
    ];
    expect(laneBars(spans, scale)).toEqual([
      { left: 0, right: 50, row: 0, kind: "a.started", isFailure: false, isOpen: false },
      { left: 20, right: 100, row: 1, kind: "b.started", isFailure: false, isOpen: true },
      { left: 60, right: 70, row: 0, kind: "c.started", isFailure: true, isOpen: false },
    ]);
  });
});

describe("a tick", () => {
  const ticks = [tick(10, 1000), tick(20, 1400), tick(30, 1410)];

  it("is the nearest within reach, and none beyond", () => {
    expect(nearestTick(ticks, 1402, 10)?.cursor).toBe(20);
    expect(nearestTick(ticks, 1200, 10)).toBeNull();
    expect(nearestTick([], 1200, 1000)).toBeNull();
  });

  it("is stepped to in order, from the end that one comes from, up to the last", () => {
    expect(stepTick(ticks, null, -1)?.cursor).toBe(30);
    expect(stepTick(ticks, null, 1)?.cursor).toBe(10);
    expect(stepTick(ticks, tick(20, 1400), 1)?.cursor).toBe(30);
    expect(stepTick(ticks, tick(20, 1400), -1)?.cursor).toBe(10);
    expect(stepTick(ticks, tick(30, 1410), 1)).toBeNull();
  });

  it("is stepped to from an event that has left the lane", () => {
    expect(stepTick(ticks, tick(15, 1100), 1)?.cursor).toBe(20);
    expect(stepTick(ticks, tick(15, 1100), -1)?.cursor).toBe(10);
  });
});

describe("the extent of lanes", () => {
  it("holds every tick and span, and has a width", () => {
    const lane = { id: "a", events: 1, ticks: [tick(1, 1500)], spans: [] };
    expect(extentOf([lane])).toEqual({ from: 1500, to: 1501 });
    const spans = [{ kind: "task.created", from: 900, to: null, isFailure: false }];
    expect(extentOf([{ ...lane, spans }])).toEqual({ from: 900, to: 1500 });
    expect(extentOf([])).toBeNull();
  });
});
