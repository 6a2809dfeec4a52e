//! A shard's state: who is here, what each is to be given, and where it is.
//!
//! Pure: events come in by [`Floor::distribute`], bytes go out through a [`Sink`] that may refuse, and everything else
//! (sockets, timers, the log) is the shard's business. One thread owns it, so a member cannot be given an event twice
//! or miss one between its catching up and its live stream: the two meet inside one call.
//!
//! A member is live (its ring holds what is to be written, shared with its group) or behind (it has an outbox of its
//! own, filled from the log). A member falls behind when its ring is full or its group gives up a segment that it still
//! needs; it comes back when what it was given reaches what the group still holds.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use slab::Slab;
use todoki_codec::{Cursor, Event, Filter, Kind};

use super::group::{GROUP_BYTES, Group, Key};
use super::meter::{Meter, Stretch};
use super::ring::{Lag, Ring, Run};
use super::segment::{Entry, Strand, place};

/// Bytes of segments that a shard keeps over all its groups.
const SHARD_BYTES: usize = 64 << 20;

/// Bytes that one member may write in one turn, so that one that is far behind does not delay the others.
const TURN_BYTES: usize = 64 << 10;

/// Groups of a shard that compress, each with some 300 KiB of compressor; beyond it, members of others are given plain
/// frames, which they can always read.
const COMPRESSED_GROUPS: usize = 32;

/// Kinds whose groups are remembered; beyond it the memory starts anew.
const ROUTES: usize = 4096;

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
pub struct MemberId(usize);

/// See the [module](self).
#[derive(Debug)]
pub struct Floor<S> {
    /// Everything up to here was distributed.
    position: Cursor,
    groups: Slab<Group>,
    by_key: HashMap<Key, usize>,
    routes: HashMap<Kind, Rc<[usize]>>,
    members: Slab<Member<S>>,
    /// Groups of the distribution under way.
    touched: Vec<usize>,
    /// What was distributed and has not reached all members yet.
    waves: VecDeque<Wave>,
    /// Kept for their room: members who are written to at once, and what they took.
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

/// Runs on their way to the members of a group, each of whom is given them at its turn.
///
/// Most sockets take at once what they are given. Members whose rings are empty are written to straight from the segment,
/// and their rings are not touched. That is done for a chunk of members in three steps: look who they are, write to all,
/// count. A system call leaves little in the processor's caches, so what lies between two of them costs many times what
/// it costs in a loop of its own, where memory is fetched for several members at a time.
///
/// Whatever changes who is where calls [`Floor::settle`] first, after which every ring holds all that it is to hold and
/// no wave is under way.
#[derive(Debug)]
struct Wave {
    group: usize,
    runs: Vec<Run>,
    /// The position before them.
    before: Cursor,
    /// Place among the group's members of the next to be reached, and how many are left.
    place: usize,
    left: usize,
}

#[derive(Debug)]
struct Member<S> {
    sink: S,
    group: usize,
    ring: Arc<Ring>,
    /// Of the ring's oldest run: bytes written and events given of them.
    written: u32,
    given: u64,
    private: VecDeque<Bytes>,
    taken_bytes: u64,
    stage: Stage,
    is_ready: bool,
    /// Live with an empty ring, hence not blocked: its next run may be written past the ring. Known here, since to look into
    /// ring and sink is to fetch them from memory for each of many members.
    is_idle: bool,
}

#[derive(Debug)]
enum Stage {
    Live,
    Behind(Behind),
}

/// A member that is given the log.
#[derive(Debug)]
struct Behind {
    /// Everything that matches up to here is written or in the outbox.
    position: Cursor,
    outbox: Vec<u8>,
    written: usize,
    /// Events in the outbox.
    events: u64,
    /// Whether it was live and could not keep up.
    is_slow: bool,
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
            routes: HashMap::new(),
            members: Slab::new(),
            touched: Vec::new(),
            waves: VecDeque::new(),
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

