/**
 * The messages of the server and the commands of a client, as docs/WIRE.md has them. Events are not here: they stay text.
 */
import type { Cursor } from "../event-client.ts";

export interface Subscribed {
  readonly type: "subscribed";
  readonly kinds: readonly string[];
  /** Delivery starts after it. */
  readonly cursor: Cursor;
  readonly epoch: string;
  readonly earliest: Cursor;
  readonly head: Cursor;
  readonly server_time: string;
  readonly heartbeat_ms: number;
  readonly ref?: string;
}

export interface Gap {
  readonly type: "gap";
  readonly reason: "retention" | "slow" | "ahead";
  readonly requested: Cursor;
  readonly resume_at: Cursor;
  readonly earliest: Cursor;
  readonly head: Cursor;
}

export interface Refused {
  readonly type: "error";
  readonly code: string;
  readonly message: string;
  readonly retry_after_ms?: number;
  readonly ref?: string;
}

interface Lag {
  readonly type: "lag";
  readonly state: "catching_up" | "live";
  /** Absent where not all events are ours to see. */
  readonly lag_events?: number;
  readonly lag_ms: number;
}

/** Whatever the server says besides events. */
export type Message =
  | Subscribed
  | Gap
  | Lag
  | Refused
  | { readonly type: "replay_complete"; readonly cursor: Cursor; readonly count: number }
  | { readonly type: "ping"; readonly time: string; readonly cursor: Cursor }
  | { readonly type: "pong"; readonly t?: number; readonly time: string; readonly ref?: string }
  | { readonly type: "drain"; readonly reconnect_after_ms: number }
  | { readonly type: "token_expiring"; readonly expires_in_ms: number }
  | {
      /** The token that was shown is in force; or, without `ref`, the grants were changed at the server. */
      readonly type: "authorised";
      /** From here on. */
      readonly cursor: Cursor;
      /** Null for one that does not expire. */
      readonly expires_in_ms?: number | null;
      readonly ref?: string;
    };

/** Whatever we say to the server. */
export type Command =
  | { readonly type: "ping"; readonly t: number }
  | { readonly type: "pong" }
  | { readonly type: "auth"; readonly token: string; readonly ref: string }
  | {
      readonly type: "subscribe";
      readonly ref: string;
      readonly kinds?: string;
      readonly cursor?: Cursor | string;
      readonly agent_id?: string;
      readonly session_id?: string;
      readonly task_id?: string;
      readonly project_id?: string;
      readonly encoding: "lines";
    };
