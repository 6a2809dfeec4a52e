/** The list itself, in the view's density and clock, with the commands of the page behind its keys. */
import { EventTimeline, Minimap, type ShortcutId } from "@todoki/react";
import { memo, type ReactNode } from "react";
import { narrow, useMedia } from "@/lib/use-media.ts";
import { addTerm, copyLink, goTo, selectEvent } from "../commands.ts";
import { isNarrowed, noFilters } from "../url-state.ts";
import { useView, useWorkspace, type Workspace } from "../workspace.ts";
import { openSearch } from "./search-box.tsx";

export const EventList = memo(function EventList({ signIn }: { signIn: ReactNode }) {
  const workspace = useWorkspace();
  const { client, store, signOut } = workspace;
  const view = useView();
  // Left out and not hidden, since what is hidden would have the server count for nobody.
  const isNarrow = useMedia(narrow);
  return (
    <>
      <EventTimeline
        className="min-w-0 flex-1"
        stream={client}
        showStatus={false}
        renderDetail={null}
        shortcuts="page"
        signIn={signIn}
        onSignOut={signOut}
        control={workspace.list}
        highlight={view.query}
        density={view.density}
        onDensity={(density) => store.change({ density }, "replace")}
        zone={view.clock}
        onZone={(clock) => store.change({ clock }, "replace")}
        selected={view.selected}
        onSelect={(cursor) => selectEvent(workspace, cursor)}
        onFilter={(term) => addTerm(workspace, term)}
        isNarrowed={isNarrowed({ ...view, query: "" })}
        {...(isNarrowed(view) ? { onClearFilter: () => store.change(noFilters, "push") } : {})}
        onCopyLink={(cursor) => copyLink(workspace, cursor)}
        onShortcut={(id) => obey(workspace, id)}
      />
      {isNarrow ? null : (
        <div className="flex shrink-0 border-l bg-card">
          <Minimap client={client} onGo={(time) => goTo(workspace, { time: time.getTime() })} />
        </div>
      )}
    </>
  );
});

/** Does what a key asks the page for. */
function obey(workspace: Workspace, id: ShortcutId): void {
  const { store, panel } = workspace;
  if (id === "help") panel.set("help");
  if (id === "lanes") store.change({ view: store.view.get().view === "lanes" ? "list" : "lanes" }, "push");
  if (id === "search") openSearch(workspace);
}
