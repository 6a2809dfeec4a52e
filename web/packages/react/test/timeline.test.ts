import fc from "fast-check";
import { expect, test } from "vitest";
import type { CoreOptions } from "../src/core/port.ts";
import { uuid } from "./events.ts";
import { FakePage } from "./fake-page.ts";
import { FakeServer, problem } from "./fake-server.ts";
import { FakeWorld, settled } from "./fake-world.ts";

const RETAIN = 1024;

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}

/** A server with so many events, and a page that has connected to it. */
async function opened(events: number, options: Partial<CoreOptions> = {}) {
  const server = new FakeServer();
  emit(server, events);
  const page = new FakePage(server.world, { retain: RETAIN, ...options });
  page.watch("event");
  await server.world.pass(100);
  return { server, page, world: server.world };
}

function emit(server: FakeServer, count: number, kind = "task.created"): void {
  for (let left = count; left > 0; left -= 500) {
    server.emit(...Array.from({ length: Math.min(left, 500) }, () => ({ kind })));
  }
}

test("it begins with the newest events, and then follows", async () => {
  const { server, page, world } = await opened(800);
  expect(page.cursors()).toEqual(range(301, 800));
  expect(page.rows).toMatchObject({ isFollowing: true, hasOlder: true, hasNewer: false });
  emit(server, 3);
  await world.pass(50);
  expect(page.cursors()).toEqual(range(301, 803));
  expect(page.status.phase).toBe("live");
  expect(page.counts).toMatchObject({ received: 503, loaded: 503, shown: 503, hits: 503, fresh: 0 });
  expect(page.heard).toEqual(range(301, 803));
});

test("those who listen get the first page before what came meanwhile", async () => {
  const server = new FakeServer();
  emit(server, 600);
  const page = new FakePage(server.world, { retain: RETAIN });
  page.watch("event");
  await server.world.pass(12);
  emit(server, 5);
  await server.world.pass(100);
  expect(page.heard).toEqual(range(101, 605));
  expect(page.cursors()).toEqual(range(101, 605));
});

test("a list that was left lets those who listen have nothing before the first page of the next", async () => {
  const server = new FakeServer();
  const { world } = server;
  emit(server, 800);
  const answer = world.answer;
  const slow = [200, 500];
  world.answer = async (url, init) => {
    await new Promise<void>((resolve) => void world.after(slow.shift() ?? 0, resolve));
    return answer(url, init);
  };
  const page = new FakePage(world, { retain: RETAIN });
  page.watch("event");
  await world.pass(50);
  void page.call("setSubscription", { kinds: ["task.*"] });
  emit(server, 5);
  await world.pass(250);
  emit(server, 1);
  await world.pass(1000);
  expect(page.heard).toEqual(range(801, 806));
});

test.each([
  ["now", [11, 12]],
  [0, range(1, 12)],
  [7, range(8, 12)],
  [{ last: 2 }, range(9, 12)],
] as [CoreOptions["from"] & {}, number[]][])("from %j it shows what is asked for", async (from, cursors) => {
  const { server, page, world } = await opened(10, { from });
  emit(server, 2);
  await world.pass(50);
  expect(page.cursors()).toEqual(cursors);
  expect(page.heard).toEqual(cursors);
});

test("from a time it shows the first event then or later", async () => {
  const server = new FakeServer();
  emit(server, 5);
  await server.world.pass(1000);
  const from = new Date(server.world.time);
  emit(server, 5);
  const page = new FakePage(server.world, { from });
  await server.world.pass(100);
  expect(page.cursors()).toEqual(range(6, 10));
});

test("older pages come before the list, whose places stay", async () => {
  const { page, world } = await opened(1200, { from: { last: 100 } });
  const before = page.event(1150)!.place;
  page.call("loadOlder");
  await world.pass(50);
  expect(page.cursors()).toEqual(range(601, 1200));
  expect(page.event(1150)!.place).toBe(before);
  expect(page.rows.first).toBeLessThan(0);
  page.call("loadOlder");
  await world.pass(50);
  expect(page.rows).toMatchObject({ hasOlder: true, isLoadingOlder: false });
});

test("when older pages push the newest out, live events are counted only, until newer pages reach them", async () => {
  const { server, page, world } = await opened(3000, { from: { last: 1000 } });
  page.call("loadOlder");
  await world.pass(50);
  expect(page.cursors()).toEqual(range(1501, 2524));
  expect(page.rows).toMatchObject({ isFollowing: false, hasNewer: true });
  emit(server, 7);
  await world.pass(50);
  expect(page.cursors()).toEqual(range(1501, 2524));
  expect(page.counts.fresh).toBe(7);
  for (let i = 0; i < 2; i++) {
    page.call("loadNewer");
    await world.pass(50);
  }
  expect(page.rows.hasNewer).toBe(false);
  page.view(page.rows.next - 20, 20);
  emit(server, 1);
  await world.pass(50);
  expect(page.cursors()).toEqual(range(3008 - RETAIN + 1, 3008));
  expect(page.heard).toEqual(range(2001, 3008));
  expect(world.sockets).toHaveLength(1);
});

