import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { cdp, userEvent } from "vitest/browser";
import { render } from "vitest-browser-react";
import type { Histogram as HistogramData, Lane } from "../src/event-client.ts";
import "../src/styles.css";
import { Histogram } from "../src/timeline/histogram.tsx";
import { Lanes } from "../src/timeline/lanes.tsx";
import { Minimap } from "../src/timeline/minimap.tsx";
import { eventRow } from "./event-row.ts";
import { partsClient, rowsAt } from "./parts-client.ts";
import { contrast, expectAccessible, rgb, setTheme, themes } from "./parts-page.ts";

const from = Date.UTC(2026, 1, 27, 10);
const windowMs = 10_000;

/** Sixty windows: agents everywhere, tasks in every tenth, failures in the twentieth and fortieth. */
const histogram: HistogramData = {
  from,
  windowMs,
  families: ["agent", "task"],
  counts: [
    Array.from({ length: 60 }, (_, index) => 1 + (index % 7)),
    Array.from({ length: 60 }, (_, index) => (index % 10 === 0 ? 5 : 0)),
  ],
  failures: Array.from({ length: 60 }, (_, index) => (index === 20 || index === 40 ? 2 : 0)),
  isComplete: true,
};

const window = (index: number) => ({ from: from + index * windowMs, to: from + (index + 1) * windowMs });

function strip(): HTMLElement {
  return document.querySelector<HTMLElement>(".todoki-strip")!;
}

/** Drags the mouse over the strip, from one share of its width to another. */
async function drag(begin: number, end: number): Promise<void> {
  const { width, height } = strip().getBoundingClientRect();
  const at = (share: number) => ({ x: share * width, y: height / 2 });
  await userEvent.dragAndDrop(strip(), strip(), { sourcePosition: at(begin), targetPosition: at(end) });
}

/** Clicks at a share of the strip's width and height. */
async function click(x: number, y = 0.5): Promise<void> {
  const { width, height } = strip().getBoundingClientRect();
  await userEvent.click(strip(), { position: { x: x * width, y: y * height } });
}

/** Draws a finger over the strip. Each event is a task of its own, as those of a screen are. */
async function swipe(begin: number, end: number): Promise<void> {
  const { left, top, width } = strip().getBoundingClientRect();
  // There is no such finger, so that it cannot be captured.
  strip().setPointerCapture = () => {};
  for (const [name, share] of [
    ["pointerdown", begin],
    ["pointermove", end],
    ["pointerup", end],
  ] as const) {
    const place = { clientX: left + share * width, clientY: top + 10 };
    strip().dispatchEvent(
      new PointerEvent(name, { ...place, bubbles: true, pointerId: 7, pointerType: "touch", button: 0 }),
    );
    await new Promise(requestAnimationFrame);
  }
}

/** How many pixels of a canvas have something on them, in each column. */
function columns(canvas: HTMLCanvasElement): number[] {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d")!.getImageData(0, 0, width, height);
  return Array.from({ length: width }, (_, x) => {
    let drawn = 0;
    for (let y = 0; y < height; y += 1) if (data[(y * width + x) * 4 + 3]! > 0) drawn += 1;
    return drawn;
  });
}

/** Whether a colour is on a canvas. */
function has(canvas: HTMLCanvasElement, color: string): boolean {
  const wanted = rgb(color);
  const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] === 255 && wanted.every((value, channel) => data[at + channel] === value)) return true;
  }
  return false;
}

function shown(value: HistogramData = histogram) {
  const client = partsClient();
  client.histogram.set(value);
  return client;
}

beforeEach(() => setTheme("light"));

