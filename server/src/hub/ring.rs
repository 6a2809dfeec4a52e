//! A subscriber's queue: a bounded ring of runs, where a run is a stretch of shared bytes that is still to be written.
//!
//! One side pushes, one side takes, and any thread may look at how far behind the taker is. A run that begins where the
//! newest one ends is merged into it, so a subscriber that keeps up or lags within one segment occupies one slot.
//!
//! The invariant, proved under every interleaving by the model beside this crate: **given + lagged + waiting =
//! pushed**, in events. Nothing is counted twice and nothing is forgotten.
//!
//! How: `tail` is written by the pusher alone and `head` by the taker alone. A slot's extent (where its run ends, and
//! how many events it holds) is one word, so that a merge is one compare-and-swap; the taker closes a slot by swapping
//! a mark in, and whoever comes second sees that the other was there. No slot is read while it is written: the
//! pusher writes only slots behind `head`'s lap, and those are the taker's no more.

use super::sync::{AtomicU64, Ordering};

/// Slots in a ring: as many as a group keeps segments, so that a subscriber whose bytes are still there has room.
pub const SLOTS: usize = 32;

/// In the place of an extent: the taker is done with the slot.
const CLOSED: u64 = u64::MAX;

/// A stretch of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which segment.
    pub segment: u32,
    /// Its first byte in the segment.
    pub start: u32,
    /// Behind its last byte.
    pub end: u32,
    /// Events in it.
    pub events: u32,
}

impl Run {
    /// Bytes in it.
    pub fn bytes(&self) -> u64 {
        u64::from(self.end - self.start)
    }
}

/// The ring is full; the run was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// How far a subscriber is behind what was meant for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Events in the ring.
    pub events: u64,
    /// Bytes in the ring.
    pub bytes: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Ring<const N: usize = SLOTS> {
    slots: [Slot; N],
    /// Runs pushed so far, merges not counted. Written by the pusher.
    tail: AtomicU64,
    /// Runs taken so far. Written by the taker.
    head: AtomicU64,
    /// Written by the pusher.
    pushed: Count,
    /// Taken out, given or lagged. Written by the taker.
    taken: Count,
}

#[derive(Debug)]
struct Slot {
    /// Segment and start. Written by the pusher before the slot is published by `tail`, never after.
    place: AtomicU64,
    /// End and events, or [`CLOSED`].
    extent: AtomicU64,
}

#[derive(Debug)]
struct Count {
    events: AtomicU64,
    bytes: AtomicU64,
}

impl Count {
    fn new() -> Self {
        Self {
            events: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Each count has one writer, so a load and a store are enough.
    fn add(&self, events: u64, bytes: u64) {
        let sum = self.events.load(Ordering::Relaxed) + events;
        self.events.store(sum, Ordering::Release);
        let sum = self.bytes.load(Ordering::Relaxed) + bytes;
        self.bytes.store(sum, Ordering::Release);
    }
}

fn pack(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn unpack(word: u64) -> (u32, u32) {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
    ((word >> 32) as u32, word as u32)
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Self {
            slots: std::array::from_fn(|_| Slot {
                place: AtomicU64::new(0),
                extent: AtomicU64::new(CLOSED),
            }),
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            pushed: Count::new(),
            taken: Count::new(),
        }
    }
}

impl<const N: usize> Ring<N> {
    fn slot(&self, number: u64) -> &Slot {
        #[expect(clippy::cast_possible_truncation, reason = "taken modulo the slots")]
        &self.slots[number as usize % N]
    }

    /// Pusher: puts a run behind the others, into the newest slot if it continues that.
    pub fn push(&self, run: Run) -> Result<(), Full> {
        let tail = self.tail.load(Ordering::Relaxed);
        // Pairs with the Release in `advance`: a slot behind `head` is the taker's no more.
        let head = self.head.load(Ordering::Acquire);
        let is_merged = tail != head && self.slot(tail - 1).extend(run);
        if !is_merged {
            if tail - head == N as u64 {
                return Err(Full);
            }
            self.slot(tail).fill(run);
            // Pairs with the Acquire in `peek`: publishes the slot.
            self.tail.store(tail + 1, Ordering::Release);
        }
        self.pushed.add(u64::from(run.events), run.bytes());
        Ok(())
    }

    /// Taker: the oldest run, as long as it is by now.
    pub fn peek(&self) -> Option<Run> {
        let head = self.head.load(Ordering::Relaxed);
        // Pairs with the Release in `push`.
        (head != self.tail.load(Ordering::Acquire)).then(|| self.slot(head).read())
    }

    /// Taker: counts events and bytes that left the oldest run.
    pub fn take(&self, events: u64, bytes: u64) {
        self.taken.add(events, bytes);
    }

    /// Taker: done with the oldest run as it was seen. `false` when it has grown since; there is more to take then.
    pub fn advance(&self, seen: Run) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        let is_closed = self.slot(head).close(seen);
        if is_closed {
            // Pairs with the Acquire in `push`: gives the slot back.
            self.head.store(head + 1, Ordering::Release);
        }
        is_closed
    }

    /// Any thread: what waits. The two counts are read one after the other, so under way they may be a batch apart.
    pub fn lag(&self) -> Lag {
        // Taken before pushed: what is taken was pushed before, so the difference is never negative.
        let waiting = |taken: &AtomicU64, pushed: &AtomicU64| {
            let taken = taken.load(Ordering::Acquire);
            pushed.load(Ordering::Acquire).saturating_sub(taken)
        };
        Lag {
            events: waiting(&self.taken.events, &self.pushed.events),
            bytes: waiting(&self.taken.bytes, &self.pushed.bytes),
        }
    }
}

impl Slot {
    fn fill(&self, run: Run) {
        // Published by `tail`.
        self.place
            .store(pack(run.segment, run.start), Ordering::Relaxed);
        self.extent
            .store(pack(run.end, run.events), Ordering::Relaxed);
    }

