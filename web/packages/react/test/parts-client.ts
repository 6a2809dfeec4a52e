/**
 * A client made of cells, for what one looks at inside the timeline: a test sets what it knows and sees what it was asked.
 */
import { vi } from "vitest";
import type { EventClient, EventRow, Histogram, Lanes, Rows, StreamEvent } from "../src/event-client.ts";
import { type Cell, cell } from "../src/slice.ts";

type Parts = Pick<EventClient, "emit" | "event" | "find" | "seek" | "setView" | "on">;

export interface PartsClient extends EventClient {
  readonly rows: Cell<Rows>;
  readonly histogram: Cell<Histogram>;
  readonly lanes: Cell<Lanes>;
  /** Tells those who listen to every event. */
  arrive(event: StreamEvent): void;
  /** How many listen to every event. */
  listening(): number;
}

const noHistogram: Histogram = {
  from: 0,
  windowMs: 1000,
  families: [],
  counts: [],
  failures: [],
  isComplete: true,
};

export function rowsAt(from: number, rows: readonly EventRow[]): Rows {
  return {
    generation: 1,
    first: 0,
    next: 100_000,
    from,
    rows,
    isFollowing: true,
    hasOlder: false,
    hasNewer: false,
    isLoadingOlder: false,
    isLoadingNewer: false,
    target: null,
  };
}

/** A client that does what `parts` say; asking it for anything else fails the test. */
export function partsClient(parts: Partial<Parts> = {}): PartsClient {
  const listeners = new Set<(event: StreamEvent) => void>();
  const client = {
    rows: cell(rowsAt(0, [])),
    histogram: cell(noHistogram),
    lanes: cell<Lanes>({ by: "agent", lanes: [], others: 0 }),
    status: cell({ clockOffsetMs: null }),
    on: (_: "event", listener: (event: StreamEvent) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    setView: vi.fn(),
    ...parts,
    arrive: (event: StreamEvent) => {
      for (const listener of listeners) listener(event);
    },
    listening: () => listeners.size,
  };
  return client as unknown as PartsClient;
}
