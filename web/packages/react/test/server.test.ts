import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { expect, it } from "vitest";
import { EventTimeline, TodokiProvider } from "../src/index.ts";

it("is drawn on a server as a stream that connects, and opens nothing there", () => {
  const open = () => {
    throw new Error("a server opens no stream");
  };
  const html = renderToString(
    createElement(TodokiProvider, { open }, createElement(EventTimeline, { kinds: ["task.*"], height: 300 })),
  );
  expect(html).toContain("Connecting…");
  expect(html).toContain('role="grid"');
  expect(html).toContain("todoki-skeleton");
});
