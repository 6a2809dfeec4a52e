/** Light, dark, or what the system prefers: the choice, as a slice, and its mark on the page. */
import { cell, type Slice } from "@todoki/react";
import { keep, kept } from "./storage.ts";

/** What one may choose. */
export type Theme = "light" | "dark" | "system";

/** Also read by `early-theme.js`. */
const key = "todoki-theme";

const chosen = cell<Theme>(read());

/** The choice. */
export const theme: Slice<Theme> = chosen;

/** Chooses, for this and later visits. */
export function chooseTheme(next: Theme): void {
  keep("local", key, next === "system" ? null : next);
  chosen.set(next);
  show();
}

/** Follows what the system prefers while that is the choice. Called once, by `main.tsx`. */
export function followSystem(): void {
  preference().addEventListener("change", show);
  show();
}

function read(): Theme {
  const text = kept("local", key);
  return text === "light" || text === "dark" ? text : "system";
}

function show(): void {
  const isDark = chosen.get() === "system" ? preference().matches : chosen.get() === "dark";
  const page = document.documentElement;
  // The class is for the page's own styles, the attribute for the timeline's, which else would ask the system.
  page.classList.toggle("dark", isDark);
  page.setAttribute("data-theme", isDark ? "dark" : "light");
}

function preference(): MediaQueryList {
  return matchMedia("(prefers-color-scheme: dark)");
}
