/**
 * An event in one line: what a person would say of it.
 *
 * Each kind that Todoki knows has its own sentence, made of the members that its producers send; where those are missing,
 * and for every other kind, it is `row.summary`, the first plain members of `data`. Numbers are as the producer spelt them.
 */
import type { EventRow } from "../event-client.ts";
import { type JsonNode, member, plain, readJson } from "./json-text.ts";
import { doneOf, type OutputPart, outputOf, stretches } from "./output.ts";
import { duration } from "./time.ts";

/** A line of the list shows no more than this. */
const MOST_CHARACTERS = 160;
/** How much of a text is looked at for it, so that a megabyte of output costs no more than a line. */
const LOOKED_AT = 4 * MOST_CHARACTERS;

/** What a kind says of its `data`; null where the members for it are missing. */
type Sentence = (data: JsonNode) => string | null;

const text = (data: JsonNode, ...keys: readonly string[]): string | null => {
  for (const key of keys) {
    const found = plain(member(data, key));
    if (found !== null && found !== "") return found;
  }
  return null;
};

const note = (before: string, value: string | null): string | null => (value === null ? null : `${before}${value}`);

/** What is there of the parts, with `between` between them; null when nothing is. */
const joined = (between: string, ...parts: readonly (string | null)[]): string | null => {
  const there = parts.filter((part) => part !== null);
  return there.length === 0 ? null : there.join(between);
};

/** The texts of an array, `rust, review`. */
const listed = (data: JsonNode, key: string): string | null => {
  const list = member(data, key);
  return list?.type === "array" ? joined(", ", ...list.items.map(plain)) : null;
};

const lasted = (data: JsonNode): string | null => {
  const ms = Number(text(data, "duration_ms") ?? Number.NaN);
  return ms >= 0 ? duration(ms) : null;
};

const failure: Sentence = (data) =>
  joined(" · ", text(data, "error", "message", "reason"), note("attempt ", text(data, "attempt")));

const titled: Sentence = (data) => text(data, "title", "name");

const pullRequest: Sentence = (data) =>
  joined(" ", text(data, "title"), note("#", text(data, "number")), note("by ", text(data, "by"))) ?? text(data, "url");

const agent: Sentence = (data) =>
  joined(
    " · ",
    titled(data),
    text(data, "role", "reason"),
    note("on ", text(data, "relay")),
    listed(data, "capabilities"),
  );

const session: Sentence = (data) =>
  joined(" · ", note("attempt ", text(data, "attempt")), text(data, "branch"), note("on ", text(data, "relay")));

const tests: Sentence = (data) =>
  joined(" · ", text(data, "suite"), note("passed ", text(data, "passed")), note("failed ", text(data, "failed")));

const answer: Sentence = (data) =>
  joined(" · ", text(data, "option_id", "tool"), note("by ", text(data, "by")), text(data, "reason"));

const relay: Sentence = (data) => joined(" · ", text(data, "relay", "name"), text(data, "reason", "version"));

const SENTENCES: Readonly<Record<string, Sentence>> = {
  "task.created": (data) =>
    joined(" · ", titled(data), note("priority ", text(data, "priority")), listed(data, "labels")),
  "task.status_changed": (data) => joined(" → ", text(data, "from"), text(data, "to", "status")),
  "task.assigned": (data) => joined(" ", note("to ", text(data, "to")), note("by ", text(data, "by"))),
  "task.completed": (data) => joined(" · ", text(data, "summary", "title"), lasted(data)),
  "task.failed": failure,
  "task.archived": (data) => joined(" · ", titled(data), note("by ", text(data, "by"))),
  "agent.registered": agent,
  "agent.started": agent,
  "agent.stopped": agent,
  "agent.output": outputLine,
  "agent.output_batch": outputLine,
  "agent.error": failure,
  "agent.requirement_analyzed": (data) => text(data, "summary", "title") ?? listed(data, "acceptance"),
  "agent.business_context_ready": (data) => text(data, "summary", "title") ?? listed(data, "sources"),
  "agent.code_review_requested": (data) => joined(" · ", note("of ", text(data, "reviewer")), text(data, "url")),
  "agent.qa_test_passed": tests,
  "agent.qa_test_failed": (data) => tests(data) ?? failure(data),
  "agent.session_started": session,
  "agent.session_exited": (data) =>
    joined(" · ", note("exit code ", text(data, "exit_code")), text(data, "reason"), lasted(data)),
  "artifact.created": (data) => joined(" · ", titled(data), text(data, "type"), note("bytes ", text(data, "bytes"))),
  "artifact.github_pr_opened": pullRequest,
  "artifact.github_pr_merged": pullRequest,
  "permission.requested": (data) => joined(": ", text(data, "tool"), text(data, "description")),
  "permission.responded": answer,
  "permission.approved": answer,
  "permission.denied": answer,
  "permission.revoked": answer,
  "permission.expired": answer,
  "permission.cancelled": answer,
  "relay.up": relay,
  "relay.down": relay,
  "system.relay_connected": relay,
  "system.relay_disconnected": relay,
  "human.message": (data) => joined(": ", text(data, "by"), text(data, "text", "message")),
};

/** Rows keep their identity while they are at hand, so that each is summed up once however often it is drawn. */
const summaries = new WeakMap<EventRow, string>();

/** The line that says what the event is about. */
export function summaryOf(row: EventRow): string {
  const known = summaries.get(row);
  if (known !== undefined) return known;
  const summary = oneLine(sentenceOf(row) ?? row.summary);
  summaries.set(row, summary);
  return summary;
}

function sentenceOf(row: EventRow): string | null {
  const sentence = Object.hasOwn(SENTENCES, row.kind) ? SENTENCES[row.kind] : row.isFailure ? failure : undefined;
  const data = sentence && readJson(row.data).root;
  return data ? sentence(data) : null;
}

/** `assistant: Looking at the login flow`, `Run the tests: completed`, `plan: 2 of 5 done`. */
function outputLine(data: JsonNode): string | null {
  const { stream, parts } = outputOf(data);
  const first = parts[0];
  if (!first || first.type === "other") return null;
  const more = parts.length > 1 ? ` (+${parts.length - 1})` : "";
  const line = partLine(first);
  const isNamed = first.type === "text" && stream !== null;
  return (isNamed ? `${stream}: ${line}` : line) + more;
}

function partLine(part: Exclude<OutputPart, { type: "other" }>): string {
  switch (part.type) {
    case "text":
      return proseOf(part.text);
    case "plan":
      return `plan: ${doneOf(part)} of ${part.entries.length} done`;
    case "tool":
      return part.status ? `${part.title}: ${part.status}` : part.title;
  }
}

/** What is said in a text, without the code; where there is nothing but code, that. */
function proseOf(text: string): string {
  const parts = stretches(text.slice(0, LOOKED_AT));
  const prose = parts.filter((part) => part.type !== "code").map((part) => part.text);
  return oneLine(prose.join("")) || oneLine(parts[0]?.text ?? "");
}

/** Whitespace that is not one space. Most sentences have none of it, and replacing each space by itself is what costs. */
const BREAKS = /\s{2,}|[^\S ]/g;

/** Line breaks become spaces, and what is beyond the end of the line an ellipsis. */
function oneLine(sentence: string): string {
  // Twice the length is looked at, so that a megabyte of output costs a line.
  const line = sentence
    .slice(0, 2 * MOST_CHARACTERS)
    .replace(BREAKS, " ")
    .trim();
  return line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS - 1)}…` : line;
}
