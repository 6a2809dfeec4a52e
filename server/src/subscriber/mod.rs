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
mod hear;
mod history;
mod lag;
mod line;
pub mod outgoing;
pub mod pace;
pub mod place;
mod say;
pub mod stream;
pub(crate) mod terms;

use std::future::{Future, poll_fn};
use std::rc::Rc;

use bytes::BytesMut;
use todoki_codec::frame::{Decoder, Limits, Role};
use todoki_codec::query::Slow;
use tokio::time::Instant;

use crate::accept::Permit;
use crate::hub::floor::{MemberId, Next, Turn};
use crate::hub::group::Key;
use crate::hub::shard::Shard;
use crate::log::Log;
use access::Access;
use close::{Closing, farewell};
use history::{Reading, Replay, next_page};
use pace::Pace;
use place::{Place, View};
use stream::{Detached, Stream};
use terms::reached;

pub use close::{Closed, refuse};
pub use counts::Counts;
pub(crate) use line::{Line, Order};

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

    /// Begins a subscription: says where it stands, and what it cannot have.
    fn begin(&mut self, place: &Place, reference: Option<String>) {
        self.replay = Replay::of(place);
        let View {
            asked,
            filter,
            is_resumed,
        } = &place.view;
        self.access.note(asked, filter, *is_resumed);
        let known = place.gap.map_or(place.requested, |gap| gap.resume_at);
        let is_restricted = self.access.admission.principal.is_restricted();
        self.line.set_told(is_restricted.then_some(known));
        self.say(&place.subscribed(self.shard.settings.heartbeat, reference));
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
            let may_read = self.may_read();
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

    /// When to go on, whatever comes until then.
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
            let is_closing = self.closing.is_some();
            let has_rest = self.line.blocked_since().is_some() || self.line.is_unfinished.get();
            // Room may have come; only a try tells.
            if (has_rest || is_closing)
                && let Some(wait) = self.write()?
            {
                return Ok(wait);
            }
            if is_closing {
                return Ok(Wait::News);
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
                Next::Write => {
                    if let Some(wait) = self.write()? {
                        return Ok(wait);
                    }
                }
            }
        }
    }

    /// Writes what there is; what to wait for if that is not all of it.
    fn write(&mut self) -> Result<Option<Wait>, Closed> {
        match self.turn() {
            Turn::Done => Ok(None),
            Turn::More => Ok(Some(Wait::Turn)),
            Turn::Blocked => Ok(Some(Wait::Room)),
            Turn::Gone => Err(self.gone()),
        }
    }

    fn turn(&self) -> Turn {
        line::turn(&mut self.shard.floor.borrow_mut(), &self.line, self.id)
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

#[cfg(test)]
mod tests;
