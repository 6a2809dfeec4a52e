import { Profiler } from "react";
import { expect, it, vi } from "vitest";
import type { Marker } from "../src/event-client.ts";
import { fakeClient } from "./fake-client.ts";
import { frames, type Shown, show } from "./page.tsx";

const ROW_PX = 28;

/** The row that is on top of the view and not covered by the titles. */
function topPlace({ grid, rows }: Shown): number {
  const head = grid.querySelector(".todoki-head")?.getBoundingClientRect().bottom ?? 0;
  const row = rows().find((each) => each.getBoundingClientRect().top >= head);
  return Number(row?.getAttribute("data-place"));
}

function lastPlace({ rows }: Shown): number {
  return Number(rows().at(-1)?.getAttribute("data-place"));
}

function isAtEnd({ grid }: Shown): boolean {
  return grid.scrollTop + grid.clientHeight >= grid.scrollHeight - 2;
}

it("shows the newest events and follows those that come", async () => {
  const client = fakeClient(1000);
  const shown = await show(client);
  expect(lastPlace(shown)).toBe(999);
  expect(isAtEnd(shown)).toBe(true);
  client.append(50);
  await frames();
  expect(lastPlace(shown)).toBe(1049);
  expect(isAtEnd(shown)).toBe(true);
  expect(shown.rows().at(-1)!.getBoundingClientRect().bottom).toBeLessThanOrEqual(
    shown.grid.getBoundingClientRect().bottom + 0.5,
  );
});

it("draws no more rows for new events than there are in view, and only the new ones", async () => {
  const client = fakeClient(1000);
  let drawn = 0;
  const shown = await show(client, {
    renderSummary: (row) => {
      drawn += 1;
      return row.summary;
    },
  });
  drawn = 0;
  client.append(5);
  await frames();
  expect(drawn).toBe(5);
  drawn = 0;
  client.append(20_000);
  await frames();
  expect(drawn).toBeLessThanOrEqual(shown.rows().length);
  expect(shown.rows().length).toBeLessThan(40);
});

it("draws only new rows when the oldest are dropped as fast as new ones come", async () => {
  const client = fakeClient(1000);
  let drawn = 0;
  const shown = await show(client, {
    renderSummary: (row) => {
      drawn += 1;
      return row.summary;
    },
  });
  client.append(3);
  await frames();
  drawn = 0;
  client.append(4);
  client.evict(4);
  await frames();
  expect(drawn).toBe(4);
  expect(isAtEnd(shown)).toBe(true);
  expect(shown.rows().at(-1)!.getAttribute("aria-rowindex")).toBe(shown.grid.getAttribute("aria-rowcount"));
});

it("commits the list alone when events come", async () => {
  const client = fakeClient(100);
  let commits = 0;
  const counter = {
    id: "timeline",
    onRender: () => {
      commits += 1;
    },
  };
  await show(
    client,
    { showStatus: false },
    {
      around: (inner) => <Profiler {...counter}>{inner}</Profiler>,
    },
  );
  commits = 0;
  client.append(10);
  await frames();
  expect(commits).toBeLessThanOrEqual(2);
});

it("recycles its elements while it scrolls", async () => {
  const client = fakeClient(10_000);
  const shown = await show(client);
  await shown.wheel(-3000);
  const before = new Set(shown.rows());
  shown.grid.scrollTop -= 2000;
  await frames();
  expect(shown.rows().length).toBeGreaterThan(10);
  expect(shown.rows().every((row) => before.has(row))).toBe(true);
});

it("pauses when the wheel turns to the past and follows again when it comes to the end", async () => {
  const client = fakeClient(1000);
  const shown = await show(client);
  await shown.wheel(-400);
  expect(client.called("pause")).toHaveLength(1);
  expect(isAtEnd(shown)).toBe(false);
  const top = topPlace(shown);
  client.append(30);
  await frames();
  expect(topPlace(shown)).toBe(top);
  expect(client.called("resume")).toHaveLength(0);
  await shown.wheel(5000);
  expect(client.called("resume")).toHaveLength(1);
  expect(lastPlace(shown)).toBe(1029);
});

it("keeps a pause by Space although the view is at its end", async () => {
  const client = fakeClient(1000);
  const shown = await show(client);
  await shown.press(" ");
  expect(client.called("pause")).toHaveLength(1);
  await shown.wheel(400);
  shown.grid.dispatchEvent(new Event("scroll"));
  await frames();
  expect(client.called("resume")).toHaveLength(0);
  client.append(10);
  await frames();
  expect(isAtEnd(shown)).toBe(false);
  await shown.press(" ");
  expect(client.called("resume")).toHaveLength(1);
  expect(isAtEnd(shown)).toBe(true);
});

it("changes nothing when the list scrolls itself", async () => {
  const client = fakeClient(1000);
  const shown = await show(client);
  shown.grid.scrollTop = 100;
  await frames();
  client.append(1);
  await frames();
  expect(client.called("pause")).toHaveLength(0);
  expect(isAtEnd(shown)).toBe(true);
});

