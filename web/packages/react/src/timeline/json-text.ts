/**
 * JSON as its text has it: a reader that keeps where each value stands and how each number is spelt.
 *
 * `JSON.parse` rounds numbers beyond 2^53 and refuses a text that was cut; a timeline has to show both as they are. This
 * reader gives what it could read and says where it stopped. It draws nothing and knows no event.
 */

/** The value of a JSON text, and where in the text it stands. */
export type JsonNode = JsonObject | JsonArray | JsonString | JsonNumber | JsonLiteral;

interface Place {
  /** The text of the value is `text.slice(start, end)`. */
  readonly start: number;
  readonly end: number;
}

interface JsonObject extends Place {
  readonly type: "object";
  /** In the order of the text; a key that comes twice is here twice. */
  readonly members: readonly JsonMember[];
  /** Whether the text ended, or broke, inside it. */
  readonly isCut: boolean;
}

interface JsonMember {
  readonly key: string;
  readonly value: JsonNode;
}

interface JsonArray extends Place {
  readonly type: "array";
  readonly items: readonly JsonNode[];
  readonly isCut: boolean;
}

interface JsonString extends Place {
  readonly type: "string";
  readonly value: string;
  readonly isCut: boolean;
}

interface JsonNumber extends Place {
  readonly type: "number";
  /** As it was written: `12345678901234567890`, `1.50`, `1e3`. */
  readonly text: string;
}

interface JsonLiteral extends Place {
  readonly type: "literal";
  readonly value: boolean | null;
}

export interface JsonReading {
  /** What could be read; null when there was not even a beginning. */
  readonly root: JsonNode | null;
  /** Where the text stops to be JSON, in UTF-16 units; null when all of it is. */
  readonly brokenAt: number | null;
}

/** Deeper nesting is not followed: the server refuses 64 levels, and a reader that recurses needs an end. */
const MAX_DEPTH = 256;

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
/** The plain part of a string: up to a quote, a backslash or a control character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a JSON string may not hold.
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** Reads as much of `text` as is JSON. */
export function readJson(text: string): JsonReading {
  return new Reader(text).read();
}

/** The value as `JSON.parse` would give it, with its rounding. */
export function toValue(node: JsonNode): unknown {
  switch (node.type) {
    case "object":
      return Object.fromEntries(node.members.map((member) => [member.key, toValue(member.value)]));
    case "array":
      return node.items.map(toValue);
    case "number":
      return Number(node.text);
    default:
      return node.value;
  }
}

/** The member of that name, the last of several; null where there is none. */
export function member(node: JsonNode | null | undefined, key: string): JsonNode | null {
  if (node?.type !== "object") return null;
  return node.members.filter((each) => each.key === key).at(-1)?.value ?? null;
}

/** A string as it is, a number as it is spelt, `true` and `false`; null for anything else. */
export function plain(node: JsonNode | null | undefined): string | null {
  if (!node || node.type === "object" || node.type === "array") return null;
  if (node.type === "number") return node.text;
  return node.value === null ? null : String(node.value);
}

/** The value in lines of two spaces, with numbers as they are spelt. */
export function pretty(node: JsonNode, indent = ""): string {
  const deeper = `${indent}  `;
  if (node.type === "object") {
    const lines = node.members.map((each) => `${deeper}${JSON.stringify(each.key)}: ${pretty(each.value, deeper)}`);
    return lines.length === 0 ? "{}" : `{\n${lines.join(",\n")}\n${indent}}`;
  }
  if (node.type === "array") {
    const lines = node.items.map((each) => deeper + pretty(each, deeper));
    return lines.length === 0 ? "[]" : `[\n${lines.join(",\n")}\n${indent}]`;
  }
  return node.type === "number" ? node.text : JSON.stringify(node.value);
}

/** Steps from a root to a value: member names and places in arrays. */
export type JsonPath = readonly (string | number)[];

const NAME = /^[A-Za-z_$][\w$]*$/;

/** The path as one would write it in a program: `data.items[0]["a b"]`. */
export function pathText(path: JsonPath): string {
  return path
    .map((step, index) => {
      if (typeof step === "number") return `[${step}]`;
      if (!NAME.test(step)) return `[${JSON.stringify(step)}]`;
      return index === 0 ? step : `.${step}`;
    })
    .join("");
}

