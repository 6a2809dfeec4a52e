import type * as React from "react";
import { cn } from "@/lib/utils.ts";

/** A field with things before and behind it in one frame. */
export function InputGroup({ className, ...props }: React.ComponentProps<"div">) {
  return (
    <div
      data-slot="input-group"
      className={cn(
        "flex h-8 min-w-0 items-center gap-1 rounded-md border border-input bg-card pr-1 pl-2.5 has-[input:focus-visible]:outline-2 has-[input:focus-visible]:outline-ring has-[input:focus-visible]:outline-offset-1 has-[input[aria-invalid=true]]:border-destructive pointer-coarse:h-11 [&>svg]:size-3.5 [&>svg]:shrink-0 [&>svg]:text-muted-foreground",
        className,
      )}
      {...props}
    />
  );
}

/** The field itself; the frame around it shows its focus. */
export function InputGroupInput({ className, type = "text", ...props }: React.ComponentProps<"input">) {
  return (
    <input
      type={type}
      data-slot="input-group-input"
      autoComplete="off"
      autoCapitalize="off"
      spellCheck={false}
      className={cn(
        "h-full min-w-0 flex-1 bg-transparent px-1 outline-none placeholder:text-muted-foreground pointer-coarse:text-base",
        className,
      )}
      {...props}
    />
  );
}
