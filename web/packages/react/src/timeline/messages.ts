/**
 * Sentences of the timeline that are put together from facts. Pure.
 */
import type { Counts, Marker, Phase, Status } from "../event-client.ts";
import { counted, wholeNumber } from "./format.ts";
import { duration, secondsUntil } from "./time.ts";

type Gap = Marker & { readonly type: "gap" };

/** What a marker says. */
export function markerSentence(marker: Marker): string {
  switch (marker.type) {
    case "lag":
      return `${behindText(marker.events)} for ${duration(marker.ms)}: read from the log, nothing is missing`;
    case "gap":
      return gapSentence(marker);
    case "reconnect":
      return marker.missed === 0
        ? `Reconnected after ${duration(marker.downMs)} · 0 events missed`
        : `Reconnected after ${duration(marker.downMs)} · ${counted(marker.missed, "event")} came late, all are here`;
    case "epoch":
      return "The server has another history than before; events on either side of this line are of two logs";
  }
}

function behindText(events: number | null): string {
  return events === null ? "Behind" : `${counted(events, "event")} behind`;
}

function gapSentence({ reason, count }: Gap): string {
  const events = count === null ? "Some events" : counted(count, "event");
  switch (reason) {
    case "retention":
      return `${events} older than the server keeps: they are gone`;
    case "ahead":
      return `${events} unknown to the server: its log is another one, or was set back`;
    case "forbidden":
      return "Whatever happened while the connection was lost is left out: this token may not read it afterwards";
    case "slow":
      return `${events} not delivered: this view was behind`;
    case "skipped":
      return `${events} skipped`;
  }
}

/** Whether two markers say the same. */
export function isSameMarker(a: Marker, b: Marker): boolean {
  if (a === b) return true;
  if (a.type === "gap" && b.type === "gap" && (a.isLoading !== b.isLoading || a.isLoadable !== b.isLoadable))
    return false;
  return a.type === b.type && markerSentence(a) === markerSentence(b);
}

/** A sentence for each state; the same text for as long as the state lasts. */
export function phaseText(status: Status): string {
  switch (status.phase) {
    case "connecting":
      return "";
    case "replaying":
      return "Reading the history.";
    case "live":
      return "Connected. Events are live.";
    case "lagging":
      return "The view is behind; events are caught up from the log.";
    case "disconnected":
      return status.error?.code === "token" ? "There is no token. Retrying." : "Connection lost. Retrying.";
    case "offline":
      return "No network. The stream goes on when it is back.";
    case "restarting":
      return "The server restarts. The stream goes on by itself.";
    case "limited":
      return "The server asks for less. The stream goes on by itself.";
    case "stopped":
      return `The stream has stopped. ${status.error?.message ?? ""}`.trim();
    // The alert says these.
    case "unauthorized":
    case "expired":
    case "forbidden":
      return "";
  }
}

/** Whether the server has turned the token away, or all that was asked for with it. */
export function isRefused(phase: Phase): phase is "unauthorized" | "expired" | "forbidden" {
  return phase === "unauthorized" || phase === "expired" || phase === "forbidden";
}

/** What is said of a token that ends soon, the time that is left with it. */
export function expiryText(
  { tokenExpiresAt, error }: Pick<Status, "tokenExpiresAt" | "error">,
  now: number,
): { readonly title: string; readonly text: string } {
  const seconds = secondsUntil(tokenExpiresAt ?? now, now);
  return {
    title: seconds === 0 ? "Your token expires now" : `Your token expires in ${seconds} s`,
    text: renewalText(error),
  };
}

function renewalText(error: Status["error"]): string {
  switch (error?.code) {
    case "token":
      return `Another one could not be fetched, and is asked for again: ${error.message}`;
    case "unauthorised":
    case "forbidden":
      return "The server does not take the other one that it was shown.";
    default:
      return "With another one the stream goes on as it is.";
  }
}

/** The same once, for those who cannot see the seconds; empty where the alert or nothing is to be said. */
export function expirySentence({ phase, tokenExpiresAt, error }: Status): string {
  return tokenExpiresAt === null || isRefused(phase) ? "" : `Your token expires soon. ${renewalText(error)}`;
}

/** What is said to somebody whom the server does not let in. */
export function refusalText(
  phase: "unauthorized" | "expired" | "forbidden",
  { error, head }: Pick<Status, "error" | "head">,
): { readonly title: string; readonly text: string } {
  const why = error === null || error.message === "" ? "" : ` The server says: ${error.message}`;
  switch (phase) {
    case "unauthorized":
      return {
        title: head === null ? "Sign in" : "Sign in again",
        text: `The server asks for a valid token. Nothing is tried again until there is one.${why}`,
      };
    case "expired":
      return {
        title: "Your token has expired",
        text: "With another one the stream goes on after the last event that came; nothing is left out.",
      };
    case "forbidden":
      return {
        title: "Not allowed",
        text: `The grants of this token allow none of what the view asks for. What was read before stays.${why}`,
      };
  }
}

/** `124 new events, 2 failed` */
export function summaryText(before: Counts, now: Counts): string {
  const events = now.received - before.received;
  const failures = now.freshFailures - before.freshFailures;
  const text = counted(Math.max(0, events), "new event");
  return failures > 0 ? `${text}, ${wholeNumber(failures)} failed` : text;
}

/** `1,204 new · 3 failed`; empty when nothing is new. */
export function newText(fresh: number, failures: number): string {
  if (fresh === 0) return "";
  return failures === 0 ? `${wholeNumber(fresh)} new` : `${wholeNumber(fresh)} new · ${wholeNumber(failures)} failed`;
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