    /// Gives batches to everyone whom they concern. They come in cursor order, without a hole.
    pub fn distribute<'a>(&mut self, batches: impl IntoIterator<Item = &'a [Event]>) {
        let before = self.position;
        for event in batches.into_iter().flatten() {
            debug_assert_eq!(event.cursor, self.position.next(), "batches leave no hole");
            self.position = event.cursor;
            for &group in &*self.route(&event.kind) {
                self.add(group, event);
            }
        }
        for group in std::mem::take(&mut self.touched) {
            self.start_wave(group, before);
            self.retire(group);
        }
        self.keep_shard_bound();
        for id in std::mem::take(&mut self.waiting) {
            if let Some(member) = self.members.get(id.0) {
                member.sink.nudge();
            }
        }
    }

    fn add(&mut self, group_id: usize, event: &Event) {
        let group = &mut self.groups[group_id];
        if !group.key.filter.matches_ids(&event.ids) {
            return;
        }
        let is_first = !std::mem::replace(&mut group.is_touched, true);
        if is_first {
            self.touched.push(group_id);
            self.settle();
        }
        let group = &mut self.groups[group_id];
        if is_first {
            group.strand.begin();
        }
        let before = group.strand.bytes();
        group.add(event);
        self.segment_bytes += group.strand.bytes() - before;
    }

    /// What a touched group has got is on its way to its members.
    fn start_wave(&mut self, group_id: usize, before: Cursor) {
        let group = &mut self.groups[group_id];
        let bytes_before = group.strand.bytes();
        let runs = group.finish();
        self.segment_bytes += group.strand.bytes() - bytes_before;
        let left = group.members.len();
        self.rotation = self.rotation.wrapping_add(1);
        self.waves.push_back(Wave {
            group: group_id,
            runs,
            before,
            place: self.rotation % left,
            left,
        });
    }

    /// Puts into the rings what is still under way.
    fn settle(&mut self) {
        if self.waves.is_empty() {
            return;
        }
        for mut wave in std::mem::take(&mut self.waves) {
            while let Some(id) = wave.next(&self.groups) {
                self.push(id, &wave.runs, wave.before);
            }
        }
    }

    fn push(&mut self, id: MemberId, runs: &[Run], before: Cursor) {
        if !self.is_live(id) {
            return;
        }
        let member = &mut self.members[id.0];
        member.is_idle = false;
        if runs.iter().any(|run| member.ring.push(*run).is_err()) {
            self.lose(id, before);
        } else {
            self.make_ready(id);
        }
    }

    /// The next members of the oldest wave have their turn, `count` of them at most; says how many had.
    fn serve_wave(&mut self, count: usize) -> usize {
        let Some(mut wave) = self.waves.pop_front() else {
            return 0;
        };
        let (mut through, mut served) = (std::mem::take(&mut self.through), 0);
        while served < count
            && let Some(id) = wave.next(&self.groups)
        {
            served += 1;
            if wave.fits_a_turn() && self.members[id.0].is_idle {
                through.push(id);
            } else {
                self.push(id, &wave.runs, wave.before);
            }
        }
        self.write_through(&through, &wave);
        through.clear();
        self.through = through;
        if wave.left > 0 {
            self.waves.push_front(wave);
        }
        served
    }

    /// Writes a wave's run to members for whom nothing else waits, past their rings. What a socket does not take goes
    /// into its member's ring.
    fn write_through(&mut self, ids: &[MemberId], wave: &Wave) {
        let [run] = wave.runs[..] else {
            return;
        };
        let strand = &self.groups[wave.group].strand;
        let bytes = strand.slice(run.segment, run.start, run.end);
        let stretch = Stretch {
            group: wave.group,
            segment: run.segment,
            start: run.start,
            end: run.end,
        };
        let mut written = std::mem::take(&mut self.written);
        let sinks = ids.iter().map(|id| &self.members[id.0].sink);
        S::write_each(sinks, bytes, &mut written);
        for (id, written) in ids.iter().zip(written.drain(..)) {
            let strand = &self.groups[wave.group].strand;
            // What an error was is found again at the member's next turn.
            let written = written.unwrap_or(0);
            let member = &mut self.members[id.0];
            if written as u64 == run.bytes() {
                member.taken_bytes += written as u64;
                self.meter.wrote(written);
                self.meter.gave(stretch, u64::from(run.events), || {
                    strand.units(run.segment, run.start, run.end)
                });
                continue;
            }
            member.is_idle = false;
            member.ring.push(run).expect("an empty ring has room");
            if written > 0 {
                member.note_written(run, written, strand, &mut self.meter);
            }
            self.make_ready(*id);
        }
        self.written = written;
    }

