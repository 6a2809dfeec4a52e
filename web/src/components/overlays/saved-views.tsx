/** The views that one gave a name, and the form that gives one. */
import { useSlice } from "@todoki/react";
import { Bookmark, X } from "lucide-react";
import { type FormEvent, useState } from "react";
import { Button } from "@/components/ui/button.tsx";
import { Input } from "@/components/ui/input.tsx";
import { Popover, PopoverContent, PopoverTrigger } from "@/components/ui/popover.tsx";
import { forgetView, maxNameLength, savedViews, saveView } from "../../saved-views.ts";
import { parseView, viewHref } from "../../url-state.ts";
import { useWorkspace } from "../../workspace.ts";

export default function SavedViews() {
  const { store } = useWorkspace();
  const views = useSlice(savedViews);
  const [isOpen, setIsOpen] = useState(false);
  const [name, setName] = useState("");

  const open = (href: string) => {
    const url = new URL(href, location.href);
    store.change(parseView(url.pathname, url.search), "push");
    setIsOpen(false);
  };
  const save = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() === "") return;
    saveView({ name: name.trim(), href: viewHref(store.view.get()) });
    setName("");
  };
  return (
    <Popover open={isOpen} onOpenChange={setIsOpen}>
      <PopoverTrigger asChild>
        <Button variant="ghost">
          <Bookmark aria-hidden="true" /> Views
        </Button>
      </PopoverTrigger>
      <PopoverContent align="end" aria-label="Saved views">
        {views.length === 0 && (
          <p className="px-1 pb-2 text-muted-foreground text-xs">A view is its filters, search, place and layout.</p>
        )}
        <ul className="mb-2">
          {views.map((view) => (
            <li key={view.name} className="flex items-center gap-1">
              <Button variant="ghost" className="min-w-0 flex-1 shrink! justify-start!" onClick={() => open(view.href)}>
                <span className="truncate">{view.name}</span>
              </Button>
              <Button
                variant="ghost"
                size="icon"
                aria-label={`Forget ${view.name}`}
                onClick={() => forgetView(view.name)}
              >
                <X aria-hidden="true" />
              </Button>
            </li>
          ))}
        </ul>
        <form onSubmit={save} className="flex gap-1.5">
          <Input
            aria-label="Name of this view"
            placeholder="Name of this view"
            maxLength={maxNameLength}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <Button type="submit" variant="primary" disabled={name.trim() === ""}>
            Save
          </Button>
        </form>
      </PopoverContent>
    </Popover>
  );
}
