//! Turns: who writes when, and how what was distributed reaches the members of a group.

use std::io;

use slab::Slab;
use todoki_codec::Cursor;

use super::member::Stage;
use super::{Floor, MemberId, PRIVATE, Sink, TURN_BYTES, Turn};
use crate::hub::group::Group;
use crate::hub::meter::Stretch;
use crate::hub::ring::Run;
use crate::hub::segment::place;

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
pub(super) struct Wave {
    group: usize,
    runs: Vec<Run>,
    /// The position before them.
    before: Cursor,
    /// Place among the group's members of the next to be reached, and how many are left.
    place: usize,
    left: usize,
}

impl<S: Sink> Floor<S> {
    /// What a touched group has got is on its way to its members.
    pub(super) fn start_wave(&mut self, group_id: usize, before: Cursor) {
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
    pub(super) fn settle(&mut self) {
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

    pub(super) fn needs(&self, group: usize, segment: u32) -> bool {
        self.group == group && self.runs.iter().any(|run| run.segment == segment)
    }
}
