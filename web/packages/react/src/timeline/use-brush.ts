/**
 * Choosing a span of time on a strip, by mouse, finger or keys: the events of the browser to the arithmetic of `brush`.
 *
 * A drag chooses from where it began to where it is; a click chooses the window under it. Keys move a head: the arrows by a
 * window, with Shift they choose, Enter takes what is chosen and Escape gives it up.
 */
import { type KeyboardEvent, type PointerEvent, useState } from "react";
import { type Brush, brushOf, type Draft, moveHead, type Scale, timeAt, windowAt } from "./brush.ts";

export interface BrushOptions {
  readonly scale: Scale;
  readonly windowMs: number;
  /** Called with what was chosen; with null for a wish to have nothing chosen. */
  readonly onBrush: (brush: Brush | null) => void;
  /** Called for a click, with its time, in place of choosing the window under it. */
  readonly onPoint?: (time: number, event: PointerEvent) => void;
}

export interface Brushing {
  /** What is being chosen now. */
  readonly pending: Brush | null;
  /** Where the keys are; null before they were used. */
  readonly head: number | null;
  /** The time under the pointer. */
  readonly hover: number | null;
  /** Puts the head somewhere, with nothing chosen. */
  readonly setHead: (time: number) => void;
  readonly onPointerDown: (event: PointerEvent) => void;
  readonly onPointerMove: (event: PointerEvent) => void;
  readonly onPointerUp: (event: PointerEvent) => void;
  readonly onPointerCancel: () => void;
  readonly onPointerLeave: () => void;
  readonly onKeyDown: (event: KeyboardEvent) => void;
}

/** Windows that Page Up and Page Down move by. */
const PAGE = 10;

/** A pointer that moved less than this, in pixels, has clicked: hands are not that steady. */
const CLICK_SLACK = 3;

/** How far each key moves the head, in windows. */
const MOVES: Readonly<Record<string, number>> = {
  ArrowLeft: -1,
  ArrowRight: 1,
  PageUp: -PAGE,
  PageDown: PAGE,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
};

/** The state of a brush, and the handlers of the element that it is on. */
export function useBrush({ scale, windowMs, onBrush, onPoint }: BrushOptions): Brushing {
  const [draft, setDraft] = useState<Draft | null>(null);
  const [dragFrom, setDragFrom] = useState<number | null>(null);
  const [hover, setHover] = useState<number | null>(null);
  const pending = draft && brushOf(draft, scale, windowMs);

  const timeOf = (event: PointerEvent) =>
    timeAt(scale, event.clientX - event.currentTarget.getBoundingClientRect().left);
  const giveUp = () => {
    setDragFrom(null);
    setDraft((last) => last && { anchor: null, head: last.head });
  };
  const take = (brush: Brush) => {
    giveUp();
    onBrush(brush);
  };

  return {
    pending,
    head: draft?.head ?? null,
    hover,
    setHead: (time) => setDraft({ anchor: null, head: time }),
    onPointerDown(event) {
      if (event.button !== 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      setDragFrom(event.clientX);
      setDraft({ anchor: timeOf(event), head: timeOf(event) });
    },
    onPointerMove(event) {
      const time = timeOf(event);
      setHover(time);
      if (dragFrom !== null) setDraft((last) => last && { ...last, head: time });
    },
    onPointerUp(event) {
      if (dragFrom === null || !draft) return;
      if (onPoint && Math.abs(event.clientX - dragFrom) < CLICK_SLACK) {
        giveUp();
        onPoint(timeOf(event), event);
        return;
      }
      const chosen = brushOf({ ...draft, head: timeOf(event) }, scale, windowMs);
      if (chosen) take(chosen);
    },
    onPointerCancel: giveUp,
    onPointerLeave: () => setHover(null),
    onKeyDown(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const windows = MOVES[event.key];
      if (windows !== undefined) {
        const from = draft ?? { anchor: null, head: scale.to };
        setDraft(moveHead(from, scale, windows * windowMs, event.shiftKey));
      } else if (event.key === "Enter" || event.key === " ") {
        take(pending ?? windowAt(scale, windowMs, draft?.head ?? scale.to));
      } else if (event.key === "Escape") {
        if (pending) giveUp();
        else onBrush(null);
      } else return;
      event.preventDefault();
      event.stopPropagation();
    },
  };
}
