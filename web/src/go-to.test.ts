import { describe, expect, test } from "vitest";
import { parseGoTo } from "./go-to.ts";

const now = Date.parse("2026-02-27T10:30:00.000Z");
const read = (text: string, clock: "local" | "utc" = "utc") => parseGoTo(text, clock, now);
const at = (iso: string) => ({ type: "time", time: Date.parse(iso) });

describe("parseGoTo reads", () => {
  test.each([
    ["88012", 88012],
    ["#88,012", 88012],
    [" 1 ", 1],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
  ])("the cursor %j", (text, cursor) => expect(read(text)).toEqual({ type: "cursor", cursor }));
  test("now", () => expect(read("Now")).toEqual({ type: "now" }));
  test.each([
    ["-15m", "2026-02-27T10:15:00Z"],
    ["-2h", "2026-02-27T08:30:00Z"],
    ["-1d", "2026-02-26T10:30:00Z"],
    ["- 90 s", "2026-02-27T10:28:30Z"],
  ])("the span back %s", (text, iso) => expect(read(text)).toEqual(at(iso)));
  test.each([
    ["2026-02-27T09:00:00Z", "2026-02-27T09:00:00Z"],
    ["2026-02-27 09:00:00.250Z", "2026-02-27T09:00:00.250Z"],
    ["2026-02-27T09:00+02:00", "2026-02-27T07:00:00Z"],
    ["2026-02-27", "2026-02-27T00:00:00Z"],
    ["2026-02-27 09:00", "2026-02-27T09:00:00Z"],
    ["09:05", "2026-02-27T09:05:00Z"],
    ["9:05:07.5", "2026-02-27T09:05:07.500Z"],
  ])("the time %s on the UTC clock", (text, iso) => expect(read(text)).toEqual(at(iso)));
  test("a time without a zone on the local clock", () => {
    expect(read("2026-02-27 09:00", "local")).toEqual({ type: "time", time: new Date(2026, 1, 27, 9).getTime() });
    expect(read("09:00", "local")).toEqual({ type: "time", time: new Date(now).setHours(9, 0, 0, 0) });
  });
});

describe("parseGoTo says what is wrong with", () => {
  test.each([
    "",
    "0",
    "9007199254740992",
    "tomorrow",
    "25:00",
    "10:61",
    "2026-13-01",
    "-15",
    "-15y",
    "-999999999d",
    "1.5",
  ])("%j", (text) => expect(read(text)).toEqual({ type: "problem", message: expect.any(String) }));
});
