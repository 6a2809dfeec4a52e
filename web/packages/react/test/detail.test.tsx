import { describe, expect, it, vi } from "vitest";
import { userEvent } from "vitest/browser";
import { render } from "vitest-browser-react";
import "../src/styles.css";
import { Detail } from "../src/timeline/detail.tsx";
import { eventRow } from "./event-row.ts";
import { partsClient, rowsAt } from "./parts-client.ts";
import { expectAccessible, setTheme, themes } from "./parts-page.ts";

const nothing = () => {};

const batch = eventRow({
  kind: "agent.output_batch",
  json: {
    stream: "assistant",
    items: [
      { type: "text", text: "Reading the callers first.\nThen:\n```sh\ncargo test\n```\n<b>not bold</b>" },
      {
        type: "plan",
        entries: [
          { content: "Read", status: "completed", priority: "high" },
          { content: "Mend", status: "in_progress" },
          { content: "Test", status: "pending" },
        ],
      },
      {
        type: "tool_call",
        id: "1",
        title: "Run the tests",
        kind: "execute",
        status: "failed",
        input: { cmd: "cargo test" },
        output: "2 failed",
      },
      { type: "image", bytes: 3 },
    ],
  },
});

describe("the detail of an event", () => {
  it("says what it is, when, and of whom", async () => {
    const row = eventRow({ time: Date.now() - 61_000, json: { title: "Fix login", priority: 2 } });
    const screen = await render(<Detail row={row} client={partsClient()} onClose={nothing} />);
    await expect.element(screen.getByRole("heading", { name: "Task created" })).toBeInTheDocument();
    await expect.element(screen.getByText("Fix login · priority 2")).toBeInTheDocument();
    await expect.element(screen.getByText("88,015")).toBeInTheDocument();
    await expect.element(screen.getByText("1 minute ago")).toBeInTheDocument();
    await expect.element(screen.getByText(row.agentId ?? "")).toBeInTheDocument();
    expect(screen.container.textContent).not.toContain("session");
  });

  it("says of which project it is, where it is of one, copies that, and narrows to it", async () => {
    const write = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
    const project = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e11";
    const onFilter = vi.fn();
    const props = { client: partsClient(), onClose: nothing, onFilter };
    const screen = await render(<Detail row={eventRow({ cursor: 1, projectId: project })} {...props} />);
    await expect.element(screen.getByText(project)).toBeInTheDocument();
    await screen.getByRole("button", { name: "Only this project" }).click();
    await screen.getByRole("button", { name: "Hide this project" }).click();
    expect(onFilter.mock.calls).toEqual([[`project:${project}`], [`-project:${project}`]]);
    await screen.getByRole("button", { name: "Copy the project" }).click();
    expect(write).toHaveBeenCalledWith(project);
    await screen.rerender(<Detail row={eventRow({ cursor: 2 })} {...props} />);
    await expect.element(screen.getByRole("button", { name: "Copy the task" })).toBeInTheDocument();
    expect(screen.getByText(project).elements()).toEqual([]);
    expect(screen.getByRole("button", { name: "Copy the project" }).elements()).toEqual([]);
    write.mockRestore();
  });

  it("asks nobody for an event of which the row has everything", async () => {
    const event = vi.fn().mockRejectedValue(new Error("not granted"));
    const row = eventRow({ json: { title: "Fix login" } });
    const screen = await render(<Detail row={row} client={partsClient({ event })} onClose={nothing} />);
    await expect.element(screen.getByText('"Fix login"')).toBeInTheDocument();
    expect(event).not.toHaveBeenCalled();
  });

  it("has a link to the address that an event is about, and to no other kind of address", async () => {
    const json = { title: "Fix login", number: 42, url: "https://example.org/pull/42" };
    const row = eventRow({ kind: "artifact.github_pr_opened", json });
    const screen = await render(<Detail row={row} client={partsClient()} onClose={nothing} />);
    const link = screen.getByRole("link", { name: "https://example.org/pull/42", exact: true });
    await expect.element(link).toHaveAttribute("rel", "noreferrer noopener");
    const trap = eventRow({ kind: "artifact.created", json: { url: "javascript:alert(1)" } });
    await screen.rerender(<Detail row={trap} client={partsClient()} onClose={nothing} />);
    expect(screen.getByRole("link").elements()).toEqual([]);
  });

  it("narrows by kind and by ids", async () => {
    const onFilter = vi.fn();
    const screen = await render(
      <Detail row={eventRow({})} client={partsClient()} onFilter={onFilter} onClose={nothing} />,
    );
    await screen.getByRole("button", { name: "Only this kind" }).click();
    await screen.getByRole("button", { name: "Hide this agent" }).click();
    expect(onFilter.mock.calls).toEqual([["kind:task.created"], ["-agent:018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f"]]);
  });

  it("is closed by its button, and has no buttons for what its owner does not do", async () => {
    const onClose = vi.fn();
    const screen = await render(<Detail row={eventRow({})} client={partsClient()} onClose={onClose} />);
    await screen.getByRole("button", { name: "Close the event" }).click();
    expect(onClose).toHaveBeenCalledOnce();
    expect(screen.getByRole("button", { name: /Only|Hide|Copy link|this task/ }).elements()).toEqual([]);
  });

  it("copies the event as the log has it", async () => {
    const write = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
    const event = vi.fn(async () => '{"type":"event","data":{"n":1.50}}');
    const screen = await render(<Detail row={eventRow({})} client={partsClient({ event })} onClose={nothing} />);
    await screen.getByRole("button", { name: "Copy JSON" }).click();
    await expect.element(screen.getByText("Copied")).toBeInTheDocument();
    expect(write).toHaveBeenCalledWith('{"type":"event","data":{"n":1.50}}');
    write.mockRestore();
  });

  it("says so when it cannot copy", async () => {
    const screen = await render(
      <Detail row={eventRow({})} client={partsClient({ event: async () => null })} onClose={nothing} />,
    );
    await screen.getByRole("button", { name: "Copy JSON" }).click();
    await expect.element(screen.getByText("Not copied")).toBeInTheDocument();
  });

  it("fetches the rest of data that was cut, and shows its beginning until then", async () => {
    const fetched = Promise.withResolvers<string>();
    const client = partsClient({ event: () => fetched.promise });
    const row = eventRow({ data: '{"title":"Long","text":"begin', isWhole: false });
    const screen = await render(<Detail row={row} client={client} onClose={nothing} />);
    await expect.element(screen.getByText("Loading the rest of it …")).toBeInTheDocument();
    await expect.element(screen.getByText('"begin…')).toBeInTheDocument();
    fetched.resolve('{"type":"event","data":{"title":"Long","text":"begin and end","big":12345678901234567890}}');
    await expect.element(screen.getByText('"begin and end"')).toBeInTheDocument();
    await expect.element(screen.getByText("12345678901234567890")).toBeInTheDocument();
  });

  it("says why the rest did not come, and tries again when asked", async () => {
    const event = vi
      .fn()
      .mockRejectedValueOnce(new Error("no network"))
      .mockResolvedValue('{"data":{"title":"All of it"}}');
    const row = eventRow({ data: '{"title":"Al', isWhole: false });
    const screen = await render(<Detail row={row} client={partsClient({ event })} onClose={nothing} />);
    await expect.element(screen.getByRole("alert")).toHaveTextContent("no network");
    await screen.getByRole("button", { name: "Try again" }).click();
    await expect.element(screen.getByText('"All of it"')).toBeInTheDocument();
  });

  it("does not show one event the data of another that came late", async () => {
    const first = Promise.withResolvers<string>();
    const client = partsClient({
      event: (cursor) => (cursor === 1 ? first.promise : Promise.resolve('{"data":{"title":"second"}}')),
    });
    const cut = { data: '{"title":"', isWhole: false };
    const screen = await render(<Detail row={eventRow({ cursor: 1, ...cut })} client={client} onClose={nothing} />);
    await screen.rerender(<Detail row={eventRow({ cursor: 2, ...cut })} client={client} onClose={nothing} />);
    await expect.element(screen.getByText('"second"')).toBeInTheDocument();
    first.resolve('{"data":{"title":"first"}}');
    await first.promise;
    await expect.element(screen.getByText('"second"')).toBeInTheDocument();
  });

  it("goes to the next event of the same task, also where its row is not at hand", async () => {
    const onSelect = vi.fn();
    const find = vi.fn(async (_what: string, _from: number, direction: number) => (direction === 1 ? 700 : null));
    const client = partsClient({
      find,
      setView: ({ first }) => client.rows.set(rowsAt(first, [eventRow({ place: first, cursor: 99_000 })])),
    });
    const screen = await render(
      <Detail row={eventRow({ place: 5 })} client={client} onSelect={onSelect} onClose={nothing} />,
    );
    await screen.getByRole("button", { name: /Next of this task/ }).click();
    await expect.poll(() => onSelect.mock.calls).toEqual([[99_000]]);
    await screen.getByRole("button", { name: /Previous of this task/ }).click();
    await expect.element(screen.getByText("No older one is loaded.")).toBeInTheDocument();
    expect(find.mock.calls).toEqual([
      ["same-task", 5, 1],
      ["same-task", 5, -1],
    ]);
  });
});

