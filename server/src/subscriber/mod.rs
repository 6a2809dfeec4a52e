//! One connection after its upgrade: a feed on one side, a WebSocket on the other.
//!
//! A single task owns everything and waits for whichever comes first: bytes from the client, room to write, the feed's
//! next step, the heartbeat, a deadline, the server's stop. Each wait can be abandoned without loss, so nothing blocks
//! anything else. The states are few: open, closing (a close frame is on its way), closed. Knows no HTTP.

pub mod feed;
mod outbox;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use todoki_codec::command::{self, Action, CommandError};
use todoki_codec::frame::{CloseCode, CloseFrame, Decoder, Incoming, Limits, Role};
use todoki_codec::message::Message;
use todoki_codec::query::Subscription;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{Instant, Interval, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::hub::Hub;
use crate::log::{Bounds, Log, ReadError};
use feed::{Feed, Gap, Step};
use outbox::Outbox;

/// Bytes waiting to be written beyond which the feed waits: one page or step more is all that memory ever holds.
const WRITE_AHEAD_BYTES: usize = 64 << 10;

/// Bytes waiting to be written beyond which we stop reading: whoever asks must also listen.
const READ_STOP_BYTES: usize = 1 << 20;

/// Read at once: commands are small.
const READ_BYTES: usize = 4 << 10;

/// After our close frame, wait so long for the client's.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Wait so long before reading the log again after it failed.
const READ_RETRY: Duration = Duration::from_secs(1);

/// What clients are told to wait before they return to a server that restarts: long enough for most restarts.
const RECONNECT_AFTER_MS: u64 = 1_000;

/// What every subscriber of a server shares.
#[derive(Debug)]
pub struct Shared<L> {
    /// Where history is.
    pub log: Arc<L>,
    /// Where news is.
    pub hub: Arc<Hub>,
    /// Interval of `ping`; a client that is silent for two of them is gone.
    pub heartbeat: Duration,
    /// A client that takes no byte for so long is closed: the stream can be resumed, the memory cannot wait.
    pub write_stall: Duration,
    /// Cancelled when the server drains.
    pub stop: CancellationToken,
}

/// Why a connection ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Closed {
    /// The client closed, or just left.
    ByClient,
    /// We closed it.
    ByUs(CloseCode),
    /// The socket failed.
    Socket(io::Error),
}

/// Serves a client until it ends. `early` is what the client sent right behind its upgrade request.
pub async fn serve<L: Log, S: AsyncRead + AsyncWrite>(
    shared: Arc<Shared<L>>,
    socket: S,
    early: BytesMut,
    (feed, bounds): (Feed<L>, Bounds),
) -> Closed {
    let (reader, writer) = tokio::io::split(socket);
    let now = Instant::now();
    let mut subscriber = Subscriber {
        heartbeat: interval_at(now + shared.heartbeat, shared.heartbeat),
        feed,
        decoder: Decoder::new(Role::Server, Limits::inbound()),
        inbox: early,
        outbox: Outbox::default(),
        alive: now,
        progress: now,
        has_news: false,
        retry: None,
        closing: None,
        shared,
    };
    subscriber.say_subscribed(bounds, None);
    subscriber.read_inbox().await;
    subscriber.run(reader, writer).await
}

/// Closes a connection right after its upgrade: the only way to tell a browser why.
pub async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: S,
    code: CloseCode,
    reason: &str,
) -> io::Result<()> {
    let mut outbox = Outbox::default();
    outbox.close(code, reason);
    tokio::time::timeout(CLOSE_WAIT, socket.write_all_buf(outbox.bytes())).await??;
    let (mut reader, mut writer) = tokio::io::split(socket);
    farewell(&mut reader, &mut writer).await;
    Ok(())
}

