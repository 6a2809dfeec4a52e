/**
 * What must hold, by medians. Bounds of time are wide, since machines that are shared and draw without a graphics card
 * judge little; ratios between implementations that were measured in turns, and counts, judge well and are narrow.
 */
import { type HistoryRound, median } from "./history.ts";
import type { LiveRound } from "./live.ts";
import type { Results } from "./report.ts";

export interface Verdict {
  readonly what: string;
  readonly bound: string;
  readonly measured: string;
  readonly holds: boolean;
}

/** The rate that the timeline must bear. */
const HIGH = 20_000;

export function judge({ live, history, soak }: Results): Verdict[] {
  const of = (impl: string, perSecond: number) => live.filter((r) => r.impl === impl && r.perSecond === perSecond);
  const high = of("timeline", HIGH);
  const low = of("timeline", 1_000);
  const ratio = (pick: (round: LiveRound) => number, over: readonly LiveRound[], under: readonly LiveRound[]) =>
    middle(over, pick) / middle(under, pick);
  const p99 = (round: LiveRound) => round.p99 ?? Number.POSITIVE_INFINITY;
  const main = ({ mainCpu }: LiveRound) => mainCpu;
  return [
    least(
      "frames a second at 20,000 events/s",
      55,
      middle(high, ({ fps }) => fps),
    ),
    most(
      "dropped frames at 20,000 events/s, %",
      5,
      middle(high, ({ droppedShare }) => droppedShare * 100),
    ),
    most(
      "long tasks at 20,000 events/s",
      0,
      middle(high, ({ longTasks }) => longTasks),
    ),
    most("due→paint p99 at 20,000 events/s, ms", 200, middle(high, p99)),
    most("main thread at 20,000 events/s, % of a core", 25, middle(high, main) * 100),
    most("worker at 20,000 events/s, % of a core", 15, middle(high, ({ workerCpu }) => workerCpu) * 100),
    most("main thread, 20,000 over 1,000 events/s", 1.3, ratio(main, high, low)),
    least("main thread, baseline over timeline at 1,000 events/s", 3, ratio(main, of("naive", 1_000), low)),
    least(
      "due→paint p99, baseline over timeline at 5,000 events/s",
      20,
      ratio(p99, of("naive", 5_000), of("timeline", 5_000)),
    ),
    ...historyVerdicts(history),
    ...soak.flatMap(({ before, after }) => [
      most("main heap, MB", 10, after.mainBytes / 1e6),
      most("growth of the main heap with a full ring, MB", 1, (after.mainBytes - before.mainBytes) / 1e6),
      most("growth of the worker's heap with a full ring, MB", 2, (after.workerBytes - before.workerBytes) / 1e6),
    ]),
    most(
      "errors in pages",
      0,
      [...live, ...history, ...soak].reduce((all, { errors }) => all + errors.length, 0),
    ),
  ];
}

function historyVerdicts(rounds: readonly HistoryRound[]): Verdict[] {
  if (rounds.length === 0) return [];
  const of = (pick: (round: HistoryRound) => number) => median(rounds.map(pick));
  return [
    most(
      "100,000 events to the newest row, ms",
      2_000,
      of(({ replayMs }) => replayMs),
    ),
    most(
      "search of 100,000 events in the worker, ms",
      20,
      of(({ searchWorkerMs }) => searchWorkerMs),
    ),
    most(
      "blank frames of a fling, %",
      1,
      of(({ flingBlank, flingFrames }) => (100 * flingBlank) / flingFrames),
    ),
    most(
      "blank frames per jump",
      1,
      of(({ jumpBlank, jumps }) => jumpBlank / jumps),
    ),
  ];
}

export function verdicts(all: readonly Verdict[]): string {
  const rows = all.map(
    ({ what, bound, measured, holds }) => `| ${what} | ${bound} | ${measured} | ${holds ? "holds" : "**fails**"} |`,
  );
  return ["### What must hold", "", "| what | bound | measured | |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

function middle<T>(rounds: readonly T[], pick: (round: T) => number): number {
  return median(rounds.map(pick));
}

function most(what: string, bound: number, value: number): Verdict {
  return { what, bound: `≤ ${bound}`, measured: text(value), holds: value <= bound };
}

function least(what: string, bound: number, value: number): Verdict {
  return { what, bound: `≥ ${bound}`, measured: text(value), holds: value >= bound };
}

/** A measurement that was not made is NaN, and fails every comparison. */
function text(value: number): string {
  return Number.isNaN(value) ? "not measured" : String(Number(value.toPrecision(3)));
}
