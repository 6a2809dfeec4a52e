/**
 * The query language of `EventClient.setQuery`: what a person types, read into terms.
 *
 * Says what is wrong and where. What a term means for an event is in `match.ts`, so that a page, which has to answer at
 * once whether a query is right, does not carry it.
 */
import type { QueryProblem } from "../event-client.ts";

/** What one term asks for; `data` has its path as it was typed. */
export type Term = { readonly isNegated: boolean } & Wanted;

/** The ids that an event has, as terms call them. */
type Id = "agent" | "task" | "session" | "project";

type Wanted =
  | { readonly type: "text"; readonly value: string }
  | { readonly type: "regex"; readonly regex: RegExp }
  | { readonly type: "kind" | Id; readonly value: string }
  | { readonly type: "data"; readonly path: string; readonly value: string };

/** The terms of a query, all of which must hold; none when something is wrong with it. */
export interface Query {
  readonly terms: readonly Term[];
  readonly problem: QueryProblem | null;
}

/** A query is typed by hand; beyond this it is a mistake, and each term costs time for each event. */
const MAX_LENGTH = 1000;

const REGEX = /\/((?:[^/\\]|\\.)+)\/([imsu]*)(?=\s|$)/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const FIELD = /(?:(kind|agent|task|session|project)|data([.[][^\s:"]+)):/y;
const WORD = /\S+/y;

/** Reads a query. */
export function parseQuery(query: string): Query {
  if (query.length > MAX_LENGTH) return refused(`a query has at most ${MAX_LENGTH} characters`, MAX_LENGTH);
  const terms: Term[] = [];
  for (let at = blanks(query, 0); at < query.length; ) {
    const isNegated = query[at] === "-";
    const read = readTerm(query, isNegated ? at + 1 : at);
    if ("message" in read) return refused(read.message, read.at);
    terms.push({ ...read.wanted, isNegated });
    at = blanks(query, read.end);
  }
  return { terms, problem: null };
}

function refused(message: string, at: number): Query {
  return { terms: [], problem: { message, at } };
}

function blanks(query: string, at: number): number {
  while (/\s/.test(query[at] ?? "")) at++;
  return at;
}

function match(pattern: RegExp, query: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(query);
}

function readTerm(query: string, at: number): { wanted: Wanted; end: number } | QueryProblem {
  const regex = match(REGEX, query, at);
  if (regex !== null) {
    try {
      return { wanted: { type: "regex", regex: new RegExp(regex[1]!, regex[2]) }, end: at + regex[0].length };
    } catch (error) {
      return { message: (error as Error).message, at };
    }
  }
  const field = match(FIELD, query, at);
  const text = readText(query, field === null ? at : at + field[0].length);
  if (field === null) return "message" in text ? text : { wanted: { type: "text", value: text.value }, end: text.end };
  const [, name, path] = field;
  if ("message" in text) return { message: `${field[0]} needs a value`, at: at + field[0].length };
  const { value, end } = text;
  if (path !== undefined) return { wanted: { type: "data", path, value }, end };
  return { wanted: { type: name as "kind" | Id, value }, end };
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
