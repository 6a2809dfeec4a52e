// Tests of what is built, against the real server: whole browsers, real processes, nothing mocked. They are Vitest's
// because Node 20 strips no types and the other tests are Vitest's already; the browsers are driven from here, not by
// Vitest, since it is the page as the server serves it that is tested. `npm run e2e` and `npm run test:package` run them,
// after `npm run build` and a build of the server.
import path from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: path.join(import.meta.dirname, ".."),
  test: {
    // Two cores are shared by a browser, a server and a test: files that run at once would measure each other.
    fileParallelism: false,
    projects: [
      {
        test: {
          name: "e2e",
          include: ["e2e/**/*.spec.ts"],
          globalSetup: "e2e/fixtures/pages.ts",
          // Long enough for a server and a browser to start on a busy machine, short enough to notice what hangs.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 30_000 } },
        },
      },
      {
        test: {
          name: "package",
          include: ["packages/*/test/package/**/*.spec.ts"],
          // They install from a registry and build.
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
