import { afterEach, expect, it, vi } from "vitest";
import { cdp, page, userEvent } from "vitest/browser";
import type { Status } from "../src/event-client.ts";
import { type FakeClient, fakeClient } from "./fake-client.ts";
import { expectAccessible, frames, type Shown, show } from "./page.tsx";

afterEach(() => {
  document.documentElement.removeAttribute("data-theme");
  vi.useRealTimers();
});

/** Every state that a stream can be in, with the words that are to be seen in it. */
const STATES: readonly {
  readonly name: string;
  readonly events: number;
  readonly set: (client: FakeClient) => void;
  readonly says: readonly string[];
}[] = [
  state("connecting", 0, { phase: "connecting" }, ["Connecting…"]),
  state("replaying", 50, { phase: "replaying", progress: { done: 0.41, eventsPerSecond: 82_000, secondsLeft: 1 } }, [
    "Replaying",
    "41 % · 82K/s · 1 s left",
    "Jump to now",
  ]),
  state("live", 50, {}, ["Live", "8 ms", "Pause"]),
  state("slow", 50, { rttMs: 900 }, ["Live", "900 ms"]),
  {
    name: "paused",
    events: 500,
    set: (client) => {
      client.pause();
      client.append([{}, { kind: "task.failed", isFailure: true }]);
    },
    says: ["Paused", "2 new", "2 new · 1 failed", "Follow"],
  },
  state("lagging", 50, { phase: "lagging", lag: { events: 3100, ms: 600 } }, ["Behind", "3,100 events · 600 ms"]),
  state("disconnected", 50, { phase: "disconnected", attempt: 3, retryAt: Date.now() + 3_600_000 }, [
    "Offline",
    "(attempt 3)",
    "Retry now",
  ]),
  state("offline", 50, { phase: "offline" }, ["No network", "Retry now"]),
  state("restarting", 50, { phase: "restarting" }, ["Server restarting"]),
  state("unauthorized", 50, { phase: "unauthorized", error: { code: "3000", message: "the token has expired" } }, [
    "Sign in again",
    "the token has expired",
  ]),
  state("expired", 50, { phase: "expired", error: { code: "3000", message: "the token has expired" } }, [
    "Token expired",
    "Your token has expired",
    "goes on after the last event",
  ]),
  state("expiring", 50, { tokenExpiresAt: Date.now() + 3_600_000 }, [
    "Live",
    "Your token expires in",
    "With another one",
  ]),
  state(
    "expiring-unfetched",
    50,
    { tokenExpiresAt: Date.now() + 3_600_000, error: { code: "token", message: "sign-in is down" } },
    ["Your token expires in", "could not be fetched, and is asked for again: sign-in is down"],
  ),
  state("limited", 50, { phase: "limited", attempt: 1, retryAt: Date.now() + 3_600_000 }, [
    "Rate limited",
    "retrying in",
  ]),
  state("limited-away", 0, { phase: "limited", attempt: 1, retryAt: Date.now() + 3_600_000 }, [
    "The server asks for less.",
  ]),
  state("no-token", 50, { phase: "disconnected", error: { code: "token", message: "sign-in is down" } }, ["No token"]),
  state("forbidden", 50, { phase: "forbidden", error: { code: "3003", message: "kind audit.*" } }, [
    "Not allowed",
    "kind audit.*",
  ]),
  state("stopped", 50, { phase: "stopped", error: { code: "1008", message: "no such kind" } }, [
    "Stopped",
    "no such kind",
    "Retry now",
  ]),
  state("empty", 0, {}, ["No events yet", "todoki emit --url https://events.example.org", "curl --json"]),
  {
    name: "empty-with-past",
    events: 0,
    set: (client) => client.say({ rows: { hasOlder: true } }),
    says: ["Nothing new yet", "Load older events"],
  },
  {
    name: "filtered",
    events: 0,
    set: (client) => client.say({ counts: { loaded: 88_120, shown: 0 } }),
    says: ["No event matches", "88,120 events hidden by the filter.", "Clear filter", "Search older events"],
  },
  state("away", 0, { phase: "offline" }, ["Not connected"]),
  {
    name: "marking",
    events: 0,
    set: (client) => {
      client.append([{ isHit: false }, {}, { isHit: false }, { isNewDay: true }]);
      client.say({ counts: { hits: 2 } });
    },
    says: ["Live"],
  },
  {
    name: "markers",
    events: 5,
    set: (client) => {
      const gap = { type: "gap", after: 1, through: 9, count: 8, isLoading: false } as const;
      client.mark({ ...gap, reason: "skipped", isLoadable: true });
      client.mark({ ...gap, reason: "skipped", isLoadable: true, isLoading: true });
      client.mark({ ...gap, reason: "retention", isLoadable: false });
      client.mark({ ...gap, reason: "forbidden", isLoadable: false, count: null });
      client.mark({ type: "reconnect", downMs: 61_000, missed: 12 });
      client.mark({ type: "lag", events: 9, ms: 10 });
      client.mark({ type: "lag", events: null, ms: 10 });
      client.mark({ type: "epoch" });
    },
    says: [
      "8 events skipped",
      "Load them",
      "Loading…",
      "this token may not read it",
      "12 events came late",
      "9 events behind for",
      "Behind for",
    ],
  },
];

