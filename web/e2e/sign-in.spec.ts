/** Who has no token sees no event; a token goes to the server alone. */
import { AWAY } from "./fixtures/complaints.ts";
import { drafts } from "./fixtures/corpus.ts";
import { TOKEN } from "./fixtures/server.ts";
import { expect, test } from "./fixtures/test.ts";
import { TimelinePage } from "./fixtures/timeline-page.ts";

/** The browser itself writes a refused request to the console. */
const REFUSED = [/answered 401/, /status of 401/];

test("without a token one is asked for it, and with it events are there", async ({ server, timeline }) => {
  await server.emit(drafts(3));
  await timeline.goto("/events");
  await timeline.tokenField.waitFor();
  await timeline.pill("unauthorized").waitFor();
  expect(await timeline.grid.locator("[data-cursor]").count()).toBe(0);
  await timeline.signIn();
  await timeline.event(3).waitFor();
  // The tab remembers it.
  await timeline.page.reload();
  await timeline.event(3).waitFor();
  // Another tab, opened by hand, does not.
  expect(await timeline.page.evaluate(() => Object.keys(localStorage).filter((key) => key.includes("token")))).toEqual(
    [],
  );
});

test("a wrong token is refused in place, without trying again and again", async ({ server, wire, open }) => {
  const timeline = new TimelinePage(await open(), wire.url);
  timeline.complaints.expect(...REFUSED);
  await server.emit(drafts(3));
  await timeline.goto("/events");
  await timeline.signIn("not-the-token");
  await timeline.page.getByRole("alert").filter({ hasText: /token/ }).first().waitFor();
  const connections = wire.accepted;
  // A loop of attempts would begin within its first second.
  await timeline.page.waitForTimeout(1_500);
  expect(wire.accepted - connections).toBeLessThanOrEqual(1);
  await timeline.signIn();
  await timeline.event(3).waitFor();
});

test("a token that another server takes is asked for again while the events stay", async ({ server, timeline }) => {
  timeline.complaints.expect(...REFUSED, ...AWAY);
  await server.emit(drafts(3));
  await timeline.enter();
  await timeline.event(3).waitFor();
  await server.stop();
  await server.restart({ token: "another-token" });
  await timeline.pill("unauthorized").waitFor();
  await timeline.event(3).waitFor();
  await timeline.signIn("another-token");
  await timeline.pill("live").waitFor();
});

test("the token is in no address, no storage but the tab's, and nowhere in the page", async ({ server, timeline }) => {
  await server.emit(drafts(3));
  await timeline.enter();
  await timeline.event(3).click();
  await timeline.detail.waitFor();
  // Requests, sockets and the console are watched for it all along.
  expect(timeline.page.url()).not.toContain(TOKEN);
  expect(await timeline.page.content()).not.toContain(TOKEN);
  expect(await timeline.page.evaluate(() => document.cookie)).toBe("");
});
