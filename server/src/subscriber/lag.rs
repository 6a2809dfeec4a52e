//! A client that could not keep up: since when, what it is told of that, and what is done with it.

use todoki_codec::Cursor;
use todoki_codec::frame::CloseCode;
use todoki_codec::message::{GapReason, LagState, Message};
use todoki_codec::query::Slow;
use tokio::time::Instant;

use super::Subscriber;
use super::place::Gap;
use super::terms::millis;
use crate::log::Log;

impl<L: Log> Subscriber<L> {
    /// A client that fell behind has lagged since its socket took nothing, or else since now. That is noted before the next
    /// write, which may be the beginning of another stall; the client is told once there is room.
    pub(super) fn note_since_when_it_lags(&self) {
        if self.was_live
            && self.slow == Slow::CatchUp
            && self.line.lagged_since.get().is_none()
            && !self.shard.floor.borrow().is_live(self.id)
        {
            let since = self.line.stalled_at().unwrap_or_else(Instant::now);
            self.line.lagged_since.set(Some(since));
        }
    }

    /// Tells a client that fell behind, and does with it what it asked for.
    pub(super) fn note_whether_live(&mut self) {
        let is_live = self.shard.floor.borrow().is_live(self.id);
        if is_live || !std::mem::take(&mut self.was_live) {
            return;
        }
        match self.slow {
            Slow::CatchUp => self.say_lag(LagState::CatchingUp),
            Slow::Disconnect => self.close(CloseCode::SLOW, "too slow; reconnect and resume"),
            Slow::Skip => self.skip(),
        }
    }

    /// Gives up what it could not take in time, and says exactly what that is.
    fn skip(&mut self) {
        let (requested, resume_at, newest) = {
            let mut floor = self.shard.floor.borrow_mut();
            let resume_at = floor.position();
            let newest = floor.newest_until(self.id, resume_at);
            (floor.move_to(self.id, resume_at), resume_at, newest)
        };
        let bounds = self.shard.log.bounds();
        let known = self.line.told();
        let (requested, resume_at) = match (known, self.line.tell(newest)) {
            (Some(known), Some(told)) => (known, told),
            _ => (requested, resume_at),
        };
        let gap = Gap {
            reason: GapReason::Slow,
            requested,
            resume_at,
        };
        self.say_gap(gap, self.told_bounds(bounds));
    }

    /// Notes that the rounds write to it from now on.
    pub(super) fn became_live(&mut self) {
        self.was_live = true;
        // Only one that was told that it lags; a replay at the start is no lag.
        if self.line.lagged_since.get().is_some() {
            self.say_lag(LagState::Live);
            self.line.lagged_since.set(None);
        }
    }

    fn say_lag(&mut self, state: LagState) {
        let position = self.shard.floor.borrow().watermark(self.id);
        let since = self.line.lagged_since.get();
        let head = self.shard.log.bounds().head;
        self.say(&Message::Lag {
            state,
            lag_events: self
                .line
                .told()
                .is_none()
                .then(|| head.count_since(position)),
            lag_ms: since.map_or(0, |since| millis(since.elapsed())),
        });
    }

    /// Takes the client out of its stream, and says where it stands.
    pub(super) fn stand(&mut self) -> Cursor {
        let mut floor = self.shard.floor.borrow_mut();
        // It is us who do so; one that had fallen behind before is still to be told.
        self.was_live &= !floor.is_live(self.id);
        floor.stand(self.id)
    }
}
