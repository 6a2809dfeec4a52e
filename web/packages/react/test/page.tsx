/**
 * What tests of the timeline share: a place to put it, waiting for what the browser does by itself, and axe.
 */
import "../src/styles.css";
import axe from "axe-core";
import type { ReactNode } from "react";
import { expect } from "vitest";
import { page } from "vitest/browser";
import { render } from "vitest-browser-react";
import { EventTimeline, type EventTimelineProps } from "../src/timeline/event-timeline.tsx";
import type { FakeClient } from "./fake-client.ts";

/** Two frames: what the first one changes is on the screen, and its events were told. */
export async function frames(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => requestAnimationFrame(resolve));
}

export interface Shown {
  readonly root: HTMLElement;
  readonly grid: HTMLElement;
  /** The rows that are drawn, from the top. */
  rows(): HTMLElement[];
  /** The row of a place. */
  row(place: number): HTMLElement | null;
  /** Pixels from the top of the list to the row of a place. */
  offset(place: number): number;
  /** Presses a key in the list. */
  press(key: string): Promise<void>;
  /** Turns the wheel over the list, and scrolls as a browser would. */
  wheel(deltaY: number): Promise<void>;
  rerender(props: Partial<EventTimelineProps>): Promise<void>;
  unmount(): Promise<void>;
}

/** Shows a timeline of this client, 900 px wide and 500 px high unless told otherwise. */
export async function show(
  client: FakeClient,
  props: Partial<EventTimelineProps> = {},
  { width = 900, height = 500, around = (inner: ReactNode): ReactNode => inner } = {},
): Promise<Shown> {
  await page.viewport(width, height);
  const element = (more: Partial<EventTimelineProps>) =>
    around(
      <main style={{ position: "fixed", inset: 0 }}>
        <EventTimeline {...({ stream: client, ...props, ...more } as EventTimelineProps)} />
      </main>,
    );
  const screen = await render(element({}));
  await frames();
  const root = screen.container.querySelector<HTMLElement>(".todoki")!;
  const grid = root.querySelector<HTMLElement>("[role=grid]")!;
  const rows = () =>
    [...grid.querySelectorAll<HTMLElement>(".todoki-row")].sort(
      (a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top,
    );
  return {
    root,
    grid,
    rows,
    row: (place) => grid.querySelector(`[data-place="${place}"]`),
    offset(place) {
      const row = grid.querySelector(`[data-place="${place}"]`);
      if (row === null) throw new Error(`the row at ${place} is not drawn`);
      return row.getBoundingClientRect().top - grid.getBoundingClientRect().top;
    },
    async press(key) {
      const focused = document.activeElement;
      const target = focused !== null && root.contains(focused) ? focused : grid;
      target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
      await frames();
    },
    async wheel(deltaY) {
      grid.dispatchEvent(new WheelEvent("wheel", { deltaY, bubbles: true, cancelable: true }));
      grid.scrollTop += deltaY;
      await frames();
    },
    async rerender(more) {
      await screen.rerender(element(more));
      await frames();
    },
    unmount: () => screen.unmount(),
  };
}

/** Nothing that axe knows of is wrong with the page. */
export async function expectAccessible(root: Element): Promise<void> {
  const { violations } = await axe.run(root, { resultTypes: ["violations"] });
  const said = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
  expect(said).toEqual([]);
}
