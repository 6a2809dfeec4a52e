export { openEventClient } from "./client.ts";
export type * from "./event-client.ts";
export type { Histogram as HistogramData, Lanes as LanesData } from "./event-client.ts";
export type { WindowEvent } from "./event-window.ts";
export { TodokiProvider, type TodokiProviderProps } from "./provider.tsx";
export { type TodokiSettings, useTodokiSettings } from "./settings.ts";
export { type Cell, cell, type Slice } from "./slice.ts";
export type { Brush } from "./timeline/brush.ts";
export type { Column } from "./timeline/columns.ts";
export { Detail, type DetailProps } from "./timeline/detail.tsx";
export {
  type Density,
  EventTimeline,
  type EventTimelineProps,
  type TimelineViewProps,
} from "./timeline/event-timeline.tsx";
export { FacetList, type FacetListProps } from "./timeline/facets.tsx";
export { dataTerm, fieldTerm, type TermField } from "./timeline/filter-term.ts";
export type { Order } from "./timeline/geometry.ts";
export { Histogram, type HistogramProps } from "./timeline/histogram.tsx";
export { JsonTree, type JsonTreeProps } from "./timeline/json-tree.tsx";
export { SHORTCUTS, type Shortcut, type ShortcutId } from "./timeline/keyboard.ts";
export { type Family, type KindLook, kindLook, type Tone } from "./timeline/kinds.ts";
export { Lanes, type LanesProps } from "./timeline/lanes.tsx";
export type { ListControl } from "./timeline/list-engine.ts";
export { LiveRegion, type LiveRegionProps } from "./timeline/live-region.tsx";
export { Minimap, type MinimapProps } from "./timeline/minimap.tsx";
export { OutputBatch, type OutputBatchProps } from "./timeline/output-batch.tsx";
export { PermissionRequest, type PermissionRequestProps } from "./timeline/permission.tsx";
export { type Pill, type PillState, pillOf } from "./timeline/pill.ts";
export { StatusPill, type StatusPillProps } from "./timeline/status-pill.tsx";
export { summaryOf } from "./timeline/summary.ts";
export { usePill } from "./timeline/use-pill.ts";
export type { ShortcutScope } from "./timeline/use-shortcuts.ts";
export { type EventStream, type EventStreamOptions, useEventStream } from "./use-event-stream.ts";
export { useSlice } from "./use-slice.ts";
