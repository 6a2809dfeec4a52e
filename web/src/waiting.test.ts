import { expect, test } from "vitest";
import { readPermissions, waitingAmong } from "./waiting.ts";

const now = Date.parse("2026-02-27T10:00:00Z");

function event(cursor: number, end: string, requestId: string, time = "2026-02-27T09:59:00Z") {
  return { type: "event", cursor, kind: `permission.${end}`, time, data: { request_id: requestId } };
}

function waiting(...events: unknown[]) {
  return waitingAmong(readPermissions({ events }), now);
}

test("a request waits until an event ends it, whichever", () => {
  const asked = [event(1, "requested", "a"), event(2, "requested", "b"), event(3, "requested", "c")];
  expect(waiting(...asked)).toEqual([1, 2, 3]);
  expect(waiting(...asked, event(4, "responded", "b"))).toEqual([1, 3]);
  expect(waiting(...asked, event(4, "expired", "a"), event(5, "cancelled", "c"))).toEqual([2]);
});

test("a request of yesterday waits no more", () => {
  expect(waiting(event(1, "requested", "a", "2026-02-26T09:59:59Z"), event(2, "requested", "b"))).toEqual([2]);
});

test("what is no event about a permission is left out", () => {
  expect(
    waiting(null, 7, {}, { cursor: 1, kind: "permission.requested", data: {} }, event(2, "requested", "b")),
  ).toEqual([2]);
  expect(readPermissions(null)).toEqual([]);
  expect(readPermissions({ events: "none" })).toEqual([]);
});
