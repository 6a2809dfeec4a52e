/**
 * The performance harness: `npm run bench -- [--quick] [--gate] [--rounds N] [--seconds N] [--only live,history,soak] [--json FILE] [--prefer]`.
 *
 * Implementations take turns within each round, so that a busy minute of the machine meets both. Prints Markdown, writes JSON
 * when asked to, and with `--gate` ends with 1 when a bound does not hold. `--prefer`, for root on a machine that others use
 * too, puts publisher, server and browser before them; the report says what the others took all the same.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import react from "@vitejs/plugin-react";
import { build, preview } from "vite";
import { openChromium } from "../e2e/fixtures/chromium.ts";
import { Server } from "../e2e/fixtures/server.ts";
import { judge, verdicts } from "./gates.ts";
import { fillHistory, type HistoryRound, historyRound } from "./history.ts";
import { type Implementation, type LiveRound, liveRound } from "./live.ts";
import { markdown, type Results } from "./report.ts";
import { type SoakRound, soakRound } from "./soak.ts";
import { prefer } from "./threads.ts";

interface Plan {
  readonly rounds: number;
  readonly warmSeconds: number;
  readonly seconds: number;
  readonly soakSeconds: number;
  readonly only: readonly string[];
  readonly isPreferred: boolean;
}

/** Rates, and who is measured at them: the baseline is past its end at 5,000. */
const RATES: readonly (readonly [perSecond: number, impl: Implementation])[] = [
  [1_000, "naive"],
  [1_000, "timeline"],
  [5_000, "naive"],
  [5_000, "timeline"],
  [20_000, "timeline"],
];

const FULL = { rounds: 5, warmSeconds: 3, seconds: 10, soakSeconds: 60 };
const QUICK = { rounds: 3, warmSeconds: 2, seconds: 5, soakSeconds: 15 };

export async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: "boolean", default: false },
      gate: { type: "boolean", default: false },
      rounds: { type: "string" },
      seconds: { type: "string" },
      only: { type: "string", default: "live,history,soak" },
      json: { type: "string" },
      prefer: { type: "boolean", default: false },
    },
  });
  const base = values.quick ? QUICK : FULL;
  const results = await measure({
    ...base,
    rounds: Number(values.rounds ?? base.rounds),
    seconds: Number(values.seconds ?? base.seconds),
    only: values.only.split(","),
    isPreferred: values.prefer,
  });
  if (values.json) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
  const judged = judge(results);
  process.stdout.write(`${markdown(results)}\n\n${verdicts(judged)}\n`);
  return values.gate && judged.some(({ holds }) => !holds) ? 1 : 0;
}

async function measure({ rounds, warmSeconds, seconds, soakSeconds, only, isPreferred }: Plan): Promise<Results> {
  const load = os.loadavg();
  const page = await servePage();
  const server = await Server.start({ flags: ["--allow-origin", page.origin] });
  if (isPreferred) prefer(server.pid);
  const live: LiveRound[] = [];
  const history: HistoryRound[] = [];
  const soak: SoakRound[] = [];
  try {
    if (only.includes("history")) {
      await fillHistory(server);
      for (let round = 0; round < rounds; round += 1) history.push(await historyRound(page.url, server, isPreferred));
    }
    if (only.includes("live")) {
      for (let round = 0; round < rounds; round += 1) {
        for (const [perSecond, impl] of RATES) {
          progress(`round ${round + 1} of ${rounds}: ${impl} at ${perSecond} events/s`);
          live.push(await liveRound(page.url, server, { impl, perSecond, warmSeconds, seconds, isPreferred }));
        }
      }
    }
    if (only.includes("soak")) soak.push(await soakRound(page.url, server, 20_000, soakSeconds, isPreferred));
  } finally {
    await server.dispose();
    await page.close();
  }
  const [cpu] = os.cpus();
  return {
    commit: execFileSync("git", ["describe", "--always", "--dirty"], {
      cwd: import.meta.dirname,
      encoding: "utf8",
    }).trim(),
    at: new Date().toISOString(),
    machine: { cores: os.cpus().length, model: cpu?.model ?? "unknown", load },
    chromium: await chromiumVersion(),
    live,
    history,
    soak,
  };
}

/** Builds the page as a release is built, and serves it. */
async function servePage(): Promise<{ url: string; origin: string; close(): Promise<void> }> {
  const root = path.join(import.meta.dirname, "page");
  const outDir = path.join(import.meta.dirname, "output/page");
  const shared = { root, configFile: false, logLevel: "warn" } as const;
  await build({ ...shared, plugins: [react()], worker: { format: "es" }, build: { outDir, emptyOutDir: true } });
  const server = await preview({ ...shared, build: { outDir }, preview: { host: "127.0.0.1", port: 0 } });
  const url = server.resolvedUrls?.local[0] ?? "";
  return { url, origin: new URL(url).origin, close: () => server.close() };
}

async function chromiumVersion(): Promise<string> {
  const browser = await openChromium();
  const version = browser.version();
  await browser.close();
  return version;
}

/** Says on standard error where it is; standard output is the report's. */
function progress(what: string): void {
  process.stderr.write(`${what}\n`);
}
