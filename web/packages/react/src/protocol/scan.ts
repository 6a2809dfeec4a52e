/**
 * Reads the envelope of an event without parsing its payload.
 *
 * Servers write the members in one order without spaces. Text that differs in any byte of that is read by `JSON.parse`
 * instead: slower, never otherwise. What is inside `data` is not judged here; only where it ends is.
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

const ID = String.raw`"([^"\\\x00-\x1f]{36})"`;
/**
 * The envelope as servers write it, every byte of it: cursor, kind, time to the second, its milliseconds, agent, session,
 * task, project. One pattern that is compiled to machine code beats a scan by hand, three to one.
 */
const ENVELOPE = new RegExp(
  String.raw`\{"type":"event","cursor":([1-9]\d{0,15}),"kind":"([^"\\\x00-\x1f]*)"` +
    String.raw`,"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{3})\d{3}Z","agent_id":${ID}` +
    String.raw`,"session_id":(?:null|${ID}),"task_id":(?:null|${ID})(?:,"project_id":${ID})?,"data":(?=\{)`,
  "y",
);

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN = 123;
const CLOSE = 125;

/** Reads the event that is `text` from `from` up to `end` into `out`; false when there is none. */
export function readEvent(text: string, out: Envelope, from = 0, end = text.length): boolean {
  return scan(text, out, from, end) || parse(text.slice(from, end), out);
}

let lastSecond = "";
let lastTime = 0;

/** The way for text in the order that servers write. False says nothing about `text` but that the other way must look. */
export function scan(text: string, out: Envelope, from = 0, end = text.length): boolean {
  ENVELOPE.lastIndex = from;
  const found = ENVELOPE.exec(text);
  if (found === null) return false;
  const data = ENVELOPE.lastIndex;
  const dataEnd = objectEnd(text, data) + 1;
  if (dataEnd !== end - 1 || text.charCodeAt(dataEnd) !== CLOSE) return false;
  const second = found[3]!;
  if (second !== lastSecond) {
    lastSecond = second;
    lastTime = Date.parse(`${second}Z`);
  }
  out.cursor = Number(found[1]);
  out.kind = found[2]!;
  out.time = lastTime + Number(found[4]);
  out.agent = found[5]!;
  out.session = found[6] ?? "";
  out.task = found[7] ?? "";
  out.project = found[8] ?? "";
  out.data = data - from;
  out.dataEnd = dataEnd - from;
  return Number.isSafeInteger(out.cursor) && !Number.isNaN(out.time);
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
function memberSpan(text: string, name: string): [number, number] {
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
