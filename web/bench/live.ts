/** One round of following live: a fresh browser, a publisher at a fixed rate, a window in which all is counted. */
import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import readline from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { type Server, TOKEN } from "../e2e/fixtures/server.ts";
import type { Measured } from "./page/meter.ts";
import type { Ended, Schedule } from "./schedule.ts";
import { type Heaps, Tab } from "./tab.ts";
import { MAIN, machineTime, prefer, spent, sum, threadTimes, WORKER } from "./threads.ts";

export type Implementation = "naive" | "timeline";

export interface LivePlan {
  readonly impl: Implementation;
  readonly perSecond: number;
  /** Seconds under load before the window: the first ones compile the code. */
  readonly warmSeconds: number;
  readonly seconds: number;
  /** Whether publisher and browser come before what else the machine does; the server is the driver's. */
  readonly isPreferred: boolean;
}

export interface LiveRound extends LivePlan, Measured, Heaps {
  readonly fps: number;
  readonly droppedShare: number;
  /** Shares of one core. `rest` is the page's other threads and the browser's other processes. */
  readonly mainCpu: number;
  readonly workerCpu: number;
  readonly restCpu: number;
  readonly serverCpu: number;
  /** What the machine did besides all of this: with much of it, times say little. */
  readonly othersCpu: number;
  readonly publisher: Ended;
  readonly errors: readonly string[];
}

export async function liveRound(pageUrl: string, server: Server, plan: LivePlan): Promise<LiveRound> {
  const tab = await Tab.open(`${pageUrl}?impl=${plan.impl}&server=${server.url}`, plan.isPreferred);
  // It goes on a little beyond the window, so that the window ends under load.
  const publisher = new PublisherProcess(server, plan.perSecond, plan.warmSeconds + plan.seconds + 1, plan.isPreferred);
  const look = () => ({
    tab: tab.times(),
    server: threadTimes(server.pid),
    publisher: threadTimes(publisher.pid),
    machine: machineTime(),
    at: performance.now(),
  });
  try {
    const schedule = await publisher.begun;
    await wait(plan.warmSeconds * 1000);
    const before = look();
    await tab.page.evaluate((schedule) => window.bench?.meter.begin(schedule), schedule);
    await wait(plan.seconds * 1000);
    const after = look();
    const measured = (await tab.page.evaluate(() => window.bench?.meter.end())) as Measured;
    const tookMs = after.at - before.at;
    const renderer = spent(before.tab.renderer, after.tab.renderer);
    const mainMs = renderer.get(MAIN) ?? 0;
    const workerMs = renderer.get(WORKER) ?? 0;
    const browserMs = sum(renderer) + after.tab.others - before.tab.others;
    const serverMs = sum(spent(before.server, after.server));
    const publisherMs = sum(spent(before.publisher, after.publisher));
    return {
      ...plan,
      ...measured,
      publisher: await publisher.ended,
      ...(await tab.heaps()),
      fps: measured.frames / measured.seconds,
      droppedShare: measured.dropped / Math.max(1, measured.frames),
      mainCpu: mainMs / tookMs,
      workerCpu: workerMs / tookMs,
      restCpu: (browserMs - mainMs - workerMs) / tookMs,
      serverCpu: serverMs / tookMs,
      othersCpu: (after.machine - before.machine - browserMs - serverMs - publisherMs) / tookMs,
      errors: tab.errors,
    };
  } finally {
    publisher.kill();
    await tab.close();
  }
}

/** The publisher, and what it says. */
export class PublisherProcess {
  /** When it has begun, by its own word. */
  readonly begun: Promise<Schedule>;
  readonly ended: Promise<Ended>;
  readonly #process: ChildProcess;

  constructor(server: Server, perSecond: number, seconds: number, isPreferred: boolean) {
    const launcher = path.join(import.meta.dirname, "launch.mjs");
    const flags = [launcher, "publish.ts", server.url, TOKEN, String(perSecond), String(seconds)];
    this.#process = spawn(process.execPath, flags, {
      stdio: ["ignore", "pipe", "inherit"],
      // A session of its own, as the kernel prefers sessions.
      detached: true,
    });
    if (isPreferred) prefer(this.pid);
    const lines = readline.createInterface({ input: this.#process.stdout as NodeJS.ReadableStream });
    const said = <T>(member: string) =>
      new Promise<T>((resolve, reject) => {
        lines.on("line", (line) => {
          const message = JSON.parse(line) as Record<string, T>;
          const value = message[member];
          if (value !== undefined) resolve(value);
        });
        this.#process.once("exit", (code) => reject(new Error(`the publisher ended with ${code}`)));
      });
    this.begun = said<Schedule>("schedule");
    this.ended = said<Ended>("ended");
    // Each is awaited only when the round gets so far.
    this.begun.catch(() => {});
    this.ended.catch(() => {});
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  kill(): void {
    this.#process.kill();
  }
}
