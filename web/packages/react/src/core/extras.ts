/**
 * What a core needs only when somebody asks for it: a chunk of its own, so that following a stream costs less to load.
 */
export { emit, facetsOfServer, histogramOfServer, replay } from "./api-extras.ts";
export { ExportFile, eachLine } from "./export.ts";
export { FACET_VALUES, facetsOf } from "./facets.ts";
export { WINDOWS, WindowCounts } from "./histogram.ts";
export { lanesOf } from "./lanes.ts";
export { parseQuery } from "./query.ts";
