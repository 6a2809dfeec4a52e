/**
 * What is aimed at and what must hold, by medians.
 *
 * A target is for a quiet machine. The gate beside it is for one that is shared and draws without a graphics card: so wide
 * that only a fault goes through it, for a gate that fails by chance is soon not believed.
 */
import { type HistoryRound, median } from "./history.ts";
import type { LiveRound } from "./live.ts";
import type { Results } from "./report.ts";

export interface Verdict {
  readonly what: string;
  readonly target: string;
  readonly gate: string;
  readonly measured: string;
  readonly meets: boolean;
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
      40,
    ),
    most(
      "dropped frames at 20,000 events/s, %",
      5,
      middle(high, ({ droppedShare }) => droppedShare * 100),
      30,
    ),
    most(
      "long tasks at 20,000 events/s",
      0,
      middle(high, ({ longTasks }) => longTasks),
      15,
    ),
    most("due→paint p99 at 20,000 events/s, ms", 200, middle(high, p99), 600),
    most("main thread at 20,000 events/s, % of a core", 25, middle(high, main) * 100, 60),
    most("worker at 20,000 events/s, % of a core", 15, middle(high, ({ workerCpu }) => workerCpu) * 100, 30),
    most("main thread, 20,000 over 1,000 events/s", 1.3, ratio(main, high, low), 2),
    least("main thread, baseline over timeline at 1,000 events/s", 3, ratio(main, of("naive", 1_000), low), 1.3),
    least(
      "due→paint p99, baseline over timeline at 5,000 events/s",
      20,
      ratio(p99, of("naive", 5_000), of("timeline", 5_000)),
      2.5,
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
      6_000,
    ),
    most(
      "search of 100,000 events in the worker, ms",
      20,
      of(({ searchWorkerMs }) => searchWorkerMs),
      60,
    ),
    most(
      "blank frames of a fling, %",
      1,
      of(({ flingBlank, flingFrames }) => (100 * flingBlank) / flingFrames),
      10,
    ),
    most(
      "blank frames per jump",
      1,
      of(({ jumpBlank, jumps }) => jumpBlank / jumps),
      3,
    ),
  ];
}

export function verdicts(all: readonly Verdict[]): string {
  const rows = all.map(
    ({ what, target, gate, measured, meets, holds }) =>
      `| ${what} | ${target} | ${gate} | ${measured} | ${holds ? (meets ? "met" : "short") : "**fails**"} |`,
  );
  return [
    "### Targets and gates",
    "",
    "| what | target | gate | measured | |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

function middle<T>(rounds: readonly T[], pick: (round: T) => number): number {
  return median(rounds.map(pick));
}

function most(what: string, target: number, value: number, gate = target): Verdict {
  const bounds = { target: `≤ ${target}`, gate: `≤ ${gate}` };
  return { what, ...bounds, measured: text(value), meets: value <= target, holds: value <= gate };
}

function least(what: string, target: number, value: number, gate = target): Verdict {
  const bounds = { target: `≥ ${target}`, gate: `≥ ${gate}` };
  return { what, ...bounds, measured: text(value), meets: value >= target, holds: value >= gate };
}

/** A measurement that was not made is NaN, and fails every comparison. */
function text(value: number): string {
  return Number.isNaN(value) ? "not measured" : String(Number(value.toPrecision(3)));
}
