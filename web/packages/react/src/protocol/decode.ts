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

/** How a member must look: a text, a count, a cursor, a number, an array of texts, one of some words. `?` may be absent. */
type Shape = "text" | "text?" | "count" | "number?" | "cursor" | "texts" | readonly string[];

/** Every message, and the members that it must have. */
const MESSAGES: Record<Message["type"], Record<string, Shape>> = {
  subscribed: {
    kinds: "texts",
    cursor: "cursor",
    epoch: "text",
    earliest: "cursor",
    head: "cursor",
    server_time: "text",
    heartbeat_ms: "count",
    ref: "text?",
  },
  replay_complete: { cursor: "cursor", count: "count" },
  gap: {
    reason: ["retention", "slow", "ahead"],
    requested: "cursor",
    resume_at: "cursor",
    earliest: "cursor",
    head: "cursor",
  },
  lag: { state: ["catching_up", "live"], lag_events: "count", lag_ms: "count" },
  error: { code: "text", message: "text", retry_after_ms: "number?", ref: "text?" },
  ping: { time: "text", cursor: "cursor" },
  pong: { t: "number?", time: "text", ref: "text?" },
  drain: { reconnect_after_ms: "count" },
};

/** The message in a line; null when it is none that this version knows. */
export function messageOf(text: string): Message | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value)) return null;
  const { type } = value;
  if (typeof type !== "string" || !isType(type)) return null;
  const message: Record<string, unknown> = { type };
  for (const [name, shape] of Object.entries(MESSAGES[type])) {
    const member = value[name] ?? undefined;
    if (!fits(member, shape)) return null;
    if (member !== undefined) message[name] = member;
  }
  return message as unknown as Message;
}

function isType(type: string): type is Message["type"] {
  return Object.hasOwn(MESSAGES, type);
}

function fits(member: unknown, shape: Shape): boolean {
  switch (shape) {
    case "text?":
    case "number?":
      return member === undefined || `${typeof member}?`.replace("string", "text") === shape;
    case "text":
      return typeof member === "string";
    case "texts":
      return Array.isArray(member) && member.every((text) => typeof text === "string");
    case "cursor":
      return Number.isSafeInteger(member) && (member as number) >= 0;
    case "count":
      return Number.isInteger(member) && (member as number) >= 0;
    default:
      return shape.includes(member as string);
  }
}
