// Tests of what is built, against the real server: whole browsers, real processes, nothing mocked. They are Vitest's
// because Node 20 strips no types and the other tests are Vitest's already; the browsers are driven from here, not by
// Vitest, since it is the page as the server serves it that is tested. Run by `npm run e2e`, after `npm run build`.
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: import.meta.dirname,
  test: {
    include: ["**/*.spec.ts"],
    globalSetup: "./fixtures/pages.ts",
    // Two cores are shared by a browser, a server and a test: files that run at once would measure each other.
    fileParallelism: false,
    // Long enough for a start of a server and of a browser on a busy machine, short enough to notice what hangs.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
