//! How a connection ends: what it is closed for, what is said last, and how long the client has to hear it.

use std::io;
use std::time::Duration;

use todoki_codec::frame::{self, CloseCode, CloseFrame};
use todoki_codec::message::Message;
use tokio::time::Instant;

use super::stream::{CLOSE_BYTES, Stream};
use super::terms::RECONNECT_AFTER_MS;
use super::{Order, Subscriber};
use crate::log::Log;

/// After our close frame, wait so long for the client's.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Why a connection ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Closed {
    /// The client closed, with this code if with any.
    ByClient(Option<CloseCode>),
    /// The client left without closing.
    Left,
    /// We closed it.
    ByUs(CloseCode),
    /// The socket failed.
    Socket(io::Error),
}

/// A connection that is being closed: a close frame was the last thing said.
#[derive(Debug)]
pub(super) struct Closing {
    /// What it was closed for.
    outcome: Closed,
    /// Whether the client's close need not be waited for any more.
    is_answered: bool,
    /// When it is over in any case.
    pub(super) until: Instant,
    /// Bytes that have come since.
    heard_bytes: usize,
}

impl Closing {
    /// Notes what has come since: a client that we close has to find out, and may go on sending until then, but not for ever.
    pub(super) fn hear(&mut self, bytes: usize) {
        self.heard_bytes += bytes;
        self.is_answered |= self.heard_bytes > CLOSE_BYTES;
    }

    /// Whether there is nothing left to wait for.
    fn is_over(&self, now: Instant, is_written: bool) -> bool {
        (self.is_answered && is_written) || self.until <= now
    }
}

impl<L: Log> Subscriber<L> {
    /// Closes if the shard wants it closed, unless it is closing.
    pub(super) fn obey(&mut self, order: Order) {
        if self.closing.is_some() {
            return;
        }
        match order {
            Order::Look => {}
            Order::Silent => self.close(CloseCode::TIMEOUT, "nothing heard for two heartbeats"),
            Order::Drain => {
                self.say(&Message::Drain {
                    reconnect_after_ms: RECONNECT_AFTER_MS,
                });
                self.close(
                    CloseCode::RESTART,
                    "the server restarts; reconnect and resume",
                );
            }
        }
    }

    /// Closes, for this reason.
    pub(super) fn close(&mut self, code: CloseCode, reason: &str) {
        self.hang_up(Closed::ByUs(code), false, |out| {
            frame::encode::close(code, reason, out);
        });
    }

    /// Repeats the client's close frame, as RFC 6455 §5.5.1 has it.
    pub(super) fn close_as_asked(&mut self, close: Option<&CloseFrame>) {
        let code = close.map(|close| close.code);
        self.hang_up(Closed::ByClient(code), true, |out| match close {
            Some(close) => frame::encode::close(close.code, "", out),
            None => frame::encode::close_without_code(out),
        });
    }

    fn hang_up(&mut self, outcome: Closed, is_answered: bool, write: impl FnOnce(&mut Vec<u8>)) {
        let mut frames = Vec::new();
        write(&mut frames);
        self.shard.floor.borrow_mut().hang_up(self.id, &frames);
        self.reading = None;
        self.retry = None;
        self.closing = Some(Closing {
            outcome,
            is_answered,
            until: Instant::now() + CLOSE_WAIT,
            heard_bytes: 0,
        });
    }

    /// The client's close need not be waited for any more.
    pub(super) fn answered(&mut self) {
        if let Some(closing) = &mut self.closing {
            closing.is_answered = true;
        }
    }

    /// Whether this is the end.
    pub(super) fn finished(&mut self) -> Option<Closed> {
        self.line.note_progress();
        let now = Instant::now();
        if self
            .line
            .blocked_since()
            .is_some_and(|since| since + self.shard.settings.write_stall <= now)
        {
            return Some(Closed::ByUs(CloseCode::SLOW));
        }
        let is_written = self.shard.floor.borrow().is_written(self.id) && self.line.is_flushed();
        self.closing
            .take_if(|closing| closing.is_over(now, is_written))
            .map(|closing| closing.outcome)
    }

    /// Why it ends: for what we had closed it for, or else for this.
    pub(super) fn outcome_or(&mut self, otherwise: Closed) -> Closed {
        self.closing
            .take()
            .map_or(otherwise, |closing| closing.outcome)
    }

    /// Its socket takes nothing any more.
    pub(super) fn gone(&mut self) -> Closed {
        self.outcome_or(Closed::Socket(io::ErrorKind::BrokenPipe.into()))
    }
}

/// Ends a connection so that what was said last arrives.
pub(super) async fn farewell(mut stream: Stream) {
    // The peer may be gone already, and there is nothing left to lose.
    tokio::time::timeout(CLOSE_WAIT, stream.leave()).await.ok();
}

/// Closes a connection right after its upgrade: the only way to tell a browser why.
pub async fn refuse(mut stream: Stream, code: CloseCode, reason: &str) -> io::Result<()> {
    let mut close = Vec::new();
    frame::encode::close(code, reason, &mut close);
    tokio::time::timeout(CLOSE_WAIT, stream.write_all(&close)).await??;
    farewell(stream).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closing(is_answered: bool) -> (Closing, Instant) {
        let until = Instant::now() + CLOSE_WAIT;
        let closing = Closing {
            outcome: Closed::ByUs(CloseCode::SLOW),
            is_answered,
            until,
            heard_bytes: 0,
        };
        (closing, until)
    }

    #[test]
    fn a_close_is_over_once_it_is_written_and_answered() {
        for (is_written, is_answered) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let (closing, until) = closing(is_answered);
            let before = until - Duration::from_millis(1);
            assert_eq!(
                closing.is_over(before, is_written),
                is_written && is_answered
            );
            assert!(
                closing.is_over(until, is_written),
                "nobody is waited for longer"
            );
        }
    }

    #[test]
    fn a_client_that_only_goes_on_sending_is_not_waited_for() {
        let (mut closing, until) = closing(false);
        let before = until - Duration::from_millis(1);
        closing.hear(CLOSE_BYTES);
        assert!(!closing.is_over(before, true));
        closing.hear(1);
        assert!(closing.is_over(before, true));
    }
}
