/** The most frequent kinds and ids of what is in memory, counted when somebody asks. */
import type { Facets, FacetValue } from "../event-client.ts";
import type { Envelope } from "../protocol/scan.ts";
import type { EventLog, IdColumn } from "./event-log.ts";
import { SYSTEM } from "./row.ts";

/** A person picks from no longer list. */
export const FACET_VALUES = 50;
/** New values that are counted until the server counts again, which it does not for a page that nobody sees. */
const MAX_VALUES = 1000;

/** The columns by the names that they have as facets. */
const COLUMNS = { kinds: "kind", agents: "agent", sessions: "session", tasks: "task" } as const;
type Name = keyof typeof COLUMNS;
const NAMES = Object.keys(COLUMNS) as Name[];

/** The server's counts, and what has come since. */
export class FacetCounts {
  readonly #counts: Record<Name, Map<string, number>>;
  readonly #isComplete: boolean;

  constructor(facets: Omit<Facets, "projects">) {
    const counts = (name: Name) => new Map(facets[name].map(({ value, count }) => [value, count]));
    this.#counts = {
      kinds: counts("kinds"),
      agents: counts("agents"),
      sessions: counts("sessions"),
      tasks: counts("tasks"),
    };
    this.#isComplete = facets.isComplete;
  }

  /** Counts an event. A value that the server has not named is new, or rare. */
  add(at: Envelope): void {
    for (const name of NAMES) {
      const value = at[COLUMNS[name]];
      const counts = this.#counts[name];
      const count = counts.get(value) ?? 0;
      if (isValue(value) && (count > 0 || counts.size < MAX_VALUES)) counts.set(value, count + 1);
    }
  }

  snapshot(): Omit<Facets, "projects"> {
    const values = (name: Name) => mostFrequent(Array.from(this.#counts[name], ([value, count]) => ({ value, count })));
    return {
      kinds: values("kinds"),
      agents: values("agents"),
      sessions: values("sessions"),
      tasks: values("tasks"),
      scope: "log",
      isComplete: this.#isComplete,
    };
  }
}

/** The projects of the events in memory. The server counts none, so these are all that there is to be said of them. */
export function projectsOf(log: EventLog): FacetValue[] {
  return top(log, "project");
}

/** Counts the events in memory. */
export function facetsOf(log: EventLog): Facets {
  return {
    kinds: top(log, "kind"),
    agents: top(log, "agent"),
    sessions: top(log, "session"),
    tasks: top(log, "task"),
    projects: projectsOf(log),
    scope: "loaded",
    isComplete: true,
  };
}

function top(log: EventLog, column: IdColumn): FacetValue[] {
  const counts = countsOf(log, column, log.first);
  const values: FacetValue[] = [];
  counts.forEach((count, id) => {
    const value = log.texts[id]!;
    if (count > 0 && isValue(value)) values.push({ value, count });
  });
  return mostFrequent(values);
}

function isValue(text: string): boolean {
  return text !== "" && text !== SYSTEM;
}

function mostFrequent(values: FacetValue[]): FacetValue[] {
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
