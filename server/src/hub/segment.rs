//! Shared bytes: frames ready to be written, one after the other, the same for every subscriber of a group.
//!
//! A strand is a group's segments in order. Bytes are appended once and never change; a subscriber refers to them by
//! place. Beyond a bound the oldest segment is retired, after whoever still needs it was told.

use std::collections::VecDeque;

use todoki_codec::Cursor;

use super::ring::Run;

/// Room of a segment, unless one unit alone is larger: big enough that a busy subscriber seldom meets a boundary, small
/// enough to give back soon.
pub const SEGMENT_BYTES: usize = 256 << 10;

/// A distribution of at most so many bytes is kept in one piece, so that little of a segment is left unused.
const WHOLE_BYTES: usize = SEGMENT_BYTES / 8;

/// A unit of writing: a frame, with the events it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Cursor of its first event.
    pub first: Cursor,
    /// Cursor of its last event.
    pub last: Cursor,
    /// Events in it.
    pub events: u16,
    /// Whether it can be read without those before it.
    pub is_opening: bool,
    /// Behind its last byte in the segment.
    pub end: u32,
}

/// What a unit carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Cursor of its first event.
    pub first: Cursor,
    /// Cursor of its last event.
    pub last: Cursor,
    /// Events in it.
    pub events: u16,
}

/// How a reader at a position may come in.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    /// With these runs, and what is appended behind them.
    Now(Vec<Run>),
    /// Once it has read the log up to here: it stands inside a unit, or before one that is not opening.
    After(Cursor),
    /// With an opening unit that is yet to come; it reads the log until then.
    Later,
}

#[derive(Debug, Default)]
struct Segment {
    bytes: Vec<u8>,
    units: Vec<Unit>,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Strand {
    /// Number of the oldest segment.
    oldest: u32,
    segments: VecDeque<Segment>,
    bytes: usize,
    /// Bytes appended since [`Strand::begin`].
    fresh_bytes: usize,
    /// Whether the next unit opens a segment, whatever room there is.
    is_closed: bool,
    /// Everything of the group after this cursor, and up to the last that was distributed, is in the segments.
    start: Cursor,
}

impl Strand {
    /// A strand that holds what comes after `start`.
    pub fn new(start: Cursor) -> Self {
        Self {
            oldest: 0,
            segments: VecDeque::new(),
            bytes: 0,
            fresh_bytes: 0,
            is_closed: false,
            start,
        }
    }

    /// Everything of the group after this cursor is in the segments.
    pub fn start(&self) -> Cursor {
        self.start
    }

    /// Bytes reserved for segments.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of the oldest segment.
    pub fn oldest(&self) -> u32 {
        self.oldest
    }

    /// Segments there are.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Begins a distribution. If it may not find room in the newest segment, judging by the one before, it goes into the
    /// next: cut in two it would cost every member a second write.
    pub fn begin(&mut self) {
        let expected = std::mem::take(&mut self.fresh_bytes);
        let left = self.segments.back().map_or(SEGMENT_BYTES, |segment| {
            SEGMENT_BYTES.saturating_sub(segment.bytes.len())
        });
        self.is_closed = left < expected && expected <= WHOLE_BYTES;
    }

