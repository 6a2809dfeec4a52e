/** A field for a kind or pattern of one's own, held to the server's rule before the server sees it. */
import { Plus } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { InputGroup, InputGroupInput } from "@/components/ui/input-group.tsx";
import { cn } from "@/lib/utils.ts";
import { canonical, maxPatterns, patternProblem } from "../kind-pattern.ts";
import { useView, useWorkspace } from "../workspace.ts";

export function KindBox({ className }: { className?: string }) {
  const { store } = useWorkspace();
  const { kinds } = useView();
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const id = useId();

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const patterns = text.split(/[\s,]+/).filter((one) => one !== "");
    const next = canonical([...kinds, ...patterns]);
    const found =
      patterns.map(patternProblem).find((one) => one !== null) ?? (patterns.length === 0 ? patternProblem("") : null);
    if (found !== null) return setProblem(found);
    if (next.length > maxPatterns) return setProblem(`At most ${maxPatterns} patterns at once`);
    store.change({ kinds: next }, "push");
    setText("");
  };
  return (
    <form onSubmit={submit} className={cn("relative", className)}>
      <InputGroup className="pointer-fine:h-7">
        <InputGroupInput
          aria-label="Add a kind or pattern, such as task.*"
          aria-invalid={problem !== null}
          aria-describedby={problem === null ? undefined : id}
          placeholder="Kind or pattern.*"
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setProblem(null);
          }}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            setText("");
            setProblem(null);
          }}
        />
        <button
          type="submit"
          aria-label="Add"
          className="rounded-sm p-1 text-muted-foreground hover:bg-accent pointer-coarse:-mr-1 pointer-coarse:p-3.5"
        >
          <Plus aria-hidden="true" className="size-3.5" />
        </button>
      </InputGroup>
      {problem !== null && (
        <p
          id={id}
          role="alert"
          className="absolute top-full left-0 z-30 mt-1 w-64 rounded-md border border-destructive bg-popover px-2 py-1 text-destructive text-xs shadow-float"
        >
          {problem}
        </p>
      )}
    </form>
  );
}
