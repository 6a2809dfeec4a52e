//! A member: its sink, its ring, and where it is.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use todoki_codec::Cursor;

use super::PRIVATE;
use crate::hub::meter::{Meter, Stretch};
use crate::hub::ring::{Ring, Run};
use crate::hub::segment::{Strand, place};

#[derive(Debug)]
pub(super) struct Member<S> {
    pub(super) sink: S,
    pub(super) group: usize,
    /// It is given what its group has after this.
    pub(super) begins_after: Cursor,
    pub(super) ring: Arc<Ring>,
    /// Of the ring's oldest run: bytes written and events given of them.
    pub(super) written: u32,
    pub(super) given: u64,
    pub(super) private: VecDeque<Bytes>,
    pub(super) taken_bytes: u64,
    pub(super) stage: Stage,
    pub(super) is_ready: bool,
    /// Live with an empty ring, hence not blocked: its next run may be written past the ring. Known here, since to look into
    /// ring and sink is to fetch them from memory for each of many members.
    pub(super) is_idle: bool,
}

#[derive(Debug)]
pub(super) enum Stage {
    Live,
    Behind(Behind),
}

/// A member that is given the log.
#[derive(Debug)]
pub(super) struct Behind {
    /// Everything that matches up to here is written or in the outbox.
    pub(super) position: Cursor,
    pub(super) outbox: Vec<u8>,
    pub(super) written: usize,
    /// Events in the outbox.
    pub(super) events: u64,
    /// Whether it was live and could not keep up.
    pub(super) is_slow: bool,
}

impl<S> Member<S> {
    pub(super) fn behind(&mut self) -> &mut Behind {
        match &mut self.stage {
            Stage::Behind(behind) => behind,
            Stage::Live => unreachable!("only a member that is behind is refilled"),
        }
    }

    /// Counts bytes that were written of the oldest run.
    pub(super) fn note_written(
        &mut self,
        run: Run,
        bytes: usize,
        strand: &Strand,
        meter: &mut Meter,
    ) {
        let start = run.start + self.written;
        self.written += place(bytes);
        meter.wrote(bytes);
        let given = match run.segment {
            PRIVATE => 0,
            _ if self.written == run.end - run.start => u64::from(run.events),
            _ => strand.given(run, run.start + self.written).0,
        };
        let events = given - self.given;
        if run.segment != PRIVATE {
            self.taken_bytes += bytes as u64;
            let end = run.start + self.written;
            let stretch = Stretch {
                group: self.group,
                segment: run.segment,
                start,
                end,
            };
            meter.gave(stretch, events, || strand.units(run.segment, start, end));
        }
        self.ring.take(events, bytes as u64);
        self.given = given;
        self.finish_run(run);
    }

    /// Done with the oldest run as far as it was seen, if all of it is written.
    pub(super) fn finish_run(&mut self, run: Run) {
        if self.written == run.end - run.start && self.ring.advance(run) {
            (self.written, self.given) = (0, 0);
            if run.segment == PRIVATE {
                self.private.pop_front();
                if self.private.is_empty() {
                    // Seldom used: its room is better given back than kept for each member.
                    self.private = VecDeque::new();
                }
            }
        }
    }

    /// Runs are in order, so only the oldest shared one can be in the oldest segment.
    pub(super) fn needs(&self, segment: u32) -> bool {
        // A private run may stand before it; then the ring is looked at as if it needed it, which costs one read of the log.
        self.ring
            .peek()
            .is_some_and(|run| run.segment == segment || run.segment == PRIVATE)
    }
}

impl Behind {
    pub(super) fn at(position: Cursor) -> Self {
        Self {
            position,
            outbox: Vec::new(),
            written: 0,
            events: 0,
            is_slow: false,
        }
    }
}
