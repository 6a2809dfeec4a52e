import { expect, test } from "vitest";
import { backoffMs } from "../src/core/backoff.ts";
import { Connection, type ConnectionOptions, type ConnectionOwner } from "../src/core/connection.ts";
import type { Refusal } from "../src/core/refusal.ts";
import type { Phase, TokenReason } from "../src/event-client.ts";
import { eventText } from "./events.ts";
import { FakeWorld, settled } from "./fake-world.ts";

const HEARTBEAT_MS = 30_000;
const EPOCH = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";

interface Told {
  cursors: number[];
  all: unknown[][];
}

async function connected(options: Partial<ConnectionOptions> = {}, owner: Partial<ConnectionOwner> = {}) {
  const world = new FakeWorld();
  const told: Told = { cursors: [], all: [] };
  const tell =
    (name: string) =>
    (...args: unknown[]) =>
      void told.all.push([name, ...args]);
  const connection = new Connection(
    world,
    {
      url: "https://events.example.org",
      subscription: { kinds: ["task.*"] },
      cursor: "head",
      autoReconnect: true,
      maxReconnectAttempts: Number.POSITIVE_INFINITY,
      ...options,
    },
    {
      token: async () => "secret",
      whyRefused: async () => null,
      subscribed: tell("subscribed"),
      resumed: tell("resumed"),
      epochChanged: tell("epochChanged"),
      event: (_, at) => void told.cursors.push(at.cursor),
      gap: tell("gap"),
      replayed: tell("replayed"),
      lagged: tell("lagged"),
      statusChanged: () => {},
      ...owner,
    },
  );
  connection.connect();
  await settled();
  return { world, connection, told };
}

const subscribed = (cursor: number, more: object = {}) => ({
  type: "subscribed",
  kinds: ["task.*"],
  cursor,
  epoch: EPOCH,
  earliest: 1,
  head: cursor,
  server_time: "2026-02-27T10:30:00.123456Z",
  heartbeat_ms: HEARTBEAT_MS,
  ...more,
});

const ping = (cursor: number) => ({ type: "ping", time: "2026-02-27T10:30:00.123456Z", cursor });

function accept(world: FakeWorld, cursor: number, more: object = {}): void {
  world.socket.open();
  world.socket.say(subscribed(cursor, more));
}

const told = (of: Told, name: string) => of.all.filter(([what]) => what === name).map(([, ...args]) => args);

/** Lets time pass until the next attempt has been made. */
async function attempted(world: FakeWorld, connection: Connection): Promise<void> {
  await settled();
  await world.pass(connection.status().retryAt! - world.time);
}

test("the token is a subprotocol, and in no URL and no message", async () => {
  const { world } = await connected();
  accept(world, 5);
  const { url, protocols, sent } = world.socket;
  expect(url).toBe("wss://events.example.org/ws/event-bus?kinds=task.*&cursor=head&encoding=lines");
  expect(protocols).toEqual(["todoki.v1", "base64url.bearer.authorization.todoki.c2VjcmV0"]);
  expect(sent.join()).not.toMatch(/secret|c2VjcmV0/);
});

test("it is live at the head, and replays before it until the server says that all has come", async () => {
  const { world, connection, told: all } = await connected({ cursor: 0 });
  expect(connection.status().phase).toBe("connecting");
  accept(world, 0, { head: 4 });
  expect(connection.status()).toMatchObject({ phase: "replaying", head: 4, earliest: 1, epoch: EPOCH });
  await world.pass(500);
  world.socket.say(eventText(1), eventText(2));
  expect(connection.status().progress).toEqual({ done: 0.5, eventsPerSecond: 4, secondsLeft: 0.5 });
  world.socket.say(eventText(4), { type: "replay_complete", cursor: 4, count: 3 });
  expect(connection.status()).toMatchObject({ phase: "live", progress: null });
  expect(told(all, "replayed")).toEqual([[3]]);
  expect(all.cursors).toEqual([1, 2, 4]);
});

test("it resumes after the last cursor that came, be it an event's or a later watermark's", async () => {
  const { world, connection, told: all } = await connected();
  accept(world, 5);
  world.socket.say(eventText(7));
  world.socket.drop();
  await attempted(world, connection);
  expect(world.socket.url).toContain("cursor=7&");
  accept(world, 7, { head: 9 });
  world.socket.say(ping(9));
  world.socket.say(ping(8));
  world.socket.drop();
  await attempted(world, connection);
  expect(world.socket.url).toContain("cursor=9&");
  expect(connection.status().phase).toBe("connecting");
  expect(told(all, "resumed")).toHaveLength(1);
});

