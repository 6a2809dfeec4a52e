/** What a query does to the window: marks its hits, and shows them alone or among the others. */
import type { Line } from "./match.ts";
import { testOf } from "./match.ts";
import { AllLines } from "./place-index.ts";
import { parseQuery } from "./query.ts";
import { ShownLines } from "./shown-lines.ts";
import type { Timeline } from "./timeline.ts";
import type { Window } from "./window.ts";

/** Filters or marks what is in memory, and what comes. A query that is wrong is nothing to look for. */
export function setQuery({ window, view }: Timeline, query: string, mode: "filter" | "mark"): void {
  const middle = view.isFollowing ? null : view.middle();
  window.test = testOf(parseQuery(query).terms);
  window.isFiltered = window.test !== null && mode === "filter";
  markHits(window);
  window.index = window.isFiltered ? new ShownLines(window.log) : new AllLines(window.log);
  view.goTo(middle);
}

function markHits({ log, test }: Window): void {
  const line: Line = { kind: "", agent: "", session: "", task: "", raw: "", data: 0 };
  for (let seq = log.first; seq < log.next; seq++) {
    if (test !== null) {
      line.kind = log.text("kind", seq);
      line.agent = log.text("agent", seq);
      line.session = log.text("session", seq);
      line.task = log.text("task", seq);
      line.raw = log.raw(seq);
      line.data = log.data(seq);
    }
    log.setHit(seq, test === null || test(line));
  }
}
