/** The commands that a thumb reaches. */
import { useSlice } from "@todoki/react";
import { ListFilter, Pause, Play, Search } from "lucide-react";
import type { ReactNode } from "react";
import { formatShort } from "@/lib/format.ts";
import { togglePause } from "../commands.ts";
import { useWorkspace } from "../workspace.ts";

export function BottomBar({ onSearch, onFilters }: { onSearch: () => void; onFilters: () => void }) {
  const workspace = useWorkspace();
  const isFollowing = useSlice(workspace.client.rows, (rows) => rows.isFollowing);
  const fresh = useSlice(workspace.client.counts, (counts) => counts.fresh);
  return (
    <nav aria-label="Commands" className="grid grid-cols-3 border-t bg-card pb-[env(safe-area-inset-bottom)]">
      <BarButton onClick={() => togglePause(workspace)}>
        {isFollowing ? <Pause aria-hidden="true" /> : <Play aria-hidden="true" />}
        {isFollowing ? "Pause" : fresh > 0 ? `Follow · ${formatShort(fresh)} new` : "Follow"}
      </BarButton>
      <BarButton onClick={onSearch}>
        <Search aria-hidden="true" /> Search
      </BarButton>
      <BarButton onClick={onFilters}>
        <ListFilter aria-hidden="true" /> Filters
      </BarButton>
    </nav>
  );
}

function BarButton({ onClick, children }: { onClick: () => void; children: ReactNode }) {
  return (
    <button
      type="button"
      className="flex min-h-12 min-w-0 items-center justify-center gap-1.5 px-1 text-xs hover:bg-accent [&_svg]:size-4 [&_svg]:shrink-0"
      onClick={onClick}
    >
      {children}
    </button>
  );
}
