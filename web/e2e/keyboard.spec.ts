/** The main tasks without a mouse. */
import { drafts } from "./fixtures/corpus.ts";
import { TOKEN } from "./fixtures/server.ts";
import { expect, test } from "./fixtures/test.ts";
import type { TimelinePage } from "./fixtures/timeline-page.ts";

test("signing in, reading, searching and pausing need no mouse", async ({ server, timeline }) => {
  await server.emit(drafts(300));
  const { keyboard } = timeline.page;
  await timeline.goto("/events");
  await timeline.tokenField.waitFor();
  await tabTo(timeline, () => timeline.tokenField.evaluate((field) => field === document.activeElement));
  await keyboard.type(TOKEN);
  await keyboard.press("Enter");
  await timeline.event(300).waitFor();

  await tabTo(timeline, () => timeline.grid.evaluate((grid) => grid.contains(document.activeElement)));
  await keyboard.press("End");
  await keyboard.press("k");
  const first = Number(await timeline.activeRow.getAttribute("data-cursor"));
  await keyboard.press("k");
  await expect.poll(() => timeline.activeRow.getAttribute("data-cursor")).toBe(String(first - 1));
  await keyboard.press("Enter");
  await timeline.detail.waitFor();
  expect(await timeline.detail.getAttribute("aria-label")).toBe(`Event ${first - 1}`);
  await keyboard.press("Escape");
  await timeline.detail.waitFor({ state: "detached" });

  await keyboard.press("End");
  await timeline.pill("live").waitFor();
  await keyboard.press("Space");
  await timeline.pill("paused").waitFor();
  await keyboard.press("Space");
  await timeline.pill("live").waitFor();

  await keyboard.press("/");
  await keyboard.type("kind:task.failed");
  const failed = (await server.lines({ kinds: "task.failed" })).trim().split("\n").length;
  await timeline.page.getByText(`${failed} of 300`).waitFor();
  await keyboard.press("Escape");
  await expect.poll(() => timeline.search.inputValue()).toBe("");

  await tabTo(timeline, () => timeline.grid.evaluate((grid) => grid.contains(document.activeElement)));
  await keyboard.press("?");
  await timeline.help.waitFor();
  await keyboard.press("Escape");
  await timeline.help.waitFor({ state: "detached" });
});

test("keys that type do nothing to the list", async ({ server, timeline }) => {
  await server.emit(drafts(50));
  await timeline.enter();
  await timeline.event(50).waitFor();
  await timeline.search.focus();
  await timeline.page.keyboard.type("jkge xnotd");
  await timeline.pill("live").waitFor();
  expect(await timeline.search.inputValue()).toBe("jkge xnotd");
  expect(await timeline.selectedRow.count()).toBe(0);
});

test("the next failure is a key away", async ({ server, timeline }) => {
  const quiet = drafts(400).filter(({ kind }) => !/(failed|error|denied|expired)$/.test(kind));
  await server.emit([
    ...quiet.slice(0, 100),
    { kind: "task.failed", data: { error: "boom" } },
    ...quiet.slice(100, 200),
  ]);
  await timeline.enter();
  await timeline.event(201).waitFor();
  await timeline.grid.focus();
  await timeline.page.keyboard.press("End");
  await timeline.page.keyboard.press("Shift+E");
  await timeline.event(101).waitFor();
  await expect.poll(() => timeline.activeRow.getAttribute("data-cursor")).toBe("101");
});

/** Presses Tab until it is there, as somebody does who sees where the focus is; every stop must be seen. */
async function tabTo({ page }: TimelinePage, isThere: () => Promise<boolean>): Promise<void> {
  for (let stop = 0; stop < 60; stop += 1) {
    if (await isThere()) return;
    await page.keyboard.press("Tab");
  }
  throw new Error("60 stops did not lead there");
}
