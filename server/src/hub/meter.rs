//! What a shard counts: plain numbers that its thread alone touches.
//!
//! Counting must cost nothing beside a write of some 5 µs, so there are no atomics, no locks and no clock here. The
//! shard says what time it is, once for many writes ([`Meter::set_time`]), and when each commit became durable
//! ([`Meter::note_commit`]). Whoever wants the counts asks the shard, which copies them between two turns: they agree
//! with each other, and with what was written.
//!
//! How late each event of a write is depends on the stretch of its group's bytes that was written and on the time, and
//! members that are up to date write the same stretch. So that is worked out once, and for the others merely counted.

use std::collections::VecDeque;

use todoki_codec::Cursor;

use super::segment::Unit;
use crate::histogram::{Histogram, SIZES, TIMES};

/// Commits whose time is remembered: as many as may wait for a shard. An event from before them counts as being as late
/// as the oldest of them, so it is late by at least what is told.
const COMMITS: usize = super::INBOX_BATCHES;

/// Commits that are looked through before all of them are searched: most of what is written was committed just before.
const NEWEST: usize = 8;

/// What was counted since the shard began.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Writes that a socket took something of.
    pub writes: u64,
    /// Bytes that sockets took.
    pub written_bytes: u64,
    /// Writes that a socket took nothing of.
    pub blocked_writes: u64,
    /// Events written from what a group shares.
    pub live_events: u64,
    /// Events written from the log.
    pub log_events: u64,
    /// Members that could not keep up and fell behind.
    pub fell_behind: u64,
    /// Those of them that are live again.
    pub caught_up: u64,
    /// Those of them that left, or went elsewhere, before.
    pub gave_up: u64,
    /// Events that were completed by a write of shared bytes.
    pub write_events: Histogram,
    /// From the commit of an event until it was written, for live events, in nanoseconds.
    pub lateness: Histogram,
    /// How long rounds took, in nanoseconds.
    pub rounds: Histogram,
    /// Times that the log released more than the shard had room for, which it then read from the log.
    pub overruns: u64,
    /// What became of subscribers.
    pub subscribers: crate::subscriber::Counts,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            writes: 0,
            written_bytes: 0,
            blocked_writes: 0,
            live_events: 0,
            log_events: 0,
            fell_behind: 0,
            caught_up: 0,
            gave_up: 0,
            write_events: Histogram::new(&SIZES),
            lateness: Histogram::new(&TIMES),
            rounds: Histogram::new(&TIMES),
            overruns: 0,
            subscribers: crate::subscriber::Counts::default(),
        }
    }
}

impl Counts {
    /// Adds what another shard has counted.
    pub fn add(&mut self, other: &Self) {
        self.writes += other.writes;
        self.written_bytes += other.written_bytes;
        self.blocked_writes += other.blocked_writes;
        self.live_events += other.live_events;
        self.log_events += other.log_events;
        self.fell_behind += other.fell_behind;
        self.caught_up += other.caught_up;
        self.gave_up += other.gave_up;
        self.write_events.merge(&other.write_events, 1);
        self.lateness.merge(&other.lateness, 1);
        self.rounds.merge(&other.rounds, 1);
        self.overruns += other.overruns;
        self.subscribers.add(&other.subscribers);
    }
}

/// Bytes of a segment that one write has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Whose segment.
    pub group: usize,
    /// Which of its segments.
    pub segment: u32,
    /// The first byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

/// Writes of the same stretch at the same time.
#[derive(Clone, Copy, Debug)]
struct Recent {
    stretch: Stretch,
    /// Events that each of them completed.
    events: u64,
    /// How many writes they are.
    times: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Meter {
    /// What is counted by those who own the meter.
    pub counts: Counts,
    /// The time, as the shard has last said.
    time: u64,
    /// The last cursor of each commit, and when it was durable.
    commits: VecDeque<(Cursor, u64)>,
    /// What was written last, and is not in the counts yet.
    recent: Option<Recent>,
    /// How late its events were.
    profile: Histogram,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            time: 0,
            commits: VecDeque::new(),
            recent: None,
            profile: Histogram::new(&TIMES),
        }
    }
}

impl Meter {
    /// What time it is, on the clock that commits are noted by. What is written until the next call is written now.
    pub fn set_time(&mut self, time: u64) {
        if self.time != time {
            self.settle();
            self.time = time;
        }
    }

    /// Events up to `last` that are not noted yet became durable at this time.
    pub fn note_commit(&mut self, last: Cursor, time: u64) {
        if self.commits.len() == COMMITS {
            self.commits.pop_front();
        }
        self.commits.push_back((last, time));
    }

    /// A socket took so many bytes.
    pub fn wrote(&mut self, bytes: usize) {
        self.counts.writes += 1;
        self.counts.written_bytes += bytes as u64;
    }

