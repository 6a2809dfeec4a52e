/** Says what a command did or could not do, and goes after a while. */
import { useSlice } from "@todoki/react";
import { useEffect } from "react";
import { cn } from "@/lib/utils.ts";
import { useWorkspace } from "../workspace.ts";

/** Long enough to read twice. A problem stays twice as long. */
const shownMs = 4_000;

export function NoticeLine() {
  const { notice } = useWorkspace();
  const shown = useSlice(notice);
  useEffect(() => {
    if (shown === null) return;
    const timer = setTimeout(() => notice.set(null), shown.isProblem ? 2 * shownMs : shownMs);
    return () => clearTimeout(timer);
  }, [notice, shown]);
  return (
    <div
      role="status"
      className="pointer-events-none fixed inset-x-0 bottom-16 z-50 flex justify-center px-4 lg:bottom-6"
    >
      {shown !== null && (
        <p
          className={cn(
            "rounded-md border bg-popover px-3 py-2 shadow-float",
            shown.isProblem && "border-destructive text-destructive",
          )}
        >
          {shown.text}
        </p>
      )}
    </div>
  );
}
