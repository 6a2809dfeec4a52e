/** What narrows the stream: the families, patterns of one's own, ids, and the views that one gave a name. */
import { useSlice } from "@todoki/react";
import { Bookmark, ChevronDown, ChevronLeft, ChevronRight, TriangleAlert, X } from "lucide-react";
import { type ReactNode, Suspense } from "react";
import { Badge } from "@/components/ui/badge.tsx";
import { Button } from "@/components/ui/button.tsx";
import { ToggleGroup, ToggleGroupItem } from "@/components/ui/toggle-group.tsx";
import { formatShort, shortId } from "@/lib/format.ts";
import { cn } from "@/lib/utils.ts";
import { stepTo } from "../commands.ts";
import { facetLabels, facetNames } from "../facet-counts.ts";
import { lazyPart } from "../lib/lazy-part.ts";
import { countOf, customPatterns, pressedFilters, pressFilters, quickFilters } from "../quick-filters.ts";
import { isNarrowed, noFilters, type ViewState } from "../url-state.ts";
import { useView, useWorkspace } from "../workspace.ts";
import { KindBox } from "./kind-box.tsx";

const FacetMenu = lazyPart(() => import("./overlays/facet-menu.tsx"));
const SavedViews = lazyPart(() => import("./overlays/saved-views.tsx"));

/** All families, or any of them. */
export function QuickFilters({ className }: { className?: string }) {
  const { store, client } = useWorkspace();
  const { kinds } = useView();
  const counted = useSlice(client.facets, (facets) => facets.kinds);
  const pressed = pressedFilters(kinds);
  const press = (families: readonly string[]) => store.change({ kinds: pressFilters(kinds, families) }, "push");
  return (
    <ToggleGroup label="Families of events" className={cn("overflow-x-auto", className)}>
      <ToggleGroupItem isPressed={kinds.length === 0} onClick={() => store.change({ kinds: [] }, "push")}>
        All
      </ToggleGroupItem>
      {quickFilters.map((filter) => {
        const isPressed = pressed.includes(filter.family);
        const count = countOf(filter, counted);
        const others = pressed.filter((family) => family !== filter.family);
        return (
          <ToggleGroupItem
            key={filter.family}
            isPressed={isPressed}
            onClick={() => press(isPressed ? others : [...others, filter.family])}
          >
            <FamilyMark family={filter.family} />
            {filter.label} {/* As wide before it is known as it is then, so that nothing beside it moves. */}
            <span className="min-w-9 text-left font-normal text-muted-foreground">
              {count > 0 && formatShort(count)}
            </span>
          </ToggleGroupItem>
        );
      })}
    </ToggleGroup>
  );
}

/** The colour of a family, as the rows have it. It stands beside the family's name, so it says nothing by itself. */
const familyMarks: Readonly<Record<string, string>> = {
  task: "bg-[var(--todoki-family-task)]",
  agent: "bg-[var(--todoki-family-agent)]",
  artifact: "bg-[var(--todoki-family-artifact)]",
  permission: "bg-[var(--todoki-family-permission)]",
  system: "bg-[var(--todoki-family-system)]",
  human: "bg-[var(--todoki-family-human)]",
};

function FamilyMark({ family }: { family: string }) {
  return <span aria-hidden="true" className={cn("size-2 rounded-[2px]", familyMarks[family])} />;
}

/** A menu before its chunk is there, in its size. */
function MenuPlace({ label }: { label: string }) {
  return (
    <Button disabled>
      {label} <ChevronDown aria-hidden="true" />
    </Button>
  );
}

function SavedViewsPlace() {
  return (
    <Button disabled variant="ghost">
      <Bookmark aria-hidden="true" /> Views
    </Button>
  );
}

/** The popovers that choose among the values that there are. */
export function FacetMenus({ className }: { className?: string }) {
  const { client } = useWorkspace();
  const { project } = useView();
  const hasProjects = useSlice(client.facets, ({ projects }) => projects.length > 0);
  // Most logs are of one project and name none, and have no use for the menu.
  const facets = facetNames.filter((facet) => facet !== "project" || hasProjects || project !== null);
  return (
    <div className={cn("flex items-center gap-1.5", className)}>
      <Suspense fallback={facets.map((facet) => <MenuPlace key={facet} label={facetLabels[facet]} />)}>
        {facets.map((facet) => (
          <FacetMenu key={facet} facet={facet} />
        ))}
      </Suspense>
    </div>
  );
}

/** From one event that tells of a failure to the next, whatever else the list shows between them. */
function FailureSteps() {
  const workspace = useWorkspace();
  return (
    <fieldset aria-label="Failures" className="flex items-center text-xs">
      <span aria-hidden="true" className="flex items-center gap-1.5 text-destructive">
        <TriangleAlert className="size-3.5" /> Failures
      </span>
      <Button variant="ghost" size="icon" aria-label="Failure before" onClick={() => stepTo(workspace, "failure", -1)}>
        <ChevronLeft aria-hidden="true" />
      </Button>
      <Button variant="ghost" size="icon" aria-label="Next failure" onClick={() => stepTo(workspace, "failure", 1)}>
        <ChevronRight aria-hidden="true" />
      </Button>
    </fieldset>
  );
}

/** What is set beyond the families, each to be taken away. `hasFamilies` where no button shows those. */
export function Chips({ hasFamilies = false }: { hasFamilies?: boolean }) {
  const { store } = useWorkspace();
  const view = useView();
  const remove = (patch: Partial<ViewState>) => () => store.change(patch, "push");
  return (
    <>
      {(hasFamilies ? view.kinds : customPatterns(view.kinds)).map((pattern) => (
        <Chip key={pattern} label={pattern} onRemove={remove({ kinds: view.kinds.filter((kind) => kind !== pattern) })}>
          <span className="truncate font-mono">{pattern}</span>
        </Chip>
      ))}
      {(["agent", "task", "session", "project"] as const).map((key) => {
        const id = view[key];
        return (
          id !== null && (
            <Chip key={key} label={`${key} ${shortId(id)}`} onRemove={remove({ [key]: null })}>
              {key} <span className="font-mono">{shortId(id)}</span>
            </Chip>
          )
        );
      })}
      {isNarrowed(view) && (
        <Button variant="link" size="sm" onClick={remove(noFilters)}>
          Clear filters
        </Button>
      )}
    </>
  );
}

function Chip({ label, onRemove, children }: { label: string; onRemove: () => void; children: ReactNode }) {
  return (
    <Badge variant="accent" className="pr-0.5 pointer-coarse:h-11">
      {children}
      <button
        type="button"
        aria-label={`Remove ${label}`}
        className="inline-flex size-5 items-center justify-center rounded-full hover:bg-accent pointer-coarse:size-10"
        onClick={onRemove}
      >
        <X aria-hidden="true" />
      </button>
    </Badge>
  );
}

/** The row of them all, where there is room for a row. */
export function FilterBar({ className }: { className?: string }) {
  return (
    <section aria-label="Filters" className={cn("flex min-w-0 flex-wrap items-center gap-x-2 gap-y-1.5", className)}>
      <QuickFilters />
      <KindBox className="w-40" />
      <Chips />
      <span className="ml-auto flex items-center gap-2">
        <FailureSteps />
        <Suspense fallback={<SavedViewsPlace />}>
          <SavedViews />
        </Suspense>
      </span>
    </section>
  );
}
