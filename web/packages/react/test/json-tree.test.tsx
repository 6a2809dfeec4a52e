import { describe, expect, it, vi } from "vitest";
import { userEvent } from "vitest/browser";
import { render } from "vitest-browser-react";
import "../src/styles.css";
import { JsonTree } from "../src/timeline/json-tree.tsx";
import { expectAccessible, setTheme, themes } from "./parts-page.ts";

const sample = JSON.stringify({
  title: "Fix login",
  url: "https://example.org/pull/42",
  script: "javascript:alert(1)",
  nested: { deep: { deeper: [1, 2, null] } },
  ok: true,
  log: "line\n".repeat(100),
});

function items(): string[] {
  return [...document.querySelectorAll("[role=treeitem]")].map((item) => item.textContent ?? "");
}

describe("a JSON tree", () => {
  it("shows numbers exactly as the event has them", async () => {
    await render(<JsonTree text='{"id":12345678901234567890,"price":1.50}' label="Data" />);
    expect(items()).toContain("id: 12345678901234567890");
    expect(items()).toContain("price: 1.50");
  });

  it("shows what is in a value only when it is opened", async () => {
    const screen = await render(<JsonTree text={sample} label="Data" />);
    expect(items().join()).not.toContain("deeper: ");
    await screen.getByRole("treeitem", { name: "deep: { 1 }" }).click();
    expect(items().join()).not.toContain("2: null");
    await screen.getByRole("treeitem", { name: "deeper: [ 3 ]" }).click();
    expect(items()).toContain("2: null");
  });

  it("is walked by keys, with one stop for Tab", async () => {
    await render(<JsonTree text={sample} label="Data" />);
    await userEvent.tab();
    expect(document.activeElement?.textContent).toMatch(/^▾data/);
    await userEvent.keyboard("{End}");
    expect(document.activeElement?.textContent).toContain("500 characters");
    await userEvent.keyboard("{Enter}");
    expect(document.activeElement?.getAttribute("aria-expanded")).toBe("true");
    await userEvent.keyboard("{Home}{ArrowDown}");
    expect(document.activeElement?.textContent).toBe('title: "Fix login"');
    expect(document.querySelectorAll("[role=treeitem][tabindex='0']")).toHaveLength(1);
  });

  it("keeps its keys from the list around it", async () => {
    const heard = vi.fn();
    document.addEventListener("keydown", heard);
    await render(<JsonTree text={sample} label="Data" />);
    await userEvent.tab();
    await userEvent.keyboard("{ArrowDown}");
    expect(heard.mock.calls.filter(([event]) => (event as KeyboardEvent).key === "ArrowDown")).toHaveLength(0);
    document.removeEventListener("keydown", heard);
  });

  it("makes links of web addresses alone, which tell nobody where they were", async () => {
    await render(<JsonTree text={sample} label="Data" />);
    const links = [...document.querySelectorAll("a")];
    expect(links.map((link) => link.getAttribute("href"))).toEqual(["https://example.org/pull/42"]);
    expect(links[0]?.rel).toBe("noreferrer noopener");
  });

  it("filters by the value that is chosen", async () => {
    const onFilter = vi.fn();
    const screen = await render(<JsonTree text={sample} label="Data" onFilter={onFilter} />);
    await screen.getByRole("treeitem", { name: /^title/ }).click();
    await screen.getByRole("button", { name: "Only" }).click();
    await screen.getByRole("button", { name: "Hide" }).click();
    expect(onFilter.mock.calls).toEqual([['data.title:"Fix login"'], ['-data.title:"Fix login"']]);
  });

  it("copies value, path and jq", async () => {
    const write = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
    const screen = await render(<JsonTree text='{"a b":[1,{"n":1.50}]}' label="Data" />);
    await screen.getByRole("treeitem", { name: /a b/ }).click();
    await screen.getByRole("button", { name: "Copy value" }).click();
    await expect.element(screen.getByText("Copied")).toBeInTheDocument();
    await screen.getByRole("button", { name: "Copy path" }).click();
    await screen.getByRole("button", { name: "Copy jq" }).click();
    expect(write.mock.calls).toEqual([['[1,{"n":1.50}]'], ['data["a b"]'], ['.data["a b"]']]);
    write.mockRestore();
  });

  it("shows a long array a hundred at a time", async () => {
    const screen = await render(
      <JsonTree text={JSON.stringify({ n: Array.from({ length: 250 }, (_, i) => i) })} label="Data" />,
    );
    if (items().length < 50) await screen.getByRole("treeitem", { name: /^▸n/ }).click();
    await screen.getByRole("treeitem", { name: "… 150 more" }).click();
    await expect.element(screen.getByRole("treeitem", { name: "… 50 more" })).toBeInTheDocument();
  });

  it("asks before it reads more than 64 KB", async () => {
    const screen = await render(<JsonTree text={JSON.stringify({ blob: "x".repeat(80 * 1024) })} label="Data" />);
    expect(items()).toEqual([]);
    await screen.getByRole("button", { name: "Show 80 KB of JSON" }).click();
    expect(items().length).toBeGreaterThan(0);
  });

  it("offers more than 1 MB as a file", async () => {
    const screen = await render(<JsonTree text={JSON.stringify({ blob: "x".repeat(1200 * 1024) })} label="Data" />);
    await expect.element(screen.getByRole("button", { name: "Download 1.2 MB of JSON" })).toBeInTheDocument();
    expect(items()).toEqual([]);
  });

  it("shows what there is of a text that was cut, and says so", async () => {
    const screen = await render(<JsonTree text='{"title":"Fix","log":"one two' label="Data" />);
    expect(items()).toContain('log: "one two…');
    await expect.element(screen.getByText("Cut here: the rest is not loaded.")).toBeInTheDocument();
  });

  it.each(themes)("has nothing that axe would object to in the %s theme", async (theme) => {
    setTheme(theme);
    const screen = await render(<JsonTree text={sample} label="Data" onFilter={() => {}} />);
    await screen.getByRole("treeitem", { name: /^title/ }).click();
    await expectAccessible(screen.container);
  });
});
