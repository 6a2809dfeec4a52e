import { expect, test } from "vitest";
import { facetsHref, readFacets } from "./facet-counts.ts";

test("the request says what the view asks the server for", () => {
  expect(facetsHref({ kinds: ["agent.*", "task.*"], agent: "a1", task: null, session: null, project: "p1" })).toBe(
    "/api/event-bus/facets?limit=50&kinds=agent.*%2Ctask.*&agent_id=a1&project_id=p1",
  );
});

test("counts are read, and what is no count is left out", () => {
  const facets = readFacets({
    kinds: [{ value: "task.created", count: 3 }, { value: 4, count: 1 }, null],
    agents: "none",
    is_complete: true,
  });
  expect(facets).toEqual({
    kinds: [{ value: "task.created", count: 3 }],
    agents: [],
    sessions: [],
    tasks: [],
    projects: [],
    scope: "log",
    isComplete: true,
  });
});
