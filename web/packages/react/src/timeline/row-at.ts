/**
 * From a place in the list to the event there, which may not be at hand.
 */
import type { Cursor, EventClient } from "../event-client.ts";

/** How long the rows at a place are waited for. They come within a frame or two, unless the place is gone. */
const PATIENCE_MS = 2000;

/**
 * The cursor of the event at a place; null when there is none, or places have lost their meaning meanwhile. It asks for the
 * rows there, which takes those of the list away: the list asks for its own when it goes to the event, and where there is
 * none they are asked for again.
 */
export function cursorAt(client: EventClient, place: number): Promise<Cursor | null> {
  const before = client.rows.get();
  const look = (): Cursor | null | undefined => {
    const { rows, from, generation } = client.rows.get();
    if (generation !== before.generation) return null;
    const row = rows[place - from];
    return row && (row.type === "event" ? row.cursor : null);
  };
  const seen = look();
  if (seen !== undefined) return Promise.resolve(seen);
  return new Promise((resolve) => {
    const settle = (cursor: Cursor | null) => {
      clearTimeout(timer);
      leave();
      if (cursor === null) client.setView({ first: before.from, count: before.rows.length });
      resolve(cursor);
    };
    const timer = setTimeout(settle, PATIENCE_MS, null);
    const leave = client.rows.subscribe(() => {
      const found = look();
      if (found !== undefined) settle(found);
    });
    client.setView({ first: place, count: 1 });
  });
}
