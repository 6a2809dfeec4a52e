/**
 * Drawing on a canvas that is as sharp as the screen and in the colours of the page.
 *
 * A canvas knows no CSS variables, so colours are read from elements that have them: each part keeps a legend, or a hidden
 * sample, with a class for each tone. It is drawn anew when what it shows, its size or the theme has changed, once for each
 * commit of React, and never between.
 */
import { type RefObject, useEffect, useLayoutEffect, useState } from "react";

/** The size of an element in CSS pixels, and how many of the screen each of them has. */
export interface Size {
  readonly width: number;
  readonly height: number;
  readonly ratio: number;
}

const NO_SIZE: Size = { width: 0, height: 0, ratio: 1 };

/** The size of an element, kept up to date. */
export function useSize(element: RefObject<HTMLElement | null>): Size {
  const [size, setSize] = useState(NO_SIZE);
  const [measured, setMeasured] = useState<HTMLElement | null>(null);
  // A part that shows something else while it is empty has another element once it is not.
  useLayoutEffect(() => setMeasured(element.current));
  useLayoutEffect(() => {
    if (!measured) return;
    const measure = () => {
      const next = { width: measured.clientWidth, height: measured.clientHeight, ratio: devicePixelRatio };
      setSize((last) => (isSame(last, next) ? last : next));
    };
    const observer = new ResizeObserver(measure);
    observer.observe(measured);
    measure();
    // A window that moves to another screen, or is zoomed, may keep its size.
    addEventListener("resize", measure);
    return () => {
      observer.disconnect();
      removeEventListener("resize", measure);
    };
  }, [measured]);
  return size;
}

function isSame(one: Size, other: Size): boolean {
  return one.width === other.width && one.height === other.height && one.ratio === other.ratio;
}

/** Media whose change changes colours. */
const THEME_MEDIA = ["(prefers-color-scheme: dark)", "(forced-colors: active)", "(prefers-contrast: more)"];

/** A number that grows whenever the colours of the page may have changed. */
export function useThemeVersion(): number {
  const [version, setVersion] = useState(0);
  useEffect(() => {
    const changed = () => setVersion((last) => last + 1);
    const media = THEME_MEDIA.map((query) => matchMedia(query));
    for (const each of media) each.addEventListener("change", changed);
    const observer = new MutationObserver(changed);
    const attributes = { attributes: true, attributeFilter: ["class", "data-theme", "style"] };
    observer.observe(document.documentElement, attributes);
    observer.observe(document.body, attributes);
    return () => {
      for (const each of media) each.removeEventListener("change", changed);
      observer.disconnect();
    };
  }, []);
  return version;
}

/** The colours of the samples in an element, by their `data-tone`. */
export function tonesIn(element: Element): ReadonlyMap<string, string> {
  const tones = new Map<string, string>();
  for (const sample of element.querySelectorAll("[data-tone]")) {
    tones.set(sample.getAttribute("data-tone") ?? "", getComputedStyle(sample).color);
  }
  return tones;
}

/** Clears a canvas, at the size of its element, and gives what draws on it in CSS pixels; null where there is nothing to draw on. */
export function beginDrawing(canvas: HTMLCanvasElement, size: Size): CanvasRenderingContext2D | null {
  const width = Math.round(size.width * size.ratio);
  const height = Math.round(size.height * size.ratio);
  if (width === 0 || height === 0) return null;
  // Setting either clears the canvas and makes it anew, which costs more than clearing it.
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  context?.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
  context?.clearRect(0, 0, size.width, size.height);
  return context;
}
