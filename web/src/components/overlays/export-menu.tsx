/** Saves the events as a file: those in memory, or the whole log of the subscription, with a way to stop. */
import type { ExportRequest } from "@todoki/react";
import { Download } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Button } from "@/components/ui/button.tsx";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuItem,
  DropdownMenuLabel,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu.tsx";
import { download, exportName } from "@/lib/download.ts";
import { formatShort } from "@/lib/format.ts";
import { useWorkspace, type Workspace } from "../../workspace.ts";

const scopes = [
  ["loaded", "Events in memory"],
  ["log", "The whole log of this filter"],
] as const;

const formats = [
  ["ndjson", "NDJSON"],
  ["csv", "CSV"],
] as const;

export default function ExportMenu() {
  const { progress, start, cancel } = useExport(useWorkspace());
  if (progress !== null) {
    return (
      <Button onClick={cancel} aria-label={`Stop the export; ${progress} events so far`}>
        <Download aria-hidden="true" /> {formatShort(progress)} · Stop
      </Button>
    );
  }
  return (
    <DropdownMenu>
      <DropdownMenuTrigger asChild>
        <Button aria-label="Export" className="max-md:border-transparent max-md:bg-transparent max-md:px-0">
          <Download aria-hidden="true" /> <span className="max-xl:hidden">Export</span>
        </Button>
      </DropdownMenuTrigger>
      <DropdownMenuContent>
        {scopes.map(([scope, label]) => (
          <div key={scope}>
            <DropdownMenuLabel>{label}</DropdownMenuLabel>
            {formats.map(([format, name]) => (
              <DropdownMenuItem key={format} onSelect={() => start({ scope, format })}>
                {name}
              </DropdownMenuItem>
            ))}
          </div>
        ))}
      </DropdownMenuContent>
    </DropdownMenu>
  );
}

/** One export at a time: its events so far, null when none runs. */
function useExport({ client, notice }: Workspace) {
  const [progress, setProgress] = useState<number | null>(null);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);

  const start = async ({ scope, format }: Pick<ExportRequest, "scope" | "format">) => {
    const controller = new AbortController();
    running.current = controller;
    setProgress(0);
    try {
      const blob = await client.export({ scope, format, onProgress: setProgress, signal: controller.signal });
      if (!controller.signal.aborted) download(blob, exportName(format, Date.now()));
    } catch (error) {
      if (!controller.signal.aborted) notice.set({ text: `Export failed: ${messageOf(error)}`, isProblem: true });
    }
    setProgress(null);
  };
  return { progress, start, cancel: () => running.current?.abort() };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
