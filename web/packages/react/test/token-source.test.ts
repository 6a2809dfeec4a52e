import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { TokenReason } from "../src/event-client.ts";
import { TokenSource } from "../src/token-source.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

/** A function for tokens that keeps when it was called, and why. */
function service() {
  const calls: [at: number, reason: TokenReason][] = [];
  const began = performance.now();
  const source = new TokenSource(async (reason) => {
    calls.push([performance.now() - began, reason]);
    return `token-${calls.length}`;
  });
  return { calls, source };
}

test("a text is the token, whatever the reason", async () => {
  const source = new TokenSource("secret");
  expect(await source.get("connect")).toBe("secret");
  expect(await source.get("refused")).toBe("secret");
  expect(await source.get()).toBe("secret");
});

test("requests have the token at hand, and a new one is asked for when there is a reason", async () => {
  const { calls, source } = service();
  expect(await source.get()).toBe("token-1");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await source.get()).toBe("token-1");
  expect(await source.get("expiring")).toBe("token-2");
  expect(await source.get()).toBe("token-2");
  expect(calls.map(([, reason]) => reason)).toEqual(["connect", "expiring"]);
});

test("however often it is asked and refused, the function is called once in three seconds", async () => {
  const { calls, source } = service();
  const all = ["connect", "refused", "refused", "expiring", "connect", "refused", undefined] as const;
  for (let i = 0; i < 200; i++) {
    void source.get(all[i % all.length]);
    await vi.advanceTimersByTimeAsync(100);
  }
  const times = calls.map(([at]) => at);
  expect(times.length).toBeGreaterThanOrEqual(6);
  for (let i = 1; i < times.length; i++) expect(times[i]! - times[i - 1]!).toBeGreaterThanOrEqual(3_000);
});

test("an answer of just now will do for another connection, but not for one that was refused with it", async () => {
  const { calls, source } = service();
  await source.get("connect");
  expect(await source.get("connect")).toBe("token-1");
  const refused = source.get("refused");
  await vi.advanceTimersByTimeAsync(3_000);
  expect(await refused).toBe("token-2");
  expect(calls).toEqual([
    [0, "connect"],
    [3_000, "refused"],
  ]);
});

test("those who ask while it is at work have the same answer", async () => {
  let answer: (token: string) => void = () => {};
  let calls = 0;
  const source = new TokenSource(() => {
    calls++;
    return new Promise((resolve) => {
      answer = resolve;
    });
  });
  const both = Promise.all([source.get("connect"), source.get("refused")]);
  await vi.advanceTimersByTimeAsync(1);
  answer("one");
  expect(await both).toEqual(["one", "one"]);
  expect(calls).toBe(1);
});

test("one that never answers is given up after ten seconds, and asked again", async () => {
  let calls = 0;
  const source = new TokenSource(() => {
    calls++;
    return new Promise<string>(() => {});
  });
  const first = source.get("connect");
  first.catch(() => {});
  await vi.advanceTimersByTimeAsync(10_000);
  await expect(first).rejects.toThrow("no token within 10 seconds");
  const second = source.get("connect");
  second.catch(() => {});
  await vi.advanceTimersByTimeAsync(10_000);
  await expect(second).rejects.toThrow("no token");
  expect(calls).toBe(2);
  expect(vi.getTimerCount()).toBe(0);
});

test("one that throws is asked again, not at once", async () => {
  let calls = 0;
  const source = new TokenSource(() => {
    if (++calls === 1) throw new Error("sign-in is down");
    return "fresh";
  });
  await expect(source.get("connect")).rejects.toThrow("sign-in is down");
  const again = source.get("connect");
  await vi.advanceTimersByTimeAsync(2_999);
  expect(calls).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(await again).toBe("fresh");
});

test("who waits for a source that was replaced is answered by the new one", async () => {
  let answer: (token: string) => void = () => {};
  const slow = new Promise<string>((resolve) => {
    answer = resolve;
  });
  const source = new TokenSource(() => slow);
  const old = source.get("connect");
  await vi.advanceTimersByTimeAsync(1);
  source.set(() => "new");
  expect(await source.get("connect")).toBe("new");
  answer("late");
  expect(await old).toBe("new");
  expect(await source.get()).toBe("new");
});

test("a source that was taken away is not called any more", async () => {
  const { calls, source } = service();
  await source.get("connect");
  const waiting = source.get("refused");
  source.set(undefined);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await waiting).toBeUndefined();
  expect(calls).toHaveLength(1);
});