test("a view that is paused at the oldest line is not taken from under the reader", async () => {
  const { server, page, world } = await opened(3000, { from: { last: RETAIN } });
  page.call("pause");
  page.view(page.rows.first, 20);
  emit(server, 500);
  await world.pass(50);
  expect(page.cursors()).toEqual(range(3000 - RETAIN + 1, 3000));
  expect(page.rows.hasNewer).toBe(true);
  expect(page.counts.fresh).toBe(500);
  page.call("resume");
  await world.pass(100);
  expect(page.rows).toMatchObject({ isFollowing: true, hasNewer: false });
  expect(page.cursors()).toEqual(range(3500 - RETAIN + 1, 3500));
  expect(page.counts.fresh).toBe(0);
});

test("a view that is paused elsewhere stays where it is while lines come and go", async () => {
  const { server, page, world } = await opened(3000, { from: { last: RETAIN } });
  page.call("pause");
  const { place } = page.event(2900)!;
  page.view(place, 20);
  emit(server, 300);
  await world.pass(50);
  expect(page.rows.rows.find((row) => row.place === place)).toMatchObject({ cursor: 2900 });
  expect(page.rows.hasNewer).toBe(false);
});

test("pausing counts what is new, and failures among it", async () => {
  const { server, page, world } = await opened(10);
  page.call("pause");
  server.emit({}, { kind: "task.failed" }, { kind: "permission.denied" });
  await world.pass(50);
  expect(page.counts).toMatchObject({ fresh: 3, freshFailures: 2 });
  page.call("resume");
  await world.pass(50);
  expect(page.counts).toMatchObject({ fresh: 0, freshFailures: 0 });
});

test("seeking shows what was around an event, paused, and the present is one step away", async () => {
  const { server, page, world } = await opened(50_000, { from: { last: 100 } });
  page.call("seek", 20_000);
  await world.pass(50);
  expect(page.cursors()).toEqual(range(19_750, 20_249));
  expect(page.rows).toMatchObject({ isFollowing: false, hasNewer: true, hasOlder: true });
  expect(page.rows.target).toBe(page.event(20_000)!.place);
  page.call("seek", "now");
  await world.pass(100);
  expect(page.cursors()).toEqual(range(49_501, 50_000));
  emit(server, 2);
  await world.pass(50);
  expect(page.cursors().slice(-2)).toEqual([50_001, 50_002]);
  expect(page.rows).toMatchObject({ isFollowing: true, hasNewer: false });
  expect(page.heard).toEqual(range(49_901, 50_002));
});

test("an event that is in memory is gone to without asking the server", async () => {
  const { page, world } = await opened(300);
  const requests = world.requests.length;
  page.call("seek", 200);
  await world.pass(50);
  expect(world.requests).toHaveLength(requests);
  expect(page.rows.target).toBe(page.event(200)!.place);
  expect(page.rows.hasNewer).toBe(false);
});

test("a time is gone to by the server's word, and one that it cannot tell is refused", async () => {
  const { server, page, world } = await opened(400, { from: "now" });
  await world.pass(60_000);
  const then = new Date(world.time);
  emit(server, 600);
  await world.pass(50);
  page.call("clear");
  page.call("seek", then);
  await world.pass(50);
  expect(page.event(401)!.place).toBe(page.rows.target);
  server.refuses = () => problem(404, "not_found");
  const sought = page.call("seek", new Date(0));
  const refused = expect(sought).rejects.toThrow("refused: not_found");
  await world.pass(50);
  await refused;
});

test("going to an event while the first page is on its way shows that event", async () => {
  const server = new FakeServer();
  emit(server, 5000);
  const page = new FakePage(server.world, { retain: RETAIN });
  page.call("seek", 1000);
  await server.world.pass(100);
  expect(page.cursors()).toEqual(range(750, 1249));
  expect(page.rows.isFollowing).toBe(false);
});

test("after a loss the list says how long it was and how many came late", async () => {
  const { server, page, world } = await opened(10);
  server.cut();
  emit(server, 5);
  await world.pass(1100);
  expect(page.cursors()).toEqual(range(1, 15));
  expect(page.markers()).toMatchObject([{ type: "reconnect", missed: 5 }]);
  const [marker] = page.markers();
  expect(marker).toMatchObject({ downMs: expect.closeTo(world.requests.length, -4) });
  const rows = page.all().rows;
  expect(rows[10]!.type).toBe("marker");
  expect(page.heard).toEqual(range(1, 15));
});

