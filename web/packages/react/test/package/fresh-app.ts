/**
 * A Vite app of its own in an empty directory, as somebody who uses the package has it: the tarball and React are
 * installed by npm, nothing comes from this repository but the tarball.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { createServer, preview } from "vite";

const run = promisify(execFile);
const WEB = path.resolve(import.meta.dirname, "../../../..");

/** What a fresh app gets besides React and the package: what `npm create vite` gives it. */
const TOOLS = { "@vitejs/plugin-react": "6.3.0", typescript: "7.0.2", vite: "8.3.8" };

/** The versions of React that the package says it works with, and their types. */
export const REACT = {
  18: { react: "18.3.1", "react-dom": "18.3.1", "@types/react": "18.3.31", "@types/react-dom": "18.3.7" },
  19: { react: "19.3.1", "react-dom": "19.3.1", "@types/react": "19.3.0", "@types/react-dom": "19.3.0" },
} as const;

/** Strict as the strictest user is: the package's own declarations are checked too. */
const TSCONFIG = {
  compilerOptions: {
    target: "ES2022",
    lib: ["ES2022", "DOM", "DOM.Iterable"],
    module: "ESNext",
    moduleResolution: "bundler",
    jsx: "react-jsx",
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: false,
    types: ["vite/client"],
  },
  include: ["src"],
};

const PAGE = `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <title>Fresh app</title>
  <link rel="icon" href="data:,">
  <div id="root"></div>
  <script type="module" src="/src/main.tsx"></script>
</html>
`;

/** Packs the package as it would be published; resolves to the tarball. */
export async function pack(): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), "todoki-pack-"));
  const flags = ["pack", "--workspace", "@todoki/react", "--pack-destination", directory, "--json"];
  const { stdout } = await run("npm", flags, { cwd: WEB });
  const [packed] = JSON.parse(stdout) as { filename: string }[];
  return path.join(directory, packed?.filename ?? "");
}

export class FreshApp {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(tarball: string, react: keyof typeof REACT): Promise<FreshApp> {
    const app = new FreshApp(await mkdtemp(path.join(os.tmpdir(), `todoki-react-${react}-`)));
    const dependencies = { "@todoki/react": `file:${tarball}`, ...REACT[react], ...TOOLS };
    await app.write({
      "package.json": JSON.stringify({ name: "fresh-app", private: true, type: "module", dependencies }),
      "tsconfig.json": JSON.stringify(TSCONFIG),
      "vite.config.js": `import react from "@vitejs/plugin-react";\nexport default {
  plugins: [react()],
  // As docs/EVENT_TIMELINE_INTEGRATION.md says: the dev server would lose the worker.
  optimizeDeps: { exclude: ["@todoki/react"] },
};
`,
      "index.html": PAGE,
    });
    await run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"], {
      cwd: app.directory,
    });
    return app;
  }

  /** Writes files by their paths within the app. */
  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(this.directory, name);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, text);
    }
  }

  /** Checks the types; resolves to what the compiler says, nothing when all is well. */
  async check(): Promise<string> {
    try {
      await run(path.join(this.directory, "node_modules/.bin/tsc"), ["--project", "."], { cwd: this.directory });
      return "";
    } catch (error) {
      const { stdout, message } = error as { stdout?: string; message: string };
      return stdout || message;
    }
  }

  /** Builds it by its own Vite, and serves what came of it. */
  async serve(): Promise<{ origin: string; close(): Promise<void> }> {
    const shared = { root: this.directory, configFile: false, logLevel: "error" } as const;
    await run(path.join(this.directory, "node_modules/.bin/vite"), ["build"], {
      cwd: this.directory,
      // As its author's shell has it; Vitest sets it to `test`, and Vite would build for that.
      env: { ...process.env, NODE_ENV: "production" },
    });
    const server = await preview({ ...shared, preview: { host: "127.0.0.1", port: 0 } });
    const origin = new URL(server.resolvedUrls?.local[0] ?? "").origin;
    return { origin, close: () => server.close() };
  }

  /** Serves it by Vite's dev server, as its author does all day. */
  async develop(): Promise<{ origin: string; close(): Promise<void> }> {
    const server = await createServer({
      root: this.directory,
      logLevel: "error",
      server: { host: "127.0.0.1", port: 0 },
    });
    await server.listen();
    const origin = new URL(server.resolvedUrls?.local[0] ?? "").origin;
    return { origin, close: () => server.close() };
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}
