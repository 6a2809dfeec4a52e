//! What a producer posts (a draft) and what the log has accepted and numbered (an event).

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::kind::Kind;
use crate::limits::CURSOR_MAX;

/// A position in the one global order: after the event of that number. Strictly increasing in commit order.
///
/// Invariant: `0 ..= CURSOR_MAX`. Events have cursors from 1; [`Cursor::ORIGIN`] is the position before them all.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(try_from = "i64", into = "i64")]
pub struct Cursor(i64);

impl Cursor {
    /// Before the first event.
    pub const ORIGIN: Self = Self(0);
    /// The last cursor there can be.
    pub const MAX: Self = Self(CURSOR_MAX);

    /// The cursor of this number, if it is in range.
    pub const fn new(number: i64) -> Option<Self> {
        if number < 0 || number > CURSOR_MAX {
            None
        } else {
            Some(Self(number))
        }
    }

    /// The number as it goes on the wire.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The cursor `count` places later, or the last there can be.
    #[must_use]
    pub fn forward(self, count: usize) -> Self {
        let count = i64::try_from(count).unwrap_or(CURSOR_MAX);
        Self(self.0.saturating_add(count).min(CURSOR_MAX))
    }

    /// The position `count` events earlier, or the origin.
    #[must_use]
    pub fn back(self, count: u64) -> Self {
        let count = i64::try_from(count).unwrap_or(CURSOR_MAX);
        Self((self.0 - count.min(CURSOR_MAX)).max(0))
    }

    /// The cursor of the next event.
    #[must_use]
    pub fn next(self) -> Self {
        self.forward(1)
    }

    /// The position just before the event of this number; the origin stays where it is.
    #[must_use]
    pub fn before(self) -> Self {
        self.back(1)
    }

    /// Events in `(from, self]`; 0 when `from` is not before this cursor.
    pub fn count_since(self, from: Self) -> u64 {
        u64::try_from(self.0 - from.0).unwrap_or(0)
    }
}

impl From<Cursor> for i64 {
    fn from(cursor: Cursor) -> Self {
        cursor.0
    }
}

impl TryFrom<i64> for Cursor {
    type Error = &'static str;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        Self::new(number).ok_or("a cursor is a whole number from 0 to 2^53-1")
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whom and what an event is about. Filters look at these and at the kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ids {
    /// Who acted; the nil UUID is the system.
    pub agent_id: Uuid,
    /// The agent's session.
    pub session_id: Option<Uuid>,
    /// The task it worked on.
    pub task_id: Option<Uuid>,
    /// The project that isolates it from others.
    pub project_id: Option<Uuid>,
}

impl Ids {
    /// All of them, each in the place in which [`Within::each`](crate::Within::each) has the list for it.
    pub fn each(&self) -> [Option<Uuid>; 4] {
        [
            Some(self.agent_id),
            self.session_id,
            self.task_id,
            self.project_id,
        ]
    }
}

/// What a producer posts, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What happened.
    pub kind: Kind,
    /// Whom it is about.
    pub ids: Ids,
    /// The producer's JSON object, byte for byte.
    pub data: Bytes,
    /// Makes a retry return the first cursor: 1 to [`DRAFT_ID_BYTES`](crate::limits::DRAFT_ID_BYTES) visible ASCII characters.
    pub id: Option<Box<str>>,
}

/// What the log has accepted and numbered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the order.
    pub cursor: Cursor,
    /// When the log took it, to the microsecond.
    pub time: Timestamp,
    /// What happened.
    pub kind: Kind,
    /// Whom it is about.
    pub ids: Ids,
    /// The event as it goes on the wire, written once.
    pub json: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_stays_within_what_doubles_keep_exact() {
        assert_eq!(Cursor::new(-1), None);
        assert_eq!(Cursor::new(0), Some(Cursor::ORIGIN));
        assert_eq!(Cursor::new(CURSOR_MAX), Some(Cursor::MAX));
        assert_eq!(Cursor::new(CURSOR_MAX + 1), None);
        assert_eq!(Cursor::MAX.next(), Cursor::MAX);
        assert_eq!(Cursor::ORIGIN.before(), Cursor::ORIGIN);
    }

    #[test]
    fn events_between_two_cursors_are_counted() {
        let at = |n| Cursor::new(n).unwrap();
        assert_eq!(at(7).count_since(at(3)), 4);
        assert_eq!(at(3).count_since(at(7)), 0);
    }
}
