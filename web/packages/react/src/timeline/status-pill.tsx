/**
 * The state of the connection in one small pill, and the button that helps out of it.
 */
import { type ReactNode, useCallback } from "react";
import type { EventClient } from "../event-client.ts";
import type { PillState } from "./pill.ts";
import { usePill } from "./use-pill.ts";

export interface StatusPillProps {
  readonly client: EventClient;
  /** Shows the button that helps: `Retry now`, `Jump to now`. Default true. */
  readonly hasAction?: boolean | undefined;
}

/** The state of a stream: a sign, a word, a colour and the figures of the state. */
export function StatusPill({ client, hasAction = true }: StatusPillProps): ReactNode {
  const pill = usePill(client);
  return (
    <span className="todoki-status">
      <span className="todoki-pill" data-state={pill.state} data-tone={pill.tone}>
        <span className="todoki-pill-sign" aria-hidden="true">
          {pill.sign}
        </span>
        <span>{pill.label}</span>
        {pill.detail === "" ? null : <span className="todoki-pill-detail">{pill.detail}</span>}
      </span>
      {hasAction ? <StatusAction client={client} state={pill.state} /> : null}
    </span>
  );
}

interface StatusActionProps {
  readonly client: EventClient;
  readonly state: PillState;
}

function StatusAction({ client, state }: StatusActionProps): ReactNode {
  const retry = useCallback(() => client.reconnect(), [client]);
  // That the present could not be reached shows in the status, which is where one looks.
  const jump = useCallback(() => void client.seek("now").catch(() => {}), [client]);
  switch (state) {
    case "disconnected":
    case "offline":
    case "stopped":
      return (
        <button type="button" className="todoki-button" onClick={retry}>
          Retry now
        </button>
      );
    case "replaying":
    case "lagging":
      return (
        <button type="button" className="todoki-button" onClick={jump}>
          Jump to now
        </button>
      );
    default:
      return null;
  }
}
