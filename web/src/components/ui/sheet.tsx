/** A panel that comes in from an edge: the detail below 1024 px, the filters on a phone. */
import { Dialog as DialogPrimitive } from "radix-ui";
import type * as React from "react";
import { cn } from "@/lib/utils.ts";
import { DialogHeader } from "./dialog.tsx";

/** State and focus of a sheet. */
export const Sheet = DialogPrimitive.Root;

/** The panel. On the right it fills a phone; at the bottom it leaves some of the page in sight. */
export function SheetContent({
  className,
  title,
  side,
  hasHeader = true,
  children,
  ...props
}: React.ComponentProps<typeof DialogPrimitive.Content> & {
  title: string;
  side: "right" | "bottom";
  /** False where the content brings a head and a close button of its own. */
  hasHeader?: boolean;
}) {
  return (
    <DialogPrimitive.Portal>
      <div data-slot="sheet-overlay" className="fixed inset-0 z-40 bg-black/40" />
      <DialogPrimitive.Content
        data-slot="sheet-content"
        aria-describedby={undefined}
        className={cn(
          "fixed z-50 flex flex-col bg-popover shadow-float outline-none",
          side === "right"
            ? "inset-y-0 right-0 w-full sm:w-[420px] sm:border-l"
            : "inset-x-0 bottom-0 max-h-[85dvh] rounded-t-lg border-t",
          className,
        )}
        {...props}
      >
        {hasHeader ? (
          <DialogHeader title={title} />
        ) : (
          <DialogPrimitive.Title className="sr-only">{title}</DialogPrimitive.Title>
        )}
        {children}
      </DialogPrimitive.Content>
    </DialogPrimitive.Portal>
  );
}
