/**
 * What the status pill says in each state of a stream: its word, its sign and its tone. Pure.
 *
 * A sign and a word stand for every state, so that the colour is never all there is.
 */
import type { Status } from "../event-client.ts";
import { shortNumber, wholeNumber } from "./format.ts";
import { duration, secondsUntil } from "./time.ts";

/** The states that a person can tell apart: the phases, and what the browser and the reader add to them. */
export type PillState =
  | "connecting"
  | "replaying"
  | "live"
  | "paused"
  | "lagging"
  | "disconnected"
  | "offline"
  | "restarting"
  | "limited"
  | "unauthorized"
  | "expired"
  | "forbidden"
  | "stopped";

type PillTone = "muted" | "info" | "ok" | "warn" | "danger";

export interface Pill {
  readonly state: PillState;
  readonly tone: PillTone;
  /** The sign: another shape for each state. */
  readonly sign: string;
  /** The state in words that stay while it lasts. */
  readonly label: string;
  /** Figures of the state, which change. */
  readonly detail: string;
}

/** What the pill must know besides the status. */
export interface PillView {
  readonly isFollowing: boolean;
  /** Events since the pause. */
  readonly fresh: number;
  /** Milliseconds since 1970, for the countdown. */
  readonly now: number;
}

/** A round trip that is felt. */
const SLOW_RTT_MS = 250;

const SIGNS: Readonly<Record<PillState, readonly [sign: string, tone: PillTone, label: string]>> = {
  connecting: ["◌", "muted", "Connecting…"],
  replaying: ["◔", "info", "Replaying"],
  live: ["●", "ok", "Live"],
  paused: ["‖", "warn", "Paused"],
  lagging: ["▲", "warn", "Behind"],
  disconnected: ["○", "danger", "Offline"],
  offline: ["⊘", "danger", "No network"],
  restarting: ["↻", "warn", "Server restarting"],
  limited: ["◷", "warn", "Rate limited"],
  unauthorized: ["✕", "danger", "Sign in again"],
  expired: ["⊠", "danger", "Token expired"],
  forbidden: ["⊗", "danger", "Not allowed"],
  stopped: ["■", "muted", "Stopped"],
};

/** What is said to somebody who was never let in: there is no *again*, and nothing is wrong yet. */
const FIRST_SIGN_IN = "Sign in";
/** The server may well be there; what is missing is a token to come with. */
const NO_TOKEN = "No token";

/** What the pill says. */
export function pillOf(status: Status, view: PillView): Pill {
  const isSteady = status.phase === "live" || status.phase === "replaying" || status.phase === "lagging";
  const state: PillState = isSteady && !view.isFollowing ? "paused" : status.phase;
  const [sign, tone, label] = SIGNS[state];
  const isFirst = state === "unauthorized" && status.head === null;
  const isTokenless = state === "disconnected" && status.error?.code === "token";
  const isSlow = state === "live" && (status.rttMs ?? 0) > SLOW_RTT_MS;
  return {
    state,
    sign,
    tone: isFirst ? "muted" : isSlow ? "warn" : tone,
    label: isFirst ? FIRST_SIGN_IN : isTokenless ? NO_TOKEN : label,
    detail: detailOf(state, status, view),
  };
}

function detailOf(state: PillState, status: Status, view: PillView): string {
  switch (state) {
    case "live":
      return status.rttMs === null ? "" : duration(status.rttMs);
    case "paused":
      return view.fresh === 0 ? "" : `${wholeNumber(view.fresh)} new`;
    case "replaying":
      return progressText(status);
    case "lagging":
      return status.lag === null ? "" : lagText(status.lag);
    case "disconnected":
    case "limited":
      return retryText(status, view.now);
    case "forbidden":
    case "stopped":
      return status.error?.message ?? "";
    default:
      return "";
  }
}

function progressText({ progress }: Status): string {
  if (progress === null) return "";
  const parts = [`${Math.floor(progress.done * 100)} %`, `${shortNumber(progress.eventsPerSecond)}/s`];
  if (progress.secondsLeft !== null) parts.push(`${Math.ceil(progress.secondsLeft)} s left`);
  return parts.join(" · ");
}

function lagText({ events, ms }: NonNullable<Status["lag"]>): string {
  return events === null ? duration(ms) : `${wholeNumber(events)} events · ${duration(ms)}`;
}

function retryText({ retryAt, attempt }: Status, now: number): string {
  if (retryAt === null) return "";
  const seconds = secondsUntil(retryAt, now);
  const when = seconds === 0 ? "retrying now" : `retrying in ${seconds} s`;
  return attempt > 1 ? `${when} (attempt ${attempt})` : when;
}
