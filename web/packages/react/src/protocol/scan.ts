/**
 * Reads the envelope of an event without parsing its payload.
 *
 * Servers write the members in one order without spaces, so each is where the last one ended. Every byte between them is
 * checked, and text that differs in any way is read by `JSON.parse` instead: slower, never otherwise. What is inside
 * `data` is not judged here; only where it ends is.
 */

/** Where the parts of an event are in its text. Reused from event to event: copy what shall stay. */
export interface Envelope {
  cursor: number;
  /** Milliseconds since 1970. */
  time: number;
  kind: string;
  agent: string;
  /** Empty when null. */
  session: string;
  task: string;
  project: string;
  /** The text of `data` is from here up to, not including, `dataEnd`. */
  data: number;
  dataEnd: number;
}

/** An envelope to read into. */
export function envelope(): Envelope {
  return { cursor: 0, time: 0, kind: "", agent: "", session: "", task: "", project: "", data: 0, dataEnd: 0 };
}

/** Cursors are exact in every reader up to here. */
const MAX_CURSOR = Number.MAX_SAFE_INTEGER;
const HEAD = '{"type":"event","cursor":';
const KIND = ',"kind":"';
const TIME = '","time":"';
const AGENT = '","agent_id":';
const SESSION = ',"session_id":';
const TASK = ',"task_id":';
const PROJECT = ',"project_id":';
const DATA = ',"data":';
/** Length of a hyphenated UUID, and of a time with six decimals. */
const UUID = 36;
const STAMP = 27;
/** Digits of the largest cursor. */
const CURSOR_DIGITS = 16;

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN = 123;
const CLOSE = 125;

/** Reads an event into `out`; false when `text` is none. */
export function readEvent(text: string, out: Envelope): boolean {
  return scan(text, out) || parse(text, out);
}

/** The way for text in the order that servers write. False says nothing about `text` but that the other way must look. */
export function scan(text: string, out: Envelope): boolean {
  if (!text.startsWith(HEAD)) return false;
  let at = HEAD.length;
  let cursor = 0;
  for (let digit = digitAt(text, at); digit >= 0; digit = digitAt(text, ++at)) cursor = cursor * 10 + digit;
  const digits = at - HEAD.length;
  if (digits === 0 || digits > CURSOR_DIGITS || cursor > MAX_CURSOR || digitAt(text, HEAD.length) === 0) return false;
  if (!text.startsWith(KIND, at)) return false;
  const kind = at + KIND.length;
  at = plainEnd(text, kind);
  if (!text.startsWith(TIME, at)) return false;
  out.kind = text.slice(kind, at);
  const time = timeOf(text, at + TIME.length);
  at += TIME.length + STAMP;
  if (Number.isNaN(time) || !text.startsWith(AGENT, at)) return false;
  at = id(text, at + AGENT.length);
  out.agent = found;
  // An id that is none ends at -1, where nothing can follow.
  if (found === "" || !text.startsWith(SESSION, at)) return false;
  at = id(text, at + SESSION.length);
  out.session = found;
  if (!text.startsWith(TASK, at)) return false;
  at = id(text, at + TASK.length);
  out.task = found;
  out.project = "";
  if (text.startsWith(PROJECT, at)) {
    at = id(text, at + PROJECT.length);
    out.project = found;
  }
  if (!text.startsWith(DATA, at)) return false;
  at += DATA.length;
  const end = text.length - 1;
  if (text.charCodeAt(at) !== OPEN || text.charCodeAt(end) !== CLOSE || objectEnd(text, at) !== end - 1) return false;
  out.cursor = cursor;
  out.time = time;
  out.data = at;
  out.dataEnd = end;
  return true;
}

/** The id that `id` read; empty for null. */
let found = "";

/** Reads a UUID or null at `at`; where it ends, or -1. */
function id(text: string, at: number): number {
  if (text.charCodeAt(at) !== QUOTE) {
    found = "";
    return text.startsWith("null", at) ? at + 4 : -1;
  }
  const end = at + 1 + UUID;
  if (plainEnd(text, at + 1) !== end || text.charCodeAt(end) !== QUOTE) return -1;
  found = text.slice(at + 1, end);
  return end + 1;
}

/** Where the plain characters from `at` on end: at a quote, or at what needs a real parser. */
function plainEnd(text: string, at: number): number {
  for (let code = text.charCodeAt(at); code >= 32 && code !== QUOTE && code !== BACKSLASH; )
    code = text.charCodeAt(++at);
  return at;
}

