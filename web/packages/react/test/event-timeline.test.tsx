import { StrictMode } from "react";
import { afterEach, expect, it, vi } from "vitest";
import { cdp, page, userEvent } from "vitest/browser";
import { render } from "vitest-browser-react";
import { TodokiProvider } from "../src/provider.tsx";
import { EventTimeline } from "../src/timeline/event-timeline.tsx";
import type { ListControl } from "../src/timeline/list-engine.ts";
import { type FakeClient, fakeClient } from "./fake-client.ts";
import { frames, type Shown, show } from "./page.tsx";

afterEach(() => {
  vi.restoreAllMocks();
});

function activePlace({ grid }: Shown): number | null {
  const id = grid.getAttribute("aria-activedescendant");
  const row = id === null ? null : document.getElementById(id);
  return row === null ? null : Number(row.getAttribute("data-place"));
}

function openCursor({ grid }: Shown): number | null {
  const row = grid.querySelector<HTMLElement>('[aria-selected="true"]');
  return row === null ? null : Number(row.getAttribute("data-cursor"));
}

it("opens its own stream from its options, and closes it", async () => {
  const opened: FakeClient[] = [];
  const open = () => {
    const client = fakeClient(10);
    opened.push(client);
    return client;
  };
  const screen = await render(
    <StrictMode>
      <TodokiProvider open={open}>
        <EventTimeline taskId="0197f1c2-0000-7000-8000-000000000001" maxEvents={1000} height={300} />
      </TodokiProvider>
    </StrictMode>,
  );
  await expect.element(screen.getByRole("grid", { name: "Events" })).toBeVisible();
  await expect.element(screen.getByText("Live", { exact: true })).toBeVisible();
  expect(opened).toHaveLength(1);
  await screen.unmount();
  await expect.poll(() => opened[0]!.isClosed).toBe(true);
});

it("begins anew with another client, whose places mean something else", async () => {
  const first = fakeClient(1000);
  const shown = await show(first);
  await shown.press("k");
  const second = fakeClient(30);
  await shown.rerender({ stream: second });
  const grid = shown.root.querySelector("[role=grid]")!;
  expect(grid.getAttribute("aria-activedescendant")).toBeNull();
  expect(grid.getAttribute("aria-rowcount")).toBe("31");
  expect(grid.querySelectorAll(".todoki-row").length).toBeGreaterThan(15);
});

it("moves with the keys of a list and with letters, and stops following to do so", async () => {
  const client = fakeClient(1000);
  const shown = await show(client);
  await shown.press("k");
  const begin = activePlace(shown)!;
  expect(begin).toBe(999);
  await shown.press("ArrowUp");
  await shown.press("k");
  expect(activePlace(shown)).toBe(997);
  await shown.press("j");
  expect(activePlace(shown)).toBe(998);
  expect(client.called("pause")).toHaveLength(1);
  await shown.press("PageUp");
  const page = activePlace(shown)!;
  expect(page).toBeLessThan(990);
  expect(shown.row(page)!.getBoundingClientRect().top).toBeGreaterThanOrEqual(shown.grid.getBoundingClientRect().top);
  await shown.press("g");
  expect(activePlace(shown)).toBe(0);
  expect(shown.grid.scrollTop).toBe(0);
  await shown.press("End");
  expect(client.called("resume")).toHaveLength(1);
  expect(client.rows.get().isFollowing).toBe(true);
});

it("stays with the event when its row goes far away, and when places lose their meaning", async () => {
  const client = fakeClient(1000);
  const shown = await show(client);
  await shown.press("k");
  await shown.press("k");
  expect(activePlace(shown)).toBe(998);
  const cursor = 1_000_998;
  await shown.wheel(-20_000);
  expect(activePlace(shown)).toBe(998);
  client.prepend(100);
  await frames();
  expect(activePlace(shown)).toBe(998);
  client.restart(1000, 500);
  await frames();
  expect(activePlace(shown)).toBe(cursor - 1_000_000);
  client.restart(10);
  await frames();
  expect(activePlace(shown)).toBeNull();
});

