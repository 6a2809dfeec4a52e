/**
 * What is shown where there are no rows.
 */
import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import type { Counts, EventClient, Rows } from "../event-client.ts";
import { useSlice } from "../use-slice.ts";
import { CopyButton } from "./copy-button.tsx";
import { counted, wholeNumber } from "./format.ts";
import { messageOf } from "./messages.ts";
import { vacancyOf } from "./vacancy.ts";

export interface VacancyPanelProps {
  readonly client: EventClient;
  /** Origin and path prefix of the server, for the example that can be copied. */
  readonly url: string;
  /** Whether the stream asks for some events alone. */
  readonly isNarrowed: boolean;
  readonly onClearFilter: () => void;
}

const extentOf = ({ first, next }: Rows) => ({ first, next });
const isSameExtent = (a: Pick<Rows, "first" | "next">, b: Pick<Rows, "first" | "next">) =>
  a.first === b.first && a.next === b.next;
const loadedOf = ({ loaded }: Counts) => loaded;

/** The panel for a list without rows; nothing when it has some. */
export function VacancyPanel(props: VacancyPanelProps): ReactNode {
  const { client } = props;
  const status = useSlice(client.status);
  const extent = useSlice(client.rows, extentOf, isSameExtent);
  const loaded = useSlice(client.counts, loadedOf);
  switch (vacancyOf(status, extent, { loaded })) {
    case "none":
    case "refused":
      return null;
    case "skeleton":
      return <Skeleton />;
    case "away":
      return status.phase === "limited" ? (
        <Panel title="Rate limited">The server asks for less. Events are shown as soon as it lets this page in.</Panel>
      ) : (
        <Panel title="Not connected">Events are shown as soon as the connection is back.</Panel>
      );
    case "empty":
      return <EmptyPanel {...props} />;
    case "filtered":
      return <FilteredPanel {...props} hidden={loaded} />;
  }
}

function Panel({ title, children }: { readonly title: string; readonly children: ReactNode }): ReactNode {
  return (
    <div className="todoki-panel">
      <p className="todoki-panel-title">{title}</p>
      {children}
    </div>
  );
}

/** As many as fit a small view; more would only say the same. */
const SKELETON_ROWS = ["a", "b", "c", "d", "e", "f", "g", "h"];

/** Rows to come. It appears by itself after 300 ms, so that a quick connection shows nothing of it. */
function Skeleton(): ReactNode {
  return (
    <div className="todoki-skeleton" aria-hidden="true">
      {SKELETON_ROWS.map((row) => (
        <div key={row} className="todoki-skeleton-row">
          <span />
          <span />
          <span />
        </div>
      ))}
    </div>
  );
}

const hasOlderOf = (rows: Rows) => rows.hasOlder;

function EmptyPanel({ client, url, isNarrowed }: VacancyPanelProps): ReactNode {
  const hasOlder = useSlice(client.rows, hasOlderOf);
  const loadOlder = useCallback(() => client.loadOlder(), [client]);
  if (hasOlder) {
    return (
      <Panel title="Nothing new yet">
        <p>Events are shown as they come.</p>
        <TaskButton task={loadOlder} whileBusy="Loading…">
          Load older events
        </TaskButton>
      </Panel>
    );
  }
  if (isNarrowed) return <Panel title="No events yet">Nothing that this view asks for has happened so far.</Panel>;
  return (
    <Panel title="No events yet">
      <p>Send the first one:</p>
      <Example text={`todoki emit --url ${url} --kind task.created --data '{"title":"Hello"}'`} name="command" />
      <Example
        text={`curl --json '{"kind":"task.created","data":{"title":"Hello"}}' -H "Authorization: Bearer $TODOKI_TOKEN" ${url}/api/event-bus/emit`}
        name="curl command"
      />
    </Panel>
  );
}

function Example({ text, name }: { readonly text: string; readonly name: string }): ReactNode {
  return (
    <div className="todoki-example">
      <code>{text}</code>
      <CopyButton text={text} label={`Copy the ${name}`}>
        Copy
      </CopyButton>
    </div>
  );
}

function FilteredPanel(props: VacancyPanelProps & { readonly hidden: number }): ReactNode {
  const { client, hidden, onClearFilter } = props;
  return (
    <Panel title="No event matches">
      <p>{counted(hidden, "event")} hidden by the filter.</p>
      <div className="todoki-panel-acts">
        <button type="button" className="todoki-button" onClick={onClearFilter}>
          Clear filter
        </button>
        <SearchOlder client={client} />
      </div>
    </Panel>
  );
}

/** Looks for a match in the log, further and further back, and says how far it is. */
function SearchOlder({ client }: { readonly client: EventClient }): ReactNode {
  const [said, setSaid] = useState("");
  const running = useRef<AbortController | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  useEffect(() => () => running.current?.abort(), []);
  const search = useCallback(async () => {
    if (running.current !== null) {
      running.current.abort();
      return;
    }
    const abort = new AbortController();
    running.current = abort;
    setIsBusy(true);
    setSaid("");
    const outcome = await client
      .searchOlder((scanned) => setSaid(`${wholeNumber(scanned)} older events searched`), abort.signal)
      .then((isFound) => (isFound ? "" : "No older event matches."))
      .catch((error: unknown) => (abort.signal.aborted ? "Stopped." : `The search failed: ${messageOf(error)}`));
    running.current = null;
    setIsBusy(false);
    setSaid(outcome);
  }, [client]);
  return (
    <>
      <button type="button" className="todoki-button" onClick={search}>
        {isBusy ? "Stop searching" : "Search older events"}
      </button>
      <span className="todoki-panel-note">{said}</span>
    </>
  );
}

/** A button for something that takes a while and can fail. */
function TaskButton(props: {
  readonly task: () => Promise<void>;
  readonly whileBusy: string;
  readonly children: ReactNode;
}): ReactNode {
  const { task } = props;
  const [state, setState] = useState<"idle" | "busy" | { readonly problem: string }>("idle");
  const run = useCallback(async () => {
    setState("busy");
    const end = await task().catch((error: unknown) => ({ problem: messageOf(error) }));
    setState(end ?? "idle");
  }, [task]);
  return (
    <>
      <button type="button" className="todoki-button" aria-disabled={state === "busy"} onClick={run}>
        {state === "busy" ? props.whileBusy : props.children}
      </button>
      {typeof state === "object" ? <span className="todoki-danger-text">{state.problem}</span> : null}
    </>
  );
}
