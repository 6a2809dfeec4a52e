import { Profiler, StrictMode } from "react";
import { expect, it, vi } from "vitest";
import { render } from "vitest-browser-react";
import { type EventClientOptions, type EventStream, type EventStreamOptions, TodokiProvider } from "../src/index.ts";
import { type FakeClient, fakeClient, fakeRow } from "./fake-client.ts";
import { Phase, Reader } from "./probes.tsx";

/** How long a client that was given back is kept, and a little more. */
const AFTER_GRACE_MS = 150;

/** Makes fake clients and remembers them and what they were opened with. */
function opener() {
  const opened: { readonly client: FakeClient; readonly options: EventClientOptions }[] = [];
  const open = (options: EventClientOptions) => {
    const client = fakeClient(3);
    opened.push({ client, options });
    return client;
  };
  return { opened, open };
}

async function mounted(options: EventStreamOptions) {
  const { opened, open } = opener();
  let stream: EventStream | undefined;
  const page = (next: EventStreamOptions) => (
    <StrictMode>
      <TodokiProvider open={open} url="https://events.example.org" token="of the provider">
        <Reader
          options={next}
          onRead={(read) => {
            stream = read;
          }}
        />
      </TodokiProvider>
    </StrictMode>
  );
  const screen = await render(page(options));
  return {
    opened,
    stream: () => stream!,
    change: (next: EventStreamOptions) => screen.rerender(page(next)),
    hide: () => screen.rerender(null),
    show: () => screen.rerender(page(options)),
    unmount: () => screen.unmount(),
  };
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

it("opens one client in a double mount, and closes it when the component is gone", async () => {
  const { opened, unmount } = await mounted({ kinds: ["task.*"] });
  await after(AFTER_GRACE_MS);
  expect(opened).toHaveLength(1);
  const { client, options } = opened[0]!;
  expect(client.isClosed).toBe(false);
  expect(options).toMatchObject({
    url: "https://events.example.org",
    token: "of the provider",
    subscription: { kinds: ["task.*"] },
  });
  await unmount();
  await expect.poll(() => client.isClosed).toBe(true);
});

it("keeps the client of a component that comes back within 100 ms, and not longer", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const { opened, show, hide } = await mounted({});
    await hide();
    vi.advanceTimersByTime(99);
    await show();
    expect(opened).toHaveLength(1);
    vi.advanceTimersByTime(1000);
    expect(opened[0]!.client.isClosed).toBe(false);
    await hide();
    vi.advanceTimersByTime(101);
    expect(opened[0]!.client.isClosed).toBe(true);
    await show();
    expect(opened).toHaveLength(2);
  } finally {
    vi.useRealTimers();
  }
});

it("asks the same client for other kinds and ids, once for each change", async () => {
  const { opened, change } = await mounted({ kinds: ["task.*"] });
  await change({ kinds: ["task.*"] });
  await change({ kinds: ["task.*", "agent.*"], taskId: "t" });
  await change({ kinds: ["task.*", "agent.*"], taskId: "t" });
  expect(opened).toHaveLength(1);
  const calls = opened[0]!.client.called("setSubscription");
  expect(calls).toEqual([["setSubscription", { kinds: ["task.*", "agent.*"], taskId: "t" }]]);
});

it("begins from another cursor on the same client", async () => {
  const { opened, change } = await mounted({ cursor: 5 });
  expect(opened[0]!.options.from).toBe(5);
  await change({ cursor: 9 });
  expect(opened[0]!.client.called("setSubscription")).toEqual([["setSubscription", {}, 9]]);
});

it("tells the client of another token, and opens another client for another server", async () => {
  const { opened, change } = await mounted({ token: "a" });
  await change({ token: "b" });
  expect(opened[0]!.client.called("setToken")).toEqual([["setToken", "b"]]);
  await change({ token: "b", url: "https://other.example.org" });
  expect(opened).toHaveLength(2);
  expect(opened[1]!.options.url).toBe("https://other.example.org");
  await expect.poll(() => opened[0]!.client.isClosed).toBe(true);
  expect(opened[1]!.client.isClosed).toBe(false);
});

it("asks the latest token function, tells it why, and takes a new function for the same token", async () => {
  const { opened, change } = await mounted({ token: () => "first" });
  await change({ token: (reason) => `second, ${reason}` });
  const { token } = opened[0]!.options;
  expect(typeof token === "function" && (await token("expiring"))).toBe("second, expiring");
  expect(opened[0]!.client.called("setToken")).toEqual([]);
});

it("closes the client while it is disabled and opens one again", async () => {
  const { opened, stream, change } = await mounted({});
  await change({ enabled: false });
  expect(stream().status.phase).toBe("stopped");
  expect(stream().isConnected).toBe(false);
  await expect.poll(() => opened[0]!.client.isClosed).toBe(true);
  await change({ enabled: true });
  expect(opened).toHaveLength(2);
  expect(stream().isConnected).toBe(true);
});

it("keeps its functions and its filter for as long as the component is there", async () => {
  const { opened, stream, change } = await mounted({});
  const { pause, setFilter } = stream();
  expect(setFilter("kind:task.*")).toBeNull();
  await change({ url: "https://other.example.org" });
  expect(stream().pause).toBe(pause);
  pause();
  const { client } = opened[1]!;
  expect(client.called("pause")).toHaveLength(1);
  expect(client.called("setQuery")).toEqual([["setQuery", "kind:task.*", "filter"]]);
});

it("gives the rows at hand as events, whose data is parsed when it is read", async () => {
  const { opened, stream } = await mounted({});
  const { client } = opened[0]!;
  expect(stream().events.map((event) => event.cursor)).toEqual([1_000_000, 1_000_001, 1_000_002]);
  client.append([{ data: '{"title":"new","n":1}' }, { data: '{"cut', isWhole: false }]);
  await expect.poll(() => stream().events.length).toBe(5);
  const [fresh, cut] = stream().events.slice(3);
  expect(fresh?.data).toEqual({ title: "new", n: 1 });
  expect(fresh?.time).toBe(new Date(fakeRow(3).time).toISOString());
  expect(cut?.isWhole).toBe(false);
  expect(cut?.data).toEqual({});
});

it("renders for no event unless the events are read", async () => {
  const { opened, open } = opener();
  let renders = 0;
  const counter = {
    id: "status",
    onRender: () => {
      renders += 1;
    },
  };
  const screen = await render(
    <TodokiProvider open={open}>
      <Profiler {...counter}>
        <Phase />
      </Profiler>
    </TodokiProvider>,
  );
  await expect.element(screen.getByText("live")).toBeVisible();
  const before = renders;
  const { client } = opened[0]!;
  for (let i = 0; i < 50; i++) client.append(10);
  client.is({ phase: "lagging" });
  await expect.element(screen.getByText("lagging")).toBeVisible();
  expect(renders).toBe(before + 1);
});

it("calls back with events of whichever client is open, until it is told to stop", async () => {
  const { opened, stream, change } = await mounted({});
  const heard: number[] = [];
  const stop = stream().on("event", (event) => heard.push(event.cursor));
  await change({ url: "https://other.example.org" });
  opened[0]!.client.emitEvent(1);
  opened[1]!.client.emitEvent(2);
  stop();
  opened[1]!.client.emitEvent(3);
  expect(heard).toEqual([2]);
});
