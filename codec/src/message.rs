//! What the server says on a WebSocket, one JSON object per text message.
//!
//! Events are written by [`encode`](crate::encode); everything else is a [`Message`]. docs/WIRE.md is normative, and a
//! test holds it to the variants and members here.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::{Cursor, Event};
use crate::{decode, time};

/// A message that is no event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Message {
    /// The subscription stands: always the first message, and the answer to `subscribe`.
    Subscribed {
        /// The patterns, canonical; `["*"]` for all.
        kinds: Vec<String>,
        /// Delivery starts after this cursor.
        cursor: Cursor,
        /// Identity of the log's history; a cursor means something only within it.
        epoch: Uuid,
        /// Oldest event still there.
        earliest: Cursor,
        /// Newest event.
        head: Cursor,
        /// The server's clock.
        #[serde(with = "time")]
        server_time: Timestamp,
        /// Interval of `ping`.
        heartbeat_ms: u64,
        /// Of the command that this answers.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none", default)]
        reference: Option<String>,
    },
    /// Everything that matched when the subscription was made has been delivered; what follows is live.
    ReplayComplete {
        /// The head at that time.
        cursor: Cursor,
        /// Events delivered by the replay.
        count: u64,
    },
    /// A hole that cannot be filled.
    Gap {
        /// Why.
        reason: GapReason,
        /// The position that was asked for.
        requested: Cursor,
        /// Delivery goes on after this cursor.
        resume_at: Cursor,
        /// Oldest event still there.
        earliest: Cursor,
        /// Newest event.
        head: Cursor,
    },
    /// The stream lags behind the log, or no longer does. Nothing is lost.
    Lag {
        /// Which of the two.
        state: LagState,
        /// Events between where the stream stands and the head, whether the filter picks them or not; not told to whom
        /// some of them are hidden.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        lag_events: Option<u64>,
        /// For how long it has been lagging.
        lag_ms: u64,
    },
    /// Something the client sent was refused; the stream goes on.
    Error {
        /// Stable, for programs.
        code: String,
        /// For people.
        message: String,
        /// When to try again.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        retry_after_ms: Option<u64>,
        /// Of the command that is refused.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none", default)]
        reference: Option<String>,
    },
    /// Sign of life, every heartbeat.
    Ping {
        /// The server's clock.
        #[serde(with = "time")]
        time: Timestamp,
        /// Watermark: all that matches up to it was delivered.
        cursor: Cursor,
    },
    /// The answer to `ping`.
    Pong {
        /// The number that the client sent.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        t: Option<i64>,
        /// The server's clock.
        #[serde(with = "time")]
        time: Timestamp,
        /// Of the command that this answers.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none", default)]
        reference: Option<String>,
    },
    /// The token that let the client in ends soon; another one keeps the connection.
    TokenExpiring {
        /// When it ends.
        expires_in_ms: u64,
    },
    /// The answer to `auth`, or the news that the grants of the client are others now.
    Authorised {
        /// What comes after this cursor is judged by the new grants, everything before it was by the old ones.
        cursor: Cursor,
        /// When the token ends; it may have no end.
        expires_in_ms: Option<u64>,
        /// Of the command that this answers.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none", default)]
        reference: Option<String>,
    },
    /// The server is about to close this connection; reconnect and resume.
    Drain {
        /// Wait so long first.
        reconnect_after_ms: u64,
    },
}

/// Whether a stream lags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LagState {
    /// It is given the log, at its own pace.
    CatchingUp,
    /// It is live again.
    Live,
}

/// Why a hole cannot be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GapReason {
    /// Events after the requested cursor were forgotten, as the retention settings ask.
    Retention,
    /// The requested cursor is beyond the head: it belongs to another log, or to a history that was lost.
    Ahead,
    /// The subscriber was too slow, and had asked for `slow=skip`.
    Slow,
}

/// Whatever a server may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// An event.
    Event(Event),
    /// Anything else.
    Message(Message),
}

impl Message {
    /// The message's JSON.
    pub fn to_json(&self) -> Vec<u8> {
        simd_json::serde::to_vec(self).expect("a message has string keys and writes into memory")
    }
}

/// Reads one text message of a server; `None` when it is of no known type.
pub fn read(json: &Bytes) -> Option<Said> {
    if let Some(event) = decode::event(json) {
        return Some(Said::Event(event));
    }
    let mut copy = json.to_vec();
    simd_json::serde::from_slice(&mut copy)
        .ok()
        .map(Said::Message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back_as_itself() {
        let message = Message::Gap {
            reason: GapReason::Retention,
            requested: Cursor::ORIGIN,
            resume_at: Cursor::MAX,
            earliest: Cursor::MAX,
            head: Cursor::MAX,
        };
        assert_eq!(
            read(&message.to_json().into()),
            Some(Said::Message(message))
        );
    }

    #[test]
    fn what_is_absent_is_not_written() {
        let message = Message::Error {
            code: "x".into(),
            message: "y".into(),
            retry_after_ms: None,
            reference: None,
        };
        assert_eq!(
            message.to_json(),
            br#"{"type":"error","code":"x","message":"y"}"#
        );
    }
}