function state(name: string, events: number, status: Partial<Status>, says: readonly string[]) {
  return { name, events, set: (client: FakeClient) => client.is(status), says };
}

async function reach(name: string, width = 900): Promise<{ shown: Shown; client: FakeClient }> {
  const { events, set } = STATES.find((each) => each.name === name)!;
  const client = fakeClient(events);
  const shown = await show(client, { url: "https://events.example.org" } as object, { width });
  set(client);
  await frames();
  return { shown, client };
}

for (const { name, says } of STATES) {
  it(`says that it is ${name}, in words`, async () => {
    const { shown } = await reach(name);
    for (const words of says) expect(shown.root.textContent).toContain(words);
  });
  for (const theme of ["light", "dark"]) {
    for (const width of [900, 390]) {
      it(`has nothing that axe minds when it is ${name}, ${theme}, ${width} px wide`, async () => {
        document.documentElement.setAttribute("data-theme", theme);
        const { shown } = await reach(name, width);
        await expectAccessible(shown.root);
      });
    }
  }
}

it("has nothing that axe minds with an event open, in light and dark", async () => {
  for (const theme of ["light", "dark"]) {
    document.documentElement.setAttribute("data-theme", theme);
    const client = fakeClient(50);
    const shown = await show(client, {}, { width: 1200, height: 700 });
    await shown.press("k");
    await shown.press("Enter");
    expect(shown.root.querySelector(".todoki-detail")).not.toBeNull();
    await expectAccessible(shown.root);
    await shown.unmount();
  }
});

it("fits a view of 320 px in every state, which is also a zoom of 200 % and more", async () => {
  for (const { name } of STATES) {
    const { shown } = await reach(name, 320);
    const parts = shown.root.querySelectorAll("button, .todoki-pill, .todoki-panel, .todoki-alert, .todoki-cell");
    const tooWide = [...parts].filter((part) => part.getBoundingClientRect().right > 320);
    expect([name, tooWide.map((part) => part.outerHTML)]).toEqual([name, []]);
    for (const part of parts)
      expect([name, part.scrollWidth > part.clientWidth && part.matches("button")]).toEqual([name, false]);
    await shown.unmount();
  }
});

it("raises an alert for what a person alone can mend, and for nothing else", async () => {
  for (const { name } of STATES) {
    const { shown } = await reach(name);
    const isAlert = shown.root.querySelector("[role=alert]") !== null;
    expect([name, isAlert]).toEqual([name, ["unauthorized", "expired", "forbidden"].includes(name)]);
    await shown.unmount();
  }
});

it("keeps the rows when the connection is lost or the token refused", async () => {
  for (const name of ["disconnected", "offline", "limited", "unauthorized", "expired", "forbidden", "stopped"]) {
    const { shown } = await reach(name);
    expect(shown.rows().length).toBeGreaterThan(5);
    await shown.unmount();
  }
});

it("shows nothing for 300 ms while it connects, and then rows to come", async () => {
  const client = fakeClient(0);
  client.is({ phase: "connecting" });
  const shown = await show(client);
  const skeleton = shown.root.querySelector(".todoki-skeleton")!;
  const [appearing] = skeleton.getAnimations();
  expect(appearing?.effect?.getTiming().delay).toBe(300);
  appearing!.currentTime = 299;
  expect(getComputedStyle(skeleton).opacity).toBe("0");
  appearing!.currentTime = 302;
  expect(getComputedStyle(skeleton).opacity).toBe("1");
});

it("counts down to the next attempt once a second, and tries at once when asked", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  vi.setSystemTime(1_000_000);
  const client = fakeClient(5);
  client.is({ phase: "disconnected", attempt: 1, retryAt: 1_003_200 });
  const { root } = await show(client);
  const pill = root.querySelector(".todoki-pill")!;
  expect(pill.textContent).toContain("retrying in 4 s");
  await vi.advanceTimersByTimeAsync(200);
  await frames();
  expect(pill.textContent).toContain("retrying in 3 s");
  await vi.advanceTimersByTimeAsync(3000);
  await frames();
  expect(pill.textContent).toContain("retrying now");
  expect(vi.getTimerCount()).toBe(0);
  root.querySelector<HTMLButtonElement>(".todoki-status button")!.click();
  expect(client.called("reconnect")).toHaveLength(1);
});

