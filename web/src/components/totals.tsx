/** How many events the log has, and how many come a second. */
import { useSlice } from "@todoki/react";
import { formatCount, formatRate } from "@/lib/format.ts";
import { useWorkspace } from "../workspace.ts";

export function Totals() {
  const { client } = useWorkspace();
  const total = useSlice(client.status, (status) => totalOf(status.earliest, status.head));
  const rate = useSlice(client.counts, (counts) => formatRate(counts.eventsPerSecond));
  if (total === null) return null;
  return (
    <p className="whitespace-nowrap text-muted-foreground text-xs">
      <span className="text-foreground">{formatCount(total)}</span> events <span aria-hidden="true">·</span>{" "}
      <span className="text-foreground">{rate}</span>
    </p>
  );
}

/** Cursors are dense, so the two ends of the log say how many events are between them. */
function totalOf(earliest: number | null, head: number | null): number | null {
  if (head === null) return null;
  return earliest === null ? head : Math.max(0, head - earliest + 1);
}
