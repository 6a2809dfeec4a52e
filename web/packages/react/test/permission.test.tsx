import { beforeEach, describe, expect, it, vi } from "vitest";
import { render } from "vitest-browser-react";
import type { StreamEvent } from "../src/event-client.ts";
import "../src/styles.css";
import { readJson } from "../src/timeline/json-text.ts";
import { PermissionRequest } from "../src/timeline/permission.tsx";
import { eventRow } from "./event-row.ts";
import { type PartsClient, partsClient, rowsAt } from "./parts-client.ts";
import { expectAccessible, setTheme, themes } from "./parts-page.ts";

const ask = {
  request_id: "0199-req",
  tool: "bash",
  description: "rm -r build",
  options: [
    { id: "allow_once", label: "Allow once" },
    { id: "deny", label: "Deny" },
  ],
};
const projectId = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e11";
const row = eventRow({ kind: "permission.requested", json: ask, projectId });

function show(client: PartsClient, json: object = ask) {
  const shown = { ...row, data: JSON.stringify(json) };
  return render(<PermissionRequest row={shown} data={readJson(shown.data).root!} client={client} />);
}

function answerEvent(kind: string, data: Record<string, unknown>, cursor = 90_000): StreamEvent {
  const time = "2026-02-27T10:02:16.000000Z";
  return { type: "event", cursor, kind, time, agent_id: "", session_id: null, task_id: null, data };
}

