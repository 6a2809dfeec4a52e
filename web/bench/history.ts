/** Rounds over a long history: reading it in, searching it, and scrolling through it. */
import { type Server, TOKEN } from "../e2e/fixtures/server.ts";
import type { Measured } from "./page/meter.ts";
import { fill } from "./publish.ts";
import { Tab } from "./tab.ts";
import { spent, WORKER } from "./threads.ts";

/** Events that are read in: the target speaks of so many. */
const HISTORY = 100_000;

/** Searches of one round, of which the median counts. */
const SEARCHES = 9;

export interface HistoryRound {
  readonly events: number;
  /** From the request of the page's stream to the first row in the DOM, and to the newest. */
  readonly firstRowMs: number;
  readonly replayMs: number;
  /** A search, from asking to the frame with its result, and what the worker worked for it. */
  readonly searchMs: number;
  readonly searchWorkerMs: number;
  /** Frames without rows while wheeling through all of it, and after as many jumps as are said. */
  readonly flingFrames: number;
  readonly flingBlank: number;
  readonly flingDropped: number;
  readonly jumps: number;
  readonly jumpBlank: number;
  /** From a jump to rows in the middle of the list, the median. */
  readonly jumpMs: number;
  readonly mainBytes: number;
  readonly workerBytes: number;
  readonly errors: readonly string[];
}

/** Fills the log. Once is enough for all rounds on it. */
export function fillHistory(server: Server): Promise<void> {
  return fill(server.url, TOKEN, HISTORY);
}

export async function historyRound(pageUrl: string, server: Server, isPreferred: boolean): Promise<HistoryRound> {
  const head = await server.head();
  const tab = await Tab.open(`${pageUrl}?impl=timeline&server=${server.url}&from=${head - HISTORY}`, isPreferred);
  try {
    const replay = await replayTimes(tab, head);
    const search = await searchTimes(tab);
    const scroll = await scrollThrough(tab);
    const { mainBytes, workerBytes } = await tab.heaps();
    return { events: HISTORY, ...replay, ...search, ...scroll, mainBytes, workerBytes, errors: tab.errors };
  } finally {
    await tab.close();
  }
}

async function replayTimes(tab: Tab, head: number): Promise<{ firstRowMs: number; replayMs: number }> {
  await tab.page.waitForFunction((head) => (window.bench?.reached.newest.cursor ?? 0) >= head, head);
  return tab.page.evaluate(() => {
    const { openedAt, firstRowAt, newest } = (window.bench as NonNullable<typeof window.bench>).reached;
    return { firstRowMs: firstRowAt - openedAt, replayMs: newest.at - openedAt };
  });
}

async function searchTimes(tab: Tab): Promise<{ searchMs: number; searchWorkerMs: number }> {
  const walls: number[] = [];
  const works: number[] = [];
  await tab.page.evaluate(() => window.bench?.client?.pause());
  for (let round = 0; round < SEARCHES; round += 1) {
    const before = tab.times().renderer;
    // Each event has one of a thousand marks, so each search is a new one and finds a hundred.
    walls.push(await tab.page.evaluate((needle) => window.bench?.search(needle) ?? 0, `m${100 + round * 97}x`));
    works.push(spent(before, tab.times().renderer).get(WORKER) ?? 0);
  }
  await tab.page.evaluate(() => window.bench?.search(""));
  return { searchMs: median(walls), searchWorkerMs: median(works) };
}

async function scrollThrough(
  tab: Tab,
): Promise<Pick<HistoryRound, "flingFrames" | "flingBlank" | "flingDropped" | "jumps" | "jumpBlank" | "jumpMs">> {
  const grid = tab.page.getByRole("grid");
  await grid.hover();
  await tab.page.evaluate(() => window.bench?.meter.begin(null));
  // Two flings upwards, of 400 and of 1,500 pixels an event, a little over a second each.
  for (const pixels of [400, 1_500]) {
    for (let step = 0; step < 80; step += 1) await tab.page.mouse.wheel(0, -pixels);
  }
  const fling = (await tab.page.evaluate(() => window.bench?.meter.end())) as Measured;
  await tab.page.evaluate(() => window.bench?.meter.begin(null));
  const jumps: number[] = [];
  for (let share = 0.05; share < 1; share += 0.08) {
    jumps.push(await tab.page.evaluate((share) => window.bench?.jump(share) ?? 0, share));
  }
  const jump = (await tab.page.evaluate(() => window.bench?.meter.end())) as Measured;
  return {
    flingFrames: fling.frames,
    flingBlank: fling.blank,
    flingDropped: fling.dropped,
    jumps: jumps.length,
    jumpBlank: jump.blank,
    jumpMs: median(jumps),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
