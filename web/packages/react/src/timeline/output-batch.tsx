/**
 * The output of an agent as a person reads it: prose with its lines, code in blocks, tool calls as cards, plans as lists.
 *
 * What the agent wrote is only ever text here; there is no way from an event to markup.
 */
import { type ReactNode, useMemo, useState } from "react";
import { wholeNumber } from "./format.ts";
import type { JsonNode } from "./json-text.ts";
import { type IconName, KindIcon } from "./kind-icon.tsx";
import { LongText } from "./long-text.tsx";
import {
  doneOf,
  type OutputPart,
  outputOf,
  type PlanEntry,
  type PlanPart,
  type Stretch,
  stretches,
  type ToolPart,
} from "./output.ts";

export interface OutputBatchProps {
  /** The `data` of an `agent.output_batch` or `agent.output`. */
  readonly data: JsonNode;
}

/** Parts shown at once. A batch of more is rare, and its reader wants its beginning first. */
const PARTS_AT_ONCE = 200;

/** What an agent put out. */
export function OutputBatch({ data }: OutputBatchProps): ReactNode {
  const { stream, parts } = useMemo(() => outputOf(data), [data]);
  const [most, setMost] = useState(PARTS_AT_ONCE);
  const hidden = parts.length - most;
  return (
    <div className="todoki-output">
      {stream === null ? null : <p className="todoki-note">Output of {stream}</p>}
      {parts.slice(0, most).map((part, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the parts of an event never change, and have no name of their own.
        <Part key={index} part={part} />
      ))}
      {hidden > 0 ? (
        <button type="button" className="todoki-act" onClick={() => setMost(most + PARTS_AT_ONCE)}>
          Show more of {wholeNumber(hidden)} further parts
        </button>
      ) : null}
    </div>
  );
}

function Part({ part }: { readonly part: OutputPart }): ReactNode {
  switch (part.type) {
    case "text":
      return <Prose text={part.text} isStderr={part.isStderr} />;
    case "plan":
      return <Plan plan={part} />;
    case "tool":
      return <Tool tool={part} />;
    case "other":
      return <Fold title={part.name ?? "JSON"} text={part.json} />;
  }
}

function Prose({ text, isStderr }: { readonly text: string; readonly isStderr: boolean }): ReactNode {
  return (
    <div className={isStderr ? "todoki-prose todoki-stderr" : "todoki-prose"}>
      {isStderr ? <span className="todoki-badge todoki-tone-danger">stderr</span> : null}
      <LongText text={text}>{formatted}</LongText>
    </div>
  );
}

function formatted(text: string): ReactNode {
  return stretches(text).map((stretch, index, all) => {
    if (stretch.type === "name") return <code key={stretch.at}>{stretch.text}</code>;
    if (stretch.type === "prose") {
      return <span key={stretch.at}>{besideCode(stretch.text, all[index - 1], all[index + 1])}</span>;
    }
    return (
      <pre key={stretch.at} className="todoki-code">
        {stretch.language === "" ? null : <span className="todoki-note">{`${stretch.language}\n`}</span>}
        {stretch.text}
      </pre>
    );
  });
}

/** A block of code has room around it already, so the empty lines next to it are left out. */
function besideCode(text: string, before: Stretch | undefined, after: Stretch | undefined): string {
  const ended = after?.type === "code" ? text.trimEnd() : text;
  return before?.type === "code" ? ended.replace(/^\s*\n/, "") : ended;
}

const ENTRY_LOOKS: Readonly<Record<PlanEntry["status"], readonly [icon: IconName, word: string, tone: string]>> = {
  pending: ["ring", "To do", "muted"],
  in_progress: ["half", "In progress", "info"],
  completed: ["check", "Done", "ok"],
};

function Plan({ plan }: { readonly plan: PlanPart }): ReactNode {
  return (
    <div className="todoki-card">
      <p className="todoki-card-head">
        <strong>Plan</strong>
        <span className="todoki-muted">
          {doneOf(plan)} of {plan.entries.length} done
        </span>
      </p>
      <ul className="todoki-plan">
        {plan.entries.map((entry, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the entries of an event never change, and may be equal.
          <Entry key={index} entry={entry} />
        ))}
      </ul>
    </div>
  );
}

function Entry({ entry }: { readonly entry: PlanEntry }): ReactNode {
  const [icon, word, tone] = ENTRY_LOOKS[entry.status];
  return (
    <li className={`todoki-plan-${entry.status}`}>
      <span className={`todoki-tone-${tone}`}>
        <KindIcon name={icon} />
      </span>
      <span className="todoki-hidden">{word}: </span>
      <span className="todoki-plan-content">{entry.content}</span>
      {entry.priority === null ? null : <span className="todoki-badge">{entry.priority}</span>}
    </li>
  );
}

const STATUS_LOOKS: Readonly<Record<NonNullable<ToolPart["status"]>, readonly [icon: IconName, tone: string]>> = {
  pending: ["ring", "muted"],
  running: ["half", "info"],
  completed: ["check", "ok"],
  failed: ["cross", "danger"],
};

function Tool({ tool }: { readonly tool: ToolPart }): ReactNode {
  const look = tool.status && STATUS_LOOKS[tool.status];
  return (
    <div className="todoki-card">
      <p className="todoki-card-head">
        <KindIcon name="tool" />
        <strong>{tool.title}</strong>
        {tool.kind === null ? null : <span className="todoki-badge">{tool.kind}</span>}
        {look ? (
          <span className={`todoki-state todoki-tone-${look[1]}`}>
            <KindIcon name={look[0]} />
            {tool.status}
          </span>
        ) : null}
      </p>
      {tool.input === null ? null : <Fold title="Input" text={tool.input} />}
      {tool.output === null ? null : <Fold title="Output" text={tool.output} />}
    </div>
  );
}

/** A text that becomes elements when it is opened. */
function Fold({ title, text }: { readonly title: string; readonly text: string }): ReactNode {
  const [isOpen, setOpen] = useState(false);
  const lines = text.split("\n").length;
  return (
    <details className="todoki-fold" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {title} <span className="todoki-muted">{lines === 1 ? "1 line" : `${wholeNumber(lines)} lines`}</span>
      </summary>
      {isOpen ? <LongText text={text}>{(shown) => <pre className="todoki-code">{shown}</pre>}</LongText> : null}
    </details>
  );
}
