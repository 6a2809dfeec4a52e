import type * as React from "react";
import { cn } from "@/lib/utils.ts";

/** A key. */
export function Kbd({ className, ...props }: React.ComponentProps<"kbd">) {
  return (
    <kbd
      data-slot="kbd"
      className={cn(
        "inline-flex h-5 min-w-5 items-center justify-center rounded-sm border border-border border-b-2 bg-muted px-1 font-sans text-[11px] text-foreground",
        className,
      )}
      {...props}
    />
  );
}