it("opens an event by a click and by Enter, follows the keys while open, and closes by Escape", async () => {
  const client = fakeClient(100);
  const chosen: (number | null)[] = [];
  const shown = await show(client, { onSelect: (cursor) => chosen.push(cursor) });
  shown.row(95)!.querySelector<HTMLElement>(".todoki-c-summary")!.click();
  await frames();
  expect(openCursor(shown)).toBe(1_000_095);
  expect(shown.root.querySelector(".todoki-detail")).not.toBeNull();
  expect(client.called("pause")).toHaveLength(1);
  shown.grid.focus();
  await shown.press("j");
  expect(openCursor(shown)).toBe(1_000_096);
  await shown.press("Escape");
  expect(openCursor(shown)).toBeNull();
  expect(shown.root.querySelector(".todoki-detail")).toBeNull();
  await shown.press("Enter");
  expect(chosen).toEqual([1_000_095, 1_000_096, null, 1_000_096]);
});

it("keeps the opened event in view where the detail takes the lower half of the list", async () => {
  const client = fakeClient(100);
  const shown = await show(client, {}, { width: 700, height: 600 });
  await shown.press("k");
  const before = shown.grid.clientHeight;
  await shown.press("Enter");
  expect(shown.grid.clientHeight).toBeLessThan(before - 100);
  const { bottom } = shown.row(99)!.getBoundingClientRect();
  expect(bottom).toBeLessThanOrEqual(shown.grid.getBoundingClientRect().bottom + 0.5);
});

it("has a way to each permission request that nobody has answered, which opens it and grants nothing", async () => {
  const client = fakeClient(5);
  const ask = (id: string) => ({ kind: "permission.requested", data: `{"request_id":"${id}","tool":"bash"}` });
  client.append([ask("a"), ask("b"), { kind: "permission.responded", data: '{"request_id":"a","option_id":"allow"}' }]);
  const { grid } = await show(client);
  await page.getByRole("button", { name: "Answer" }).click();
  expect(grid.querySelector('[aria-selected="true"]')?.getAttribute("data-place")).toBe("6");
  expect(client.called("emit")).toEqual([]);
  await page.getByRole("button", { name: "Allow" }).click();
  await expect.poll(() => client.called("emit").length).toBe(1);
  await expect.poll(() => page.getByRole("button", { name: "Answer" }).elements()).toEqual([]);
});

it("leaves out columns where there is no room for them", async () => {
  const client = fakeClient(5);
  const titles = ({ grid }: Shown) =>
    [...grid.querySelectorAll("[role=columnheader]")].map((title) => title.textContent).join(" ");
  expect(titles(await show(client, {}, { width: 1000 }))).toBe("Time Cursor Kind Agent Task Summary");
  expect(titles(await show(client, {}, { width: 700 }))).toBe("Time Kind Task Summary");
});

it("shows what its owner says is open, and fetches it when the list does not have it", async () => {
  const client = fakeClient(100);
  const chosen: (number | null)[] = [];
  const detail = (cursor: number) => `detail of ${cursor}`;
  const shown = await show(client, {
    selected: 1_000_099,
    onSelect: (cursor) => chosen.push(cursor),
    renderDetail: ({ row }) => <p>{detail(row.cursor)}</p>,
  });
  expect(shown.root.textContent).toContain(detail(1_000_099));
  await shown.press("Escape");
  expect(chosen).toEqual([null]);
  expect(shown.root.textContent).toContain(detail(1_000_099));
  await shown.rerender({ selected: 1_000_003 });
  await expect.poll(() => shown.root.textContent).toContain(detail(1_000_003));
  await shown.rerender({ selected: null });
  expect(shown.root.textContent).not.toContain("detail of");
});