test("what comes twice is told once", async () => {
  const { world, connection, told: all } = await connected();
  accept(world, 0);
  world.socket.say(eventText(1), eventText(2), eventText(2), eventText(1), eventText(3));
  world.socket.drop();
  await attempted(world, connection);
  accept(world, 3);
  world.socket.say(eventText(2), eventText(3), eventText(4));
  expect(all.cursors).toEqual([1, 2, 3, 4]);
});

test("a ping is answered", async () => {
  const { world } = await connected();
  accept(world, 0);
  world.socket.say(ping(0));
  expect(world.socket.commands()).toContainEqual({ type: "pong" });
});

test("every wait is full jitter below a doubling bound of 1 s up to 30 s", () => {
  const { random } = new FakeWorld(7);
  for (let attempt = 1; attempt <= 12; attempt++) {
    const bound = Math.min(30_000, 1000 * 2 ** (attempt - 1));
    const waits = Array.from({ length: 500 }, () => backoffMs(attempt, random));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...waits)).toBeLessThan(bound);
    expect(Math.min(...waits)).toBeLessThan(0.1 * bound);
    expect(Math.max(...waits)).toBeGreaterThan(0.9 * bound);
  }
  expect(backoffMs(5000, () => 0.5)).toBe(15_000);
});

test("it tries for ever by default, and counts the attempts until it stands", async () => {
  const { world, connection } = await connected();
  for (let i = 1; i <= 40; i++) {
    world.socket.drop();
    await settled();
    expect(connection.status()).toMatchObject({ phase: "disconnected", attempt: i, error: { code: "network" } });
    const wait = connection.status().retryAt! - world.time;
    expect(wait).toBeGreaterThanOrEqual(0);
    expect(wait).toBeLessThanOrEqual(Math.min(30_000, 1000 * 2 ** (i - 1)));
    await world.pass(wait);
    expect(world.sockets).toHaveLength(i + 1);
  }
  accept(world, 0);
  expect(connection.status()).toMatchObject({ phase: "live", attempt: 0, error: null, retryAt: null });
});

test("waits go on growing until a connection has stood for 10 seconds", async () => {
  const { world, connection } = await connected();
  for (let i = 0; i < 8; i++) {
    accept(world, 0);
    await world.pass(9_000);
    world.socket.drop();
    expect(connection.status().attempt).toBe(i + 1);
    await attempted(world, connection);
  }
  accept(world, 0);
  await world.pass(10_000);
  world.socket.drop();
  expect(connection.status().attempt).toBe(1);
  expect(connection.status().retryAt! - world.time).toBeLessThanOrEqual(1_000);
});

test("after the last attempt it stops, and a hand can start it again", async () => {
  const { world, connection } = await connected({ maxReconnectAttempts: 2 });
  for (let i = 0; i < 3; i++) {
    world.socket.drop();
    await (i < 2 ? attempted(world, connection) : settled());
  }
  expect(world.sockets).toHaveLength(3);
  expect(connection.status()).toMatchObject({ phase: "stopped", retryAt: null });
  await world.pass(600_000);
  expect(world.sockets).toHaveLength(3);
  connection.reconnect();
  await settled();
  expect(world.sockets).toHaveLength(4);
  const never = await connected({ autoReconnect: false });
  never.world.socket.drop();
  await never.world.pass(60_000);
  expect(never.connection.status().phase).toBe("stopped");
  expect(never.world.sockets).toHaveLength(1);
});

const CLOSINGS: [number, Phase][] = [
  [1000, "disconnected"],
  [1001, "disconnected"],
  [1002, "stopped"],
  [1003, "stopped"],
  [1006, "disconnected"],
  [1007, "stopped"],
  [1008, "stopped"],
  [1009, "stopped"],
  [1011, "disconnected"],
  [1012, "restarting"],
  [1013, "disconnected"],
  [3000, "unauthorized"],
  [3003, "forbidden"],
  [3008, "disconnected"],
  [4408, "disconnected"],
  [4429, "limited"],
  [4999, "disconnected"],
];

test.each(CLOSINGS)("close code %i leads to %s", async (code, phase) => {
  const { world, connection } = await connected();
  accept(world, 3);
  world.socket.drop(code);
  await settled();
  const comesBack = phase === "disconnected" || phase === "restarting" || phase === "limited";
  expect(connection.status()).toMatchObject({ phase, error: { code: String(code) } });
  expect(connection.status().retryAt !== null).toBe(comesBack);
  await world.pass(60_000);
  expect(world.sockets.length > 1).toBe(comesBack);
});

test("the server's reason is told when it gives one", async () => {
  const { world, connection } = await connected();
  accept(world, 0);
  world.socket.drop(3003, "kind audit.* is not granted");
  expect(connection.status().error).toEqual({ code: "3003", message: "kind audit.* is not granted" });
});

