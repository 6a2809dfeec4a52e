/** Pauses the list, or follows again; while paused it says how much is new. */
import { useSlice } from "@todoki/react";
import { Pause, Play } from "lucide-react";
import { Button } from "@/components/ui/button.tsx";
import { formatShort } from "@/lib/format.ts";
import { togglePause } from "../commands.ts";
import { useWorkspace } from "../workspace.ts";

export function FollowButton({ className }: { className?: string }) {
  const workspace = useWorkspace();
  const isFollowing = useSlice(workspace.client.rows, (rows) => rows.isFollowing);
  const fresh = useSlice(workspace.client.counts, (counts) => counts.fresh);
  return (
    <Button variant={isFollowing ? "outline" : "primary"} className={className} onClick={() => togglePause(workspace)}>
      {isFollowing ? <Pause aria-hidden="true" /> : <Play aria-hidden="true" />}
      {isFollowing ? "Pause" : "Follow"}
      {!isFollowing && fresh > 0 && <span className="font-normal">· {formatShort(fresh)} new</span>}
    </Button>
  );
}
