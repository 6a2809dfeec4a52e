import type * as React from "react";
import { cn } from "@/lib/utils.ts";

/** Says why there is nothing, and what one can do. */
export function Empty({ className, title, children, ...props }: React.ComponentProps<"div"> & { title: string }) {
  return (
    <div
      data-slot="empty"
      className={cn("mx-auto flex max-w-md flex-col items-center gap-3 p-8 text-center", className)}
      {...props}
    >
      <h2 className="font-semibold text-base">{title}</h2>
      {children}
    </div>
  );
}
