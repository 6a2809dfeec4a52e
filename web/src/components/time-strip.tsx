/** Events over time: how many of what, for how long back, and the way to a moment. In the lanes view, who did what. */
import { Histogram } from "@todoki/react";
import { lazy, Suspense, useState } from "react";
import { Button } from "@/components/ui/button.tsx";
import { Skeleton } from "@/components/ui/skeleton.tsx";
import { formatTime } from "@/lib/format.ts";
import { goTo } from "../commands.ts";
import { spans } from "../url-state.ts";
import { useView, useWorkspace } from "../workspace.ts";
import { GoToBox } from "./go-to-box.tsx";
import { ClockToggle, DrawnToggle, LaneToggle, SpanToggle } from "./toggles.tsx";

const LanesView = lazy(() => import("./lanes-view.tsx"));

/** A stretch of time that one chose, in milliseconds since 1970. */
export interface BrushedSpan {
  readonly from: number;
  readonly to: number;
}

export function TimeStrip({ onGone }: { onGone?: () => void }) {
  const { client } = useWorkspace();
  const { view, clock } = useView();
  const [brush, setBrush] = useState<BrushedSpan | null>(null);
  return (
    <section
      aria-label="Events over time"
      className="flex flex-col gap-x-4 gap-y-1.5 md:flex-row-reverse md:border-b md:bg-card md:px-3 md:py-1.5"
    >
      <div className="flex flex-wrap content-start gap-1.5 md:w-72 md:shrink-0 md:justify-end">
        <SpanToggle />
        <ClockToggle />
        <DrawnToggle />
        {view === "lanes" && <LaneToggle />}
        <GoToBox className="w-full" onDone={onGone} />
      </div>
      {/* As high while there is nothing to draw as it is then, so that the list does not move. */}
      <div className="min-h-28 min-w-0 flex-1">
        {brush !== null && <BrushActions brush={brush} onClear={() => setBrush(null)} onGone={onGone} />}
        {view === "list" ? (
          <Histogram client={client} utc={clock === "utc"} brush={brush} onBrush={setBrush} />
        ) : (
          <div className="max-h-[38dvh] overflow-y-auto">
            <Suspense fallback={<Skeleton className="h-40" />}>
              <LanesView brush={brush} onBrush={setBrush} />
            </Suspense>
          </div>
        )}
      </div>
    </section>
  );
}

interface BrushActionsProps {
  readonly brush: BrushedSpan;
  readonly onClear: () => void;
  /** One went there; a sheet closes then. */
  readonly onGone: (() => void) | undefined;
}

/** What can be done with a stretch that one brushed. */
function BrushActions({ brush, onClear, onGone }: BrushActionsProps) {
  const workspace = useWorkspace();
  const { clock } = useView();
  const now = Date.now();
  const go = () => {
    goTo(workspace, { time: brush.from });
    onGone?.();
  };
  const reset = () => {
    workspace.client.setSpan({ from: now - spans[workspace.store.view.get().span], to: null });
    onClear();
  };
  return (
    <div className="mb-1 flex flex-wrap items-center gap-1.5 text-xs">
      <span className="font-mono">
        {formatTime(brush.from, clock, now)} – {formatTime(brush.to, clock, now)}
      </span>
      <Button size="sm" onClick={go}>
        Go there
      </Button>
      <Button size="sm" onClick={() => workspace.client.setSpan(brush)}>
        Zoom in
      </Button>
      <Button size="sm" variant="ghost" onClick={reset}>
        Reset
      </Button>
    </div>
  );
}
