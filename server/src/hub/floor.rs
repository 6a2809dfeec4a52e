//! A shard's state: who is here, what each is to be given, and where it is.
//!
//! Pure: events come in by [`Floor::distribute`], bytes go out through a [`Sink`] that may refuse, and everything else
//! (sockets, timers, the log) is the shard's business. One thread owns it, so a member cannot be given an event twice
//! or miss one between its catching up and its live stream: the two meet inside one call.
//!
//! A member is live (its ring holds what is to be written, shared with its group) or behind (it has an outbox of its
//! own, filled from the log). A member falls behind when its ring is full or its group gives up a segment that it still
//! needs; it comes back when what it was given reaches what the group still holds.

mod distribute;
mod member;
mod route;
mod write;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use slab::Slab;
use todoki_codec::Cursor;

use self::member::{Behind, Member, Stage};
use self::route::Routes;
use self::write::Wave;
use super::group::{Group, Key};
use super::meter::Meter;
use super::ring::{Lag, Run};
use super::segment::{Entry, Strand, place};

/// Bytes of segments that a shard keeps over all its groups.
const SHARD_BYTES: usize = 64 << 20;

/// Bytes that one member may write in one turn, so that one that is far behind does not delay the others.
const TURN_BYTES: usize = 64 << 10;

/// Groups of a shard that compress, each with some 300 KiB of compressor; beyond it, members of others are given plain
/// frames, which they can always read.
const COMPRESSED_GROUPS: usize = 32;

/// In the place of a segment's number: bytes for this member alone.
const PRIVATE: u32 = u32::MAX;

/// Where a member's bytes go.
pub trait Sink {
    /// Writes some, or fails with `WouldBlock`.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Writes the same bytes to each, and says in the same order what came of it. One that takes nothing is not blocked
    /// by that: it will be asked by itself.
    fn write_each<'a>(
        sinks: impl Iterator<Item = &'a Self>,
        bytes: &[u8],
        written: &mut Vec<io::Result<usize>>,
    ) where
        Self: 'a;

    /// Whether it has taken nothing the last time. Whoever drives this member tries again when there is room.
    fn is_blocked(&self) -> bool;

    /// Tells whoever drives this member that it is blocked, behind or gone.
    fn nudge(&self);
}

/// What a member's turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Everything is written.
    Done,
    /// There is more, and the sink may take it at its next turn.
    More,
    /// The sink takes nothing.
    Blocked,
    /// The sink has failed.
    Gone,
}

/// Names a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(test, derive(Default))]
pub struct MemberId(usize);

/// See the [module](self).
#[derive(Debug)]
pub struct Floor<S> {
    /// Everything up to here was distributed.
    position: Cursor,
    groups: Slab<Group>,
    by_key: HashMap<Key, usize>,
    routes: Routes,
    members: Slab<Member<S>>,
    /// Groups of the distribution under way.
    touched: Vec<usize>,
    /// What was distributed and has not reached all members yet.
    waves: VecDeque<Wave>,
    /// Kept for their room: groups that an event may concern, members who are written to at once, and what they took.
    found: Vec<usize>,
    through: Vec<MemberId>,
    written: Vec<io::Result<usize>>,
    /// Turns begin with another member each round.
    rotation: usize,
    /// Members that have all the log had, and wait for the shard to distribute as much.
    waiting: Vec<MemberId>,
    /// Members with something to write that are not blocked, in the order of their turns.
    ready: VecDeque<MemberId>,
    segment_bytes: usize,
    /// Counts what is done here.
    pub(crate) meter: Meter,
}

/// How a member that is behind may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is live.
    Live,
    /// Its outbox is not written yet.
    Write,
    /// Read the log after this position, and no further than `until`.
    Read {
        /// Exclusive.
        after: Cursor,
        /// Inclusive.
        until: Cursor,
    },
    /// It has what the log had; the shard has yet to distribute it.
    Wait,
}

impl<S: Sink> Floor<S> {
    /// A shard that has distributed everything up to `position`.
    pub fn new(position: Cursor) -> Self {
        Self {
            position,
            groups: Slab::new(),
            by_key: HashMap::new(),
            routes: Routes::default(),
            members: Slab::new(),
            touched: Vec::new(),
            waves: VecDeque::new(),
            found: Vec::new(),
            through: Vec::new(),
            written: Vec::new(),
            rotation: 0,
            waiting: Vec::new(),
            ready: VecDeque::new(),
            segment_bytes: 0,
            meter: Meter::default(),
        }
    }

    /// Everything up to here was distributed.
    pub fn position(&self) -> Cursor {
        self.position
    }

    /// Where every member's bytes go.
    pub fn sinks(&self) -> impl Iterator<Item = &S> {
        self.members.iter().map(|(_, member)| &member.sink)
    }

    /// Moves on without distributing what is in between: everyone falls behind, to read the log.
    pub fn jump(&mut self, position: Cursor) {
        self.settle();
        let ids: Vec<_> = self.members.iter().map(|(id, _)| MemberId(id)).collect();
        for id in ids {
            self.lose(id, self.position);
        }
        self.meter.settle();
        let groups: Vec<_> = self.groups.iter().map(|(id, _)| id).collect();
        for id in groups {
            let group = &mut self.groups[id];
            self.segment_bytes -= group.strand.bytes();
            group.strand = Strand::new(position);
        }
        self.position = position;
    }

