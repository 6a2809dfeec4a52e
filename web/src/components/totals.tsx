/** How far the log goes, and how many events come a second. */
import { useSlice } from "@todoki/react";
import { formatCount, formatRate } from "@/lib/format.ts";
import { useWorkspace } from "../workspace.ts";

export function Totals() {
  const { client } = useWorkspace();
  // A position and no count: what this token may see, and what the view asks for, may be few of the events up to it.
  const head = useSlice(client.status, (status) => status.head);
  const rate = useSlice(client.counts, (counts) => formatRate(counts.eventsPerSecond));
  if (head === null) return null;
  return (
    <p className="whitespace-nowrap text-muted-foreground text-xs">
      up to <span className="text-foreground">#{formatCount(head)}</span> <span aria-hidden="true">·</span>{" "}
      <span className="text-foreground">{rate}</span>
    </p>
  );
}
