//! One client after its upgrade, on the thread of its shard.
//!
//! While a subscriber is live, the shard's rounds write to its socket and its task here only listens. When it is
//! behind (at its start, when it asks for history, or when it could not keep up) the task reads the log for it, page by
//! page, as fast as the socket takes it, until the floor can take it back. Replaying and catching up are the same thing.
//!
//! The task ends in one of few ways: the client closes, we close (a close frame is the last thing said), or the socket
//! fails. Knows no HTTP.

pub mod access;
pub(crate) mod beat;
mod close;
mod commands;
mod counts;
mod grants;
mod lag;
mod line;
pub mod outgoing;
pub mod pace;
pub mod place;
mod say;
pub mod stream;
pub(crate) mod terms;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use bytes::BytesMut;
use todoki_codec::Cursor;
use todoki_codec::frame::{CloseCode, Decoder, Incoming, Limits, Role};
use todoki_codec::limits::{PAGE_BYTES, PAGE_EVENTS};
use todoki_codec::message::{GapReason, Message};
use todoki_codec::query::{Direction, Slow};
use tokio::time::Instant;

use crate::accept::Permit;
use crate::clock;
use crate::hub::floor::{MemberId, Next, Turn};
use crate::hub::group::{self, Key};
use crate::hub::shard::Shard;
use crate::log::{Log, Page, PageRequest, ReadError};
use access::Access;
use close::{Closing, farewell};
use pace::Pace;
use place::{Gap, Place, View, missing};
use stream::{Detached, Stream};
use terms::{FIRST_PAGE_EVENTS, READ_RETRY, RECONNECT_AFTER_MS, millis, reached, unavailable};

pub use close::{Closed, refuse};
pub use counts::Counts;
pub(crate) use line::{Line, Order};

/// Bytes that wait for one client alone beyond which we stop reading: whoever asks must also listen.
const READ_STOP_BYTES: usize = 1 << 20;

/// A client on its way to its shard.
#[derive(Debug)]
pub struct Arrival {
    /// Its socket, and the TLS in it.
    pub stream: Detached,
    /// What it sent right behind its upgrade request.
    pub early: BytesMut,
    /// Whether messages may be compressed, as the handshake has it (RFC 7692).
    pub is_compressed: bool,
    /// Where its subscription begins.
    pub place: Place,
    /// What lets it go on.
    pub access: Box<Access>,
    /// Counts the connection.
    pub permit: Option<Permit>,
    /// Makes the end of the server wait for it.
    pub token: tokio_util::task::task_tracker::TaskTrackerToken,
}

/// Serves a client until it ends.
///
/// The future is what an idle client costs, so it holds only what it needs to go on: what is needed to begin is gone
/// before it is made, and what is seldom needed is in boxes.
pub(crate) fn serve<L: Log>(shard: Rc<Shard<L>>, arrival: Arrival) -> impl Future<Output = ()> {
    let Arrival {
        stream,
        early,
        is_compressed,
        place,
        access,
        permit,
        token,
    } = arrival;
    let counting = Rc::clone(&shard);
    let generation = access.admission.generation();
    let mut joined = stream
        .attach()
        .map(|stream| Subscriber::join(shard, stream, is_compressed, &place, access));
    if let Ok(subscriber) = &joined
        && !subscriber.shard.watch.is_at(generation)
    {
        subscriber.line.order(Order::Look);
    }
    async move {
        let closed = match &mut joined {
            Ok(subscriber) => {
                subscriber.hear(early).await;
                subscriber.run().await
            }
            Err(error) => Closed::Socket(error.kind().into()),
        };
        counting.count(|counts| counts.end(&closed));
        let line = joined.map(|subscriber| Rc::clone(&subscriber.line)).ok();
        if let Some(line) = line.and_then(Rc::into_inner) {
            Box::pin(farewell(line.stream)).await;
        }
        tracing::debug!(?closed, "subscriber left");
        drop((permit, token));
    }
}

type Reading = Pin<Box<dyn Future<Output = Result<Page, ReadError>>>>;

