/** Whether memory stays flat once the ring is full: heaps when it has just filled, and after as much again and more. */
import { setTimeout as wait } from "node:timers/promises";
import type { Server } from "../e2e/fixtures/server.ts";
import { PublisherProcess } from "./live.ts";
import { type Heaps, Tab } from "./tab.ts";

/** Events that the timeline keeps by default. */
const RING = 131_072;

export interface SoakRound {
  readonly perSecond: number;
  readonly seconds: number;
  /** Events that came between the two looks. */
  readonly events: number;
  readonly kept: number;
  readonly before: Heaps;
  readonly after: Heaps;
  readonly errors: readonly string[];
}

export async function soakRound(
  pageUrl: string,
  server: Server,
  perSecond: number,
  seconds: number,
  isPreferred: boolean,
): Promise<SoakRound> {
  const tab = await Tab.open(`${pageUrl}?impl=timeline&server=${server.url}`, isPreferred);
  const fillSeconds = RING / perSecond + 2;
  const publisher = new PublisherProcess(server, perSecond, fillSeconds + seconds, isPreferred);
  try {
    await publisher.begun;
    await tab.page.waitForFunction((ring) => (window.bench?.client?.counts.get().received ?? 0) > ring, RING, {
      timeout: (fillSeconds + 30) * 1000,
    });
    const received = () => tab.page.evaluate(() => window.bench?.client?.counts.get().received ?? 0);
    const from = await received();
    const before = await tab.heaps();
    await publisher.ended;
    // What is still on its way has arrived when a second brings nothing more.
    for (let last = -1, now = await received(); now !== last; last = now, now = await received()) await wait(1_000);
    const after = await tab.heaps();
    return { perSecond, seconds, events: (await received()) - from, kept: RING, before, after, errors: tab.errors };
  } finally {
    publisher.kill();
    await tab.close();
  }
}
