/** The row of the selected event. */
import { type EventRow, fetchRow, type Rows, type Status, useSlice } from "@todoki/react";
import { useCallback, useEffect, useRef, useState } from "react";
import { needsToken } from "./token.ts";
import { useView, useWorkspace } from "./workspace.ts";

/**
 * The row of the view's selected event; null when none is, or when it has not come yet. Once seen it stays, however far one
 * scrolls away from it; one that the list does not have, such as that of a link, is fetched.
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
  const listed = useSlice(client.rows, select, isSameRow);
  const fetched = useFetchedRow(listed === null ? selected : null);
  return listed ?? fetched;
}

/** The row of an event that the list does not have, as soon as there is a connection to ask by. */
function useFetchedRow(cursor: number | null): EventRow | null {
  const { client, notice } = useWorkspace();
  const canAsk = useSlice(client.status, isLetIn);
  const [row, setRow] = useState<EventRow | null>(null);
  useEffect(() => {
    if (cursor === null || !canAsk) return;
    let isWanted = true;
    void fetchRow(client, cursor).then((found) => {
      if (!isWanted) return;
      setRow(found);
      if (found === null) notice.set({ text: `Event #${cursor} is not in the log, or not any more`, isProblem: true });
    });
    return () => {
      isWanted = false;
    };
  }, [client, notice, cursor, canAsk]);
  return row?.cursor === cursor ? row : null;
}

function isLetIn({ phase, head }: Status): boolean {
  return head !== null && !needsToken(phase);
}

function isSameRow(a: EventRow | null, b: EventRow | null): boolean {
  return a?.cursor === b?.cursor && a?.place === b?.place;
}
