//! A client's socket, and what its subscriber is told about it.

use std::cell::Cell;
use std::io;
use std::num::NonZeroI64;
use std::rc::Rc;
use std::time::Duration;

use todoki_codec::Cursor;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::outgoing;
use super::stream::Stream;
use crate::clock;
use crate::hub::floor::{Floor, MemberId, Sink, Turn};

/// How often a client whose socket takes nothing is looked at before it is given up.
const LOOKS: u32 = 8;

/// What the shard wants of a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Close: nothing was heard for two heartbeats.
    Silent,
    /// Close: the server drains.
    Drain,
    /// See whether the client may go on, and with what.
    Look,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Line {
    pub(super) stream: Stream,
    nudged: Notify,
    /// When the client last showed that it lives.
    pub(super) alive: Cell<Instant>,
    /// What it had taken then.
    pub(super) progress: Cell<u64>,
    /// When the next heartbeat is due.
    pub(super) beat_at: Cell<Instant>,
    /// Its name on the floor; none before it has joined.
    pub(super) id: Cell<Option<MemberId>>,
    /// Since when it has been lagging, as it was told.
    pub(super) lagged_since: Cell<Option<Instant>>,
    /// Whether its last turn outside a round ended with more to write.
    pub(super) is_unfinished: Cell<bool>,
    /// Since when it has taken nothing: from us, or of what the kernel holds for it.
    blocked_since: Cell<Option<Instant>>,
    /// Bytes that it had not acknowledged when that was last looked at.
    unacknowledged: Cell<u32>,
    /// When it last began to take nothing from us, whether it still does or not.
    stalled_at: Cell<Option<Instant>>,
    order: Cell<Option<Order>>,
    /// One more than the position that the client knows, when it is one from whom events are hidden; in one word, since
    /// every idle client has it.
    told: Cell<Option<NonZeroI64>>,
}

impl Line {
    pub(super) fn new(stream: Stream, heartbeat: Duration) -> Self {
        let now = Instant::now();
        Self {
            stream,
            nudged: Notify::new(),
            alive: Cell::new(now),
            progress: Cell::new(0),
            beat_at: Cell::new(now + heartbeat),
            id: Cell::new(None),
            lagged_since: Cell::new(None),
            is_unfinished: Cell::new(false),
            blocked_since: Cell::new(None),
            unacknowledged: Cell::new(0),
            stalled_at: Cell::new(None),
            order: Cell::new(None),
            told: Cell::new(None),
        }
    }

    /// Tells the subscriber what to do. One that is to close has nothing to look at any more.
    pub(crate) fn order(&self, order: Order) {
        let pending = self.order.take().filter(|_| order == Order::Look);
        self.order.set(pending.or(Some(order)));
        self.nudged.notify_one();
    }

    pub(super) fn take_order(&self) -> Option<Order> {
        self.order.take()
    }

    /// Returns once there is an order to take.
    pub(super) async fn ordered(&self) {
        while self.order.get().is_none() {
            self.nudged().await;
        }
    }

    /// The position that the client knows: of an event that it was given, or one that it named itself. `None` when no event
    /// is hidden from it, so that it may be told where the log stands.
    pub(super) fn told(&self) -> Option<Cursor> {
        Cursor::new(self.told.get()?.get() - 1)
    }

    /// Sets what the client knows.
    pub(super) fn set_told(&self, told: Option<Cursor>) {
        self.told
            .set(told.and_then(|told| NonZeroI64::new(told.get() + 1)));
    }

    /// Notes that a client from whom events are hidden knows of a later position, and gives what it knows.
    pub(super) fn tell(&self, position: Cursor) -> Option<Cursor> {
        let told = self.told()?.max(position);
        self.set_told(Some(told));
        Some(told)
    }

