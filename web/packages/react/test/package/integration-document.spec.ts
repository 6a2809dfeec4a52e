/** docs/EVENT_TIMELINE_INTEGRATION.md, example by example, in a fresh app with the packed package and a real server. */
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openChromium, openPage } from "../../../../e2e/fixtures/chromium.ts";
import { Server, TOKEN } from "../../../../e2e/fixtures/server.ts";
import { FreshApp, pack } from "./fresh-app.ts";

const DOCUMENT = path.resolve(import.meta.dirname, "../../../../../docs/EVENT_TIMELINE_INTEGRATION.md");

/** Where the examples say that the server is. */
const SERVER = "http://127.0.0.1:3000";

const TASK = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e10";
const OTHER_TASK = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e11";

interface Example {
  readonly name: string;
  readonly language: string;
  readonly code: string;
}

/** The blocks behind a comment that names them. */
function readExamples(): Example[] {
  const found = readFileSync(DOCUMENT, "utf8").matchAll(/<!-- example: (\w+) -->\n```(tsx?)\n(.*?)\n```/gs);
  return [...found].map(([, name = "", language = "", code = ""]) => ({ name, language, code }));
}

/** What each example must show, once these events are in the log. */
const EVENTS = [
  { kind: "task.created", task_id: TASK, data: { title: "Mend the relay", priority: 2 } },
  { kind: "task.created", task_id: OTHER_TASK, data: { title: "Not of this task", priority: 1 } },
  { kind: "agent.output", task_id: TASK, data: { content: "reading the relay" } },
  { kind: "task.failed", task_id: TASK, data: { error: "the relay is gone" } },
];

const SHOWS: Readonly<Record<string, (page: Page) => Promise<void>>> = {
  async task(page) {
    await row(page, "the relay is gone").waitFor();
    expect(await row(page, "Not of this task").count()).toBe(0);
  },
  async rows(page) {
    await row(page, "Mend the relay").locator("b").waitFor();
    await row(page, "priority 2").waitFor();
  },
  async hook(page) {
    await page.getByText("1 failures so far (live)").waitFor();
  },
  async token(page) {
    const [tasks, agents] = [page.getByRole("grid").first(), page.getByRole("grid").last()];
    await tasks.getByRole("row").filter({ hasText: "Mend the relay" }).waitFor();
    await agents.getByRole("row").filter({ hasText: "reading the relay" }).waitFor();
    expect(await tasks.getByRole("row").filter({ hasText: "reading the relay" }).count()).toBe(0);
  },
  async client(page) {
    await page.getByRole("listitem").filter({ hasText: "#4 task.failed" }).waitFor();
  },
};

const examples = readExamples();
let app: FreshApp;
let site: { origin: string; close(): Promise<void> };
let server: Server;
let browser: Browser;

beforeAll(async () => {
  const tarball = await pack();
  app = await FreshApp.create(tarball, 19);
  await rm(path.dirname(tarball), { recursive: true });
  server = await Server.start();
  await app.write(pagesOf(examples));
  site = await app.serve();
  // The site's origin is known only now.
  await server.stop();
  await server.restart({ flags: ["--allow-origin", site.origin] });
  await server.emit(EVENTS);
  browser = await openChromium();
});

afterAll(async () => {
  await browser?.close();
  await server?.dispose();
  await site?.close();
  await app?.remove();
});

test("every example is tested, and every test has an example", () => {
  expect(examples.map(({ name }) => name).sort()).toEqual(Object.keys(SHOWS).sort());
});

test("the examples have the types that they say", async () => {
  expect(await app.check()).toBe("");
});

test.for(examples)("the example $name does what is said of it", async ({ name }) => {
  const { page, complaints } = await openPage(browser);
  await page.addInitScript((token) => sessionStorage.setItem("todoki-token", token), TOKEN);
  await page.goto(`${site.origin}/${name}.html`);
  await SHOWS[name]?.(page);
  expect(complaints.unexpected()).toEqual([]);
  await page.context().close();
});

/** A page for each example, and a Vite configuration that builds them all. */
function pagesOf(examples: readonly Example[]): Record<string, string> {
  const files: Record<string, string> = {
    "public/todoki-token.txt": `${TOKEN}\n`,
    "vite.config.js": `import react from "@vitejs/plugin-react";
const input = ${JSON.stringify(examples.map(({ name }) => `${name}.html`))};
export default { plugins: [react()], build: { rolldownOptions: { input } } };
`,
  };
  for (const { name, language, code } of examples) {
    files[`src/${name}.${language}`] = code.replaceAll(SERVER, server.url);
    files[`${name}.html`] = `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <title>${name}</title>
  <link rel="icon" href="data:,">
  <div id="root"></div>
  <script type="module" src="/src/${name}.${language}"></script>
</html>
`;
  }
  return files;
}

function row(page: Page, text: string) {
  return page.getByRole("row").filter({ hasText: text });
}
