/** The values of one facet with how often each occurs, in memory or in the whole log; a click narrows to one of them. */
import { FacetList, type Facets, useSlice } from "@todoki/react";
import { ChevronDown } from "lucide-react";
import { useEffect, useState } from "react";
import { Button } from "@/components/ui/button.tsx";
import { Popover, PopoverContent, PopoverTrigger } from "@/components/ui/popover.tsx";
import { ToggleGroup, ToggleGroupItem } from "@/components/ui/toggle-group.tsx";
import { addTerm } from "../../commands.ts";
import { type FacetName, facetLabels, facetsHref, fetchFacets } from "../../facet-counts.ts";
import { canonical } from "../../kind-pattern.ts";
import { useView, useWorkspace } from "../../workspace.ts";

const members = {
  kind: "kinds",
  agent: "agents",
  task: "tasks",
  session: "sessions",
  project: "projects",
} as const;

export default function FacetMenu({ facet }: { facet: FacetName }) {
  return (
    <Popover>
      <PopoverTrigger asChild>
        <Button>
          {facetLabels[facet]} <ChevronDown aria-hidden="true" className="text-muted-foreground" />
        </Button>
      </PopoverTrigger>
      <PopoverContent align="end" className="w-[26rem]!" aria-label={`Filter by ${facet}`}>
        <FacetPanel facet={facet} />
      </PopoverContent>
    </Popover>
  );
}

function FacetPanel({ facet }: { facet: FacetName }) {
  const workspace = useWorkspace();
  const view = useView();
  const [scope, setScope] = useState<Facets["scope"]>("loaded");
  const loaded = useSlice(workspace.client.facets);
  const { facets, problem } = useLogFacets(scope === "log" ? facetsHref(view) : null, workspace.token);
  const shown = scope === "log" ? facets : loaded;

  const selected = facet === "kind" ? view.kinds : [view[facet] ?? []].flat();
  const narrow = (values: readonly string[]) => {
    const patch = facet === "kind" ? { kinds: canonical(values) } : { [facet]: values.at(-1) ?? null };
    workspace.store.change(patch, "push");
  };
  return (
    <>
      {facet === "project" ? (
        <p className="mb-2 px-1 text-muted-foreground text-xs">In memory; the server does not count by project.</p>
      ) : (
        <ToggleGroup label="What is counted" className="mb-2">
          <ToggleGroupItem isPressed={scope === "loaded"} onClick={() => setScope("loaded")}>
            In memory
          </ToggleGroupItem>
          <ToggleGroupItem isPressed={scope === "log"} onClick={() => setScope("log")}>
            Whole log
          </ToggleGroupItem>
        </ToggleGroup>
      )}
      {problem !== null && <p className="px-1 text-destructive text-xs">{problem}</p>}
      {shown === null ? (
        problem === null && <p className="px-1 text-muted-foreground text-xs">Counting…</p>
      ) : (
        <FacetList
          facet={facet}
          values={shown[members[facet]]}
          isComplete={facet === "project" || shown.isComplete}
          selected={selected}
          onToggle={(value, isSelected) =>
            narrow(isSelected ? [...selected, value] : selected.filter((one) => one !== value))
          }
          onOnly={(value) => narrow([value])}
          onHide={(value) => addTerm(workspace, `-${facet}:${value}`)}
        />
      )}
    </>
  );
}

/** The counts of the log, asked for once each time that the request changes. */
function useLogFacets(href: string | null, token: () => string | null) {
  const [answer, setAnswer] = useState<{ href: string; facets: Facets | null; problem: string | null } | null>(null);
  useEffect(() => {
    if (href === null) return;
    const controller = new AbortController();
    fetchFacets(href, token(), controller.signal).then(
      (facets) => setAnswer({ href, facets, problem: null }),
      (error: unknown) => controller.signal.aborted || setAnswer({ href, facets: null, problem: String(error) }),
    );
    return () => controller.abort();
  }, [href, token]);
  return answer !== null && answer.href === href ? answer : { facets: null, problem: null };
}
