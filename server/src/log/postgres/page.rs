//! One page.

use todoki_codec::query::Direction;
use todoki_codec::{Cursor, Event, Kind};
use tokio_postgres::Row;

use super::plan::Plan;
use super::read::Readers;
use super::row;
use crate::log::shared::Shared;
use crate::log::span::Span;
use crate::log::{Page, PageRequest, ReadError};

/// Reads a page.
pub(super) async fn page(
    readers: &Readers,
    shared: &Shared,
    request: &PageRequest,
) -> Result<Page, ReadError> {
    // In this order: see `shared`. The snapshot comes last, so it has every event up to the head.
    let head = shared.head();
    let kinds = shared.kinds();
    let known_trimmed = shared.trimmed_through();
    let span = Span::of_page(request, head, known_trimmed);
    let plan = Plan::new(&request.filter, &kinds);
    let reach = plan.reach(span, request.max_events);
    let query = if span.is_empty() || plan.is_nothing() {
        // Nothing to find. How far the log is trimmed is asked all the same, and that all was looked at is told.
        Plan::default().query(reach, 0, 0)
    } else {
        plan.query(reach, request.max_events, request.max_bytes)
    };
    let rows = readers.run(&query).await?;
    // A standby that took over may not have heard of the last trim.
    let trimmed_through = trimmed_through(&rows)?.max(known_trimmed);
    let walk = Walk::new(&rows, &kinds, request.max_events, request.max_bytes)?;
    let walked = if plan.is_nothing() { span } else { reach };
    Ok(walk.into_page(request.direction, span, walked, trimmed_through.next()))
}

/// How far the log was trimmed when the rows were read.
pub(super) fn trimmed_through(rows: &[Row]) -> Result<Cursor, ReadError> {
    let row = rows
        .first()
        .ok_or_else(|| ReadError("the log has lost its only row".into()))?;
    row::cursor(row, 0)
}

/// Rows of a query of [`Plan::query`] that have an event.
pub(super) fn with_event(rows: &[Row]) -> impl Iterator<Item = Result<&Row, ReadError>> {
    rows.iter()
        .filter_map(|row| match row::column::<Option<i64>>(row, row::CURSOR) {
            Ok(None) => None,
            Ok(Some(_)) => Some(Ok(row)),
            Err(error) => Some(Err(error)),
        })
}

/// How far a walk came.
struct Walk {
    events: Vec<Event>,
    /// Whether it ended at a limit of the page.
    is_full: bool,
}

impl Walk {
    fn new(
        rows: &[Row],
        kinds: &[Kind],
        max_events: usize,
        max_bytes: usize,
    ) -> Result<Self, ReadError> {
        let mut events: Vec<Event> = Vec::with_capacity(rows.len());
        let mut bytes = 0;
        let is_full = |count, bytes| count >= max_events || (bytes >= max_bytes && count > 0);
        for row in with_event(rows) {
            if is_full(events.len(), bytes) {
                break;
            }
            let event = row::event(row?, kinds)?;
            bytes += event.json.len();
            events.push(event);
        }
        let is_full = is_full(events.len(), bytes);
        Ok(Self { events, is_full })
    }

    /// `span` is all that could be read, `walked` the part of it that was.
    fn into_page(
        mut self,
        direction: Direction,
        span: Span,
        walked: Span,
        earliest: Cursor,
    ) -> Page {
        // The end of what could be read. Never behind where the page started: whoever asks from beyond the head is
        // not sent back.
        let (end, walked_to) = match direction {
            Direction::After(after) => (span.high.max(after), walked.high.max(after)),
            Direction::Before(before) => {
                (span.low.next().min(before), walked.low.next().min(before))
            }
        };
        let last = self.events.last().map(|event| event.cursor);
        let reached = last.filter(|_| self.is_full).unwrap_or(walked_to);
        if span.newest_first {
            self.events.reverse();
        }
        Page {
            events: self.events,
            reached,
            has_more: reached != end,
            earliest,
        }
    }
}
