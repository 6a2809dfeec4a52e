import type * as React from "react";
import { cn } from "@/lib/utils.ts";

/** Stands where something is about to be, in its size. */
export function Skeleton({ className, ...props }: React.ComponentProps<"div">) {
  return <div data-slot="skeleton" aria-hidden="true" className={cn("rounded-md bg-muted", className)} {...props} />;
}
