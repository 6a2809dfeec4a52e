/** What a filter shows is what the server says that it lets through, and what a search finds is what a plain reading finds. */
import type { Page } from "playwright-core";
import { AGENTS, drafts, PROJECTS, SESSIONS, TASKS } from "./fixtures/corpus.ts";
import type { StoredEvent } from "./fixtures/server.ts";
import { expect, test } from "./fixtures/test.ts";

const CORPUS = 400;

const FILTERS: readonly Record<string, string>[] = [
  { kinds: "task.*" },
  { kinds: "task.created,agent.*" },
  { kinds: "*" },
  { agent_id: AGENTS[2] as string },
  { task_id: TASKS[5] as string },
  { session_id: SESSIONS[3] as string, kinds: "agent.*,human.message" },
  { agent_id: AGENTS[0] as string, task_id: TASKS[1] as string },
  { project_id: PROJECTS[1] as string },
  { kinds: "nothing.of.the.kind" },
];

/** What the page calls the parameters of the server. */
const IN_PAGE: Readonly<Record<string, string>> = {
  kinds: "kinds",
  agent_id: "agent",
  task_id: "task",
  session_id: "session",
  project_id: "project",
};

test.for(FILTERS)("%o lets through what the server lets through", async (filter, { server, timeline }) => {
  await server.emit(drafts(CORPUS));
  const query = new URLSearchParams(Object.entries(filter).map(([name, value]) => [IN_PAGE[name] as string, value]));
  await timeline.enter(`/events?${query}`);
  const stored = await server.lines(filter);
  await expect.poll(async () => (await timeline.export("loaded", "NDJSON")).toString()).toBe(stored);
  // And live, since the server keeps on filtering what comes.
  await server.emit(drafts(100, 2));
  const later = await server.lines(filter);
  await expect.poll(async () => (await timeline.export("loaded", "NDJSON")).toString()).toBe(later);
});

test("the quick filters and an own pattern ask for what they say, and going back undoes them", async ({
  server,
  timeline,
}) => {
  await server.emit(drafts(CORPUS));
  await timeline.enter();
  await timeline.family("Task").click();
  await expect.poll(() => timeline.address).toBe("/events?kinds=task.*");
  await expectKinds(timeline.page, /^task\./);
  await timeline.family("Human").click();
  await expectKinds(timeline.page, /^(task|human)\./);
  await timeline.family("All").click();
  await timeline.addKind("artifact.github_*");
  await expect.poll(() => timeline.address).toBe("/events?kinds=artifact.github_*");
  await expectKinds(timeline.page, /^artifact\.github_/);
  await timeline.page.goBack();
  await timeline.page.goBack();
  await expect.poll(() => timeline.address).toContain("human");
  await expectKinds(timeline.page, /^(task|human)\./);
  await timeline.page.goForward();
  await expect.poll(() => timeline.address).toBe("/events");
});

test("a pattern that the server would refuse is refused in place", async ({ timeline }) => {
  await timeline.enter();
  await timeline.addKind("task.*.created");
  await timeline.page.getByRole("alert").filter({ hasText: /./ }).first().waitFor();
  expect(timeline.address).toBe("/events");
});

/** Queries, and the same said plainly. */
const QUERIES: readonly [query: string, holds: (event: StoredEvent, line: string) => boolean][] = [
  ["timeout", (_, line) => line.includes("timeout")],
  ["TIMEOUT", (_, line) => line.toLowerCase().includes("timeout")],
  ['"went to a new line"', (_, line) => line.includes("went to a new line")],
  ["名前", (_, line) => line.includes("名前")],
  ["relay client", (_, line) => line.includes("relay") && line.includes("client")],
  ["/time(out|d out)/", (_, line) => /time(out|d out)/.test(line)],
  ["kind:task.*", ({ kind }) => kind.startsWith("task.")],
  ["-kind:agent.*", ({ kind }) => !kind.startsWith("agent.")],
  [`agent:${AGENTS[1]}`, ({ agent_id }) => agent_id === AGENTS[1]],
  [`task:${TASKS[3]?.slice(-8)}`, ({ task_id }) => task_id === TASKS[3]],
  [`-session:${SESSIONS[2]}`, ({ session_id }) => session_id !== SESSIONS[2]],
  [`project:${PROJECTS[0]}`, ({ project_id }) => project_id === PROJECTS[0]],
  [`-project:${PROJECTS[0]?.slice(-8)}`, ({ project_id }) => project_id !== PROJECTS[0]],
  ["data.priority:3", ({ data: { priority } }) => priority === 3],
  [
    "kind:task.* data.priority:1 -timeout",
    ({ kind, data: { priority } }, line) => kind.startsWith("task.") && priority === 1 && !line.includes("timeout"),
  ],
  ["nothing-says-this", () => false],
];

test("each query finds what a plain reading of every event finds", async ({ server, probe }) => {
  await server.emit(drafts(CORPUS));
  await probe.open(server.url, { from: 0 });
  await probe.reached(CORPUS);
  const lines = (await server.lines()).trim().split("\n");
  for (const [query, holds] of QUERIES) {
    const expected = lines.filter((line) => holds(JSON.parse(line) as StoredEvent, line));
    const found = await probe.page.evaluate(async (query) => {
      const { client } = window.probe;
      const problem = client.setQuery(query, "filter");
      if (problem) return problem.message;
      return (await client.export({ format: "ndjson", scope: "loaded" })).text();
    }, query);
    expect(found.split("\n").filter(Boolean), query).toEqual(expected);
  }
});

test("a search that is malformed says what is wrong with it, and changes nothing", async ({ server, timeline }) => {
  await server.emit(drafts(30));
  await timeline.enter();
  await timeline.event(30).waitFor();
  const before = await timeline.cursors();
  await timeline.search.fill("/(/");
  await timeline.page.getByRole("alert").filter({ hasText: /./ }).first().waitFor();
  expect(await timeline.cursors()).toEqual(before);
  await timeline.search.fill("");
});

/** Awaits that every kind in sight matches, and that there are some. */
async function expectKinds(page: Page, pattern: RegExp): Promise<void> {
  await expect
    .poll(async () => {
      const kinds = await page.locator(".todoki-kind-name").allTextContents();
      return kinds.length > 0 && kinds.every((kind) => pattern.test(kind));
    })
    .toBe(true);
}
