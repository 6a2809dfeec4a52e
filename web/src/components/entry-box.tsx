/** A field whose text does something when it is entered: what is wrong with it is said in place, and Escape empties it. */
import { type FormEvent, type ReactNode, useId, useState } from "react";
import { InputGroup, InputGroupInput } from "@/components/ui/input-group.tsx";
import { cn } from "@/lib/utils.ts";

export interface EntryBoxProps {
  readonly label: string;
  readonly placeholder: string;
  /** What the button does, in a word, and its icon. */
  readonly action: string;
  readonly icon: ReactNode;
  /** The side of the field with which a problem is aligned. */
  readonly side: "left" | "right";
  readonly className: string | undefined;
  /** Does what the text asks for; returns what is wrong with it where it cannot. */
  readonly onEnter: (text: string) => string | null;
}

export function EntryBox({ label, placeholder, action, icon, side, className, onEnter }: EntryBoxProps) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const id = useId();

  const write = (next: string) => {
    setText(next);
    setProblem(null);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const found = onEnter(text);
    if (found === null) write("");
    else setProblem(found);
  };
  return (
    <form onSubmit={submit} className={cn("relative", className)}>
      <InputGroup className="pointer-fine:h-7">
        <InputGroupInput
          aria-label={label}
          aria-invalid={problem !== null}
          aria-describedby={problem === null ? undefined : id}
          placeholder={placeholder}
          value={text}
          onChange={(event) => write(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") write("");
          }}
        />
        <button
          type="submit"
          aria-label={action}
          className="rounded-sm p-1 text-muted-foreground hover:bg-accent pointer-coarse:-mr-1 pointer-coarse:p-3.5"
        >
          {icon}
        </button>
      </InputGroup>
      {problem !== null && (
        <p
          id={id}
          role="alert"
          className={cn(
            "absolute top-full z-30 mt-1 w-64 rounded-md border border-destructive bg-popover px-2 py-1 text-destructive text-xs shadow-float",
            side === "left" ? "left-0" : "right-0",
          )}
        >
          {problem}
        </p>
      )}
    </form>
  );
}
