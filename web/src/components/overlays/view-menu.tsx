/** How the page looks, and who looks at it. */
import { useSlice } from "@todoki/react";
import { Eraser, LogOut, Monitor, Moon, Rows3, SlidersHorizontal, Sun } from "lucide-react";
import { Button } from "@/components/ui/button.tsx";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuItem,
  DropdownMenuLabel,
  DropdownMenuRadioGroup,
  DropdownMenuRadioItem,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu.tsx";
import { chooseTheme, type Theme, theme } from "../../theme.ts";
import type { Density } from "../../url-state.ts";
import { useView, useWorkspace } from "../../workspace.ts";

const themes = [
  ["light", "Light", Sun],
  ["dark", "Dark", Moon],
  ["system", "As the system", Monitor],
] as const;

const densities = [
  ["compact", "Compact"],
  ["default", "Default"],
  ["comfortable", "Comfortable"],
] as const;

export default function ViewMenu() {
  const { client, store, signOut } = useWorkspace();
  const chosen = useSlice(theme);
  const { density } = useView();
  return (
    <DropdownMenu>
      <DropdownMenuTrigger asChild>
        <Button
          size="icon"
          aria-label="Appearance and account"
          className="max-md:border-transparent max-md:bg-transparent max-md:px-0"
        >
          <SlidersHorizontal aria-hidden="true" />
        </Button>
      </DropdownMenuTrigger>
      <DropdownMenuContent>
        <DropdownMenuLabel>Theme</DropdownMenuLabel>
        <DropdownMenuRadioGroup value={chosen} onValueChange={(value) => chooseTheme(value as Theme)}>
          {themes.map(([value, label, Icon]) => (
            <DropdownMenuRadioItem key={value} value={value}>
              <Icon aria-hidden="true" /> {label}
            </DropdownMenuRadioItem>
          ))}
        </DropdownMenuRadioGroup>
        <DropdownMenuLabel>Rows</DropdownMenuLabel>
        <DropdownMenuRadioGroup
          value={density}
          onValueChange={(value) => store.change({ density: value as Density }, "replace")}
        >
          {densities.map(([value, label]) => (
            <DropdownMenuRadioItem key={value} value={value}>
              <Rows3 aria-hidden="true" /> {label}
            </DropdownMenuRadioItem>
          ))}
        </DropdownMenuRadioGroup>
        <DropdownMenuLabel>This page</DropdownMenuLabel>
        <DropdownMenuItem onSelect={() => client.clear()}>
          <Eraser aria-hidden="true" /> Clear the list
        </DropdownMenuItem>
        <DropdownMenuItem onSelect={signOut}>
          <LogOut aria-hidden="true" /> Sign out
        </DropdownMenuItem>
      </DropdownMenuContent>
    </DropdownMenu>
  );
}