    /// Bytes of events that a member has taken so far; grows for as long as it lives and there are any.
    pub fn progress(&self, id: MemberId) -> u64 {
        self.members[id.0].taken_bytes
    }

    /// Takes a member in, behind at `position`. It is driven by [`Floor::next`] from there.
    pub fn join(&mut self, key: Key, position: Cursor, sink: S) -> MemberId {
        self.settle();
        let group = self.group(key);
        let id = self.members.insert(Member {
            sink,
            group,
            begins_after: position,
            ring: Arc::default(),
            written: 0,
            given: 0,
            private: VecDeque::new(),
            taken_bytes: 0,
            stage: Stage::Behind(Behind::at(position)),
            is_ready: false,
            is_idle: false,
        });
        self.groups[group].members.push(id);
        MemberId(id)
    }

    /// Gives a member another filter, or sends it to another position. What was to be written is written first.
    pub fn rejoin(&mut self, id: MemberId, key: Key, position: Cursor) {
        self.fall_behind(id, self.position);
        self.leave_group(id);
        let group = self.group(key);
        self.groups[group].members.push(id.0);
        let member = &mut self.members[id.0];
        member.group = group;
        member.begins_after = position;
        let behind = member.behind();
        behind.position = position;
        if std::mem::take(&mut behind.is_slow) {
            self.meter.counts.gave_up += 1;
        }
    }

    /// Takes a member out of its group's stream, and says where it stands: everything that matches up to there is written
    /// or will be.
    pub fn stand(&mut self, id: MemberId) -> Cursor {
        self.fall_behind(id, self.position);
        self.watermark(id)
    }

    /// Moves a member that is behind on to a later position, and says where it stood.
    pub fn move_to(&mut self, id: MemberId, position: Cursor) -> Cursor {
        std::mem::replace(&mut self.members[id.0].behind().position, position)
    }

    /// Lets a member go, and gives its sink back.
    pub fn leave(&mut self, id: MemberId) -> S {
        self.leave_group(id);
        let member = self.members.remove(id.0);
        if matches!(&member.stage, Stage::Behind(behind) if behind.is_slow) {
            self.meter.counts.gave_up += 1;
        }
        member.sink
    }

    /// How far a member is: everything that matches up to here is written, or about to be.
    pub fn watermark(&self, id: MemberId) -> Cursor {
        match &self.members[id.0].stage {
            Stage::Live => self.position,
            Stage::Behind(behind) => behind.position,
        }
    }

    /// The newest event up to this position that a member was given of its group, as far as that is known; the origin
    /// otherwise. What the group was given before it came is none of its business.
    pub fn newest_until(&self, id: MemberId, position: Cursor) -> Cursor {
        let member = &self.members[id.0];
        let group = &self.groups[member.group];
        let newest = if group.newest <= position {
            Some(group.newest)
        } else {
            group.strand.newest_until(position)
        };
        let own = newest.filter(|newest| *newest > member.begins_after);
        own.unwrap_or(Cursor::ORIGIN)
    }

    /// Where a member's bytes go.
    pub fn sink(&self, id: MemberId) -> &S {
        &self.members[id.0].sink
    }

    /// Bytes and events that wait in a member's ring.
    pub fn lag(&self, id: MemberId) -> Lag {
        self.members[id.0].ring.lag()
    }

    /// Every member's sink, whether it is live, and how many events it has not been given: those that wait in its ring, or
    /// all that the log has up to `head`.
    pub fn standings(&mut self, head: Cursor) -> impl Iterator<Item = (&S, bool, u64)> {
        self.settle();
        self.members.iter().map(move |(_, member)| {
            let (is_live, events) = match &member.stage {
                Stage::Live => (true, member.ring.lag().events),
                Stage::Behind(behind) => (false, behind.events + head.count_since(behind.position)),
            };
            (&member.sink, is_live, events)
        })
    }

    /// Groups there are, and the bytes reserved for their segments.
    pub fn groups(&self) -> (usize, usize) {
        (self.groups.len(), self.segment_bytes)
    }

    /// Bytes that wait for a member alone.
    pub fn private_bytes(&self, id: MemberId) -> usize {
        let member = &self.members[id.0];
        match &member.stage {
            Stage::Live => member.private.iter().map(Bytes::len).sum(),
            Stage::Behind(behind) => behind.outbox.len() - behind.written,
        }
    }

    /// Whether a member is live.
    pub fn is_live(&self, id: MemberId) -> bool {
        matches!(self.members[id.0].stage, Stage::Live)
    }

