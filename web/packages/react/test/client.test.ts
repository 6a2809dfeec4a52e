import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { openEventClient } from "../src/client.ts";
import type { EventClient, EventClientOptions, StreamEvent, TokenReason } from "../src/event-client.ts";
import { eventText } from "./events.ts";

// A real socket and a real server, which knows just enough of the wire; the client's core runs beside it.

let ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends) end();
  ends = [];
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

interface TestServer {
  readonly url: string;
  readonly http: Server;
  readonly requests: string[];
  readonly tokens: (string | undefined)[];
  /** What clients said. */
  readonly heard: string[];
  send(text: string): void;
}

async function served(history: string[] = []): Promise<TestServer> {
  const requests: string[] = [];
  const tokens: (string | undefined)[] = [];
  const heard: string[] = [];
  const http = createServer((request, response) => {
    requests.push(request.url ?? "");
    response.end(`{"events":[${history.join(",")}],"next_cursor":1,"has_more":false,"earliest":1}`);
  });
  const sockets = new WebSocketServer({ server: http, handleProtocols: () => "todoki.v1" });
  sockets.on("connection", (socket, request) => {
    requests.push(request.url ?? "");
    tokens.push(request.headers["sec-websocket-protocol"]?.split(".").at(-1));
    socket.on("message", (data) => void heard.push(String(data)));
    socket.send(
      `{"type":"subscribed","kinds":["*"],"cursor":${history.length},"epoch":"e","earliest":1,"head":${history.length},"server_time":"2026-02-27T10:30:00.123456Z","heartbeat_ms":30000}`,
    );
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  ends.push(() => {
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
    http.close();
    http.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    http,
    requests,
    tokens,
    heard,
    send: (text) => {
      for (const socket of sockets.clients) socket.send(text);
    },
  };
}

function opened(options: EventClientOptions): EventClient {
  vi.stubGlobal("WebSocket", WebSocket);
  const client = openEventClient(options);
  ends.push(() => client.close());
  return client;
}

/** Sets the clock on, as far as anybody here looks at it. */
function minutePasses(): void {
  const now = performance.now.bind(performance);
  vi.spyOn(performance, "now").mockImplementation(() => now() + 60_000);
}

/** Waits until a slice is as it should be. */
async function until<T>(
  slice: { get(): T; subscribe(listener: () => void): () => void },
  is: (value: T) => boolean,
): Promise<T> {
  if (is(slice.get())) return slice.get();
  return new Promise((resolve) => {
    const end = slice.subscribe(() => {
      if (!is(slice.get())) return;
      end();
      resolve(slice.get());
    });
  });
}

test("without a worker the core runs on this thread, and shows what comes", async () => {
  const server = await served([eventText(1), eventText(2)]);
  const client = opened({ url: `${server.url}/`, token: "secret" });
  expect(client.status.get().phase).toBe("connecting");
  await until(client.status, ({ phase }) => phase === "live");
  const rows = await until(client.rows, (rows) => rows.rows.length === 2);
  server.send(`${eventText(3)}\n${eventText(4)}`);
  const more = await until(client.rows, (rows) => rows.rows.length === 4);
  expect(more.rows.map((row) => row.type === "event" && row.cursor)).toEqual([1, 2, 3, 4]);
  expect(more.rows[0]).toBe(rows.rows[0]);
  expect(server.tokens).toEqual([Buffer.from("secret").toString("base64url")]);
  expect(server.requests.join()).not.toMatch(/secret|token/);
});

test("a token is fetched for each connection", async () => {
  const server = await served();
  const reasons: TokenReason[] = [];
  const client = opened({ url: server.url, from: "now", token: async (reason) => `t${reasons.push(reason)}` });
  await until(client.status, ({ phase }) => phase === "live");
  minutePasses();
  client.reconnect();
  await expect.poll(() => server.tokens.length).toBe(2);
  expect(new Set(server.tokens).size).toBe(2);
  expect(reasons).toEqual(["connect", "connect"]);
});

test("a token that is about to expire is renewed on the same socket, by message and nowhere else", async () => {
  const server = await served();
  const client = opened({ url: server.url, from: "now", token: (reason) => `secret-${reason}` });
  await until(client.status, ({ phase }) => phase === "live");
  minutePasses();
  server.send('{"type":"token_expiring","expires_in_ms":60000}');
  await expect.poll(() => server.heard.join()).toContain('"token":"secret-expiring"');
  expect(server.tokens).toHaveLength(1);
  expect(server.requests.join()).not.toContain("secret");
  expect(JSON.stringify(client.status.get())).not.toContain("secret");
});

test("a token that never comes is told as a state, and tried again", async () => {
  const server = await served();
  const token = () => Promise.reject(new Error("nobody is signed in"));
  vi.spyOn(Math, "random").mockReturnValue(0.999); // the whole of the backoff, so that the state stays to be seen
  const client = opened({ url: server.url, from: "now", token });
  const status = await until(client.status, ({ phase }) => phase === "disconnected");
  expect(status.error).toEqual({ code: "token", message: "nobody is signed in" });
  // The first attempt, unless the test itself stood still for longer than the backoff.
  expect(status.attempt).toBeGreaterThan(0);
  expect(status.retryAt).not.toBeNull();
});

test("listeners get every event in order, each for itself, also when one throws", async () => {
  const server = await served();
  const client = opened({ url: server.url, from: "now" });
  const seen: number[] = [];
  const thrown: unknown[] = [];
  vi.stubGlobal("queueMicrotask", (run: () => void) => {
    try {
      run();
    } catch (error) {
      thrown.push(error);
    }
  });
  const listener = ({ cursor }: StreamEvent) => void seen.push(cursor);
  const end = client.on("event", listener);
  client.on("event", () => {
    throw new Error("mine");
  });
  client.on("event", listener);
  await until(client.status, ({ phase }) => phase === "live");
  server.send(eventText(1));
  await until(client.counts, ({ received }) => received === 1);
  end();
  server.send(eventText(2));
  await until(client.counts, ({ received }) => received === 2);
  expect(seen).toEqual([1, 1, 2]);
  expect(thrown).toHaveLength(2);
});

test("a query with a mistake changes nothing, and says what is wrong at once", async () => {
  const server = await served([eventText(1), eventText(2)]);
  const client = opened({ url: server.url });
  await until(client.counts, ({ loaded }) => loaded === 2);
  expect(client.setQuery('"open', "filter")).toMatchObject({ at: 0 });
  expect(client.setQuery("data.n:2", "filter")).toBeNull();
  await until(client.counts, ({ shown }) => shown === 1);
  const rows = await until(client.rows, ({ rows }) => rows.length === 1);
  expect(rows.rows[0]).toMatchObject({ cursor: 2 });
});

test("what costs more than a row is made only while somebody looks", async () => {
  const server = await served([eventText(1)]);
  const client = opened({ url: server.url });
  await until(client.counts, ({ loaded }) => loaded === 1);
  expect(client.facets.get().kinds).toEqual([]);
  const facets = await until(client.facets, ({ kinds }) => kinds.length === 1);
  expect(facets.kinds).toEqual([{ value: "task.created", count: 1 }]);
});

test("a call that is aborted is rejected with the reason, and one on a closed client too", async () => {
  const server = await served();
  const client = opened({ url: server.url, from: "now" });
  await until(client.status, ({ phase }) => phase === "live");
  const abort = new AbortController();
  const exported = client.export({ format: "csv", scope: "log", signal: abort.signal });
  abort.abort(new Error("enough"));
  await expect(exported).rejects.toThrow("enough");
  const older = client.searchOlder();
  client.close();
  await expect(older).rejects.toThrow("closed");
  await expect(client.event(1)).rejects.toThrow("closed");
});

test("a worker that cannot start is replaced by this thread", async () => {
  const server = await served([eventText(1)]);
  class BrokenWorker {
    onerror: ((event: { preventDefault(): void }) => void) | null = null;
    onmessage: unknown = null;
    postMessage(): void {
      setImmediate(() => this.onerror?.({ preventDefault() {} }));
    }
    terminate(): void {}
  }
  vi.stubGlobal("Worker", BrokenWorker);
  const client = opened({ url: server.url });
  await until(client.counts, ({ loaded }) => loaded === 1);
  vi.stubGlobal("Worker", function refuse() {
    throw new Error("a policy");
  });
  const other = opened({ url: server.url });
  await until(other.counts, ({ loaded }) => loaded === 1);
});