/** The path as a filter of jq: `.data.items[0]["a b"]`. */
export function jqPath(path: JsonPath): string {
  return `.${pathText(path)}`;
}

class Reader {
  private at = 0;
  private brokenAt: number | null = null;

  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  read(): JsonReading {
    this.skipSpace();
    const root = this.value(0);
    this.skipSpace();
    if (this.at < this.text.length) this.breakHere();
    return { root, brokenAt: this.brokenAt };
  }

  /** Null where no value begins; the text is broken there. */
  private value(depth: number): JsonNode | null {
    if (depth > MAX_DEPTH) return this.breakHere();
    switch (this.text[this.at]) {
      case "{":
        return this.object(depth);
      case "[":
        return this.array(depth);
      case '"':
        return this.string();
      case "t":
        return this.literal("true", true);
      case "f":
        return this.literal("false", false);
      case "n":
        return this.literal("null", null);
      default:
        return this.number();
    }
  }

  private object(depth: number): JsonObject {
    const start = this.at;
    const members: JsonMember[] = [];
    this.list("}", () => {
      const key = this.text[this.at] === '"' ? this.string() : this.breakHere();
      if (!key || this.brokenAt !== null) return;
      this.skipSpace();
      if (!this.take(":")) return;
      this.skipSpace();
      const value = this.value(depth + 1);
      if (value) members.push({ key: key.value, value });
    });
    return { type: "object", start, end: this.at, members, isCut: this.brokenAt !== null };
  }

  private array(depth: number): JsonArray {
    const start = this.at;
    const items: JsonNode[] = [];
    this.list("]", () => {
      const item = this.value(depth + 1);
      if (item) items.push(item);
    });
    return { type: "array", start, end: this.at, items, isCut: this.brokenAt !== null };
  }

  /** What stands between an opening bracket, which is here, and `close`, parted by commas. */
  private list(close: string, part: () => void): void {
    this.at += 1;
    this.skipSpace();
    if (this.text[this.at] === close) {
      this.at += 1;
      return;
    }
    while (this.brokenAt === null) {
      this.skipSpace();
      part();
      if (this.brokenAt !== null) return;
      this.skipSpace();
      if (this.text[this.at] === close) {
        this.at += 1;
        return;
      }
      this.take(",");
    }
  }

  private string(): JsonString {
    const start = this.at;
    this.at += 1;
    let isPlain = true;
    while (true) {
      this.match(PLAIN);
      if (this.text[this.at] === '"') {
        this.at += 1;
        const literal = this.text.slice(start, this.at);
        const value = isPlain ? literal.slice(1, -1) : unescaped(literal);
        return { type: "string", start, end: this.at, value, isCut: false };
      }
      if (!this.match(ESCAPE)) break;
      isPlain = false;
    }
    const value = unescaped(`${this.text.slice(start, this.at)}"`);
    this.breakHere();
    return { type: "string", start, end: this.at, value, isCut: true };
  }

  private number(): JsonNumber | null {
    const start = this.at;
    const text = this.match(NUMBER);
    if (!text) return this.breakHere();
    return { type: "number", start, end: this.at, text };
  }

  private literal(word: string, value: boolean | null): JsonLiteral | null {
    if (!this.text.startsWith(word, this.at)) return this.breakHere();
    const start = this.at;
    this.at += word.length;
    return { type: "literal", start, end: this.at, value };
  }

  private take(mark: string): boolean {
    if (this.text[this.at] !== mark) {
      this.breakHere();
      return false;
    }
    this.at += 1;
    return true;
  }

  private skipSpace(): void {
    this.match(SPACE);
  }

  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.at += found.length;
    return found;
  }

  /** The first break counts: what is around it is broken for the same reason. */
  private breakHere(): null {
    this.brokenAt ??= this.at;
    return null;
  }
}

/** `literal` is a JSON string whose escapes were checked. */
function unescaped(literal: string): string {
  return JSON.parse(literal) as string;
}
