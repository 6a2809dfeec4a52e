/**
 * What tests in the browser need of a page: a theme, axe, and what a person reads.
 */
import axe from "axe-core";
import { expect } from "vitest";

export const themes = ["light", "dark"] as const;

/** Puts the page into a theme. */
export function setTheme(theme: (typeof themes)[number]): void {
  document.documentElement.dataset.theme = theme;
  document.body.style.background = "var(--todoki-bg)";
  document.body.style.color = "var(--todoki-fg)";
}

/** Expects that axe finds nothing to say about an element. */
export async function expectAccessible(element: Element): Promise<void> {
  const { violations } = await axe.run(element, { resultTypes: ["violations"] });
  const said = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join("\n")}`,
  );
  expect(said).toEqual([]);
}

/** The contrast of two colours as CSS computes them, by WCAG 2. */
export function contrast(one: string, other: string): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

function luminance(color: string): number {
  const channels = rgb(color).map((value) => {
    const share = value / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * channels[0]! + 0.7152 * channels[1]! + 0.0722 * channels[2]!;
}

/** What a canvas makes of a colour, so that any notation of CSS is understood. */
export function rgb(color: string): number[] {
  const context = new OffscreenCanvas(1, 1).getContext("2d")!;
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}
