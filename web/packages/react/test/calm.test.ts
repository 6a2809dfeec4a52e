import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { cell } from "../src/slice.ts";
import { calm } from "../src/timeline/calm.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

it("shows what can wait four times a second, and the newest of it", () => {
  const source = cell(0);
  const slow = calm(source, 250, () => true);
  const seen: number[] = [];
  const stop = slow.subscribe(() => seen.push(slow.get()));
  for (let i = 1; i <= 100; i++) {
    source.set(i);
    vi.advanceTimersByTime(10);
  }
  expect(seen).toEqual([1, 25, 50, 75, 100]);
  vi.advanceTimersByTime(250);
  expect(slow.get()).toBe(100);
  stop();
});

it("shows at once what cannot wait", () => {
  const source = cell(0);
  const slow = calm(source, 250, (next) => next % 2 === 1);
  const stop = slow.subscribe(() => {});
  source.set(1);
  source.set(3);
  expect(slow.get()).toBe(1);
  source.set(4);
  expect(slow.get()).toBe(4);
  stop();
});

it("leaves no timer when nobody listens any more", () => {
  const source = cell(0);
  const slow = calm(source, 250, () => true);
  const stop = slow.subscribe(() => {});
  source.set(1);
  source.set(2);
  expect(vi.getTimerCount()).toBe(1);
  stop();
  expect(vi.getTimerCount()).toBe(0);
  expect(slow.get()).toBe(2);
});