test("a drain is honoured: no attempt before its time, and then with jitter", async () => {
  const { world, connection } = await connected();
  accept(world, 0);
  world.socket.say({ type: "drain", reconnect_after_ms: 4000 });
  world.socket.drop(1012);
  const wait = connection.status().retryAt! - world.time;
  expect(wait).toBeGreaterThanOrEqual(4000);
  expect(wait).toBeLessThanOrEqual(5000);
  await world.pass(3_999);
  expect(world.sockets).toHaveLength(1);
  await world.pass(1_001);
  expect(world.sockets).toHaveLength(2);
});

test("retry_after_ms of an error is honoured, and is not for ever", async () => {
  const { world, connection } = await connected();
  accept(world, 0);
  world.socket.say({ type: "error", code: "log_unavailable", message: "x", retry_after_ms: 2500 });
  expect(connection.status()).toMatchObject({ phase: "live", error: { code: "log_unavailable" } });
  world.socket.drop();
  expect(connection.status().retryAt! - world.time).toBeGreaterThanOrEqual(2500);
  await attempted(world, connection);
  accept(world, 0);
  world.socket.say({ type: "drain", reconnect_after_ms: 18446744073709552000 });
  world.socket.drop(1012);
  expect(connection.status().retryAt! - world.time).toBeLessThan(100_000);
});

test("two and a half heartbeats of silence are a dead connection; any word is a sign of life", async () => {
  const { world, connection } = await connected();
  accept(world, 0);
  await world.pass(2.4 * HEARTBEAT_MS);
  world.socket.say("something new");
  await world.pass(2.4 * HEARTBEAT_MS);
  expect(connection.status().phase).toBe("live");
  await world.pass(0.1 * HEARTBEAT_MS);
  expect(connection.status()).toMatchObject({ phase: "disconnected", attempt: 1 });
  expect(world.sockets[0]!.isClosed).toBe(true);
});

test("a server that does not answer is given up", async () => {
  const { world, connection } = await connected();
  world.socket.open();
  await world.pass(10_000);
  expect(connection.status()).toMatchObject({ phase: "disconnected", error: { code: "network" } });
});

test("what a connection that was given up says late is not heard", async () => {
  const { world, told: all } = await connected();
  accept(world, 0);
  const [late] = world.sockets;
  const { onmessage } = late!;
  await world.pass(2.5 * HEARTBEAT_MS);
  onmessage?.({ data: eventText(1) });
  expect(all.cursors).toEqual([]);
});

test("the network's return, the page's return and a new token end a wait at once", async () => {
  for (const wake of [
    (one: Connection) => one.setOnline(true),
    (one: Connection) => one.wake(),
    (one: Connection) => one.tokenChanged(),
  ]) {
    const { world, connection } = await connected();
    world.socket.drop();
    await settled();
    wake(connection);
    await settled();
    expect(world.sockets).toHaveLength(2);
  }
});

test("without a network it says so", async () => {
  const { world, connection } = await connected();
  accept(world, 0);
  connection.setOnline(false);
  expect(connection.status().phase).toBe("live");
  world.socket.drop();
  expect(connection.status().phase).toBe("offline");
  connection.setOnline(true);
  await settled();
  expect(world.sockets).toHaveLength(2);
  world.socket.drop();
  await settled();
  expect(connection.status().phase).toBe("disconnected");
  connection.setOnline(false);
  expect(connection.status().phase).toBe("offline");
});

test("a connection that stands is asked for a sign of life when the page wakes up", async () => {
  const { world, connection } = await connected();
  accept(world, 0);
  await world.pass(6_000);
  connection.wake();
  await world.pass(5_000);
  expect(connection.status().phase).toBe("disconnected");
  await world.pass(1_000);
  accept(world, 0);
  connection.wake();
  await world.pass(1_000);
  world.socket.say({ type: "pong", time: "2026-02-27T10:30:00.123456Z" });
  await world.pass(5_000);
  expect(connection.status().phase).toBe("live");
});

test("a refused token is asked for once more when there may be another, and then never until it is new", async () => {
  let asked = 0;
  const { world, connection } = await connected({}, { token: async () => `token-${++asked}` });
  world.socket.open();
  world.socket.drop(3000);
  await settled();
  expect(world.sockets).toHaveLength(2);
  world.socket.open();
  world.socket.drop(3000);
  await world.pass(600_000);
  expect(world.sockets).toHaveLength(2);
  expect(connection.status()).toMatchObject({ phase: "unauthorized", retryAt: null });
  connection.wake();
  await world.pass(1);
  expect(world.sockets).toHaveLength(2);
  connection.tokenChanged();
  await settled();
  expect(world.sockets).toHaveLength(3);
});

/** Answers each question for a token with another one, and keeps the reasons. */
function tokens() {
  const reasons: TokenReason[] = [];
  return { reasons, token: async (reason: TokenReason) => `token-${reasons.push(reason)}` };
}

