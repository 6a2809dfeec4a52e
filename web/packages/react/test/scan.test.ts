import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { envelope, readEvent, scan } from "../src/protocol/scan.ts";
import { eventText, uuid } from "./events.ts";

interface Vector {
  name: string;
  wire: string;
  why: string;
}

const vectors = JSON.parse(
  readFileSync(new URL("../../../../codec/tests/vectors/event.json", import.meta.url), "utf8"),
) as Vector[];

/** What a parser finds in an event, or null when it is none: the truth that the scan is held to. */
function parsed(text: string): Record<string, unknown> | null {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
  if (value === null || typeof value !== "object" || value["type"] !== "event") return null;
  const { cursor, kind, time, agent_id, session_id, task_id, project_id, data } = value;
  const isId = (id: unknown) => id === null || id === undefined || typeof id === "string";
  const isEvent =
    Number.isSafeInteger(cursor) &&
    (cursor as number) > 0 &&
    typeof kind === "string" &&
    typeof time === "string" &&
    !Number.isNaN(Date.parse(time)) &&
    typeof agent_id === "string" &&
    [session_id, task_id, project_id].every(isId) &&
    typeof data === "object" &&
    data !== null &&
    !Array.isArray(data);
  if (!isEvent) return null;
  return {
    cursor,
    kind,
    time: Date.parse(time),
    agent: agent_id,
    session: session_id ?? "",
    task: task_id ?? "",
    project: project_id ?? "",
    data,
  };
}

function read(text: string, reader = readEvent): Record<string, unknown> | null {
  const out = envelope();
  if (!reader(text, out)) return null;
  const { data, dataEnd, ...rest } = out;
  return { ...rest, data: JSON.parse(text.slice(data, dataEnd)) as unknown };
}

const id = fc.option(fc.nat(1e6).map(uuid));
const members = fc.record({
  cursor: fc.oneof(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), fc.constantFrom(0, -1, 2 ** 53, 1.5, 1e21)),
  kind: fc.oneof(fc.constantFrom("task.created", "agent.output_batch", "a-b.c_d", ""), fc.string({ unit: "binary" })),
  time: fc.oneof(
    fc.integer({ min: 0, max: 4e12 }).map((ms) => new Date(ms).toISOString().replace("Z", "123Z")),
    fc.constantFrom("2026-02-27T10:30:00Z", "2026-02-30T10:30:00.123456Z", "2026-02-27T24:30:00.123456Z", "soon"),
  ),
  agent_id: fc.oneof(id, fc.constantFrom("short", `${uuid(1)}0`, 'a"b')),
  session_id: id,
  task_id: id,
  project_id: fc.option(id, { nil: undefined }),
  data: fc.oneof(
    fc.dictionary(fc.string(), fc.jsonValue()),
    fc.constantFrom<unknown>([], null, "x", { a: '"}}', b: [{}, { type: "event", cursor: 1 }], "\\": "\\\\" }),
  ),
});

/** In the order of the wire, as servers write it. */
const canonical = members.map((event) => JSON.stringify({ type: "event", ...event }));
const shuffled = fc
  .tuple(members, fc.shuffledSubarray(["cursor", "kind", "time", "agent_id", "session_id", "task_id", "data"]))
  .map(([event, keys]) =>
    JSON.stringify({ type: "event", ...Object.fromEntries(keys.map((key) => [key, event[key as "kind"]])) }),
  );
const spaced = members.map((event) => JSON.stringify({ type: "event", ...event }, null, 1));
const escaped = canonical.map((text) => text.replace(/[a-z]/g, (c) => (c === "k" ? "\\u006b" : c)));

/** One byte lost, doubled or changed outside `data`, whose inside the scan does not judge. */
const broken = fc
  .tuple(canonical, fc.nat(), fc.constantFrom("", "x", '"', "{", "}", ",", ":", "\\", "0", " "))
  .map(([text, at, by]) => {
    const end = text.indexOf(',"data":') + 8;
    const place = at % end;
    return text.slice(0, place) + by + text.slice(place + 1);
  });

test("an event is read as JSON.parse reads it, whatever its order, spaces, escapes and mistakes", () => {
  fc.assert(
    fc.property(fc.oneof(canonical, shuffled, spaced, escaped, broken), (text) => {
      expect(read(text)).toEqual(parsed(text));
    }),
    { numRuns: 3000 },
  );
});

test("whatever stands behind data is not taken for a part of it", () => {
  const text = eventText(1).slice(0, -1);
  for (const tail of [',"later":{}}', ',"data":{"n":2}}', " }", "}}", "]}", ""]) {
    expect(read(text + tail)).toEqual(parsed(text + tail));
  }
});

test("every event of the golden vectors is read by the scan alone", () => {
  for (const { wire, name } of vectors.filter(({ wire }) => typeof wire === "string")) {
    expect(read(wire, scan), name).toEqual(parsed(wire));
  }
});

test("the text of data is as it was sent", () => {
  const data = '{ "b" : 1e400, "a":18446744073709551616, "z":"\\u0000\\ud83d\\ude00\\/é" }';
  const text = eventText(9, { data });
  const out = envelope();
  expect(readEvent(text, out)).toBe(true);
  expect(text.slice(out.data, out.dataEnd)).toBe(data);
  const other = `{"data":${data},"type":"event","cursor":9,"kind":"a","time":"2026-02-27T10:30:00Z","agent_id":"x"}`;
  expect(readEvent(other, out)).toBe(true);
  expect(other.slice(out.data, out.dataEnd)).toBe(data);
});

test("a cursor beyond 2^53 - 1 is no event", () => {
  expect(read(eventText(1).replace('"cursor":1', '"cursor":9007199254740991'))).not.toBeNull();
  expect(read(eventText(1).replace('"cursor":1', '"cursor":9007199254740992'))).toBeNull();
  expect(read(eventText(1).replace('"cursor":1', '"cursor":09'))).toBeNull();
});
