import { expect, test } from "vitest";
import { loaded } from "./lazy-part.ts";

test("a part that cannot be loaded is asked for again, with longer and longer waits, until it is there", async () => {
  const waits: number[] = [];
  let attempts = 0;
  const load = async () => {
    attempts += 1;
    if (attempts <= 7) throw new TypeError("Failed to fetch dynamically imported module");
    return "part";
  };
  expect(await loaded(load, async (ms) => void waits.push(ms))).toBe("part");
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});
