/** The most frequent kinds and ids of what is in memory, counted when somebody asks. */
import type { Facets, FacetValue } from "../event-client.ts";
import type { EventLog, IdColumn } from "./event-log.ts";
import { SYSTEM } from "./row.ts";

/** A person picks from no longer list. */
export const FACET_VALUES = 50;

/** Counts the events in memory. */
export function facetsOf(log: EventLog): Facets {
  return {
    kinds: top(log, "kind"),
    agents: top(log, "agent"),
    sessions: top(log, "session"),
    tasks: top(log, "task"),
    scope: "loaded",
    isComplete: true,
  };
}

function top(log: EventLog, column: IdColumn): FacetValue[] {
  const counts = countsOf(log, column, log.first);
  const values: FacetValue[] = [];
  counts.forEach((count, id) => {
    const value = log.texts[id]!;
    if (count > 0 && value !== "" && value !== SYSTEM) values.push({ value, count });
  });
  return values.sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1)).slice(0, FACET_VALUES);
}

/** How often each id is in a column, from a line on. */
export function countsOf(log: EventLog, column: IdColumn, from: number): Uint32Array {
  const counts = new Uint32Array(log.texts.length);
  for (let seq = from; seq < log.next; seq++) {
    const id = log.id(column, seq);
    counts[id] = counts[id]! + 1;
  }
  return counts;
}