const expiring = (ms: number) => ({ type: "token_expiring", expires_in_ms: ms });
const authCommands = (world: FakeWorld) => world.socket.commands().filter(({ type }) => type === "auth");

test("a token that is about to expire is replaced on the connection that stands, without a gap", async () => {
  const { reasons, token } = tokens();
  const { world, connection, told: all } = await connected({}, { token });
  accept(world, 5);
  world.socket.say(eventText(6), expiring(60_000));
  await settled();
  expect(authCommands(world)).toEqual([{ type: "auth", token: "token-2", ref: expect.any(String) }]);
  world.socket.say(eventText(7));
  const [{ ref }] = authCommands(world) as [{ ref: string }];
  world.socket.say({ type: "authorised", cursor: 7, expires_in_ms: 600_000, ref }, eventText(8));
  expect(connection.status()).toMatchObject({ phase: "live", error: null });
  expect(all.cursors).toEqual([6, 7, 8]);
  expect(world.sockets).toHaveLength(1);
  expect(reasons).toEqual(["connect", "expiring"]);
});

test("a token that does not change is not shown again", async () => {
  const { world, connection } = await connected();
  accept(world, 5);
  world.socket.say(expiring(60_000));
  connection.tokenChanged();
  await settled();
  expect(authCommands(world)).toEqual([]);
});

test("another token is shown to the server at once where a connection stands", async () => {
  let token = "old";
  const { world, connection } = await connected({}, { token: async () => token });
  accept(world, 5);
  token = "new";
  connection.tokenChanged();
  await settled();
  expect(authCommands(world)).toMatchObject([{ token: "new" }]);
  expect(world.sockets).toHaveLength(1);
});

test("a token that is refused in place leaves the old one in force, and is told", async () => {
  const { token } = tokens();
  const { world, connection } = await connected({}, { token });
  accept(world, 5);
  world.socket.say(expiring(60_000));
  await settled();
  const [{ ref }] = authCommands(world) as [{ ref: string }];
  world.socket.say({ type: "error", code: "unauthorised", message: "no such token", ref });
  expect(connection.status()).toMatchObject({ phase: "live", error: { code: "unauthorised" } });
  await world.pass(30_000);
  expect(authCommands(world)).toHaveLength(1);
  expect(world.sockets).toHaveLength(1);
});

test("until when a token is good is told when nothing but itself takes its place, until another one does", async () => {
  let token = "old";
  const { world, connection } = await connected({}, { token: async () => token });
  accept(world, 5);
  expect(connection.status().tokenExpiresAt).toBeNull();
  const end = world.time + 60_000;
  world.socket.say(expiring(60_000));
  await settled();
  expect(connection.status()).toMatchObject({ phase: "live", error: null, tokenExpiresAt: end });
  // It stays through a lost connection, for the token is the same.
  world.socket.drop();
  await attempted(world, connection);
  accept(world, 5);
  expect(connection.status().tokenExpiresAt).toBe(end);
  token = "wrong";
  connection.tokenChanged();
  await settled();
  const refOf = () => authCommands(world).at(-1)!["ref"] as string;
  world.socket.say({ type: "error", code: "unauthorised", message: "no such token", ref: refOf() });
  expect(connection.status()).toMatchObject({ error: { code: "unauthorised" }, tokenExpiresAt: end });
  token = "new";
  connection.tokenChanged();
  await settled();
  world.socket.say({ type: "authorised", cursor: 5, expires_in_ms: 600_000, ref: refOf() });
  expect(connection.status()).toMatchObject({ phase: "live", error: null, tokenExpiresAt: null });
  expect(world.sockets).toHaveLength(2);
});

test("nothing is said of a token that is renewed, while that is under way and after", async () => {
  const { token } = tokens();
  const { world, connection } = await connected({}, { token });
  accept(world, 5);
  world.socket.say(expiring(60_000));
  await settled();
  expect(connection.status().tokenExpiresAt).toBeNull();
  const [{ ref }] = authCommands(world) as [{ ref: string }];
  world.socket.say({ type: "authorised", cursor: 5, expires_in_ms: 600_000, ref });
  expect(connection.status().tokenExpiresAt).toBeNull();
});

test("a connection that is made with another token says nothing of when the one before ended", async () => {
  let token = "old";
  const { world, connection } = await connected({}, { token: async () => token });
  accept(world, 5);
  world.socket.say(expiring(60_000));
  await settled();
  token = "new";
  world.socket.drop();
  await attempted(world, connection);
  accept(world, 5);
  expect(connection.status().tokenExpiresAt).toBeNull();
});

