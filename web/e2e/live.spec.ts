/** What happens is seen at once, in every tab, and pausing holds still what one reads. */
import { drafts } from "./fixtures/corpus.ts";
import { publish } from "./fixtures/publisher.ts";
import { expect, test } from "./fixtures/test.ts";
import { TimelinePage } from "./fixtures/timeline-page.ts";

/** From before the request is sent to the row in the DOM, beside what this machine takes just now to store and to draw. */
const SEEN_MS = 100;
const TRIES = 15;

test("an event that is emitted over HTTP is seen within 100 ms", async ({ server, timeline }) => {
  await timeline.enter();
  const took: number[] = [];
  const yardstick: number[] = [];
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const text = `seen at once, ${attempt}`;
    const seenAt = timeline.page.evaluate(seen, text);
    const sentAt = Date.now();
    await server.emit([{ kind: "human.message", data: { text } }]);
    const storedAt = Date.now();
    took.push((await seenAt) - sentAt);
    const drawnFrom = Date.now();
    await timeline.page.evaluate(frame);
    yardstick.push(storedAt - sentAt + Date.now() - drawnFrom);
  }
  expect(median(took), `of ${took} beside ${yardstick}`).toBeLessThanOrEqual(SEEN_MS + 2 * median(yardstick));
});

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** In the page: resolves when a frame was drawn. */
function frame(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve())));
}

/** In the page: resolves to when a text came into the grid. The clock is the machine's, so it is the test's too. */
function seen(text: string): Promise<number> {
  return new Promise((resolve) => {
    const look = () => {
      if (!document.querySelector("[role=grid]")?.textContent?.includes(text)) return;
      observer.disconnect();
      resolve(Date.now());
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { subtree: true, childList: true, characterData: true });
    look();
  });
}

test("the newest events are there at the start, the last of them in sight", async ({ server, timeline }) => {
  await server.emit(drafts(1_000));
  await timeline.enter();
  await timeline.event(1_000).waitFor();
  expect((await timeline.cursors()).at(-1)).toBe(1_000);
});

test("a paused list stays as it is, counts what is new, and follows again", async ({ server, timeline }) => {
  await server.emit(drafts(200));
  await timeline.enter();
  await timeline.event(200).waitFor();
  await timeline.pauseButton.click();
  await timeline.pill("paused").waitFor();
  const [before, box] = [await timeline.cursors(), await timeline.event(190).boundingBox()];
  await server.emit(drafts(37, 2));
  await expect.poll(() => timeline.newPill.textContent()).toContain("37 new");
  expect(await timeline.cursors()).toEqual(before);
  expect(await timeline.event(190).boundingBox()).toEqual(box);
  await timeline.followButton.click();
  await timeline.event(237).waitFor();
});

test("scrolling up loads older events, down to the first one, and moves nothing", async ({ server, timeline }) => {
  for (let batch = 0; batch < 3; batch += 1) await server.emit(drafts(1_000, 1, batch * 1_000));
  await timeline.enter();
  await timeline.event(3_000).waitFor();
  await timeline.grid.hover();
  // As a person does: wheel until the first event shows.
  await expect
    .poll(
      async () => {
        await timeline.page.mouse.wheel(0, -8_000);
        return timeline.event(1).count();
      },
      { timeout: 30_000, interval: 50 },
    )
    .toBe(1);
  await timeline.pill("paused").waitFor();
  const shown = await timeline.cursors();
  expect(shown).toEqual(shown.map((_, place) => (shown[0] ?? 0) + place));
});

test("two tabs show the same", async ({ server, open }) => {
  const first = new TimelinePage(await open(), server.url);
  await first.enter();
  // In the same browser profile, as a second tab is.
  const page = await first.page.context().newPage();
  const second = new TimelinePage({ page, complaints: first.complaints }, server.url);
  await second.enter();
  const publisher = publish(server, { perSecond: 200 });
  await expect.poll(() => publisher.acknowledged).toBeGreaterThan(100);
  await publisher.stop();
  const head = await server.head();
  for (const tab of [first, second]) {
    await tab.page.bringToFront();
    await tab.event(head).waitFor();
  }
});
