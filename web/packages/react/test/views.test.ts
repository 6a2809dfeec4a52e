import fc from "fast-check";
import { expect, test } from "vitest";
import { EventLog } from "../src/core/event-log.ts";
import { csvCell, ExportFile, eachLine } from "../src/core/export.ts";
import { FacetCounts, facetsOf } from "../src/core/facets.ts";
import { WINDOWS, WindowCounts } from "../src/core/histogram.ts";
import { lanesOf } from "../src/core/lanes.ts";
import { Latency } from "../src/core/latency.ts";
import { AllLines } from "../src/core/place-index.ts";
import { Rate } from "../src/core/rate.ts";
import { rowAt, summaryOf } from "../src/core/row.ts";
import { envelope, readEvent } from "../src/protocol/scan.ts";
import { eventText, type Parts, uuid } from "./events.ts";
import { FakeWorld } from "./fake-world.ts";

const T0 = Date.parse("2026-02-27T10:00:00Z");

function logOf(...events: Parts[]): EventLog {
  const log = new EventLog(1024);
  const at = envelope();
  events.forEach((parts, i) => {
    const raw = eventText(i + 1, parts);
    expect(readEvent(raw, at)).toBe(true);
    log.append(raw, at, true);
  });
  return log;
}

test("a histogram counts each event in its window, by family, and failures", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: -5000, max: 125_000 }), fc.nat(2))), (events) => {
      const kinds = ["task.created", "task.failed", "agent.output"];
      const log = logOf(...events.map(([ms, kind]) => ({ time: T0 + ms, kind: kinds[kind]! })));
      const { families, counts, failures, windowMs, from } = WindowCounts.ofLog(
        log,
        { from: T0, to: T0 + 120_000 },
        0,
        true,
      ).snapshot();
      expect([from, windowMs, failures.length]).toEqual([T0, 120_000 / WINDOWS, WINDOWS]);
      const inside = events.filter(([ms]) => ms >= 0 && ms < 120_000);
      for (let window = 0; window < WINDOWS; window++) {
        const here = inside.filter(([ms]) => Math.floor(ms / windowMs) === window);
        const task = here.filter(([, kind]) => kind < 2).length;
        expect(counts[families.indexOf("task")]?.[window] ?? 0).toBe(task);
        expect(counts[families.indexOf("agent")]?.[window] ?? 0).toBe(here.length - task);
        expect(failures[window]).toBe(here.filter(([, kind]) => kind === 1).length);
      }
    }),
  );
});

test("a histogram of the server goes on with what comes, and moves with the present", () => {
  const counts = WindowCounts.ofServer({
    from: new Date(T0).toISOString(),
    to: new Date(T0 + 3000).toISOString(),
    window_ms: 1000,
    families: ["agent", "task"],
    counts: [
      [5, 0, 0],
      [1, 2, 3],
    ],
    failures: [0, 1, 0],
    is_complete: false,
  });
  counts.add("task.failed", T0 + 2500);
  counts.add("relay.up", T0 + 9000);
  expect(counts.snapshot()).toEqual({
    from: T0,
    windowMs: 1000,
    families: ["agent", "task"],
    counts: [
      [5, 0, 0],
      [1, 2, 4],
    ],
    failures: [0, 1, 1],
    isComplete: false,
  });
  counts.follow(T0 + 4999);
  counts.add("relay.up", T0 + 4500);
  expect(counts.snapshot()).toMatchObject({
    from: T0 + 2000,
    families: ["relay", "task"],
    counts: [
      [0, 0, 1],
      [4, 0, 0],
    ],
    failures: [1, 0, 0],
  });
  counts.follow(T0 + 1_000_000);
  expect(counts.snapshot().families).toEqual([]);
});

