/**
 * The line at the end of the past: loads older events, or says that there are none.
 */
import { type ReactNode, useCallback, useState } from "react";
import type { EventClient, Rows } from "../event-client.ts";
import { useSlice } from "../use-slice.ts";
import type { Order } from "./geometry.ts";
import { messageOf } from "./messages.ts";

const hasOlder = (rows: Rows) => rows.hasOlder;
const isLoadingOlder = (rows: Rows) => rows.isLoadingOlder;

/** Above the first line, or below the last one where the newest comes first. */
export function EdgeRow({ client, order }: { readonly client: EventClient; readonly order: Order }): ReactNode {
  const isMore = useSlice(client.rows, hasOlder);
  const isLoading = useSlice(client.rows, isLoadingOlder);
  const [problem, setProblem] = useState<string | null>(null);
  const load = useCallback(() => {
    if (isLoading) return;
    setProblem(null);
    client.loadOlder().catch((error: unknown) => setProblem(messageOf(error)));
  }, [client, isLoading]);
  return (
    <div role="row" className="todoki-edge" data-order={order}>
      <span role="gridcell" className="todoki-edge-cell">
        {problem === null ? null : (
          <span className="todoki-danger-text">Older events could not be loaded: {problem} </span>
        )}
        {isMore ? (
          <button type="button" className="todoki-button" aria-disabled={isLoading} onClick={load}>
            {isLoading ? "Loading older events…" : problem === null ? "Load older events" : "Try again"}
          </button>
        ) : (
          "No older events"
        )}
      </span>
    </div>
  );
}
