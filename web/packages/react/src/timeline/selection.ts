/**
 * Which event is open: held here, or by whoever uses the timeline.
 */
import { useCallback, useEffect, useState } from "react";
import type { Cursor, EventClient, EventRow, StreamEvent } from "../event-client.ts";
import { NIL_UUID } from "./format.ts";

export interface Selection {
  readonly cursor: Cursor | null;
  /** The open event, once it is known. */
  readonly row: EventRow | null;
  /** Opens an event, or none. */
  readonly select: (event: EventRow | Cursor | null) => void;
}

/**
 * The open event. With `selected` it is what the owner says, and `onSelect` asks for another; without it, the timeline's
 * own. An event that is not in the list, such as one of a link, is fetched.
 */
export function useSelection(
  client: EventClient,
  selected: Cursor | null | undefined,
  onSelect: ((cursor: Cursor | null) => void) | undefined,
): Selection {
  const [own, setOwn] = useState<Cursor | null>(null);
  const [row, setRow] = useState<EventRow | null>(null);
  const cursor = selected === undefined ? own : selected;
  const known = row?.cursor === cursor ? row : null;
  useEffect(() => {
    if (cursor === null || known !== null) return;
    let isWanted = true;
    void fetchRow(client, cursor).then((found) => isWanted && found !== null && setRow(found));
    return () => {
      isWanted = false;
    };
  }, [client, cursor, known]);
  const select = useCallback(
    (event: EventRow | Cursor | null) => {
      const next = typeof event === "object" ? (event?.cursor ?? null) : event;
      if (typeof event === "object" && event !== null) setRow(event);
      setOwn(next);
      onSelect?.(next);
    },
    [onSelect],
  );
  return { cursor, row: known, select };
}

/** The row of an event: from the list where it has it, else from the server; null when neither does. */
export async function fetchRow(client: EventClient, cursor: Cursor): Promise<EventRow | null> {
  const { from, rows } = client.rows.get();
  const atHand = rows.find((row) => row.type === "event" && row.cursor === cursor);
  if (atHand?.type === "event") return atHand;
  const text = await client.event(cursor).catch(() => null);
  return text === null ? null : rowOf(text, from);
}

/** The row of an event that is not in the list. Its place means nothing. */
function rowOf(text: string, place: number): EventRow {
  const event = JSON.parse(text) as StreamEvent;
  return {
    type: "event",
    place,
    cursor: event.cursor,
    time: Date.parse(event.time),
    kind: event.kind,
    agentId: event.agent_id === NIL_UUID ? null : event.agent_id,
    sessionId: event.session_id,
    taskId: event.task_id,
    projectId: event.project_id ?? null,
    // Parsing has rounded its numbers, so it is not what was sent: whoever wants that has to fetch it.
    data: JSON.stringify(event.data),
    isWhole: false,
    summary: "",
    isFailure: /(?:failed|error|denied|expired)$/.test(event.kind),
    isHit: false,
    isNewDay: false,
  };
}
