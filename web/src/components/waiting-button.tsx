/** How many permission requests wait for an answer, and the way to the one that has waited longest. */
import { MessageCircleQuestionMark } from "lucide-react";
import { Button } from "@/components/ui/button.tsx";
import { cn } from "@/lib/utils.ts";
import { selectEvent } from "../commands.ts";
import { useWaiting } from "../waiting.ts";
import { useView, useWorkspace } from "../workspace.ts";

export function WaitingButton({ className }: { className?: string }) {
  const workspace = useWorkspace();
  const { selected } = useView();
  const waiting = useWaiting();
  if (waiting.length === 0) return null;
  // Pressed again, it goes on to the one after the open one, so that one can be left for later.
  const next = waiting[(waiting.indexOf(selected ?? 0) + 1) % waiting.length]!;
  return (
    <Button
      className={cn("border-warning! text-warning", className)}
      aria-label={`${waiting.length} waiting for an answer: open`}
      onClick={() => selectEvent(workspace, next)}
    >
      <MessageCircleQuestionMark aria-hidden="true" /> {waiting.length}{" "}
      <span className="max-lg:hidden">waiting for an answer</span>
    </Button>
  );
}