    /// Merges a run that begins where this one ends, unless the taker has closed the slot.
    fn extend(&self, run: Run) -> bool {
        let (segment, _) = unpack(self.place.load(Ordering::Relaxed));
        let extent = self.extent.load(Ordering::Relaxed);
        let (end, events) = unpack(extent);
        if extent == CLOSED || segment != run.segment || end != run.start {
            return false;
        }
        let Some(events) = events.checked_add(run.events) else {
            return false;
        };
        // Pairs with the Acquire in `read`; fails exactly when the taker has closed the slot in between.
        let longer = pack(run.end, events);
        self.extent
            .compare_exchange(extent, longer, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }

    fn read(&self) -> Run {
        let (segment, start) = unpack(self.place.load(Ordering::Relaxed));
        // Pairs with the Release in `extend`.
        let (end, events) = unpack(self.extent.load(Ordering::Acquire));
        Run {
            segment,
            start,
            end,
            events,
        }
    }

    fn close(&self, seen: Run) -> bool {
        // Fails exactly when the pusher has merged in between.
        self.extent
            .compare_exchange(
                pack(seen.end, seen.events),
                CLOSED,
                Ordering::Acquire,
                Ordering::Relaxed,
            )
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(segment: u32, start: u32, end: u32, events: u32) -> Run {
        Run {
            segment,
            start,
            end,
            events,
        }
    }

    #[test]
    fn a_run_that_continues_the_newest_is_merged() {
        let ring = Ring::<SLOTS>::default();
        ring.push(run(1, 0, 100, 2)).unwrap();
        ring.push(run(1, 100, 150, 1)).unwrap();
        ring.push(run(2, 0, 10, 1)).unwrap();
        ring.push(run(2, 20, 30, 1)).unwrap();
        assert_eq!(
            ring.lag(),
            Lag {
                events: 5,
                bytes: 170
            }
        );
        let taken: Vec<_> = std::iter::from_fn(|| {
            let run = ring.peek()?;
            ring.take(u64::from(run.events), run.bytes());
            assert!(ring.advance(run));
            Some(run)
        })
        .collect();
        assert_eq!(
            taken,
            [run(1, 0, 150, 3), run(2, 0, 10, 1), run(2, 20, 30, 1)]
        );
        assert_eq!(ring.lag(), Lag::default());
    }

    #[test]
    fn a_run_that_grew_while_it_was_taken_is_not_lost() {
        let ring = Ring::<SLOTS>::default();
        ring.push(run(1, 0, 10, 1)).unwrap();
        let seen = ring.peek().unwrap();
        ring.push(run(1, 10, 20, 1)).unwrap();
        assert!(!ring.advance(seen));
        assert_eq!(ring.peek(), Some(run(1, 0, 20, 2)));
    }

    #[test]
    fn a_full_ring_takes_nothing_in_but_what_can_be_merged() {
        let ring = Ring::<SLOTS>::default();
        for segment in 0..32 {
            ring.push(run(segment, 0, 10, 1)).unwrap();
        }
        assert_eq!(ring.push(run(99, 0, 10, 1)), Err(Full));
        assert_eq!(ring.push(run(31, 10, 20, 1)), Ok(()));
        assert_eq!(ring.lag().events, 33);
        let oldest = ring.peek().unwrap();
        assert!(ring.advance(oldest));
        assert_eq!(ring.push(run(99, 0, 10, 1)), Ok(()));
    }
}