/** Where the object that begins at `at` closes: the place of its last bracket, or -1. Strings are stepped over. */
export function objectEnd(text: string, at: number): number {
  let depth = 0;
  for (const end = text.length; at < end; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = stringEnd(text, at);
        if (at < 0) return -1;
        break;
      case OPEN:
      case 91:
        depth++;
        break;
      case CLOSE:
      case 93:
        if (--depth === 0) return at;
    }
  }
  return -1;
}

/** The closing quote of the string that opens at `at`, or -1. */
function stringEnd(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end;
    while (text.charCodeAt(before - 1) === BACKSLASH) before--;
    if ((end - before) % 2 === 0) return end;
  }
  return -1;
}

let day = "";
let dayTime = 0;

/** `YYYY-MM-DDTHH:MM:SS.ffffffZ` at `at` in milliseconds; NaN when it is not exactly that. The day is asked for once. */
function timeOf(text: string, at: number): number {
  if (!text.startsWith(day, at) || day === "") {
    day = text.slice(at, at + 10);
    dayTime = /^\d{4}-\d\d-\d\d$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  }
  const hour = two(text, at + 11);
  const minute = two(text, at + 14);
  const second = two(text, at + 17);
  const isShaped =
    text.charCodeAt(at + 10) === 84 &&
    text.charCodeAt(at + 13) === 58 &&
    text.charCodeAt(at + 16) === 58 &&
    text.charCodeAt(at + 19) === 46 &&
    text.charCodeAt(at + 26) === 90;
  if (!isShaped || !(hour < 24 && minute < 60 && second < 60)) return Number.NaN;
  // Two by two: a character that is no digit makes one of them NaN, and so the time.
  const millis = two(text, at + 20) * 10 + Math.floor(two(text, at + 22) / 10) + 0 * two(text, at + 24);
  return dayTime + hour * 3_600_000 + minute * 60_000 + second * 1000 + millis;
}

/** Two digits as a number; NaN when they are none. */
function two(text: string, at: number): number {
  const tens = digitAt(text, at);
  const ones = digitAt(text, at + 1);
  return tens >= 0 && ones >= 0 ? tens * 10 + ones : Number.NaN;
}

/** A digit as a number; -1 when it is none. */
function digitAt(text: string, at: number): number {
  const digit = text.charCodeAt(at) - 48;
  return digit >= 0 && digit <= 9 ? digit : -1;
}

/** The way for all other text. */
function parse(text: string, out: Envelope): boolean {
  let event: unknown;
  try {
    event = JSON.parse(text);
  } catch {
    return false;
  }
  if (!isRecord(event)) return false;
  const { type, data, cursor, kind, time, agent_id, session_id, task_id, project_id } = event;
  if (type !== "event" || !isRecord(data)) return false;
  if (!Number.isSafeInteger(cursor) || (cursor as number) < 1 || typeof kind !== "string") return false;
  const at = typeof time === "string" ? Date.parse(time) : Number.NaN;
  if (Number.isNaN(at) || typeof agent_id !== "string") return false;
  if (!isId(session_id) || !isId(task_id) || !isId(project_id)) return false;
  out.cursor = cursor as number;
  out.time = at;
  out.kind = kind;
  out.agent = agent_id;
  out.session = session_id ?? "";
  out.task = task_id ?? "";
  out.project = project_id ?? "";
  [out.data, out.dataEnd] = memberSpan(text, "data");
  return true;
}

function isId(value: unknown): value is string | null | undefined {
  return value === null || value === undefined || typeof value === "string";
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Where the object in a member of `text`, which is valid JSON, begins and ends. Of two with a name the last, as parsers do. */
export function memberSpan(text: string, name: string): [number, number] {
  let span: [number, number] = [0, 0];
  for (let at = text.indexOf("{") + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === OPEN || code === 91) {
      at = objectEnd(text, at);
      continue;
    }
    if (code !== QUOTE) continue;
    const end = stringEnd(text, at);
    const colon = /\s*:\s*/y;
    colon.lastIndex = end + 1;
    if (colon.test(text) && JSON.parse(text.slice(at, end + 1)) === name && text.charCodeAt(colon.lastIndex) === OPEN) {
      span = [colon.lastIndex, objectEnd(text, colon.lastIndex) + 1];
    }
    at = end;
  }
  return span;
}
