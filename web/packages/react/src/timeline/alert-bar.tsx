/**
 * What is said above the rows, which stay: the one thing that only a person can mend, and that it is about to be needed.
 */
import { type ReactNode, type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { EventClient, Status } from "../event-client.ts";
import { useSlice } from "../use-slice.ts";
import { expiryText, isRefused, refusalText } from "./messages.ts";
import { useSecond } from "./use-second.ts";

export interface AlertBarProps {
  readonly client: EventClient;
  /** Where one signs in: a form, or a link to one. */
  readonly signIn?: ReactNode;
  /** Asks for everything again; absent where the view asks for everything already. */
  readonly onClearFilter?: (() => void) | undefined;
  /** Gives the token up for another one; absent where there is no way to. */
  readonly onSignOut?: (() => void) | undefined;
  /** The bar has gone, and the keys with it: they are wanted elsewhere. */
  readonly onGone: () => void;
}

/** Alerts of a refusal at once, and warns quietly of a token that ends soon and that nothing else will renew. */
export function AlertBar(props: AlertBarProps): ReactNode {
  const status = useSlice(props.client.status);
  return isRefused(status.phase) || status.tokenExpiresAt !== null ? <Bar {...props} status={status} /> : null;
}

/** One for both, so that what was typed into the sign-in is still there when the time for it is over. */
function Bar({ status, signIn, onGone, ...ways }: AlertBarProps & { readonly status: Status }): ReactNode {
  const root = useRef<HTMLDivElement>(null);
  const [isAsked, setIsAsked] = useState(false);
  const { phase, tokenExpiresAt } = status;
  const isRefusal = isRefused(phase);
  const now = useSecond(isRefusal ? null : tokenExpiresAt);
  useFocusPassedOn(root, onGone);
  const { title, text } = isRefusal ? refusalText(phase, status) : expiryText(status, now);
  return (
    <div
      ref={root}
      role={isRefusal ? "alert" : undefined}
      className="todoki-alert"
      data-state={isRefusal ? phase : "expiring"}
    >
      <p className="todoki-panel-title">{title}</p>
      <p>{text}</p>
      {/* Nothing that takes the keys comes by itself while they are in use elsewhere. */}
      {isRefusal || !signIn ? null : (
        <button type="button" className="todoki-button" aria-expanded={isAsked} onClick={() => setIsAsked(!isAsked)}>
          Use another token
        </button>
      )}
      {phase === "forbidden" ? <WaysOn {...ways} /> : null}
      {signIn && phase !== "forbidden" && (isRefusal || isAsked) ? (
        <div className="todoki-alert-sign-in">{signIn}</div>
      ) : null}
    </div>
  );
}

/** Tells when an element goes that the keys are in. */
function useFocusPassedOn(root: RefObject<HTMLElement | null>, pass: () => void): void {
  const latest = useRef(pass);
  useEffect(() => {
    latest.current = pass;
  }, [pass]);
  useLayoutEffect(() => {
    const { current } = root;
    return () => {
      if (current?.contains(document.activeElement)) latest.current();
    };
  }, [root]);
}

/** What helps where a token does not allow what is asked for: asking for less of one thing, or another token. */
function WaysOn({ onClearFilter, onSignOut }: Pick<AlertBarProps, "onClearFilter" | "onSignOut">): ReactNode {
  return (
    <>
      {onClearFilter ? (
        <button type="button" className="todoki-button" onClick={onClearFilter}>
          Clear filter
        </button>
      ) : null}
      {onSignOut ? (
        <button type="button" className="todoki-button" onClick={onSignOut}>
          Use another token
        </button>
      ) : null}
    </>
  );
}
