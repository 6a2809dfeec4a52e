/**
 * One event, all of it: what it is, when and of whom, what it says to a person, and its JSON.
 *
 * It holds no place in the list and moves nothing there: closing, filtering and going to other events are its owner's.
 */
import { type ReactNode, useEffect, useMemo, useState } from "react";
import type { Cursor, EventClient, EventRow } from "../event-client.ts";
import { CopyButton } from "./copy-button.tsx";
import { fieldTerm, type TermField } from "./filter-term.ts";
import { wholeNumber } from "./format.ts";
import { type JsonNode, member, plain, readJson } from "./json-text.ts";
import { JsonTree } from "./json-tree.tsx";
import { KindIcon } from "./kind-icon.tsx";
import { kindLook } from "./kinds.ts";
import { LongText } from "./long-text.tsx";
import { OutputBatch } from "./output-batch.tsx";
import { PermissionRequest } from "./permission.tsx";
import { cursorAt } from "./row-at.ts";
import { summaryOf } from "./summary.ts";
import { fullTime, timeAgo } from "./time.ts";
import { isWebAddress } from "./web-address.ts";
import { WebLink } from "./web-link.tsx";

export interface DetailProps {
  readonly row: EventRow;
  readonly client: EventClient;
  readonly onClose: () => void;
  /** Called with a term of the query for *Only* and *Hide*; without it there are no such buttons. */
  readonly onFilter?: ((term: string) => void) | undefined;
  /** Copies or makes a link to the event; without it there is no such button. */
  readonly onCopyLink?: ((cursor: Cursor) => void) | undefined;
  /** Goes to another event, the next or the previous of the same task; without it there are no such buttons. */
  readonly onSelect?: ((cursor: Cursor) => void) | undefined;
  /** The sentence on top, in place of the one for its kind. */
  readonly renderSummary?: ((row: EventRow) => ReactNode) | undefined;
}

/** All of one event. */
export function Detail(props: DetailProps): ReactNode {
  const { row, client, onFilter } = props;
  const whole = useWhole(row, client);
  const data = useMemo(() => readJson(whole.data).root, [whole.data]);
  const cursor = wholeNumber(row.cursor);
  return (
    <section className="todoki-detail" aria-label={`Event ${cursor}`}>
      <Head {...props} />
      {/* What happened and why comes first, and a request can be answered without scrolling on a phone. */}
      <Readable {...props} data={data} />
      <Facts row={row} client={client} onFilter={onFilter} />
      <h3 className="todoki-detail-title">Data</h3>
      <WholeNote whole={whole} />
      <JsonTree key={row.cursor} text={whole.data} label={`Data of event ${cursor}`} onFilter={onFilter} />
      <SameTask key={`task ${row.cursor}`} {...props} />
    </section>
  );
}

function Head({ row, client, onClose, onFilter, onCopyLink }: DetailProps): ReactNode {
  const look = kindLook(row.kind);
  return (
    <header className="todoki-detail-head">
      <h2 className="todoki-detail-kind">
        <span className={`todoki-tone-${look.tone}`}>{look.icon}</span>
        {look.label}
      </h2>
      <button type="button" className="todoki-act todoki-detail-close" aria-label="Close the event" onClick={onClose}>
        <KindIcon name="cross" />
      </button>
      <div className="todoki-acts">
        <code className="todoki-acts-of">{row.kind}</code>
        <FilterButtons field="kind" value={row.kind} onFilter={onFilter} />
        <CopyButton text={() => wholeEvent(client, row)}>Copy JSON</CopyButton>
        {onCopyLink ? (
          <button type="button" className="todoki-act" onClick={() => onCopyLink(row.cursor)}>
            Copy link
          </button>
        ) : null}
      </div>
    </header>
  );
}

async function wholeEvent(client: EventClient, row: EventRow): Promise<string> {
  const event = await client.event(row.cursor);
  if (event === null) throw new Error("Neither the page nor the server has this event any more.");
  return event;
}

