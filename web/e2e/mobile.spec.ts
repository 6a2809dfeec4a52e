/** The page on a phone: by touch, in one column. */
import { PHONE } from "./fixtures/chromium.ts";
import { drafts } from "./fixtures/corpus.ts";
import { expect, test } from "./fixtures/test.ts";
import { TimelinePage } from "./fixtures/timeline-page.ts";

/** The least that a finger meets. */
const TARGET_PX = 44;

test("one reads, pauses, filters and opens an event by touch", async ({ server, open }) => {
  const timeline = new TimelinePage(await open({ viewport: PHONE, hasTouch: true, isMobile: true }), server.url);
  await server.emit(drafts(100));
  await timeline.enter();
  await timeline.event(100).waitFor();
  await timeline.pauseButton.tap();
  await timeline.pill("paused").waitFor();
  await timeline.event(100).tap();
  await timeline.detail.waitFor();
  await timeline.page.getByRole("button", { name: "Close the event" }).tap();
  await timeline.detail.waitFor({ state: "detached" });
  await timeline.page.getByRole("button", { name: "Filters" }).tap();
  await timeline.family("Task").tap();
  await timeline.page.keyboard.press("Escape");
  await expect.poll(() => timeline.address).toContain("kinds=task.*");
  await expect.poll(async () => (await timeline.cursors()).length).toBeGreaterThan(0);
});

test.for([320, 390])(
  "at %i pixels nothing sticks out, and what is touched is large enough",
  async (width, { server, open }) => {
    const timeline = new TimelinePage(
      await open({ viewport: { width, height: 700 }, hasTouch: true, isMobile: true }),
      server.url,
    );
    await server.emit(drafts(100));
    await timeline.enter();
    await timeline.event(100).waitFor();
    const { page } = timeline;
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    const small = await page.getByRole("button").evaluateAll(
      (buttons, least) =>
        buttons.flatMap((button) => {
          const { width, height } = button.getBoundingClientRect();
          const isShown = width > 0 && button.checkVisibility();
          return isShown && Math.min(width, height) < least ? [`${button.textContent}: ${width} × ${height}`] : [];
        }),
      TARGET_PX - 0.5,
    );
    expect(small).toEqual([]);
  },
);