test("a token that the server has no time to look at is shown again when it may be", async () => {
  const { world } = await connected({}, { token: async (reason) => `${reason} token` });
  accept(world, 5);
  world.socket.say(expiring(60_000));
  await settled();
  const [{ ref }] = authCommands(world) as [{ ref: string }];
  world.socket.say({ type: "error", code: "rate_limited", message: "slower", retry_after_ms: 7_000, ref });
  await world.pass(6_999);
  expect(authCommands(world)).toHaveLength(1);
  await world.pass(1);
  expect(authCommands(world)).toMatchObject([{ token: "expiring token" }, { token: "expiring token" }]);
});

test("a token that cannot be fetched before the old one expires is told, and fetched again", async () => {
  let isDown = false;
  const token = async (reason: TokenReason) => {
    if (isDown) throw new Error("sign-in is down");
    return reason;
  };
  const { world, connection } = await connected({}, { token });
  accept(world, 5);
  isDown = true;
  world.socket.say(expiring(60_000));
  await settled();
  const error = { code: "token", message: "sign-in is down" };
  expect(connection.status()).toMatchObject({ phase: "live", error, tokenExpiresAt: world.time + 60_000 });
  isDown = false;
  await world.pass(10_000);
  expect(authCommands(world)).toMatchObject([{ token: "expiring" }]);
});

test("with somebody else's token the stream begins anew after where it was", async () => {
  const { token } = tokens();
  const { world, connection } = await connected({}, { token });
  accept(world, 5);
  world.socket.say(eventText(6), expiring(60_000));
  await settled();
  world.socket.drop(3003, "the token is of another principal");
  await settled();
  expect(world.sockets).toHaveLength(2);
  expect(world.socket.url).toContain("cursor=6&");
  accept(world, 6);
  expect(connection.status().phase).toBe("live");
});

test("who may read only what happens now goes on with that, and is told what was left out", async () => {
  const { world, connection, told: all } = await connected();
  accept(world, 5);
  world.socket.say(eventText(6));
  world.socket.drop();
  await attempted(world, connection);
  expect(world.socket.url).toContain("cursor=6&");
  world.socket.open();
  world.socket.drop(3003);
  await settled();
  expect(world.socket.url).toContain("cursor=head&");
  accept(world, 9);
  world.socket.say(eventText(10));
  expect(told(all, "gap")).toEqual([[{ reason: "forbidden", requested: 6, resume_at: 9 }]]);
  expect(told(all, "resumed")).toEqual([]);
  expect(all.cursors).toEqual([6, 10]);
  // The next time it is known.
  world.socket.drop();
  await attempted(world, connection);
  expect(world.sockets).toHaveLength(4);
  expect(world.socket.url).toContain("cursor=head&");
});

test("who may read nothing any more is not let in by asking for less, and that is tried once", async () => {
  const { world, connection } = await connected();
  accept(world, 5);
  world.socket.drop();
  await attempted(world, connection);
  for (let i = 0; i < 2; i++) {
    world.socket.open();
    world.socket.drop(3003);
    await settled();
  }
  await world.pass(60_000);
  expect(world.sockets).toHaveLength(3);
  expect(connection.status()).toMatchObject({ phase: "forbidden", retryAt: null });
  connection.tokenChanged();
  await settled();
  expect(world.socket.url).toContain("cursor=5&");
});

test("who may not read history is not let in when that is all that was asked", async () => {
  const { world, connection } = await connected({ cursor: 0 });
  world.socket.open();
  world.socket.drop(3003);
  await world.pass(60_000);
  expect(world.sockets).toHaveLength(1);
  expect(connection.status().phase).toBe("forbidden");
});

test("grants that were changed at the server need no answer", async () => {
  const { world, connection } = await connected();
  accept(world, 5);
  const before = world.socket.sent.length;
  world.socket.say({ type: "authorised", cursor: 5, expires_in_ms: null });
  await settled();
  expect(connection.status().phase).toBe("live");
  expect(world.socket.sent).toHaveLength(before);
});

test("when its time is over, a token has expired, and with another one the stream goes on after where it was", async () => {
  let token = "old";
  const reasons: TokenReason[] = [];
  const ask = async (reason: TokenReason) => {
    reasons.push(reason);
    return token;
  };
  const { world, connection, told: all } = await connected({}, { token: ask });
  accept(world, 5);
  world.socket.say(eventText(6), expiring(60_000));
  await world.pass(70_000);
  world.socket.say(ping(6));
  world.socket.drop(3000);
  await settled();
  expect(reasons).toEqual(["connect", "expiring", "refused"]);
  expect(connection.status()).toMatchObject({ phase: "expired", retryAt: null, error: { code: "3000" } });
  await world.pass(600_000);
  expect(world.sockets).toHaveLength(1);
  token = "new";
  connection.tokenChanged();
  await settled();
  expect(world.socket.url).toContain("cursor=6&");
  accept(world, 6, { head: 8 });
  world.socket.say(eventText(7), eventText(8));
  expect(all.cursors).toEqual([6, 7, 8]);
});

