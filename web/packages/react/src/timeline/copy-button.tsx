/**
 * A button that copies a text and says whether it did.
 */
import { type ReactNode, useEffect, useState } from "react";
import { copyText } from "./clipboard.ts";

export interface CopyButtonProps {
  /** The text, or what fetches it when it is asked for. */
  readonly text: string | (() => Promise<string>);
  /** What the button is called: `Copy path`. */
  readonly children: string;
  /** A longer name where the visible one says too little. */
  readonly label?: string;
}

/** How long the outcome is shown, long enough to be read. */
const SHOWN_MS = 1500;

/** A button that copies. */
export function CopyButton({ text, children, label }: CopyButtonProps): ReactNode {
  const [outcome, setOutcome] = useState<"copied" | "failed" | null>(null);
  useEffect(() => {
    if (outcome === null) return;
    const timer = setTimeout(() => setOutcome(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [outcome]);
  const copy = async () => {
    try {
      await copyText(typeof text === "string" ? text : await text());
      setOutcome("copied");
    } catch {
      setOutcome("failed");
    }
  };
  const said = outcome === "copied" ? "Copied" : outcome === "failed" ? "Not copied" : null;
  return (
    <button type="button" className="todoki-act" aria-label={said ?? label} onClick={copy}>
      <span aria-live="polite">{said ?? children}</span>
    </button>
  );
}