test("facets are the most frequent values, at most fifty, without the system", () => {
  const system = eventText(1).replace(uuid(1), "00000000-0000-0000-0000-000000000000");
  const log = logOf(...Array.from({ length: 200 }, (_, i) => ({ task: i % 60, kind: i < 150 ? "a.b" : "c.d" })));
  const at = envelope();
  readEvent(system.replace('"cursor":1', '"cursor":201'), at);
  log.append(system, at, true);
  const { kinds, tasks, agents } = facetsOf(log);
  expect(kinds.slice(0, 2)).toEqual([
    { value: "a.b", count: 150 },
    { value: "c.d", count: 50 },
  ]);
  expect(tasks).toHaveLength(50);
  expect(tasks[0]).toEqual({ value: uuid(0), count: 4 });
  expect(agents).toEqual([{ value: uuid(1), count: 200 }]);
  expect(facetsOf(log).projects).toEqual([]);
  const ofProjects = logOf({ project: 2 }, {}, { project: 3 }, { project: 2 });
  expect(facetsOf(ofProjects).projects).toEqual([
    { value: uuid(2), count: 2 },
    { value: uuid(3), count: 1 },
  ]);
});

test("what comes is added to the server's facets, of which only so many new ones are kept", () => {
  const none = { agents: [], sessions: [], tasks: [], scope: "log", isComplete: false } as const;
  const counts = new FacetCounts({ ...none, kinds: [{ value: "a.b", count: 10 }] });
  const at = envelope();
  for (let task = 1; task <= 2000; task++) {
    expect(readEvent(eventText(task, { kind: "a.b", task }), at)).toBe(true);
    counts.add(at);
  }
  for (const task of [7, 1999]) {
    readEvent(eventText(3000, { kind: "c.d", task }), at);
    counts.add(at);
  }
  const { kinds, tasks, sessions, isComplete, scope } = counts.snapshot();
  expect(kinds).toEqual([
    { value: "a.b", count: 2010 },
    { value: "c.d", count: 2 },
  ]);
  expect(tasks).toHaveLength(50);
  expect(tasks.slice(0, 2)).toEqual([
    { value: uuid(7), count: 2 },
    { value: uuid(1), count: 1 },
  ]);
  expect([sessions, isComplete, scope]).toEqual([[], false, "log"]);
});

test("lanes are the most active ids, with a tick for each event and spans from what begins to what ends", () => {
  const at = (ms: number, kind: string, task?: number): Parts => ({ time: T0 + ms, kind, ...(task ? { task } : {}) });
  const log = logOf(
    at(0, "task.created", 1),
    at(1000, "task.created", 2),
    at(2000, "agent.output", 1),
    at(3000, "task.failed", 1),
    at(4000, "agent.output"),
    at(5000, "task.created", 1),
    at(9000, "task.completed", 2),
  );
  expect(lanesOf(log, "task", { from: T0 + 500, to: T0 + 8000 })).toEqual({
    by: "task",
    lanes: [
      {
        id: uuid(1),
        events: 3,
        ticks: [
          { cursor: 3, time: T0 + 2000, kind: "agent.output", isFailure: false },
          { cursor: 4, time: T0 + 3000, kind: "task.failed", isFailure: true },
          { cursor: 6, time: T0 + 5000, kind: "task.created", isFailure: false },
        ],
        spans: [
          { kind: "task.created", from: T0, to: T0 + 3000, isFailure: true },
          { kind: "task.created", from: T0 + 5000, to: null, isFailure: false },
        ],
      },
      {
        id: uuid(2),
        events: 1,
        ticks: [{ cursor: 2, time: T0 + 1000, kind: "task.created", isFailure: false }],
        spans: [{ kind: "task.created", from: T0 + 1000, to: null, isFailure: false }],
      },
    ],
    others: 1,
  });
});

test("beyond twelve lanes are the others", () => {
  const log = logOf(...Array.from({ length: 40 }, (_, i) => ({ time: T0, task: 1 + (i % 20) })));
  const { lanes, others } = lanesOf(log, "task", { from: T0, to: null });
  expect(lanes).toHaveLength(12);
  expect(others).toBe(16);
});

