import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        // Pure logic: no DOM, no React.
        test: {
          name: "node",
          environment: "node",
          include: ["packages/*/test/**/*.test.ts", "src/**/*.test.ts"],
          // Properties take seconds, and a shared machine several times that.
          testTimeout: 60_000,
        },
      },
      {
        // Layout, scrolling, frames and workers are what these test, so they run in a real browser.
        extends: "./vite.config.ts",
        test: {
          name: "browser",
          include: ["packages/*/test/**/*.test.tsx", "src/**/*.test.tsx"],
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
