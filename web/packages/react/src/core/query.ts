/**
 * The query language of `EventClient.setQuery`: what a person types, read into a test of one event.
 *
 * Looks at the whole payload as it was sent, never at what a row shows of it. A text matches whatever its case and
 * however the producer has escaped it. Does not know where the events are.
 */
import type { QueryProblem } from "../event-client.ts";
import { objectEnd } from "../protocol/scan.ts";

/** What a test looks at. */
export interface Line {
  kind: string;
  agent: string;
  session: string;
  task: string;
  /** The event's text, and where `data` begins in it. */
  raw: string;
  data: number;
}

export type Test = (line: Line) => boolean;

/** A query that is right, or what is wrong with it. A query without terms matches all: its test is null. */
export type Parsed =
  | { readonly test: Test | null; readonly problem: null }
  | { readonly test: null; readonly problem: QueryProblem };

/** A query is typed by hand; beyond this it is a mistake, and each term costs time for each event. */
const MAX_LENGTH = 1000;

const REGEX = /\/((?:[^/\\]|\\.)+)\/([imsu]*)(?=\s|$)/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const FIELD = /(kind|agent|task|session|data(?:\.[^\s:"]+|\[[^\s:"]+))?:/y;
const WORD = /\S+/y;

/** Reads a query. */
export function parseQuery(query: string): Parsed {
  if (query.length > MAX_LENGTH) return problem(`a query has at most ${MAX_LENGTH} characters`, MAX_LENGTH);
  const tests: Test[] = [];
  for (let at = blanks(query, 0); at < query.length; ) {
    const isNegated = query[at] === "-";
    const from = isNegated ? at + 1 : at;
    const term = readTerm(query, from);
    if ("message" in term) return { test: null, problem: term };
    const { test } = term;
    tests.push(isNegated ? (line) => !test(line) : test);
    at = blanks(query, term.end);
  }
  if (tests.length <= 1) return { test: tests[0] ?? null, problem: null };
  return { test: (line) => tests.every((test) => test(line)), problem: null };
}

function problem(message: string, at: number): Parsed {
  return { test: null, problem: { message, at } };
}

function blanks(query: string, at: number): number {
  while (/\s/.test(query[at] ?? "")) at++;
  return at;
}

function match(pattern: RegExp, query: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(query);
}

type Term = { readonly test: Test; readonly end: number };

function readTerm(query: string, at: number): Term | QueryProblem {
  const regex = match(REGEX, query, at);
  if (regex !== null) return regexTerm(regex[1]!, regex[2]!, at, at + regex[0].length);
  const field = match(FIELD, query, at);
  if (field?.[1] !== undefined) return fieldTerm(query, field[1], at + field[0].length);
  const text = readText(query, at);
  return "message" in text ? text : { test: textTest(text.value), end: text.end };
}

function readText(query: string, at: number): { value: string; end: number } | QueryProblem {
  if (query[at] === '"') {
    const quoted = match(QUOTED, query, at);
    if (quoted === null) return { message: "the quotation mark is not closed", at };
    if (quoted[1] === "") return { message: "there is nothing between the quotation marks", at };
    return { value: quoted[1]!.replace(/\\(.)/g, "$1"), end: at + quoted[0].length };
  }
  const word = match(WORD, query, at);
  return word === null ? { message: "a term is missing here", at } : { value: word[0], end: at + word[0].length };
}

function regexTerm(source: string, flags: string, at: number, end: number): Term | QueryProblem {
  try {
    const regex = new RegExp(source, flags);
    return { test: (line) => regex.test(line.raw.slice(line.data, -1)) || regex.test(line.kind), end };
  } catch (error) {
    return { message: error instanceof Error ? error.message : "not a regular expression", at };
  }
}

function fieldTerm(query: string, name: string, at: number): Term | QueryProblem {
  const text = readText(query, at);
  if ("message" in text) return { message: `${name}: needs a value`, at };
  const { value, end } = text;
  switch (name) {
    case "kind":
      return { test: kindTest(value), end };
    case "agent":
    case "task":
    case "session": {
      const id = value.toLowerCase();
      return { test: (line) => line[name].endsWith(id), end };
    }
    default:
      return { test: dataTest(pathOf(name), value), end };
  }
}

function kindTest(pattern: string): Test {
  if (!pattern.endsWith("*")) return (line) => line.kind === pattern;
  const prefix = pattern.slice(0, -1);
  return (line) => line.kind.startsWith(prefix);
}

/** What JSON writers may escape though they need not, so that a text is looked for in the unescaped payload as well. */
const NEEDLESS_ESCAPE = /\\[u/]/;

function textTest(text: string): Test {
  const finds = finder(JSON.stringify(text).slice(1, -1));
  const findsPlain = finder(text);
  const id = text.toLowerCase();
  const isIdPart = /^[\da-f-]+$/.test(id);
  let lastKind = "";
  let isKind = findsPlain("", 0);
  return ({ kind, agent, session, task, raw, data }) => {
    if (finds(raw, data)) return true;
    if (kind !== lastKind) {
      lastKind = kind;
      isKind = findsPlain(kind, 0);
    }
    if (isKind || (isIdPart && (agent.includes(id) || session.includes(id) || task.includes(id)))) return true;
    return raw.includes("\\", data) && NEEDLESS_ESCAPE.test(raw) && findsPlain(unescaped(raw.slice(data)), 0);
  };
}

/** Looks for a text, whatever its case. Texts without letters need no pattern, which is several times faster. */
function finder(text: string): (within: string, from: number) => boolean {
  if (text.toLowerCase() === text.toUpperCase()) return (within, from) => within.includes(text, from);
  const pattern = new RegExp(text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"), "gi");
  return (within, from) => {
    pattern.lastIndex = from;
    return pattern.test(within);
  };
}

const ESCAPES: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

function unescaped(json: string): string {
  return json.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, hex: string | undefined, plain: string) =>
    hex === undefined ? (ESCAPES[plain] ?? plain) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** `data.a.b[0]` as the keys `a`, `b`, `0`. */
function pathOf(name: string): string[] {
  return name
    .slice("data".length)
    .split(/[.[\]]+/)
    .filter((key) => key !== "");
}

function dataTest(path: readonly string[], value: string): Test {
  const texts = [JSON.stringify(value.replace(/\*$/, "")).slice(1, -1), String(Number(value))];
  return (line) => {
    // Most events do not have the value at all: telling so from the text is much cheaper than parsing.
    const mayHave = texts.some((text) => line.raw.includes(text, line.data));
    if (!mayHave && !NEEDLESS_ESCAPE.test(line.raw)) return false;
    let member: unknown;
    try {
      member = JSON.parse(line.raw.slice(line.data, objectEnd(line.raw, line.data) + 1));
    } catch {
      return false;
    }
    for (const name of path) {
      if (typeof member !== "object" || member === null || !Object.hasOwn(member, name)) return false;
      member = (member as Record<string, unknown>)[name];
    }
    return isValue(member, value);
  };
}

function isValue(member: unknown, value: string): boolean {
  if (typeof member === "object" && member !== null) return false;
  if (typeof member === "number" && value !== "" && member === Number(value)) return true;
  const text = String(member);
  return value.endsWith("*") ? text.startsWith(value.slice(0, -1)) : text === value;
}
