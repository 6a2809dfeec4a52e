/**
 * A dialog over the page. The veil is a plain element: the one of the library locks scrolling by a style element, which
 * the page's policy forbids, and the page itself never scrolls.
 */
import { X } from "lucide-react";
import { Dialog as DialogPrimitive } from "radix-ui";
import type * as React from "react";
import { cn } from "@/lib/utils.ts";

/** State and focus of a dialog. */
export const Dialog = DialogPrimitive.Root;

/** The panel, with its title and a button that closes it. */
export function DialogContent({
  className,
  title,
  children,
  ...props
}: React.ComponentProps<typeof DialogPrimitive.Content> & { title: string }) {
  return (
    <DialogPrimitive.Portal>
      <div data-slot="dialog-overlay" className="fixed inset-0 z-40 bg-black/40" />
      <DialogPrimitive.Content
        data-slot="dialog-content"
        aria-describedby={undefined}
        className={cn(
          "fixed top-1/2 left-1/2 z-50 flex max-h-[88dvh] w-[min(40rem,calc(100vw-2rem))] -translate-x-1/2 -translate-y-1/2 flex-col rounded-lg border bg-popover shadow-float outline-none",
          className,
        )}
        {...props}
      >
        <DialogHeader title={title} />
        <div className="min-h-0 overflow-y-auto px-4 pb-4">{children}</div>
      </DialogPrimitive.Content>
    </DialogPrimitive.Portal>
  );
}

/** Title and close button, also of a sheet. */
export function DialogHeader({ title }: { title: string }) {
  return (
    <div data-slot="dialog-header" className="flex items-center justify-between gap-2 py-2 pr-2 pl-4">
      <DialogPrimitive.Title className="font-semibold text-sm">{title}</DialogPrimitive.Title>
      <DialogPrimitive.Close
        aria-label="Close"
        className="inline-flex size-7 items-center justify-center rounded-md hover:bg-accent pointer-coarse:size-11"
      >
        <X className="size-4" />
      </DialogPrimitive.Close>
    </div>
  );
}
