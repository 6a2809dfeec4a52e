/** The lanes, in a chunk of their own: most people look at the list. */
import { Lanes } from "@todoki/react";
import { goTo } from "../commands.ts";
import { useView, useWorkspace } from "../workspace.ts";
import type { BrushedSpan } from "./time-strip.tsx";

interface LanesViewProps {
  readonly brush: BrushedSpan | null;
  readonly onBrush: (span: BrushedSpan | null) => void;
}

export default function LanesView({ brush, onBrush }: LanesViewProps) {
  const workspace = useWorkspace();
  const { clock, selected } = useView();
  return (
    <Lanes
      client={workspace.client}
      utc={clock === "utc"}
      brush={brush}
      onBrush={onBrush}
      selected={selected}
      onSelect={(cursor) => goTo(workspace, { cursor })}
    />
  );
}