it("pauses when a finger draws the past into view", async () => {
  const client = fakeClient(1000);
  const { grid } = await show(client);
  const touch = (type: string, clientY: number) =>
    grid.dispatchEvent(
      new TouchEvent(type, { bubbles: true, touches: [new Touch({ identifier: 1, target: grid, clientY })] }),
    );
  touch("touchstart", 200);
  touch("touchmove", 190);
  expect(client.called("pause")).toHaveLength(0);
  touch("touchmove", 230);
  expect(client.called("pause")).toHaveLength(1);
});

it("pauses when the scroll bar is taken", async () => {
  const client = fakeClient(1000);
  const shown = await show(client);
  const { right, top } = shown.grid.getBoundingClientRect();
  const barWidth = shown.grid.offsetWidth - shown.grid.clientWidth;
  const at = { clientX: right - Math.max(1, barWidth / 2), clientY: top + 40, bubbles: true };
  // Bars that lie over the content have no width to be taken at; then it is the wheel or the finger that scrolls.
  shown.grid.dispatchEvent(new PointerEvent("pointerdown", at));
  expect(client.called("pause")).toHaveLength(barWidth > 0 ? 1 : 0);
});

it("keeps the pixel of what one reads when older events come before it and the oldest go", async () => {
  const client = fakeClient(2000);
  const shown = await show(client);
  await shown.wheel(-9001.5);
  const place = topPlace(shown);
  const offset = shown.offset(place);
  const moved: number[] = [];
  for (const change of [() => client.prepend(500), () => client.evict(700), () => client.append(300)]) {
    change();
    // What the browser paints first, and what it settles to.
    await new Promise((resolve) => requestAnimationFrame(resolve));
    moved.push(shown.offset(place) - offset);
    await frames();
    moved.push(shown.offset(place) - offset);
  }
  expect(moved).toEqual([0, 0, 0, 0, 0, 0]);
});

it("keeps the elements of rows when older events come before them", async () => {
  const client = fakeClient(2000);
  let drawn = 0;
  const shown = await show(client, {
    renderSummary: (row) => {
      drawn += 1;
      return row.summary;
    },
  });
  await shown.wheel(-9000);
  drawn = 0;
  client.prepend(500);
  await frames();
  expect(drawn).toBe(0);
  expect(shown.rows()[0]!.getAttribute("aria-rowindex")).toBe(
    `${Number(shown.rows()[0]!.getAttribute("data-place")) + 502}`,
  );
});

it("shows rows at any place of 100,000 in the very frame of the scroll", async () => {
  const client = fakeClient(100_000);
  const shown = await show(client);
  await shown.wheel(-100);
  for (const share of [0, 0.13, 0.5, 0.77, 1, 0.31]) {
    shown.grid.scrollTop = share * (shown.grid.scrollHeight - shown.grid.clientHeight);
    await new Promise((resolve) => shown.grid.addEventListener("scroll", resolve, { once: true }));
    const view = shown.grid.getBoundingClientRect();
    const middle = document.elementFromPoint(view.left + 100, view.top + view.height / 2);
    expect(middle?.closest(".todoki-row")).not.toBeNull();
    await frames();
  }
  expect(shown.rows().length).toBeLessThan(40);
});

it("draws what a small scroll uncovers before the frame is painted, without asking the client", async () => {
  const client = fakeClient(1000);
  const shown = await show(client);
  await shown.wheel(-5000);
  const first = Number(shown.rows()[0]!.getAttribute("data-place"));
  const asked = client.called("setView").length;
  shown.grid.scrollTop -= 3 * ROW_PX;
  await new Promise((resolve) => shown.grid.addEventListener("scroll", resolve, { once: true }));
  expect(Number(shown.rows()[0]!.getAttribute("data-place"))).toBe(first - 3);
  expect(client.called("setView")).toHaveLength(asked);
});

it("stays at the place it is told when places lose their meaning", async () => {
  const client = fakeClient(5000);
  const shown = await show(client);
  client.pause();
  client.restart(3000, 1500);
  await frames();
  const view = shown.grid.getBoundingClientRect();
  const middle = view.top + ROW_PX + (view.height - ROW_PX) / 2;
  const row = shown.row(1500)!.getBoundingClientRect();
  expect(Math.abs(row.top + row.height / 2 - middle)).toBeLessThanOrEqual(ROW_PX);
});