interface FactsProps {
  readonly row: EventRow;
  readonly client: EventClient;
  readonly onFilter: DetailProps["onFilter"];
}

function Facts({ row, client, onFilter }: FactsProps): ReactNode {
  const local = fullTime(row.time, "local");
  const utc = fullTime(row.time, "utc");
  return (
    <dl className="todoki-facts">
      <dt>Cursor</dt>
      <dd>
        {wholeNumber(row.cursor)}{" "}
        <CopyButton text={String(row.cursor)} label="Copy the cursor">
          Copy
        </CopyButton>
      </dd>
      <dt>Time</dt>
      <dd>
        <time dateTime={new Date(row.time).toISOString()}>{local}</time>
        <br />
        {utc === local ? null : (
          <>
            {utc}
            <br />
          </>
        )}
        <Ago time={row.time} client={client} />
      </dd>
      <IdFact field="agent" id={row.agentId} onFilter={onFilter} />
      <IdFact field="task" id={row.taskId} onFilter={onFilter} />
      <IdFact field="session" id={row.sessionId} onFilter={onFilter} />
      <IdFact field="project" id={row.projectId} onFilter={onFilter} />
    </dl>
  );
}

/** How often *ago* is told anew: as often as its words change in the first minute. */
const AGO_MS = 1000;

function Ago({ time, client }: { readonly time: number; readonly client: EventClient }): ReactNode {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), AGO_MS);
    return () => clearInterval(timer);
  }, []);
  // The event's time is of the server's clock, so it is the server's present that counts.
  return timeAgo(time, now + (client.status.get().clockOffsetMs ?? 0));
}

interface IdFactProps {
  readonly field: Exclude<TermField, "kind">;
  readonly id: string | null;
  readonly onFilter: DetailProps["onFilter"];
}

function IdFact({ field, id, onFilter }: IdFactProps): ReactNode {
  if (id === null) return null;
  return (
    <>
      <dt className="todoki-capital">{field}</dt>
      <dd className="todoki-fact">
        {/* Where it is too long its end is shown: the beginnings of many ids are the same. */}
        <code className="todoki-fact-id" dir="rtl" title={id}>
          <bdi>{id}</bdi>
        </code>
        <CopyButton text={id} label={`Copy the ${field}`}>
          Copy
        </CopyButton>
        <FilterButtons field={field} value={id} onFilter={onFilter} />
      </dd>
    </>
  );
}

interface FilterButtonsProps {
  readonly field: TermField;
  readonly value: string;
  readonly onFilter: DetailProps["onFilter"];
}

function FilterButtons({ field, value, onFilter }: FilterButtonsProps): ReactNode {
  if (!onFilter) return null;
  return (
    <>
      <button
        type="button"
        className="todoki-act"
        aria-label={`Only this ${field}`}
        onClick={() => onFilter(fieldTerm(field, value))}
      >
        Only
      </button>
      <button
        type="button"
        className="todoki-act"
        aria-label={`Hide this ${field}`}
        onClick={() => onFilter(fieldTerm(field, value, true))}
      >
        Hide
      </button>
    </>
  );
}

/** What the event says to a person, by its kind. */
function Readable({ row, client, renderSummary, data }: DetailProps & { readonly data: JsonNode | null }): ReactNode {
  if (data && (row.kind === "agent.output_batch" || row.kind === "agent.output")) return <OutputBatch data={data} />;
  if (data && row.kind === "permission.requested") return <PermissionRequest row={row} data={data} client={client} />;
  const url = plain(member(data, "url"));
  return (
    <>
      <p className={row.isFailure ? "todoki-lead todoki-tone-danger" : "todoki-lead"}>
        {renderSummary ? renderSummary(row) : summaryOf(row)}
      </p>
      {url !== null && isWebAddress(url) ? (
        <p className="todoki-link">
          <WebLink address={url}>{url}</WebLink>
        </p>
      ) : null}
      {LONG_MEMBERS.map((name) => (
        <LongMember key={name} name={name} text={plain(member(data, name))} />
      ))}
    </>
  );
}

