/**
 * The permission requests that wait for an answer: what somebody on a phone came for, wherever the list stands.
 *
 * The list knows what it has loaded, and a request may be older than that or filtered out, so the server is asked for the
 * newest events about permissions: at first, when another one is seen, and now and then for those that the view filters out.
 */
import { answersOf, type Cursor, type Facets, type Status, useSlice } from "@todoki/react";
import { useEffect, useRef, useState } from "react";
import { useWorkspace } from "./workspace.ts";

/** A request, or what ends one. */
interface PermissionEvent {
  readonly cursor: Cursor;
  readonly kind: string;
  readonly time: number;
  readonly requestId: string;
  readonly option: string | null;
  readonly by: string | null;
}

/** Events asked for: some hundred requests, which is more than anybody answers by hand. */
const limit = 500;
/** An agent that has waited for a day is not waiting any more. */
const longestWaitMs = 86_400_000;
/** The shortest time between two requests, however many permissions are asked for. */
const leastMs = 2_000;
/** How often it is asked anew without a reason. */
const mostMs = 30_000;

const requested = "permission.requested";

/** What is asked: the newest events about permissions. */
export const waitingHref = `/api/event-bus?kinds=permission.*&before=${Number.MAX_SAFE_INTEGER}&limit=${limit}`;

/** The events about permissions in an answer of the server; what is none is left out. */
export function readPermissions(answer: unknown): readonly PermissionEvent[] {
  const { events } = recordOf(answer);
  return Array.isArray(events) ? events.flatMap(readPermission) : [];
}

function readPermission(event: unknown): readonly PermissionEvent[] {
  const { cursor, kind, time, data } = recordOf(event);
  const { request_id: requestId, option_id: option, by } = recordOf(data);
  if (typeof cursor !== "number" || typeof kind !== "string" || typeof requestId !== "string") return [];
  return [{ cursor, kind, time: Date.parse(String(time)), requestId, option: textOrNull(option), by: textOrNull(by) }];
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** The requests among these events that none of them ends, the oldest first. */
export function waitingAmong(events: readonly PermissionEvent[], nowMs: number): readonly Cursor[] {
  const ended = new Set(events.filter(({ kind }) => kind !== requested).map(({ requestId }) => requestId));
  return events
    .filter(({ kind, requestId }) => kind === requested && !ended.has(requestId))
    .filter(({ time }) => nowMs - time < longestWaitMs)
    .map(({ cursor }) => cursor);
}

/** The requests that wait, the oldest first. The rows and the detail learn of the answers that came by here. */
export function useWaiting(): readonly Cursor[] {
  const { client, token } = useWorkspace();
  const isLive = useSlice(client.status, canAsk);
  const seen = useSlice(client.facets, countOf);
  const [waiting, setWaiting] = useState<readonly Cursor[]>([]);
  const [turn, setTurn] = useState(0);
  const askedAt = useRef(Number.NEGATIVE_INFINITY);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another permission event, or another turn, asks anew.
  useEffect(() => {
    if (!isLive) return;
    let isWanted = true;
    const ask = async () => {
      // Nobody looks; the next turn comes all the same.
      if (document.hidden) return;
      askedAt.current = performance.now();
      const events = await fetchPermissions(token());
      if (!isWanted || events === null) return;
      const answers = answersOf(client);
      for (const { kind, requestId, option, by, cursor } of events) {
        if (kind !== requested) answers.note(requestId, { kind, option, by, cursor, isOurs: false });
      }
      setWaiting(waitingAmong(events, Date.now()));
    };
    const timer = setTimeout(ask, Math.max(0, askedAt.current + leastMs - performance.now()));
    const again = setTimeout(() => setTurn((last) => last + 1), mostMs);
    return () => {
      isWanted = false;
      clearTimeout(timer);
      clearTimeout(again);
    };
  }, [client, token, isLive, seen, turn]);
  return waiting;
}

/** Null when the server did not tell: what was known before stays. */
async function fetchPermissions(token: string | null): Promise<readonly PermissionEvent[] | null> {
  const headers: HeadersInit = token === null ? {} : { authorization: `Bearer ${token}` };
  try {
    const answer = await fetch(waitingHref, { headers });
    return answer.ok ? readPermissions(await answer.json()) : null;
  } catch {
    return null;
  }
}

function canAsk({ phase }: Status): boolean {
  return phase === "live" || phase === "lagging";
}

/** Changes with each event about a permission that comes in. */
function countOf({ kinds }: Facets): number {
  return kinds.reduce((sum, { value, count }) => (value.startsWith("permission.") ? sum + count : sum), 0);
}
