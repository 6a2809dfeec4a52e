import { expect, test } from "vitest";
import { entryScript, isStale } from "./build-check.ts";

const page = (script: string) => `<!doctype html><head><script src="/assets/early-theme-1.js"></script>
  <script type="module" crossorigin src="${script}"></script></head>`;

test("the entry script of a page is its module", () => {
  expect(entryScript(page("/assets/index-abc.js"))).toBe("/assets/index-abc.js");
  expect(entryScript("<p>built without a page</p>")).toBeNull();
});

test("a page is stale when the server's starts another script", async () => {
  expect(await isStale("/assets/index-abc.js", async () => page("/assets/index-def.js"))).toBe(true);
  expect(await isStale("/assets/index-abc.js", async () => page("/assets/index-abc.js"))).toBe(false);
});

test("a page is not called stale when that cannot be told", async () => {
  expect(await isStale("/assets/index-abc.js", () => Promise.reject(new Error("offline")))).toBe(false);
  expect(await isStale("/assets/index-abc.js", async () => "<p>built without a page</p>")).toBe(false);
});
