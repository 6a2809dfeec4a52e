//! One page.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result, Row};
use todoki_codec::query::Direction;
use todoki_codec::{Cursor, Event, Filter, Kind, WantedIds};
use uuid::Uuid;

use super::plan::{Plan, Span};
use super::read::trimmed_through;
use super::row;
use crate::log::shared::Shared;
use crate::log::{Page, PageRequest};

/// Rows that one page looks at: some 50 ms of work. A filter that picks next to nothing comes back with what it has,
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
    let span = span(request, head, trimmed_through);
    let picked = Picked::new(&request.filter, &kinds);
    let walk = if span.is_empty() || picked.is_nothing() {
        Walk::default()
    } else {
        Walk::run(&transaction, span, &picked, &kinds, request)?
    };
    Ok(walk.into_page(request.direction, span, trimmed_through.next()))
}

fn span(request: &PageRequest, head: Cursor, trimmed_through: Cursor) -> Span {
    match request.direction {
        Direction::After(after) => Span {
            low: after.max(trimmed_through),
            high: request.until.map_or(head, |until| until.min(head)),
            newest_first: false,
        },
        Direction::Before(before) => Span {
            low: trimmed_through,
            high: before.before().min(head),
            newest_first: true,
        },
    }
}

/// What a filter picks, in terms of columns.
struct Picked {
    /// By place in the list of kinds; `None` when all are.
    kinds: Option<Vec<bool>>,
    wanted: WantedIds,
    /// Columns and what they must hold.
    ids: Vec<(usize, Option<Uuid>)>,
}

impl Picked {
    fn new(filter: &Filter, kinds: &[Kind]) -> Self {
        let wanted = filter.wanted();
        let is_picked: Vec<_> = kinds
            .iter()
            .map(|kind| filter.matches_kind(kind.as_str()))
            .collect();
        let ids = [
            (row::TASK_ID, wanted.task_id),
            (row::SESSION_ID, wanted.session_id),
            (row::AGENT_ID, wanted.agent_id),
            (row::PROJECT_ID, wanted.project_id),
        ];
        Self {
            kinds: is_picked.contains(&false).then_some(is_picked),
            wanted,
            ids: ids
                .into_iter()
                .filter_map(|(column, id)| Some((column, id?)))
                // Only the system's nil id is stored as NULL.
                .map(|(column, id)| {
                    let is_system = column == row::AGENT_ID && id.is_nil();
                    (column, (!is_system).then_some(id))
                })
                .collect(),
        }
    }

    fn is_nothing(&self) -> bool {
        self.kinds
            .as_ref()
            .is_some_and(|kinds| !kinds.contains(&true))
    }

    fn plan(&self) -> Plan {
        let kinds: Option<Vec<i64>> = self.kinds.as_ref().map(|kinds| {
            let numbered = (1..).zip(kinds);
            numbered.filter(|(_, is)| **is).map(|(id, _)| id).collect()
        });
        Plan::new(kinds.as_deref(), self.wanted)
    }

    fn picks(&self, row: &Row<'_>) -> Result<bool> {
        if let Some(kinds) = &self.kinds
            && !kinds[row::kind_place(row, kinds.len())?]
        {
            return Ok(false);
        }
        for (column, id) in &self.ids {
            let wanted = match id {
                Some(id) => ValueRef::Blob(id.as_bytes()),
                None => ValueRef::Null,
            };
            if row.get_ref(*column)? != wanted {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// How far a walk came.
#[derive(Default)]
struct Walk {
    events: Vec<Event>,
    /// The last row it looked at, when it ended at a limit; `None` when it came to the end of the span.
    stopped_at: Option<Cursor>,
}

impl Walk {
    fn run(
        connection: &Connection,
        span: Span,
        picked: &Picked,
        kinds: &[Kind],
        request: &PageRequest,
    ) -> Result<Self> {
        let plan = picked.plan().unless_dense(connection, span)?;
        let mut statement = connection.prepare_cached(&plan.sql(span))?;
        let mut rows = statement.query(plan.parameters(span))?;
        let mut events: Vec<Event> = Vec::new();
        let (mut bytes, mut visited) = (0, 0);
        let mut last = if span.newest_first {
            span.high.next()
        } else {
            span.low
        };
        loop {
            let is_full = events.len() >= request.max_events
                || (bytes >= request.max_bytes && !events.is_empty());
            if is_full || visited >= VISITED_ROWS {
                let stopped_at = Some(last);
                return Ok(Self { events, stopped_at });
            }
            let Some(row) = rows.next()? else {
                let stopped_at = None;
                return Ok(Self { events, stopped_at });
            };
            visited += 1;
            last = row::cursor(row, row::CURSOR)?;
            if picked.picks(row)? {
                let event = row::event(row, kinds)?;
                bytes += event.json.len();
                events.push(event);
            }
        }
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
