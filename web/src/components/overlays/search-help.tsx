/** The grammar of the query, beside the field. A chunk of its own, with the other overlays. */
import { CircleHelp } from "lucide-react";
import { Button } from "@/components/ui/button.tsx";
import { Popover, PopoverContent, PopoverTrigger } from "@/components/ui/popover.tsx";

/** Each form of a term with what it finds. */
const terms = [
  ["timeout", "anywhere in the event, all of it"],
  ['"timed out"', "a phrase"],
  ["/err(or)?/", "a regular expression"],
  ["kind:task.*", "a kind or pattern"],
  ["agent:7f3a91c2", "an id or its end; also task:, session:, project:"],
  ["data.status:failed", "a value in the data"],
  ["-kind:agent.*", "not this; works with every term"],
] as const;

export default function SearchHelp() {
  return (
    <Popover>
      <PopoverTrigger asChild>
        <Button variant="ghost" size="sm" aria-label="What a search can say">
          <CircleHelp aria-hidden="true" />
        </Button>
      </PopoverTrigger>
      <PopoverContent align="end" className="w-80! p-3!" aria-label="What a search can say">
        <p className="mb-2 text-muted-foreground text-xs">Terms side by side must all hold.</p>
        <dl className="grid grid-cols-[auto_1fr] gap-x-3 gap-y-1.5 text-xs">
          {terms.map(([term, meaning]) => (
            <div key={term} className="contents">
              <dt className="font-mono">{term}</dt>
              <dd className="text-muted-foreground">{meaning}</dd>
            </div>
          ))}
        </dl>
      </PopoverContent>
    </Popover>
  );
}
