/**
 * The query: what is typed filters or marks what is in memory at once, what is wrong with it is said below it, and its
 * hits can be walked.
 */
import { useSlice } from "@todoki/react";
import { ChevronLeft, ChevronRight, Search, X } from "lucide-react";
import { lazy, Suspense, useId } from "react";
import { Button } from "@/components/ui/button.tsx";
import { InputGroup, InputGroupInput } from "@/components/ui/input-group.tsx";
import { formatCount } from "@/lib/format.ts";
import { cn } from "@/lib/utils.ts";
import { stepHit } from "../commands.ts";
import { useView, useWorkspace } from "../workspace.ts";
import { ModeToggle } from "./toggles.tsx";

const SearchHelp = lazy(() => import("./overlays/search-help.tsx"));

/** The field is found by its name, since the shortcut and the bar of a phone are far from it. */
const searchFieldId = "search";

/** Puts the cursor into the field, which may be about to be shown. */
export function focusSearch(): void {
  requestAnimationFrame(() => {
    const field = document.getElementById(searchFieldId);
    if (field instanceof HTMLInputElement) field.select();
  });
}

export function SearchBox({ className }: { className?: string }) {
  const { store, problem } = useWorkspace();
  const { query } = useView();
  const wrong = useSlice(problem);
  const id = useId();
  return (
    <search className={cn("relative flex min-w-0 items-center gap-1.5", className)}>
      <InputGroup className="flex-1">
        <Search aria-hidden="true" />
        <InputGroupInput
          id={searchFieldId}
          type="search"
          enterKeyHint="search"
          aria-label="Search the events"
          aria-invalid={wrong !== null}
          aria-describedby={wrong === null ? undefined : id}
          placeholder="Search: timeout kind:task.* -agent:7f3a data.status:failed"
          className="[&::-webkit-search-cancel-button]:hidden"
          value={query}
          onChange={(event) => store.change({ query: event.target.value }, "typing")}
          onKeyDown={(event) => {
            if (event.key === "Escape" && query !== "") {
              event.stopPropagation();
              store.change({ query: "" }, "push");
            } else if (event.key === "Escape") event.currentTarget.blur();
          }}
        />
        <Hits />
        {query !== "" && (
          <Button
            variant="ghost"
            size="sm"
            aria-label="Clear the search"
            onClick={() => store.change({ query: "" }, "push")}
          >
            <X aria-hidden="true" />
          </Button>
        )}
        <Suspense fallback={<span className="size-6 pointer-coarse:size-11" />}>
          <SearchHelp />
        </Suspense>
      </InputGroup>
      <ModeToggle className="max-sm:hidden" />
      {wrong !== null && (
        <p
          id={id}
          role="alert"
          className="absolute top-full left-0 z-30 mt-1 max-w-full rounded-md border border-destructive bg-popover px-2 py-1 text-destructive text-xs shadow-float"
        >
          {wrong.message}
          {query.length > wrong.at && <> (at “{query.slice(wrong.at, wrong.at + 12)}”)</>}
        </p>
      )}
    </search>
  );
}

/** How much matches, and the way from one match to the next. */
function Hits() {
  const workspace = useWorkspace();
  const { query } = useView();
  const hits = useSlice(workspace.client.counts, (counts) => counts.hits);
  const loaded = useSlice(workspace.client.counts, (counts) => counts.loaded);
  if (query === "") return null;
  return (
    <div className="flex shrink-0 items-center text-muted-foreground text-xs">
      <span className="max-sm:sr-only">
        <span className="text-foreground">{formatCount(hits)}</span> of {formatCount(loaded)}
      </span>
      <Button
        variant="ghost"
        size="sm"
        aria-label="Previous hit"
        disabled={hits === 0}
        onClick={() => stepHit(workspace, -1)}
      >
        <ChevronLeft aria-hidden="true" />
      </Button>
      <Button
        variant="ghost"
        size="sm"
        aria-label="Next hit"
        disabled={hits === 0}
        onClick={() => stepHit(workspace, 1)}
      >
        <ChevronRight aria-hidden="true" />
      </Button>
    </div>
  );
}
