/** What reaches a page through cut wires, killed servers and its own slowness: each event once, in order, or a word of it. */
import { AWAY } from "./fixtures/complaints.ts";
import { drafts } from "./fixtures/corpus.ts";
import type { Probe } from "./fixtures/probe.ts";
import { emitMegabytes, publish } from "./fixtures/publisher.ts";
import type { Server } from "./fixtures/server.ts";
import { expect, test } from "./fixtures/test.ts";

/** Connections that are cut under load. */
const CUTS = 200;

/** A cut falls within so many bytes from the server, so in the answer to the handshake, in a replay, or in what is live. */
const CUT_WITHIN = 6_000;

/** Until an attempt that is none to be waited for. Backoff comes that far with its fourth, or one soon after. */
const FAR_AWAY_MS = 7_000;

/** Slow enough to be seen lagging, quick enough to get there soon. */
const TRICKLE_BYTES_PER_SECOND = 2_000_000;

test("200 cut connections lose nothing, repeat nothing and keep the order", { timeout: 300_000 }, async ({
  server,
  wire,
  probe,
}) => {
  probe.complaints.expect(...AWAY);
  await server.emit(drafts(1));
  await probe.open(wire.url, { from: 0 });
  const publisher = publish(server, { perSecond: 300 });
  for (let cut = 0; cut < CUTS; ) {
    // Some are cut when they are live, and the others in the middle of a frame, each time after as many bytes as never before.
    if (cut % 4 === 0) {
      await probe.phase("live");
      cut += wire.cut();
    } else {
      cut += await wire.cutAfter(1 + ((cut * 997) % CUT_WITHIN));
    }
    // The client would wait for up to a second by itself, or longer the more often it was cut.
    await probe.page.evaluate(() => window.probe.client.reconnect());
  }
  await publisher.stop();
  expect(publisher.acknowledged).toBeGreaterThan(0);
  await expectWholeLog(server, probe);
});

test("a server that is killed in the middle of the stream and started again loses and repeats nothing", async ({
  server,
  probe,
}) => {
  probe.complaints.expect(...AWAY);
  await server.emit(drafts(1));
  await probe.open(server.url, { from: 0 });
  const publisher = publish(server, { perSecond: 1_000 });
  for (let kill = 0; kill < 3; kill += 1) {
    await probe.reached((await server.head()) + 200);
    await server.kill();
    await probe.phase("disconnected");
    await server.restart();
    await probe.phase("live");
  }
  await publisher.stop();
  await expectWholeLog(server, probe);
});

test("a server that drains says that it restarts, and the page is back by itself", async ({ server, probe }) => {
  probe.complaints.expect(...AWAY);
  await probe.open(server.url);
  const told = probe.phase("restarting");
  await server.stop();
  await told;
  await server.restart();
  await probe.phase("live");
  const [cursor = 0] = await server.emit(drafts(1));
  await probe.reached(cursor);
});

test("a page that cannot keep up is told how far it is behind, and is given everything", async ({
  server,
  wire,
  probe,
}) => {
  await server.emit(drafts(1));
  await probe.open(wire.url, { from: 0 });
  wire.stall();
  // More than a group's segments hold, so whoever takes none of it must be read the log.
  await emitMegabytes(server, 24);
  wire.trickle(TRICKLE_BYTES_PER_SECOND);
  await probe.phase("lagging");
  wire.flow();
  await probe.phase("live");
  await expectWholeLog(server, probe);
  await expect.poll(async () => (await probe.markers()).filter(({ type }) => type === "lag").length).toBe(1);
});

test("what retention took away is a gap with its exact count", async ({ server, wire, probe }) => {
  const KEPT = 50;
  probe.complaints.expect(...AWAY);
  await server.emit(drafts(10));
  await probe.open(wire.url, { from: 0 });
  await probe.reached(10);
  wire.refuse();
  await server.emit(drafts(500, 2));
  await server.stop();
  await server.restart({
    flags: ["--retain-events", String(KEPT)],
  });
  await expect.poll(() => server.earliest()).toBe(510 - KEPT + 1);
  wire.admit();
  await probe.page.evaluate(() => window.probe.client.reconnect());
  await probe.reached(510);
  // The list is told a frame later than those who ask for every event.
  await expect
    .poll(async () => (await probe.markers()).filter(({ type }) => type === "gap"))
    .toEqual([
      expect.objectContaining({
        reason: "retention",
        after: 10,
        through: 510 - KEPT,
        count: 500 - KEPT,
        isLoadable: false,
      }),
    ]);
  const cursors = (await probe.events()).map(({ cursor }) => cursor);
  expect(cursors).toEqual([...range(1, 10), ...range(510 - KEPT + 1, 510)]);
});

test("without a network it says so, and it is back at once when there is one", { timeout: 180_000 }, async ({
  server,
  wire,
  probe,
}) => {
  probe.complaints.expect(...AWAY);
  await server.emit(drafts(1));
  await probe.open(wire.url, { from: 0 });
  const context = probe.page.context();
  wire.refuse();
  await context.setOffline(true);
  await probe.phase("offline");
  const [cursor = 0] = await server.emit(drafts(20, 3)).then((cursors) => cursors.slice(-1));
  // Without the browser's word nothing would happen before the next attempt, so one that is far away is waited for.
  const retryAt = await probe.page.evaluate(async (least) => {
    const { client } = window.probe;
    await window.probe.until(() => (client.status.get().retryAt ?? 0) - Date.now() > least);
    return client.status.get().retryAt ?? 0;
  }, FAR_AWAY_MS);
  wire.admit();
  await context.setOffline(false);
  await probe.reached(cursor);
  expect(Date.now()).toBeLessThan(retryAt);
  await expectWholeLog(server, probe);
});

test("two tabs are each given everything", async ({ server, probe, open }) => {
  await server.emit(drafts(1));
  await probe.open(server.url, { from: 0 });
  const other = await open();
  await other.page.goto(probe.page.url());
  const second = new (probe.constructor as typeof Probe)(other.page, other.complaints);
  await second.open(server.url, { from: 0 });
  const publisher = publish(server, { perSecond: 500 });
  await probe.reached(500);
  await publisher.stop();
  await expectWholeLog(server, probe);
  await expectWholeLog(server, second);
});

/** The probe has what the log has: every event, each once, in order, with the same members. */
async function expectWholeLog(server: Server, probe: Probe): Promise<void> {
  await probe.reached(await server.head());
  const [stored, given] = [await server.events(), await probe.events()];
  expect(
    differences(
      stored.map(({ cursor }) => cursor),
      given.map(({ cursor }) => cursor),
    ),
  ).toEqual({ lost: [], repeated: [], outOfOrder: [] });
  expect(given).toEqual(stored);
}

/** What is wrong with what was given, in cursors: thousands of them side by side tell a reader nothing. */
function differences(stored: readonly number[], given: readonly number[]) {
  const known = new Set(given);
  return {
    lost: stored.filter((cursor) => !known.has(cursor)),
    repeated: given.filter((cursor, place) => given.indexOf(cursor) !== place),
    outOfOrder: given.filter((cursor, place) => place > 0 && cursor < (given[place - 1] as number)),
  };
}

function range(from: number, through: number): number[] {
  return Array.from({ length: through - from + 1 }, (_, place) => from + place);
}