describe("the output of an agent", () => {
  it("is prose, code, a plan and cards, and never markup", async () => {
    const screen = await render(<Detail row={batch} client={partsClient()} onClose={nothing} />);
    expect(screen.container.querySelector(".todoki-output pre")?.textContent).toContain("cargo test");
    expect(screen.container.querySelector("b")).toBeNull();
    await expect.element(screen.getByText("<b>not bold</b>").first()).toBeInTheDocument();
    await expect.element(screen.getByText("1 of 3 done")).toBeInTheDocument();
    expect(screen.container.querySelector(".todoki-plan")?.textContent).toContain("In progress: Mend");
    await expect.element(screen.getByText("failed", { exact: true })).toBeInTheDocument();
  });

  it("has input and output of a tool when they are opened", async () => {
    const screen = await render(<Detail row={batch} client={partsClient()} onClose={nothing} />);
    expect(screen.container.querySelector(".todoki-fold pre")).toBeNull();
    await screen.getByText(/^Output 1 line/).click();
    await expect.element(screen.getByText("2 failed")).toBeInTheDocument();
  });

  it("marks what went to stderr", async () => {
    const row = eventRow({
      kind: "agent.output_batch",
      json: { stream: "stderr", items: [{ type: "text", text: "oops" }] },
    });
    const screen = await render(<Detail row={row} client={partsClient()} onClose={nothing} />);
    expect(screen.container.querySelector(".todoki-stderr")?.textContent).toBe("stderroops");
  });

  it("folds a text of many short lines", async () => {
    const row = eventRow({ kind: "agent.output", json: { text: "ok\n".repeat(100) } });
    const screen = await render(<Detail row={row} client={partsClient()} onClose={nothing} />);
    const prose = () => screen.container.querySelector(".todoki-prose")?.textContent ?? "";
    expect(prose().split("\n")).toHaveLength(30);
    await screen.getByRole("button", { name: "Show all 300 characters" }).click();
    expect(prose()).toBe("ok\n".repeat(100));
  });

  it("folds a long text", async () => {
    const text = "word ".repeat(2000);
    const row = eventRow({ kind: "agent.output", json: { text } });
    const screen = await render(<Detail row={row} client={partsClient()} onClose={nothing} />);
    await screen.getByRole("button", { name: "Show all 10,000 characters" }).click();
    expect(screen.container.querySelector(".todoki-prose")?.textContent).toBe(text);
  });
});

describe("accessibility", () => {
  const rows = {
    "an output": batch,
    "a task": eventRow({ json: { title: "Fix", priority: 1, description: "A\nB" } }),
    "a failure": eventRow({ kind: "task.failed", json: { error: "timeout\nat line 3" } }),
    "a request": eventRow({ kind: "permission.requested", json: { request_id: "1", tool: "bash", description: "rm" } }),
  };
  it.each(themes.flatMap((theme) => Object.keys(rows).map((name) => [name, theme] as const)))(
    "axe has no objection to %s in the %s theme",
    async (name, theme) => {
      setTheme(theme);
      const row = rows[name as keyof typeof rows];
      const props = {
        row,
        client: partsClient(),
        onClose: nothing,
        onFilter: nothing,
        onSelect: nothing,
        onCopyLink: nothing,
      };
      const screen = await render(<Detail {...props} />);
      for (const summary of screen.container.querySelectorAll("summary")) await userEvent.click(summary);
      await expectAccessible(screen.container);
    },
  );
});
