import { expect, test } from "vitest";
import { commitClock, type FrameSource } from "../src/commit-clock.ts";

/** Frames of 16 ms, of which a commit takes `costMs`. */
class Screen implements FrameSource {
  time = 0;
  costMs = 1;
  #frame: (() => void) | null = null;
  #painted: (() => void)[] = [];

  now = (): number => this.time;

  frame = (run: () => void): void => {
    expect(this.#frame).toBeNull();
    this.#frame = run;
  };

  painted = (run: () => void): void => {
    this.#painted.push(run);
  };

  pass(ms: number): void {
    for (const end = this.time + ms; this.time < end; ) {
      const run = this.#frame;
      this.#frame = null;
      const start = this.time;
      run?.();
      if (this.#painted.length > 0) this.time += this.costMs;
      for (const one of this.#painted.splice(0)) one();
      this.time = Math.max(start + 16, this.time);
    }
  }

  get isWaiting(): boolean {
    return this.#frame !== null;
  }
}

function running(costMs: number): { screen: Screen; commits: () => number; clock: ReturnType<typeof commitClock> } {
  const screen = new Screen();
  screen.costMs = costMs;
  let commits = 0;
  const clock = commitClock(screen, () => {
    commits++;
    clock.request(false);
  });
  clock.request(false);
  return { screen, commits: () => commits, clock };
}

test("a commit that costs little is made every frame, and never twice in one", () => {
  const { screen, commits, clock } = running(1);
  screen.pass(1600);
  const before = commits();
  for (let i = 0; i < 5; i++) clock.request(false);
  screen.pass(1600);
  expect(commits() - before).toBe(100);
  expect(clock.cadenceMs()).toBe(0);
});

test("a commit that costs much is made so rarely that it takes about a quarter of the time", () => {
  const { screen, commits, clock } = running(9);
  screen.pass(3200);
  const before = commits();
  screen.pass(3200);
  expect(clock.cadenceMs()).toBeCloseTo(36, 0);
  // 36 ms less the slack are two frames.
  expect(commits() - before).toBe(100);
});

test("no cadence is slower than 50 ms, whatever a commit costs", () => {
  const { screen, clock } = running(500);
  screen.pass(20_000);
  expect(clock.cadenceMs()).toBe(50);
});

test("after a pause the next commit is on the next frame", () => {
  const screen = new Screen();
  screen.costMs = 12;
  let at = -1;
  const clock = commitClock(screen, () => {
    at = screen.time;
  });
  for (let i = 0; i < 100; i++) {
    clock.request(false);
    screen.pass(64);
  }
  expect(clock.cadenceMs()).toBeGreaterThan(40);
  screen.pass(200);
  const asked = screen.time;
  clock.request(false);
  screen.pass(16);
  expect(at).toBe(asked);
});

test("what is urgent does not wait for the cadence", () => {
  const { screen, commits, clock } = running(12);
  screen.pass(3200);
  const before = commits();
  clock.request(true);
  screen.pass(16);
  expect(commits() - before).toBe(1);
});

test("without anything new no frame is asked for, and none after it was stopped", () => {
  const screen = new Screen();
  let commits = 0;
  const clock = commitClock(screen, () => void commits++);
  screen.pass(1000);
  expect(screen.isWaiting).toBe(false);
  clock.request(false);
  screen.pass(100);
  expect(commits).toBe(1);
  expect(screen.isWaiting).toBe(false);
  clock.request(false);
  clock.stop();
  screen.pass(100);
  expect(commits).toBe(1);
});