test("a token that expired while the page was away has expired too, as the server says", async () => {
  const { world, connection } = await connected();
  world.socket.open();
  world.socket.drop(3000, "the token has expired");
  await settled();
  expect(connection.status()).toMatchObject({ phase: "expired", error: { message: "the token has expired" } });
});

test("a token that was renewed in place is not called expired at its old time", async () => {
  const { token } = tokens();
  const { world, connection } = await connected({}, { token });
  accept(world, 5);
  world.socket.say(expiring(60_000));
  await settled();
  const [{ ref }] = authCommands(world) as [{ ref: string }];
  world.socket.say({ type: "authorised", cursor: 5, expires_in_ms: null, ref });
  await world.pass(70_000);
  world.socket.drop(3000, "the token was revoked");
  await settled();
  world.socket.open();
  world.socket.drop(3000, "the token was revoked");
  await settled();
  expect(connection.status()).toMatchObject({ phase: "unauthorized", error: { message: "the token was revoked" } });
});

test("whom the server limits comes back after what it asks for, later each time, whatever wakes the page", async () => {
  const { world, connection } = await connected();
  let waited = 0;
  for (let i = 1; i <= 6; i++) {
    world.socket.open();
    world.socket.say({ type: "error", code: "rate_limited", message: "too many connects", retry_after_ms: 90_000 });
    world.socket.drop(4429, "too many connects");
    expect(connection.status()).toMatchObject({
      phase: "limited",
      attempt: i,
      error: { message: "too many connects" },
    });
    const wait = connection.status().retryAt! - world.time;
    expect(wait).toBeGreaterThan(90_000);
    expect(wait).toBeLessThanOrEqual(90_000 + Math.min(30_000, 1000 * 2 ** (i - 1)));
    waited = Math.max(waited, wait);
    await world.pass(89_999);
    connection.wake();
    connection.tokenChanged();
    connection.setOnline(true);
    await settled();
    expect(world.sockets).toHaveLength(i);
    await attempted(world, connection);
    expect(world.sockets).toHaveLength(i + 1);
  }
  expect(waited).toBeGreaterThan(91_000);
});

test("a limit without a time is waited for all the same", async () => {
  const { world, connection } = await connected();
  world.socket.open();
  world.socket.drop(4429);
  expect(connection.status().retryAt! - world.time).toBeGreaterThanOrEqual(5_000);
});

test("an upgrade that HTTP limits waits for what HTTP says", async () => {
  const refusal: Refusal = { phase: "limited", code: "rate_limited", message: "x", retryAfterMs: 12_000 };
  const { world, connection } = await connected({}, { whyRefused: async () => refusal });
  world.socket.drop();
  await settled();
  expect(connection.status()).toMatchObject({ phase: "limited", error: { code: "rate_limited" } });
  expect(connection.status().retryAt! - world.time).toBeGreaterThanOrEqual(12_000);
});

test("a subscribe that the server limits is made when it may be", async () => {
  const { world, connection } = await connected();
  accept(world, 5);
  connection.resubscribe({ kinds: ["agent.*"] }, 2);
  const { ref } = world.socket.commands().at(-1)!;
  world.socket.say({ type: "error", code: "rate_limited", message: "slower", retry_after_ms: 4_000, ref });
  expect(connection.status().phase).toBe("limited");
  await world.pass(3_999);
  expect(world.sockets).toHaveLength(1);
  await world.pass(1_001);
  expect(world.socket.url).toContain("kinds=agent.*&cursor=2&");
});

test("a limit that names no command leaves none of ours unanswered", async () => {
  const { world, connection } = await connected({}, { token: async (reason) => `${reason} token` });
  accept(world, 5);
  world.socket.say(expiring(60_000));
  await settled();
  const limit = { type: "error", code: "rate_limited", message: "120 messages a minute", retry_after_ms: 2_000 };
  world.socket.say(limit);
  expect(connection.status()).toMatchObject({ phase: "live", error: { code: "rate_limited" } });
  await world.pass(2_000);
  expect(authCommands(world)).toHaveLength(2);
  connection.resubscribe({ kinds: ["agent.*"] }, 2);
  world.socket.say(limit);
  expect(connection.status().phase).toBe("limited");
  await world.pass(3_000);
  expect(world.socket.url).toContain("kinds=agent.*&cursor=2&");
});

test("a subscribe that nobody answers is made anew with the next connection", async () => {
  const { world, connection, told: all } = await connected();
  accept(world, 5);
  connection.resubscribe({ kinds: ["agent.*"] }, 2);
  world.socket.say(ping(5));
  await world.pass(9_999);
  expect(world.sockets).toHaveLength(1);
  await world.pass(1_001);
  expect(world.socket.url).toContain("kinds=agent.*&cursor=2&");
  accept(world, 2);
  world.socket.say(eventText(3));
  await world.pass(20_000);
  expect(world.sockets).toHaveLength(2);
  expect(all.cursors).toEqual([3]);
});

