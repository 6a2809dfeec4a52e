//! The cursors that one reading looks at.

use todoki_codec::Cursor;
use todoki_codec::query::Direction;

use super::PageRequest;

/// The cursors to look at: `(low, high]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) low: Cursor,
    pub(super) high: Cursor,
    /// Backward, from `high` down.
    pub(super) newest_first: bool,
}

impl Span {
    /// What a page may look at, in a log that is trimmed up to here and has this head.
    pub(super) fn of_page(request: &PageRequest, head: Cursor, trimmed_through: Cursor) -> Self {
        match request.direction {
            Direction::After(after) => Self {
                low: after.max(trimmed_through),
                high: request.until.map_or(head, |until| until.min(head)),
                newest_first: false,
            },
            Direction::Before(before) => Self {
                low: trimmed_through,
                high: before.before().min(head),
                newest_first: true,
            },
        }
    }

    /// From the newest down.
    pub(super) fn newest_first(low: Cursor, high: Cursor) -> Self {
        Self {
            low,
            high,
            newest_first: true,
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self.low >= self.high
    }

    /// Cursors in it.
    pub(super) fn len(self) -> u64 {
        self.high.count_since(self.low)
    }

    /// The first so many cursors, in its own direction.
    pub(super) fn first(self, cursors: usize) -> Self {
        if self.newest_first {
            let low = self.high.back(cursors as u64).max(self.low);
            Self { low, ..self }
        } else {
            let high = self.low.forward(cursors).min(self.high);
            Self { high, ..self }
        }
    }

    /// Its direction, as SQL has it.
    pub(super) fn order(self) -> &'static str {
        if self.newest_first { "DESC" } else { "ASC" }
    }
}
