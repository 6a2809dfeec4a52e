/**
 * The signs of the timeline: a few strokes on a grid of 16, drawn for it, in the colour of the text around them.
 *
 * Each has a shape of its own, so that nothing is told by colour alone. They are decoration: whoever shows one also says
 * it in words.
 */
import type { ReactNode } from "react";

/** The strokes of each sign. */
const STROKES = {
  plus: "M8 3v10M3 8h10",
  arrow: "M2.5 8h11M9.5 4l4 4-4 4",
  person: "M8 2.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5M3 13.5c.5-6 9.5-6 10 0",
  check: "M2.5 8.5l3.5 3.5 7.5-8",
  cross: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  box: "M2.5 3.5h11v3h-11zM3.5 6.5v6.5h9v-6.5M6.5 9h3",
  play: "M4.5 3l8 5-8 5z",
  stop: "M3.5 3.5h9v9h-9z",
  lines: "M2.5 4h11M2.5 8h11M2.5 12h7",
  warning: "M8 2.5l6 11H2zM8 6.5v3.5M8 12v.1",
  badge: "M8 2l5.5 2v4c0 3-2 5-5.5 6.5C4.5 13 2.5 11 2.5 8V4z",
  book: "M8 4c-1.5-1-3.5-1-5.5-.5v9c2-.5 4-.5 5.5.5 1.5-1 3.5-1 5.5-.5v-9c-2-.5-4-.5-5.5.5v9",
  eye: "M1.5 8c3-5.5 10-5.5 13 0-3 5.5-10 5.5-13 0M8 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4",
  file: "M4 2h5.5L12.5 5v9H4zM9 2v3.5h3.5",
  branch:
    "M4.5 6v7M4.5 2.5a1.7 1.7 0 1 1 0 3.5 1.7 1.7 0 0 1 0-3.5M11.5 2.5a1.7 1.7 0 1 1 0 3.5 1.7 1.7 0 0 1 0-3.5M11.5 6c0 3.5-7 2-7 6",
  merge:
    "M4.5 6v7.5M4.5 2.5a1.7 1.7 0 1 1 0 3.5 1.7 1.7 0 0 1 0-3.5M11.5 8.5a1.7 1.7 0 1 1 0 3.5 1.7 1.7 0 0 1 0-3.5M4.5 6c0 3 3 4.2 5.3 4.3",
  question: "M5 6c0-4.5 6.5-4 6 0-.3 1.9-3 1.9-3 4M8 13v.1",
  reply: "M6.5 3.5L2.5 7.5l4 4M2.5 7.5h6c3 0 5 2 5 5",
  clock: "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2M8 4.5V8l2.5 2",
  back: "M3 8a5 5 0 1 1 1.5 3.5M3 12V8h4",
  up: "M8 13.5v-11M3.5 7L8 2.5 12.5 7",
  down: "M8 2.5v11M3.5 9L8 13.5 12.5 9",
  link: "M6.5 9.5l3-3M7 4.5l1.5-1.5a3 3 0 0 1 4.5 4.5L11.5 9M4.5 7L3 8.5A3 3 0 0 0 7.5 13L9 11.5",
  unlink: "M7 4.5l1.5-1.5a3 3 0 0 1 4.5 4.5L11.5 9M4.5 7L3 8.5A3 3 0 0 0 7.5 13L9 11.5M3 3l10 10",
  speech: "M2.5 3h11v8h-6l-3 3v-3h-2z",
  dot: "M8 5.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5",
  ring: "M8 3a5 5 0 1 1 0 10A5 5 0 0 1 8 3",
  half: "M8 3a5 5 0 1 1 0 10A5 5 0 0 1 8 3M8 3v10M10.5 4.5v7",
  tool: "M9 6.5l-6 6 1 1 6-6M9 6.5a3 3 0 0 1 4-4l-2 2 .5 1 1 .5 2-2a3 3 0 0 1-4 4",
} as const;

/** The name of a sign. */
export type IconName = keyof typeof STROKES;

/** A sign, 16 pixels square, hidden from those who read with their ears. */
export function KindIcon({ name }: { readonly name: IconName }): ReactNode {
  return (
    <svg className="todoki-icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={STROKES[name]} />
    </svg>
  );
}