describe("the histogram", () => {
  it("draws taller bars for more events, in the colours of their families", async () => {
    const screen = await render(<Histogram client={shown()} utc onBrush={() => {}} />);
    const canvas = screen.container.querySelector("canvas")!;
    await expect.poll(() => canvas.width).toBeGreaterThan(100);
    const drawn = columns(canvas);
    const at = (index: number) => drawn[Math.round(((index + 0.5) / 60) * drawn.length)]!;
    expect(at(6)).toBeGreaterThan(at(1));
    for (const tone of ["agent", "task", "failure"]) {
      expect(has(canvas, getComputedStyle(screen.container.querySelector(`[data-tone=${tone}]`)!).color), tone).toBe(
        true,
      );
    }
  });

  it("is drawn in other colours when the theme changes", async () => {
    const screen = await render(<Histogram client={shown()} utc onBrush={() => {}} />);
    const canvas = screen.container.querySelector("canvas")!;
    setTheme("dark");
    const color = () => getComputedStyle(screen.container.querySelector("[data-tone=agent]")!).color;
    await expect.poll(() => has(canvas, color())).toBe(true);
  });

  it("is as sharp as the screen", async () => {
    const screen = await render(<Histogram client={shown()} utc onBrush={() => {}} />);
    const canvas = screen.container.querySelector("canvas")!;
    await expect.poll(() => canvas.width).toBe(Math.round(strip().clientWidth * devicePixelRatio));
  });

  it("draws once for a new histogram, and not for a pointer that moves", async () => {
    const client = shown();
    const clears = vi.spyOn(CanvasRenderingContext2D.prototype, "clearRect");
    await render(<Histogram client={client} utc onBrush={() => {}} />);
    await expect.poll(() => clears.mock.calls.length).toBeGreaterThan(0);
    clears.mockClear();
    await userEvent.hover(strip());
    await expect.poll(() => document.querySelector(".todoki-tooltip")).not.toBeNull();
    expect(clears).not.toHaveBeenCalled();
    client.histogram.set({ ...histogram, failures: histogram.failures.map(() => 1) });
    await expect.poll(() => clears.mock.calls.length).toBe(1);
    clears.mockRestore();
  });

  it.each([
    ["mouse", drag],
    ["finger", swipe],
  ])("chooses the windows that a %s is drawn over", async (_, draw) => {
    const onBrush = vi.fn();
    await render(<Histogram client={shown()} utc onBrush={onBrush} />);
    await draw(10.5 / 60, 20.5 / 60);
    await expect.poll(() => onBrush.mock.calls).toEqual([[{ from: window(10).from, to: window(20).to }]]);
  });

  it("chooses the window that is clicked", async () => {
    const onBrush = vi.fn();
    await render(<Histogram client={shown()} utc onBrush={onBrush} />);
    await click(30.5 / 60);
    await expect.poll(() => onBrush.mock.calls).toEqual([[window(30)]]);
  });

  it("chooses by keys, and says what it chooses", async () => {
    const onBrush = vi.fn();
    const screen = await render(<Histogram client={shown()} utc onBrush={onBrush} />);
    // The table's button comes first.
    await userEvent.tab();
    await userEvent.tab();
    const slider = screen.getByRole("slider", { name: "Events over time" });
    await expect.element(slider).toHaveFocus();
    await userEvent.keyboard("{Home}{ArrowRight}{ArrowRight}");
    await expect.element(slider).toHaveAttribute("aria-valuetext", "10:00:20 to 10:00:30: 3 events");
    await userEvent.keyboard("{Shift>}{ArrowRight}{ArrowRight}{/Shift}");
    expect(slider.element().getAttribute("aria-valuetext")).toContain("chosen 10:00:20 to 10:00:40");
    expect(onBrush).not.toHaveBeenCalled();
    await userEvent.keyboard("{Enter}");
    expect(onBrush.mock.calls).toEqual([[{ from: window(2).from, to: window(3).to }]]);
  });

  it("gives up what is being chosen on Escape, and then what is in force", async () => {
    const onBrush = vi.fn();
    const screen = await render(<Histogram client={shown()} utc onBrush={onBrush} brush={window(3)} />);
    expect(screen.container.querySelectorAll(".todoki-brush")).toHaveLength(1);
    screen.getByRole("slider").element().focus();
    await userEvent.keyboard("{Shift>}{ArrowLeft}{/Shift}{Escape}");
    expect(onBrush).not.toHaveBeenCalled();
    await userEvent.keyboard("{Escape}");
    expect(onBrush.mock.calls).toEqual([[null]]);
  });

  it("stays at its time under a brush while the present moves on", async () => {
    const client = shown();
    const screen = await render(<Histogram client={client} utc onBrush={() => {}} brush={window(30)} />);
    const left = () => screen.container.querySelector<HTMLElement>(".todoki-brush")!.offsetLeft;
    await expect.poll(left).toBe(Math.round((strip().clientWidth * 30) / 60));
    client.histogram.set({ ...histogram, from: from + 15 * windowMs });
    await expect.poll(left).toBe(Math.round((strip().clientWidth * 15) / 60));
  });

  it("has a table that tells the same", async () => {
    const screen = await render(<Histogram client={shown()} utc onBrush={() => {}} />);
    expect(screen.container.querySelector("table")).toBeNull();
    await screen.getByRole("button", { name: "Table" }).click();
    await expect.element(screen.getByRole("table")).toBeInTheDocument();
    const sum = [...screen.container.querySelectorAll("tbody tr td:nth-child(2)")]
      .map((cell) => Number(cell.textContent))
      .reduce((total, value) => total + value, 0);
    expect(sum).toBe(histogram.counts.flat().reduce((total, value) => total + value, 0));
  });

  it("says so when there is nothing, and when not all is counted", async () => {
    const client = shown({ ...histogram, families: [], counts: [], failures: [] });
    const screen = await render(<Histogram client={client} utc onBrush={() => {}} />);
    await expect.element(screen.getByText("No events in this time")).toBeInTheDocument();
    client.histogram.set({ ...histogram, isComplete: false });
    await expect.element(screen.getByText("Not all events of this time are counted.")).toBeInTheDocument();
  });
});

