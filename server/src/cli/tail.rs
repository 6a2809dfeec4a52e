//! `todoki tail`: follow events, and come back by itself when the connection breaks.

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use todoki_codec::frame::{CloseCode, CloseFrame};
use todoki_codec::message::{self, GapReason, Message, Said};
use todoki_codec::query;
use todoki_codec::{Cursor, Event};
use uuid::Uuid;

use super::client::{ClientError, Heard, Remote};
use super::print::Printer;
use super::{Failure, Wanted, note};
use crate::config;

/// Reconnects wait a random part of this, doubled each time up to the longest: full jitter, so that a thousand clients
/// of a restarted server do not return in the same instant.
const BACKOFF: Duration = Duration::from_secs(1);
const BACKOFF_LONGEST: Duration = Duration::from_secs(30);

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Tail {
    /// Start after this cursor (0 is all history), at earliest, at head, or at an RFC 3339 time; live only when absent
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,

    #[command(flatten)]
    wanted: Wanted,

    /// Print each event as one line of JSON
    #[arg(long)]
    json: bool,

    /// End after so many events
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    #[command(flatten)]
    client: config::Client,
}

const EXAMPLES: &str = "\
Examples:
  todoki tail                                    everything, live
  todoki tail --kinds 'task.*,agent.error'       some kinds
  todoki tail --cursor 0                         all history, then live
  todoki tail --cursor 2026-02-27T10:30:00Z      from a time on
  todoki tail --cursor 0 --count 10 --json | jq .data

Events go to standard output, notes to standard error. When the connection breaks, tail reconnects and goes on after \
the last event it printed: nothing is missed, nothing comes twice.";

pub(super) async fn run(tail: Tail) -> Result<(), Failure> {
    if let Some(cursor) = &tail.cursor {
        query::parse_start(cursor).map_err(Failure::usage)?;
    }
    let until = Until {
        count: tail.count,
        ..Until::default()
    };
    Follower::new(&tail.client, &tail.wanted, tail.cursor, tail.json, until)?
        .follow()
        .await
}

/// When to end; never, when nothing is set.
#[derive(Default)]
pub(super) struct Until {
    /// After so many more events.
    pub(super) count: Option<u64>,
    /// After this cursor.
    pub(super) cursor: Option<Cursor>,
    /// When all that was stored has been printed.
    pub(super) is_replay: bool,
}

/// How a connection ended.
enum End {
    Done,
    Again(String),
}

/// Prints a subscription's events over as many connections as it takes.
pub(super) struct Follower {
    remote: Remote,
    filter: String,
    /// Where to start, until there is a position.
    start: Option<String>,
    /// Everything that matches up to here has been printed.
    position: Option<Cursor>,
    epoch: Option<Uuid>,
    printer: Printer,
    until: Until,
    backoff: Duration,
    /// Whether it was told that the connection is lost, and not yet that there is another.
    is_lost: bool,
    /// Whether it was told that the log is away, and not yet that it is back.
    is_log_away: bool,
    /// Whether the server said so after its last heartbeat: before each one it says it again.
    is_told_again: bool,
}

impl Follower {
    pub(super) fn new(
        client: &config::Client,
        wanted: &Wanted,
        start: Option<String>,
        is_json: bool,
        until: Until,
    ) -> Result<Self, Failure> {
        Ok(Self {
            remote: Remote::new(client).map_err(Failure::usage)?,
            filter: wanted.query().map_err(Failure::usage)?,
            start,
            position: None,
            epoch: None,
            printer: Printer::new(is_json),
            until,
            backoff: BACKOFF,
            is_lost: false,
            is_log_away: false,
            is_told_again: false,
        })
    }