describe("a permission request", () => {
  let emit: ReturnType<typeof vi.fn<PartsClient["emit"]>>;
  beforeEach(() => {
    emit = vi.fn(async () => 90_001);
  });

  it("is answered by one of its options, with the ids of the request", async () => {
    const screen = await show(partsClient({ emit }));
    await screen.getByRole("button", { name: "Allow once" }).click();
    await expect.element(screen.getByRole("status")).toHaveTextContent("Allow once, by you · #90,001");
    expect(screen.getByRole("button").elements()).toEqual([]);
    expect(emit.mock.calls).toEqual([
      [
        {
          kind: "permission.responded",
          data: { request_id: "0199-req", option_id: "allow_once", by: "human" },
          agent_id: row.agentId,
          task_id: row.taskId,
          // Whoever sees the request is to see its answer, and projects are kept apart.
          project_id: projectId,
          id: "permission/0199-req",
        },
      ],
    ]);
  });

  it("can be allowed or denied where it has no options", async () => {
    const screen = await show(partsClient({ emit }), { request_id: "r" });
    await screen.getByRole("button", { name: "Deny" }).click();
    await expect.element(screen.getByRole("status")).toHaveTextContent("Deny, by you");
    expect(emit.mock.calls[0]?.[0].data).toMatchObject({ option_id: "deny" });
  });

  it("is answered once, however often its buttons are clicked while the answer is on its way", async () => {
    const sent = Promise.withResolvers<number>();
    emit.mockReturnValue(sent.promise);
    const screen = await show(partsClient({ emit }));
    await screen.getByRole("button", { name: "Allow once" }).click();
    await expect.element(screen.getByRole("status")).toHaveTextContent("Sending the answer");
    await screen.getByRole("button", { name: "Deny" }).click({ force: true });
    sent.resolve(90_002);
    await expect.element(screen.getByRole("status")).toHaveTextContent("Allow once, by you");
    expect(emit).toHaveBeenCalledOnce();
  });

  it("knows its own answer, which may come by before it is known to be durable", async () => {
    const client = partsClient({ emit });
    emit.mockImplementation(async ({ data }) => {
      client.arrive(answerEvent("permission.responded", data, 90_003));
      return 90_003;
    });
    const screen = await show(client);
    await screen.getByRole("button", { name: "Allow once" }).click();
    await expect.element(screen.getByRole("status")).toHaveTextContent("Allow once, by you · #90,003");
  });

  it("says why an answer was not sent, and can be answered again", async () => {
    emit.mockRejectedValueOnce(new Error("The log is full."));
    const screen = await show(partsClient({ emit }));
    await screen.getByRole("button", { name: "Allow once" }).click();
    await expect.element(screen.getByRole("alert")).toHaveTextContent("Not sent: The log is full.");
    await screen.getByRole("button", { name: "Allow once" }).click();
    await expect.element(screen.getByRole("status")).toHaveTextContent("by you");
    expect(screen.getByRole("alert").elements()).toEqual([]);
  });

  it("is answered already where the server has another answer", async () => {
    emit.mockRejectedValue(Object.assign(new Error("another draft has this id"), { code: "id_conflict" }));
    const screen = await show(partsClient({ emit }));
    await screen.getByRole("button", { name: "Allow once" }).click();
    await expect.element(screen.getByRole("status")).toHaveTextContent("Answered already, elsewhere");
    expect(screen.getByRole("button").elements()).toEqual([]);
  });

  it.each([
    ["permission.responded", { option_id: "deny", by: "Ada" }, "Deny, by Ada"],
    ["permission.approved", {}, "Permission approved, elsewhere"],
    ["permission.denied", {}, "Permission denied, elsewhere"],
    ["permission.expired", {}, "Permission expired, elsewhere"],
    ["permission.cancelled", {}, "Permission cancelled, elsewhere"],
  ])("shows that a %s ended it while it was looked at", async (kind, data, said) => {
    const client = partsClient({ emit });
    const screen = await show(client);
    client.arrive(answerEvent(kind, { request_id: "another" }));
    await expect.element(screen.getByRole("button", { name: "Deny" })).toBeInTheDocument();
    client.arrive(answerEvent(kind, { request_id: "0199-req", ...data }));
    await expect.element(screen.getByRole("status")).toHaveTextContent(said);
    expect(screen.getByRole("button").elements()).toEqual([]);
  });

  it("knows an answer that is among the rows at hand", async () => {
    const client = partsClient({ emit });
    const answer = { request_id: "0199-req", option_id: "allow_once", by: "human" };
    client.rows.set(rowsAt(0, [row, eventRow({ kind: "permission.responded", cursor: 88_020, json: answer })]));
    const screen = await show(client);
    await expect.element(screen.getByRole("status")).toHaveTextContent("Allow once, by human · #88,020");
  });

  it("remembers its answer when it is looked at again", async () => {
    const client = partsClient({ emit });
    const first = await show(client);
    await first.getByRole("button", { name: "Deny" }).click();
    await expect.element(first.getByRole("status")).toHaveTextContent("by you");
    await first.unmount();
    const second = await show(client);
    await expect.element(second.getByRole("status")).toHaveTextContent("Deny, by you");
  });

  it("listens to every event only while it is open", async () => {
    const client = partsClient({ emit });
    const screen = await show(client);
    expect(client.listening()).toBe(1);
    await screen.getByRole("button", { name: "Deny" }).click();
    await expect.poll(() => client.listening()).toBe(0);
    const other = await show(client, { ...ask, request_id: "other" });
    expect(client.listening()).toBe(1);
    await other.unmount();
    expect(client.listening()).toBe(0);
  });

  it("cannot be answered without a request_id, and says so", async () => {
    const screen = await show(partsClient(), { tool: "bash" });
    await expect.element(screen.getByText(/has no request_id/)).toBeInTheDocument();
    expect(screen.getByRole("button").elements()).toEqual([]);
  });

  it.each(themes)("has nothing that axe would object to, open, failed or answered, in the %s theme", async (theme) => {
    setTheme(theme);
    emit.mockRejectedValueOnce(new Error("The log is full."));
    const screen = await show(partsClient({ emit }));
    await expectAccessible(screen.container);
    await screen.getByRole("button", { name: "Deny" }).click();
    await expect.element(screen.getByRole("alert")).toBeInTheDocument();
    await expectAccessible(screen.container);
    await screen.getByRole("button", { name: "Deny" }).click();
    await expect.element(screen.getByRole("status")).toHaveTextContent("by you");
    await expectAccessible(screen.container);
  });
});
