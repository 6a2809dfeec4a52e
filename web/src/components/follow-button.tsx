/** Pauses the list, or follows again. How much is new meanwhile the pill over the list says. */
import { useSlice } from "@todoki/react";
import { Pause, Play } from "lucide-react";
import { Button } from "@/components/ui/button.tsx";
import { togglePause } from "../commands.ts";
import { useWorkspace } from "../workspace.ts";

export function FollowButton({ className }: { className?: string }) {
  const workspace = useWorkspace();
  const isFollowing = useSlice(workspace.client.rows, (rows) => rows.isFollowing);
  return (
    <Button variant={isFollowing ? "outline" : "primary"} className={className} onClick={() => togglePause(workspace)}>
      {isFollowing ? <Pause aria-hidden="true" /> : <Play aria-hidden="true" />}
      {isFollowing ? "Pause" : "Follow"}
    </Button>
  );
}
