/**
 * Every state that the page can be in is reached for real, and looked at in light and dark, wide and narrow: axe finds nothing,
 * nothing sticks out sideways, and a picture is kept in `output/states`.
 */
import path from "node:path";
import type { Page } from "playwright-core";
import { violations } from "./fixtures/axe.ts";
import { DESKTOP, PHONE } from "./fixtures/chromium.ts";
import { AWAY } from "./fixtures/complaints.ts";
import { drafts, PROJECTS } from "./fixtures/corpus.ts";
import { emitMegabytes } from "./fixtures/publisher.ts";
import { test as base, expect } from "./fixtures/test.ts";
import { TimelinePage } from "./fixtures/timeline-page.ts";

const OUTPUT = path.join(import.meta.dirname, "output/states");
const LOOKS = (["light", "dark"] as const).flatMap((theme) => [DESKTOP, PHONE].map((size) => ({ theme, size })));

/** Slow enough for a replay of some megabytes to last as long as the pictures take, and quick enough not to be cut off. */
const TRICKLE_BYTES_PER_SECOND = 100_000;

/** As long as the pictures take, so that they are of one state. */
const LIMITED_MS = 15_000;

/** The longest that a page obeys. */
const RESTARTING_MS = 60_000;

/** As a server has it. The pictures do not wait for its end. */
const EXPIRING_MS = 60_000;

const test = base.extend<{ wired: TimelinePage }>({
  // The page over a wire, so that what it is given can be held back.
  wired: async ({ open, wire }, use) => {
    const timeline = new TimelinePage(await open(), wire.url);
    timeline.complaints.expect(...AWAY);
    await use(timeline);
  },
});

test("connecting", async ({ server, wire, wired }) => {
  await server.emit(drafts(20));
  await wired.goto("/events");
  await wired.tokenField.waitFor();
  wire.stall();
  await wired.signIn();
  await wired.pill("connecting").waitFor();
  await look(wired.page, "connecting");
});

test("replaying", async ({ server, wire, wired }) => {
  await server.emit(drafts(50));
  await wired.enter();
  wire.refuse();
  await emitMegabytes(server, 8);
  wire.trickle(TRICKLE_BYTES_PER_SECOND);
  wire.admit();
  await wired.pill("replaying").waitFor({ timeout: 45_000 });
  await look(wired.page, "replaying");
});

test("live", async ({ server, timeline }) => {
  await server.emit(drafts(200));
  await timeline.enter();
  await timeline.event(200).waitFor();
  await look(timeline.page, "live");
});

test("live, with the detail of an event", async ({ server, timeline }) => {
  await server.emit(drafts(200));
  // One of a task, a session and a project.
  await timeline.enter("/events/154");
  await timeline.detail.waitFor();
  await look(timeline.page, "detail");
});

test("live, narrowed to a project", async ({ server, timeline }) => {
  await server.emit(drafts(200));
  const [project = ""] = PROJECTS;
  await timeline.enter(`/events?project=${project}`);
  await timeline.page.getByRole("button", { name: `Remove project ${project.slice(-8)}` }).waitFor();
  await timeline.page.getByRole("button", { name: "Project", exact: true }).click();
  await timeline.page.getByRole("checkbox", { checked: true }).waitFor();
  await look(timeline.page, "project");
});

test("live, in lanes", async ({ server, timeline }) => {
  await server.emit(drafts(200));
  await timeline.enter("/events?view=lanes");
  await timeline.event(200).waitFor();
  await timeline.page.getByRole("region", { name: "Events over time" }).waitFor();
  await look(timeline.page, "lanes");
});

test("paused, with new events waiting", async ({ server, timeline }) => {
  await server.emit(drafts(200));
  await timeline.enter();
  await timeline.event(200).waitFor();
  await timeline.pauseButton.click();
  await server.emit(drafts(12, 2));
  await timeline.pill("paused").filter({ hasText: "12" }).waitFor();
  await look(timeline.page, "paused");
});

test("lagging", async ({ server, wire, wired }) => {
  await server.emit(drafts(50));
  await wired.enter();
  await wired.event(50).waitFor();
  wire.stall();
  await emitMegabytes(server, 24);
  // Some that are live are still on their way before the word that it fell behind.
  wire.trickle(10 * TRICKLE_BYTES_PER_SECOND);
  await wired.pill("lagging").waitFor({ timeout: 45_000 });
  wire.trickle(TRICKLE_BYTES_PER_SECOND);
  await look(wired.page, "lagging");
});

test("disconnected, with the next attempt counted down", async ({ server, wire, wired }) => {
  await server.emit(drafts(50));
  await wired.enter();
  await wired.event(50).waitFor();
  wire.refuse();
  await wired.pill("disconnected").waitFor();
  await wired.page.getByRole("button", { name: "Retry now" }).first().waitFor();
  await look(wired.page, "disconnected");
});

test("offline", async ({ server, wire, wired }) => {
  await server.emit(drafts(50));
  await wired.enter();
  await wired.event(50).waitFor();
  wire.refuse();
  await wired.page.context().setOffline(true);
  await wired.pill("offline").waitFor();
  await look(wired.page, "offline");
});

