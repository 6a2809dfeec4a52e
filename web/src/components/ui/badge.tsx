import { cva, type VariantProps } from "class-variance-authority";
import type * as React from "react";
import { cn } from "@/lib/utils.ts";

const badgeVariants = cva(
  "inline-flex h-6 max-w-full items-center gap-1 overflow-hidden whitespace-nowrap rounded-full border px-2 text-xs [&_svg]:size-3",
  {
    variants: {
      variant: {
        outline: "border-border bg-card",
        accent: "border-primary/40 bg-primary/10 text-foreground",
        warning: "border-warning/50 bg-warning/10 text-warning",
      },
    },
    defaultVariants: { variant: "outline" },
  },
);

/** A short fact in a pill. */
export function Badge({
  className,
  variant,
  ...props
}: React.ComponentProps<"span"> & VariantProps<typeof badgeVariants>) {
  return <span data-slot="badge" className={cn(badgeVariants({ variant }), className)} {...props} />;
}
