/**
 * What a core needs only when somebody asks for it: a chunk of its own, so that following a stream costs less to load.
 */
import type { Cursor, Draft, ExportRequest, Find, LaneKey, Span, Target } from "../event-client.ts";
import { emit, replay } from "./api-extras.ts";
import type { Environment } from "./environment.ts";
import { exportLoaded, exportLog } from "./export.ts";
import { fill, find, loadNewer, placeOf, present, searchOlder, seek } from "./navigation.ts";
import { parseQuery } from "./query.ts";
import type { Timeline } from "./timeline.ts";

export { around, present } from "./navigation.ts";
export { Views } from "./views.ts";

/** What a call has besides its arguments. */
export interface Call {
  readonly timeline: Timeline;
  readonly env: Environment;
  readonly signal: AbortSignal;
  readonly onProgress: (events: number, reached?: Cursor) => void;
}

/** What the page may call, by the names of `EventClient`, besides what every timeline can do by itself. */
export const calls = {
  setQuery({ timeline }: Call, query: string, mode: "filter" | "mark"): void {
    const { test, problem } = parseQuery(query);
    if (problem === null) timeline.setTest(test, test !== null && mode === "filter");
  },
  seek: ({ timeline }: Call, target: Target) => (target === "now" ? present(timeline, false) : seek(timeline, target)),
  loadNewer: ({ timeline }: Call) => loadNewer(timeline),
  fill: ({ timeline }: Call, place: number) => fill(timeline, place),
  searchOlder: ({ timeline, onProgress, signal }: Call) => searchOlder(timeline, onProgress, signal),
  find: ({ timeline }: Call, what: Find, from: number, direction: 1 | -1) =>
    find(timeline.window, what, from, direction),
  placeOf: ({ timeline }: Call, cursor: Cursor) => placeOf(timeline.window, cursor),
  emit: ({ timeline, env }: Call, draft: Draft) => emit(timeline.api, env, draft),
  async export(
    { timeline, onProgress, signal }: Call,
    { format, scope }: Pick<ExportRequest, "format" | "scope">,
  ): Promise<Blob> {
    const file =
      scope === "loaded"
        ? exportLoaded(timeline.window, format)
        : await exportLog(await replay(timeline.api, timeline.subscription, signal), format, onProgress);
    onProgress(file.events);
    return file.blob();
  },
  setSpan: async ({ timeline }: Call, span: Span) => (await timeline.loadViews()).setSpan(span),
  setLaneKey: async ({ timeline }: Call, by: LaneKey) => (await timeline.loadViews()).setLaneKey(by),
};
