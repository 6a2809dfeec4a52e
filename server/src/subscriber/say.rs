//! What a subscriber says to its client alone, and what of the log it may tell it.

use todoki_codec::frame;
use todoki_codec::message::Message;

use super::Subscriber;
use super::place::{Gap, Place};
use super::terms::millis;
use crate::clock;
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

    /// Says where a subscription stands.
    pub(super) fn say_subscribed(&mut self, place: &Place, reference: Option<String>) {
        let kinds = place.view.filter.patterns().iter();
        self.say(&Message::Subscribed {
            kinds: kinds.map(ToString::to_string).collect(),
            cursor: place.requested,
            epoch: place.bounds.epoch,
            earliest: place.bounds.earliest,
            head: place.bounds.head,
            server_time: clock::now(),
            heartbeat_ms: millis(self.shard.settings.heartbeat),
            reference,
        });
    }

    /// Tells of a hole, and counts it.
    pub(super) fn say_gap(&mut self, gap: Gap, bounds: Bounds) {
        self.shard.count(|counts| counts.gap(gap.reason));
        self.say(&Message::Gap {
            reason: gap.reason,
            requested: gap.requested,
            resume_at: gap.resume_at,
            earliest: bounds.earliest,
            head: bounds.head,
        });
    }

    /// Bounds as the client may be told them: whoever has events hidden from them knows of no head but their own.
    pub(super) fn told_bounds(&self, bounds: Bounds) -> Bounds {
        let head = self.line.told().unwrap_or(bounds.head);
        Bounds { head, ..bounds }
    }
}