    /// Sends what was taken and has not left yet; `WouldBlock` while some is left.
    fn flush(&self) -> io::Result<()> {
        if !self.stream.has_unsent() {
            return Ok(());
        }
        if self.stream.try_send()? > 0 {
            self.blocked_since.set(None);
        }
        if self.stream.has_unsent() {
            self.note_blocked();
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }

    /// Whether all that was taken has left.
    pub(super) fn is_flushed(&self) -> bool {
        !self.stream.has_unsent()
    }

    fn note_blocked(&self) {
        if self.blocked_since.get().is_none() {
            let now = Some(Instant::now());
            self.blocked_since.set(now);
            self.look_at_queue();
            self.stalled_at.set(now);
        }
    }

    /// Since when the socket takes nothing.
    pub(super) fn blocked_since(&self) -> Option<Instant> {
        self.blocked_since.get()
    }

    /// Notes whether a client whose socket takes nothing from us still takes what the kernel holds for it: the socket has
    /// room again only once tens of kilobytes have left, which is a minute of a client that reads a little at a time.
    pub(super) fn note_progress(&self) {
        if self.blocked_since.get().is_some()
            && self
                .look_at_queue()
                .is_some_and(|(before, now)| now < before)
        {
            self.blocked_since.set(Some(Instant::now()));
        }
    }

    /// When it began to take nothing from us, if it still takes nothing.
    pub(super) fn stalled_at(&self) -> Option<Instant> {
        self.blocked_since.get().and(self.stalled_at.get())
    }

    /// What was not acknowledged when last looked at, and now.
    fn look_at_queue(&self) -> Option<(u32, u32)> {
        let now = outgoing::unacknowledged(&self.stream).ok()?;
        Some((self.unacknowledged.replace(now), now))
    }

    /// For how long it has lagged: since it was told so, or else since its socket last took nothing and still does.
    pub(crate) fn lag(&self, now: Instant) -> Duration {
        let since = self.lagged_since.get().or(self.blocked_since.get());
        since.map_or(Duration::ZERO, |since| now - since)
    }

    /// When to look at a client whose socket takes nothing: to see whether it takes what the kernel holds, and at last to
    /// give it up.
    pub(super) fn next_look(&self, stall: Duration) -> Option<Instant> {
        let since = self.blocked_since.get()?;
        Some((since + stall).min(Instant::now() + stall / LOOKS))
    }

    /// Returns once there is something to look after.
    pub(super) async fn nudged(&self) {
        self.nudged.notified().await;
    }
}

impl Sink for Rc<Line> {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.try_write(bytes);
        match &written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.note_blocked(),
            _ => self.blocked_since.set(None),
        }
        if let Stream::Tls(_) = self.stream
            && self.stream.has_unsent()
        {
            // Nobody else will send the rest of what was taken just now.
            self.note_blocked();
            self.nudged.notify_one();
        }
        written
    }

    /// One whose socket is full is asked again through the runtime, which thereby learns that room is waited for.
    fn write_each<'a>(
        lines: impl Iterator<Item = &'a Self>,
        bytes: &[u8],
        written: &mut Vec<io::Result<usize>>,
    ) {
        let mut sockets = Vec::with_capacity(lines.size_hint().0);
        for line in lines {
            if let Some(socket) = line.stream.plain() {
                sockets.push(socket);
            } else {
                // In their order, as each is told what became of its own.
                outgoing::send_each(&sockets, bytes, written);
                sockets.clear();
                written.push(line.try_write(bytes));
            }
        }
        outgoing::send_each(&sockets, bytes, written);
    }

    fn is_blocked(&self) -> bool {
        self.blocked_since.get().is_some()
    }

    fn nudge(&self) {
        self.nudged.notify_one();
    }
}

/// A turn outside the rounds: what it leaves is the subscriber's task to finish, since no round may come.
pub(super) fn turn(floor: &mut Floor<Rc<Line>>, line: &Rc<Line>, id: MemberId) -> Turn {
    floor.meter.set_time(clock::nanos());
    let turn = match line.flush() {
        Ok(()) => floor.turn(id),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Turn::Blocked,
        Err(_) => Turn::Gone,
    };
    line.is_unfinished.set(turn == Turn::More);
    match turn {
        // Taken, but not on its way.
        Turn::Done if !line.is_flushed() => Turn::Blocked,
        turn => turn,
    }
}
