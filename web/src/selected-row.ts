/** The row of the selected event. */
import type { EventRow, Rows } from "@todoki/react";
import { useSlice } from "@todoki/react";
import { useCallback, useRef } from "react";
import { useView, useWorkspace } from "./workspace.ts";

/**
 * The row of the view's selected event; null when none is, or when it has not come yet. Once seen it stays, however far one
 * scrolls away from it.
 */
export function useSelectedRow(): EventRow | null {
  const { client } = useWorkspace();
  const { selected } = useView();
  const seen = useRef<EventRow | null>(null);
  const select = useCallback(
    (rows: Rows) => {
      if (selected === null) return null;
      const row = rows.rows.find((one): one is EventRow => one.type === "event" && one.cursor === selected);
      if (row !== undefined) seen.current = row;
      return seen.current?.cursor === selected ? seen.current : null;
    },
    [selected],
  );
  return useSlice(client.rows, select, isSameRow);
}

function isSameRow(a: EventRow | null, b: EventRow | null): boolean {
  return a?.cursor === b?.cursor && a?.place === b?.place;
}