test("losses with nothing between them are one", async () => {
  const { server, page, world } = await opened(10);
  for (let i = 0; i < 5; i++) {
    server.cut();
    await world.pass(30_000);
  }
  expect(page.markers()).toHaveLength(1);
});

test("what retention took is a gap with its exact count", async () => {
  const { server, page, world } = await opened(10);
  server.cut();
  emit(server, 20);
  server.forget(17);
  await world.pass(1100);
  expect(page.cursors()).toEqual([...range(1, 10), ...range(18, 30)]);
  expect(page.markers()).toContainEqual({
    type: "gap",
    reason: "retention",
    after: 10,
    through: 17,
    count: 7,
    isLoadable: false,
    isLoading: false,
  });
});

test("another history begins a list of its own", async () => {
  const { server, page, world } = await opened(40);
  server.cut();
  server.epoch = "another";
  server.log = [];
  server.head = 0;
  emit(server, 6, "restored.x");
  await world.pass(1200);
  expect(page.markers()).toMatchObject([{ type: "epoch" }]);
  expect(page.cursors()).toEqual(range(1, 6));
  emit(server, 1);
  await world.pass(50);
  expect(page.cursors()).toEqual(range(1, 7));
});

test("another history that is longer than the one before is shown without a hole", async () => {
  const { server, page, world } = await opened(40);
  server.cut();
  server.epoch = "another";
  server.log = [];
  server.head = 0;
  emit(server, 300, "restored.x");
  await world.pass(1200);
  expect(page.cursors()).toEqual(range(1, 300));
  expect(page.heard).toEqual([...range(1, 40), ...range(1, 300)]);
});

test("when we could not keep up, a line says by how much, and that nothing is missing", async () => {
  const { server, page, world } = await opened(3);
  world.socket.say({ type: "lag", state: "catching_up", lag_events: 3100, lag_ms: 600 });
  await world.pass(50);
  expect(page.status).toMatchObject({ phase: "lagging", lag: { events: 3100, ms: 600 } });
  emit(server, 2);
  await world.pass(50);
  world.socket.say({ type: "lag", state: "live", lag_events: 0, lag_ms: 0 });
  emit(server, 1);
  await world.pass(50);
  expect(page.all().rows.map((row) => (row.type === "event" ? row.cursor : row.marker))).toEqual([
    ...range(1, 5),
    { type: "lag", events: 3100, ms: 600 },
    6,
  ]);
});

test("a subscription that changes while its first answer is on its way is the one that is shown", async () => {
  const { server, page, world } = await opened(0, { from: "now" });
  for (let i = 0; i < 20; i++) server.emit({ kind: "task.created" }, { kind: "agent.output" });
  await world.pass(50);
  page.call("pause");
  page.call("setSubscription", { kinds: ["agent.*"] });
  page.call("setSubscription", { kinds: ["task.*"] });
  await world.pass(100);
  expect(page.cursors()).toEqual(range(0, 19).map((i) => 2 * i + 1));
  emit(server, 1);
  await world.pass(50);
  expect(page.cursors().at(-1)).toBe(41);
});

test("a history that was lost is a gap, and the list goes on behind it", async () => {
  const { server, page, world } = await opened(40);
  server.cut();
  server.log = server.log.slice(0, 20);
  server.head = 20;
  await world.pass(1200);
  expect(page.markers()).toMatchObject([{ type: "gap", reason: "ahead", count: null }]);
  emit(server, 2);
  await world.pass(50);
  expect(page.cursors()).toEqual([21, 22]);
});

test("jumping to the present while far behind leaves a gap with its exact count, which can be filled", async () => {
  const { server, page, world } = await opened(10, { from: 0, retain: 32_768 });
  // The server reads the log to us, and has a long way to go.
  store(server, 12_000);
  world.socket.say({ type: "lag", state: "catching_up", lag_events: 12_000, lag_ms: 500 });
  await world.pass(50);
  page.call("seek", "now");
  await world.pass(50);
  expect(page.cursors()).toEqual([...range(1, 10), ...range(11_511, 12_010)]);
  expect(page.markers()).toEqual([
    {
      type: "gap",
      reason: "skipped",
      after: 10,
      through: 11_510,
      count: 11_500,
      isLoadable: true,
      isLoading: false,
    },
  ]);
  emit(server, 3);
  await world.pass(50);
  expect(page.cursors().slice(-4)).toEqual([12_010, 12_011, 12_012, 12_013]);
  page.call("fill", page.all().rows.find(({ type }) => type === "marker")!.place);
  await world.pass(500);
  expect(page.cursors()).toEqual(range(1, 12_013));
  expect(page.markers()).toEqual([]);
});

