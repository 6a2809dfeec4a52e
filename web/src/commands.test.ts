import { expect, test } from "vitest";
import { narrowedBy } from "./commands.ts";

const id = "0197f1c2-0000-7000-8000-000000001eef";

test("an id or a kind that alone is wanted is asked of the server", () => {
  expect(narrowedBy(`task:${id}`, "timeout")).toEqual({ task: id });
  expect(narrowedBy(`agent:${id}`, "")).toEqual({ agent: id });
  expect(narrowedBy(`project:${id}`, "")).toEqual({ project: id });
  expect(narrowedBy("kind:task.failed", "")).toEqual({ kinds: ["task.failed"] });
});

test("what is hidden, and any other value, is a term of the query", () => {
  expect(narrowedBy(`-task:${id}`, "timeout")).toEqual({ query: `timeout -task:${id}` });
  expect(narrowedBy("-kind:agent.output", "")).toEqual({ query: "-kind:agent.output" });
  expect(narrowedBy('data.error:"timed out"', "a")).toEqual({ query: 'a data.error:"timed out"' });
});

test("a term takes its opposite out of the query, and is not said twice", () => {
  expect(narrowedBy('-data.error:"timed out"', 'a data.error:"timed out" b')).toEqual({
    query: 'a b -data.error:"timed out"',
  });
  expect(narrowedBy("-kind:a", "-kind:a")).toEqual({ query: "-kind:a" });
});
