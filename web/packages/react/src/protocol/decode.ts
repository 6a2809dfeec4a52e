/**
 * Text frames in, events and messages out. Knows the shapes of messages and skips those of later versions.
 */
import { type Envelope, envelope, isRecord, readEvent } from "./scan.ts";
import type { Message } from "./types.ts";

/** Takes what a frame holds, in order. */
export interface Sink {
  /** `at` is reused for the next event: copy what shall stay. */
  event(text: string, at: Envelope): void;
  message(message: Message): void;
  /** Text that is neither: of a later version, or broken. */
  unknown(text: string): void;
}

/** What every event begins with as servers write it. */
const EVENT = '{"type":"event"';
const scratch = envelope();

/** Reads a frame of `encoding=lines` or `encoding=message`. */
export function decode(frame: string, sink: Sink): void {
  for (let from = 0, end = 0; from < frame.length; from = end + 1) {
    end = frame.indexOf("\n", from);
    if (end < 0) end = frame.length;
    // Read where it stands: what is cut out of a text is slower to read than the text itself.
    if (frame.startsWith(EVENT, from) && readEvent(frame, scratch, from, end))
      sink.event(frame.slice(from, end), scratch);
    else if (end > from) line(frame.slice(from, end), sink);
  }
}

function line(text: string, sink: Sink): void {
  const message = messageOf(text);
  if (message !== null) sink.message(message);
  else if (readEvent(text, scratch)) sink.event(text, scratch);
  else sink.unknown(text);
}

/** Cursors are exact as numbers. */
const CURSOR = Number.MAX_SAFE_INTEGER;
const COUNT = Number.POSITIVE_INFINITY;

/**
 * Every message with an example of each member that is used: one must be of the example's type. A number is whole and at
 * most the example's; one of a list is in it. What is not here may be absent, and is left as it is.
 */
const MESSAGES: Record<Message["type"], Record<string, string | number | readonly string[]>> = {
  subscribed: { cursor: CURSOR, epoch: "", earliest: CURSOR, head: CURSOR, heartbeat_ms: COUNT },
  replay_complete: { cursor: CURSOR, count: COUNT },
  gap: {
    reason: ["retention", "slow", "ahead"],
    requested: CURSOR,
    resume_at: CURSOR,
    earliest: CURSOR,
    head: CURSOR,
  },
  lag: { state: ["catching_up", "live"], lag_ms: COUNT },
  error: { code: "", message: "" },
  ping: { cursor: CURSOR },
  pong: { time: "" },
  drain: { reconnect_after_ms: COUNT },
  token_expiring: { expires_in_ms: COUNT },
  authorised: { cursor: CURSOR },
};

/** The message in a line; null when it is none that this version knows. */
export function messageOf(text: string): Message | null {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(message)) return null;
  const { type } = message;
  if (typeof type !== "string" || !Object.hasOwn(MESSAGES, type)) return null;
  const members = Object.entries(MESSAGES[type as Message["type"]]);
  return members.every(([name, example]) => isLike(message[name], example)) ? (message as unknown as Message) : null;
}

function isLike(member: unknown, example: string | number | readonly string[]): boolean {
  if (typeof example === "object") return example.includes(member as string);
  if (typeof example === "string") return typeof member === "string";
  return Number.isInteger(member) && (member as number) >= 0 && (member as number) <= example;
}
