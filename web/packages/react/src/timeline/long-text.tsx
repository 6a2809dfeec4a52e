/**
 * A text with its lines, folded where it is long. It never scrolls by itself: a scrolling box in a scrolling panel is a
 * trap for wheels and fingers, and one more stop for keys.
 */
import { type ReactNode, useState } from "react";
import { wholeNumber } from "./format.ts";

export interface LongTextProps {
  readonly text: string;
  /** Draws the text that is shown; by default, as it is. */
  readonly children?: (shown: string) => ReactNode;
}

/** About a screen of a panel. */
const SHOWN_CHARACTERS = 2000;

/** A text, and a button for the rest of it. */
export function LongText({ text, children = asItIs }: LongTextProps): ReactNode {
  const [isWhole, setWhole] = useState(false);
  const isFolded = !isWhole && text.length > SHOWN_CHARACTERS;
  const shown = isFolded ? text.slice(0, SHOWN_CHARACTERS) : text;
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
