import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { earlyTheme } from "./build/early-theme.ts";
import { precompress } from "./build/precompress.ts";

// A running `todoki serve`, for `npx vite` and `npx vite preview`.
const server = process.env.TODOKI_URL ?? "http://127.0.0.1:3000";
// A page may connect from the server's own origin alone, so both `Host` and `Origin` are made the server's.
const proxy = {
  "/api": server,
  "/health": server,
  "/ws": { target: server, ws: true, changeOrigin: true, rewriteWsOrigin: true },
};

// What the server's own pages are held to, so that `npx vite preview` shows what would be refused there.
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self'; " +
  "img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export default defineConfig({
  plugins: [react(), tailwindcss(), earlyTheme(), precompress()],
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  worker: { format: "es" },
  // Nothing is put into a page or a style as data: each file is fetched once, by its hash, under a strict policy.
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy },
  preview: { proxy, headers: { "content-security-policy": policy } },
});