    /// Appends a unit of `length` bytes, which `write` writes, and returns where it is.
    pub fn append(
        &mut self,
        content: Content,
        is_opening: bool,
        length: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Run {
        let has_room = |segment: &Segment| segment.bytes.len() + length <= SEGMENT_BYTES;
        if self.is_closed || !self.segments.back().is_some_and(has_room) {
            self.open();
        }
        let segment_number = self.oldest + place(self.segments.len() - 1);
        let segment = self.segments.back_mut().expect("there is one now");
        let start = segment.bytes.len();
        let room = segment.bytes.capacity();
        write(&mut segment.bytes);
        self.fresh_bytes += length;
        self.bytes += segment.bytes.capacity() - room;
        debug_assert_eq!(
            segment.bytes.len(),
            start + length,
            "a unit is as long as it was said to be"
        );
        let end = place(segment.bytes.len());
        let Content {
            first,
            last,
            events,
        } = content;
        segment.units.push(Unit {
            first,
            last,
            events,
            is_opening,
            end,
        });
        Run {
            segment: segment_number,
            start: place(start),
            end,
            events: events.into(),
        }
    }

    /// The first segment grows by doubling, as most groups are quiet and have few bytes to keep. One that has filled a
    /// segment will fill the next, which is given its room at once.
    fn open(&mut self) {
        self.is_closed = false;
        let next = self
            .segments
            .back()
            .map_or_else(Segment::default, |last| Segment {
                bytes: Vec::with_capacity(SEGMENT_BYTES),
                units: Vec::with_capacity(last.units.len()),
            });
        self.bytes += next.bytes.capacity();
        self.segments.push_back(next);
    }

    /// The bytes from `start` to `end` of a segment.
    pub fn slice(&self, segment: u32, start: u32, end: u32) -> &[u8] {
        &self.segment(segment).bytes[start as usize..end as usize]
    }

    fn segment(&self, number: u32) -> &Segment {
        &self.segments[(number - self.oldest) as usize]
    }

    /// The units of a run that end at or before `end`, counted in events; and the first that does not.
    pub fn given(&self, run: Run, end: u32) -> (u64, Option<Unit>) {
        let units = &self.segment(run.segment).units;
        let begin = units.partition_point(|unit| unit.end <= run.start);
        let reached = units.partition_point(|unit| unit.end <= end);
        let events = units[begin..reached]
            .iter()
            .map(|unit| u64::from(unit.events))
            .sum();
        (
            events,
            units
                .get(reached)
                .copied()
                .filter(|unit| unit.end <= run.end),
        )
    }

    /// The units that end behind `start`, and at or before `end`.
    pub fn units(&self, segment: u32, start: u32, end: u32) -> &[Unit] {
        let units = &self.segment(segment).units;
        let begin = units.partition_point(|unit| unit.end <= start);
        let reached = units.partition_point(|unit| unit.end <= end);
        &units[begin..reached]
    }

    /// Whether a place is inside a unit, so that bytes before and behind it belong together.
    pub fn is_inside(&self, segment: u32, place: u32) -> bool {
        let units = &self.segment(segment).units;
        let ended = units.partition_point(|unit| unit.end <= place);
        place > ended.checked_sub(1).map_or(0, |before| units[before].end)
    }

    /// The last event of the units that end at `position` or before it, as far back as there are any.
    pub fn newest_until(&self, position: Cursor) -> Option<Cursor> {
        self.segments.iter().rev().find_map(|segment| {
            let ended = segment.units.partition_point(|unit| unit.last <= position);
            Some(segment.units[ended.checked_sub(1)?].last)
        })
    }

    /// How a reader of everything after `position` comes in.
    pub fn entry(&self, position: Cursor) -> Entry {
        let mut runs = Vec::new();
        let mut has_skipped = false;
        for (number, segment) in (self.oldest..).zip(&self.segments) {
            let begin = segment.units.partition_point(|unit| unit.last <= position);
            let Some(first) = segment.units.get(begin) else {
                continue;
            };
            if first.first <= position {
                return Entry::After(first.last);
            }
            if runs.is_empty() {
                let mut units = segment.units[begin..].iter();
                match units.find(|unit| unit.is_opening) {
                    Some(unit) if has_skipped || unit.first != first.first => {
                        return Entry::After(unit.first.before());
                    }
                    Some(_) => {}
                    None => {
                        has_skipped = true;
                        continue;
                    }
                }
            }
            let start = begin
                .checked_sub(1)
                .map_or(0, |before| segment.units[before].end);
            let events = segment.units[begin..]
                .iter()
                .map(|unit| u32::from(unit.events))
                .sum();
            runs.push(Run {
                segment: number,
                start,
                end: place(segment.bytes.len()),
                events,
            });
        }
        if has_skipped {
            Entry::Later
        } else {
            Entry::Now(runs)
        }
    }

    /// Gives the oldest segment back.
    pub fn retire_oldest(&mut self) {
        if let Some(segment) = self.segments.pop_front() {
            self.oldest += 1;
            self.bytes -= segment.bytes.capacity();
            self.start = segment.units.last().map_or(self.start, |unit| unit.last);
        }
    }
}

/// A place in a segment, or among them.
pub(super) fn place(number: usize) -> u32 {
    u32::try_from(number).expect("a segment is kilobytes, and there are few")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(strand: &mut Strand, length: usize) -> Run {
        let content = Content {
            first: Cursor::ORIGIN.next(),
            last: Cursor::ORIGIN.next(),
            events: 1,
        };
        strand.append(content, true, length, |out| {
            out.resize(out.len() + length, 0);
        })
    }

    #[test]
    fn a_distribution_as_large_as_the_last_is_not_cut() {
        let mut strand = Strand::new(Cursor::ORIGIN);
        for _ in 0..100 {
            strand.begin();
            let runs: Vec<_> = (0..10).map(|_| append(&mut strand, 1000)).collect();
            assert!(runs.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
        // 26 of 10,000 bytes fit into a segment.
        assert_eq!((strand.len(), strand.bytes() / SEGMENT_BYTES), (4, 4));
    }

    #[test]
    fn the_newest_event_up_to_a_position_is_found_in_any_segment() {
        let mut strand = Strand::new(Cursor::ORIGIN);
        let at = |number| Cursor::new(number).unwrap();
        assert_eq!(strand.newest_until(at(9)), None);
        for number in [2, 4, 6] {
            let content = Content {
                first: at(number),
                last: at(number),
                events: 1,
            };
            // Each fills a segment.
            strand.append(content, true, SEGMENT_BYTES, |out| {
                out.resize(out.len() + SEGMENT_BYTES, 0);
            });
        }
        assert_eq!(strand.len(), 3);
        for (position, newest) in [
            (1, None),
            (2, Some(2)),
            (3, Some(2)),
            (5, Some(4)),
            (9, Some(6)),
        ] {
            assert_eq!(strand.newest_until(at(position)), newest.map(at));
        }
    }

    #[test]
    fn a_large_distribution_uses_what_room_there_is() {
        let mut strand = Strand::new(Cursor::ORIGIN);
        for _ in 0..2 {
            strand.begin();
            for _ in 0..200 {
                append(&mut strand, 1000);
            }
        }
        assert_eq!(strand.len(), 2);
    }
}
