/** What a query does to the window: marks its hits, and shows them alone or among the others. */
import type { EventLog } from "./event-log.ts";
import type { Line } from "./match.ts";
import { testOf } from "./match.ts";
import { middleOf } from "./navigation.ts";
import { AllLines } from "./place-index.ts";
import { parseQuery } from "./query.ts";
import { ShownLines } from "./shown-lines.ts";
import type { Timeline } from "./timeline.ts";
import type { Window } from "./window.ts";

/** Filters or marks what is in memory, and what comes. A query that is wrong is nothing to look for. */
export function setQuery({ window, view }: Timeline, query: string, mode: "filter" | "mark"): void {
  const middle = view.isFollowing ? null : middleOf(view, window);
  window.test = testOf(parseQuery(query).terms);
  window.isFiltered = window.test !== null && mode === "filter";
  markHits(window);
  window.index = window.isFiltered ? new ShownLines(window.log) : new AllLines(window.log);
  view.goTo(middle);
}

function markHits({ log, test }: Window): void {
  const line = new LogLine(log);
  for (line.seq = log.first; line.seq < log.next; line.seq++)
    log.setHit(line.seq, test === null || test(line, log.raw(line.seq)));
}

/** A line of the log as tests look at it: most look at little of it, a hundred thousand times. */
class LogLine implements Line {
  seq = 0;
  readonly #log: EventLog;

  constructor(log: EventLog) {
    this.#log = log;
  }

  get kind(): string {
    return this.#log.text("kind", this.seq);
  }

  get agent(): string {
    return this.#log.text("agent", this.seq);
  }

  get session(): string {
    return this.#log.text("session", this.seq);
  }

  get task(): string {
    return this.#log.text("task", this.seq);
  }

  get project(): string {
    return this.#log.text("project", this.seq);
  }

  get data(): number {
    return this.#log.data(this.seq);
  }
}
