/** Every key of the list and of the page, from the one table that the keys are read from. */
import { SHORTCUTS, type Shortcut } from "@todoki/react";
import { Dialog, DialogContent } from "@/components/ui/dialog.tsx";
import { Kbd } from "@/components/ui/kbd.tsx";

export default function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog open onOpenChange={(isOpen) => isOpen || onClose()}>
      <DialogContent title="Keyboard">
        <div className="gap-8 sm:columns-2">
          {sections(SHORTCUTS).map(({ group, lines }) => (
            <section key={group} className="mb-4 break-inside-avoid">
              <h3 className="mb-1.5 font-medium text-muted-foreground text-xs">{group}</h3>
              <dl className="grid grid-cols-[5rem_1fr] gap-y-1">
                {lines.map(({ help, labels }) => (
                  <div key={help} className="contents">
                    <dt className="flex flex-wrap items-center gap-1">
                      {labels.map((label) => (
                        <Kbd key={label}>{label}</Kbd>
                      ))}
                    </dt>
                    <dd>{help}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
        </div>
        <p className="text-muted-foreground text-xs">Keys do nothing while one types in a field.</p>
      </DialogContent>
    </Dialog>
  );
}

interface Section {
  readonly group: Shortcut["group"];
  readonly lines: readonly { readonly help: string; readonly labels: readonly string[] }[];
}

/** The table by group; two keys that do the same share a line. */
function sections(shortcuts: readonly Shortcut[]): readonly Section[] {
  const groups = [...new Set(shortcuts.map((shortcut) => shortcut.group))];
  return groups.map((group) => {
    const inGroup = shortcuts.filter((shortcut) => shortcut.group === group);
    const helps = [...new Set(inGroup.map((shortcut) => shortcut.help))];
    return {
      group,
      lines: helps.map((help) => ({
        help,
        labels: inGroup.filter((shortcut) => shortcut.help === help).map((shortcut) => shortcut.label),
      })),
    };
  });
}
