/** Who has no token sees no event; a token goes to the server alone. */
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
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

test("a token that ends soon is replaced where one is, on the connection that stands", { timeout: 120_000 }, async ({
  server,
  timeline,
}) => {
  const tokens = { first: "a-token-for-now", next: "a-token-for-later" };
  const soon = new Date(Date.now() + SHORT_LIFE_MS).toISOString();
  await server.stop();
  await server.restart({ flags: ["--auth", await authFile([tokens.first, soon], [tokens.next])] });
  await server.emit(drafts(300));
  await timeline.goto("/events");
  await timeline.signIn(tokens.first);
  await timeline.event(300).waitFor();
  await timeline.pauseButton.click();
  const before = await timeline.cursors();
  // The server says so when half of the time is over.
  await timeline.expiry.waitFor({ timeout: SHORT_LIFE_MS });
  await timeline.otherTokenButton.click();
  await timeline.signIn("no-such-token");
  await timeline.expiry.getByText(/does not take/).waitFor();
  await timeline.signIn(tokens.next);
  await timeline.expiry.waitFor({ state: "detached" });
  await timeline.pill("paused").waitFor();
  const inBoth = (await timeline.cursors()).filter((cursor) => before.includes(cursor));
  expect(inBoth.length).toBeGreaterThan(before.length / 2);
  await server.emit(drafts(5, 2));
  await timeline.followButton.click();
  await timeline.event(305).waitFor();
  // A connection that was lost would be told of in the list.
  expect(await timeline.row(/Reconnected/).count()).toBe(0);
});

/** Half of it is waited for, and half of it is there to do something in, and the ten seconds that a server adds. */
const SHORT_LIFE_MS = 40_000;

/** The path of a file of tokens of one principal who may do everything, some of which end. */
async function authFile(...tokens: readonly (readonly [token: string, expires?: string])[]): Promise<string> {
  const entries = tokens.map(([token, expires]) => {
    const hash = createHash("sha256").update(token).digest("hex");
    const end = expires === undefined ? "" : `\nexpires = ${expires}`;
    return `[[tokens]]\nlabel = "page"\nhash = "sha256:${hash}"\nrole = "operator"${end}\n`;
  });
  const directory = await mkdtemp(path.join(os.tmpdir(), "todoki-e2e-auth-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = path.join(directory, "auth.toml");
  await writeFile(file, entries.join("\n"));
  return file;
}

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