it("loads older and newer events when the view comes near their end, once at a time", async () => {
  const client = fakeClient(400);
  const shown = await show(client);
  client.say({ rows: { hasOlder: true } });
  await frames();
  expect(client.called("loadOlder")).toHaveLength(0);
  await shown.wheel(-100);
  expect(client.called("loadOlder")).toHaveLength(0);
  await shown.wheel(-20_000);
  expect(client.called("loadOlder").length).toBeGreaterThan(0);
  const asked = client.called("loadOlder").length;
  client.say({ rows: { isLoadingOlder: true } });
  await frames();
  await shown.wheel(20);
  expect(client.called("loadOlder")).toHaveLength(asked);
  client.say({ rows: { hasNewer: true } });
  await frames();
  await shown.wheel(20_000);
  expect(client.called("loadNewer").length).toBeGreaterThan(0);
  expect(client.called("resume")).toHaveLength(0);
});

it("does not try again by itself what could not be loaded, but when a person scrolls again", async () => {
  const client = fakeClient(100);
  const loadOlder = vi.spyOn(client, "loadOlder").mockRejectedValue(new Error("the server is away"));
  const shown = await show(client);
  client.say({ rows: { hasOlder: true } });
  await frames();
  await shown.wheel(-2000);
  await expect.poll(() => loadOlder.mock.calls.length).toBe(1);
  for (let i = 0; i < 5; i++) {
    client.append(1);
    await frames();
  }
  expect(loadOlder).toHaveBeenCalledTimes(1);
  await shown.wheel(-10);
  expect(loadOlder).toHaveBeenCalledTimes(2);
  shown.grid.querySelector<HTMLButtonElement>(".todoki-edge button")!.click();
  await expect.poll(() => shown.grid.querySelector(".todoki-edge")!.textContent).toContain("the server is away");
});

it("says what happened to the stream where it happened, and loads what a gap left out", async () => {
  const client = fakeClient(3);
  const shown = await show(client);
  const gap: Marker = {
    type: "gap",
    reason: "slow",
    after: 5,
    through: 219,
    count: 214,
    isLoadable: true,
    isLoading: false,
  };
  client.mark(gap);
  client.mark({ type: "reconnect", downMs: 3400, missed: 0 });
  client.mark({ type: "lag", events: 3100, ms: 600 });
  client.mark({ ...gap, reason: "retention", count: null, isLoadable: false });
  client.mark({ type: "epoch" });
  await frames();
  const texts = [3, 4, 5, 6, 7].map((place) => shown.row(place)!.textContent);
  expect(texts[0]).toContain("214 events not delivered");
  expect(texts[1]).toContain("Reconnected after 3.4 s · 0 events missed");
  expect(texts[2]).toContain("3,100 events behind for 600 ms");
  expect(texts[3]).toContain("Some events older than the server keeps");
  expect(texts[4]).toContain("another history");
  const buttons = shown.grid.querySelectorAll<HTMLButtonElement>(".todoki-row button");
  expect(buttons).toHaveLength(1);
  buttons[0]!.click();
  expect(client.called("fill")).toEqual([["fill", 3]]);
});

it("shows the newest first where that is asked for, and keeps the pixel there too", async () => {
  const client = fakeClient(1000);
  const shown = await show(client, { order: "newest-first" });
  expect(topPlace(shown)).toBe(999);
  client.append(3);
  await frames();
  expect(topPlace(shown)).toBe(1002);
  await shown.wheel(700);
  expect(client.called("pause")).toHaveLength(1);
  const place = topPlace(shown);
  const offset = shown.offset(place);
  client.append(40);
  await frames();
  expect(shown.offset(place)).toBe(offset);
  client.prepend(40);
  await frames();
  expect(shown.offset(place)).toBe(offset);
  await shown.wheel(-9000);
  expect(topPlace(shown)).toBe(1042);
});

it("marks a new day and has two lines for a row where it is narrow", async () => {
  const client = fakeClient(0);
  client.append([{}, { isNewDay: true }]);
  const shown = await show(client, { zone: "utc" }, { width: 320, height: 600 });
  expect(shown.row(1)!.querySelector(".todoki-day")?.textContent).toBe("2026-02-27");
  expect(shown.row(1)!.getBoundingClientRect().height).toBe(52);
  expect(shown.grid.querySelector(".todoki-head")).toBeNull();
  expect(document.documentElement.scrollWidth).toBe(320);
  const summary = shown.row(1)!.querySelector(".todoki-c-summary")!.getBoundingClientRect();
  const kind = shown.row(1)!.querySelector(".todoki-c-kind")!.getBoundingClientRect();
  expect(summary.top).toBeGreaterThanOrEqual(kind.bottom);
});

it("shows the end of ids, with the same colour for the same id", async () => {
  const client = fakeClient(6);
  const { grid } = await show(client);
  const ids = [...grid.querySelectorAll<HTMLElement>(".todoki-c-agent .todoki-id")];
  const first = ids[0]!;
  expect(first.textContent).toBe(first.title.slice(-8));
  const colours = new Map(ids.map((id) => [id.title, id.style.getPropertyValue("--todoki-hue")]));
  expect(colours.size).toBe(3);
  for (const id of ids) expect(id.style.getPropertyValue("--todoki-hue")).toBe(colours.get(id.title));
});
