/**
 * The rows at hand as events: what `useEventStream` gives as `events`.
 *
 * It is a window, never a collection that grows: as many rows as the view asked for, whatever the log holds. The `data` of
 * an event is parsed when it is read for the first time, so that looking at a few of many costs a few.
 */
import type { Cursor, EventRow, Rows, StreamEvent } from "./event-client.ts";

/** An event of the window. */
export interface WindowEvent extends StreamEvent {
  /** False when `data` is too long to be at hand; it is empty then, and `EventClient.event` has all of it. */
  readonly isWhole: boolean;
}

const NIL_UUID = "00000000-0000-0000-0000-000000000000";

class RowEvent implements WindowEvent {
  readonly type = "event";
  /** There is none on an event without, as on the wire. */
  declare readonly project_id?: string;
  readonly #row: EventRow;
  #data: Record<string, unknown> | undefined;

  constructor(row: EventRow) {
    this.#row = row;
    if (row.projectId !== null) this.project_id = row.projectId;
  }
  get cursor(): Cursor {
    return this.#row.cursor;
  }
  get kind(): string {
    return this.#row.kind;
  }
  get time(): string {
    return new Date(this.#row.time).toISOString();
  }
  get agent_id(): string {
    return this.#row.agentId ?? NIL_UUID;
  }
  get session_id(): string | null {
    return this.#row.sessionId;
  }
  get task_id(): string | null {
    return this.#row.taskId;
  }
  get isWhole(): boolean {
    return this.#row.isWhole;
  }
  get data(): Record<string, unknown> {
    this.#data ??= this.#row.isWhole ? (JSON.parse(this.#row.data) as Record<string, unknown>) : {};
    return this.#data;
  }
}

const byRows = new WeakMap<Rows, readonly WindowEvent[]>();
const byRow = new WeakMap<EventRow, WindowEvent>();

/** The events of the rows at hand, the same array for the same rows. */
export function windowOf(rows: Rows): readonly WindowEvent[] {
  let events = byRows.get(rows);
  if (events === undefined) {
    events = rows.rows.filter((row) => row.type === "event").map(eventOf);
    byRows.set(rows, events);
  }
  return events;
}

function eventOf(row: EventRow): WindowEvent {
  let event = byRow.get(row);
  if (event === undefined) {
    event = new RowEvent(row);
    byRow.set(row, event);
  }
  return event;
}