struct Subscriber<L> {
    shard: Rc<Shard<L>>,
    line: Rc<Line>,
    id: MemberId,
    key: Key,
    slow: Slow,
    access: Box<Access>,
    decoder: Decoder,
    replay: Option<Replay>,
    /// A page of the log on its way.
    reading: Option<Reading>,
    /// When to read the log again after it failed.
    retry: Option<Instant>,
    /// Whether it was live when last looked at; one that no longer is has fallen behind.
    was_live: bool,
    closing: Option<Closing>,
    pace: Pace,
}

#[derive(Debug)]
struct Replay {
    through: Cursor,
    /// The same, as the client is told it.
    told: Cursor,
    count: u64,
}

/// What a subscriber waits for besides its client.
#[derive(Debug, PartialEq, Eq)]
enum Wait {
    /// News, which the rounds deliver.
    News,
    /// Room in the socket.
    Room,
    /// A page of the log, or the time to ask for it.
    Page,
    /// Nothing: it has another turn at once.
    Turn,
}

impl<L: Log> Subscriber<L> {
    fn join(
        shard: Rc<Shard<L>>,
        stream: Stream,
        is_compressed: bool,
        place: &Place,
        access: Box<Access>,
    ) -> Self {
        let line = Rc::new(Line::new(stream, shard.settings.heartbeat));
        let key = Key {
            filter: place.view.filter.clone(),
            encoding: place.encoding,
            is_compressed,
        };
        let id = shard
            .floor
            .borrow_mut()
            .join(key.clone(), place.position, Rc::clone(&line));
        line.id.set(Some(id));
        shard.wheel.borrow_mut().join(&line);
        let mut subscriber = Self {
            shard,
            line,
            id,
            key,
            slow: place.slow,
            access,
            decoder: Decoder::new(Role::Server, Limits::inbound()).with_deflate(is_compressed),
            replay: None,
            reading: None,
            retry: None,
            was_live: false,
            closing: None,
            pace: Pace::default(),
        };
        subscriber.begin(place, None);
        subscriber.watch();
        subscriber
    }

    /// Says where the stream stands, and what it cannot have.
    fn begin(&mut self, place: &Place, reference: Option<String>) {
        self.replay = place.replay_through.map(|through| Replay {
            through,
            told: place.bounds.head,
            count: 0,
        });
        let View {
            asked,
            filter,
            is_resumed,
        } = &place.view;
        self.access.note(asked, filter, *is_resumed);
        let known = place.gap.map_or(place.requested, |gap| gap.resume_at);
        let is_restricted = self.access.admission.principal.is_restricted();
        self.line.set_told(is_restricted.then_some(known));
        self.say(&Message::Subscribed {
            kinds: filter.patterns().iter().map(ToString::to_string).collect(),
            cursor: place.requested,
            epoch: place.bounds.epoch,
            earliest: place.bounds.earliest,
            head: place.bounds.head,
            server_time: clock::now(),
            heartbeat_ms: millis(self.shard.settings.heartbeat),
            reference,
        });
        if let Some(gap) = place.gap {
            self.say_gap(gap, place.bounds);
        }
    }

    async fn run(&mut self) -> Closed {
        if self.shard.is_stopping() {
            self.line.order(Order::Drain);
        }
        loop {
            self.heed().await;
            if let Some(closed) = self.finished() {
                return closed;
            }
            let wait = match self.advance() {
                Ok(wait) => wait,
                Err(closed) => return closed,
            };
            if wait == Wait::Turn {
                tokio::task::yield_now().await;
            }
            let line = Rc::clone(&self.line);
            let deadline = self.deadline();
            let may_read = self.pace.rests_until(Instant::now()).is_none()
                && self.shard.floor.borrow().private_bytes(self.id) < READ_STOP_BYTES;
            tokio::select! {
                biased;
                readable = poll_fn(|task| line.stream.poll_read_ready(task)), if may_read => {
                    match self.read(readable) {
                        Ok(heard) => self.act_on(heard).await,
                        Err(closed) => return closed,
                    }
                    if line.stream.has_more() {
                        // It could go on without a pause, and others have their turn.
                        tokio::task::yield_now().await;
                    }
                }
                _ = poll_fn(|task| line.stream.poll_write_ready(task)), if wait == Wait::Room => {}
                page = next_page(&mut self.reading), if self.reading.is_some() => self.take_page(page),
                () = line.nudged() => {}
                () = reached(deadline) => {
                    self.retry = self.retry.filter(|retry| *retry > Instant::now());
                }
                () = std::future::ready(()), if wait == Wait::Turn => {}
            }
        }
    }

