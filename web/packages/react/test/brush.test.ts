import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { brushOf, moveHead, timeAt, windowAt, xAt } from "../src/timeline/brush.ts";

const scale = { from: 1000, to: 2000, width: 500 };

describe("a scale", () => {
  it("leads from pixels to times and back", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 500, noNaN: true }), (x) => {
        expect(xAt(scale, timeAt(scale, x))).toBeCloseTo(x, 6);
      }),
    );
  });

  it("stays within the strip, also before it has a width", () => {
    expect(timeAt(scale, -20)).toBe(1000);
    expect(timeAt(scale, 900)).toBe(2000);
    expect(timeAt({ ...scale, width: 0 }, 10)).toBe(1000);
  });
});

describe("a brush", () => {
  it("covers whole windows, within the strip, whichever way it was drawn", () => {
    const time = fc.integer({ min: 0, max: 3000 });
    fc.assert(
      fc.property(time, time, fc.integer({ min: 1, max: 400 }), (anchor, head, windowMs) => {
        const brush = brushOf({ anchor, head }, scale, windowMs)!;
        expect(brush.to).toBeGreaterThan(brush.from);
        expect(brush.from).toBeGreaterThanOrEqual(scale.from);
        expect(brush.to).toBeLessThanOrEqual(scale.to);
        expect((brush.from - scale.from) % windowMs).toBe(0);
        expect(brushOf({ anchor: head, head: anchor }, scale, windowMs)).toEqual(brush);
        const inside = Math.min(Math.max(anchor, scale.from), scale.to);
        expect(inside >= brush.from && inside <= brush.to).toBe(true);
      }),
    );
  });

  it("is one window where both ends are the same time", () => {
    expect(brushOf({ anchor: 1200, head: 1200 }, scale, 100)).toEqual({ from: 1200, to: 1300 });
    expect(brushOf({ anchor: 2000, head: 2000 }, scale, 300)).toEqual({ from: 1900, to: 2000 });
  });

  it("is none while nothing is being chosen", () => {
    expect(brushOf({ anchor: null, head: 1200 }, scale, 100)).toBeNull();
  });
});

describe("the head of a brush", () => {
  it("moves by steps and stops at the ends", () => {
    expect(moveHead({ anchor: null, head: 1950 }, scale, 100, false)).toEqual({ anchor: null, head: 2000 });
    expect(moveHead({ anchor: 1500, head: 1050 }, scale, -100, false)).toEqual({ anchor: null, head: 1000 });
  });

  it("leaves the other end where it began when it extends", () => {
    const begun = moveHead({ anchor: null, head: 1500 }, scale, 100, true);
    expect(begun).toEqual({ anchor: 1500, head: 1600 });
    expect(moveHead(begun, scale, -300, true)).toEqual({ anchor: 1500, head: 1300 });
  });
});

describe("a window", () => {
  it("is the one that holds the time, and the last one at the end", () => {
    expect(windowAt(scale, 300, 1000)).toEqual({ from: 1000, to: 1300 });
    expect(windowAt(scale, 300, 1299)).toEqual({ from: 1000, to: 1300 });
    expect(windowAt(scale, 300, 2000)).toEqual({ from: 1900, to: 2000 });
    expect(windowAt(scale, 300, 5)).toEqual({ from: 1000, to: 1300 });
  });
});
