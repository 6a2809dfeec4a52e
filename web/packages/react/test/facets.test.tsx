import { describe, expect, it, vi } from "vitest";
import { render } from "vitest-browser-react";
import "../src/styles.css";
import { FacetList } from "../src/timeline/facets.tsx";
import { expectAccessible, setTheme, themes } from "./parts-page.ts";

const kinds = [
  { value: "agent.output_batch", count: 9882 },
  { value: "task.failed", count: 12 },
];

describe("the values of a facet", () => {
  it("have their counts", async () => {
    const screen = await render(<FacetList facet="kind" values={kinds} />);
    expect(
      screen
        .getByRole("listitem")
        .elements()
        .map((item) => item.textContent),
    ).toEqual(["agent.output_batch9,882", "task.failed12"]);
    expect(screen.getByRole("button").elements()).toEqual([]);
  });

  it("narrow the list, or are hidden from it", async () => {
    const [onOnly, onHide] = [vi.fn(), vi.fn()];
    const screen = await render(<FacetList facet="kind" values={kinds} onOnly={onOnly} onHide={onHide} />);
    await screen.getByRole("button", { name: "Only task.failed" }).click();
    await screen.getByRole("button", { name: "Hide agent.output_batch" }).click();
    expect(onOnly.mock.calls).toEqual([["task.failed"]]);
    expect(onHide.mock.calls).toEqual([["agent.output_batch"]]);
  });

  it("are checked and unchecked", async () => {
    const onToggle = vi.fn();
    const screen = await render(
      <FacetList facet="kind" values={kinds} selected={["task.failed"]} onToggle={onToggle} />,
    );
    await screen.getByRole("checkbox", { name: "task.failed" }).click();
    await screen.getByRole("checkbox", { name: "agent.output_batch" }).click();
    expect(onToggle.mock.calls).toEqual([
      ["task.failed", false],
      ["agent.output_batch", true],
    ]);
  });

  it("are named by the end of their id", async () => {
    const values = [{ value: "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f", count: 1 }];
    const screen = await render(<FacetList facet="agent" values={values} />);
    await expect.element(screen.getByText("7c8d9e0f")).toBeInTheDocument();
  });

  it("say so when there are none, or when there are more than were counted", async () => {
    const screen = await render(<FacetList facet="task" values={[]} />);
    await expect.element(screen.getByText("No events with a task.")).toBeInTheDocument();
    await screen.rerender(<FacetList facet="kind" values={kinds} isComplete={false} />);
    await expect.element(screen.getByText("Not all events are counted.")).toBeInTheDocument();
  });

  it.each(themes)("axe has no objection in the %s theme", async (theme) => {
    setTheme(theme);
    const act = () => {};
    const screen = await render(<FacetList facet="kind" values={kinds} onToggle={act} onOnly={act} onHide={act} />);
    await expectAccessible(screen.container);
  });
});