test("a cell is quoted by RFC 4180, and is no formula to a spreadsheet", () => {
  expect(csvCell("plain")).toBe("plain");
  expect(csvCell('a "b", c\r\n')).toBe('"a ""b"", c\r\n"');
  for (const start of ["=", "+", "-", "@", "\t", "\r"]) {
    expect(csvCell(`${start}1+1`).replace(/^"/, "").startsWith("'")).toBe(true);
  }
  expect(csvCell(17)).toBe("17");
});

test("an export is every event in order, as it was sent", async () => {
  const raw = eventText(1, { task: 2, data: '{"n":1.0,"s":"a, \\"b\\""}' });
  const ndjson = new ExportFile("ndjson");
  ndjson.add(raw);
  expect(await ndjson.blob().text()).toBe(`${raw}\n`);
  const csv = new ExportFile("csv");
  csv.add(raw);
  expect(await csv.blob().text()).toBe(
    `cursor,time,kind,agent_id,session_id,task_id,project_id,data\r\n1,2026-02-27T10:30:00.001000Z,task.created,${uuid(1)},,${uuid(2)},,"{""n"":1.0,""s"":""a, \\""b\\""""}"\r\n`,
  );
  const large = new ExportFile("ndjson");
  for (let i = 0; i < 20_000; i++) large.add(raw);
  expect((await large.blob().text()).length).toBe(20_000 * (raw.length + 1));
});

test("lines of a response are the same however it is cut", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: "grapheme" })), fc.integer({ min: 1, max: 7 }), async (texts, step) => {
      const lines = texts.map((text) => text.replaceAll("\n", "")).filter((text) => text !== "");
      const bytes = new TextEncoder().encode(lines.join("\n"));
      const stream = new ReadableStream<Uint8Array>({
        start(controller) {
          for (let at = 0; at < bytes.length; at += step) controller.enqueue(bytes.slice(at, at + step));
          controller.close();
        },
      });
      const seen: string[] = [];
      await eachLine(new Response(stream), (line) => void seen.push(line));
      expect(seen).toEqual(lines);
    }),
  );
});

test("a summary is the first plain members on one line", () => {
  expect(summaryOf('{"title":"Fix auth","priority":2,"deep":{"no":1},"list":["no"],"ok":true,"none":null}')).toBe(
    "title=“Fix auth” priority=2 ok=true none=null",
  );
  expect(summaryOf("{}")).toBe("");
  expect(summaryOf('{"a":"line\\none","n":12345678901234567890}')).toBe("a=“line one” n=12345678901234567890");
  expect(summaryOf('{"a":"é\\u00e9","b":"cut off he')).toBe("a=éé");
  const long = summaryOf(`{"a":"${"x".repeat(500)}","b":1}`);
  expect(long).toHaveLength(160);
  expect(long.endsWith("…")).toBe(true);
});

test("no payload makes a summary longer than it may be, or throw", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat(200), (value, cut) => {
      const text = JSON.stringify({ value, again: value });
      expect(summaryOf(text.slice(0, cut)).length).toBeLessThanOrEqual(160);
    }),
  );
});

test("the first row of another local day says so", () => {
  const noon = new Date(2026, 1, 27, 23, 59).getTime();
  const log = logOf({ time: noon }, { time: noon + 30_000 }, { time: noon + 90_000 }, { time: noon + 91_000 });
  const index = new AllLines(log);
  const days = [0, 1, 2, 3].map((place) => {
    const row = rowAt(log, index, place);
    return row.type === "event" && row.isNewDay;
  });
  expect(days).toEqual([false, false, true, false]);
});

test("a rate is of the last second, and falls to nothing", async () => {
  const world = new FakeWorld();
  const rate = new Rate(world);
  let asked = 0;
  const again = () => void asked++;
  expect(rate.perSecond(0, again)).toBe(0);
  for (let i = 1; i <= 8; i++) {
    await world.pass(250);
    rate.perSecond(i * 100, again);
  }
  expect(rate.perSecond(800, again)).toBeCloseTo(400, 5);
  for (let i = 0; i < 8; i++) {
    await world.pass(250);
    rate.perSecond(800, again);
  }
  expect(rate.perSecond(800, again)).toBe(0);
  const last = asked;
  await world.pass(10_000);
  expect(asked - last).toBeLessThanOrEqual(1);
});

test("a pong that makes no sense is no measurement", () => {
  const latency = new Latency();
  expect([latency.rttMs, latency.offsetMs]).toEqual([null, null]);
  latency.add(100, 50, 75);
  latency.add(100, 150, Number.NaN);
  expect([latency.rttMs, latency.offsetMs]).toEqual([null, null]);
  latency.add(100, 120, 1110);
  expect([latency.rttMs, latency.offsetMs]).toEqual([20, 1000]);
});
