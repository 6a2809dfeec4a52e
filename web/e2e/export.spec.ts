/** A file that is saved is what the server has, byte for byte. */
import { drafts } from "./fixtures/corpus.ts";
import { expect, test } from "./fixtures/test.ts";

test("the whole log as NDJSON is the server's bytes", async ({ server, timeline }) => {
  for (let batch = 0; batch < 3; batch += 1) await server.emit(drafts(1_000, 1, batch * 1_000));
  await timeline.enter("/events?kinds=task.*,agent.output");
  const saved = await timeline.export("log", "NDJSON");
  expect(saved.toString()).toBe(await server.lines({ kinds: "task.*,agent.output" }));
});

test("what is in memory as NDJSON is the server's bytes of those events", async ({ server, timeline }) => {
  await server.emit(drafts(1_000));
  await timeline.enter();
  await timeline.event(1_000).waitFor();
  const saved = (await timeline.export("loaded", "NDJSON")).toString();
  const stored = await server.lines();
  expect(stored.endsWith(saved)).toBe(true);
  expect(saved.split("\n").length).toBeGreaterThanOrEqual(500);
});

test("CSV has a line of titles, a record an event, and no formulas", async ({ server, timeline }) => {
  await server.emit([
    { kind: "human.message", data: { text: '=HYPERLINK("http://example.org")' } },
    { kind: "human.message", data: { text: 'a "quote", a comma\nand a line' } },
  ]);
  await timeline.enter();
  await timeline.event(2).waitFor();
  const saved = (await timeline.export("log", "CSV")).toString();
  const [titles = "", ...records] = saved.trimEnd().split("\r\n");
  expect(titles.split(",")).toEqual(expect.arrayContaining(["cursor", "kind", "time", "data"]));
  expect(records).toHaveLength(2);
  // A cell that a spreadsheet would compute begins with one of these; `data` begins with a brace.
  for (const record of records) expect(record).not.toMatch(/(^|,)"?[=+@\t\r-]/);
});