test("a subscribe that the grants do not allow is forbidden until something else is asked", async () => {
  const { world, connection } = await connected();
  accept(world, 5);
  connection.resubscribe({ kinds: ["audit.*"] }, 2);
  const { ref } = world.socket.commands().at(-1)!;
  world.socket.say({ type: "error", code: "forbidden", message: "not granted", ref });
  await world.pass(60_000);
  expect(connection.status()).toMatchObject({ phase: "forbidden", retryAt: null, error: { code: "forbidden" } });
  connection.resubscribe({ kinds: ["task.*"] }, 2);
  await settled();
  accept(world, 2);
  expect(connection.status().phase).toBe("live");
});

test("a lag of which the server does not say how many events it is has none", async () => {
  const { world, connection, told: all } = await connected();
  accept(world, 5);
  world.socket.say({ type: "lag", state: "catching_up", lag_ms: 600 });
  expect(connection.status()).toMatchObject({ phase: "lagging", lag: { events: null, ms: 600 } });
  world.socket.say({ type: "lag", state: "live", lag_ms: 900 });
  expect(told(all, "lagged")).toEqual([[null, 900]]);
});

test("a new token that was lost with its connection is not taken for one that was refused", async () => {
  let token = "old";
  const { world, connection } = await connected({}, { token: async () => token });
  world.socket.open();
  token = "new";
  world.socket.drop(3000);
  await settled();
  world.socket.drop(1006);
  await attempted(world, connection);
  expect(world.sockets).toHaveLength(3);
  accept(world, 5);
  expect(connection.status().phase).toBe("live");
});

test("a token that cannot be fetched is tried again", async () => {
  let isDown = true;
  const token = async () => {
    if (isDown) throw new Error("sign-in is down");
    return "fresh";
  };
  const { world, connection } = await connected({}, { token });
  expect(connection.status()).toMatchObject({
    phase: "disconnected",
    error: { code: "token", message: "sign-in is down" },
  });
  isDown = false;
  await world.pass(1_000);
  expect(world.sockets).toHaveLength(1);
});

test.each([
  [{ phase: "forbidden", code: "kind_not_granted", message: "not audit.*" }, "forbidden"],
  [{ phase: "stopped", code: "invalid_parameter", message: "kinds: …" }, "stopped"],
  [null, "disconnected"],
] as [Refusal | null, Phase][])("an upgrade that was refused for %j leads to %s", async (refusal, phase) => {
  const { world, connection } = await connected({}, { whyRefused: async () => refusal });
  world.socket.drop();
  await settled();
  expect(connection.status()).toMatchObject({ phase, error: { code: refusal?.code ?? "network" } });
});

test("everything before the answer to a subscribe is of the subscription before, and is ignored", async () => {
  const { world, connection, told: all } = await connected();
  accept(world, 5);
  connection.resubscribe({ kinds: ["agent.*"] }, 2);
  const command = world.socket.commands().at(-1)!;
  expect(command).toMatchObject({ type: "subscribe", kinds: "agent.*", cursor: 2, encoding: "lines" });
  world.socket.say(eventText(6), ping(6), { type: "replay_complete", cursor: 6, count: 1 });
  world.socket.say(subscribed(1, { ref: "of another" }));
  expect(all.cursors).toEqual([]);
  world.socket.say(subscribed(2, { ref: command["ref"], head: 6 }), eventText(3), eventText(6));
  expect(all.cursors).toEqual([3, 6]);
  expect(told(all, "subscribed")).toHaveLength(2);
  expect(told(all, "resumed")).toHaveLength(0);
  expect(world.sockets).toHaveLength(1);
});

test("of two commands the last one counts", async () => {
  const { world, connection, told: all } = await connected();
  accept(world, 5);
  connection.resubscribe({}, 1);
  connection.resubscribe({}, 3);
  const [first, second] = world.socket.commands().filter(({ type }) => type === "subscribe");
  world.socket.say(subscribed(1, { ref: first!["ref"] }), eventText(2));
  world.socket.say(subscribed(3, { ref: second!["ref"] }), eventText(4));
  expect(all.cursors).toEqual([4]);
});

test("a command that is lost with its connection is what the next one begins with", async () => {
  const { world, connection, told: all } = await connected();
  accept(world, 5);
  connection.resubscribe({ kinds: ["agent.*"] }, 2);
  world.socket.drop();
  await world.pass(1_000);
  expect(world.socket.url).toContain("kinds=agent.*&cursor=2&");
  accept(world, 2);
  expect(told(all, "subscribed")).toHaveLength(2);
});

