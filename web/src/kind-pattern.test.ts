import { describe, expect, test } from "vitest";
import { canonical, patternProblem, picks } from "./kind-pattern.ts";

describe("patternProblem", () => {
  test.each(["*", "task.*", "task.created", "ta*", "task.st*", "a.b.c*", "A-z_0.9", "task*", "x".repeat(128)])(
    "%s is taken, as the server takes it",
    (pattern) => expect(patternProblem(pattern)).toBeNull(),
  );
  test.each([
    "",
    ".",
    ".*",
    "task.",
    "task..created",
    "task..*",
    ".task",
    "ta*sk",
    "*.created",
    "**",
    "task created",
    "task,created",
    "tâche",
    "x".repeat(129),
  ])("%j is refused, as the server refuses it", (pattern) =>
    expect(patternProblem(pattern)).toEqual(expect.any(String)),
  );
  test("a problem names what is wrong", () => {
    expect(patternProblem("ta*sk")).toContain("at the end");
    expect(patternProblem("task.cr eated")).toContain("“cr eated”");
  });
});

describe("picks", () => {
  test("a star matches any rest, also none and more dots", () => {
    expect(picks("task.*", "task.review.done")).toBe(true);
    expect(picks("task*", "task")).toBe(true);
    expect(picks("task.*", "task")).toBe(false);
    expect(picks("task.created", "task.created2")).toBe(false);
  });
});

describe("canonical", () => {
  test("drops repetitions and what another pattern covers", () => {
    expect(canonical(["task.created", "agent.*", "task.*", "agent.*", "agent.out*"])).toEqual(["agent.*", "task.*"]);
  });
  test("all is said by nothing", () => {
    expect(canonical(["task.*", "*"])).toEqual([]);
  });
});