    /// Lets the members write whose turn it is, `count` of them at most. `true` when some are left.
    pub fn flush(&mut self, count: usize) -> bool {
        // Half of the turns each: waves that follow each other do not keep those waiting who are ready, and those who
        // have much to write do not keep a wave waiting.
        let served = self.serve_wave(if self.ready.is_empty() {
            count
        } else {
            count.div_ceil(2)
        });
        for _ in served..count {
            if !self.serve_ready() {
                break;
            }
        }
        !self.ready.is_empty() || !self.waves.is_empty()
    }

    /// The next of those who are ready has its turn. `false` when nobody is.
    fn serve_ready(&mut self) -> bool {
        let Some(id) = self.ready.pop_front() else {
            return false;
        };
        // A member that left while it waited is no more.
        let Some(member) = self.members.get_mut(id.0) else {
            return true;
        };
        member.is_ready = false;
        if !member.sink.is_blocked() {
            match self.turn(id) {
                Turn::More => self.make_ready(id),
                Turn::Blocked | Turn::Gone => self.members[id.0].sink.nudge(),
                Turn::Done => {}
            }
        }
        true
    }

    /// One member's turn to write.
    pub fn turn(&mut self, id: MemberId) -> Turn {
        let mut left = TURN_BYTES;
        loop {
            let written = match &self.members[id.0].stage {
                Stage::Live => self.write_run(id, left),
                Stage::Behind(_) => self.write_outbox(id, left),
            };
            match written {
                Ok(0) => return Turn::Done,
                Ok(bytes) => {
                    left = left.saturating_sub(bytes);
                    if left == 0 {
                        return Turn::More;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.meter.counts.blocked_writes += 1;
                    return Turn::Blocked;
                }
                Err(_) => return Turn::Gone,
            }
        }
    }

    /// Writes of the oldest run, as far as it goes. 0 when there is none.
    fn write_run(&mut self, id: MemberId, most: usize) -> io::Result<usize> {
        let member = &mut self.members[id.0];
        let Some(run) = member.ring.peek() else {
            member.is_idle = true;
            return Ok(0);
        };
        let start = run.start + member.written;
        let end = run.end.min(start + place(most));
        let strand = &self.groups[member.group].strand;
        let bytes = match run.segment {
            PRIVATE => &member.private[0][start as usize..end as usize],
            segment => strand.slice(segment, start, end),
        };
        let written = member.sink.try_write(bytes)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        member.note_written(run, written, strand, &mut self.meter);
        Ok(written)
    }

    fn write_outbox(&mut self, id: MemberId, most: usize) -> io::Result<usize> {
        let member = &mut self.members[id.0];
        let Stage::Behind(behind) = &mut member.stage else {
            return Ok(0);
        };
        let waiting = &behind.outbox[behind.written..];
        if waiting.is_empty() {
            return Ok(0);
        }
        let written = member.sink.try_write(&waiting[..waiting.len().min(most)])?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        behind.written += written;
        member.taken_bytes += written as u64;
        self.meter.wrote(written);
        if behind.written == behind.outbox.len() {
            self.meter.counts.log_events += std::mem::take(&mut behind.events);
            // The next page may be long in coming, and most members are never behind again.
            (behind.outbox, behind.written) = (Vec::new(), 0);
            member.sink.nudge();
        }
        Ok(written)
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

    fn group(&mut self, mut key: Key) -> usize {
        let compressed = |(_, group): &(usize, &Group)| group.key.is_compressed;
        if key.is_compressed && !self.by_key.contains_key(&key) {
            key.is_compressed = self.groups.iter().filter(compressed).count() < COMPRESSED_GROUPS;
        }
        if let Some(group) = self.by_key.get(&key) {
            return *group;
        }
        let group = self.groups.insert(Group::new(key.clone(), self.position));
        self.by_key.insert(key, group);
        self.routes.clear();
        group
    }

    fn leave_group(&mut self, id: MemberId) {
        self.settle();
        let group = self.members[id.0].group;
        let members = &mut self.groups[group].members;
        if let Some(place) = members.iter().position(|member| *member == id.0) {
            members.swap_remove(place);
        }
        if members.is_empty() {
            let gone = self.groups.remove(group);
            self.segment_bytes -= gone.strand.bytes();
            self.by_key.remove(&gone.key);
            self.touched.retain(|touched| *touched != group);
            self.routes.clear();
        }
    }

    /// The groups whose filters pick a kind.
    fn route(&mut self, kind: &Kind) -> Rc<[usize]> {
        if let Some(groups) = self.routes.get(kind) {
            return Rc::clone(groups);
        }
        let picks = |filter: &Filter| filter.matches_kind(kind.as_str());
        let groups: Rc<[usize]> = self
            .groups
            .iter()
            .filter(|(_, group)| picks(&group.key.filter))
            .map(|(id, _)| id)
            .collect();
        if self.routes.len() >= ROUTES {
            self.routes.clear();
        }
        self.routes.insert(kind.clone(), Rc::clone(&groups));
        groups
    }

    fn keep_shard_bound(&mut self) {
        while self.segment_bytes > SHARD_BYTES {
            let sizes = self
                .groups
                .iter()
                .map(|(id, group)| (group.strand.bytes(), id));
            let Some((_, largest)) = sizes.max() else {
                return;
            };
            self.retire_oldest(largest);
        }
    }

    fn retire(&mut self, group: usize) {
        loop {
            let strand = &self.groups[group].strand;
            let is_over = strand.bytes() > GROUP_BYTES || strand.len() > super::ring::SLOTS - 1;
            if !is_over || strand.len() < 2 {
                return;
            }
            self.retire_oldest(group);
        }
    }

    /// Gives up a group's oldest segment, once those who still need it are out of it.
    fn retire_oldest(&mut self, group: usize) {
        let oldest = self.groups[group].strand.oldest();
        if self.waves.iter().any(|wave| wave.needs(group, oldest)) {
            self.settle();
        }
        for place in 0..self.groups[group].members.len() {
            let id = MemberId(self.groups[group].members[place]);
            if self.is_live(id) && self.members[id.0].needs(oldest) {
                self.lose(id, self.position);
            }
        }
        let strand = &mut self.groups[group].strand;
        let before = strand.bytes();
        strand.retire_oldest();
        self.segment_bytes -= before - strand.bytes();
    }
}

impl Wave {
    fn next(&mut self, groups: &Slab<Group>) -> Option<MemberId> {
        self.left = self.left.checked_sub(1)?;
        let members = &groups[self.group].members;
        let id = members[self.place];
        self.place += 1;
        if self.place == members.len() {
            self.place = 0;
        }
        Some(MemberId(id))
    }

    /// Whether a member may be given all of it in one turn, with one write.
    fn fits_a_turn(&self) -> bool {
        matches!(self.runs[..], [run] if run.bytes() <= TURN_BYTES as u64)
    }

    fn needs(&self, group: usize, segment: u32) -> bool {
        self.group == group && self.runs.iter().any(|run| run.segment == segment)
    }
}

impl<S> Member<S> {
    fn behind(&mut self) -> &mut Behind {
        match &mut self.stage {
            Stage::Behind(behind) => behind,
            Stage::Live => unreachable!("only a member that is behind is refilled"),
        }
    }

    /// Counts bytes that were written of the oldest run.
    fn note_written(&mut self, run: Run, bytes: usize, strand: &Strand, meter: &mut Meter) {
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
    fn finish_run(&mut self, run: Run) {
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
    fn needs(&self, segment: u32) -> bool {
        // A private run may stand before it; then the ring is looked at as if it needed it, which costs one read of the log.
        self.ring
            .peek()
            .is_some_and(|run| run.segment == segment || run.segment == PRIVATE)
    }
}

impl Behind {
    fn at(position: Cursor) -> Self {
        Self {
            position,
            outbox: Vec::new(),
            written: 0,
            events: 0,
            is_slow: false,
        }
    }
}

#[cfg(test)]
mod tests;
