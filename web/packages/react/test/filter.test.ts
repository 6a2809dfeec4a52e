import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Subscription } from "../src/event-client.ts";
import { phaseOf } from "../src/protocol/close-codes.ts";
import { cursorOf, queryOf, subprotocols, subscribeCommand } from "../src/protocol/filter.ts";
import { pageOf } from "../src/protocol/page.ts";
import { eventText, uuid } from "./events.ts";

interface Vector {
  name: string;
  endpoint: string;
  expect?: { filter?: string };
}

const root = new URL("../../../../", import.meta.url);
const vectors = JSON.parse(readFileSync(new URL("codec/tests/vectors/query.json", root), "utf8")) as Vector[];

test("every canonical filter of the golden vectors can be asked for, and is asked for as it is written there", () => {
  const filters = vectors.flatMap((vector) => vector.expect?.filter ?? []);
  expect(filters.length).toBeGreaterThan(10);
  for (const filter of filters) {
    const members = new URLSearchParams(filter);
    const member = (name: string) => members.get(name) ?? undefined;
    const kinds = member("kinds")!.split(",");
    const ids = { agentId: "agent_id", sessionId: "session_id", taskId: "task_id", projectId: "project_id" };
    const asked = Object.entries(ids).flatMap(([name, wire]) => (member(wire) ? [[name, member(wire)]] : []));
    const subscription: Subscription = { kinds, ...Object.fromEntries(asked) };
    expect(new URLSearchParams(queryOf(subscription)).toString()).toBe(members.toString());
  }
});

test("what restricts nothing is not sent, and everything is encoded", () => {
  expect(queryOf({})).toBe("");
  expect(queryOf({ kinds: [], agentId: "" })).toBe("");
  expect(queryOf({ kinds: ["a b+c"] })).toBe("?kinds=a%20b%2Bc");
  expect(queryOf({ kinds: ["a.*"] }, { cursor: "2026-01-01T02:00:00+02:00" })).toBe(
    "?kinds=a.*&cursor=2026-01-01T02%3A00%3A00%2B02%3A00",
  );
});

test("the command to subscribe has the members of the wire", () => {
  expect(subscribeCommand({ kinds: ["a", "b.*"], taskId: uuid(1) }, 7, "s1")).toEqual({
    type: "subscribe",
    ref: "s1",
    kinds: "a,b.*",
    task_id: uuid(1),
    cursor: 7,
    encoding: "lines",
  });
});

test("a start is a cursor, a time, or the head", () => {
  expect(cursorOf(0)).toBe(0);
  expect(cursorOf("now")).toBe("head");
  expect(cursorOf({ last: 5 })).toBe("head");
  expect(cursorOf(new Date(0))).toBe("1970-01-01T00:00:00.000Z");
});

test("a token is a subprotocol in base64url, of any characters", () => {
  expect(subprotocols(undefined)).toEqual(["todoki.v1"]);
  const [version, bearer] = subprotocols("gé/+?~");
  expect(version).toBe("todoki.v1");
  const [prefix, encoded] = [bearer!.slice(0, 38), bearer!.slice(38)];
  expect(prefix).toBe("base64url.bearer.authorization.todoki.");
  expect(encoded).toMatch(/^[A-Za-z0-9_-]+$/);
  expect(Buffer.from(encoded, "base64url").toString()).toBe("gé/+?~");
});

test("every close code that WIRE.md names is known, and comes back or not as it says", () => {
  const wire = readFileSync(new URL("docs/WIRE.md", root), "utf8");
  const table = wire.slice(wire.indexOf("### Close codes"), wire.indexOf("A client that takes nothing"));
  const rows = [...table.matchAll(/^\| (\d{4}) \| .* \| (.*) \|$/gm)];
  expect(rows.length).toBeGreaterThan(8);
  for (const [, code, comeBack] of rows.filter(([, code]) => code !== "1000")) {
    const comesBack = ["disconnected", "restarting", "limited"].includes(phaseOf(Number(code)));
    expect(comesBack, code).toBe(comeBack!.startsWith("yes"));
  }
});

test("a page is taken apart without changing its events", () => {
  const events = [eventText(1, { data: '{ "a" : "}],", "n":1.0 }' }), eventText(2)];
  const page = (inner: string) => `{"events":[${inner}],"next_cursor":2,"has_more":true,"earliest":1}`;
  expect(pageOf(page(events.join(",")))).toEqual({ events, next: 2, hasMore: true, earliest: 1 });
  expect(pageOf(page(""))!.events).toEqual([]);
  expect(pageOf(page(eventText(1, { data: '{"a":\r\n1}' })))!.events).toEqual([eventText(1, { data: '{"a":  1}' })]);
  for (const text of ["", "[]", '{"events":[', page(events.join(",")).slice(0, 90), page('{"a":')])
    expect(pageOf(text)).toBeNull();
});
