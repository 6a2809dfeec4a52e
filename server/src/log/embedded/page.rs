//! One page.

use std::ops::ControlFlow;

use rusqlite::{Connection, Result};
use todoki_codec::query::Direction;
use todoki_codec::{Cursor, Event, Kind};

use super::read::trimmed_through;
use super::row;
use super::walk::{Picked, walk};
use crate::log::shared::Shared;
use crate::log::span::Span;
use crate::log::{Page, PageRequest};

/// Rows of the table that one page looks at, or as many as cost the same: some 50 ms of work. A filter that picks next to nothing comes back with what it has,
/// and goes on from there, instead of holding a connection while it walks through the whole log.
const VISITED_ROWS: usize = 200_000;

/// Reads a page.
pub(super) fn page(
    connection: &Connection,
    shared: &Shared,
    request: &PageRequest,
) -> Result<Page> {
    // In this order: see `shared`. The snapshot comes last, so it has every event up to the head.
    let head = shared.head();
    let kinds = shared.kinds();
    let transaction = connection.unchecked_transaction()?;
    let trimmed_through = trimmed_through(&transaction)?;
    let span = Span::of_page(request, head, trimmed_through);
    let picked = Picked::new(&request.filter, &kinds);
    let found = Found::walk(&transaction, span, &picked, &kinds, request)?;
    Ok(found.into_page(request.direction, span, trimmed_through.next()))
}

/// What a walk found, and how far it came.
struct Found {
    events: Vec<Event>,
    /// The last row it looked at, when it ended at a limit; `None` when it came to the end of the span.
    stopped_at: Option<Cursor>,
}

impl Found {
    fn walk(
        connection: &Connection,
        span: Span,
        picked: &Picked<'_>,
        kinds: &[Kind],
        request: &PageRequest,
    ) -> Result<Self> {
        let mut events: Vec<Event> = Vec::new();
        let mut bytes = 0;
        let stopped_at = walk(
            connection,
            span,
            picked,
            row::COLUMNS,
            VISITED_ROWS,
            |row| {
                let event = row::event(row, kinds)?;
                bytes += event.json.len();
                events.push(event);
                let is_full = events.len() >= request.max_events || bytes >= request.max_bytes;
                Ok(if is_full {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            },
        )?;
        Ok(Self { events, stopped_at })
    }

    fn into_page(mut self, direction: Direction, span: Span, earliest: Cursor) -> Page {
        // The end of what could be read. Never behind where the page started: whoever asks from beyond the head is
        // not sent back.
        let end = match direction {
            Direction::After(after) => span.high.max(after),
            Direction::Before(before) => earliest.min(before),
        };
        if span.newest_first {
            self.events.reverse();
        }
        let reached = self.stopped_at.unwrap_or(end);
        Page {
            events: self.events,
            reached,
            has_more: reached != end,
            earliest,
        }
    }
}
