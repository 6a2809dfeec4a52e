/** The selected event: beside the list where there is room, else over it. A chunk of its own. */
import { Detail, type EventRow } from "@todoki/react";
import { Sheet, SheetContent } from "@/components/ui/sheet.tsx";
import { useMedia, wide } from "@/lib/use-media.ts";
import { addTerm, copyLink, goTo, selectEvent } from "../commands.ts";
import { useWorkspace } from "../workspace.ts";
import { Resizer, useDetailWidth } from "./resizer.tsx";

export default function DetailPanel({ row }: { row: EventRow }) {
  const workspace = useWorkspace();
  const isWide = useMedia(wide);
  const [width, setWidth] = useDetailWidth();
  const close = () => {
    selectEvent(workspace, null);
    workspace.list.current?.focus();
  };
  const detail = (
    <Detail
      key={row.cursor}
      row={row}
      client={workspace.client}
      onFilter={(term) => addTerm(workspace, term)}
      onCopyLink={() => copyLink(workspace, row.cursor)}
      onSelect={(cursor) => goTo(workspace, { cursor })}
      onClose={close}
    />
  );
  if (!isWide) {
    return (
      <Sheet open onOpenChange={(isOpen) => isOpen || close()}>
        <SheetContent side="right" title={`${row.kind} #${row.cursor}`} hasHeader={false} className="bg-background!">
          <div className="min-h-0 flex-1 overflow-y-auto">{detail}</div>
        </SheetContent>
      </Sheet>
    );
  }
  return (
    <>
      <Resizer width={width} onWidth={setWidth} />
      <aside aria-label="Event" className="min-h-0 shrink-0 overflow-y-auto" style={{ width }}>
        {detail}
      </aside>
    </>
  );
}
