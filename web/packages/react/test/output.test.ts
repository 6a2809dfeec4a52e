import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readJson } from "../src/timeline/json-text.ts";
import { outputOf, stretches } from "../src/timeline/output.ts";

const read = (value: unknown) => outputOf(readJson(JSON.stringify(value)).root!);

describe("the output of an agent", () => {
  it("has text, plans and tool calls", () => {
    const { stream, parts } = read({
      stream: "assistant",
      items: [
        { type: "text", text: "Hello" },
        { type: "plan", entries: [{ content: "Read", status: "in_progress", priority: "high" }] },
        {
          type: "tool_call",
          id: "1",
          title: "ls",
          kind: "execute",
          status: "completed",
          input: { cmd: "ls" },
          output: "a\nb",
        },
      ],
    });
    expect(stream).toBe("assistant");
    expect(parts).toEqual([
      { type: "text", text: "Hello", isStderr: false },
      { type: "plan", entries: [{ content: "Read", status: "in_progress", priority: "high" }] },
      {
        type: "tool",
        id: "1",
        title: "ls",
        kind: "execute",
        status: "completed",
        input: '{\n  "cmd": "ls"\n}',
        output: "a\nb",
      },
    ]);
  });

  it("has one part for a tool call that begins and ends in it", () => {
    const call = { type: "tool_call", id: "call-1", title: "Read src/cart.rs" };
    const { parts } = read({
      items: [
        { ...call, status: "running", input: "src/cart.rs" },
        { type: "text", text: "Reading." },
        { ...call, status: "completed", output: "pub struct Cart;" },
      ],
    });
    expect(parts).toHaveLength(2);
    expect(parts[0]).toMatchObject({ status: "completed", input: "src/cart.rs", output: "pub struct Cart;" });
  });

  it("is marked where it went to stderr", () => {
    expect(read({ stream: "stderr", items: [{ type: "text", text: "oops" }] }).parts).toMatchObject([
      { isStderr: true },
    ]);
  });

  it("is read from the older shapes", () => {
    expect(read({ content: "plain" }).parts).toMatchObject([{ type: "text", text: "plain" }]);
    expect(read({ messages: ["a", { role: "assistant", content: "b" }] }).parts).toMatchObject([
      { text: "a" },
      { text: "b" },
    ]);
  });

  it("keeps what is not known as JSON, numbers and all", () => {
    const { parts } = outputOf(readJson('{"items":[{"type":"image","bytes":12345678901234567890}]}').root!);
    expect(parts).toEqual([
      { type: "other", name: "image", json: '{\n  "type": "image",\n  "bytes": 12345678901234567890\n}' },
    ]);
    expect(read({ strange: true }).parts).toMatchObject([{ type: "other", name: null }]);
  });

  it("never throws, whatever was sent", () => {
    const names = fc.constantFrom(
      "items",
      "type",
      "entries",
      "content",
      "text",
      "status",
      "input",
      "title",
      "messages",
    );
    const kinds = fc.constantFrom("plan", "tool_call", "text", "other");
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        kinds,
        fc.integer(),
        fc.constant(null),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(names, tie("value")),
      ),
    })).value;
    fc.assert(fc.property(json, (value) => void read(value)));
  });
});

describe("the stretches of a text", () => {
  it("are prose, names and blocks of code", () => {
    const text = "Run `ls` first:\n```sh\nls -l\n```\nThen read.";
    expect(stretches(text).map(({ type, text: part }) => [type, part])).toEqual([
      ["prose", "Run "],
      ["name", "ls"],
      ["prose", " first:\n"],
      ["code", "ls -l"],
      ["prose", "\nThen read."],
    ]);
  });

  it("go to the end where a block is not closed yet", () => {
    expect(stretches("```\nlet x = `1`;\n").map(({ type, text }) => [type, text])).toEqual([["code", "let x = `1`;"]]);
  });

  it("hold every character but the marks of code", () => {
    const pieces = fc.array(fc.constantFrom("a", " ", "\n", "`", "```", "\n```\n", "\n```ts\n", "<b>"), {
      maxLength: 30,
    });
    const letters = (value: string) => value.replace(/[`\s]/g, "");
    fc.assert(
      fc.property(pieces, (parts) => {
        const text = parts.join("");
        const shown = stretches(text).map((each) => each.language + each.text);
        expect(letters(shown.join(""))).toBe(letters(text));
      }),
      { numRuns: 1000 },
    );
  });
});
