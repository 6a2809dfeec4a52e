//! What a client says: judged by its pace, then done, one thing after the other.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use todoki_codec::command::{self, Action, CommandError};
use todoki_codec::frame::{self, CloseCode, Incoming};
use todoki_codec::limits::INBOUND_MESSAGE_BYTES;
use todoki_codec::message::Message;
use todoki_codec::query::Subscription;
use tokio::time::Instant;

use super::Subscriber;
use super::pace::{Said, Verdict};
use super::place::{self, View, place};
use super::terms::{READ_RETRY, millis};
use crate::clock;
use crate::hub::group::Key;
use crate::log::Log;
use crate::reply::Refusal;

impl<L: Log> Subscriber<L> {
    pub(super) async fn act(&mut self, heard: Vec<Incoming>) {
        let is_ping = |incoming: &Incoming| matches!(incoming, Incoming::Ping(_));
        let last_ping = heard.iter().rposition(is_ping);
        for (place, incoming) in heard.into_iter().enumerate() {
            // Commands may take their time, and whoever is revoked meanwhile has no right to the next.
            self.heed().await;
            if !self.is_within_limits(&incoming) {
                continue;
            }
            match incoming {
                Incoming::Close(_) if self.closing.is_some() => self.answered(),
                _ if self.closing.is_some() => {}
                Incoming::Close(close) => self.close_as_asked(close.as_ref()),
                // Those that came together are answered together (RFC 6455 §5.5.3).
                Incoming::Ping(_) if last_ping != Some(place) => {}
                Incoming::Ping(payload) => self.say_frame(|out| frame::encode::pong(&payload, out)),
                Incoming::Pong(_) => {}
                Incoming::Text {
                    bytes,
                    compressed: false,
                } => self.command(&bytes).await,
                Incoming::Text { bytes, .. } => self.compressed_command(&bytes).await,
                Incoming::Binary { .. } => {
                    self.close(CloseCode::UNSUPPORTED, "commands are text messages");
                }
            }
        }
    }

    /// Whether to act on what a client said; if not, it has been told why.
    fn is_within_limits(&mut self, incoming: &Incoming) -> bool {
        let said = match incoming {
            _ if self.closing.is_some() => return true,
            Incoming::Close(_) => return true,
            Incoming::Ping(_) | Incoming::Pong(_) => Said::Control,
            Incoming::Text { .. } | Incoming::Binary { .. } => Said::Message,
        };
        match self.pace.hear(&self.shard.pacing, said, Instant::now()) {
            Verdict::Act => return true,
            Verdict::Ignore => {}
            Verdict::Tell(over) => self.say(&Message::Error {
                code: "rate_limited".into(),
                message: over.to_string(),
                retry_after_ms: Some(millis(over.wait) + 1),
                reference: None,
            }),
            Verdict::Close(over) => {
                self.close(CloseCode::RATE_LIMITED, &over.to_string());
                // Looking for its close would cost what the limit is to save.
                self.answered();
            }
        }
        false
    }

    async fn compressed_command(&mut self, payload: &[u8]) {
        let text = self
            .shard
            .inflater
            .borrow_mut()
            .inflate_text(payload, INBOUND_MESSAGE_BYTES);
        match text {
            Ok(text) => self.command(&text.into()).await,
            Err(error) => self.close(error.close_code(), &error.to_string()),
        }
    }

    async fn command(&mut self, text: &Bytes) {
        let command = match command::read(text) {
            Ok(command) => command,
            Err(CommandError { reference, reason }) => {
                return self.say_wrong(reason.code(), reason.to_string(), None, reference);
            }
        };
        let reference = command.reference;
        let done = match command.action {
            Action::Pong => Ok(()),
            Action::Ping { t } => {
                self.say(&Message::Pong {
                    t,
                    time: clock::now(),
                    reference: reference.clone(),
                });
                Ok(())
            }
            Action::Subscribe(subscription) => {
                self.subscribe(subscription, reference.clone()).await
            }
            Action::Auth(token) => self.authorise(&token, reference.clone()).await,
            _ => unreachable!("the codec and the server are built together"),
        };
        match done {
            Ok(()) => self.pace.succeed(),
            Err(refusal) => self.refuse(&refusal, reference),
        }
    }

    /// Replaces filter and position in one step: what was handed out before is written before.
    async fn subscribe(
        &mut self,
        subscription: Subscription,
        reference: Option<String>,
    ) -> Result<(), Refusal> {
        let was_resumed = self.access.is_resumed;
        let (shard, line) = (Rc::clone(&self.shard), Rc::clone(&self.line));
        // Before anything is disturbed: what is refused leaves the stream as it is. Looking for a place costs the log as
        // much as a page, so it is counted and waits as one; whoever is revoked does not wait for it.
        let mut is_counted = false;
        let (principal, _turn) = loop {
            let principal = Arc::clone(&self.access.admission.principal);
            View::of(&subscription, was_resumed, &principal)?;
            if !place::is_looked_for(&subscription, &principal) {
                break (principal, None);
            }
            if !std::mem::replace(&mut is_counted, true) {
                self.access.spend_read()?;
            }
            // It would hold its turn, or wait for one, and not go on.
            self.reading = None;
            tokio::select! {
                biased;
                turn = shard.reads.acquire() => break (principal, Some(turn)),
                () = line.ordered() => self.heed().await,
            }
            if self.closing.is_some() {
                return Ok(());
            }
        };
        let position = self.stand();
        let standing = place::Standing {
            position,
            told: self.known(position).unwrap_or(position),
            is_resumed: was_resumed,
            encoding: self.key.encoding,
            slow: self.slow,
        };
        let place = place(&*self.shard.log, &principal, subscription, Some(standing)).await?;
        self.reading = None;
        self.was_live = false;
        self.line.lagged_since.take();
        self.slow = place.slow;
        self.key = Key {
            filter: place.view.filter.clone(),
            encoding: place.encoding,
            is_compressed: self.key.is_compressed,
        };
        let mut floor = self.shard.floor.borrow_mut();
        floor.rejoin(self.id, self.key.clone(), place.position);
        drop(floor);
        self.begin(&place, reference);
        Ok(())
    }

    /// A command was refused; the stream goes on.
    fn refuse(&mut self, refusal: &Refusal, reference: Option<String>) {
        let code = refusal.status().1;
        // A log that is away is no mistake of the client's.
        if matches!(refusal, Refusal::Read(_)) {
            self.say(&Message::Error {
                code: code.into(),
                message: refusal.to_string(),
                retry_after_ms: Some(millis(READ_RETRY)),
                reference,
            });
        } else {
            let retry_after = match refusal {
                Refusal::RateLimited(exceeded) => Some(exceeded.wait),
                _ => None,
            };
            self.say_wrong(code, refusal.to_string(), retry_after, reference);
        }
    }

    /// Answers a command that is the client's mistake; too many of them end the connection.
    fn say_wrong(
        &mut self,
        code: &str,
        message: String,
        retry_after: Option<Duration>,
        reference: Option<String>,
    ) {
        if self.pace.err(&self.shard.pacing) {
            return self.close(CloseCode::POLICY, "too many commands in a row were wrong");
        }
        self.say(&Message::Error {
            code: code.into(),
            message,
            retry_after_ms: retry_after.map(|wait| millis(wait) + 1),
            reference,
        });
    }
}
