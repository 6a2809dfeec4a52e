/** What was measured, for people: a table of medians, with the spread where it tells. */
import { type HistoryRound, median } from "./history.ts";
import type { LiveRound } from "./live.ts";
import type { SoakRound } from "./soak.ts";

export interface Results {
  readonly commit: string;
  readonly at: string;
  readonly machine: { readonly cores: number; readonly model: string; readonly load: readonly number[] };
  readonly chromium: string;
  readonly live: readonly LiveRound[];
  readonly history: readonly HistoryRound[];
  readonly soak: readonly SoakRound[];
}

export function markdown({ commit, at, machine, chromium, live, history, soak }: Results): string {
  const load = machine.load.map((share) => share.toFixed(1)).join(", ");
  return [
    `Chromium ${chromium}, ${machine.cores} cores (${machine.model}), software rendering, load before ${load}; ${commit}, ${at}.`,
    "Publisher, server and browser share the cores. Medians of the rounds; lowest to highest in brackets.",
    ...section("Following live", liveTable(live)),
    ...section(`History of ${history[0]?.events ?? 0} events`, historyTable(history)),
    ...section("With a full ring", soakTable(soak)),
  ].join("\n");
}

function section(title: string, rows: readonly (readonly string[])[]): string[] {
  const [head, ...body] = rows;
  if (!head || body.length === 0) return [];
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return ["", `### ${title}`, "", line(head), line(head.map(() => "---")), ...body.map(line)];
}

function liveTable(rounds: readonly LiveRound[]): string[][] {
  const head = [
    "events/s",
    "implementation",
    "fps",
    "dropped",
    "long tasks",
    "due→paint p50, p95, p99 ms",
    "main",
    "worker",
    "rest",
    "server",
    "others",
    "late ms",
  ];
  const rows = groups(rounds).map((group) => {
    const [first] = group;
    const of = (pick: (round: LiveRound) => number | null, digits = 0) => spread(group.map(pick), digits);
    return [
      `${first?.perSecond}`,
      `${first?.impl}`,
      of(({ fps }) => fps, 1),
      `${of(({ droppedShare }) => droppedShare * 100, 1)} %`,
      of(({ longTasks }) => longTasks),
      [of(({ p50 }) => p50), of(({ p95 }) => p95), of(({ p99 }) => p99)].join(", "),
      `${of(({ mainCpu }) => mainCpu * 100)} %`,
      `${of(({ workerCpu }) => workerCpu * 100)} %`,
      `${of(({ restCpu }) => restCpu * 100)} %`,
      `${of(({ serverCpu }) => serverCpu * 100)} %`,
      `${of(({ othersCpu }) => othersCpu * 100)} %`,
      of(({ publisher }) => publisher.lateMs),
    ];
  });
  return [head, ...rows];
}

function historyTable(rounds: readonly HistoryRound[]): string[][] {
  const rows: [string, (round: HistoryRound) => number, number][] = [
    ["first row, ms", ({ firstRowMs }) => firstRowMs, 0],
    ["newest row, ms", ({ replayMs }) => replayMs, 0],
    ["search to frame, ms", ({ searchMs }) => searchMs, 1],
    ["search in the worker, ms", ({ searchWorkerMs }) => searchWorkerMs, 1],
    ["frames of the flings", ({ flingFrames }) => flingFrames, 0],
    ["blank among them", ({ flingBlank }) => flingBlank, 0],
    ["dropped among them", ({ flingDropped }) => flingDropped, 0],
    ["blank frames per jump", ({ jumpBlank, jumps }) => jumpBlank / jumps, 2],
    ["jump to rows, ms", ({ jumpMs }) => jumpMs, 0],
    ["main heap, MB", ({ mainBytes }) => mainBytes / 1e6, 1],
    ["worker heap, MB", ({ workerBytes }) => workerBytes / 1e6, 1],
  ];
  if (rounds.length === 0) return [];
  return [["what", "measured"], ...rows.map(([name, pick, digits]) => [name, spread(rounds.map(pick), digits)])];
}

function soakTable(rounds: readonly SoakRound[]): string[][] {
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  const head = [
    "events/s",
    "seconds",
    "events",
    "main heap before, after",
    "worker heap before, after",
    "worker bytes per event kept",
  ];
  return [
    head,
    ...rounds.map(({ perSecond, seconds, events, before, after, kept }) => [
      `${perSecond}`,
      `${seconds}`,
      `${events}`,
      `${megabytes(before.mainBytes)}, ${megabytes(after.mainBytes)}`,
      `${megabytes(before.workerBytes)}, ${megabytes(after.workerBytes)}`,
      `${Math.round(after.workerBytes / kept)}`,
    ]),
  ];
}

/** Rounds of one kind together, in the order in which the kinds first came. */
function groups(rounds: readonly LiveRound[]): LiveRound[][] {
  const found = new Map<string, LiveRound[]>();
  for (const round of rounds) {
    const key = `${round.perSecond} ${round.impl}`;
    found.set(key, [...(found.get(key) ?? []), round]);
  }
  return [...found.values()];
}

function spread(values: readonly (number | null)[], digits: number): string {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return "–";
  const text = (value: number) => value.toFixed(digits);
  const middle = text(median(known));
  const [low, high] = [text(Math.min(...known)), text(Math.max(...known))];
  return low === high ? middle : `${middle} (${low}–${high})`;
}
