/**
 * A permission request, and its answer: given here by a button, or seen to be given elsewhere.
 *
 * An answer is an event with an idempotency id made of the request's, so that two clicks, two tabs or a repetition after a
 * lost connection publish one answer; another answer to the same request is refused by the server.
 */
import { type ReactNode, useEffect, useMemo, useState } from "react";
import type { EventClient, EventRow } from "../event-client.ts";
import { useSlice } from "../use-slice.ts";
import { type Answer, answerDraft, answersOf } from "./answers.ts";
import { wholeNumber } from "./format.ts";
import { type JsonNode, member, plain, pretty } from "./json-text.ts";
import { KindIcon } from "./kind-icon.tsx";
import { kindLook } from "./kinds.ts";
import { LongText } from "./long-text.tsx";

export interface PermissionRequestProps {
  /** A row of kind `permission.requested`. */
  readonly row: EventRow;
  /** Its `data`, read. */
  readonly data: JsonNode;
  readonly client: EventClient;
}

interface Option {
  readonly id: string;
  readonly label: string;
}

/** What can be answered where the request does not say. */
const DEFAULT_OPTIONS: readonly Option[] = [
  { id: "allow", label: "Allow" },
  { id: "deny", label: "Deny" },
];

/** More buttons than this help nobody; the rest are left out, and the JSON shows them. */
const MOST_OPTIONS = 12;

/** A permission request, to be answered. */
export function PermissionRequest({ row, data, client }: PermissionRequestProps): ReactNode {
  const requestId = plain(member(data, "request_id"));
  const tool = plain(member(data, "tool"));
  const description = plain(member(data, "description"));
  const input = member(data, "input");
  return (
    <div className="todoki-card todoki-permission">
      <p className="todoki-card-head">
        <KindIcon name="question" />
        <strong>{tool === null ? "Permission requested" : `May it use ${tool}?`}</strong>
      </p>
      {description === null ? null : (
        <div className="todoki-prose">
          <LongText text={description} />
        </div>
      )}
      {input ? <pre className="todoki-code">{plain(input) ?? pretty(input)}</pre> : null}
      {requestId === null ? (
        <p className="todoki-note">It has no request_id, so it cannot be answered here.</p>
      ) : (
        <AnswerTo key={requestId} row={row} requestId={requestId} options={optionsOf(data)} client={client} />
      )}
    </div>
  );
}

interface AnswerToProps {
  readonly row: EventRow;
  readonly requestId: string;
  readonly options: readonly Option[];
  readonly client: EventClient;
}

function AnswerTo({ row, requestId, options, client }: AnswerToProps): ReactNode {
  const answers = useMemo(() => answersOf(client), [client]);
  const answer = useSlice(answers).get(requestId);
  const [sending, setSending] = useState<string | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const isOpen = answer === undefined;
  useEffect(() => (isOpen ? answers.listen() : undefined), [answers, isOpen]);

  const give = async (option: Option) => {
    setSending(option.id);
    setFailure(null);
    const kind = "permission.responded";
    try {
      const cursor = await client.emit(answerDraft(row, requestId, option.id));
      answers.note(requestId, { kind, option: option.id, by: "human", cursor, isOurs: true });
    } catch (error) {
      if (isConflict(error)) answers.note(requestId, { kind, option: null, by: null, cursor: null, isOurs: false });
      else setFailure(error instanceof Error ? error.message : String(error));
    }
    setSending(null);
  };

  return (
    <>
      {isOpen ? (
        <div className="todoki-acts">
          {options.map((option) => (
            <button
              key={option.id}
              type="button"
              className="todoki-act todoki-act-answer"
              // Disabled buttons lose the focus, and with it the place of whoever uses keys.
              aria-disabled={sending !== null}
              onClick={() => (sending === null ? void give(option) : undefined)}
            >
              {sending === option.id ? `${option.label} …` : option.label}
            </button>
          ))}
        </div>
      ) : null}
      <div role="status">
        {isOpen ? sending === null ? "" : "Sending the answer" : <Given {...{ answer, options }} />}
      </div>
      {failure === null ? null : (
        <p role="alert" className="todoki-tone-danger">
          Not sent: {failure}
        </p>
      )}
    </>
  );
}

function Given({ answer, options }: { readonly answer: Answer; readonly options: readonly Option[] }): ReactNode {
  const look = kindLook(answer.kind);
  const label = options.find((option) => option.id === answer.option)?.label ?? answer.option;
  const what = label ?? (answer.cursor === null ? "Answered already" : look.label);
  const who = answer.isOurs ? "by you" : answer.by === null ? "elsewhere" : `by ${answer.by}`;
  return (
    <span className={`todoki-state todoki-tone-${look.tone}`}>
      {look.icon}
      {what}, {who}
      {answer.cursor === null ? "" : ` · #${wholeNumber(answer.cursor)}`}
    </span>
  );
}

/** The options that the request names, each once, or *Allow* and *Deny*. */
function optionsOf(data: JsonNode): readonly Option[] {
  const listed = member(data, "options");
  const options = new Map<string, Option>();
  for (const item of listed?.type === "array" ? listed.items : []) {
    const id = plain(member(item, "id")) ?? plain(item);
    if (id !== null) options.set(id, { id, label: plain(member(item, "label")) ?? id });
  }
  return options.size === 0 ? DEFAULT_OPTIONS : [...options.values()].slice(0, MOST_OPTIONS);
}

/** Whether the server has another answer under this request's idempotency id. */
function isConflict(error: unknown): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === "id_conflict";
}