it("counts down to when the server lets it in again, and offers nothing that would be in vain", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  vi.setSystemTime(1_000_000);
  const client = fakeClient(5);
  client.is({ phase: "limited", attempt: 1, retryAt: 1_012_000 });
  const { root } = await show(client);
  const pill = root.querySelector(".todoki-pill")!;
  expect(pill.textContent).toContain("retrying in 12 s");
  await vi.advanceTimersByTimeAsync(2000);
  await frames();
  expect(pill.textContent).toContain("retrying in 10 s");
  expect(root.querySelector(".todoki-status button")).toBeNull();
});

it("offers a sign-in where the token has expired, and to clear the filter where grants allow none of it", async () => {
  const client = fakeClient(5);
  const onClearFilter = vi.fn();
  const { root } = await show(client, { signIn: <a href="/sign-in">Get another</a>, isNarrowed: true, onClearFilter });
  const alert = () => root.querySelector("[role=alert]")!;
  client.is({ phase: "expired" });
  await frames();
  expect(alert().textContent).toContain("Get another");
  expect(alert().querySelector("button")).toBeNull();
  client.is({ phase: "forbidden" });
  await frames();
  expect(alert().textContent).not.toContain("Get another");
  await userEvent.click(page.getByRole("button", { name: "Clear filter" }));
  expect(onClearFilter).toHaveBeenCalledOnce();
});

it("warns of a token that ends soon and counts the seconds, and says so once aloud", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  vi.setSystemTime(1_000_000);
  const client = fakeClient(5);
  const { root } = await show(client);
  const region = root.querySelector("[role=status]")!;
  const bar = () => root.querySelector(".todoki-alert");
  expect(bar()).toBeNull();
  client.is({ tokenExpiresAt: 1_060_000 });
  await frames();
  expect(bar()!.textContent).toContain("Your token expires in 60 s");
  const said = region.textContent;
  expect(said).toContain("Your token expires soon.");
  await vi.advanceTimersByTimeAsync(18_000);
  await frames();
  expect(bar()!.textContent).toContain("Your token expires in 42 s");
  expect(region.textContent).toBe(said);
  await vi.advanceTimersByTimeAsync(45_000);
  await frames();
  expect(bar()!.textContent).toContain("Your token expires now");
  expect(vi.getTimerCount()).toBe(0);
  client.is({ tokenExpiresAt: null });
  await frames();
  expect(bar()).toBeNull();
});

it("offers another token before the old one ends, in reach of who looks for it and in nobody's way", async () => {
  const client = fakeClient(5);
  const { root, grid } = await show(client, { signIn: <input aria-label="Token" ref={(field) => field?.focus()} /> });
  grid.focus();
  client.is({ tokenExpiresAt: Date.now() + 3_600_000 });
  await frames();
  expect(document.activeElement).toBe(grid);
  const field = page.getByRole("textbox", { name: "Token" });
  await expect.element(field).not.toBeInTheDocument();
  const opener = page.getByRole("button", { name: "Use another token" });
  await userEvent.click(opener);
  await expect.element(field).toHaveFocus();
  await expect.element(opener).toHaveAttribute("aria-expanded", "true");
  // What is typed outlives a wrong attempt, and the token itself.
  await userEvent.keyboard("half of a tok");
  client.is({ error: { code: "unauthorised", message: "no such token" } });
  await frames();
  expect(root.querySelector(".todoki-alert")!.textContent).toContain("does not take the other one");
  client.is({ phase: "expired" });
  await frames();
  expect(root.querySelector("[role=alert]")).not.toBeNull();
  await expect.element(field).toHaveValue("half of a tok");
  await expect.element(field).toHaveFocus();
  // With it the keys are back in the list, where they were.
  client.is({ phase: "live", tokenExpiresAt: null, error: null });
  await frames();
  await expect.element(field).not.toBeInTheDocument();
  expect(document.activeElement).toBe(grid);
});

it("takes the keys from nobody when the warning goes", async () => {
  const client = fakeClient(5);
  client.is({ tokenExpiresAt: Date.now() + 3_600_000 });
  await show(client, { signIn: <input aria-label="Token" /> });
  const pause = page.getByRole("button", { name: "Pause" });
  pause.element().focus();
  client.is({ tokenExpiresAt: null });
  await frames();
  await expect.element(pause).toHaveFocus();
});

