/** The page under measurement in a fresh Chromium: its renderer's threads, and its heaps after a forced collection. */
import type { Browser, CDPSession, Page } from "playwright-core";
import { DESKTOP, openChromium } from "../e2e/fixtures/chromium.ts";
import { TOKEN } from "../e2e/fixtures/server.ts";
import { MAIN, prefer, residentBytes, sum, type ThreadTimes, threadTimes } from "./threads.ts";

export interface Heaps {
  /** Bytes of the page's JavaScript heap, buffers outside of it included. */
  readonly mainBytes: number;
  /** The same of its workers. */
  readonly workerBytes: number;
  readonly residentBytes: number;
}

interface HeapUsage {
  readonly usedSize: number;
  readonly backingStorageSize?: number;
}

export class Tab {
  readonly page: Page;
  readonly #browser: Browser;
  readonly #session: CDPSession;
  readonly #workers: readonly string[];
  readonly #renderers: readonly number[];
  readonly #all: readonly number[];
  readonly #errors: string[];

  private constructor(parts: {
    page: Page;
    browser: Browser;
    session: CDPSession;
    workers: readonly string[];
    renderers: readonly number[];
    all: readonly number[];
    errors: string[];
  }) {
    this.page = parts.page;
    this.#browser = parts.browser;
    this.#session = parts.session;
    this.#workers = parts.workers;
    this.#renderers = parts.renderers;
    this.#all = parts.all;
    this.#errors = parts.errors;
  }

  /** Opens a page, and waits until it says that it is ready to be measured. */
  static async open(url: string, isPreferred: boolean): Promise<Tab> {
    const browser = await openChromium();
    const page = await (await browser.newContext({ viewport: DESKTOP })).newPage();
    const errors: string[] = [];
    page.on("pageerror", ({ message }) => errors.push(message));
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await page.addInitScript((token) => Object.assign(window, { benchToken: token }), TOKEN);
    const session = await page.context().newCDPSession(page);
    const workers: string[] = [];
    session.on("Target.attachedToTarget", ({ sessionId, targetInfo }) => {
      if (targetInfo.type === "worker") workers.push(sessionId);
    });
    await session.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
    await page.goto(url);
    await page
      .waitForFunction(() => window.bench?.isReady(), null, { timeout: 30_000 })
      .catch((error: Error) => {
        throw new Error(`${url} did not get ready: ${errors.join("; ") || error.message}`);
      });
    const processes = await processesOf(browser);
    if (isPreferred) processes.all.forEach(prefer);
    return new Tab({ page, browser, session, workers, errors, ...processes });
  }

  /** Times of the threads of the page's process, and of all other processes of the browser together. */
  times(): { readonly renderer: ThreadTimes; readonly others: number } {
    const renderer = this.#renderer;
    const others = this.#all.filter((pid) => pid !== renderer).map((pid) => sum(threadTimes(pid)));
    return { renderer: threadTimes(renderer), others: others.reduce((all, ms) => all + ms, 0) };
  }

  async heaps(): Promise<Heaps> {
    const main = await collect((method) => this.#session.send(method as "Runtime.getHeapUsage") as Promise<unknown>);
    const workers: number[] = [];
    for (const id of this.#workers) workers.push(await collect((method) => this.#sendTo(id, method)));
    return {
      mainBytes: main,
      workerBytes: workers.reduce((all, bytes) => all + bytes, 0),
      residentBytes: residentBytes(this.#renderer),
    };
  }

  /** What went wrong in the page, if anything. */
  get errors(): readonly string[] {
    return this.#errors;
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }

  /** The process of the page: the renderer that has worked most. Chromium keeps a spare one, which has done nothing since it began. */
  get #renderer(): number {
    const worked = this.#renderers.map((pid) => threadTimes(pid).get(MAIN) ?? 0);
    return this.#renderers[worked.indexOf(Math.max(...worked))] as number;
  }

  #nextId = 1;

  /** Sends a command to a worker's session. */
  #sendTo(sessionId: string, method: string): Promise<unknown> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      const listen = ({ sessionId: from, message }: { sessionId: string; message: string }) => {
        const answer = JSON.parse(message) as { id?: number; result?: unknown; error?: { message: string } };
        if (from !== sessionId || answer.id !== id) return;
        this.#session.off("Target.receivedMessageFromTarget", listen);
        if (answer.error) reject(new Error(`${method}: ${answer.error.message}`));
        else resolve(answer.result);
      };
      this.#session.on("Target.receivedMessageFromTarget", listen);
      const sent = this.#session.send("Target.sendMessageToTarget", {
        sessionId,
        message: JSON.stringify({ id, method }),
      });
      sent.catch(reject);
    });
  }
}

/** Collects garbage twice, since the first run may only mark what the second frees, and says what is left. */
async function collect(send: (method: string) => Promise<unknown>): Promise<number> {
  await send("HeapProfiler.enable");
  await send("HeapProfiler.collectGarbage");
  await send("HeapProfiler.collectGarbage");
  const usage = (await send("Runtime.getHeapUsage")) as HeapUsage;
  await send("HeapProfiler.disable");
  return usage.usedSize + (usage.backingStorageSize ?? 0);
}

/** The processes of a browser, by what they do. */
async function processesOf(browser: Browser): Promise<{ renderers: number[]; all: number[] }> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const renderers = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  return { renderers, all: processInfo.map(({ id }) => id) };
}