test("jumping to the present while the window catches up leaves no hole", async () => {
  const { server, page, world } = await opened(3000);
  const seek = page.call("seek", 100);
  await world.pass(100);
  await seek;
  // The first jump takes the window up where it ends, and the second comes before all that is missing has arrived.
  const delays = [5, 5, 5, 500];
  server.delayMs = () => delays.shift() ?? 5;
  void page.call("seek", "now");
  await world.pass(50);
  expect(page.status.phase).toBe("replaying");
  void page.call("seek", "now");
  await world.pass(1000);
  emit(server, 1);
  await world.pass(100);
  expect(page.rows).toMatchObject({ isFollowing: true, hasNewer: false });
  expectContiguous(page, server);
});

test("jumping to the present when the stream is faster than the pages repeats nothing", async () => {
  const { server, page, world } = await opened(3000);
  await Promise.all([page.call("seek", 2500), world.pass(100)]);
  const delays = [5, 5, 50];
  server.delayMs = () => delays.shift() ?? 5;
  const answer = world.answer;
  void page.call("seek", "now");
  await world.pass(20);
  expect(page.status.phase).toBe("replaying");
  let isSlow = true;
  world.answer = async (url, init) => {
    const response = await answer(url, init);
    if (isSlow && url.searchParams.has("before")) await new Promise<void>((resolve) => void world.after(200, resolve));
    return response;
  };
  void page.call("seek", "now");
  await world.pass(10);
  emit(server, 30);
  await world.pass(1000);
  isSlow = false;
  expect(page.cursors().at(-1)).toBe(3030);
  expectContiguous(page, server);
  expect(page.heard).toEqual(range(2501, 3030));
});

test("jumping to the present while a newer page is on its way repeats nothing", async () => {
  const { server, page, world } = await opened(2000);
  page.call("seek", 1).catch(() => {});
  await world.pass(100);
  void page.call("loadNewer");
  // The page is slower than the stream.
  const delays = [200];
  server.delayMs = () => delays.shift() ?? 5;
  void page.call("seek", "now");
  await world.pass(1000);
  expect(page.rows).toMatchObject({ isFollowing: true, hasNewer: false, isLoadingNewer: false });
  expect(page.cursors()).toEqual(range(2000 - RETAIN + 1, 2000));
});

test("only what happens counts for the rate, not what is loaded or read again", async () => {
  const { server, page, world } = await opened(800);
  expect(page.counts).toMatchObject({ received: 500, eventsPerSecond: 0 });
  emit(server, 100);
  await world.pass(300);
  expect(page.counts.eventsPerSecond).toBeGreaterThan(0);
  await world.pass(5000);
  expect(page.counts).toMatchObject({ received: 600, eventsPerSecond: 0 });
  server.cut();
  emit(server, 400);
  await world.pass(40_000);
  expect(page.counts.received).toBe(1000);
  const { page: replayed } = await opened(800, { from: 0 });
  expect(replayed.counts).toMatchObject({ received: 800, eventsPerSecond: 0 });
});

test("what the server has counted goes on with what happens, and is asked for anew after a loss", async () => {
  const { server, page, world } = await opened(0);
  const answer = world.answer;
  let asked = 0;
  const counted = {
    kinds: [{ value: "task.created", count: 70 }],
    agents: [],
    sessions: [],
    tasks: [],
    is_complete: true,
  };
  world.answer = (url, init) => {
    if (!url.pathname.endsWith("/facets")) return answer(url, init);
    asked++;
    return Response.json(counted);
  };
  page.watch("facets");
  await world.pass(1000);
  expect(page.facets).toMatchObject({ scope: "log", kinds: [{ value: "task.created", count: 70 }] });
  server.emit({ task: 1 }, { kind: "agent.output", project: 1 }, {});
  await world.pass(1000);
  expect(page.facets).toEqual({
    kinds: [
      { value: "task.created", count: 72 },
      { value: "agent.output", count: 1 },
    ],
    agents: [{ value: uuid(1), count: 3 }],
    sessions: [],
    tasks: [{ value: uuid(1), count: 1 }],
    // Of those in memory, since the server says nothing of projects.
    projects: [{ value: uuid(1), count: 1 }],
    scope: "log",
    isComplete: true,
  });
  expect(asked).toBe(1);
  server.cut();
  emit(server, 10);
  await world.pass(10_000);
  expect(asked).toBe(2);
  expect(page.facets!.kinds).toEqual([{ value: "task.created", count: 70 }]);
});

test("what is called while a chunk loads is done in the order of the calls", async () => {
  const server = new FakeServer();
  emit(server, 800);
  server.world.loadMs = () => 500;
  const page = new FakePage(server.world, { retain: RETAIN });
  await server.world.pass(100);
  page.call("seek", 100).catch(() => {});
  void page.call("pause");
  void page.call("resume");
  await server.world.pass(2000);
  expect(page.rows).toMatchObject({ isFollowing: true, hasNewer: false });
  expect(page.cursors().at(-1)).toBe(800);
});

