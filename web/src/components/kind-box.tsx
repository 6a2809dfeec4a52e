/** A field for a kind or pattern of one's own, held to the server's rule before the server sees it. */
import { Plus } from "lucide-react";
import { canonical, maxPatterns, patternProblem } from "../kind-pattern.ts";
import { useView, useWorkspace } from "../workspace.ts";
import { EntryBox } from "./entry-box.tsx";

export function KindBox({ className }: { className?: string }) {
  const { store } = useWorkspace();
  const { kinds } = useView();

  const enter = (text: string): string | null => {
    const patterns = text.split(/[\s,]+/).filter((one) => one !== "");
    if (patterns.length === 0) return patternProblem("");
    const found = patterns.map(patternProblem).find((one) => one !== null);
    if (found !== undefined) return found;
    const next = canonical([...kinds, ...patterns]);
    if (next.length > maxPatterns) return `At most ${maxPatterns} patterns at once`;
    store.change({ kinds: next }, "push");
    return null;
  };
  return (
    <EntryBox
      label="Add a kind or pattern, such as task.*"
      placeholder="Kind or pattern.*"
      action="Add"
      icon={<Plus aria-hidden="true" className="size-3.5" />}
      side="left"
      className={className}
      onEnter={enter}
    />
  );
}
