/**
 * Counts over the whole log, asked of the server when somebody wants more than what is in memory.
 *
 * Everything that comes from outside is checked here, so that the page shows numbers or says that it could not get them.
 */
import type { Facets, FacetValue } from "@todoki/react";
import type { ViewState } from "./url-state.ts";

/** What a view can be narrowed by. */
export type FacetName = "kind" | "agent" | "task" | "session" | "project";

/** In the order that the page has them. */
export const facetNames: readonly FacetName[] = ["kind", "agent", "task", "session", "project"];

/** How the page calls them. */
export const facetLabels: Readonly<Record<FacetName, string>> = {
  kind: "Kind",
  agent: "Agent",
  task: "Task",
  session: "Session",
  project: "Project",
};

/** Values of each facet: as many as a popover can be scrolled through. */
const limit = 50;

/** The request for the counts of what a view asks the server for. */
export function facetsHref(view: Pick<ViewState, "kinds" | "agent" | "task" | "session" | "project">): string {
  const pairs: (readonly [string, string | null])[] = [
    ["limit", String(limit)],
    ["kinds", view.kinds.join(",") || null],
    ["agent_id", view.agent],
    ["task_id", view.task],
    ["session_id", view.session],
    ["project_id", view.project],
  ];
  const text = pairs.flatMap(([key, value]) => (value === null ? [] : [`${key}=${encodeURIComponent(value)}`]));
  return `/api/event-bus/facets?${text.join("&")}`;
}

/** Asks. Rejects with words for people. */
export async function fetchFacets(href: string, token: string | null, signal: AbortSignal): Promise<Facets> {
  const headers: HeadersInit = token === null ? {} : { authorization: `Bearer ${token}` };
  const answer = await fetch(href, { headers, signal });
  if (!answer.ok) throw new Error(`The server answered ${answer.status}`);
  return readFacets(await answer.json());
}

/** The counts in an answer; what is no list of counts is an empty one. */
export function readFacets(answer: unknown): Facets {
  const member = (key: string): unknown =>
    typeof answer === "object" && answer !== null ? (answer as Record<string, unknown>)[key] : undefined;
  const values = (key: string): readonly FacetValue[] => {
    const list = member(key);
    return Array.isArray(list) ? list.filter(isFacetValue) : [];
  };
  return {
    kinds: values("kinds"),
    agents: values("agents"),
    sessions: values("sessions"),
    tasks: values("tasks"),
    projects: [],
    scope: "log",
    isComplete: member("is_complete") === true,
  };
}

function isFacetValue(value: unknown): value is FacetValue {
  if (typeof value !== "object" || value === null || !("value" in value) || !("count" in value)) return false;
  return typeof value.value === "string" && typeof value.count === "number";
}