/// Ends our side and reads until the client has ended its own: closing on unread bytes would reset the connection, and
/// the close frame with it (RFC 9112 §9.6 describes the same for HTTP).
async fn farewell<S: AsyncRead + AsyncWrite>(reader: &mut ReadHalf<S>, writer: &mut WriteHalf<S>) {
    let leave = async {
        writer.shutdown().await?;
        let mut unread = [0; 512];
        while reader.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    // The peer may be gone already, and there is nothing left to lose.
    tokio::time::timeout(CLOSE_WAIT, leave).await.ok();
}

struct Subscriber<L> {
    shared: Arc<Shared<L>>,
    feed: Feed<L>,
    decoder: Decoder,
    inbox: BytesMut,
    outbox: Outbox,
    heartbeat: Interval,
    /// When the client last showed that it lives: by sending anything, or by taking events. Taking a ping proves
    /// nothing, since the kernel takes it for a client that is gone.
    alive: Instant,
    /// When the client last took anything, or there was nothing to take.
    progress: Instant,
    /// Whether there are events in the outbox.
    has_news: bool,
    /// When to read the log again after it failed.
    retry: Option<Instant>,
    /// Set once a close frame is in the outbox; nothing is put behind it.
    closing: Option<Closing>,
}

struct Closing {
    outcome: Closed,
    /// Whether both sides have said close.
    is_answered: bool,
    until: Instant,
}

impl<L: Log> Subscriber<L> {
    async fn run<S: AsyncRead + AsyncWrite>(
        mut self,
        mut reader: ReadHalf<S>,
        mut writer: WriteHalf<S>,
    ) -> Closed {
        loop {
            if let Some(closing) = self.closing.take_if(|closing| closing.is_answered) {
                if self.outbox.is_empty() {
                    farewell(&mut reader, &mut writer).await;
                    return closing.outcome;
                }
                self.closing = Some(closing);
            }
            let is_open = self.closing.is_none();
            let may_feed = is_open && self.retry.is_none() && self.outbox.len() < WRITE_AHEAD_BYTES;
            let may_read = self.outbox.len() < READ_STOP_BYTES;
            let deadline = self.deadline();
            let stop = self.shared.stop.clone();
            self.inbox.reserve(READ_BYTES);
            tokio::select! {
                read = reader.read_buf(&mut self.inbox), if may_read => match read {
                    Ok(0) => return self.left(),
                    Ok(_) => {
                        self.alive = Instant::now();
                        self.read_inbox().await;
                    }
                    Err(error) => return Closed::Socket(error),
                },
                written = writer.write_buf(self.outbox.bytes()), if !self.outbox.is_empty() => match written {
                    Ok(_) => self.wrote(),
                    Err(error) => return Closed::Socket(error),
                },
                step = self.feed.next(), if may_feed => self.take_step(step),
                _ = self.heartbeat.tick(), if is_open => self.beat(),
                () = sleep_until(deadline) => if let Some(closed) = self.deadline_passed() {
                    return closed;
                },
                () = stop.cancelled(), if is_open => self.drain(),
            }
        }
    }

    fn wrote(&mut self) {
        self.progress = Instant::now();
        if self.has_news {
            self.alive = self.progress;
        }
        self.has_news &= !self.outbox.is_empty();
        self.outbox.shrink();
    }

    fn take_step(&mut self, step: Result<Step, ReadError>) {
        if self.outbox.is_empty() {
            self.progress = Instant::now();
        }
        match step {
            Ok(Step::Events(events)) => {
                self.has_news |= !events.is_empty();
                for event in &events {
                    self.outbox.event(event);
                }
            }
            Ok(Step::ReplayComplete { cursor, count }) => {
                self.say(&Message::ReplayComplete { cursor, count });
            }
            Ok(Step::Gap(gap)) => self.say_gap(gap),
            Err(error) => self.say_unreadable(&error),
        }
    }

    async fn read_inbox(&mut self) {
        loop {
            match self.decoder.decode(&mut self.inbox) {
                Ok(None) => return,
                Ok(Some(incoming)) => self.hear(incoming).await,
                Err(error) if self.closing.is_none() => {
                    self.close(error.close_code(), &error.to_string());
                    return;
                }
                Err(_) => {
                    // Whatever comes behind a broken frame, no close can be told in it.
                    self.answered();
                    return;
                }
            }
        }
    }

    async fn hear(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Close(_) if self.closing.is_some() => self.answered(),
            _ if self.closing.is_some() => {}
            Incoming::Close(close) => self.close_as_asked(close.as_ref()),
            Incoming::Ping(payload) => self.outbox.pong(&payload),
            Incoming::Pong(_) => {}
            Incoming::Text { bytes, .. } => self.obey(&bytes).await,
            Incoming::Binary { .. } => {
                self.close(CloseCode::UNSUPPORTED, "commands are text messages");
            }
        }
    }

    async fn obey(&mut self, text: &Bytes) {
        match command::read(text) {
            Ok(command) => match command.action {
                Action::Pong => {}
                Action::Ping { t } => self.say(&Message::Pong {
                    t,
                    time: clock::now(),
                    reference: command.reference,
                }),
                Action::Subscribe(subscription) => {
                    self.subscribe(subscription, command.reference).await;
                }
                _ => unreachable!("the codec and the server are built together"),
            },
            Err(CommandError { reference, reason }) => self.say(&Message::Error {
                code: reason.code().into(),
                message: reason.to_string(),
                retry_after_ms: None,
                reference,
            }),
        }
    }

    /// Replaces filter and position in one step: what was handed out before is in the outbox already.
    async fn subscribe(&mut self, subscription: Subscription, reference: Option<String>) {
        match Feed::start(&self.shared.log, &self.shared.hub, subscription).await {
            Ok((feed, bounds)) => {
                self.feed = feed;
                self.say_subscribed(bounds, reference);
            }
            Err(error) => self.say(&Message::Error {
                code: "log_unavailable".into(),
                message: error.to_string(),
                retry_after_ms: Some(millis(READ_RETRY)),
                reference,
            }),
        }
    }

    fn say(&mut self, message: &Message) {
        self.outbox.message(message);
    }

    fn say_subscribed(&mut self, bounds: Bounds, reference: Option<String>) {
        let patterns = self.feed.filter().patterns();
        self.outbox.message(&Message::Subscribed {
            kinds: patterns.iter().map(ToString::to_string).collect(),
            cursor: self.feed.requested(),
            epoch: bounds.epoch,
            earliest: bounds.earliest,
            head: bounds.head,
            server_time: clock::now(),
            heartbeat_ms: millis(self.shared.heartbeat),
            reference,
        });
    }

    fn say_gap(&mut self, gap: Gap) {
        self.say(&Message::Gap {
            reason: gap.reason,
            requested: gap.requested,
            resume_at: gap.resume_at,
            earliest: gap.bounds.earliest,
            head: gap.bounds.head,
        });
    }

    fn say_unreadable(&mut self, error: &ReadError) {
        tracing::warn!(%error, "a subscriber waits for the log");
        self.retry = Some(Instant::now() + READ_RETRY);
        self.say(&Message::Error {
            code: "log_unavailable".into(),
            message: "the log cannot be read just now; the stream goes on where it stopped".into(),
            retry_after_ms: Some(millis(READ_RETRY)),
            reference: None,
        });
    }

    /// Two signs of life: one that programs see, and one that every WebSocket client answers by itself.
    fn beat(&mut self) {
        if self.alive.elapsed() >= self.shared.heartbeat * 2 {
            return self.close(CloseCode::TIMEOUT, "nothing heard for two heartbeats");
        }
        if self.outbox.len() < WRITE_AHEAD_BYTES {
            self.say(&Message::Ping {
                time: clock::now(),
                cursor: self.feed.position(),
            });
            self.outbox.ping();
        }
    }

    fn drain(&mut self) {
        self.say(&Message::Drain {
            reconnect_after_ms: RECONNECT_AFTER_MS,
        });
        self.close(
            CloseCode::RESTART,
            "the server restarts; reconnect and resume",
        );
    }

    fn close(&mut self, code: CloseCode, reason: &str) {
        self.outbox.close(code, reason);
        self.closing = Some(Closing {
            outcome: Closed::ByUs(code),
            is_answered: false,
            until: Instant::now() + CLOSE_WAIT,
        });
    }

    fn close_as_asked(&mut self, close: Option<&CloseFrame>) {
        self.outbox.echo_close(close);
        self.closing = Some(Closing {
            outcome: Closed::ByClient,
            is_answered: true,
            until: Instant::now() + CLOSE_WAIT,
        });
    }

    fn answered(&mut self) {
        if let Some(closing) = &mut self.closing {
            closing.is_answered = true;
        }
    }

    /// The client will send no more. Without a close frame of its own it may still read, but nobody can tell.
    fn left(self) -> Closed {
        self.closing
            .map_or(Closed::ByClient, |closing| closing.outcome)
    }

    fn deadline(&self) -> Instant {
        let stalled = self.progress + self.shared.write_stall;
        let far = Instant::now() + Duration::from_hours(1);
        [
            (!self.outbox.is_empty()).then_some(stalled),
            self.closing.as_ref().map(|closing| closing.until),
            self.retry,
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(far)
    }

    fn deadline_passed(&mut self) -> Option<Closed> {
        let now = Instant::now();
        self.retry = self.retry.filter(|retry| *retry > now);
        if let Some(closing) = self.closing.take_if(|closing| closing.until <= now) {
            return Some(closing.outcome);
        }
        let is_stalled = !self.outbox.is_empty() && self.progress + self.shared.write_stall <= now;
        is_stalled.then_some(Closed::ByUs(CloseCode::SLOW))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