    /// A write of shared bytes has completed so many events: those of `units`, which are asked for only if need be.
    pub fn gave<'a>(&mut self, stretch: Stretch, events: u64, units: impl FnOnce() -> &'a [Unit]) {
        match &mut self.recent {
            Some(recent) if recent.stretch == stretch => recent.times += 1,
            _ => {
                self.settle();
                self.recent = Some(Recent {
                    stretch,
                    events,
                    times: 1,
                });
                self.work_out(units());
            }
        }
    }

    /// What was counted, with nothing left out.
    pub fn settled(&mut self) -> &Counts {
        self.settle();
        &self.counts
    }

    /// Counts what was written last. Whoever gives a group's number, or its segments' numbers, to others calls it first:
    /// the next stretch of that name is another.
    pub fn settle(&mut self) {
        if let Some(Recent { events, times, .. }) = self.recent.take() {
            self.counts.live_events += events * times;
            self.counts.write_events.add(events, times);
            self.counts.lateness.merge(&self.profile, times);
            self.profile.clear();
        }
    }

    /// Walks along units and commits at once, since both are in cursor order.
    fn work_out(&mut self, units: &[Unit]) {
        let Some(oldest) = units.first() else { return };
        let mut place = self.place(oldest.first);
        let mut events = 0;
        for unit in units {
            // A unit of several commits is as late as its oldest event.
            while self
                .commits
                .get(place)
                .is_some_and(|(last, _)| *last < unit.first)
            {
                self.note_lateness(place, std::mem::take(&mut events));
                place += 1;
            }
            events += u64::from(unit.events);
        }
        self.note_lateness(place, events);
    }

    /// The commit that an event belongs to.
    fn place(&self, cursor: Cursor) -> usize {
        let newest = self.commits.len().saturating_sub(NEWEST);
        match self.commits.get(newest) {
            Some((last, _)) if *last < cursor => newest,
            _ => self.commits.partition_point(|(last, _)| *last < cursor),
        }
    }

    fn note_lateness(&mut self, commit: usize, events: u64) {
        if events > 0 {
            // What is written was distributed, and what is distributed was noted.
            let time = self
                .commits
                .get(commit)
                .map_or(self.time, |(_, time)| *time);
            self.profile.add(self.time.saturating_sub(time), events);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: u64 = 1_000_000;

    fn at(number: i64) -> Cursor {
        Cursor::new(number).unwrap()
    }

    fn unit(first: i64, last: i64, events: u16) -> Unit {
        let end = u32::try_from(last).unwrap() * 10;
        Unit {
            first: at(first),
            last: at(last),
            events,
            is_opening: true,
            end,
        }
    }

    fn stretch(start: u32, end: u32) -> Stretch {
        Stretch {
            group: 0,
            segment: 0,
            start,
            end,
        }
    }

    /// The counts of buckets that have any, by their bound in milliseconds.
    fn lateness(meter: &mut Meter) -> Vec<(u64, u64)> {
        let buckets = meter.settled().lateness.buckets().into_iter();
        let counted = buckets.filter(|(_, count)| *count > 0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small and positive"
        )]
        counted
            .map(|(bound, count)| ((bound * 1e3) as u64, count))
            .collect()
    }

    #[test]
    fn each_event_is_as_late_as_its_own_commit() {
        let mut meter = Meter::default();
        meter.note_commit(at(2), 10 * MILLI);
        meter.note_commit(at(3), 30 * MILLI);
        meter.note_commit(at(6), 31 * MILLI);
        meter.set_time(32 * MILLI);
        let units: Vec<_> = (1..=5).map(|cursor| unit(cursor, cursor, 1)).collect();
        for _ in 0..3 {
            meter.gave(stretch(0, 50), 5, || &units);
        }
        // Two are 22 ms late, one 2 ms, two 1 ms.
        assert_eq!(lateness(&mut meter), [(1, 6), (2, 3), (25, 6)]);
        assert_eq!(meter.settled().live_events, 15);
    }

    #[test]
    fn what_is_written_later_or_elsewhere_is_worked_out_anew() {
        let mut meter = Meter::default();
        meter.note_commit(at(9), 0);
        let units = [unit(1, 1, 1)];
        meter.set_time(MILLI);
        meter.gave(stretch(0, 10), 1, || &units);
        meter.set_time(50 * MILLI);
        meter.gave(stretch(0, 10), 1, || &units);
        let more = [unit(1, 1, 1), unit(2, 2, 1)];
        meter.gave(stretch(0, 20), 2, || &more);
        assert_eq!(lateness(&mut meter), [(1, 1), (50, 3)]);
    }

    #[test]
    fn a_unit_of_several_commits_is_as_late_as_its_oldest_event() {
        let mut meter = Meter::default();
        meter.note_commit(at(4), 0);
        meter.note_commit(at(9), 90 * MILLI);
        meter.set_time(100 * MILLI);
        let units = [unit(2, 7, 5), unit(8, 9, 2)];
        meter.gave(stretch(0, 90), 7, || &units);
        assert_eq!(lateness(&mut meter), [(10, 2), (100, 5)]);
    }

    #[test]
    fn of_forgotten_commits_it_is_told_how_late_they_are_at_least() {
        let mut meter = Meter::default();
        let commits = i64::try_from(COMMITS).unwrap() + 1;
        for number in 1..=commits {
            meter.note_commit(at(number), number.unsigned_abs() * MILLI);
        }
        assert_eq!(meter.commits.len(), COMMITS);
        meter.set_time(commits.unsigned_abs() * MILLI);
        meter.gave(stretch(0, 10), 1, || &[]);
        let units = [unit(1, 1, 1)];
        meter.gave(stretch(10, 20), 1, || &units);
        let at_least = meter.settled().lateness.sum();
        assert!((at_least - 4.095).abs() < 1e-9, "{at_least}");
    }
}
