/** The line between the list and the detail, which can be dragged and moved by keys. */
import { type KeyboardEvent, type PointerEvent, useRef, useState } from "react";
import { keep, kept } from "../storage.ts";

const key = "todoki-detail-width";

/** Pixels: less cuts the buttons of the detail, more leaves too little of the list. */
const detailWidths = { min: 300, initial: 380, max: 720 } as const;

/** Pixels of one press of an arrow key. */
const step = 24;

/** The width of the detail, kept for later visits. */
export function useDetailWidth(): readonly [number, (width: number) => void] {
  const [width, setWidth] = useState(() => clampWidth(Number(kept("local", key) ?? detailWidths.initial)));
  const change = (next: number) => {
    setWidth(clampWidth(next));
    keep("local", key, String(clampWidth(next)));
  };
  return [width, change];
}

/** A width within the bounds; what is no number is the initial one. */
function clampWidth(width: number): number {
  if (!Number.isFinite(width)) return detailWidths.initial;
  return Math.round(Math.min(detailWidths.max, Math.max(detailWidths.min, width)));
}

export function Resizer({ width, onWidth }: { width: number; onWidth: (width: number) => void }) {
  const drag = useRef<{ readonly x: number; readonly width: number } | null>(null);
  const down = (event: PointerEvent<HTMLElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    drag.current = { x: event.clientX, width };
  };
  const move = (event: PointerEvent) => drag.current && onWidth(drag.current.width + drag.current.x - event.clientX);
  const press = (event: KeyboardEvent) => {
    const next = widthAfter(event.key, width);
    if (next === null) return;
    event.preventDefault();
    onWidth(next);
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a rule cannot be moved; this separator can.
    <div
      role="separator"
      aria-label="Width of the detail"
      aria-orientation="vertical"
      aria-valuemin={detailWidths.min}
      aria-valuemax={detailWidths.max}
      aria-valuenow={width}
      tabIndex={0}
      className="w-1.5 shrink-0 cursor-col-resize touch-none border-l hover:bg-accent focus-visible:bg-accent"
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={() => {
        drag.current = null;
      }}
      onPointerCancel={() => {
        drag.current = null;
      }}
      onKeyDown={press}
    />
  );
}

/** The width after a key; null for keys that move nothing. The detail is at the right, so left makes it wider. */
function widthAfter(pressed: string, width: number): number | null {
  switch (pressed) {
    case "ArrowLeft":
      return width + step;
    case "ArrowRight":
      return width - step;
    case "Home":
      return detailWidths.max;
    case "End":
      return detailWidths.min;
    default:
      return null;
  }
}
