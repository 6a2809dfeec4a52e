/**
 * The families that a click narrows to, and what a click makes of the patterns that are set.
 *
 * Pure. A family's own pattern and patterns within it are different things: the button says only whether all of a family
 * is asked for.
 */
import type { FacetValue } from "@todoki/react";
import { canonical, picks } from "./kind-pattern.ts";

/** The families with a button, in the order of the vocabulary. `relay` counts with the system that it belongs to. */
export const quickFilters = [
  { family: "task", label: "Task", patterns: ["task.*"] },
  { family: "agent", label: "Agent", patterns: ["agent.*"] },
  { family: "artifact", label: "Artifact", patterns: ["artifact.*"] },
  { family: "permission", label: "Permission", patterns: ["permission.*"] },
  { family: "system", label: "System", patterns: ["relay.*", "system.*"] },
  { family: "human", label: "Human", patterns: ["human.*"] },
] as const;

/** One of the buttons. */
export type QuickFilter = (typeof quickFilters)[number];

/** The families whose button is pressed. */
export function pressedFilters(kinds: readonly string[]): readonly string[] {
  return quickFilters.filter((filter) => filter.patterns.every((one) => kinds.includes(one))).map((one) => one.family);
}

/** The patterns after exactly these families are pressed; patterns of one's own stay. */
export function pressFilters(kinds: readonly string[], families: readonly string[]): readonly string[] {
  const pressed = quickFilters.filter((filter) => families.includes(filter.family));
  return canonical([...customPatterns(kinds), ...pressed.flatMap((filter) => filter.patterns)]);
}

/** The patterns that no pressed button stands for. */
export function customPatterns(kinds: readonly string[]): readonly string[] {
  const pressed = pressedFilters(kinds);
  const shown = quickFilters
    .filter((filter) => pressed.includes(filter.family))
    .flatMap((one): string[] => [...one.patterns]);
  return kinds.filter((kind) => !shown.includes(kind));
}

/** How many of the counted events a button stands for. */
export function countOf(filter: QuickFilter, kinds: readonly FacetValue[]): number {
  const counted = kinds.filter(({ value }) => filter.patterns.some((pattern) => picks(pattern, value)));
  return counted.reduce((sum, { count }) => sum + count, 0);
}
