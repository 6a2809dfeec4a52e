/** A field that takes one to an event or a time. */
import { CornerDownLeft } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { InputGroup, InputGroupInput } from "@/components/ui/input-group.tsx";
import { cn } from "@/lib/utils.ts";
import { goTo } from "../commands.ts";
import { parseGoTo } from "../go-to.ts";
import { useView, useWorkspace } from "../workspace.ts";

export function GoToBox({ className, onDone }: { className?: string; onDone?: (() => void) | undefined }) {
  const workspace = useWorkspace();
  const { clock } = useView();
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const id = useId();

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const target = parseGoTo(text, clock, Date.now());
    if (target.type === "problem") return setProblem(target.message);
    goTo(
      workspace,
      target.type === "now" ? null : target.type === "cursor" ? { cursor: target.cursor } : { time: target.time },
    );
    setText("");
    onDone?.();
  };
  return (
    <form onSubmit={submit} className={cn("relative", className)}>
      <InputGroup className="pointer-fine:h-7">
        <InputGroupInput
          aria-label="Go to a cursor, a time, or a span back"
          aria-invalid={problem !== null}
          aria-describedby={problem === null ? undefined : id}
          placeholder="Go to #88012, 10:02 or -15m"
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
          aria-label="Go"
          className="rounded-sm p-1 text-muted-foreground hover:bg-accent pointer-coarse:-mr-1 pointer-coarse:p-3.5"
        >
          <CornerDownLeft aria-hidden="true" className="size-3.5" />
        </button>
      </InputGroup>
      {problem !== null && (
        <p
          id={id}
          role="alert"
          className="absolute top-full right-0 z-30 mt-1 w-64 rounded-md border border-destructive bg-popover px-2 py-1 text-destructive text-xs shadow-float"
        >
          {problem}
        </p>
      )}
    </form>
  );
}