test("a subscription that is changed while connecting is made with the change", async () => {
  const { world, connection } = await connected();
  connection.resubscribe({ kinds: ["agent.*"] }, 2);
  await settled();
  expect(world.sockets[0]!.isClosed).toBe(true);
  expect(world.socket.url).toContain("kinds=agent.*&cursor=2&");
});

test("a subscribe that is refused stops, and says why", async () => {
  const { world, connection } = await connected();
  accept(world, 5);
  connection.resubscribe({ kinds: ["%"] }, 2);
  const { ref } = world.socket.commands().at(-1)!;
  world.socket.say({ type: "error", code: "invalid_command", message: "kinds: …", ref });
  expect(connection.status()).toMatchObject({ phase: "stopped", error: { code: "invalid_command" } });
});

test("a gap moves the position, also back", async () => {
  const { world, told: all } = await connected({ cursor: 900 });
  accept(world, 900, { head: 250 });
  world.socket.say(
    { type: "gap", reason: "ahead", requested: 900, resume_at: 250, earliest: 1, head: 250 },
    eventText(251),
  );
  expect(told(all, "gap")).toMatchObject([[{ reason: "ahead" }]]);
  expect(all.cursors).toEqual([251]);
  world.socket.drop();
  await world.pass(1_000);
  expect(world.socket.url).toContain("cursor=251&");
});

test("another epoch is told before anything of it", async () => {
  const { world, told: all } = await connected();
  accept(world, 5);
  world.socket.drop();
  await world.pass(1_000);
  accept(world, 5, { epoch: "another" });
  expect(all.all.map(([name]) => name)).toEqual(["subscribed", "epochChanged", "subscribed"]);
});

test("a lag is a phase, and what it was at worst is told when it is over", async () => {
  const { world, connection, told: all } = await connected();
  accept(world, 5);
  world.socket.say({ type: "lag", state: "catching_up", lag_events: 3100, lag_ms: 600 });
  expect(connection.status()).toMatchObject({ phase: "lagging", lag: { events: 3100, ms: 600 } });
  world.socket.say({ type: "lag", state: "live", lag_events: 0, lag_ms: 900 });
  expect(connection.status()).toMatchObject({ phase: "live", lag: null });
  expect(told(all, "lagged")).toEqual([[3100, 900]]);
});

test("the round trip is the median of the last five, and the clock is by the shortest", async () => {
  const { world, connection } = await connected();
  accept(world, 0);
  for (const [i, trip] of [40, 10, 30, 500, 20, 60].entries()) {
    if (i === 5) await world.pass(10_000);
    const { t } = world.socket
      .commands()
      .filter(({ type }) => type === "ping")
      .at(-1)! as { t: number };
    expect(Number.isSafeInteger(t)).toBe(true);
    await world.pass(trip);
    // The server's clock is 5 s ahead of ours.
    const time = new Date(world.time - trip / 2 + 5_000).toISOString();
    world.socket.say({ type: "pong", t, time });
    await world.pass(1_000 - trip);
  }
  expect(connection.status().rttMs).toBeCloseTo(30, 3);
  expect(connection.status().clockOffsetMs).toBeCloseTo(5_000, 0);
});

test("closed, it is silent for ever", async () => {
  const { world, connection, told: all } = await connected();
  accept(world, 0);
  const { onmessage } = world.socket;
  connection.close();
  onmessage?.({ data: eventText(1) });
  expect(all.cursors).toEqual([]);
  expect(world.socket.isClosed).toBe(true);
  expect(world.timers).toBe(0);
});

test("200 forced disconnects lose nothing and repeat nothing", async () => {
  const { world, connection, told: all } = await connected({ cursor: 0 });
  const { random } = new FakeWorld(42);
  let head = 0;
  for (let i = 0; i < 200; i++) {
    const after = Number(new URL(world.socket.url).searchParams.get("cursor"));
    accept(world, after, { head });
    const until = head + Math.floor(random() * 4);
    const frames = Array.from({ length: until - after }, (_, i) => eventText(after + 1 + i));
    // Some of what was sent is lost with the connection.
    const arrived = frames.slice(0, Math.floor(random() * (frames.length + 1)));
    if (arrived.length > 0) world.socket.say(...arrived);
    head = until;
    world.socket.drop();
    await attempted(world, connection);
  }
  accept(world, Number(new URL(world.socket.url).searchParams.get("cursor")), { head });
  const from = all.cursors.length;
  world.socket.say(...Array.from({ length: head - from }, (_, i) => eventText(from + 1 + i)), ping(head));
  expect(all.cursors).toEqual(Array.from({ length: head }, (_, i) => i + 1));
  expect(head).toBeGreaterThan(200);
});
