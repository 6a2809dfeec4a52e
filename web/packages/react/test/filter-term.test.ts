import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testOf } from "../src/core/match.ts";
import { parseQuery } from "../src/core/query.ts";
import { dataTerm, fieldTerm } from "../src/timeline/filter-term.ts";
import { childrenOf } from "../src/timeline/json-rows.ts";
import { type JsonNode, type JsonPath, plain, readJson } from "../src/timeline/json-text.ts";

/** Every plain value below a node, with its path. */
function* leaves(node: JsonNode, path: JsonPath): Generator<readonly [JsonPath, string]> {
  const value = plain(node);
  if (value !== null) yield [path, value];
  for (const [step, child] of childrenOf(node)) yield* leaves(child, [...path, step]);
}

function lineOf(data: string) {
  const raw = `{"type":"event","data":${data}}`;
  return { kind: "task.created", agent: "a-1", session: "", task: "t-1", project: "p-1", raw, data: raw.indexOf(data) };
}

/** Whether the query finds the event; it has to be one. */
function finds(query: string, line: ReturnType<typeof lineOf>): boolean {
  const { terms, problem } = parseQuery(query);
  expect(problem, query).toBeNull();
  return testOf(terms)?.(line, line.raw) ?? true;
}

describe("a term made of a value that is looked at", () => {
  it("finds the event that it was made from, and hides it", () => {
    const anyData = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })).map((value) => JSON.stringify(value));
    let made = 0;
    fc.assert(
      fc.property(anyData, (data) => {
        for (const [path, value] of leaves(readJson(data).root!, ["data"])) {
          const only = dataTerm(path, value);
          const hide = dataTerm(path, value, true);
          if (only === null || hide === null) continue;
          made += 1;
          expect(finds(only, lineOf(data)), only).toBe(true);
          expect(finds(hide, lineOf(data)), hide).toBe(false);
        }
      }),
      { numRuns: 500 },
    );
    expect(made).toBeGreaterThan(100);
  });

  it("does not find another value", () => {
    const line = lineOf('{"error":"timed out","n":12345678901234567890}');
    expect(finds(dataTerm(["data", "error"], "timed out")!, line)).toBe(true);
    expect(finds(dataTerm(["data", "error"], "timed")!, line)).toBe(false);
    expect(finds(dataTerm(["data", "n"], "12345678901234567890")!, line)).toBe(true);
  });

  it("is none where the query language cannot say it", () => {
    expect(dataTerm(["data", "a b"], "x")).toBeNull();
    expect(dataTerm(["data", "a"], "")).toBeNull();
    expect(dataTerm(["data", "a"], "x*")).toBeNull();
    expect(dataTerm(["data", "a"], "x".repeat(5000))).toBeNull();
    expect(dataTerm(["data"], "x")).toBeNull();
  });

  it("finds a kind and an id", () => {
    expect(finds(fieldTerm("kind", "task.created"), lineOf("{}"))).toBe(true);
    expect(finds(fieldTerm("kind", "task.created", true), lineOf("{}"))).toBe(false);
    expect(finds(fieldTerm("agent", "a-1"), lineOf("{}"))).toBe(true);
    expect(finds(fieldTerm("task", "t-2"), lineOf("{}"))).toBe(false);
    expect(finds(fieldTerm("project", "p-1"), lineOf("{}"))).toBe(true);
    expect(finds(fieldTerm("project", "p-1", true), lineOf("{}"))).toBe(false);
  });
});
