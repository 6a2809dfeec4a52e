/**
 * Which permission requests have been answered, as far as a client has seen.
 *
 * Answers are events like others: they come by in the rows, from this page, from another, or from a program. While somebody
 * looks at a request that is open, every event is listened to, so that an answer is seen wherever the list stands. Nothing
 * here asks the server, so an answer that is neither at hand nor yet to come is learnt of when ours is refused.
 */
import type { Cursor, Draft, EventClient, EventRow, Row } from "../event-client.ts";
import { type Cell, cell, type Slice } from "../slice.ts";
import { member, plain, readJson } from "./json-text.ts";

/** How a request was answered. */
export interface Answer {
  /** Kind of the event that answers it: `permission.responded`, `permission.expired`, … */
  readonly kind: string;
  readonly option: string | null;
  readonly by: string | null;
  /** Null where all that is known is that there is an answer. */
  readonly cursor: Cursor | null;
  /** Whether it was given here. */
  readonly isOurs: boolean;
}

/** Kinds that end a request. */
export const ANSWER_KINDS: ReadonlySet<string> = new Set(
  ["responded", "approved", "denied", "revoked", "expired", "cancelled"].map((end) => `permission.${end}`),
);

/** Answers kept, the oldest of them forgotten first: far more requests than anybody looks at on one page. */
const KEPT_ANSWERS = 1000;

/** What is known of the answers to the requests of one client. */
export interface Answers extends Slice<ReadonlyMap<string, Answer>> {
  note(requestId: string, answer: Answer): void;
  /** Listens to all events until the returned function is called. It costs, so it is for as long as a request is open. */
  listen(): () => void;
}

const answersByClient = new WeakMap<EventClient, Answers>();

/** The answers that a client has seen; the same object for the same client. */
export function answersOf(client: EventClient): Answers {
  const known = answersByClient.get(client);
  if (known) return known;
  const answers = watch(client, cell<ReadonlyMap<string, Answer>>(new Map()));
  answersByClient.set(client, answers);
  return answers;
}

function watch(client: EventClient, known: Cell<ReadonlyMap<string, Answer>>): Answers {
  let watchers = 0;
  let stop = () => {};
  const note = (requestId: string, answer: Answer) => known.set(noted(known.get(), requestId, answer));
  const scan = () => {
    for (const row of client.rows.get().rows) noteRow(row, note);
  };
  const listen = () =>
    client.on("event", ({ kind, data, cursor }) => {
      const { request_id, option_id, by } = data;
      if (!ANSWER_KINDS.has(kind) || typeof request_id !== "string") return;
      note(request_id, { kind, option: stringOr(option_id), by: stringOr(by), cursor, isOurs: false });
    });
  const subscribe = (listener: () => void) => {
    const leave = known.subscribe(listener);
    watchers += 1;
    if (watchers === 1) {
      stop = client.rows.subscribe(scan);
      scan();
    }
    return () => {
      leave();
      watchers -= 1;
      if (watchers === 0) stop();
    };
  };
  return { get: known.get, subscribe, note, listen };
}

function stringOr(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** The id of the request that an event makes or answers; null where it has none. */
export function requestIdOf({ data }: EventRow): string | null {
  return plain(member(readJson(data).root, "request_id"));
}

function noteRow(row: Row, note: Answers["note"]): void {
  if (row.type !== "event" || !ANSWER_KINDS.has(row.kind)) return;
  const data = readJson(row.data).root;
  const requestId = plain(member(data, "request_id"));
  if (requestId === null) return;
  const option = plain(member(data, "option_id"));
  const by = plain(member(data, "by"));
  note(requestId, { kind: row.kind, option, by, cursor: row.cursor, isOurs: false });
}

/**
 * The later answer stands, so that an expiry after an answer shows. Our own may come by as an event before we are told that
 * it is durable, and it is ours all the same.
 */
function noted(known: ReadonlyMap<string, Answer>, requestId: string, answer: Answer): ReadonlyMap<string, Answer> {
  const before = known.get(requestId);
  const isNews = !before || (answer.cursor ?? 0) > (before.cursor ?? 0);
  const isOursNow = before?.cursor === answer.cursor && answer.isOurs && !before?.isOurs;
  if (!isNews && !isOursNow) return known;
  const after = new Map(known).set(requestId, answer);
  for (const oldest of after.keys()) {
    if (after.size <= KEPT_ANSWERS) break;
    after.delete(oldest);
  }
  return after;
}

/** The event that answers a request, with the ids of the request. */
export function answerDraft(row: EventRow, requestId: string, optionId: string): Draft {
  return {
    kind: "permission.responded",
    data: { request_id: requestId, option_id: optionId, by: "human" },
    ...(row.agentId === null ? {} : { agent_id: row.agentId }),
    ...(row.sessionId === null ? {} : { session_id: row.sessionId }),
    ...(row.taskId === null ? {} : { task_id: row.taskId }),
    ...(row.projectId === null ? {} : { project_id: row.projectId }),
    id: `permission/${requestId}`,
  };
}
