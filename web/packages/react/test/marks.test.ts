import { expect, it } from "vitest";
import { piecesOf, textsOf } from "../src/timeline/marks.ts";

function marked(text: string, query: string): string {
  return piecesOf(text, textsOf(query))
    .map((piece) => (piece.isMarked ? `[${piece.text}]` : piece.text))
    .join("");
}

it("marks what a query looks for in the text, whatever the case", () => {
  expect(marked("Timeout after a timeout", "timeOUT")).toBe("[Timeout] after a [timeout]");
  expect(marked("Fix the login page", 'page "the login"')).toBe("Fix [the login] [page]");
  expect(marked("title=Fix priority=2", "data.title:fix data.priority:2")).toBe("title=[Fix] priority=[2]");
});

it("marks nothing for terms that look elsewhere, or for what must not be there", () => {
  expect(marked("task created by agent", "kind:task -created agent:agent /by/ -data.x:task")).toBe(
    "task created by agent",
  );
  expect(marked("anything", "")).toBe("anything");
});

it("marks the longer of two texts that begin together, and leaves letters alone that change their length", () => {
  expect(marked("timeouts", "time timeout")).toBe("[timeout]s");
  expect(marked("İstanbul timeout", "timeout")).toBe("İstanbul timeout");
});
