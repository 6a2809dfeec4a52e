import { cva, type VariantProps } from "class-variance-authority";
import { Slot } from "radix-ui";
import type * as React from "react";
import { cn } from "@/lib/utils.ts";

// Controls are 28 px high, as the rows are, and 44 px where a finger points.
const buttonVariants = cva(
  "inline-flex shrink-0 items-center justify-center gap-1.5 whitespace-nowrap rounded-md border font-medium motion-safe:transition-colors motion-safe:duration-100 disabled:pointer-events-none disabled:opacity-55 pointer-coarse:min-h-11 pointer-coarse:min-w-11 [&_svg]:size-3.5 [&_svg]:shrink-0",
  {
    variants: {
      variant: {
        primary: "border-transparent bg-primary text-primary-foreground hover:bg-primary/90",
        outline: "border-border bg-card hover:bg-accent aria-expanded:bg-accent",
        ghost: "border-transparent hover:bg-accent aria-expanded:bg-accent",
        link: "border-transparent text-primary underline-offset-2 hover:underline",
      },
      size: { sm: "h-6 px-1.5 text-xs", md: "h-7 px-2.5", icon: "size-7", lg: "h-11 px-4 text-sm" },
    },
    defaultVariants: { variant: "outline", size: "md" },
  },
);

/** A button; `asChild` gives its look to the child, such as a link. */
export function Button({
  className,
  variant,
  size,
  asChild = false,
  ...props
}: React.ComponentProps<"button"> & VariantProps<typeof buttonVariants> & { asChild?: boolean }) {
  const classes = cn(buttonVariants({ variant, size }), className);
  if (asChild) return <Slot.Root data-slot="button" className={classes} {...props} />;
  return <button type="button" data-slot="button" className={classes} {...props} />;
}
