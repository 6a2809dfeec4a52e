export { openEventClient } from "./client.ts";
export type * from "./event-client.ts";
export { type Cell, cell, type Slice } from "./slice.ts";
