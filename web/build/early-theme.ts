/**
 * Puts `early-theme.js` before everything else, as a classic script in a hashed file of its own: Vite bundles modules
 * alone, which run after the first paint, and the page's policy allows no inline script.
 */
import { readFileSync } from "node:fs";
import type { Plugin } from "vite";

/** A plugin for `vite build`, and for `vite` itself, which serves the file as it is. */
export function earlyTheme(): Plugin {
  const source = new URL("../src/early-theme.js", import.meta.url);
  let emitted: string | null = null;
  return {
    name: "todoki:early-theme",
    buildStart() {
      if (this.environment.mode !== "build") return;
      emitted = this.emitFile({ type: "asset", name: "early-theme.js", source: readFileSync(source) });
    },
    generateBundle: {
      order: "pre",
      handler() {
        if (emitted !== null) emitted = `/${this.getFileName(emitted)}`;
      },
    },
    transformIndexHtml: {
      order: "post",
      handler: () => [{ tag: "script", attrs: { src: emitted ?? "/src/early-theme.js" }, injectTo: "head-prepend" }],
    },
  };
}