it("goes from failure to failure and from match to match", async () => {
  const client = fakeClient(1000);
  const shown = await show(client);
  await shown.press("E");
  expect(activePlace(shown)).toBe(999);
  await shown.press("E");
  expect(activePlace(shown)).toBe(994);
  await shown.press("E");
  expect(activePlace(shown)).toBe(989);
  await shown.press("e");
  expect(activePlace(shown)).toBe(994);
  await shown.press("N");
  expect(client.called("find").at(-1)).toEqual(["find", "hit", 994, -1]);
  await shown.press("o");
  expect(client.called("find").at(-1)?.slice(1, 2)).toEqual(["same-task"]);
});

it("hides the kind of an event, copies it and changes how rows look, by key", async () => {
  const client = fakeClient(50);
  const terms: string[] = [];
  const copied = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
  const shown = await show(client, { onFilter: (term) => terms.push(term), zone: "utc" });
  await shown.press("k");
  await shown.press("x");
  expect(terms).toEqual(["-kind:task.failed"]);
  await shown.press("c");
  await expect.poll(() => copied.mock.calls.length).toBe(1);
  expect(JSON.parse(copied.mock.calls[0]![0])).toMatchObject({ cursor: 1_000_049, kind: "task.failed" });
  await expect.poll(() => shown.root.querySelector("[role=status]")!.textContent).toBe("Copied event 1000049");
  expect(shown.row(49)!.offsetHeight).toBe(28);
  await shown.press("d");
  expect(shown.row(49)!.offsetHeight).toBe(40);
  await shown.press("d");
  expect(shown.row(49)!.offsetHeight).toBe(24);
  const utc = shown.row(49)!.querySelector(".todoki-c-time")!.textContent;
  expect(utc).toBe("10:00:12.250");
});

it("hands the page the keys that are the page's", async () => {
  const client = fakeClient(5);
  const heard: string[] = [];
  const shown = await show(client, { onShortcut: (id) => heard.push(id), shortcuts: "page" });
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "/", bubbles: true, cancelable: true }));
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "?", bubbles: true, cancelable: true }));
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "k", bubbles: true, cancelable: true }));
  await frames();
  expect(heard).toEqual(["search", "help"]);
  expect(activePlace(shown)).toBe(4);
});

it("leaves keys alone that are typed, and letters where they are turned off", async () => {
  const client = fakeClient(5);
  const shown = await show(client, {
    signIn: <input aria-label="Token" />,
    shortcuts: false,
  });
  await shown.press("k");
  expect(activePlace(shown)).toBeNull();
  await shown.press("ArrowUp");
  expect(activePlace(shown)).toBe(4);
  client.is({ phase: "unauthorized" });
  await shown.rerender({ shortcuts: true });
  const field = shown.root.querySelector("input")!;
  await userEvent.type(field, "jk ");
  expect(field.value).toBe("jk ");
  expect(activePlace(shown)).toBe(4);
  expect(client.called("pause")).toHaveLength(0);
});

it("draws rows, summaries and columns as it is told", async () => {
  const client = fakeClient(5);
  const shown = await show(client, { columns: ["kind", "session"], renderSummary: () => "never" });
  expect(shown.row(4)!.querySelectorAll("[role=gridcell]")).toHaveLength(2);
  expect(shown.grid.getAttribute("aria-colcount")).toBe("2");
  await shown.rerender({ columns: undefined, renderSummary: (row) => <b>{row.cursor}!</b> });
  expect(shown.row(4)!.querySelector(".todoki-c-summary b")?.textContent).toBe("1000004!");
  await shown.rerender({ renderRow: (row) => <i>whole {row.cursor}</i> });
  expect(shown.row(4)!.textContent).toBe("whole 1000004");
});

it("marks the words that a query looks for", async () => {
  const client = fakeClient(5);
  client.append([{ kind: "a.b", summary: "title=Login timeout" }]);
  const shown = await show(client, { highlight: "LOGIN kind:a.*" });
  expect([...shown.row(5)!.querySelectorAll("mark")].map((mark) => mark.textContent)).toEqual(["Login"]);
});

