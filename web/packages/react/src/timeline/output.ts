/**
 * What an agent said, from the `data` of `agent.output_batch` and `agent.output`, whatever shape its sender gave it.
 *
 * The shape that Todoki itself writes is `{stream, items: [text | plan | tool_call]}`. Senders have had others (`messages`,
 * a bare `content`), and will have more, so what is not known is kept as JSON instead of being dropped. Draws nothing.
 */
import { type JsonNode, member, plain, pretty } from "./json-text.ts";

/** One piece of output. */
export type OutputPart = TextPart | PlanPart | ToolPart | OtherPart;

interface TextPart {
  readonly type: "text";
  readonly text: string;
  readonly isStderr: boolean;
}

export interface PlanPart {
  readonly type: "plan";
  readonly entries: readonly PlanEntry[];
}

export interface PlanEntry {
  readonly content: string;
  readonly status: "pending" | "in_progress" | "completed";
  readonly priority: string | null;
}

export interface ToolPart {
  readonly type: "tool";
  readonly id: string | null;
  readonly title: string;
  readonly kind: string | null;
  readonly status: "pending" | "running" | "completed" | "failed" | null;
  /** Text as it is, anything else as lines of JSON; null where there is none. */
  readonly input: string | null;
  readonly output: string | null;
}

/** Something that is not known here, as JSON. */
interface OtherPart {
  readonly type: "other";
  readonly name: string | null;
  readonly json: string;
}

export interface Output {
  /** `assistant`, `tool`, `plan`, `stderr`, or what the sender calls it. */
  readonly stream: string | null;
  readonly parts: readonly OutputPart[];
}

/** Members that hold the pieces, or a piece, in the shapes that there have been; the first that is there counts. */
const HOLDERS = ["items", "messages", "content", "text", "output", "message"] as const;

/** The output that `data` tells of. Nothing of it is dropped: without any known member all of it is one `other`. */
export function outputOf(data: JsonNode): Output {
  const stream = plain(member(data, "stream"));
  for (const holder of HOLDERS) {
    const held = member(data, holder);
    if (held) return { stream, parts: joined(pieces(held).map((piece) => partOf(piece, stream))) };
  }
  return { stream, parts: [otherPart(data)] };
}

/** How many entries of a plan are done. */
export function doneOf(plan: PlanPart): number {
  return plan.entries.filter((entry) => entry.status === "completed").length;
}

/** A call is told when it begins and again when it ends, under one id: it is one part, where it began. */
function joined(parts: readonly OutputPart[]): readonly OutputPart[] {
  const calls = new Map<string, number>();
  const kept: OutputPart[] = [];
  for (const part of parts) {
    const id = part.type === "tool" ? part.id : null;
    const place = id === null ? undefined : calls.get(id);
    const begun = place === undefined ? undefined : kept[place];
    if (part.type === "tool" && begun?.type === "tool" && place !== undefined) {
      kept[place] = { ...part, input: part.input ?? begun.input, output: part.output ?? begun.output };
      continue;
    }
    if (id !== null) calls.set(id, kept.length);
    kept.push(part);
  }
  return kept;
}

function pieces(held: JsonNode): readonly JsonNode[] {
  return held.type === "array" ? held.items : [held];
}

function partOf(piece: JsonNode, stream: string | null): OutputPart {
  if (piece.type !== "object") {
    const text = plain(piece);
    return text === null ? otherPart(piece) : { type: "text", text, isStderr: stream === "stderr" };
  }
  switch (plain(member(piece, "type"))) {
    case "plan":
      return planPart(piece) ?? otherPart(piece);
    case "tool_call":
      return toolPart(piece);
    case "text":
    case null:
      return textPart(piece, stream) ?? otherPart(piece);
    default:
      return otherPart(piece);
  }
}

function textPart(piece: JsonNode, stream: string | null): TextPart | null {
  const text = plain(member(piece, "text")) ?? plain(member(piece, "content"));
  if (text === null) return null;
  return { type: "text", text, isStderr: (plain(member(piece, "stream")) ?? stream) === "stderr" };
}

function planPart(piece: JsonNode): PlanPart | null {
  const entries = member(piece, "entries");
  if (entries?.type !== "array") return null;
  return { type: "plan", entries: entries.items.map(planEntry) };
}

function planEntry(entry: JsonNode): PlanEntry {
  const content = plain(entry) ?? plain(member(entry, "content")) ?? pretty(entry);
  const status = plain(member(entry, "status"));
  return {
    content,
    status: status === "in_progress" || status === "completed" ? status : "pending",
    priority: plain(member(entry, "priority")),
  };
}

function toolPart(piece: JsonNode): ToolPart {
  const kind = plain(member(piece, "kind"));
  const status = plain(member(piece, "status"));
  return {
    type: "tool",
    id: plain(member(piece, "id")),
    title: plain(member(piece, "title")) ?? plain(member(piece, "name")) ?? kind ?? "Tool call",
    kind,
    status: isToolStatus(status) ? status : null,
    input: textOf(member(piece, "input")),
    output: textOf(member(piece, "output")),
  };
}

function isToolStatus(status: string | null): status is NonNullable<ToolPart["status"]> {
  return status === "pending" || status === "running" || status === "completed" || status === "failed";
}

function textOf(node: JsonNode | null): string | null {
  if (!node) return null;
  if (node.type === "string") return node.value;
  if (node.type === "literal" && node.value === null) return null;
  return pretty(node);
}

function otherPart(node: JsonNode): OtherPart {
  return { type: "other", name: plain(member(node, "type")), json: pretty(node) };
}

/** A stretch of text: prose, a name in it, or a block of code. */
export interface Stretch {
  readonly type: "prose" | "name" | "code";
  readonly text: string;
  /** What stands behind the opening fence of a block: `ts`, or nothing. */
  readonly language: string;
  /** Where it begins in the whole; names it among the others. */
  readonly at: number;
}

/** A fence of three backticks at the start of a line, up to the next such fence or to the end; or a name in backticks. */
const CODE = /(?<![^\n])```([^\n`]*)(?:\n|$)([\s\S]*?)(?:(?<![^\n])```(?=\s|$)|$)|`([^`\n]+)`/g;

/**
 * Parts text into prose and code. That is all the formatting there is: what an agent writes is shown as written, and
 * never becomes markup.
 */
export function stretches(text: string): readonly Stretch[] {
  const found: Stretch[] = [];
  let at = 0;
  const addProse = (end: number) => {
    if (end > at) found.push({ type: "prose", text: text.slice(at, end), language: "", at });
  };
  for (const match of text.matchAll(CODE)) {
    const [all, language = "", code = "", name] = match;
    addProse(match.index);
    if (name !== undefined) found.push({ type: "name", text: name, language: "", at: match.index });
    else found.push({ type: "code", text: code.replace(/\n$/, ""), language: language.trim(), at: match.index });
    at = match.index + all.length;
  }
  addProse(text.length);
  return found;
}