    /// Does what the shard wants.
    async fn heed(&mut self) {
        match self.line.take_order() {
            Some(Order::Look) => Box::pin(self.look()).await,
            Some(order) => self.obey(order),
            None => {}
        }
    }

    /// Whether this is the end.
    fn finished(&mut self) -> Option<Closed> {
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

    fn deadline(&mut self) -> Option<Instant> {
        let rested = self.pace.rests_until(Instant::now());
        let stalled = self.line.next_look(self.shard.settings.write_stall);
        let closing = self.closing.as_ref().map(|closing| closing.until);
        [stalled, closing, self.retry, rested]
            .into_iter()
            .flatten()
            .min()
    }

    /// Goes on as far as it can without waiting.
    fn advance(&mut self) -> Result<Wait, Closed> {
        loop {
            self.note_since_when_it_lags();
            if self.line.blocked_since().is_some() || self.line.is_unfinished.get() {
                // Room may have come; only a try tells.
                match self.turn() {
                    Turn::Blocked => return Ok(Wait::Room),
                    Turn::Gone => return Err(self.gone()),
                    Turn::More => return Ok(Wait::Turn),
                    Turn::Done => {}
                }
            }
            if self.closing.is_some() {
                return match self.turn() {
                    Turn::Blocked => Ok(Wait::Room),
                    Turn::Gone => Err(self.gone()),
                    Turn::More => Ok(Wait::Turn),
                    Turn::Done => Ok(Wait::News),
                };
            }
            self.note_whether_live();
            self.finish_replay();
            let until = self.replay.as_ref().map(|replay| replay.through);
            let head = self.shard.log.bounds().head;
            let next = self.shard.floor.borrow_mut().next(self.id, head, until);
            match next {
                Next::Live if !self.was_live => {
                    self.became_live();
                    self.turn();
                }
                Next::Live | Next::Wait => return Ok(Wait::News),
                Next::Read { after, until } => {
                    if self.reading.is_none() && self.retry.is_none() {
                        self.reading = Some(self.read_page(after, until));
                    }
                    return Ok(Wait::Page);
                }
                Next::Write => match self.turn() {
                    Turn::Done => {}
                    Turn::More => return Ok(Wait::Turn),
                    Turn::Blocked => return Ok(Wait::Room),
                    Turn::Gone => return Err(self.gone()),
                },
            }
        }
    }

    fn turn(&self) -> Turn {
        line::turn(&mut self.shard.floor.borrow_mut(), &self.line, self.id)
    }

    fn finish_replay(&mut self) {
        let position = self.shard.floor.borrow().watermark(self.id);
        if let Some(replay) = self.replay.take_if(|replay| replay.through <= position) {
            self.line.tell(replay.told);
            self.say(&Message::ReplayComplete {
                cursor: replay.told,
                count: replay.count,
            });
        }
    }

    fn read_page(&self, after: Cursor, until: Cursor) -> Reading {
        let shard = Rc::clone(&self.shard);
        let request = PageRequest {
            filter: self.key.filter.clone(),
            direction: Direction::After(after),
            until: Some(until),
            max_events: self.page_events(),
            max_bytes: PAGE_BYTES,
        };
        Box::pin(async move {
            let _turn = shard.reads.acquire().await;
            shard.log.page(request).await
        })
    }

    fn page_events(&self) -> usize {
        match &self.replay {
            Some(Replay { count: 0, .. }) => FIRST_PAGE_EVENTS,
            _ => PAGE_EVENTS,
        }
    }

    fn take_page(&mut self, page: Result<Page, ReadError>) {
        let page = match page {
            Ok(page) => page,
            Err(error) => return self.say_unreadable(&error),
        };
        let position = self.shard.floor.borrow().watermark(self.id);
        // As the page found it, not as it is now: the log may have forgotten events since the page was asked for.
        if let Some(resume_at) = missing(position, page.earliest) {
            self.shard.floor.borrow_mut().move_to(self.id, resume_at);
            let requested = self.line.told().unwrap_or(position);
            self.line.tell(resume_at);
            let bounds = self.told_bounds(self.shard.log.bounds());
            let gap = Gap {
                reason: GapReason::Retention,
                requested,
                resume_at,
            };
            return self.say_gap(gap, bounds);
        }
        if let Some(last) = page.events.last() {
            self.line.tell(last.cursor);
        }
        if let Some(replay) = &mut self.replay {
            replay.count += page.events.len() as u64;
        }
        let encoding = self.key.encoding;
        let count = page.events.len();
        let mut floor = self.shard.floor.borrow_mut();
        floor.refill(self.id, page.reached, count, |out| {
            group::frames(&page.events, encoding, out);
        });
    }

    /// Reads what the client says. The buffer is the shard's, so what is heard is decoded before anything is awaited.
    fn read(&mut self, readable: io::Result<()>) -> Result<Vec<Incoming>, Closed> {
        readable.map_err(Closed::Socket)?;
        let shard = Rc::clone(&self.shard);
        let mut scratch = shard.scratch.borrow_mut();
        let heard = match self.line.stream.try_read(&mut scratch) {
            Ok(0) => return Err(self.outcome_or(Closed::Left)),
            Ok(bytes) => {
                if let Some(closing) = &mut self.closing {
                    closing.hear(bytes);
                }
                self.decode(&scratch[..bytes])
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Vec::new()),
            Err(error) => return Err(self.outcome_or(Closed::Socket(error))),
        };
        let now = Instant::now();
        self.line.alive.set(now);
        self.pace.read(&shard.pacing, now);
        Ok(heard)
    }

    async fn hear(&mut self, bytes: BytesMut) {
        let heard = self.decode(&bytes);
        drop(bytes);
        self.act_on(heard).await;
    }

    fn decode(&mut self, mut bytes: &[u8]) -> Vec<Incoming> {
        let mut heard = Vec::new();
        loop {
            match self.decoder.decode(&mut bytes) {
                Ok(None) => return heard,
                Ok(Some(incoming)) => heard.push(incoming),
                Err(error) => {
                    if self.closing.is_none() {
                        self.close(error.close_code(), &error.to_string());
                    }
                    // Whatever comes behind a broken frame, no close can be told in it.
                    self.answered();
                    return heard;
                }
            }
        }
    }

    async fn act_on(&mut self, heard: Vec<Incoming>) {
        if !heard.is_empty() {
            Box::pin(self.act(heard)).await;
        }
    }

    fn say_unreadable(&mut self, error: &ReadError) {
        // Of a log that is away there was one word for all.
        if self.shard.log.is_away() {
            tracing::debug!(%error, "a subscriber waits for the log");
        } else {
            tracing::warn!(%error, "a subscriber waits for the log");
        }
        self.retry = Some(Instant::now() + READ_RETRY);
        self.say(&unavailable());
    }

    fn obey(&mut self, order: Order) {
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
}

impl<L> Drop for Subscriber<L> {
    /// Leaves the floor, in whichever way it ends: also a task that panicked must not stay a member.
    fn drop(&mut self) {
        self.shard.watch.forget(self.id, &mut self.access);
        drop(self.shard.floor.borrow_mut().leave(self.id));
        self.line.id.set(None);
    }
}

async fn next_page(reading: &mut Option<Reading>) -> Result<Page, ReadError> {
    let Some(page) = reading else {
        return std::future::pending().await;
    };
    let page = page.await;
    *reading = None;
    page
}

#[cfg(test)]
mod tests;
