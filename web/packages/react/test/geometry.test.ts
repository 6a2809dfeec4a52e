import { expect, it } from "vitest";
import {
  carriedTop,
  contentHeight,
  type Extent,
  fullHeight,
  lastTop,
  lineOf,
  MAX_CONTENT_PX,
  placeOf,
  placesFrom,
  scrollOfTop,
  slotsFor,
  startInView,
  topOfNow,
  topOfScroll,
  topToCenter,
  topToShow,
} from "../src/timeline/geometry.ts";

const oldest: Extent = { first: -20, next: 980, rowHeight: 28, order: "oldest-first", lead: 44, tail: 0 };
const newest: Extent = { ...oldest, order: "newest-first", lead: 0, tail: 44 };

it("turns a line into its place and back, in both orders", () => {
  for (const extent of [oldest, newest]) {
    for (const line of [0, 1, 500, 999]) expect(lineOf(placeOf(line, extent), extent)).toBe(line);
  }
  expect(placeOf(0, oldest)).toBe(-20);
  expect(placeOf(0, newest)).toBe(979);
});

it("keeps what is on top where it is when lines are added or dropped at either end", () => {
  const top = 44 + 300 * 28 + 7;
  for (const extent of [oldest, newest]) {
    const kept = placeOf(Math.floor((top - extent.lead) / 28), extent);
    const offset = top - (extent.lead + lineOf(kept, extent) * 28);
    const changes = [{ first: -520 }, { first: 100 }, { next: 2000 }, { first: -520, next: 2000 }];
    for (const change of changes) {
      const after = { ...extent, ...change };
      const carried = carriedTop(top, extent, after);
      expect(carried - (after.lead + lineOf(kept, after) * 28)).toBe(offset);
    }
  }
});

it("keeps the line on top when rows become higher or the order turns", () => {
  const top = 44 + 300 * 28;
  const high = { ...oldest, rowHeight: 40 };
  expect(carriedTop(top, oldest, high)).toBe(44 + 300 * 40);
  const edge = oldest.first + 300;
  expect(carriedTop(top, oldest, newest)).toBe((newest.next - edge) * 28);
});

it("draws the lines of the view and some around them, and none that are not there", () => {
  const slots = slotsFor(280, 28, 6);
  expect(slots).toBe(10 + 1 + 12);
  const start = startInView(44 + 100 * 28, oldest, slots, 6);
  expect(placesFrom(start, slots, oldest)).toEqual({ from: -20 + 94, to: -20 + 94 + 23 });
  expect(placesFrom(startInView(0, oldest, slots, 6), slots, oldest).from).toBe(-20);
  const atNow = startInView(topOfNow(oldest, 280), oldest, slots, 6);
  expect(placesFrom(atNow, slots, oldest).to).toBe(980);
  const newestFirst = placesFrom(startInView(0, newest, slots, 6), slots, newest);
  expect(newestFirst.to).toBe(980);
  expect(newestFirst.to - newestFirst.from).toBeGreaterThanOrEqual(11);
});

it("draws every line of the view wherever the view is", () => {
  const room = 301;
  const slots = slotsFor(room, 28, 6);
  for (const extent of [oldest, newest]) {
    for (let top = 0; top <= lastTop(extent, room); top += 13) {
      const drawn = placesFrom(startInView(top, extent, slots, 6), slots, extent);
      for (let y = Math.max(top, extent.lead); y < Math.min(top + room, extent.lead + 1000 * 28); y += 28) {
        const place = placeOf(Math.floor((y - extent.lead) / 28), extent);
        expect(place >= drawn.from && place < drawn.to).toBe(true);
      }
    }
  }
});

it("scrolls more lines than a browser has pixels for, in proportion and to both ends", () => {
  const huge: Extent = { ...oldest, first: 0, next: 524_288, rowHeight: 52 };
  const room = 600;
  expect(fullHeight(huge)).toBeGreaterThan(MAX_CONTENT_PX);
  expect(contentHeight(huge)).toBe(MAX_CONTENT_PX);
  expect(topOfScroll(MAX_CONTENT_PX - room, huge, room)).toBeCloseTo(lastTop(huge, room), 3);
  expect(topOfScroll(0, huge, room)).toBe(0);
  expect(scrollOfTop(topOfScroll(1_234_567, huge, room), huge, room)).toBeCloseTo(1_234_567, 6);
});

it("brings a line into view by the shortest way, or into the middle", () => {
  expect(topToShow(-20, 1000, oldest, 280)).toBe(44);
  expect(topToShow(80, 44 + 95 * 28, oldest, 280)).toBe(44 + 95 * 28);
  expect(topToShow(80, 0, oldest, 280)).toBe(44 + 101 * 28 - 280);
  expect(topToCenter(480, oldest, 280)).toBe(44 + 500.5 * 28 - 140);
  expect(topToCenter(-20, oldest, 280)).toBe(0);
});
