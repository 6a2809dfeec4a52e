/**
 * A text with its lines, folded where it is long. It never scrolls by itself: a scrolling box in a scrolling panel is a
 * trap for wheels and fingers, and one more stop for keys.
 */
import { type ReactNode, useMemo, useState } from "react";
import { wholeNumber } from "./format.ts";

export interface LongTextProps {
  readonly text: string;
  /** Draws the text that is shown; by default, as it is. */
  readonly children?: (shown: string) => ReactNode;
}

/** About a screen of a panel, of long lines or of short ones. */
const SHOWN_CHARACTERS = 2000;
const SHOWN_LINES = 30;

/** A text, and a button for the rest of it. */
export function LongText({ text, children = asItIs }: LongTextProps): ReactNode {
  const [isWhole, setWhole] = useState(false);
  const beginning = useMemo(() => beginningOf(text), [text]);
  const isFolded = !isWhole && beginning.length < text.length;
  const shown = isFolded ? beginning : text;
  return (
    <>
      {children(shown)}
      {isFolded ? (
        <button type="button" className="todoki-act" onClick={() => setWhole(true)}>
          Show all {wholeNumber(text.length)} characters
        </button>
      ) : null}
    </>
  );
}

function asItIs(shown: string): ReactNode {
  return shown;
}

function beginningOf(text: string): string {
  const lines = text.slice(0, SHOWN_CHARACTERS).split("\n", SHOWN_LINES + 1);
  if (lines.length <= SHOWN_LINES && text.length <= SHOWN_CHARACTERS) return text;
  return lines.slice(0, SHOWN_LINES).join("\n");
}
