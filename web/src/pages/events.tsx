/**
 * The page of events: the stream that the view asks for, and the parts around the list.
 *
 * The stream renders this component each time that its status changes, so everything around the list is memoised and
 * reads the slices that it needs by itself.
 */
import { cell, useEventStream, useSlice } from "@todoki/react";
import { memo, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { narrow, useMedia } from "@/lib/use-media.ts";
import { useAppliedView } from "../apply-view.ts";
import { BottomBar } from "../components/bottom-bar.tsx";
import { EventList } from "../components/event-list.tsx";
import { Chips, FacetMenus, FilterBar } from "../components/filter-bar.tsx";
import { Header } from "../components/header.tsx";
import { NoticeLine } from "../components/notice-line.tsx";
import { openSearch, SearchBox } from "../components/search-box.tsx";
import type { SignInProps } from "../components/sign-in.tsx";
import { StaleBar } from "../components/stale-bar.tsx";
import { TimeStrip } from "../components/time-strip.tsx";
import { lazyPart } from "../lib/lazy-part.ts";
import { useSelectedRow } from "../selected-row.ts";
import { useTitle } from "../title.ts";
import { keepToken, keptToken, needsToken, refusalOf } from "../token.ts";
import { isNarrowed, type ViewState } from "../url-state.ts";
import type { ViewStore } from "../view-store.ts";
import { useView, useWorkspace, type Workspace, WorkspaceContext } from "../workspace.ts";

const DetailPanel = lazyPart(() => import("../components/detail-panel.tsx"));
const FilterSheet = lazyPart(() => import("../components/overlays/filter-sheet.tsx"));
const HelpDialog = lazyPart(() => import("../components/overlays/help-dialog.tsx"));
const SignInCard = lazyPart(() => import("../components/sign-in.tsx"));
const SignInForm = lazyPart(() => import("../components/sign-in.tsx").then((part) => ({ default: part.SignInForm })));

/** Where the skip link goes. */
const eventsId = "events";

export function EventsPage({ store }: { store: ViewStore }) {
  const [token, setToken] = useState(keptToken);
  const [typed, setTyped] = useState<string | null>(null);
  const asked = useSlice(store.view, subscriptionOf, isSame);
  const stream = useEventStream({ ...asked, token: token ?? undefined });
  const latestToken = useRef(token);
  useEffect(() => {
    latestToken.current = token;
  }, [token]);
  const { client } = stream;
  const workspace = useMemo<Workspace>(
    () => ({
      client,
      store,
      notice: cell(null),
      problem: cell(null),
      panel: cell(null),
      list: { current: null },
      token: () => latestToken.current,
      signOut,
    }),
    [client, store],
  );
  const signIn = useCallback(
    (next: string, where: "tab" | "device") => {
      keepToken(next, where);
      setTyped(next);
      setToken(next);
      // The server may take now what it did not before: its clock, or its list of tokens, may have been wrong.
      if (next === latestToken.current) client.reconnect();
    },
    [client],
  );
  const hasRows = useSlice(client.rows, ({ first, next }) => next > first);
  const { phase } = stream.status;
  // A proxy may say to whoever shows no token that nothing is allowed.
  const isSignedOut = (needsToken(phase) || (phase === "forbidden" && token === null)) && !hasRows;
  // Whoever has no token will most likely be asked for one, and one that was just typed may be wrong: nothing is shown that
  // would go again in a moment, and nothing is counted that would be refused.
  const isUnproven = token === null || token === typed;
  const isBare = isSignedOut || (isUnproven && phase === "connecting" && !hasRows);
  const signInForm = useMemo(() => <InlineSignIn onToken={signIn} />, [signIn]);
  return (
    <WorkspaceContext value={workspace}>
      <Effects />
      <div className="flex h-dvh flex-col">
        <Top isBare={isBare} />
        <main id={eventsId} tabIndex={-1} className="relative flex min-h-0 flex-1 outline-none">
          <Suspense>
            {isSignedOut ? <SignInPage refusal={token === null ? null : refusalOf(phase)} onToken={signIn} /> : null}
            {!isBare && <EventList signIn={signInForm} />}
            <SelectedEvent />
          </Suspense>
        </main>
        {!isBare && <Bottom />}
      </div>
      <Panels />
      <NoticeLine />
    </WorkspaceContext>
  );
}

/** Waits for its chunk by itself, so that the rows below it stay meanwhile. */
function InlineSignIn(props: SignInProps) {
  return (
    <Suspense>
      <SignInForm isInline {...props} />
    </Suspense>
  );
}

function SignInPage(props: SignInProps) {
  return (
    <div className="grid flex-1 place-items-center overflow-y-auto p-4">
      <SignInCard {...props} />
    </div>
  );
}

/** Forgets the token, and with a new page everything that it showed. */
function signOut(): void {
  keepToken(null, "tab");
  location.reload();
}

/** What a view asks the server for, in the words of the hook. */
function subscriptionOf(view: ViewState) {
  return {
    kinds: view.kinds.length > 0 ? view.kinds : undefined,
    agentId: view.agent ?? undefined,
    taskId: view.task ?? undefined,
    sessionId: view.session ?? undefined,
    projectId: view.project ?? undefined,
  };
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** What follows the view and the stream without showing anything. */
const Effects = memo(function Effects() {
  useAppliedView(useWorkspace());
  useTitle();
  return null;
});

/** Everything above the list; `isBare` leaves out what needs events. */
const Top = memo(function Top({ isBare }: { isBare: boolean }) {
  const { panel } = useWorkspace();
  const isNarrow = useMedia(narrow);
  const isSearching = useSlice(panel, (open) => open === "search");
  return (
    <>
      <a
        href={`#${eventsId}`}
        className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:m-2 focus:rounded-md focus:bg-popover focus:px-3 focus:py-2"
      >
        Skip to the events
      </a>
      <StaleBar />
      <Header isBare={isBare} onHelp={() => panel.set("help")} />
      {isBare ? null : isNarrow ? (
        <NarrowFilters isSearching={isSearching} />
      ) : (
        <>
          <WideFilters />
          <TimeStrip />
        </>
      )}
    </>
  );
});

function WideFilters() {
  return (
    <div className="flex flex-col gap-1.5 border-b bg-card px-3 py-1.5">
      <div className="flex flex-wrap items-center gap-1.5">
        <SearchBox className="min-w-96 flex-1" />
        <FacetMenus />
      </div>
      <FilterBar />
    </div>
  );
}

/** On a phone the search is there when one searches, and the chips when something is set; all else is in the sheet. */
function NarrowFilters({ isSearching }: { isSearching: boolean }) {
  const view = useView();
  const isShown = isSearching || view.query !== "";
  if (!isShown && !isNarrowed(view)) return null;
  return (
    <div className="flex flex-col gap-1.5 border-b bg-card px-3 py-1.5">
      {isShown ? <SearchBox /> : null}
      <section aria-label="Filters" className="flex flex-wrap items-center gap-1.5 empty:hidden">
        <Chips hasFamilies />
      </section>
    </div>
  );
}

const SelectedEvent = memo(function SelectedEvent() {
  const row = useSelectedRow();
  return row === null ? null : (
    <Suspense>
      <DetailPanel row={row} />
    </Suspense>
  );
});

const Bottom = memo(function Bottom() {
  const workspace = useWorkspace();
  const isNarrow = useMedia(narrow);
  if (!isNarrow) return null;
  return <BottomBar onSearch={() => openSearch(workspace)} onFilters={() => workspace.panel.set("filters")} />;
});

/** What opens over the page. */
const Panels = memo(function Panels() {
  const { panel } = useWorkspace();
  const open = useSlice(panel);
  const close = () => panel.set(null);
  return (
    <Suspense>
      {open === "help" && <HelpDialog onClose={close} />}
      {open === "filters" && <FilterSheet onClose={close} />}
    </Suspense>
  );
});