    /// Follows until the end that was asked for, a refusal, or for ever.
    pub(super) async fn follow(mut self) -> Result<(), Failure> {
        loop {
            match self.session().await {
                Ok(End::Done) => return Ok(()),
                Ok(End::Again(why)) => {
                    let wait = self.next_backoff();
                    self.pause(&why, wait).await;
                }
                Err(error) if self.position.is_some() => {
                    let (wait, error) = error.wait(self.next_backoff())?;
                    self.pause(&error.to_string(), wait).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn session(&mut self) -> Result<End, ClientError> {
        let start = self
            .position
            .map(|cursor| cursor.to_string())
            .or(self.start.clone());
        let cursor = start
            .map(|start| format!("&cursor={}", start.replace('+', "%2B")))
            .unwrap_or_default();
        let mut socket = self
            .remote
            .subscribe(&format!("{}{cursor}", self.filter))
            .await?;
        loop {
            let texts = match socket.hear().await? {
                Heard::Texts(texts) => texts,
                Heard::Closed(close) => return closed(close),
            };
            let is_done = texts.iter().any(|text| self.take(text));
            let is_read = self
                .printer
                .flush()
                .map_err(|error| ClientError::Broken(error.to_string()))?;
            if is_done || !is_read {
                return Ok(End::Done);
            }
        }
    }

    /// Takes one message; `true` when it was the last one wanted.
    fn take(&mut self, text: &Bytes) -> bool {
        match message::read(text) {
            Some(Said::Event(event)) => self.take_event(&event),
            Some(Said::Message(message)) => self.take_message(message),
            None => {
                note("the server said something that this version does not know");
                false
            }
        }
    }

    fn take_event(&mut self, event: &Event) -> bool {
        let last = self.until.cursor.unwrap_or(Cursor::MAX);
        if event.cursor > last {
            return true;
        }
        self.position = Some(event.cursor);
        self.log_is_back();
        self.printer.event(event);
        self.until.count = self.until.count.map(|left| left.saturating_sub(1));
        self.until.count == Some(0) || event.cursor == last
    }

    fn take_message(&mut self, message: Message) -> bool {
        match message {
            Message::Subscribed { cursor, epoch, .. } => {
                self.backoff = BACKOFF;
                if std::mem::take(&mut self.is_lost) {
                    note("connected again; going on where it stopped");
                }
                self.position = self.position.or(Some(cursor));
                if self
                    .epoch
                    .replace(epoch)
                    .is_some_and(|before| before != epoch)
                {
                    note(
                        "the server's log has a new epoch: its history is not the one seen so far",
                    );
                }
            }
            Message::Gap {
                reason,
                requested,
                resume_at,
                ..
            } => {
                self.position = Some(resume_at);
                note(&match reason {
                    GapReason::Retention => format!(
                        "gap: events {} to {resume_at} are not stored, or no longer",
                        requested.next()
                    ),
                    _ => format!(
                        "gap: cursor {requested} is beyond the log, which ends at {resume_at}; it may be another log"
                    ),
                });
            }
            Message::Ping { cursor, .. } => {
                self.position = Some(cursor);
                if !std::mem::take(&mut self.is_told_again) {
                    self.log_is_back();
                }
            }
            Message::ReplayComplete { .. } if self.until.is_replay => return true,
            Message::ReplayComplete { count, .. } => {
                note(&format!("{count} stored events; live from here"));
            }
            Message::Error { code, message, .. } if code == "log_unavailable" => {
                self.is_told_again = true;
                if !std::mem::replace(&mut self.is_log_away, true) {
                    note(&format!("{code}: {message}"));
                }
            }
            Message::Error { code, message, .. } => note(&format!("{code}: {message}")),
            _ => {}
        }
        false
    }

    fn log_is_back(&mut self) {
        if std::mem::take(&mut self.is_log_away) {
            note("the log is back");
        }
    }

    fn next_backoff(&mut self) -> Duration {
        let wait = jittered(self.backoff);
        self.backoff = (self.backoff * 2).min(BACKOFF_LONGEST);
        wait
    }

    async fn pause(&mut self, why: &str, wait: Duration) {
        // A server that is away for long is tried again in silence.
        if !std::mem::replace(&mut self.is_lost, true) {
            note(&format!("{why}; reconnecting until it is back"));
        }
        tokio::time::sleep(wait).await;
    }
}

fn closed(close: Option<CloseFrame>) -> Result<End, ClientError> {
    let Some(close) = close else {
        return Ok(End::Again("the server closed the connection".into()));
    };
    let why = format!(
        "the server closed the connection ({}: {})",
        close.code, close.reason
    );
    let is_ours_to_fix = [
        CloseCode::PROTOCOL,
        CloseCode::UNSUPPORTED,
        CloseCode::INVALID_DATA,
        CloseCode::POLICY,
        CloseCode::TOO_BIG,
    ];
    if is_ours_to_fix.contains(&close.code) {
        return Err(ClientError::Senseless(why));
    }
    if close.code == CloseCode::UNAUTHORISED || close.code == CloseCode::FORBIDDEN {
        return Err(ClientError::Refused {
            status: hyper::StatusCode::UNAUTHORIZED,
            code: close.code.to_string(),
            detail: close.reason,
            limit: None,
            retry_after: None,
        });
    }
    Ok(End::Again(why))
}

/// A random part of `longest`.
fn jittered(longest: Duration) -> Duration {
    // Without randomness, wait half of it.
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    longest.mul_f64(f64::from(random) / f64::from(u32::MAX))
}
