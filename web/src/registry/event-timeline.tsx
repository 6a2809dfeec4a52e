"use client";

import "@todoki/react/styles.css";
import { type EventTimelineProps, EventTimeline as Timeline, TodokiProvider } from "@todoki/react";
import { cn } from "@/lib/utils";

/** The tokens of shadcn's theme, handed to the timeline, so that it looks as what is around it. */
const tokens =
  "[--todoki-bg:var(--background)] [--todoki-raised:var(--muted)] [--todoki-fg:var(--foreground)] [--todoki-muted:var(--muted-foreground)] [--todoki-border:var(--border)] [--todoki-accent:var(--primary)] [--todoki-danger:var(--destructive)]";

/**
 * Todoki's live timeline as a block of a page: it fills the height that its container gives it.
 *
 * `url` is the server's origin, and `token` a token or a function that fetches one; both may come from a `TodokiProvider`
 * instead.
 */
export function EventTimeline({ className, ...props }: EventTimelineProps) {
  return (
    <div
      data-slot="event-timeline"
      className={cn("h-96 min-h-0 overflow-hidden rounded-lg border bg-background", tokens, className)}
    >
      <Timeline {...props} />
    </div>
  );
}

export { TodokiProvider };
