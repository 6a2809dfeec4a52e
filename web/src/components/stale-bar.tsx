/** Offers to load the page again when the server has come back with another one. */
import { useSlice } from "@todoki/react";
import { RefreshCw } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Button } from "@/components/ui/button.tsx";
import { fetchPage, isStale } from "../build-check.ts";
import { useWorkspace } from "../workspace.ts";

export function StaleBar() {
  const isShown = useIsStale();
  if (!isShown) return null;
  return (
    <div role="status" className="flex items-center justify-center gap-3 border-b bg-info/10 px-3 py-1 text-xs">
      <span>The server has a new version of this page.</span>
      <Button size="sm" onClick={() => location.reload()}>
        <RefreshCw aria-hidden="true" /> Reload
      </Button>
    </div>
  );
}

/** Looks once after each time that the connection came back: a server changes its page only by starting again. */
function useIsStale(): boolean {
  const { client } = useWorkspace();
  const isConnected = useSlice(client.status, ({ phase }) => phase === "live" || phase === "replaying");
  const hasBeenConnected = useRef(false);
  const [isShown, setIsShown] = useState(false);
  useEffect(() => {
    if (!isConnected) return;
    const isFirst = !hasBeenConnected.current;
    hasBeenConnected.current = true;
    const running = document.querySelector('script[type="module"][src]')?.getAttribute("src");
    if (isFirst || typeof running !== "string") return;
    let isCurrent = true;
    isStale(running, fetchPage).then((stale) => isCurrent && stale && setIsShown(true));
    return () => {
      isCurrent = false;
    };
  }, [isConnected]);
  return isShown;
}
