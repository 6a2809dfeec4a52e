import "./styles.css";
import { type EventClient, TodokiProvider } from "@todoki/react";
import axe from "axe-core";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { page, userEvent } from "vitest/browser";
import { render } from "vitest-browser-react";
import { type FakeClient, fakeClient } from "../packages/react/test/fake-client.ts";
import { App } from "./app.tsx";
import { fakeHost } from "./fake-host.ts";
import { createRouter } from "./router.ts";
import { createViewStore } from "./view-store.ts";

const desktop = [1440, 900] as const;
const phone = [390, 844] as const;

// What the page asks beside the client. There is no server here, and no permission that waits.
beforeEach(() => {
  vi.spyOn(window, "fetch").mockImplementation(async () => Response.json({ events: [] }));
});

afterEach(() => {
  sessionStorage.clear();
  localStorage.clear();
  document.documentElement.classList.remove("dark");
  document.documentElement.removeAttribute("data-theme");
  vi.restoreAllMocks();
});

/** Shows the page at an address, over this client. */
async function show(client: FakeClient, href = "/events", [width, height]: readonly [number, number] = desktop) {
  await page.viewport(width, height);
  const host = fakeHost(href, location.origin);
  const router = createRouter(host);
  const screen = await render(
    <TodokiProvider open={() => client as unknown as EventClient}>
      <App router={router} store={createViewStore(router, window)} />
    </TodokiProvider>,
  );
  return { screen, host, address: () => decodeURIComponent(host.entries.at(-1)!) };
}