const lane = (id: string, shift: number): Lane => ({
  id,
  events: 6,
  ticks: Array.from({ length: 6 }, (_, index) => ({
    cursor: 1000 * shift + index,
    time: from + (60 + 90 * index + shift) * 1000,
    kind: index === 5 ? "task.failed" : "agent.output_batch",
    isFailure: index === 5,
  })),
  spans: [{ kind: "task.created", from: from + 60_000, to: shift === 1 ? null : from + 300_000, isFailure: false }],
});

function laned() {
  const client = shown();
  const lanes = [lane("018f3c2e-7b1a-7c3d-9e4f-00000000000a", 1), lane("018f3c2e-7b1a-7c3d-9e4f-00000000000b", 2)];
  client.lanes.set({ by: "agent", lanes, others: 3 });
  return client;
}

describe("the lanes", () => {
  it("name each lane by the end of its id, and say what is in none", async () => {
    const screen = await render(<Lanes client={laned()} utc onBrush={() => {}} />);
    await expect.element(screen.getByText("0000000a")).toBeInTheDocument();
    await expect.element(screen.getByText("3 events in none of these lanes")).toBeInTheDocument();
  });

  it("draw ticks and what lasts, failures in their own colour", async () => {
    const screen = await render(<Lanes client={laned()} utc onBrush={() => {}} />);
    const canvas = screen.container.querySelector("canvas")!;
    await expect.poll(() => canvas.width).toBeGreaterThan(100);
    expect(columns(canvas).some((drawn) => drawn > 0)).toBe(true);
    expect(has(canvas, getComputedStyle(screen.container.querySelector("[data-tone=failure]")!).color)).toBe(true);
  });

  it("open the event that is clicked, and none where there is none", async () => {
    const [onSelect, onBrush] = [vi.fn(), vi.fn()];
    await render(<Lanes client={laned()} utc onBrush={onBrush} onSelect={onSelect} />);
    await click((61 + 90) / 600, 0.25);
    await expect.poll(() => onSelect.mock.calls).toEqual([[1001]]);
    await click(0.02, 0.25);
    expect(onSelect).toHaveBeenCalledOnce();
    expect(onBrush).not.toHaveBeenCalled();
  });

  it("choose the span that is dragged over", async () => {
    const onBrush = vi.fn();
    await render(<Lanes client={laned()} utc onBrush={onBrush} />);
    await drag(0.251, 0.499);
    await expect.poll(() => onBrush.mock.calls).toEqual([[{ from: from + 150_000, to: from + 300_000 }]]);
  });

  it("are walked by keys, event by event and lane by lane, and say where one is", async () => {
    const [onSelect, onBrush] = [vi.fn(), vi.fn()];
    const screen = await render(<Lanes client={laned()} utc onBrush={onBrush} onSelect={onSelect} />);
    await userEvent.tab();
    await userEvent.keyboard("{ArrowRight}{ArrowRight}");
    await expect.element(screen.getByRole("status")).toHaveTextContent("10:02:31.000 agent.output_batch #1,001");
    await userEvent.keyboard("{ArrowDown}");
    await expect.element(screen.getByRole("status")).toHaveTextContent("#2,001");
    await userEvent.keyboard("{Enter}");
    expect(onSelect.mock.calls).toEqual([[2001]]);
    await userEvent.keyboard("{Shift>}{ArrowRight}{/Shift}{Enter}");
    expect(onBrush).toHaveBeenCalledOnce();
    expect(onSelect).toHaveBeenCalledOnce();
  });

  it("mark the event that is chosen", async () => {
    const screen = await render(<Lanes client={laned()} utc onBrush={() => {}} selected={2001} />);
    const mark = () => screen.container.querySelector<HTMLElement>(".todoki-lane-selected");
    await expect.poll(() => mark()?.offsetTop).toBe(28);
  });

  it("have a table that tells the same", async () => {
    const screen = await render(<Lanes client={laned()} utc onBrush={() => {}} />);
    await screen.getByText("As a table").click();
    const cells = () =>
      [...screen.container.querySelectorAll("tbody tr:first-child > *")].map((cell) => cell.textContent);
    await expect
      .poll(cells)
      .toEqual(["018f3c2e-7b1a-7c3d-9e4f-00000000000a", "6", "1", "10:01:01.000", "10:08:31.000"]);
  });

  it("say so when there are none", async () => {
    const screen = await render(<Lanes client={shown()} utc onBrush={() => {}} />);
    await expect.element(screen.getByText("No events of any agent in this time.")).toBeInTheDocument();
  });
});

