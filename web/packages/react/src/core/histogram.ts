/**
 * Events per window of time: the server's counts for a span, and what has come since; or those of the events in memory.
 */
import type { Histogram, Span } from "../event-client.ts";
import { type EventLog, isFailureKind } from "./event-log.ts";

/** The server's answer. */
export interface ServerHistogram {
  readonly from: string;
  readonly to: string;
  readonly window_ms: number;
  readonly families: readonly string[];
  readonly counts: readonly (readonly number[])[];
  readonly failures: readonly number[];
  readonly is_complete: boolean;
}

/** Windows in a strip: one for about every eight pixels. */
export const WINDOWS = 120;

/** A family is the part of a kind before its first dot. */
function familyOf(kind: string): string {
  const dot = kind.indexOf(".");
  return dot < 0 ? kind : kind.slice(0, dot);
}

/** Counts of a span that moves with the present when it has no end. */
export class WindowCounts {
  readonly windowMs: number;
  readonly isComplete: boolean;
  readonly #windows: number;
  #from: number;
  readonly #families = new Map<string, number[]>();
  #failures: number[];

  constructor(from: number, windowMs: number, windows: number, isComplete: boolean) {
    this.#from = from;
    this.windowMs = windowMs;
    this.#windows = windows;
    this.isComplete = isComplete;
    this.#failures = new Array<number>(windows).fill(0);
  }

  /** The server's counts, to go on from. */
  static ofServer(answer: ServerHistogram): WindowCounts {
    const windows = answer.failures.length;
    const counts = new WindowCounts(Date.parse(answer.from), answer.window_ms, windows, answer.is_complete);
    answer.families.forEach((family, i) => {
      counts.#families.set(family, [...answer.counts[i]!]);
    });
    counts.#failures = [...answer.failures];
    return counts;
  }

  /** The counts of what is in memory; complete when the memory reaches back to before the span. */
  static ofLog(log: EventLog, span: Span, now: number, isComplete: boolean): WindowCounts {
    const windowMs = windowMsOf(span, now);
    const counts = new WindowCounts(span.from, windowMs, WINDOWS, isComplete);
    for (let seq = log.first; seq < log.next; seq++) {
      if (!log.isMarker(seq)) counts.add(log.text("kind", seq), log.time(seq));
    }
    return counts;
  }

  add(kind: string, time: number): void {
    const window = Math.floor((time - this.#from) / this.windowMs);
    if (window < 0 || window >= this.#windows) return;
    const family = familyOf(kind);
    let counts = this.#families.get(family);
    if (counts === undefined) {
      counts = new Array<number>(this.#windows).fill(0);
      this.#families.set(family, counts);
    }
    counts[window] = counts[window]! + 1;
    if (isFailureKind(kind)) this.#failures[window] = this.#failures[window]! + 1;
  }

  /** Moves on by whole windows until the last of them holds `now`. */
  follow(now: number): void {
    const by = Math.floor((now - this.#from) / this.windowMs) - this.#windows + 1;
    if (by <= 0) return;
    this.#from += by * this.windowMs;
    const blank = new Array<number>(Math.min(by, this.#windows)).fill(0);
    for (const [family, counts] of this.#families) {
      const rest = [...counts.slice(by), ...blank];
      if (rest.some((count) => count > 0)) this.#families.set(family, rest);
      else this.#families.delete(family);
    }
    this.#failures = [...this.#failures.slice(by), ...blank];
  }

  snapshot(): Histogram {
    const families = [...this.#families.keys()].sort();
    return {
      from: this.#from,
      windowMs: this.windowMs,
      families,
      counts: families.map((family) => [...this.#families.get(family)!]),
      failures: [...this.#failures],
      isComplete: this.isComplete,
    };
  }
}

function windowMsOf(span: Span, now: number): number {
  return Math.max(1, Math.ceil(((span.to ?? now) - span.from) / WINDOWS));
}
