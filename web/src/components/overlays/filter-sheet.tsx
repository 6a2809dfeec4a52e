/** The filters on a phone: the same parts as in the bar, below each other. */
import type { ReactNode } from "react";
import { Sheet, SheetContent } from "@/components/ui/sheet.tsx";
import { Chips, FacetMenus, QuickFilters } from "../filter-bar.tsx";
import { KindBox } from "../kind-box.tsx";
import { TimeStrip } from "../time-strip.tsx";
import { ModeToggle } from "../toggles.tsx";

export default function FilterSheet({ onClose }: { onClose: () => void }) {
  return (
    <Sheet open onOpenChange={(isOpen) => isOpen || onClose()}>
      <SheetContent side="bottom" title="Filters">
        <div className="flex flex-col gap-4 overflow-y-auto px-4 pb-6">
          <div className="flex flex-wrap gap-1.5 empty:hidden">
            <Chips />
          </div>
          <Part title="Families">
            <QuickFilters className="flex-wrap" />
          </Part>
          <Part title="Kind or pattern">
            <KindBox />
          </Part>
          <Part title="Only one">
            <FacetMenus className="flex-wrap" />
          </Part>
          <Part title="Over time">
            <TimeStrip onGone={onClose} />
          </Part>
          <Part title="A search should">
            <ModeToggle />
          </Part>
        </div>
      </SheetContent>
    </Sheet>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="flex flex-col gap-1.5">
      <h3 className="text-muted-foreground text-xs">{title}</h3>
      {children}
    </section>
  );
}