/** Members that are texts of more than a line, and are read as such. */
const LONG_MEMBERS = ["error", "message", "text", "description", "summary", "stack", "stderr"] as const;

/** Shorter ones, without lines of their own, are in the sentence above already. */
const LEAST_LONG = 120;

function LongMember({ name, text }: { readonly name: string; readonly text: string | null }): ReactNode {
  if (text === null || (name !== "description" && text.length < LEAST_LONG && !text.includes("\n"))) return null;
  return (
    <div className="todoki-prose">
      <p className="todoki-note todoki-capital">{name}</p>
      <LongText text={text} />
    </div>
  );
}

/** Where the text of `data` stands: a row holds the first 4 KiB, and the rest is fetched. */
interface Whole {
  readonly data: string;
  readonly state: "whole" | "loading" | "gone" | { readonly failure: string };
  readonly retry: () => void;
}

function useWhole(row: EventRow, client: EventClient): Whole {
  const [attempt, setAttempt] = useState(0);
  const [fetched, setFetched] = useState<{ cursor: Cursor; data: string | null; state: Whole["state"] } | null>(null);
  const { cursor, isWhole } = row;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt fetches anew.
  useEffect(() => {
    if (isWhole) return;
    let isWanted = true;
    const settle = (data: string | null, state: Whole["state"]) => {
      if (isWanted) setFetched({ cursor, data, state });
    };
    client.event(cursor).then(
      (event) => settle(event === null ? null : dataOf(event), event === null ? "gone" : "whole"),
      (error: unknown) => settle(null, { failure: error instanceof Error ? error.message : String(error) }),
    );
    return () => {
      isWanted = false;
    };
  }, [cursor, isWhole, client, attempt]);
  const current = fetched?.cursor === cursor ? fetched : null;
  return {
    data: isWhole ? row.data : (current?.data ?? row.data),
    state: isWhole ? "whole" : (current?.state ?? "loading"),
    retry: () => {
      setFetched(null);
      setAttempt(attempt + 1);
    },
  };
}

/** The text of `data` in the text of an event. */
function dataOf(event: string): string | null {
  const data = member(readJson(event).root, "data");
  return data && event.slice(data.start, data.end);
}

function WholeNote({ whole }: { readonly whole: Whole }): ReactNode {
  const { state, retry } = whole;
  if (state === "whole") return null;
  if (state === "loading") return <p className="todoki-note">Loading the rest of it …</p>;
  return (
    <p role="alert" className="todoki-tone-danger">
      {state === "gone"
        ? "The server does not have this event any more; this is its beginning."
        : `The rest of it could not be loaded: ${state.failure}`}{" "}
      <button type="button" className="todoki-act" onClick={retry}>
        Try again
      </button>
    </p>
  );
}

/** The way to the neighbours in the same task. */
function SameTask({ row, client, onSelect }: DetailProps): ReactNode {
  const [missing, setMissing] = useState<1 | -1 | null>(null);
  if (row.taskId === null || !onSelect) return null;
  const go = async (direction: 1 | -1) => {
    const place = await client.find("same-task", row.place, direction);
    const cursor = place === null ? null : await cursorAt(client, place);
    setMissing(cursor === null ? direction : null);
    if (cursor !== null) onSelect(cursor);
  };
  return (
    <nav className="todoki-acts" aria-label="Events of the same task">
      <button type="button" className="todoki-act" onClick={() => void go(-1)}>
        ‹ Previous of this task
      </button>
      <button type="button" className="todoki-act" onClick={() => void go(1)}>
        Next of this task ›
      </button>
      <span role="status" className="todoki-note">
        {missing === null ? "" : `No ${missing === 1 ? "newer" : "older"} one is loaded.`}
      </span>
    </nav>
  );
}
