/** A field that takes one to an event or a time. */
import { CornerDownLeft } from "lucide-react";
import { goTo } from "../commands.ts";
import { parseGoTo } from "../go-to.ts";
import { useView, useWorkspace } from "../workspace.ts";
import { EntryBox } from "./entry-box.tsx";

export function GoToBox({ className, onDone }: { className?: string; onDone?: (() => void) | undefined }) {
  const workspace = useWorkspace();
  const { clock } = useView();

  const enter = (text: string): string | null => {
    const target = parseGoTo(text, clock, Date.now());
    if (target.type === "problem") return target.message;
    goTo(
      workspace,
      target.type === "now" ? null : target.type === "cursor" ? { cursor: target.cursor } : { time: target.time },
    );
    onDone?.();
    return null;
  };
  return (
    <EntryBox
      label="Go to a cursor, a time, or a span back"
      placeholder="Go to #88012, 10:02 or -15m"
      action="Go"
      icon={<CornerDownLeft aria-hidden="true" className="size-3.5" />}
      side="right"
      className={className}
      onEnter={enter}
    />
  );
}