it("goes where the page wants it to", async () => {
  const client = fakeClient(1000);
  const control = { current: null as ListControl | null };
  const shown = await show(client, { control });
  expect(await control.current!.find("failure", -1)).toBe(true);
  await control.current!.show(1_000_123);
  await frames();
  expect(activePlace(shown)).toBe(123);
  expect(shown.offset(123)).toBeGreaterThan(28);
  await control.current!.show(5);
  expect(client.called("seek")).toEqual([["seek", 5]]);
});

it("moves four times a second at most for those who want less motion, and at once when they scroll", async () => {
  await cdp().send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-reduced-motion", value: "reduce" }] });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const client = fakeClient(1000);
    const shown = await show(client);
    const last = () => Number(shown.rows().at(-1)!.getAttribute("data-place"));
    client.append(1);
    await vi.advanceTimersByTimeAsync(250);
    await frames();
    expect(last()).toBe(1000);
    client.append(1);
    await frames();
    await vi.advanceTimersByTimeAsync(249);
    await frames();
    expect(last()).toBe(1000);
    await vi.advanceTimersByTimeAsync(1);
    await frames();
    expect(last()).toBe(1001);
    await shown.wheel(-2000);
    expect(last()).toBeLessThan(960);
  } finally {
    vi.useRealTimers();
    await cdp().send("Emulation.setEmulatedMedia", { features: [] });
  }
});

it("does not follow from the start when it is told not to", async () => {
  const client = fakeClient(500);
  await show(client, { autoScroll: false });
  expect(client.rows.get().isFollowing).toBe(false);
});

it("counts what came while it stood still, and follows again by that button", async () => {
  const client = fakeClient(500);
  const shown = await show(client);
  await shown.press(" ");
  client.append([{}, {}, { kind: "task.failed", isFailure: true }]);
  await frames();
  const pill = shown.root.querySelector<HTMLElement>(".todoki-new")!;
  expect(pill.textContent).toContain("3 new · 1 failed");
  pill.click();
  await frames();
  expect(client.rows.get().isFollowing).toBe(true);
  expect(shown.root.querySelector(".todoki-new")).toBeNull();
});

it("leaves no timer, no frame and no listener behind when it is gone", async () => {
  const client = fakeClient(500);
  client.is({ phase: "disconnected", retryAt: Date.now() + 60_000, attempt: 2 });
  const timers = new Set<unknown>();
  const { setTimeout: set, clearTimeout: clear } = window;
  vi.spyOn(window, "setTimeout").mockImplementation(((run: () => void, ms?: number, ...args: unknown[]) => {
    const timer = set(
      () => {
        timers.delete(timer);
        run();
      },
      ms,
      ...args,
    );
    // A shorter one is React's or the test's own, and is over by the time we look.
    if ((ms ?? 0) >= 100) timers.add(timer);
    return timer;
  }) as typeof window.setTimeout);
  vi.spyOn(window, "clearTimeout").mockImplementation((timer) => {
    timers.delete(timer);
    clear(timer);
  });
  let listening = 0;
  const { addEventListener: add, removeEventListener: remove } = EventTarget.prototype;
  const ours = (target: unknown) => target === window || target === document;
  vi.spyOn(EventTarget.prototype, "addEventListener").mockImplementation(function (this: EventTarget, ...args) {
    if (ours(this)) listening += 1;
    add.apply(this, args);
  });
  vi.spyOn(EventTarget.prototype, "removeEventListener").mockImplementation(function (this: EventTarget, ...args) {
    if (ours(this)) listening -= 1;
    remove.apply(this, args);
  });
  const shown = await show(client, { shortcuts: "page" });
  client.append(10);
  await frames();
  expect(timers.size).toBeGreaterThan(0);
  expect(listening).toBeGreaterThan(0);
  await shown.unmount();
  expect(timers.size).toBe(0);
  expect(listening).toBe(0);
});
