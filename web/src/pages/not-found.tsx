/** What is shown at an address that is no page. */
import { Button } from "@/components/ui/button.tsx";
import { Empty } from "@/components/ui/empty.tsx";

export function NotFoundPage() {
  return (
    <main className="flex h-full items-center justify-center">
      <Empty title="There is nothing here">
        <h1 className="sr-only">Todoki: page not found</h1>
        <p className="text-muted-foreground">
          The address names no page. Events are at <span className="font-mono">/events</span>, and one event at{" "}
          <span className="font-mono">/events/</span> and its cursor.
        </p>
        <Button asChild variant="primary">
          <a href="/events">Show the events</a>
        </Button>
      </Empty>
    </main>
  );
}
