/**
 * The baseline: a list that does what the timeline before this one did, written anew from its description.
 *
 * A state update for each message, the whole history copied into a new array; then every event merged, deduplicated and
 * sorted on every render, and the newest fifty shown; one event a frame on the wire.
 */
import { useEffect, useMemo, useState } from "react";

const SHOWN = 50;

interface NaiveEvent {
  readonly cursor: number;
  readonly kind: string;
  readonly time: string;
  readonly agent_id: string;
  readonly task_id: string | null;
  readonly data: unknown;
}

export function Naive({ server, token }: { server: string; token: string }) {
  const [history] = useState<readonly NaiveEvent[]>([]);
  const [events, setEvents] = useState<readonly NaiveEvent[]>([]);
  useEffect(() => {
    const bearer = btoa(token).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const subprotocols = ["todoki.v1", `base64url.bearer.authorization.todoki.${bearer}`];
    const socket = new WebSocket(`${server.replace("http", "ws")}/ws/event-bus`, subprotocols);
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data as string) as { type: string } & NaiveEvent;
      if (message.type === "event") setEvents((before) => [...before, message]);
    };
    return () => socket.close();
  }, [server, token]);
  const all = useMemo(() => {
    const known = new Set<number>();
    const once = [...history, ...events].filter(({ cursor }) => !known.has(cursor) && known.add(cursor));
    return once.sort((a, b) => a.cursor - b.cursor);
  }, [history, events]);
  return (
    <ol>
      {all.slice(-SHOWN).map((event) => (
        <Item key={event.cursor} event={event} />
      ))}
    </ol>
  );
}

function Item({ event: { cursor, kind, time, agent_id, task_id, data } }: { event: NaiveEvent }) {
  return (
    <li data-cursor={cursor}>
      <div>
        <b>{kind}</b> <code>#{cursor}</code>
      </div>
      <div>
        {new Date(time).toLocaleTimeString("en-GB")} · {agent_id.slice(0, 8)}
        {task_id !== null && <> · Task: {task_id.slice(0, 8)}</>}
      </div>
      <details>
        <summary>View data</summary>
        <pre>{JSON.stringify(data, null, 2)}</pre>
      </details>
    </li>
  );
}
