import { expect, test } from "vitest";
import type { Phase } from "../src/event-client.ts";
import { FakePage } from "./fake-page.ts";
import { FakeServer, problem } from "./fake-server.ts";

test("a refusal of the server reaches the page with its code", async () => {
  const server = new FakeServer();
  server.refuses = (path) => (path.endsWith("/emit") ? problem(409, "id_conflict") : null);
  const page = new FakePage(server.world);
  await server.world.pass(100);
  const refused = page.call("emit", { kind: "permission.responded", data: {}, id: "permission/1" });
  refused.catch(() => {});
  await server.world.pass(1000);
  await expect(refused).rejects.toThrow();
  expect(page.messages.filter((message) => message.type === "result")).toMatchObject([{ code: "id_conflict" }]);
});

test.each([
  [401, "unauthorized"],
  [403, "forbidden"],
  [400, "stopped"],
  [408, "disconnected"],
  [429, "limited"],
  [503, "disconnected"],
] as [number, Phase][])("an upgrade that HTTP refuses with %i leads to %s", async (status, phase) => {
  const server = new FakeServer();
  const { world } = server;
  server.refuses = () => problem(status, "not_now");
  world.onsocket = (socket) => void world.after(5, () => socket.drop());
  const page = new FakePage(world);
  await world.pass(20);
  expect(page.status.phase).toBe(phase);
  if (phase !== "disconnected") expect(page.status.error).toEqual({ code: "not_now", message: "refused: not_now" });
});