async function expectAccessible(): Promise<void> {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  expect(
    violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`),
  ).toEqual([]);
}

it.each([
  ["light", "a desktop", desktop],
  ["dark", "a desktop", desktop],
  ["light", "a phone", phone],
  ["dark", "a phone", phone],
] as const)("shows events in the %s theme on %s without a fault that axe knows of", async (theme, _where, size) => {
  document.documentElement.classList.toggle("dark", theme === "dark");
  document.documentElement.setAttribute("data-theme", theme);
  const { screen } = await show(fakeClient(200), "/events", size);
  await expect.element(screen.getByRole("grid", { name: "Events" })).toBeVisible();
  await expect.element(screen.getByRole("button", { name: "Appearance and account" })).toBeEnabled();
  await expectAccessible();
  expect(document.documentElement.scrollWidth).toBeLessThanOrEqual(size[0]);
});

it("filters while one types, and has the query in its address when the keys rest", async () => {
  const client = fakeClient(20);
  const { screen, address } = await show(client);
  await screen.getByRole("searchbox", { name: "Search the events" }).fill("kind:task.*");
  await expect.poll(() => client.called("setQuery").at(-1)).toEqual(["setQuery", "kind:task.*", "filter"]);
  await expect.poll(address).toBe("/events?q=kind:task.*");
  await screen.getByRole("button", { name: "Mark" }).click();
  expect(client.called("setQuery").at(-1)).toEqual(["setQuery", "kind:task.*", "mark"]);
});

it("says beside the field what is wrong with a query", async () => {
  const client = fakeClient(20);
  client.setQuery = (query) => (query.includes("(") ? { message: "The group is not closed", at: 1 } : null);
  const { screen } = await show(client);
  const field = screen.getByRole("searchbox", { name: "Search the events" });
  await field.fill("/(/");
  await expect.element(screen.getByRole("alert")).toHaveTextContent("The group is not closed");
  await expect.element(field).toHaveAttribute("aria-invalid", "true");
  await field.fill("a");
  await expect.element(field).toHaveAttribute("aria-invalid", "false");
});

it("asks the server for the families that are pressed, and takes that back with the page's history", async () => {
  const client = fakeClient(20);
  const { screen, host, address } = await show(client);
  await screen.getByRole("button", { name: "Artifact" }).click();
  await screen.getByRole("button", { name: "Human" }).click();
  expect(client.called("setSubscription").at(-1)?.[1]).toMatchObject({ kinds: ["artifact.*", "human.*"] });
  expect(address()).toBe("/events?kinds=artifact.*,human.*");
  host.back();
  await expect.element(screen.getByRole("button", { name: "Human" })).toHaveAttribute("aria-pressed", "false");
  await expect.poll(() => client.called("setSubscription").at(-1)?.[1]).toMatchObject({ kinds: ["artifact.*"] });
});

it("refuses a pattern that the server would refuse, and shows one that it takes as a chip", async () => {
  const client = fakeClient(20);
  const { screen, address } = await show(client);
  const field = screen.getByRole("textbox", { name: "Add a kind or pattern, such as task.*" });
  await field.fill("ta*sk");
  await userEvent.keyboard("{Enter}");
  await expect.element(screen.getByRole("alert")).toHaveTextContent("only at the end");
  await field.fill("build.*");
  await userEvent.keyboard("{Enter}");
  expect(address()).toBe("/events?kinds=build.*");
  await screen.getByRole("button", { name: "Remove build.*" }).click();
  expect(address()).toBe("/events");
});

it("opens a permalink around its event with the event beside the list", async () => {
  const client = fakeClient(200);
  const { screen } = await show(client, "/events/1000190");
  await expect.poll(() => client.called("seek")).toEqual([["seek", 1_000_190]]);
  await expect.element(screen.getByRole("complementary", { name: "Event" })).toBeVisible();
});

it("says why it could not go somewhere, but for a token, which the stream asks for", async () => {
  const client = fakeClient(200);
  client.is({ phase: "connecting" });
  let refuse: (error: Error) => void = () => {};
  client.seek = () =>
    new Promise((_, reject) => {
      refuse = reject;
    });
  const { screen } = await show(client, "/events/1000190");
  refuse(Object.assign(new Error("a token is needed"), { code: "unauthorised" }));
  for (let frame = 0; frame < 2; frame++) await new Promise((drawn) => requestAnimationFrame(drawn));
  const said = screen.getByText(/Could not go there/);
  expect(said.elements()).toEqual([]);
  client.is({ phase: "unauthorized" });
  client.seek = () => Promise.reject(Object.assign(new Error("the log is away"), { code: "log_unavailable" }));
  await expect.element(screen.getByRole("alert")).toBeVisible();
  client.is({ phase: "live" });
  await expect.element(said).toHaveTextContent("Could not go there: the log is away");
});

it("shows in the strip the time that one went to, when that is longer ago than the strip reaches", async () => {
  const client = fakeClient(200);
  await show(client, "/events/1000100");
  client.pause();
  client.restart(200, 100);
  const { time } = client.rows.get().rows.find((row) => row.place === 100)!;
  const quarter = 900_000;
  const around = ["setSpan", { from: time - quarter / 2, to: time + quarter / 2 }];
  await expect.poll(() => client.called("setSpan").at(-1)).toEqual(around);
  client.resume();
  await expect.poll(() => client.called("setSpan").at(-1)?.[1]).toMatchObject({ to: null });
});

it("has the next key meant for the row that a key went to", async () => {
  const { screen } = await show(fakeClient(50));
  screen.getByRole("button", { name: "Export" }).element().focus();
  await userEvent.keyboard("k");
  await expect.element(screen.getByRole("grid", { name: "Events" })).toHaveFocus();
  await userEvent.keyboard("{Enter}");
  await expect.element(screen.getByRole("complementary", { name: "Event" })).toBeVisible();
});

it("opens an event that the list does not have beside it", async () => {
  const client = fakeClient(200);
  client.event = async (cursor) =>
    `{"type":"event","cursor":${cursor},"kind":"task.failed","time":"2026-02-27T10:02:00.000000Z",` +
    `"agent_id":"00000000-0000-0000-0000-000000000000","session_id":null,"task_id":null,"data":{"error":"disk full"}}`;
  const { screen } = await show(client, "/events?sel=1200");
  const detail = screen.getByRole("complementary", { name: "Event" });
  await expect.element(detail.getByText("Task failed")).toBeVisible();
  await expect.element(detail.getByText("disk full").first()).toBeVisible();
});

it("says that a link names an event which the log does not have", async () => {
  const client = fakeClient(200);
  client.event = async () => null;
  const { screen } = await show(client, "/events?sel=1200");
  await expect.element(screen.getByText("Event #1200 is not in the log, or not any more")).toBeVisible();
});

it("copies a link to the place where the list was paused", async () => {
  const copied = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
  const { screen } = await show(fakeClient(200));
  await screen.getByRole("button", { name: "Copy link" }).click();
  await expect.poll(() => copied.mock.calls.at(-1)?.[0]).toBe(`${location.origin}/events`);
  await screen.getByRole("button", { name: "Pause" }).click();
  await screen.getByRole("button", { name: "Copy link" }).click();
  await expect.poll(() => copied.mock.calls.at(-1)?.[0]).toMatch(/\/events\?at=10001[6-9]\d$/);
});

it("asks the server for all events of a task when that alone is wanted", async () => {
  const client = fakeClient(50);
  const { screen, address } = await show(client, "/events?sel=1000049");
  await screen.getByRole("button", { name: "Only this task" }).click();
  await expect.poll(() => client.called("setSubscription").at(-1)?.[1]).toHaveProperty("taskId");
  expect(address()).toMatch(/^\/events\?task=[0-9a-f-]{36}&sel=1000049$/);
});

it("narrows to a project by a menu that is there when events have one", async () => {
  const project = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e11";
  const client = fakeClient(50);
  const { screen, address } = await show(client);
  await expect.element(screen.getByRole("button", { name: "Session", exact: true })).toBeEnabled();
  const menu = screen.getByRole("button", { name: "Project", exact: true });
  expect(menu.elements()).toEqual([]);
  client.facets.set({ ...client.facets.get(), projects: [{ value: project, count: 12 }] });
  await menu.click();
  await expect.element(screen.getByText("In memory; the server does not count by project.")).toBeVisible();
  await screen.getByRole("button", { name: `Only ${project}` }).click();
  await expect.poll(() => client.called("setSubscription").at(-1)?.[1]).toEqual({ projectId: project });
  expect(address()).toBe(`/events?project=${project}`);
  await userEvent.keyboard("{Escape}");
  await screen.getByRole("button", { name: "Remove project 7c8d9e11" }).click();
  await expect.poll(() => client.called("setSubscription").at(-1)?.[1]).toEqual({});
  expect(address()).toBe("/events");
});

it("goes from failure to failure by a button", async () => {
  const client = fakeClient(50);
  const { screen } = await show(client);
  await screen.getByRole("button", { name: "Failure before" }).click();
  await expect.poll(() => client.called("find").at(-1)?.[1]).toBe("failure");
  expect(client.rows.get().isFollowing).toBe(false);
});

it("says how many permission requests wait, and opens the one that waits longest", async () => {
  const request = (cursor: number, kind: string, requestId: string) => ({
    ...{ type: "event", cursor, kind, time: new Date().toISOString(), agent_id: "", session_id: null, task_id: null },
    data: { request_id: requestId, tool: "bash" },
  });
  const events = [
    request(7, "permission.requested", "a"),
    request(8, "permission.requested", "b"),
    request(9, "permission.responded", "a"),
    request(10, "permission.requested", "c"),
  ];
  vi.spyOn(window, "fetch").mockImplementation(async () => Response.json({ events }));
  const client = fakeClient(50);
  client.event = async (cursor) => JSON.stringify(events.find((event) => event.cursor === cursor));
  const { screen, address } = await show(client, "/events", phone);
  await screen.getByRole("button", { name: "2 waiting for an answer: open" }).click();
  expect(address()).toBe("/events?sel=8");
  await expect.element(screen.getByRole("button", { name: "Allow" })).toBeVisible();
  await expectAccessible();
});

it("leaves its place in the address when it follows the present again", async () => {
  const client = fakeClient(200);
  const { screen, address } = await show(client, "/events?at=1000100");
  client.pause();
  await screen.getByRole("button", { name: "Follow" }).first().click();
  await expect.poll(address).toBe("/events");
});

it("says once how many are new while it is paused, over the list, and in the title", async () => {
  const client = fakeClient(200);
  const { screen } = await show(client);
  await screen.getByRole("button", { name: "Pause" }).click();
  client.append(3);
  await expect.element(screen.getByRole("button", { name: "3 new" })).toBeVisible();
  await expect.element(screen.getByRole("button", { name: "Follow", exact: true })).toBeVisible();
  await expect.poll(() => document.title).toBe("(3 new) Todoki");
});

it("goes to what one types, and says what it cannot read", async () => {
  const client = fakeClient(200);
  const { screen, address } = await show(client);
  const field = screen.getByRole("textbox", { name: "Go to a cursor, a time, or a span back" });
  await field.fill("yesterday");
  await userEvent.keyboard("{Enter}");
  await expect.element(screen.getByRole("alert")).toHaveTextContent("Not a cursor");
  await field.fill("#1,000,100");
  await userEvent.keyboard("{Enter}");
  expect(address()).toBe("/events/1000100");
  await expect.poll(() => client.called("seek").at(-1)).toEqual(["seek", 1_000_100]);
});

it("says how far the log goes, and does not call that a number of events", async () => {
  const client = fakeClient(3);
  client.is({ earliest: 200, head: 88_120 });
  const { screen } = await show(client);
  const header = screen.getByRole("banner");
  await expect.element(header).toHaveTextContent("up to #88,120");
  await expect.element(header).not.toHaveTextContent(/\d events/);
});

it("asks for the token where the events would be, keeps it for the tab, and has it in no address", async () => {
  const client = fakeClient(0);
  client.is({ phase: "unauthorized" });
  const { screen, host } = await show(client);
  await screen.getByLabelText("Token").fill("s3cret-token");
  await expectAccessible();
  await screen.getByRole("button", { name: "Sign in" }).click();
  await expect.poll(() => client.called("setToken").at(-1)).toEqual(["setToken", "s3cret-token"]);
  expect(sessionStorage.getItem("todoki-token")).toBe("s3cret-token");
  expect(localStorage.getItem("todoki-token")).toBeNull();
  expect(host.entries.join()).not.toContain("s3cret");
  expect(location.href).not.toContain("s3cret");
});

it("keeps the token on the device when one asks for that", async () => {
  const client = fakeClient(0);
  client.is({ phase: "unauthorized" });
  const { screen } = await show(client);
  await screen.getByLabelText("Token").fill("s3cret-token");
  await screen.getByRole("checkbox", { name: "Keep on this device" }).click();
  await screen.getByRole("button", { name: "Sign in" }).click();
  await expect.poll(() => localStorage.getItem("todoki-token")).toBe("s3cret-token");
  expect(sessionStorage.getItem("todoki-token")).toBeNull();
});

it("has nothing counted while a token that was just typed is tried, since it may be wrong", async () => {
  const client = fakeClient(0);
  client.is({ phase: "unauthorized", head: null });
  const { screen } = await show(client);
  await screen.getByLabelText("Token").fill("mistyped");
  await screen.getByRole("button", { name: "Sign in" }).click();
  client.is({ phase: "connecting" });
  await expect.element(screen.getByLabelText("Token")).not.toBeInTheDocument();
  await expect.element(screen.getByRole("region", { name: "Events over time" })).not.toBeInTheDocument();
  client.is({ phase: "live", head: 0 });
  await expect.element(screen.getByRole("region", { name: "Events over time" })).toBeVisible();
});

it("asks for another token above the rows, which stay", async () => {
  sessionStorage.setItem("todoki-token", "old");
  const client = fakeClient(50);
  const { screen } = await show(client);
  await expect.element(screen.getByRole("grid", { name: "Events" })).toBeVisible();
  client.is({ phase: "unauthorized" });
  await expect.element(screen.getByRole("form", { name: "Sign in" })).toBeVisible();
  expect(document.querySelectorAll(".todoki-row").length).toBeGreaterThan(5);
});

it("says where a token is to be had, of a server with one token and of a server with many", async () => {
  const client = fakeClient(0);
  client.is({ phase: "unauthorized" });
  const { screen } = await show(client);
  const card = screen.getByRole("region", { name: "Sign in" });
  await expect.element(card).toHaveTextContent("one of their own, from whoever runs this server");
  await expect.element(card).toHaveTextContent("the one that the server made and named when it started");
});

it("says that a token has expired, above the rows or in their place, and goes on with another", async () => {
  sessionStorage.setItem("todoki-token", "old");
  const client = fakeClient(50);
  const { screen } = await show(client);
  await expect.element(screen.getByRole("grid", { name: "Events" })).toBeVisible();
  client.is({ phase: "expired" });
  await expect.element(screen.getByText("Your token has expired")).toBeVisible();
  expect(document.querySelectorAll(".todoki-row").length).toBeGreaterThan(5);
  await expectAccessible();
  await screen.getByLabelText("Token").fill("another");
  await screen.getByRole("button", { name: "Sign in" }).click();
  await expect.poll(() => client.called("setToken").at(-1)).toEqual(["setToken", "another"]);
});

it("tries the token again that is entered again, since the server may have been mended", async () => {
  sessionStorage.setItem("todoki-token", "the-same");
  const client = fakeClient(50);
  const { screen } = await show(client);
  client.is({ phase: "expired" });
  await screen.getByLabelText("Token").fill("the-same");
  await screen.getByRole("button", { name: "Sign in" }).click();
  await expect.poll(() => client.called("reconnect")).toHaveLength(1);
});

it("says at the first sight of a page that the token it has kept has expired", async () => {
  sessionStorage.setItem("todoki-token", "old");
  const client = fakeClient(0);
  client.is({ phase: "expired", head: null });
  const { screen } = await show(client);
  await expect.element(screen.getByRole("alert")).toHaveTextContent("Your token has expired.");
  await expect.element(screen.getByLabelText("Token")).toBeVisible();
});

it("asks for everything again when the grants allow none of what the view asks for", async () => {
  sessionStorage.setItem("todoki-token", "narrow");
  const client = fakeClient(0);
  const { screen, address } = await show(client, "/events?kinds=audit.*");
  client.is({ phase: "forbidden", error: { code: "3003", message: "not granted" } });
  await expect.element(screen.getByRole("alert")).toHaveTextContent("allow none of what the view asks for");
  await screen.getByRole("alert").getByRole("button", { name: "Clear filter" }).click();
  expect(address()).toBe("/events");
  await expect.poll(() => client.called("setSubscription").at(-1)).toEqual(["setSubscription", {}]);
});

it("offers another token where this one allows none of it, also where no filter is set", async () => {
  sessionStorage.setItem("todoki-token", "narrow");
  const client = fakeClient(50);
  const { screen } = await show(client);
  client.is({ phase: "forbidden", error: { code: "3003", message: "not granted" } });
  const alert = screen.getByRole("alert");
  await expect.element(alert.getByRole("button", { name: "Use another token" })).toBeVisible();
  expect(alert.getByRole("button", { name: "Clear filter" }).elements()).toEqual([]);
  await expectAccessible();
});

it("asks whoever has no token for one, also where that is told that it is not allowed", async () => {
  const client = fakeClient(0);
  client.is({ phase: "forbidden", error: { code: "3003", message: "not granted" } });
  const { screen } = await show(client);
  await screen.getByLabelText("Token").fill("another");
  await screen.getByRole("button", { name: "Sign in" }).click();
  await expect.poll(() => client.called("setToken").at(-1)).toEqual(["setToken", "another"]);
});

it("obeys the page's keys: search, lanes, help", async () => {
  const { screen, address } = await show(fakeClient(50));
  await expect.element(screen.getByRole("grid", { name: "Events" })).toBeVisible();
  await userEvent.keyboard("/");
  await expect.element(screen.getByRole("searchbox", { name: "Search the events" })).toHaveFocus();
  await userEvent.keyboard("{Escape}l");
  expect(address()).toBe("/events?view=lanes");
  await userEvent.keyboard("?");
  await expect.element(screen.getByRole("dialog", { name: "Keyboard" })).toBeVisible();
  await expectAccessible();
  await userEvent.keyboard("{Escape}");
  await expect.element(screen.getByRole("dialog", { name: "Keyboard" })).not.toBeInTheDocument();
});

it("shows an event beside the list where there is room, and over it on a phone", async () => {
  const { screen } = await show(fakeClient(50), "/events?sel=1000049");
  await expect.element(screen.getByRole("complementary", { name: "Event" })).toBeVisible();
  await page.viewport(...phone);
  await expect.element(screen.getByRole("dialog", { name: /#1000049/ })).toBeVisible();
  await screen.getByRole("button", { name: "Close the event" }).click();
  await expect.element(screen.getByRole("grid", { name: "Events" })).toHaveFocus();
});

it("makes the detail wider and narrower by keys, within its bounds", async () => {
  const { screen } = await show(fakeClient(50), "/events?sel=1000049");
  const line = screen.getByRole("separator", { name: "Width of the detail" });
  await expect.element(line).toHaveAttribute("aria-valuenow", "380");
  line.element().focus();
  await userEvent.keyboard("{ArrowLeft}");
  await expect.element(line).toHaveAttribute("aria-valuenow", "404");
  await userEvent.keyboard("{Home}{ArrowLeft}");
  await expect.element(line).toHaveAttribute("aria-valuenow", "720");
  await userEvent.keyboard("{End}{ArrowRight}");
  await expect.element(line).toHaveAttribute("aria-valuenow", "300");
});

it("counts an export, and stops it when one asks", async () => {
  const client = fakeClient(50);
  let signal: AbortSignal | undefined;
  client.export = (request) => {
    request.onProgress?.(1234);
    signal = request.signal;
    return new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(new Error("stopped"))));
  };
  const { screen } = await show(client);
  await screen.getByRole("button", { name: "Export" }).click();
  await screen.getByRole("menuitem", { name: "NDJSON" }).last().click();
  const stop = screen.getByRole("button", { name: /1234 events so far/ });
  await stop.click();
  expect(signal?.aborted).toBe(true);
  await expect.element(screen.getByRole("button", { name: "Export" })).toBeVisible();
});

it("has its filters in a sheet on a phone, and its commands at the bottom", async () => {
  const client = fakeClient(50);
  const { screen, address } = await show(client, "/events", phone);
  await screen.getByRole("navigation", { name: "Commands" }).getByRole("button", { name: "Filters" }).click();
  const sheet = screen.getByRole("dialog", { name: "Filters" });
  await expect.element(sheet.getByRole("button", { name: "Session" })).toBeVisible();
  await expectAccessible();
  await sheet.getByRole("button", { name: "Artifact" }).click();
  expect(address()).toBe("/events?kinds=artifact.*");
});

it("saves a view under a name, and opens it again", async () => {
  const { screen, address } = await show(fakeClient(50), "/events?kinds=artifact.*&t=utc");
  await screen.getByRole("button", { name: "Views" }).click();
  await screen.getByRole("textbox", { name: "Name of this view" }).fill("Artifacts");
  await userEvent.keyboard("{Enter}");
  await screen.getByRole("button", { name: "All" }).click();
  expect(address()).toBe("/events?t=utc");
  await screen.getByRole("button", { name: "Views" }).click();
  await screen.getByRole("button", { name: "Artifacts", exact: true }).click();
  expect(address()).toBe("/events?kinds=artifact.*&t=utc");
});

it("returns to the list when the event beside it is closed", async () => {
  const { screen, address } = await show(fakeClient(50), "/events?sel=1000049");
  await screen.getByRole("button", { name: "Close the event" }).click();
  expect(address()).toBe("/events");
  await expect.element(screen.getByRole("grid", { name: "Events" })).toHaveFocus();
});

it("walks from hit to hit, and says when there is none", async () => {
  const client = fakeClient(50);
  const { screen } = await show(client, "/events?q=Fix");
  await screen.getByRole("button", { name: "Previous hit" }).click();
  await expect.poll(() => client.called("find").at(-1)?.[1]).toBe("hit");
  client.find = async () => null;
  await screen.getByRole("button", { name: "Next hit" }).click();
  await expect.element(screen.getByText("No newer hit is in memory")).toBeVisible();
});

it("says that an address is no page, and where the events are", async () => {
  const { screen } = await show(fakeClient(0), "/elsewhere");
  await expect.element(screen.getByRole("link", { name: "Show the events" })).toHaveAttribute("href", "/events");
  await expectAccessible();
});