    /// Bytes for one member alone, behind everything that is to be written to it.
    pub fn say(&mut self, id: MemberId, frames: Bytes) {
        self.settle();
        let member = &mut self.members[id.0];
        if let Stage::Behind(behind) = &mut member.stage {
            behind.outbox.extend_from_slice(&frames);
        } else {
            let run = Run {
                segment: PRIVATE,
                start: 0,
                end: place(frames.len()),
                events: 0,
            };
            member.is_idle = false;
            if member.ring.push(run).is_ok() {
                member.private.push_back(frames);
            } else {
                self.lose(id, self.position);
                return self.say(id, frames);
            }
        }
        self.make_ready(id);
    }

    /// Ends a member's stream: what it has begun is finished, what was said to it is said, and these frames are the last.
    pub fn hang_up(&mut self, id: MemberId, frames: &[u8]) {
        self.fall_behind(id, self.position);
        let behind = self.members[id.0].behind();
        behind.outbox.extend_from_slice(frames);
        self.make_ready(id);
    }

    /// Whether everything that is to be written to a member is written.
    pub fn is_written(&self, id: MemberId) -> bool {
        let member = &self.members[id.0];
        match &member.stage {
            Stage::Live => member.ring.peek().is_none() && self.waves.is_empty(),
            Stage::Behind(behind) => behind.outbox.is_empty(),
        }
    }

    /// How a member goes on; one that can be live becomes so. `head` is the log's.
    pub fn next(&mut self, id: MemberId, head: Cursor, until: Option<Cursor>) -> Next {
        if self.is_live(id) {
            return Next::Live;
        }
        self.settle();
        let member = &mut self.members[id.0];
        let behind = member.behind();
        if !behind.outbox.is_empty() {
            return Next::Write;
        }
        let (position, is_slow) = (behind.position, behind.is_slow);
        let until = until.unwrap_or(Cursor::MAX);
        let strand = &self.groups[member.group].strand;
        if position < strand.start() || until < Cursor::MAX {
            return Next::Read {
                after: position,
                until: until.min(head.max(position)),
            };
        }
        if position > self.position {
            self.waiting.push(id);
            return Next::Wait;
        }
        let read = |until| Next::Read {
            after: position,
            until,
        };
        match strand.entry(position) {
            Entry::After(until) => read(until),
            Entry::Later => {
                self.groups[member.group].open_window();
                read(self.position)
            }
            Entry::Now(runs) => {
                if is_slow {
                    self.meter.counts.caught_up += 1;
                }
                if runs.is_empty() {
                    self.groups[member.group].open_window();
                }
                member.stage = Stage::Live;
                for run in runs {
                    member
                        .ring
                        .push(run)
                        .expect("a group keeps no more segments than a ring has slots");
                }
                self.make_ready(id);
                Next::Live
            }
        }
    }

    /// So many events that were read from the log for a member that is behind, and how far they reach.
    pub fn refill(
        &mut self,
        id: MemberId,
        reached: Cursor,
        events: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let behind = self.members[id.0].behind();
        write(&mut behind.outbox);
        behind.events += events as u64;
        behind.position = reached;
        self.make_ready(id);
    }

    /// A member that cannot keep up falls behind.
    fn lose(&mut self, id: MemberId, given: Cursor) {
        // What is still under way may already be too much for it.
        self.settle();
        if self.is_live(id) {
            self.fall_behind(id, given);
            self.members[id.0].behind().is_slow = true;
            self.meter.counts.fell_behind += 1;
        }
    }

    /// Takes a member out of its group's stream. It keeps what it must still write: the rest of a frame that it has
    /// begun, and what was said to it alone. Without an event in its ring it has been given everything up to `given`.
    fn fall_behind(&mut self, id: MemberId, given: Cursor) {
        self.settle();
        let member = &mut self.members[id.0];
        if !matches!(member.stage, Stage::Live) {
            return;
        }
        member.is_idle = false;
        let strand = &self.groups[member.group].strand;
        let mut behind = Behind::at(given);
        let mut is_cut = false;
        while let Some(run) = member.ring.peek() {
            let reached = run.start + member.written;
            if run.segment == PRIVATE {
                behind
                    .outbox
                    .extend_from_slice(&member.private[0][reached as usize..]);
                member.ring.take(0, u64::from(run.end - reached));
            } else {
                let (events, unit) = strand.given(run, reached);
                if !is_cut && let Some(unit) = unit {
                    is_cut = true;
                    let is_begun = strand.is_inside(run.segment, reached);
                    if is_begun {
                        behind.outbox.extend_from_slice(strand.slice(
                            run.segment,
                            reached,
                            unit.end,
                        ));
                        behind.events += u64::from(unit.events);
                    }
                    behind.position = if is_begun {
                        unit.last
                    } else {
                        unit.first.before()
                    };
                }
                member
                    .ring
                    .take(u64::from(run.events) - events, u64::from(run.end - reached));
            }
            member.written = run.end - run.start;
            member.finish_run(run);
        }
        member.stage = Stage::Behind(behind);
        member.sink.nudge();
        self.make_ready(id);
    }

    fn make_ready(&mut self, id: MemberId) {
        let member = &mut self.members[id.0];
        if !std::mem::replace(&mut member.is_ready, true) {
            self.ready.push_back(id);
        }
    }
}

#[cfg(test)]
mod tests;
