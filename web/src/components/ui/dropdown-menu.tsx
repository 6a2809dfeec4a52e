/** A menu of commands. Never modal: the modal one locks scrolling by a style element, which the page's policy forbids. */
import { Check } from "lucide-react";
import { DropdownMenu as MenuPrimitive } from "radix-ui";
import type * as React from "react";
import { cn } from "@/lib/utils.ts";

const item =
  "relative flex h-8 cursor-default select-none items-center gap-2 rounded-sm px-2 outline-none data-[disabled]:opacity-55 data-[highlighted]:bg-accent pointer-coarse:h-11 [&_svg]:size-3.5 [&_svg]:text-muted-foreground";

/** State of a menu. */
export function DropdownMenu(props: React.ComponentProps<typeof MenuPrimitive.Root>) {
  return <MenuPrimitive.Root modal={false} {...props} />;
}

/** What opens it. */
export const DropdownMenuTrigger = MenuPrimitive.Trigger;
/** Of its items, one is chosen. */
export const DropdownMenuRadioGroup = MenuPrimitive.RadioGroup;

/** The list of commands. It floats without a portal, and so stays within the landmark that its trigger is in. */
export function DropdownMenuContent({
  className,
  align = "end",
  sideOffset = 4,
  ...props
}: React.ComponentProps<typeof MenuPrimitive.Content>) {
  return (
    <MenuPrimitive.Content
      data-slot="dropdown-menu-content"
      align={align}
      sideOffset={sideOffset}
      collisionPadding={8}
      className={cn("z-50 min-w-44 rounded-lg border bg-popover p-1 shadow-float outline-none", className)}
      {...props}
    />
  );
}

/** A command. */
export function DropdownMenuItem({ className, ...props }: React.ComponentProps<typeof MenuPrimitive.Item>) {
  return <MenuPrimitive.Item data-slot="dropdown-menu-item" className={cn(item, className)} {...props} />;
}

/** One choice of a group. */
export function DropdownMenuRadioItem({
  className,
  children,
  ...props
}: React.ComponentProps<typeof MenuPrimitive.RadioItem>) {
  return (
    <MenuPrimitive.RadioItem data-slot="dropdown-menu-radio-item" className={cn(item, "pr-8", className)} {...props}>
      {children}
      <MenuPrimitive.ItemIndicator className="absolute right-2">
        <Check />
      </MenuPrimitive.ItemIndicator>
    </MenuPrimitive.RadioItem>
  );
}

/** The name of a part of the menu. */
export function DropdownMenuLabel({ className, ...props }: React.ComponentProps<typeof MenuPrimitive.Label>) {
  return (
    <MenuPrimitive.Label
      data-slot="dropdown-menu-label"
      className={cn("px-2 pt-2 pb-1 text-muted-foreground text-xs", className)}
      {...props}
    />
  );
}
