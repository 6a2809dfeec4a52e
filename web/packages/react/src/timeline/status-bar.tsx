/**
 * The line above the list: the state of the connection, how much there is, and the button that pauses.
 */
import { type ReactNode, useCallback } from "react";
import type { Counts, EventClient, Rows } from "../event-client.ts";
import { useSlice } from "../use-slice.ts";
import type { Follower } from "./follow.ts";
import { counted, shortNumber, wholeNumber } from "./format.ts";
import { StatusPill } from "./status-pill.tsx";

/** Rows a second that nobody can read; from here on a pause is offered in words. */
const UNREADABLE_PER_SECOND = 200;

const isFollowing = (rows: Rows) => rows.isFollowing;

export interface StatusBarProps {
  readonly client: EventClient;
  readonly follower: Follower;
}

/** What `showStatus` shows. */
export function StatusBar({ client, follower }: StatusBarProps): ReactNode {
  const following = useSlice(client.rows, isFollowing);
  const toggle = useCallback(() => (following ? follower.pause() : follower.resume()), [follower, following]);
  return (
    <div className="todoki-bar">
      <StatusPill client={client} />
      <CountsText client={client} isFollowing={following} />
      <button type="button" className="todoki-button" onClick={toggle}>
        {following ? "Pause" : "Follow"}
      </button>
    </div>
  );
}

const countsText = ({ loaded, shown, eventsPerSecond }: Counts) => {
  const events = shown === loaded ? counted(loaded, "event") : `${wholeNumber(shown)} of ${counted(loaded, "event")}`;
  return eventsPerSecond > 0 ? `${events} · ${shortNumber(eventsPerSecond)}/s` : events;
};
const isUnreadable = ({ eventsPerSecond }: Counts) => eventsPerSecond > UNREADABLE_PER_SECOND;

function CountsText(props: { readonly client: EventClient; readonly isFollowing: boolean }): ReactNode {
  const { client } = props;
  const text = useSlice(client.counts, countsText);
  const isFast = useSlice(client.counts, isUnreadable);
  return (
    <span className="todoki-counts">
      {text}
      {isFast && props.isFollowing ? <span className="todoki-hint"> · Pause to read</span> : null}
    </span>
  );
}