test("server restarting", async ({ server, wire, wired }) => {
  await server.emit(drafts(50));
  await wired.enter();
  await wired.event(50).waitFor();
  // A real one asks for a second, in which no pictures can be made.
  wire.say({ type: "drain", reconnect_after_ms: RESTARTING_MS });
  const restarting = wired.pill("restarting").waitFor();
  await server.stop();
  await restarting;
  await look(wired.page, "restarting");
});

test("unauthorised", async ({ timeline }) => {
  await timeline.goto("/events");
  await timeline.pill("unauthorized").waitFor();
  await timeline.tokenField.waitFor();
  await look(timeline.page, "unauthorised");
});

test("a token that ends soon, by a proxy that says so", async ({ server, wire, wired }) => {
  await server.emit(drafts(50));
  await wired.enter();
  await wired.event(50).waitFor();
  wire.say({ type: "token_expiring", expires_in_ms: EXPIRING_MS });
  await wired.expiry.waitFor();
  await look(wired.page, "expiring");
  await wired.otherTokenButton.click();
  await wired.tokenField.waitFor();
  await look(wired.page, "expiring-sign-in");
});

test("a token that has expired, by a proxy that looks at the time", async ({ server, wire, wired }) => {
  await server.emit(drafts(50));
  await wired.enter();
  await wired.event(50).waitFor();
  wire.closeEachWith(3000, "the token has expired");
  await wired.pill("expired").waitFor();
  await wired.tokenField.waitFor();
  await look(wired.page, "expired");
  // With another one the stream goes on after the last event that came.
  await server.emit(drafts(5, 2));
  wire.admit();
  await wired.signIn();
  await wired.event(55).waitFor();
  await wired.event(50).waitFor();
});

test("rate limited, by a proxy that counts connections", async ({ server, wire, wired }) => {
  await server.emit(drafts(50));
  await wired.enter();
  await wired.event(50).waitFor();
  const message = "at most 10 connects in a minute";
  wire.closeEachWith(4429, message, { type: "error", code: "rate_limited", message, retry_after_ms: LIMITED_MS });
  await wired.pill("limited").filter({ hasText: "retrying in" }).waitFor();
  await look(wired.page, "limited");
  wire.admit();
  await wired.pill("live").waitFor({ timeout: 45_000 });
});

test("forbidden, by a proxy that checks who may read what", async ({ server, wire, wired }) => {
  await server.emit(drafts(50));
  await wired.enter();
  await wired.event(50).waitFor();
  wire.closeEachWith(3003, "not allowed: kind audit.*");
  await wired.pill("forbidden").waitFor();
  await look(wired.page, "forbidden");
  await wired.page.getByRole("button", { name: "Use another token" }).click();
  await wired.tokenField.waitFor();
  wire.admit();
  await wired.signIn();
  await wired.event(50).waitFor();
});

test("empty", async ({ timeline }) => {
  await timeline.enter();
  await timeline.page.getByText(/No events yet/).waitFor();
  await look(timeline.page, "empty");
});

test("filtered until nothing is left", async ({ server, timeline }) => {
  await server.emit(drafts(50));
  await timeline.enter("/events?q=nothing-says-this");
  await timeline.page.getByText(/No event matches/).waitFor();
  await look(timeline.page, "filtered-empty");
});

test("a gap that retention left", async ({ server, wire, wired }) => {
  await server.emit(drafts(10));
  await wired.enter();
  await wired.event(10).waitFor();
  wire.refuse();
  await server.emit(drafts(500, 2));
  await server.stop();
  await server.restart({ flags: ["--retain-events", "20"] });
  await expect.poll(() => server.earliest()).toBe(491);
  wire.admit();
  await wired.event(510).waitFor({ timeout: 45_000 });
  await wired.row(/480 events/).waitFor();
  await look(wired.page, "gap");
});

test("a page that is older than the server's", async ({ server, timeline }) => {
  timeline.complaints.expect(...AWAY);
  await server.emit(drafts(50));
  await timeline.enter();
  // What a server of a later version would answer: the same page with a script of another name.
  await timeline.page.route("**/events", async (route) => {
    const response = await route.fetch();
    const body = (await response.text()).replace(/(<script type="module"[^>]*src="[^"]*)\.js"/, '$1-next.js"');
    await route.fulfill({ response, body });
  });
  await server.stop();
  await server.restart();
  await timeline.page.getByRole("button", { name: "Reload" }).waitFor({ timeout: 45_000 });
  await look(timeline.page, "stale");
});

/** Looks at a state in all looks. */
async function look(page: Page, state: string): Promise<void> {
  const found: string[] = [];
  for (const { theme, size } of LOOKS) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await page.setViewportSize(size);
    // What depends on the size is drawn in the frame after the one that learns of it.
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    // What is said only when it lasts is there when its delay is over.
    await page.evaluate(() => Promise.allSettled(document.getAnimations().map(({ finished }) => finished)));
    const name = `${state}-${theme}-${size.width}`;
    await page.screenshot({ path: path.join(OUTPUT, `${name}.png`) });
    found.push(...(await violations(page)).map((violation) => `${name}: ${violation}`));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    if (wide > size.width) found.push(`${name}: ${wide} pixels wide`);
  }
  expect(found).toEqual([]);
}
