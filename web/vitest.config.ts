import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

/** A shared machine may stand still for seconds. What is awaited is there at once elsewhere, so patience costs nothing. */
const PATIENCE = { testTimeout: 60_000, expect: { poll: { timeout: 30_000 } } };

export default defineConfig({
  test: {
    projects: [
      {
        // Pure logic: no DOM, no React.
        test: {
          name: "node",
          environment: "node",
          include: ["packages/*/test/**/*.test.ts", "src/**/*.test.ts"],
          ...PATIENCE,
        },
      },
      {
        // Layout, scrolling, frames and workers are what these test, so they run in a real browser.
        extends: "./vite.config.ts",
        test: {
          name: "browser",
          include: ["packages/*/test/**/*.test.tsx", "src/**/*.test.tsx"],
          ...PATIENCE,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions: { executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] } }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
    ],
  },
});