test("a chunk that does not load fails what needs it and nothing else, and is loaded again", async () => {
  const server = new FakeServer();
  emit(server, 800);
  const { world } = server;
  const { extras } = world;
  world.extras = () => Promise.reject(new Error("no such chunk"));
  const page = new FakePage(world, { retain: RETAIN });
  await world.pass(100);
  const older = page.call("loadOlder").catch((error: Error) => error.message);
  const paused = page.call("pause");
  emit(server, 2);
  await world.pass(100);
  expect(await older).toBe("no such chunk");
  await paused;
  expect(page.rows.isFollowing).toBe(false);
  expect(page.cursors()).toEqual([801, 802]);
  world.extras = extras;
  await Promise.all([page.call("loadOlder"), world.pass(100)]);
  expect(page.cursors()).toEqual(range(301, 802));
});

test("jumping to the present while a little behind costs those who listen nothing", async () => {
  const { server, page, world } = await opened(10, { from: 0 });
  store(server, 2000);
  world.socket.say({ type: "lag", state: "catching_up", lag_events: 2000, lag_ms: 500 });
  await world.pass(50);
  page.call("seek", "now");
  await world.pass(100);
  expect(page.cursors().slice(-500)).toEqual(range(1511, 2010));
  expect(page.heard).toEqual(range(1, 2010));
});

test("a gap is filled in its place, page by page, until nothing is missing", async () => {
  const { server, page, world } = await opened(100, { from: 0 });
  emit(server, 50);
  await world.pass(50);
  // A server that skips for the slow says so.
  store(server, 700);
  const gap = { type: "gap", reason: "slow", requested: 150, resume_at: 850, earliest: 1, head: 850 };
  world.socket.say(gap);
  emit(server, 50);
  await world.pass(50);
  expect(page.cursors()).toEqual([...range(1, 150), ...range(851, 900)]);
  expect(page.markers()).toMatchObject([{ type: "gap", reason: "slow", count: 700, isLoadable: true }]);
  const place = page.all().rows.find(({ type }) => type === "marker")!.place;
  const { generation } = page.rows;
  page.call("fill", place);
  await world.pass(50);
  expect(page.cursors()).toEqual(range(1, 900));
  expect(page.markers()).toEqual([]);
  expect(page.rows.generation).toBeGreaterThan(generation);
});

/** Stores events that nobody is sent. */
function store(server: FakeServer, count: number): void {
  const silent = new FakeServer();
  silent.head = server.head;
  emit(silent, count);
  server.log.push(...silent.log);
  server.head = silent.head;
}

test("another subscription takes the same connection, and begins the list anew", async () => {
  const { server, page, world } = await opened(0);
  for (let i = 0; i < 300; i++) server.emit({ kind: "task.created" }, { kind: "agent.output" });
  await world.pass(50);
  page.call("setSubscription", { kinds: ["agent.*"] });
  await world.pass(50);
  expect(page.cursors()).toEqual(range(1, 300).map((i) => 2 * i));
  expect(world.sockets).toHaveLength(1);
  page.call("seek", 300);
  await world.pass(50);
  page.call("setSubscription", { kinds: ["task.*"] });
  await world.pass(50);
  expect(page.rows.isFollowing).toBe(false);
  expect(page.event(299)).toBeDefined();
  page.call("setSubscription", { kinds: ["task.*"] }, 590);
  await world.pass(50);
  expect(page.cursors()).toEqual([591, 593, 595, 597, 599]);
});

test("a query filters, or marks, and can be taken back", async () => {
  const { server, page, world } = await opened(0);
  for (let i = 0; i < 20; i++) server.emit({ data: `{"name":"${i % 4 === 0 ? "needle" : "hay"}"}` });
  await world.pass(50);
  await page.call("setQuery", "needle", "filter");
  await world.pass(50);
  expect(page.cursors()).toEqual([1, 5, 9, 13, 17]);
  expect(page.counts).toMatchObject({ loaded: 20, shown: 5, hits: 5 });
  server.emit({ data: '{"name":"needle"}' }, {});
  await world.pass(50);
  expect(page.cursors()).toEqual([1, 5, 9, 13, 17, 21]);
  await page.call("setQuery", "needle", "mark");
  await world.pass(50);
  expect(page.cursors()).toEqual(range(1, 22));
  expect(page.all().rows.flatMap((row) => (row.type === "event" && row.isHit ? [row.cursor] : []))).toEqual([
    1, 5, 9, 13, 17, 21,
  ]);
  expect(page.counts).toMatchObject({ shown: 22, hits: 6 });
  await page.call("setQuery", "", "filter");
  await world.pass(50);
  expect(page.counts).toMatchObject({ shown: 22, hits: 22 });
});

