import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { axisLabel, axisMarks, clockTime, duration, fullTime, timeAgo } from "../src/timeline/time.ts";

const noon = Date.UTC(2026, 1, 27, 12);

describe("times", () => {
  it("are of 24 hours and name their zone", () => {
    expect(clockTime(noon + 62_003, "utc")).toBe("12:01:02.003");
    expect(fullTime(noon, "utc")).toBe("2026-02-27 12:00:00.000 UTC");
  });

  it("say how long ago they were, and never that they are still to come", () => {
    expect(timeAgo(noon, noon + 400)).toBe("just now");
    expect(timeAgo(noon, noon + 61_000)).toBe("1 minute ago");
    expect(timeAgo(noon, noon + 3 * 86_400_000)).toBe("3 days ago");
    expect(timeAgo(noon, noon - 5_000)).toBe("just now");
  });

  it("are shown for any number", () => {
    fc.assert(
      fc.property(fc.double(), (time) => {
        expect(clockTime(time, "utc")).toMatch(/^\d\d:\d\d:\d\d\.\d{3}$/);
      }),
    );
  });

  it("have lengths in two units at most", () => {
    expect(duration(850)).toBe("850 ms");
    expect(duration(3400)).toBe("3.4 s");
    expect(duration(125_000)).toBe("2 min 5 s");
    expect(duration(3 * 3_600_000)).toBe("3 h");
  });
});

describe("the marks of an axis", () => {
  it("are within the span, evenly apart, and no more than were asked for", () => {
    const spans = fc.tuple(
      fc.integer({ min: 0, max: 2e12 }),
      fc.integer({ min: 1, max: 1e11 }),
      fc.integer({ min: 1, max: 20 }),
    );
    fc.assert(
      fc.property(spans, ([from, length, most]) => {
        const marks = axisMarks(from, from + length, most);
        expect(marks.length).toBeLessThanOrEqual(most);
        for (const mark of marks) expect(mark >= from && mark < from + length).toBe(true);
        const steps = new Set(marks.slice(1).map((mark, index) => mark - marks[index]!));
        expect(steps.size).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("fall on round times of the zone", () => {
    const offset = 5.5 * 3_600_000;
    for (const mark of axisMarks(noon, noon + 86_400_000, 8, offset)) expect((mark + offset) % 3_600_000).toBe(0);
    expect(axisMarks(noon + 1, noon + 900_000, 10)[0]).toBe(noon + 120_000);
  });

  it("are as exact as they are close", () => {
    expect(axisLabel(noon, 60_000, "utc")).toBe("12:00");
    expect(axisLabel(noon, 1000, "utc")).toBe("12:00:00");
    expect(axisLabel(noon, 100, "utc")).toBe("12:00:00.000");
    expect(axisLabel(noon, 86_400_000, "utc")).toBe("2026-02-27");
  });
});
