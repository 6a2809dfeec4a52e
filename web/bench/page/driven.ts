/** What the driver asks of the page besides the meter: when it reached an event, a search, a jump. */
import type { EventClient } from "@todoki/react";

/** When rows first came, and when the newest that was seen so far came, in `performance.now()` time. */
export interface Reached {
  readonly openedAt: number;
  firstRowAt: number;
  newest: { cursor: number; at: number };
}

/** Notes which rows the DOM has shown, from now on. */
export function watchReached(root: HTMLElement, newest: (root: HTMLElement) => number): Reached {
  const reached: Reached = { openedAt: performance.now(), firstRowAt: 0, newest: { cursor: 0, at: 0 } };
  new MutationObserver(() => {
    const cursor = newest(root);
    if (cursor <= reached.newest.cursor) return;
    const at = performance.now();
    reached.firstRowAt ||= at;
    reached.newest = { cursor, at };
  }).observe(root, { subtree: true, childList: true, attributes: true });
  return reached;
}

/** Searches, and resolves to how long it took until the frame with the result was produced. */
export async function search(client: EventClient, needle: string): Promise<number> {
  const began = performance.now();
  const { generation } = client.rows.get();
  const answered = new Promise<void>((resolve) => {
    const stop = client.rows.subscribe(() => {
      if (client.rows.get().generation === generation) return;
      stop();
      resolve();
    });
  });
  const problem = client.setQuery(needle, "filter");
  if (problem) throw new Error(problem.message);
  await answered;
  await frame();
  return performance.now() - began;
}

/** Scrolls to a share of the whole length, and resolves to how long it took until rows were in the middle of the list. */
export async function jump(root: HTMLElement, share: number): Promise<number> {
  const scroller = scrollerOf(root);
  const { left, top, width, height } = scroller.getBoundingClientRect();
  const began = performance.now();
  scroller.scrollTop = scroller.scrollHeight * share;
  do await frame();
  while (!document.elementFromPoint(left + width / 3, top + height / 2)?.closest("[data-cursor]"));
  return performance.now() - began;
}

function scrollerOf(root: HTMLElement): HTMLElement {
  const found = [...root.querySelectorAll<HTMLElement>("*")].find(
    (element) =>
      element.scrollHeight > 2 * element.clientHeight && /auto|scroll/.test(getComputedStyle(element).overflowY),
  );
  if (!found) throw new Error("nothing scrolls");
  return found;
}

function frame(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}
