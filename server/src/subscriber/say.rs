//! What a subscriber says to its client alone, and what of the log it may tell it.

use todoki_codec::frame;
use todoki_codec::message::Message;

use super::Subscriber;
use super::place::Gap;
use crate::log::{Bounds, Log};

impl<L: Log> Subscriber<L> {
    /// Says a message, behind what was said and given before.
    pub(super) fn say(&mut self, message: &Message) {
        self.say_frame(|out| frame::encode::text(&message.to_json(), out));
    }

    /// The same with any frame.
    pub(super) fn say_frame(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut frames = Vec::new();
        write(&mut frames);
        let mut floor = self.shard.floor.borrow_mut();
        floor.say(self.id, frames.into());
        drop(floor);
        self.turn();
    }

    /// Tells of a hole, and counts it.
    pub(super) fn say_gap(&mut self, gap: Gap, bounds: Bounds) {
        self.shard.count(|counts| counts.gap(gap.reason));
        self.say(&gap.message(bounds));
    }

    /// Bounds as the client may be told them: whoever has events hidden from them knows of no head but their own.
    pub(super) fn told_bounds(&self, bounds: Bounds) -> Bounds {
        let head = self.line.told().unwrap_or(bounds.head);
        Bounds { head, ..bounds }
    }
}