test("hits, failures and events of the same task are found in either direction", async () => {
  const { server, page, world } = await opened(0);
  for (let i = 1; i <= 30; i++) {
    server.emit({
      task: i % 3,
      kind: i % 10 === 0 ? "task.failed" : "task.created",
      data: i === 7 ? '{"x":"seven"}' : "{}",
    });
  }
  await world.pass(50);
  await page.call("setQuery", "seven", "mark");
  const find = async (what: string, from: number, direction: number) => {
    const place = await page.call<number | null>("find", what, page.event(from)!.place, direction);
    const row = page.all().rows.find((one) => one.place === place);
    return row?.type === "event" ? row.cursor : null;
  };
  expect(await find("failure", 15, 1)).toBe(20);
  expect(await find("failure", 15, -1)).toBe(10);
  expect(await find("failure", 30, 1)).toBeNull();
  expect(await find("hit", 30, -1)).toBe(7);
  expect(await find("same-task", 15, 1)).toBe(18);
  expect(await find("same-session", 15, 1)).toBeNull();
  expect(await page.call("placeOf", 15)).toBe(page.event(15)!.place);
  expect(await page.call("placeOf", 1500)).toBeNull();
});

test("older events are searched until one matches, with progress, and can be given up", async () => {
  const { server, page, world } = await opened(0, { from: "now", retain: 4096 });
  server.emit({ data: '{"x":"needle"}' });
  emit(server, 3500);
  page.call("clear");
  page.call("seek", 3501);
  await world.pass(50);
  await page.call("setQuery", "needle", "filter");
  const found = page.call("searchOlder");
  await world.pass(100);
  expect(await found).toBe(true);
  expect(page.cursors()).toEqual([1]);
  expect(page.progress.length).toBeGreaterThan(1);
  await page.call("setQuery", "nothing", "filter");
  const nothing = page.call("searchOlder");
  await world.pass(100);
  expect(await nothing).toBe(false);
});

test("the text of an event comes from memory or from the server", async () => {
  const { server, page, world } = await opened(700, { from: { last: 10 } });
  expect(await page.call("event", 700)).toBe(server.log[699]!.text);
  const old = page.call("event", 3);
  const none = page.call("event", 700_000).catch((error: Error) => error.message);
  await world.pass(50);
  expect(await old).toBe(server.log[2]!.text);
  expect(await none).toBe("refused: cursor_ahead");
});

test("clearing empties the list, and what comes after is shown", async () => {
  const { server, page, world } = await opened(100);
  page.call("clear");
  emit(server, 2);
  await world.pass(50);
  expect(page.cursors()).toEqual([101, 102]);
  expect(page.rows.hasOlder).toBe(false);
});

test("clearing far from the present costs those who listen nothing", async () => {
  const { server, page, world } = await opened(1000);
  await Promise.all([page.call("seek", 10), world.pass(100)]);
  expect(page.rows.hasNewer).toBe(true);
  void page.call("clear");
  emit(server, 3);
  await world.pass(100);
  emit(server, 1);
  await world.pass(100);
  expect(page.heard).toEqual(range(501, 1004));
  expect(page.cursors()).toEqual(range(1001, 1004));
  expect(page.rows).toMatchObject({ hasOlder: false, hasNewer: false });
});

test("a long payload is cut in the row and whole on demand", async () => {
  const { server, page, world } = await opened(0);
  server.emit({ data: `{"text":"${"x".repeat(9000)}"}` }, { data: '{"a":1}' });
  await world.pass(50);
  expect(page.event(1)).toMatchObject({ isWhole: false });
  expect(page.event(1)!.data).toHaveLength(4096);
  expect(page.event(2)).toMatchObject({ isWhole: true, data: '{"a":1}', summary: "a=1" });
  expect(await page.call("event", 1)).toHaveLength(server.log[0]!.text.length);
});

test("a hidden page is sent one snapshot, and one more when it is seen again", async () => {
  const { server, page, world } = await opened(10);
  page.isVisible = false;
  emit(server, 1);
  await world.pass(1000);
  const messages = page.messages.filter(({ type }) => type === "slices").length;
  for (let i = 0; i < 100; i++) {
    emit(server, 10);
    await world.pass(100);
  }
  expect(page.messages.filter(({ type }) => type === "slices").length - messages).toBeLessThanOrEqual(1);
  page.show();
  await world.pass(20);
  expect(page.cursors().at(-1)).toBe(1011);
});

