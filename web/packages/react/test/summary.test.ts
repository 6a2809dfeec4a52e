import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { familyOf, kindLook } from "../src/timeline/kinds.ts";
import { summaryOf } from "../src/timeline/summary.ts";
import { eventRow } from "./event-row.ts";

const lines: readonly [kind: string, json: unknown, line: string][] = [
  ["task.created", { title: "Fix login", priority: 2 }, "Fix login · priority 2"],
  ["task.status_changed", { from: "todo", to: "running" }, "todo → running"],
  ["task.failed", { error: "timeout", attempt: 3 }, "timeout · attempt 3"],
  ["agent.error", { message: "out of memory" }, "out of memory"],
  ["billing.charge_failed", { error: "card refused" }, "card refused"],
  ["artifact.github_pr_opened", { title: "Fix login", number: 42, url: "https://example.org" }, "Fix login #42"],
  ["task.assigned", { to: "Ada", by: "planner" }, "to Ada by planner"],
  ["task.completed", { summary: "Login works", files_changed: 3, duration_ms: 125_000 }, "Login works · 2 min 5 s"],
  ["agent.qa_test_failed", { suite: "cart", passed: 12, failed: 2 }, "cart · passed 12 · failed 2"],
  ["agent.session_exited", { exit_code: 1, reason: "killed" }, "exit code 1 · killed"],
  ["agent.business_context_ready", { sources: ["wiki", "tickets"] }, "wiki, tickets"],
  ["artifact.github_pr_merged", { url: "https://example.org", number: 42, by: "Ada" }, "#42 by Ada"],
  ["system.relay_disconnected", { relay: "relay-2", reason: "timeout" }, "relay-2 · timeout"],
  ["permission.requested", { tool: "bash", description: "rm -r build" }, "bash: rm -r build"],
  ["permission.responded", { option_id: "allow_once", by: "human" }, "allow_once · by human"],
  ["human.message", { text: "Looks\ngood", by: "Ada" }, "Ada: Looks good"],
  [
    "agent.output_batch",
    { stream: "assistant", items: [{ type: "text", text: "Reading the\ncode" }] },
    "assistant: Reading the code",
  ],
  [
    "agent.output_batch",
    {
      stream: "tool",
      items: [
        { type: "tool_call", title: "Run the tests", status: "failed" },
        { type: "text", text: "x" },
      ],
    },
    "Run the tests: failed (+1)",
  ],
  [
    "agent.output_batch",
    { stream: "plan", items: [{ type: "plan", entries: [{ content: "a", status: "completed" }, { content: "b" }] }] },
    "plan: 1 of 2 done",
  ],
  ["agent.output_batch", { messages: ["first", "second"] }, "first (+1)"],
  [
    "agent.output",
    { stream: "assistant", text: "See `a.rs`:\n```rust\nfn a() {}\n```\nand run it." },
    "assistant: See a.rs: and run it.",
  ],
  ["agent.output", { text: "```sh\ncargo test\n```" }, "cargo test"],
];

describe("the line of an event", () => {
  it.each(lines)("of %s says what %o tells", (kind, json, line) => {
    expect(summaryOf(eventRow({ kind, json }))).toBe(line);
  });

  it("is the server's own where the kind is unknown or its members are missing", () => {
    expect(summaryOf(eventRow({ kind: "billing.paid", json: { title: "x" } }))).toBe("as the server sums it up");
    expect(summaryOf(eventRow({ kind: "task.created" }))).toBe("as the server sums it up");
    expect(summaryOf(eventRow({ kind: "constructor" }))).toBe("as the server sums it up");
  });

  it("keeps numbers as the producer spelt them", () => {
    const data = '{"title":"Big","priority":12345678901234567890}';
    expect(summaryOf(eventRow({ data }))).toBe("Big · priority 12345678901234567890");
  });

  it("tells what there is of data that was cut", () => {
    const data = '{"stream":"assistant","items":[{"type":"text","text":"A long sto';
    expect(summaryOf(eventRow({ kind: "agent.output_batch", data, isWhole: false }))).toBe("assistant: A long sto");
  });

  it("is one line of at most 160 characters, whatever the data", () => {
    const kinds = fc.constantFrom(...lines.map(([kind]) => kind));
    const names = fc.constantFrom("title", "items", "text", "error", "stream", "from", "messages", "type", "entries");
    const json = fc.dictionary(names, fc.anything({ withObjectString: true, key: names, maxDepth: 4 }));
    fc.assert(
      fc.property(kinds, json, (kind, value) => {
        const line = summaryOf(
          eventRow({ kind, data: JSON.stringify(value, (_, each) => (typeof each === "bigint" ? 0 : each)) }),
        );
        expect(line.length).toBeLessThanOrEqual(160);
        expect(line).not.toMatch(/[\n\r]/);
      }),
    );
  });
});

describe("the look of a kind", () => {
  it("is that of the table for a kind that Todoki knows", () => {
    expect(kindLook("task.completed")).toMatchObject({
      family: "task",
      tone: "ok",
      label: "Task completed",
      isFailure: false,
    });
  });

  it("is that of its family, in its own words, for one that it does not know", () => {
    expect(kindLook("task.re_opened")).toMatchObject({ family: "task", tone: "task", label: "Task re opened" });
    expect(kindLook("billing.paid")).toMatchObject({ family: "other", tone: "other", label: "Billing paid" });
  });

  it("is that of a failure where its kind ends in one", () => {
    for (const kind of [
      "task.failed",
      "agent.error",
      "permission.denied",
      "permission.expired",
      "billing.card_failed",
    ]) {
      expect(kindLook(kind)).toMatchObject({ tone: "danger", isFailure: true });
    }
  });

  it("is not fooled by names that every object has", () => {
    expect(kindLook("constructor")).toMatchObject({ family: "other", label: "Constructor" });
    expect(familyOf("toString.x")).toBe("other");
  });
});
