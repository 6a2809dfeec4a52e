/** The address is the whole view: a link opens it, and going back and forward walks through it. */
import { drafts } from "./fixtures/corpus.ts";
import { expect, test } from "./fixtures/test.ts";

test("a permalink opens around its event, paused, with its detail", async ({ server, timeline }) => {
  for (let batch = 0; batch < 2; batch += 1) await server.emit(drafts(1_000, 1, batch * 1_000));
  await timeline.enter("/events/700");
  await timeline.event(700).waitFor();
  await timeline.pill("paused").waitFor();
  await expect.poll(() => timeline.selectedRow.getAttribute("data-cursor")).toBe("700");
  await timeline.detail.waitFor();
  await server.emit(drafts(50, 2));
  await timeline.event(700).waitFor();
  // From there one comes back to what happens now.
  await timeline.followButton.click();
  await timeline.event(2_050).waitFor();
});

test("selecting an event is in the address, and so is everything else of the view", async ({ server, timeline }) => {
  await server.emit(drafts(100));
  await timeline.enter();
  await timeline.event(95).click();
  await timeline.detail.waitFor();
  await expect.poll(() => timeline.address).toContain("95");
  await timeline.family("Task").click();
  await timeline.search.fill("kind:task.created");
  await expect.poll(() => timeline.address).toMatch(/q=kind:task\.created/);
  expect(timeline.address).toContain("kinds=task.*");
  const address = timeline.address;
  await timeline.page.reload();
  await timeline.pill("live", "paused").waitFor();
  expect(timeline.address).toBe(address);
  expect(await timeline.search.inputValue()).toBe("kind:task.created");
});

test("going back leaves what one went to", async ({ server, timeline }) => {
  await server.emit(drafts(1_000));
  await timeline.enter();
  await timeline.event(1_000).waitFor();
  await timeline.goToField.fill("#300");
  await timeline.goToField.press("Enter");
  await timeline.event(300).waitFor();
  const there = timeline.address;
  await timeline.page.goBack();
  await timeline.event(1_000).waitFor();
  await timeline.page.goForward();
  await timeline.event(300).waitFor();
  expect(timeline.address).toBe(there);
});

test("an address that is not there says so", async ({ timeline }) => {
  await timeline.goto("/events/not-a-cursor");
  await timeline.page
    .getByText(/not found|no such page/i)
    .first()
    .waitFor();
});
