import { describe, expect, it } from "vitest";
import "../src/styles.css";
import { FAMILIES } from "../src/timeline/kinds.ts";
import { contrast, setTheme, themes } from "./parts-page.ts";

const texts = [
  "fg",
  "muted",
  "accent",
  "danger",
  "warn",
  "ok",
  "info",
  ...FAMILIES.map((family) => `family-${family}`),
];

/** A variable as the page computes it. */
function colorOf(name: string): string {
  const element = document.body.appendChild(document.createElement("i"));
  element.style.color = `var(--todoki-${name})`;
  const { color } = getComputedStyle(element);
  element.remove();
  return color;
}

describe.each(themes)("in the %s theme", (theme) => {
  it.each(texts)("text in the colour %s can be read on every background", (name) => {
    setTheme(theme);
    for (const background of ["bg", "raised"]) {
      expect(contrast(colorOf(name), colorOf(background)), background).toBeGreaterThanOrEqual(4.5);
    }
  });

  it("edges of what can be used can be seen on every background", () => {
    setTheme(theme);
    for (const background of ["bg", "raised"]) {
      expect(contrast(colorOf("control"), colorOf(background)), background).toBeGreaterThanOrEqual(3);
    }
  });
});

it("an island of the other theme has the other colours", () => {
  setTheme("dark");
  const island = document.body.appendChild(document.createElement("div"));
  island.dataset.theme = "light";
  island.style.color = "var(--todoki-fg)";
  expect(getComputedStyle(island).color).not.toBe(colorOf("fg"));
  island.remove();
});