describe("the minimap", () => {
  function mapped(parts = {}) {
    const client = partsClient(parts);
    client.histogram.set(histogram);
    return client;
  }
  const framed = (client: ReturnType<typeof mapped>, onGo?: (time: Date) => void) => (
    <div style={{ height: "300px" }}>
      <Minimap client={client} onGo={onGo} />
    </div>
  );

  it("goes to the time that is clicked", async () => {
    const seek = vi.fn(async () => {});
    await render(framed(mapped({ seek })));
    const map = document.querySelector<HTMLElement>(".todoki-minimap")!;
    await expect.poll(() => map.querySelector("canvas")?.height).toBeGreaterThan(100);
    map.dispatchEvent(
      new PointerEvent("pointerdown", { clientY: map.getBoundingClientRect().top + 150, button: 0, bubbles: true }),
    );
    expect(seek.mock.calls).toEqual([[new Date(from + 30 * windowMs)]]);
  });

  it("shows failures in their own colour, and the part that is in view", async () => {
    const client = mapped();
    const screen = await render(framed(client));
    const canvas = screen.container.querySelector("canvas")!;
    await expect
      .poll(() => has(canvas, getComputedStyle(screen.container.querySelector("[data-tone=failure]")!).color))
      .toBe(true);
    client.rows.set(rowsAt(0, [eventRow({ time: from + 300_000 }), eventRow({ time: from + 360_000 })]));
    const view = () => screen.container.querySelector<HTMLElement>(".todoki-minimap-view");
    await expect.poll(() => view()?.offsetTop).toBe(150);
    expect(view()?.offsetHeight).toBe(30);
  });
});

describe("where the system chooses the colours", () => {
  const force = (value: string) =>
    cdp().send("Emulation.setEmulatedMedia", { features: [{ name: "forced-colors", value }] });
  afterEach(() => force("none"));

  it("bars and ticks are drawn in them", async () => {
    await force("active");
    const client = laned();
    const screen = await render(
      <>
        <Histogram client={client} utc onBrush={() => {}} />
        <Lanes client={client} utc onBrush={() => {}} />
      </>,
    );
    const canvases = [...screen.container.querySelectorAll("canvas")];
    expect(canvases).toHaveLength(2);
    for (const canvas of canvases) await expect.poll(() => has(canvas, "CanvasText")).toBe(true);
    await force("none");
    for (const canvas of canvases) await expect.poll(() => has(canvas, "CanvasText")).toBe(false);
  });
});

describe.each(themes)("in the %s theme", (theme) => {
  it("axe has no objection to any strip", async () => {
    setTheme(theme);
    const client = laned();
    const screen = await render(
      <main>
        <Histogram client={client} utc onBrush={() => {}} brush={window(3)} />
        <Lanes client={client} utc onBrush={() => {}} selected={1001} />
        <Minimap client={client} />
      </main>,
    );
    await screen.getByRole("button", { name: "Table" }).click();
    await screen.getByText("As a table").click();
    expect(screen.getByRole("table").elements()).toHaveLength(2);
    await expectAccessible(screen.container);
  });

  it("bars and ticks can be told from what is behind them", async () => {
    setTheme(theme);
    const screen = await render(<Lanes client={laned()} utc onBrush={() => {}} />);
    const behind = getComputedStyle(strip()).backgroundColor;
    for (const sample of screen.container.querySelectorAll("[data-tone]")) {
      expect(contrast(getComputedStyle(sample).color, behind)).toBeGreaterThanOrEqual(3);
    }
  });
});
