/**
 * Puts a Brotli and a gzip form beside each file of the built app, for the server to embed. Done here, once, at the highest
 * levels, so that neither building the server nor serving ever compresses. The same files give the same bytes.
 *
 * It knows nothing of what the files are: a form that is not smaller than its file is left out, which is all that matters.
 */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

interface Form {
  readonly suffix: string;
  readonly compress: (bytes: Uint8Array) => Uint8Array;
}

const FORMS: readonly Form[] = [
  {
    suffix: ".br",
    compress: (bytes) =>
      brotliCompressSync(bytes, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
          [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        },
      }),
  },
  { suffix: ".gz", compress: (bytes) => gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }) },
];

/** A plugin for `vite build`. */
export function precompress(): Plugin {
  let directory = "dist";
  return {
    name: "todoki:precompress",
    apply: "build",
    configResolved(config) {
      directory = join(config.root, config.build.outDir);
    },
    // Once all is written, what is copied from public/ included. The directory was emptied before, so no form is older than its file.
    async closeBundle() {
      const entries = await readdir(directory, { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile());
      await Promise.all(files.map((file) => compressFile(join(file.parentPath, file.name))));
    },
  };
}

async function compressFile(file: string): Promise<void> {
  const bytes = await readFile(file);
  for (const { suffix, compress } of FORMS) {
    const compressed = compress(bytes);
    if (compressed.length < bytes.length) await writeFile(file + suffix, compressed);
  }
}
