/**
 * Buttons of which one, or any, are pressed. Native buttons with `aria-pressed`: a row of few that must be there at the
 * first paint needs no library.
 */
import type * as React from "react";
import { cn } from "@/lib/utils.ts";

/** The frame of the group. `label` names it. */
export function ToggleGroup({ className, label, ...props }: React.ComponentProps<"fieldset"> & { label: string }) {
  return (
    <fieldset
      data-slot="toggle-group"
      aria-label={label}
      className={cn("flex min-w-0 shrink-0 items-center gap-0.5 rounded-md border bg-muted p-0.5", className)}
      {...props}
    />
  );
}

/** One of the buttons. */
export function ToggleGroupItem({
  className,
  isPressed,
  ...props
}: React.ComponentProps<"button"> & { isPressed: boolean }) {
  return (
    <button
      type="button"
      data-slot="toggle-group-item"
      aria-pressed={isPressed}
      className={cn(
        "inline-flex h-6 shrink-0 items-center gap-1.5 whitespace-nowrap rounded-[5px] border border-transparent px-2 text-muted-foreground text-xs hover:text-foreground aria-pressed:border-border aria-pressed:bg-card aria-pressed:text-foreground aria-pressed:shadow-xs pointer-coarse:h-11 pointer-coarse:min-w-11",
        className,
      )}
      {...props}
    />
  );
}
