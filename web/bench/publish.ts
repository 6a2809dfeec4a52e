/**
 * The publisher, a process of its own so that its work is nobody else's: posts batches of events at a fixed rate.
 *
 * Each event is due at a time that the rate alone decides, and says so, whether or not the publisher was late: a wait
 * before the server is then a wait that the reader sees. Cursors are dense and it publishes alone, so who knows the first
 * cursor, the start and the rate knows when each event was due.
 *
 * Arguments: URL, token, events per second, seconds. Standard output: a line when it begins, and one when it has ended.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { Ended, Schedule } from "./schedule.ts";

/** One event as it is sent is so many bytes, about. */
const EVENT_BYTES = 300;

/** Between two batches. */
const TICK_MS = 5;

/** A request carries at most so many. */
const BATCH = 1_000;

const KINDS = [
  "task.created",
  "task.status_changed",
  "agent.output_batch",
  "agent.output",
  "artifact.created",
  "task.failed",
];
const FILLING = "the relay client was read, its tests were run, and what they said was kept for later; ".repeat(4);

export async function main([url = "", token = "", rate = "", seconds = ""]: string[]): Promise<void> {
  const perSecond = Number(rate);
  const total = Math.round(perSecond * Number(seconds));
  // The first event tells the cursor, and is not part of the schedule.
  const [before = 0] = await emit(url, token, [draft(-1, Date.now())]);
  const startedAt = Date.now();
  const schedule: Schedule = { firstCursor: before + 1, startedAt, perSecond };
  say({ schedule });
  let sent = 0;
  let lateMs = 0;
  while (sent < total) {
    const due = Math.min(total, Math.floor(((Date.now() - startedAt) * perSecond) / 1000));
    while (sent < due) {
      const count = Math.min(BATCH, due - sent);
      const dueAt = (place: number) => startedAt + (place * 1000) / perSecond;
      const batch = Array.from({ length: count }, (_, place) => draft(sent + place, dueAt(sent + place)));
      lateMs = Math.max(lateMs, Date.now() - dueAt(sent));
      await emit(url, token, batch);
      sent += count;
    }
    await wait(TICK_MS);
  }
  const ended: Ended = { sent, lateMs: Math.round(lateMs), tookMs: Date.now() - startedAt };
  say({ ended });
}

/** `count` events that nobody waits for, as fast as they are taken: history for the rounds that read it. */
export async function fill(url: string, token: string, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += BATCH) {
    const size = Math.min(BATCH, count - sent);
    await emit(
      url,
      token,
      Array.from({ length: size }, (_, place) => draft(sent + place, Date.now())),
    );
  }
}

function draft(place: number, dueAt: number): object {
  const agent = (place + 1) % 12;
  const task = (place + 1) % 400;
  const head = { n: place, t: dueAt, mark: `m${(place + 1) % 1_000}x` };
  // The envelope around `data` takes some 190 bytes with three ids.
  const text = FILLING.slice(0, EVENT_BYTES - 190 - JSON.stringify(head).length - 10);
  return {
    kind: KINDS[(place + 1) % KINDS.length],
    agent_id: `6f1e8c1e-52f5-4b5a-9a51-0c9a3c1a7d${(16 + agent).toString(16)}`,
    task_id: `018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d${(0x1000 + task).toString(16)}`,
    data: { ...head, text },
  };
}

async function emit(url: string, token: string, drafts: readonly object[]): Promise<number[]> {
  const response = await fetch(`${url}/api/event-bus/emit`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify(drafts),
  });
  if (!response.ok) throw new Error(`emit was answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as number[];
}

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}
