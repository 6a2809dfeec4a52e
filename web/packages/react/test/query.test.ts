import fc from "fast-check";
import { expect, test } from "vitest";
import { testOf } from "../src/core/match.ts";
import { parseQuery } from "../src/core/query.ts";
import { envelope, readEvent } from "../src/protocol/scan.ts";
import { eventText, type Parts, uuid } from "./events.ts";

function matches(query: string, parts: Parts): boolean {
  const raw = eventText(1, parts);
  const at = envelope();
  expect(readEvent(raw, at)).toBe(true);
  const { terms, problem } = parseQuery(query);
  expect(problem, query).toBeNull();
  return testOf(terms)?.(at, raw) ?? true;
}

test("a query without terms matches everything", () => {
  for (const query of ["", "  "]) expect(parseQuery(query)).toEqual({ terms: [], problem: null });
  expect(testOf([])).toBeNull();
});

test("a text is found anywhere in the payload, whatever its case", () => {
  const data = `{"a":"${"x".repeat(10_000)}","deep":{"list":[{"message":"Connection Timeout"}]}}`;
  expect(matches("timeout", { data })).toBe(true);
  expect(matches("TIMEOUT connection", { data })).toBe(true);
  expect(matches("timeout nothing", { data })).toBe(false);
  expect(matches('"connection timeout"', { data })).toBe(true);
  expect(matches('"timeout connection"', { data })).toBe(false);
  expect(matches("-timeout", { data })).toBe(false);
  expect(matches("-nothing", { data })).toBe(true);
});

test("a text is found however the producer escaped it", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 12 }), fc.boolean(), (text, isEscapedAll) => {
      const phrase = `"${text.replace(/["\\]/g, "\\$&")}"`;
      const escaped = isEscapedAll
        ? text.replace(/[\s\S]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)
        : JSON.stringify(text).slice(1, -1).replaceAll("/", "\\/");
      expect(matches(phrase, { data: `{"m":"<${escaped}>"}` })).toBe(true);
    }),
  );
});

test("names of the envelope are not payload", () => {
  for (const name of ["agent_id", "session_id", "cursor", "type"]) expect(matches(name, {}), name).toBe(false);
});

test("a text is also found in kinds and ids", () => {
  expect(matches("task.cre", {})).toBe(true);
  expect(matches(uuid(7), { task: 7 })).toBe(true);
  expect(matches(uuid(7), { project: 7 })).toBe(true);
  expect(matches(uuid(7), { project: 8 })).toBe(false);
});

test("a kind is whole, or a prefix before a star", () => {
  expect(matches("kind:task.created", {})).toBe(true);
  expect(matches("kind:task", {})).toBe(false);
  expect(matches("kind:task.*", {})).toBe(true);
  expect(matches("-kind:agent.*", {})).toBe(true);
});

test("an id is whole, or its end", () => {
  const parts = { agent: 0xabc, task: 2, session: 3 };
  expect(matches(`agent:${uuid(0xabc)}`, parts)).toBe(true);
  expect(matches("agent:0ABC", parts)).toBe(true);
  expect(matches("task:3", parts)).toBe(false);
  expect(matches("session:3", parts)).toBe(true);
  expect(matches("session:3", { agent: 3 })).toBe(false);
});

test("a member of data is compared as text", () => {
  const data = '{"title":"Fix login","n":3,"big":12345678901234567890,"ok":true,"none":null,"a":{"b":[{"c":"x"}]}}';
  for (const query of [
    'data.title:"Fix login"',
    "data.title:Fix*",
    "data.n:3",
    "data.n:3.0",
    "data.big:12345678901234567890",
    "data.ok:true",
    "data.none:null",
    "data.a.b[0].c:x",
    "data.a.b.0.c:x",
    "-data.n:4",
  ]) {
    expect(matches(query, { data }), query).toBe(true);
  }
  for (const query of ["data.title:Fix", "data.n:33", "data.a:x", "data.missing:null", "data.a.b.c:x"]) {
    expect(matches(query, { data }), query).toBe(false);
  }
});

test("a member is found however the producer escaped its name and its value", () => {
  expect(matches("data.title:x", { data: '{"\\u0074itle":"x"}' })).toBe(true);
  expect(matches("data.a\\b:x", { data: '{"a\\\\b":"x"}' })).toBe(true);
  const escapings = [
    (text: string) => JSON.stringify(text).slice(1, -1),
    (text: string) => JSON.stringify(text).slice(1, -1).replaceAll("/", "\\/"),
    (text: string) => text.replace(/[\s\S]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`),
  ];
  const name = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => /^[^\s:".[\]]+$/.test(text));
  const value = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => !text.endsWith("*"));
  const escaping = fc.constantFrom(...escapings);
  fc.assert(
    fc.property(name, name, value, escaping, escaping, (outer, inner, value, escapedName, escapedValue) => {
      const query = `data.${outer}.${inner}:"${value.replace(/["\\]/g, "\\$&")}"`;
      const data = `{"${escapedName(outer)}":{"${escapedName(inner)}":"${escapedValue(value)}"}}`;
      expect(matches(query, { data }), query).toBe(true);
    }),
  );
});

test("a regular expression is held to the payload", () => {
  const data = '{"code":"E4711","path":"/etc/passwd"}';
  expect(matches("/E\\d{4}/", { data })).toBe(true);
  expect(matches("/e\\d{4}/", { data })).toBe(false);
  expect(matches("/e\\d{4}/i", { data })).toBe(true);
  expect(matches("/^.agent_id/", { data })).toBe(false);
  expect(matches("/etc/passwd", { data })).toBe(true);
});

test("what is wrong is told with its place", () => {
  expect(parseQuery('ok "open').problem).toMatchObject({ at: 3 });
  expect(parseQuery("ok kind:").problem).toMatchObject({ at: 3 + 5, message: "kind: needs a value" });
  expect(parseQuery("/(/").problem).toMatchObject({ at: 0 });
  expect(parseQuery("a -").problem).toMatchObject({ at: 3 });
  expect(parseQuery('""').problem).not.toBeNull();
  expect(parseQuery("x".repeat(1001)).problem).toMatchObject({ at: 1000 });
});

test("no text makes the parser throw", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'"-/\\ :ab.[]*kind:data.') }), (query) => {
      const { terms, problem } = parseQuery(query);
      testOf(terms)?.({ ...envelope(), data: 200 }, eventText(1));
      expect(terms.length === 0 || problem === null).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
