/** The top of the page: what it is, how the stream is, and what one can do with all of it. */
import { StatusPill } from "@todoki/react";
import { Download, Keyboard, Link, SlidersHorizontal } from "lucide-react";
import { Suspense } from "react";
import { Button } from "@/components/ui/button.tsx";
import { copyLink } from "../commands.ts";
import { lazyPart } from "../lib/lazy-part.ts";
import { useWorkspace } from "../workspace.ts";
import { FollowButton } from "./follow-button.tsx";
import { Totals } from "./totals.tsx";
import { WaitingButton } from "./waiting-button.tsx";

const ExportMenu = lazyPart(() => import("./overlays/export-menu.tsx"));
const ViewMenu = lazyPart(() => import("./overlays/view-menu.tsx"));

/** On a phone the buttons of the header are signs without frames. */
const quiet = "max-md:border-transparent max-md:bg-transparent max-md:px-0";

export function Header({ isBare, onHelp }: { isBare: boolean; onHelp: () => void }) {
  const workspace = useWorkspace();
  return (
    <header className="flex flex-wrap items-center gap-x-3 gap-y-1.5 border-b bg-card px-3 py-1.5">
      <Brand />
      {/* On a phone a state that has something to press or to count down gets a line of its own, below the other buttons. */}
      <div className="max-md:has-[button,[data-state=limited]]:order-last max-md:has-[button,[data-state=limited]]:basis-full">
        <StatusPill client={workspace.client} />
      </div>
      <div className="max-md:hidden">
        <Totals />
      </div>
      {!isBare && (
        <div className="ml-auto flex items-center gap-1.5 max-md:gap-0">
          <WaitingButton className="mr-1.5" />
          <FollowButton className="max-md:hidden" />
          <Button
            aria-label="Copy link"
            className={quiet}
            onClick={() => copyLink(workspace, workspace.store.view.get().selected)}
          >
            <Link aria-hidden="true" /> <span className="max-xl:hidden">Copy link</span>
          </Button>
          <Suspense fallback={<MenuPlaces />}>
            <ExportMenu />
            <ViewMenu />
          </Suspense>
          <Button size="icon" aria-label="Keyboard help" className="max-md:hidden" onClick={onHelp}>
            <Keyboard aria-hidden="true" />
          </Button>
        </div>
      )}
    </header>
  );
}

function Brand() {
  return (
    <div className="flex items-center gap-2">
      <svg viewBox="0 0 32 32" className="size-5" aria-hidden="true">
        <rect width="32" height="32" rx="8" className="fill-primary" />
        <path
          d="M8 9h16M16 9v15M10 18l6 6 6-6"
          className="fill-none stroke-primary-foreground"
          strokeWidth="3"
          strokeLinecap="round"
          strokeLinejoin="round"
        />
      </svg>
      <span className="font-semibold text-sm tracking-tight max-sm:sr-only">Todoki</span>
      <h1 className="text-muted-foreground text-sm max-md:sr-only">Events</h1>
    </div>
  );
}

/** The two menus before their chunk is there, in their size, so that nothing moves. */
function MenuPlaces() {
  return (
    <>
      <Button disabled aria-label="Export" className={quiet}>
        <Download aria-hidden="true" /> <span className="max-xl:hidden">Export</span>
      </Button>
      <Button disabled size="icon" aria-label="Appearance and account" className={quiet}>
        <SlidersHorizontal aria-hidden="true" />
      </Button>
    </>
  );
}
