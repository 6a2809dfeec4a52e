/**
 * What a core needs only when somebody asks for it: a chunk of its own, so that following a stream costs less to load.
 */
export { emit, facetsOfServer, histogramOfServer, replay } from "./api-extras.ts";
export { exportLoaded, exportLog } from "./export.ts";
export { facetsOf } from "./facets.ts";
export { WindowCounts } from "./histogram.ts";
export { lanesOf } from "./lanes.ts";
export { around, fill, find, loadNewer, placeOf, present, searchOlder, seek } from "./navigation.ts";
export { parseQuery } from "./query.ts";
