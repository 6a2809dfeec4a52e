import { expect, test } from "vitest";
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
