/**
 * Whether one event is what a query asks for.
 *
 * Looks at the whole payload as it was sent, never at what a row shows of it. A text matches whatever its case and
 * however the producer has escaped it. Does not know where the events are.
 */
import { type Envelope, objectEnd } from "../protocol/scan.ts";
import type { Term } from "./query.ts";

/** What a test looks at besides the event's text. */
export type Line = Pick<Envelope, "kind" | "agent" | "session" | "task" | "project" | "data">;

export type Test = (line: Line, raw: string) => boolean;

/** The test of a query's terms; null when there are none, and all match. */
export function testOf(terms: readonly Term[]): Test | null {
  const tests = terms.map((term): Test => {
    const test = termTest(term);
    return term.isNegated ? (line, raw) => !test(line, raw) : test;
  });
  if (tests.length <= 1) return tests[0] ?? null;
  return (line, raw) => tests.every((test) => test(line, raw));
}

function termTest(term: Term): Test {
  switch (term.type) {
    case "text":
      return textTest(term.value);
    case "regex": {
      const { regex } = term;
      return ({ data, kind }, raw) => regex.test(raw.slice(data, -1)) || regex.test(kind);
    }
    case "kind":
      return kindTest(term.value);
    case "data":
      return dataTest(stepsOf(term.path), term.value);
    default: {
      const { type } = term;
      const id = term.value.toLowerCase();
      return (line) => line[type].endsWith(id);
    }
  }
}

function kindTest(pattern: string): Test {
  if (!pattern.endsWith("*")) return ({ kind }) => kind === pattern;
  const prefix = pattern.slice(0, -1);
  return ({ kind }) => kind.startsWith(prefix);
}

/** What JSON writers may escape though they need not, so that a text is looked for in the unescaped payload as well. */
const NEEDLESS_ESCAPE = /\\[u/]/;

function hasNeedlessEscape(raw: string, data: number): boolean {
  // Most payloads have no escape at all, which is told many times faster.
  return raw.includes("\\", data) && NEEDLESS_ESCAPE.test(raw);
}

const IDS = ["agent", "session", "task", "project"] as const;

function textTest(text: string): Test {
  const finds = finder(JSON.stringify(text).slice(1, -1));
  const findsPlain = finder(text);
  const id = text.toLowerCase();
  const isIdPart = /^[\da-f-]+$/.test(id);
  let lastKind = "";
  let isKind = findsPlain("", 0);
  return (line, raw) => {
    const { data } = line;
    // Ids stand before `data` in the text: one look tells of most events that neither has it.
    if (finds(raw, isIdPart ? 0 : data)) {
      if (!isIdPart || finds(raw, data)) return true;
      if (IDS.some((name) => line[name].includes(id))) return true;
    }
    const { kind } = line;
    if (kind !== lastKind) {
      lastKind = kind;
      isKind = findsPlain(kind, 0);
    }
    return isKind || (hasNeedlessEscape(raw, data) && findsPlain(unescaped(raw.slice(data)), 0));
  };
}

/** Looks for a text, whatever its case. Where no pattern is needed, it is found several times faster. */
function finder(text: string): (within: string, from: number) => boolean {
  if (text.toLowerCase() === text.toUpperCase()) return (within, from) => within.includes(text, from);
  const pattern = new RegExp(text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"), "gi");
  let wasFound = false;
  return (within, from) => {
    // What one event has the next is likely to have, written alike.
    if (wasFound && within.includes(text, from)) return true;
    pattern.lastIndex = from;
    wasFound = pattern.test(within);
    return wasFound;
  };
}

const ESCAPES: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

function unescaped(json: string): string {
  return json.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, hex: string | undefined, plain: string) =>
    hex === undefined ? (ESCAPES[plain] ?? plain) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** `.a.b[0]` as the keys `a`, `b`, `0`. */
function stepsOf(path: string): string[] {
  return path.split(/[.[\]]+/).filter((key) => key !== "");
}

function dataTest(steps: readonly string[], value: string): Test {
  const texts = [JSON.stringify(value.replace(/\*$/, "")).slice(1, -1), String(Number(value))];
  return ({ data }, raw) => {
    // Most events do not have the value at all: telling so from the text is much cheaper than parsing.
    if (!texts.some((text) => raw.includes(text, data)) && !hasNeedlessEscape(raw, data)) return false;
    let member: unknown;
    try {
      member = JSON.parse(raw.slice(data, objectEnd(raw, data) + 1));
    } catch {
      return false;
    }
    for (const step of steps) {
      if (typeof member !== "object" || member === null || !Object.hasOwn(member, step)) return false;
      member = (member as Record<string, unknown>)[step];
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