it("offers no clearing of a filter that there is not", async () => {
  const client = fakeClient(5);
  client.is({ phase: "forbidden" });
  const { root } = await show(client, { onClearFilter: () => {} });
  expect(root.querySelector("[role=alert] button")).toBeNull();
});

it("offers another token where grants allow none of it, and only there", async () => {
  const client = fakeClient(5);
  const onSignOut = vi.fn();
  const { root } = await show(client, { onSignOut, isNarrowed: true, onClearFilter: () => {} });
  const offers = () => [...root.querySelectorAll("[role=alert] button")].map((button) => button.textContent);
  client.is({ phase: "expired" });
  await frames();
  expect(offers()).toEqual([]);
  client.is({ phase: "forbidden" });
  await frames();
  expect(offers()).toEqual(["Clear filter", "Use another token"]);
  await userEvent.click(page.getByRole("button", { name: "Use another token" }));
  expect(onSignOut).toHaveBeenCalledOnce();
});

it("says a change of the connection once, and sums new events up once in ten seconds", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  const client = fakeClient(5);
  const { root } = await show(client);
  const region = root.querySelector("[role=status]")!;
  expect(region.textContent).toBe("Connected. Events are live.");
  client.append(100);
  client.append(24);
  await vi.advanceTimersByTimeAsync(9000);
  await frames();
  expect(region.textContent).toBe("Connected. Events are live.");
  await vi.advanceTimersByTimeAsync(1100);
  await frames();
  expect(region.textContent).toBe("124 new events");
  client.is({ phase: "disconnected", attempt: 1, retryAt: Date.now() + 5000 });
  await frames();
  expect(region.textContent).toBe("Connection lost. Retrying.");
  client.append(3);
  await vi.advanceTimersByTimeAsync(9000);
  client.is({ attempt: 2 });
  await frames();
  expect(region.textContent).toBe("Connection lost. Retrying.");
});

it("does not sum up events for those who do not want it", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  const client = fakeClient(5);
  const { root } = await show(client, { announces: false });
  client.append(100);
  await vi.advanceTimersByTimeAsync(60_000);
  await frames();
  expect(root.querySelector("[role=status]")!.textContent).toBe("Connected. Events are live.");
});

it("clears the filter, searches the server for older matches and says what came of it", async () => {
  const { shown, client } = await reach("filtered");
  const button = (name: string) => page.getByRole("button", { name });
  await userEvent.click(button("Clear filter"));
  expect(client.called("setQuery")).toEqual([["setQuery", "", "filter"]]);
  await userEvent.click(button("Search older events"));
  expect(client.called("searchOlder")).toHaveLength(1);
  await expect.poll(() => shown.root.textContent).toContain("No older event matches.");
});

it("offers a pause when nobody could read so fast", async () => {
  const client = fakeClient(50);
  const { root } = await show(client);
  expect(root.textContent).not.toContain("Pause to read");
  client.say({ counts: { eventsPerSecond: 4980 } });
  await frames();
  expect(root.textContent).toContain("4,980/s · Pause to read");
});

it("shows nobody the sentence that is only to be heard", async () => {
  const { root } = await show(fakeClient(5));
  const region = root.querySelector("[role=status]")!;
  expect(region.textContent).not.toBe("");
  expect(region.getBoundingClientRect().width).toBeLessThanOrEqual(1);
});

it("shows what is open and what failed without colours of its own where the reader chose them", async () => {
  await cdp().send("Emulation.setEmulatedMedia", { features: [{ name: "forced-colors", value: "active" }] });
  try {
    const client = fakeClient(50);
    const shown = await show(client, { selected: 1_000_049, renderDetail: null });
    const look = (place: number) => getComputedStyle(shown.row(place)!);
    expect(look(49).backgroundColor).not.toBe(look(48).backgroundColor);
    const failed = shown.root.querySelector("[data-failure] .todoki-kind-name")!;
    expect(getComputedStyle(failed).textDecorationLine).toBe("underline");
    await expectAccessible(shown.root);
  } finally {
    await cdp().send("Emulation.setEmulatedMedia", { features: [] });
  }
});

it("follows the theme of an ancestor and else that of the system", async () => {
  const client = fakeClient(5);
  const { root } = await show(client);
  const background = () => getComputedStyle(root).backgroundColor;
  document.documentElement.setAttribute("data-theme", "light");
  const light = background();
  document.documentElement.setAttribute("data-theme", "dark");
  const dark = background();
  expect(light).not.toBe(dark);
  document.documentElement.removeAttribute("data-theme");
  document.documentElement.classList.add("dark");
  expect(background()).toBe(dark);
  document.documentElement.classList.remove("dark");
  expect(background()).toBe(matchMedia("(prefers-color-scheme: dark)").matches ? dark : light);
});
