/** The events in memory as lanes: one for each of the most active values of an id. */
import type { Lane, LaneKey, Lanes, Span } from "../event-client.ts";
import type { EventLog } from "./event-log.ts";
import { countsOf } from "./facets.ts";

/** As many lanes as fit beside each other and can be told apart. */
const LANES = 12;
/** More ticks than a screen has pixels show nothing more. */
const TICKS = 2000;

const BEGINS = /[._](started|created|opened|requested|registered|up|connected)$/;
const ENDS =
  /[._](completed|failed|stopped|exited|ended|finished|archived|merged|closed|responded|approved|denied|expired|cancelled|revoked|down|disconnected)$/;

type LaneSpan = { kind: string; from: number; to: number | null; isFailure: boolean };

/** The lanes of a span of time. */
export function lanesOf(log: EventLog, by: LaneKey, span: Span): Lanes {
  const to = span.to ?? Number.POSITIVE_INFINITY;
  const lines = new Map<number, number[]>();
  let events = 0;
  const ids = new Set(mostActive(countsOf(log, by, log.first)));
  for (let seq = log.first; seq < log.next; seq++) {
    if (log.isMarker(seq) || log.time(seq) > to) continue;
    const id = log.id(by, seq);
    // Spans may have begun before the time that is shown, so earlier lines are kept for them.
    if (ids.has(id)) push(lines, id, seq);
    if (log.time(seq) >= span.from) events++;
  }
  const lanes = [...lines].map(([id, seqs]) => laneOf(log, log.texts[id]!, seqs, span.from));
  const shown = lanes.filter(({ events, spans }) => events > 0 || spans.length > 0).sort((a, b) => b.events - a.events);
  return { by, lanes: shown, others: events - shown.reduce((sum, lane) => sum + lane.events, 0) };
}

function mostActive(counts: Uint32Array): number[] {
  const ids = Array.from(counts.keys()).filter((id) => id !== 0 && counts[id]! > 0);
  return ids.sort((a, b) => counts[b]! - counts[a]!).slice(0, LANES);
}

function push(lines: Map<number, number[]>, id: number, seq: number): void {
  const known = lines.get(id);
  if (known === undefined) lines.set(id, [seq]);
  else known.push(seq);
}

function laneOf(log: EventLog, id: string, seqs: readonly number[], from: number): Lane {
  const inside = seqs.filter((seq) => log.time(seq) >= from);
  const step = Math.max(1, inside.length / TICKS);
  const ticks = Array.from({ length: Math.min(inside.length, TICKS) }, (_, i) => inside[Math.floor(i * step)]!);
  return {
    id,
    events: inside.length,
    ticks: ticks.map((seq) => ({
      cursor: log.cursor(seq),
      time: log.time(seq),
      kind: log.text("kind", seq),
      isFailure: log.isFailure(seq),
    })),
    spans: spansOf(log, seqs, from),
  };
}

/** What began and what ended it: of the same subject and stem, `task.created` to `task.failed` of one task. */
function spansOf(log: EventLog, seqs: readonly number[], from: number): LaneSpan[] {
  const open = new Map<string, LaneSpan>();
  const spans: LaneSpan[] = [];
  for (const seq of seqs) {
    const kind = log.text("kind", seq);
    const isBegin = BEGINS.test(kind);
    if (!isBegin && !ENDS.test(kind)) continue;
    const stem = `${kind.replace(/[._][^._]+$/, "")} ${log.id("task", seq)} ${log.id("session", seq)}`;
    const begun = open.get(stem);
    if (isBegin) {
      if (begun !== undefined) continue;
      const span: LaneSpan = { kind, from: log.time(seq), to: null, isFailure: false };
      open.set(stem, span);
      spans.push(span);
    } else if (begun !== undefined) {
      begun.to = log.time(seq);
      begun.isFailure = log.isFailure(seq);
      open.delete(stem);
    }
  }
  return spans.filter(({ to }) => to === null || to >= from).slice(-TICKS);
}
