/**
 * What one looks at, as a URL says it: a link is the whole view, and the whole view is a link.
 *
 * Pure: text in, values out. Whatever is malformed in a URL is dropped, so that an old or mistyped link still opens.
 * Members that have their default value are left out, so the plain page stays `/events`.
 */
import type { Cursor, LaneKey } from "@todoki/react";
import { canonical, maxPatterns, patternProblem } from "./kind-pattern.ts";
import { routeOf } from "./router.ts";

/** Where a view stands: at an event, or at a time in milliseconds since 1970. */
export type At = { readonly cursor: Cursor } | { readonly time: number };

/** Everything about a view that is worth sharing. */
export interface ViewState {
  readonly query: string;
  readonly mode: "filter" | "mark";
  /** Kinds and patterns that the server sends; none means all. */
  readonly kinds: readonly string[];
  readonly agent: string | null;
  readonly task: string | null;
  readonly session: string | null;
  readonly project: string | null;
  /** Null follows the present. */
  readonly at: At | null;
  readonly selected: Cursor | null;
  readonly clock: "local" | "utc";
  readonly view: "list" | "lanes";
  readonly laneKey: LaneKey;
  readonly density: Density;
  readonly span: SpanName;
}

export type Density = "compact" | "default" | "comfortable";
export type SpanName = "5m" | "15m" | "1h" | "24h";

/** The spans of the time strip, in milliseconds. */
export const spans: Readonly<Record<SpanName, number>> = {
  "5m": 300_000,
  "15m": 900_000,
  "1h": 3_600_000,
  "24h": 86_400_000,
};

/** The view of the plain page. */
export const initialView: ViewState = {
  query: "",
  mode: "filter",
  kinds: [],
  agent: null,
  task: null,
  session: null,
  project: null,
  at: null,
  selected: null,
  clock: "local",
  view: "list",
  laneKey: "agent",
  density: "default",
  span: "15m",
};

/** The view that an address says. */
export function parseView(path: string, search: string): ViewState {
  const query = new URLSearchParams(search);
  const route = routeOf(path);
  const linked = route.page === "events" ? route.cursor : null;
  return {
    query: query.get("q") ?? initialView.query,
    mode: oneOf(query.get("mode"), ["filter", "mark"], initialView.mode),
    kinds: parseKinds(query.get("kinds")),
    agent: parseId(query.get("agent")),
    task: parseId(query.get("task")),
    session: parseId(query.get("session")),
    project: parseId(query.get("project")),
    at: linked === null ? parseAt(query.get("at")) : { cursor: linked },
    selected: linked ?? parseCursor(query.get("sel")),
    clock: oneOf(query.get("t"), ["local", "utc"], initialView.clock),
    view: oneOf(query.get("view"), ["list", "lanes"], initialView.view),
    laneKey: oneOf(query.get("by"), ["agent", "task", "session"], initialView.laneKey),
    density: oneOf(query.get("density"), ["compact", "default", "comfortable"], initialView.density),
    span: oneOf(query.get("span"), ["5m", "15m", "1h", "24h"], initialView.span),
  };
}

/** The address of a view, path and query. A view that stands at its selected event is that event's permalink. */
export function viewHref(view: ViewState): string {
  const cursor = view.at !== null && "cursor" in view.at && view.at.cursor === view.selected ? view.selected : null;
  const pairs: (readonly [string, string | null])[] = [
    ["q", view.query || null],
    ["mode", unless(view.mode, initialView.mode)],
    ["kinds", view.kinds.join(",") || null],
    ["agent", view.agent],
    ["task", view.task],
    ["session", view.session],
    ["project", view.project],
    ["at", cursor === null ? formatAt(view.at) : null],
    ["sel", cursor === null && view.selected !== null ? String(view.selected) : null],
    ["t", unless(view.clock, initialView.clock)],
    ["view", unless(view.view, initialView.view)],
    ["by", unless(view.laneKey, initialView.laneKey)],
    ["density", unless(view.density, initialView.density)],
    ["span", unless(view.span, initialView.span)],
  ];
  const text = pairs.flatMap(([key, value]) => (value === null ? [] : [`${key}=${escapeValue(value)}`])).join("&");
  return (cursor === null ? "/events" : `/events/${cursor}`) + (text && `?${text}`);
}

/** The link to one event in a view, which opens around it. */
export function eventHref(view: ViewState, cursor: Cursor): string {
  return viewHref({ ...view, at: { cursor }, selected: cursor });
}

/** Whether anything narrows the view, on the server or in memory. */
export function isNarrowed(view: ViewState): boolean {
  const { query, kinds, agent, task, session, project } = view;
  return query !== "" || kinds.length > 0 || [agent, task, session, project].some((id) => id !== null);
}

/** What clears every filter and leaves the rest of a view as it is. */
export const noFilters = { query: "", kinds: [], agent: null, task: null, session: null, project: null } as const;

function oneOf<T extends string>(text: string | null, values: readonly T[], otherwise: T): T {
  return values.find((value) => value === text) ?? otherwise;
}

function unless(value: string, initial: string): string | null {
  return value === initial ? null : value;
}

function parseKinds(text: string | null): readonly string[] {
  const patterns = (text ?? "").split(",").filter((pattern) => patternProblem(pattern) === null);
  return canonical(patterns).slice(0, maxPatterns);
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function parseId(text: string | null): string | null {
  const id = (text ?? "").toLowerCase();
  return uuid.test(id) ? id : null;
}

function parseCursor(text: string | null): Cursor | null {
  const cursor = /^[1-9]\d{0,15}$/.test(text ?? "") ? Number(text) : Number.NaN;
  return Number.isSafeInteger(cursor) ? cursor : null;
}

function parseAt(text: string | null): At | null {
  if (text === null) return null;
  const cursor = parseCursor(text);
  if (cursor !== null) return { cursor };
  const time = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? null : { time };
}

function formatAt(at: At | null): string | null {
  if (at === null) return null;
  return "cursor" in at ? String(at.cursor) : new Date(at.time).toISOString();
}

/** As `encodeURIComponent`, but leaves what a query may hold and people read: `task.*,agent.*`, `kind:` and times. */
function escapeValue(text: string): string {
  return encodeURIComponent(text).replace(/%(2C|3A|2F|40)/g, decodeURIComponent);
}
