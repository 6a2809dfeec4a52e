import { expect, it } from "vitest";
import type { Phase, Status } from "../src/event-client.ts";
import { pillOf } from "../src/timeline/pill.ts";
import { vacancyOf } from "../src/timeline/vacancy.ts";
import { fakeClient } from "./fake-client.ts";

const VIEW = { isFollowing: true, fresh: 0, now: 10_000 };
const live = fakeClient().status.get();
const PHASES: readonly Phase[] = [
  "connecting",
  "replaying",
  "live",
  "lagging",
  "disconnected",
  "offline",
  "restarting",
  "limited",
  "unauthorized",
  "expired",
  "forbidden",
  "stopped",
];

function said(change: Partial<Status>, view: Partial<typeof VIEW> = {}): string {
  const { sign, label, detail } = pillOf({ ...live, ...change }, { ...VIEW, ...view });
  return `${sign} ${label} ${detail}`.trim();
}

it("says each state in other words and with another sign", () => {
  const pills = PHASES.map((phase) => pillOf({ ...live, phase }, VIEW));
  pills.push(pillOf(live, { ...VIEW, isFollowing: false }));
  expect(new Set(pills.map((pill) => pill.sign)).size).toBe(PHASES.length + 1);
  expect(new Set(pills.map((pill) => pill.label)).size).toBe(PHASES.length + 1);
});

it("says the figures of each state", () => {
  expect(said({})).toBe("● Live 8 ms");
  expect(said({}, { isFollowing: false, fresh: 1204 })).toBe("‖ Paused 1,204 new");
  const progress = { done: 0.419, eventsPerSecond: 82_000, secondsLeft: 0.4 };
  expect(said({ phase: "replaying", progress })).toBe("◔ Replaying 41 % · 82K/s · 1 s left");
  expect(said({ phase: "lagging", lag: { events: 3100, ms: 600 } })).toBe("▲ Behind 3,100 events · 600 ms");
  expect(said({ phase: "disconnected", attempt: 3, retryAt: 13_400 })).toBe("○ Offline retrying in 4 s (attempt 3)");
  expect(said({ phase: "disconnected", attempt: 1, retryAt: 9000 })).toBe("○ Offline retrying now");
  expect(said({ phase: "lagging", lag: { events: null, ms: 600 } })).toBe("▲ Behind 600 ms");
  expect(said({ phase: "limited", attempt: 1, retryAt: 22_000 })).toBe("◷ Rate limited retrying in 12 s");
  const error = { code: "forbidden", message: "kind `audit.*`" };
  expect(said({ phase: "forbidden", error })).toBe("⊗ Not allowed kind `audit.*`");
});

it("tells a token that cannot be had from a server that cannot be reached", () => {
  const error = { code: "token", message: "sign-in is down" };
  expect(said({ phase: "disconnected", attempt: 2, retryAt: 13_400, error })).toBe(
    "○ No token retrying in 4 s (attempt 2)",
  );
});

it("shows a round trip that is felt in another tone", () => {
  expect(pillOf({ ...live, rttMs: 251 }, VIEW).tone).toBe("warn");
  expect(pillOf({ ...live, rttMs: 250 }, VIEW).tone).toBe("ok");
});

it("does not call a view paused that has no connection", () => {
  expect(said({ phase: "offline" }, { isFollowing: false })).toBe("⊘ No network");
});

it("tells a log without events from a filter that hides them all", () => {
  const none = { first: 0, next: 0 };
  expect(vacancyOf(live, none, { loaded: 0 })).toBe("empty");
  expect(vacancyOf(live, none, { loaded: 88_120 })).toBe("filtered");
  expect(vacancyOf(live, { first: 0, next: 1 }, { loaded: 1 })).toBe("none");
  expect(vacancyOf({ ...live, phase: "connecting" }, none, { loaded: 0 })).toBe("skeleton");
  expect(vacancyOf({ ...live, phase: "unauthorized" }, none, { loaded: 0 })).toBe("refused");
  expect(vacancyOf({ ...live, phase: "expired" }, none, { loaded: 0 })).toBe("refused");
  expect(vacancyOf({ ...live, phase: "disconnected" }, none, { loaded: 0 })).toBe("away");
  expect(vacancyOf({ ...live, phase: "limited" }, none, { loaded: 0 })).toBe("away");
});

it("asks nobody to sign in again who was never let in", () => {
  expect(said({ phase: "unauthorized", head: null })).toBe("✕ Sign in");
  expect(said({ phase: "unauthorized", head: 7 })).toBe("✕ Sign in again");
});
