/**
 * What the two halves of a client say to each other: the core, mostly in a worker, and the page.
 *
 * The core sends no more than one `slices` until the page gives credit for the next, so a page that is busy or hidden is
 * not flooded; rows that a view asked for, events that somebody listens to and answers need no credit.
 */
import type {
  Counts,
  Cursor,
  EventClientOptions,
  Facets,
  Histogram,
  Lanes,
  View as ListView,
  Row,
  Rows,
  Status,
  TokenReason,
} from "../event-client.ts";

/** The options that can cross to a worker; the token stays on the page, and is asked for. */
export type CoreOptions = Omit<EventClientOptions, "url" | "token" | "transport"> & {
  readonly url: string;
};

/** Slices that are counted over many events. */
export type View = "facets" | "histogram" | "lanes";

/** Slices that are made only while somebody looks. `event` is that somebody listens to every event. */
export type Watched = View | "event";

export type ToCore =
  | { readonly type: "open"; readonly options: CoreOptions }
  | { readonly type: "view"; readonly view: ListView }
  /** The next snapshots may come, but not before `inMs`, for then they are the newest. */
  | { readonly type: "credit"; readonly inMs: number }
  | { readonly type: "watch"; readonly what: Watched; readonly isWatched: boolean }
  | { readonly type: "token"; readonly id: number; readonly token: string | undefined; readonly error?: string }
  | { readonly type: "page"; readonly what: "online" | "offline" | "visible" | "token" }
  | { readonly type: "call"; readonly id: number; readonly method: string; readonly args: readonly unknown[] }
  | { readonly type: "abort"; readonly id: number };

export type ToPage =
  | ({ readonly type: "slices" } & Partial<Slices>)
  | { readonly type: "rows"; readonly rows: RowsChange }
  | { readonly type: "events"; readonly events: readonly string[] }
  /** A token is needed. Without a reason the one at hand will do. */
  | { readonly type: "token"; readonly id: number; readonly reason: TokenReason | undefined }
  | { readonly type: "progress"; readonly id: number; readonly args: readonly [number, Cursor?] }
  | {
      readonly type: "result";
      readonly id: number;
      readonly value?: unknown;
      readonly error?: string;
      readonly code?: string;
    };

export interface Slices {
  readonly status: Status;
  readonly rows: RowsChange;
  readonly counts: Counts;
  readonly facets: Facets;
  readonly histogram: Histogram;
  readonly lanes: Lanes;
}

/** Rows as what is new of them: the page has the others from the change before. */
export interface RowsChange extends Omit<Rows, "rows"> {
  /** How many rows there are from `from` on. */
  readonly count: number;
  readonly fresh: readonly Row[];
}

/** The rows after a change. Those that are the same stay the same objects. */
export function rowsAfter(before: Rows, { count, fresh, ...change }: RowsChange): Rows {
  const rows = new Array<Row>(count);
  if (before.generation === change.generation) {
    for (const row of before.rows) if (inside(row.place - change.from, count)) rows[row.place - change.from] = row;
  }
  for (const row of fresh) rows[row.place - change.from] = row;
  return { ...change, rows };
}

function inside(index: number, count: number): boolean {
  return index >= 0 && index < count;
}
