import type * as React from "react";
import { cn } from "@/lib/utils.ts";

/** A field of one line. */
export function Input({ className, type = "text", ...props }: React.ComponentProps<"input">) {
  return (
    <input
      type={type}
      data-slot="input"
      autoComplete="off"
      autoCapitalize="off"
      spellCheck={false}
      className={cn(
        "h-7 w-full min-w-0 rounded-md border border-input bg-card px-2 placeholder:text-muted-foreground aria-invalid:border-destructive pointer-coarse:h-11 pointer-coarse:text-base",
        className,
      )}
      {...props}
    />
  );
}
