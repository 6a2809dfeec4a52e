import { expect, test } from "vitest";
import { titleOf } from "./title.ts";

test("the title is the name while the list follows", () => {
  expect(titleOf("live", true, 12)).toBe("Todoki");
});
test("the title counts what came during a pause", () => {
  expect(titleOf("live", false, 3)).toBe("(3 new) Todoki");
  expect(titleOf("live", false, 0)).toBe("Todoki");
  expect(titleOf("lagging", false, 12_345)).toBe("(12.3K new) Todoki");
});
test("the title says when there is no stream", () => {
  expect(titleOf("disconnected", false, 3)).toBe("Offline · Todoki");
  expect(titleOf("unauthorized", true, 0)).toBe("Sign in · Todoki");
  expect(titleOf("expired", true, 0)).toBe("Token expired · Todoki");
  expect(titleOf("limited", true, 0)).toBe("Rate limited · Todoki");
});
