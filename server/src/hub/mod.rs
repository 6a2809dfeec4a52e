//! The fan-out point: the newest batches, kept in memory, and a bell that rings when there is one more.
//!
//! The hub is the memory in front of the log. It is told of each durable batch in cursor order, remembers the newest
//! ones within a bound, and answers "what comes after this position?" from them, or says that the position is older
//! than what it remembers. A subscriber therefore needs no queue of its own and cannot be overrun: it asks the hub, or
//! the log. The hub knows neither.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use todoki_codec::{Cursor, Event, Filter};
use tokio::sync::watch;

use crate::log::Batch;

/// JSON bytes of remembered batches: seconds of heavy traffic, little beside the process.
const RECENT_BYTES: usize = 16 << 20;

/// Remembered events: bounds the walk past events that a selective filter does not pick.
const RECENT_EVENTS: usize = 16_384;

/// What comes after a position.
#[derive(Debug, PartialEq, Eq)]
pub enum After {
    /// The events that the filter picks, and how far they reach: everything that matches up to there is among them.
    Recent {
        /// In cursor order; may be empty although the hub has moved on.
        events: Vec<Event>,
        /// At or behind the head.
        reached: Cursor,
    },
    /// Older than what the hub remembers: ask the log.
    Older,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Hub {
    recent: RwLock<Recent>,
    head: watch::Sender<Cursor>,
}

#[derive(Debug, Default)]
struct Recent {
    batches: VecDeque<Batch>,
    /// The position before the first remembered event.
    start: Cursor,
    events: usize,
    bytes: usize,
}

impl Hub {
    /// A hub behind a log that ends at `head`.
    pub fn new(head: Cursor) -> Self {
        let hub = Self::default();
        hub.begin_at(head);
        hub
    }

    /// Tells a hub that was made before its log was opened where that log ends. Before the first release, once.
    pub fn begin_at(&self, head: Cursor) {
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        debug_assert!(recent.batches.is_empty(), "nothing has been released yet");
        recent.start = head;
        self.head.send_replace(head);
    }

    /// Remembers a durable batch and wakes whoever waits. Batches come in cursor order, without a hole.
    pub fn release(&self, batch: Batch) {
        let Some(last) = batch.last().map(|event| event.cursor) else {
            return;
        };
        self.recent
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(batch);
        self.head.send_replace(last);
    }

    /// Follows the head.
    pub fn watch(&self) -> watch::Receiver<Cursor> {
        self.head.subscribe()
    }

    /// The next events after `position` and up to `until` that `filter` picks, about `max_bytes` of JSON at most.
    pub fn after(
        &self,
        position: Cursor,
        until: Cursor,
        filter: &Filter,
        max_bytes: usize,
    ) -> After {
        self.recent
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .after(position, until, filter, max_bytes)
    }
}

impl Recent {
    fn push(&mut self, batch: Batch) {
        debug_assert_eq!(batch[0].cursor, self.end().next(), "batches leave no hole");
        self.events += batch.len();
        self.bytes += json_bytes(&batch);
        self.batches.push_back(batch);
        while self.batches.len() > 1 && (self.bytes > RECENT_BYTES || self.events > RECENT_EVENTS) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(batch) = self.batches.pop_front() {
            self.start = last(&batch);
            self.events -= batch.len();
            self.bytes -= json_bytes(&batch);
        }
    }

    fn end(&self) -> Cursor {
        self.batches.back().map_or(self.start, last)
    }

    fn after(&self, position: Cursor, until: Cursor, filter: &Filter, max_bytes: usize) -> After {
        if position < self.start {
            return After::Older;
        }
        let mut reached = position.max(self.start);
        let (mut events, mut bytes) = (Vec::new(), 0);
        let first = self
            .batches
            .partition_point(|batch| last(batch) <= position);
        let newer = self.batches.range(first..).flat_map(|batch| batch.iter());
        for event in newer.skip_while(|event| event.cursor <= position) {
            if bytes >= max_bytes || event.cursor > until {
                return After::Recent { events, reached };
            }
            reached = event.cursor;
            if filter.matches(event) {
                bytes += event.json.len();
                events.push(event.clone());
            }
        }
        After::Recent { events, reached }
    }
}

fn last(batch: &Batch) -> Cursor {
    batch[batch.len() - 1].cursor
}

fn json_bytes(batch: &Batch) -> usize {
    batch.iter().map(|event| event.json.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use todoki_codec::{Draft, Ids, Kind, Pattern, WantedIds, encode};

    fn batch(cursors: std::ops::RangeInclusive<i64>, bytes: usize) -> Batch {
        cursors
            .map(|number| {
                let draft = Draft {
                    kind: Kind::parse(if number % 2 == 0 { "even" } else { "odd" }).unwrap(),
                    ids: Ids::default(),
                    data: format!("{{\"x\":\"{}\"}}", "y".repeat(bytes)).into(),
                    id: None,
                };
                encode::event(at(number), Timestamp::UNIX_EPOCH, &draft)
            })
            .collect()
    }

    fn at(number: i64) -> Cursor {
        Cursor::new(number).unwrap()
    }

    fn after(
        hub: &Hub,
        position: i64,
        filter: &Filter,
        max_bytes: usize,
    ) -> Option<(Vec<i64>, i64)> {
        match hub.after(at(position), Cursor::MAX, filter, max_bytes) {
            After::Older => None,
            After::Recent { events, reached } => {
                let cursors = events.iter().map(|event| event.cursor.get()).collect();
                Some((cursors, reached.get()))
            }
        }
    }

    #[test]
    fn a_position_gets_what_comes_after_it() {
        let hub = Hub::new(at(10));
        hub.release(batch(11..=13, 1));
        hub.release(batch(14..=14, 1));
        let all = Filter::default();
        assert_eq!(after(&hub, 12, &all, usize::MAX), Some((vec![13, 14], 14)));
        assert_eq!(after(&hub, 14, &all, usize::MAX), Some((vec![], 14)));
        assert_eq!(after(&hub, 10, &all, 1), Some((vec![11], 11)));
        assert_eq!(after(&hub, 9, &all, usize::MAX), None);
        assert_eq!(*hub.watch().borrow(), at(14));
        let up_to_13 = hub.after(at(11), at(13), &all, usize::MAX);
        assert!(
            matches!(up_to_13, After::Recent { events, reached } if events.len() == 2 && reached == at(13))
        );
    }

    #[test]
    fn a_filter_moves_on_past_what_it_does_not_pick() {
        let hub = Hub::new(at(0));
        hub.release(batch(1..=5, 1));
        let even = Filter::new(vec![Pattern::parse("even").unwrap()], WantedIds::default());
        assert_eq!(after(&hub, 0, &even, usize::MAX), Some((vec![2, 4], 5)));
        assert_eq!(after(&hub, 4, &even, usize::MAX), Some((vec![], 5)));
    }

    #[test]
    fn what_is_beyond_the_bound_is_left_to_the_log() {
        let hub = Hub::new(at(0));
        for number in 1..=40 {
            hub.release(batch(number..=number, 1 << 20));
        }
        let all = Filter::default();
        assert_eq!(after(&hub, 0, &all, 1), None);
        assert_eq!(after(&hub, 39, &all, 1), Some((vec![40], 40)));
        let recent = hub.recent.read().unwrap();
        assert!(recent.bytes <= RECENT_BYTES);
    }
}
