/** The page in the other engines: it loads under its policy, signs in, shows history and what is live, and comes back. */
import { expect, onTestFinished } from "vitest";
import { drafts } from "./fixtures/corpus.ts";
import { hasWebKit, type OtherBrowser, openFirefox, openWebKit, until } from "./fixtures/other-browsers.ts";
import { Server, TOKEN } from "./fixtures/server.ts";
import { test } from "./fixtures/test.ts";

test("Firefox", () => use(openFirefox));

// Only a machine without WebKit's driver leaves it out: docs/TESTING.md says which packages it needs.
test.runIf(await hasWebKit())("WebKit", () => use(openWebKit));

const PILL = `document.querySelector(".todoki-pill")?.dataset.state`;

async function use(open: () => Promise<OtherBrowser>): Promise<void> {
  const server = await Server.start();
  onTestFinished(() => server.dispose());
  const browser = await open();
  onTestFinished(() => browser.close());
  await server.emit(drafts(100));
  await browser.open(`${server.url}/events`);
  await until(browser, `return document.querySelector("input[type=password]") !== null`);
  await browser.run(signIn(TOKEN));
  await until(browser, `return ${PILL} === "live" && ${shows(100)}`);
  await server.emit([{ kind: "human.message", data: { text: "told while one looks" } }]);
  await until(browser, `return document.querySelector("[role=grid]").textContent.includes("told while one looks")`);
  await server.kill();
  await until(browser, `return ${PILL} === "disconnected"`);
  await server.restart();
  const [cursor = 0] = await server.emit(drafts(1, 2));
  await until(browser, `return ${PILL} === "live" && ${shows(cursor)}`, 45_000);
  // A server that is away is the one thing that may be on the console.
  expect(browser.errors().filter((error) => !/connect|NetworkError|load failed/i.test(error))).toEqual([]);
}

function shows(cursor: number): string {
  return `document.querySelector('[data-cursor="${cursor}"]') !== null`;
}

/** As typing does it: the value by the element's own setter, so that React hears of it. */
function signIn(token: string): string {
  return `
    const field = document.querySelector("input[type=password]");
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, ${JSON.stringify(token)});
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.form.requestSubmit();
  `;
}
