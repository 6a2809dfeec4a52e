import type { EventRow } from "../src/event-client.ts";

/** A row of the list with the given parts; the rest is plausible. */
export function eventRow(parts: Partial<EventRow> & { readonly json?: unknown }): EventRow {
  const { json, ...rest } = parts;
  const kind = parts.kind ?? "task.created";
  return {
    type: "event",
    place: 0,
    cursor: 88_015,
    time: Date.UTC(2026, 1, 27, 10, 2, 15, 900),
    kind,
    agentId: "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f",
    sessionId: null,
    taskId: "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e10",
    projectId: null,
    data: JSON.stringify(json ?? {}),
    isWhole: true,
    summary: "as the server sums it up",
    isFailure: /(?:failed|error|denied|expired)$/.test(kind),
    isHit: true,
    isNewDay: false,
    ...rest,
  };
}