test("a view is answered at once, with screens to either side, and without credit", async () => {
  const { page } = await opened(1000, { from: { last: 1000 } });
  page.isVisible = false;
  page.call("pause");
  const { first } = page.rows;
  page.view(first + 500, 20);
  expect(page.rows.from).toBe(first + 500 - 60);
  expect(page.rows.rows).toHaveLength(20 + 2 * 60);
  const [before] = page.rows.rows.slice(-1);
  page.view(first + 501, 20);
  expect(page.rows.rows).toHaveLength(140);
  expect(page.rows.rows.at(-2)).toBe(before);
  const last = page.messages.at(-1)!;
  expect(last.type === "rows" && last.rows.fresh.length).toBe(1);
});

test("facets are counted in memory when the server cannot tell, and only while somebody looks", async () => {
  const { server, page, world } = await opened(0);
  server.emit({ agent: 1, task: 1 }, { agent: 1, kind: "agent.output" }, { agent: 2, task: 1 });
  await world.pass(1000);
  expect(page.facets).toBeNull();
  page.watch("facets");
  await world.pass(1000);
  expect(page.facets).toEqual({
    kinds: [
      { value: "task.created", count: 2 },
      { value: "agent.output", count: 1 },
    ],
    agents: [
      { value: uuid(1), count: 2 },
      { value: uuid(2), count: 1 },
    ],
    sessions: [],
    tasks: [{ value: uuid(1), count: 2 }],
    projects: [],
    scope: "loaded",
    isComplete: true,
  });
});

test("an event is emitted once, though the answer was lost", async () => {
  const { server, page, world } = await opened(0);
  const bodies: string[] = [];
  const answer = world.answer;
  world.answer = (url, init) => {
    if (!url.pathname.endsWith("/emit")) return answer(url, init);
    bodies.push(init.body as string);
    if (bodies.length === 1) throw new TypeError("network");
    if (bodies.length === 2) return problem(503, "busy", { "retry-after": "2" });
    return answer(url, init);
  };
  const emitted = page.call("emit", { kind: "human.message", data: { text: "hi" } });
  await world.pass(60_000);
  expect(await emitted).toBe(1);
  const ids = bodies.map((body) => (JSON.parse(body) as { id: string }).id);
  expect(ids).toHaveLength(3);
  expect(new Set(ids).size).toBe(1);
  expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
  server.refuses = () => problem(400, "invalid_draft");
  const refused = page.call("emit", { kind: "?", data: {} }).catch((error: Error) => error.message);
  await world.pass(60_000);
  expect(await refused).toBe("refused: invalid_draft");
});

test("a token is renewed while events come, and none is lost or comes twice", async () => {
  const server = new FakeServer();
  server.token = "old";
  emit(server, 20);
  const page = new FakePage(server.world, { retain: RETAIN }, "old");
  page.watch("event");
  await server.world.pass(100);
  page.token = "new";
  server.expire(60_000, "new");
  for (let i = 0; i < 10; i++) {
    emit(server, 1);
    await server.world.pass(2);
  }
  await server.world.pass(100);
  expect(server.token).toBe("new");
  expect(server.world.sockets).toHaveLength(1);
  expect(page.heard).toEqual(range(1, 30));
  // Pages are asked for with it, too.
  const asked = page.call("export", { format: "ndjson", scope: "log" });
  await server.world.pass(100);
  await asked;
  expect(server.world.requests.at(-1)!.init.headers).toMatchObject({ authorization: "Bearer new" });
});

test("after a token that expired the rows stay, and the stream goes on from them with another", async () => {
  const server = new FakeServer();
  server.token = "old";
  emit(server, 20);
  const page = new FakePage(server.world, { retain: RETAIN }, "old");
  page.watch("event");
  await server.world.pass(100);
  server.expire(1_000, "new");
  // The server grants ten seconds more.
  await server.world.pass(11_000);
  server.token = "new";
  server.cut(3000);
  emit(server, 5);
  await server.world.pass(60_000);
  expect(page.status).toMatchObject({ phase: "expired", retryAt: null });
  expect(page.cursors()).toEqual(range(1, 20));
  page.token = "new";
  page.send({ type: "page", what: "token" });
  await server.world.pass(100);
  expect(page.status.phase).toBe("live");
  expect(page.cursors()).toEqual(range(1, 25));
  expect(page.heard).toEqual(range(1, 25));
});

test("a list that may not be resumed says where something is left out, and follows on", async () => {
  const { server, page, world } = await opened(20);
  server.mayResume = false;
  server.cut();
  emit(server, 5);
  await world.pass(60_000);
  expect(page.status.phase).toBe("live");
  emit(server, 2);
  await world.pass(100);
  expect(page.cursors()).toEqual([...range(1, 20), 26, 27]);
  expect(page.markers()).toMatchObject([{ type: "gap", reason: "forbidden", count: null, isLoadable: false }]);
});

