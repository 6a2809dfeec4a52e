/** How many bytes a page must load for a part of the package: bundled by Vite, minified, after Brotli, without React. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { build, type Rolldown } from "vite";

const WEB = path.resolve(import.meta.dirname, "../../../..");

export interface Sizes {
  /** What must be there before the code runs: the entry, and what it imports statically. */
  readonly initial: number;
  /** What the worker runs. */
  readonly worker: number;
}

/** Bundles a module that has this text. */
export async function sizesOf(module: string): Promise<Sizes> {
  // Within the workspace, so that the package is found as its users find it: by name, through its `exports`.
  const root = await mkdtemp(path.join(WEB, "node_modules/.size-"));
  try {
    await writeFile(path.join(root, "entry.js"), module);
    const chunks = await bundle(root);
    const entry = chunks.find(({ isEntry }) => isEntry);
    if (!entry) throw new Error("the bundle has no entry");
    const workers = (await readWorkers(root)).map(brotli);
    return {
      initial: sum(staticGraph(entry, chunks).map(({ code }) => brotli(code))),
      worker: sum(workers),
    };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function bundle(root: string): Promise<Rolldown.OutputChunk[]> {
  const built = await build({
    root,
    configFile: false,
    logLevel: "warn",
    worker: { format: "es", rolldownOptions: { output: { entryFileNames: "worker-[hash].js" } } },
    build: {
      rolldownOptions: {
        input: path.join(root, "entry.js"),
        external: [/^react(-dom)?($|\/)/],
        // An entry that nobody imports keeps what it exports, and so what it is meant to measure.
        preserveEntrySignatures: "strict",
      },
    },
  });
  const [output] = Array.isArray(built) ? built : [built];
  if (!output || !("output" in output)) throw new Error("nothing was built");
  return output.output.filter((file) => file.type === "chunk");
}

/** The chunks that an entry needs at once, itself included; what it imports on demand is not among them. */
function staticGraph(entry: Rolldown.OutputChunk, chunks: readonly Rolldown.OutputChunk[]): Rolldown.OutputChunk[] {
  const reached = new Set([entry]);
  for (const { imports } of reached) {
    for (const name of imports) {
      const chunk = chunks.find(({ fileName }) => fileName === name);
      if (chunk) reached.add(chunk);
    }
  }
  return [...reached];
}

async function readWorkers(root: string): Promise<string[]> {
  const dist = path.join(root, "dist");
  const names = (await readdir(dist, { recursive: true })).filter((name) => /worker-[^/]*\.js$/.test(name));
  return Promise.all(names.map((name) => readFile(path.join(dist, name), "utf8")));
}

function brotli(text: string): number {
  return brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } })
    .length;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, number) => all + number, 0);
}
