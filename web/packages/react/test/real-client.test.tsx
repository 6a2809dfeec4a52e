import { StrictMode } from "react";
import { afterEach, expect, it, vi } from "vitest";
import { render } from "vitest-browser-react";
import { EventTimeline } from "../src/timeline/event-timeline.tsx";
import "../src/styles.css";

/** A socket that opens when its test says so, and remembers who asked for it. */
class QuietSocket {
  static readonly all: QuietSocket[] = [];
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: { readonly data: string }) => void) | null = null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null = null;
  readonly url: string;
  readonly protocols: readonly string[];
  isClosed = false;

  constructor(url: string, protocols: readonly string[]) {
    this.url = url;
    this.protocols = protocols;
    QuietSocket.all.push(this);
  }
  send(): void {}
  close(): void {
    this.isClosed = true;
  }
  says(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

afterEach(() => {
  vi.unstubAllGlobals();
  QuietSocket.all.length = 0;
});

const EVENT = {
  type: "event",
  cursor: 8,
  kind: "task.created",
  time: "2026-02-27T10:30:00.123456Z",
  agent_id: "00000000-0000-0000-0000-000000000000",
  session_id: null,
  task_id: null,
  data: { title: "Fix login" },
};

it("opens one socket in a double mount, shows what it brings, and closes it", async () => {
  vi.stubGlobal("WebSocket", QuietSocket);
  const screen = await render(
    <StrictMode>
      <EventTimeline
        url="https://events.example.org"
        token="secret"
        kinds={["task.*"]}
        from="now"
        transport="main"
        height={400}
      />
    </StrictMode>,
  );
  await expect.poll(() => QuietSocket.all.length).toBe(1);
  const socket = QuietSocket.all[0]!;
  expect(socket.url).not.toContain("secret");
  socket.onopen?.({});
  const facts = { epoch: "01", earliest: 1, head: 7, server_time: EVENT.time, heartbeat_ms: 30_000 };
  socket.says({ type: "subscribed", kinds: ["task.*"], cursor: 7, ...facts });
  socket.says(EVENT);
  await expect.element(screen.getByRole("row", { name: /Fix login/ })).toBeVisible();
  await expect.element(screen.getByText("Live", { exact: true })).toBeVisible();
  expect(QuietSocket.all).toHaveLength(1);
  await screen.unmount();
  await expect.poll(() => socket.isClosed).toBe(true);
});