test("a wrong token is told, nothing is retried, and another one lets in", async () => {
  const server = new FakeServer();
  server.token = "t0ken-b";
  emit(server, 5);
  const page = new FakePage(server.world, {}, "t0ken-a");
  await server.world.pass(60_000);
  expect(page.status.phase).toBe("unauthorized");
  expect(server.world.sockets).toHaveLength(1);
  page.token = "t0ken-b";
  page.send({ type: "page", what: "token" });
  await server.world.pass(100);
  expect(page.status.phase).toBe("live");
  expect(page.cursors()).toEqual(range(1, 5));
  for (const { url } of server.world.requests) expect(url.href).not.toMatch(/t0ken/);
  expect(JSON.stringify(page.messages)).not.toMatch(/t0ken/);
});

test("an export is the loaded rows that are shown, or the log's bytes", async () => {
  const { server, page, world } = await opened(0, { from: { last: 3 } });
  for (let i = 0; i < 10; i++) server.emit({ data: `{"n":${i},"s":"a, \\"b\\""}` });
  await world.pass(50);
  await page.call("setQuery", "data.n:8", "filter");
  const loaded = await (await page.call<Blob>("export", { format: "ndjson", scope: "loaded" })).text();
  expect(loaded).toBe(`${server.log[8]!.text}\n`);
  const exported = page.call<Blob>("export", { format: "ndjson", scope: "log" });
  await world.pass(50);
  expect(await (await exported).text()).toBe(server.log.map(({ text }) => `${text}\n`).join(""));
});

const action = fc.oneof(
  fc.record({ do: fc.constant("emit"), count: fc.integer({ min: 1, max: 60 }) }),
  fc.record({
    do: fc.constantFrom("cut", "loadOlder", "loadNewer", "pause", "resume", "now", "clear", "heartbeat", "wait"),
  }),
  fc.record({ do: fc.constant("seek"), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ do: fc.constant("view"), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
);

test("whatever is done, the list is a piece of the log without a hole, and each event is told once and in order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.array(action, { minLength: 5, maxLength: 40 }), async (seed, actions) => {
      const world = new FakeWorld(seed);
      const server = new FakeServer(world);
      server.delayMs = () => world.random() * 30;
      world.loadMs = () => world.random() * 300;
      emit(server, 2000);
      const page = new FakePage(world, { retain: RETAIN, subscription: { kinds: ["task.*"] } });
      page.watch("event");
      const ignore = (promise: Promise<unknown>) => void promise.catch(() => {});
      for (const one of actions) {
        if (one.do === "emit") {
          const { count } = one as { count: number };
          server.emit(...Array.from({ length: count }, () => ({ kind: world.random() < 0.7 ? "task.a" : "agent.b" })));
        } else if (one.do === "cut") server.cut();
        else if (one.do === "now") ignore(page.call("seek", "now"));
        else if (one.do === "heartbeat") server.heartbeat();
        else if ("share" in one) {
          const { share } = one;
          if (one.do === "seek") ignore(page.call("seek", 1 + Math.floor(share * (server.head - 1))));
          else page.view(page.rows.first + Math.floor(share * (page.rows.next - page.rows.first)), 30);
        } else if (one.do !== "wait") ignore(page.call(one.do));
        await world.pass(world.random() * 60);
        expectContiguous(page, server);
      }
      ignore(page.call("resume"));
      await world.pass(40_000);
      server.emit({ kind: "task.last" });
      await world.pass(200);
      expect(page.cursors().at(-1)).toBe(server.head);
      expectContiguous(page, server);
      const matching = server.matching(["task.*"]).map(({ cursor }) => cursor);
      expect(page.heard).toEqual(matching.slice(matching.indexOf(page.heard[0]!)));
    }),
    { numRuns: 40 },
  );
  // Far more than it takes, so that a slow machine, or the search for a smaller failure, does not end it.
}, 300_000);

/** The list is the log from its first event to its last, but for what its gaps say. */
function expectContiguous(page: FakePage, server: FakeServer): void {
  const { first } = page.rows;
  const { rows } = page.all();
  page.view(first, 30);
  const cursors = rows.flatMap((row) => (row.type === "event" ? [row.cursor] : []));
  if (cursors.length === 0) return;
  const gaps = rows.flatMap((row) => (row.type === "marker" && row.marker.type === "gap" ? [row.marker] : []));
  const within = server
    .matching(["task.*"])
    .map(({ cursor }) => cursor)
    .filter((cursor) => cursor >= cursors[0]! && cursor <= cursors.at(-1)!)
    .filter((cursor) => !gaps.some(({ after, through }) => cursor > after && cursor <= through));
  expect(cursors).toEqual(within);
}

test("closed, it does nothing more", async () => {
  const { server, page, world } = await opened(10);
  page.call("close");
  await world.pass(60_000);
  const messages = page.messages.length;
  emit(server, 5);
  await world.pass(600_000);
  expect(page.messages).toHaveLength(messages);
  expect(world.timers).toBe(0);
  await settled();
});
