/**
 * Takes a page of `GET /api/event-bus` apart without parsing its events, so that their text stays as it was sent.
 */
import type { Cursor } from "../event-client.ts";
import { objectEnd } from "./scan.ts";

export interface Page {
  /** The text of each event, in cursor order. */
  readonly events: readonly string[];
  /** Where the next page in the same direction begins. */
  readonly next: Cursor;
  readonly hasMore: boolean;
  /** The oldest event still stored. */
  readonly earliest: Cursor;
}

const EVENTS = '{"events":[';

/** The page in a response; null when it is none. */
export function pageOf(text: string): Page | null {
  if (!text.startsWith(EVENTS)) return null;
  const events: string[] = [];
  let at = EVENTS.length;
  while (text[at] === "{") {
    const end = objectEnd(text, at) + 1;
    if (end === 0) return null;
    const event = text.slice(at, end);
    // A line feed can only be between tokens, where the socket would have sent a space: so every text is one line.
    events.push(/[\n\r]/.test(event) ? event.replace(/[\n\r]/g, " ") : event);
    at = text[end] === "," ? end + 1 : end;
  }
  const tail = /^\],"next_cursor":(\d+),"has_more":(true|false),"earliest":(\d+)/.exec(text.slice(at));
  return tail && { events, next: Number(tail[1]), hasMore: tail[2] === "true", earliest: Number(tail[3]) };
}
