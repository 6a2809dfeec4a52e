//! Counts: how many events in which window of time, and what they are about.
//!
//! The database groups and counts; what comes back is small. A count spans so many cursors, newest first, that it ends in
//! time, and says how far it came.

use todoki_codec::{Cursor, Filter, Windows};
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::page::trimmed_through;
use super::plan::Plan;
use super::read::Readers;
use super::row::{self, Time};
use crate::log::count::{HistogramTally, most_frequent};
use crate::log::shared::Shared;
use crate::log::span::Span;
use crate::log::{Facets, Frequent, Histogram, Reach, ReadError};

/// Which columns a row is not grouped by, as `grouping(kind, agent_id, session_id, task_id)` has it: all but this one.
const BY_KIND: i32 = 0b0111;
const BY_AGENT: i32 = 0b1011;
const BY_SESSION: i32 = 0b1101;
const BY_TASK: i32 = 0b1110;

/// Counts the events of each window.
pub(super) async fn histogram(
    readers: &Readers,
    shared: &Shared,
    filter: &Filter,
    windows: Windows,
) -> Result<Histogram, ReadError> {
    // In this order: see `shared`.
    let head = shared.head();
    let kinds = shared.kinds();
    let edges = edges(readers, head, windows).await?;
    let plan = Plan::new(filter, &kinds);
    let span = Span::newest_first(edges[0], edges[windows.count()]);
    let counted = plan.counted(span);
    let numbers: Vec<i64> = edges.iter().map(|edge| edge.get()).collect();
    let query = plan.count(counted, |query, within| {
        let edges = query.bind(numbers, Type::INT8_ARRAY);
        format!(
            "SELECT l.trimmed_through, c.* FROM todoki.log l LEFT JOIN LATERAL (
                 SELECT kind, width_bucket(cursor - 1, {edges}) AS edge, count(*) AS events FROM todoki.events
                 WHERE {within} AND cursor > l.trimmed_through GROUP BY 1, 2
             ) c ON true"
        )
    });
    let rows = readers.run(&query).await?;
    let mut tally = HistogramTally::new(&kinds, windows.count());
    for row in &rows {
        if let Some(kind) = place(row, 1)? {
            // An event is behind as many edges as there are windows up to its own.
            let window = place(row, 2)?.unwrap_or_default();
            tally.add(kind, window, events(row, 3)?);
        }
    }
    Ok(tally.finish(reach(span, counted, trimmed_through(&rows)?)))
}

/// The positions of the ends of the windows.
async fn edges(
    readers: &Readers,
    head: Cursor,
    windows: Windows,
) -> Result<Vec<Cursor>, ReadError> {
    let times: Vec<_> = (0..=windows.count())
        .map(|place| Time::not_before(windows.edge(place)))
        .collect();
    let rows = readers
        .rows(
            "SELECT todoki.seek(time, $2) FROM unnest($1) WITH ORDINALITY AS t (time, place) ORDER BY place",
            &[(&times, Type::TIMESTAMPTZ_ARRAY), (&head.get(), Type::INT8)],
        )
        .await?;
    let edges: Vec<_> = rows
        .iter()
        .map(|row| row::cursor(row, 0))
        .collect::<Result<_, _>>()?;
    if edges.len() == times.len() {
        Ok(edges)
    } else {
        Err(ReadError("a time was not found".into()))
    }
}

/// Counts the events of each value.
pub(super) async fn facets(
    readers: &Readers,
    shared: &Shared,
    filter: &Filter,
    limit: usize,
) -> Result<Facets, ReadError> {
    let head = shared.head();
    let kinds = shared.kinds();
    let plan = Plan::new(filter, &kinds);
    let span = Span::newest_first(shared.trimmed_through(), head);
    let counted = plan.counted(span);
    let query = plan.count(counted, |query, within| {
        // One more than asked for, since those without an id are a group too.
        let limit = query.bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1), Type::INT8);
        format!(
            "SELECT l.trimmed_through, c.* FROM todoki.log l LEFT JOIN LATERAL (
                 SELECT facet, kind, id, events FROM (
                     SELECT *, row_number() OVER (PARTITION BY facet ORDER BY events DESC, id) AS place FROM (
                         SELECT grouping(kind, agent_id, session_id, task_id) AS facet, kind,
                             coalesce(agent_id, session_id, task_id) AS id, count(*) AS events
                         FROM todoki.events WHERE {within} AND cursor > l.trimmed_through
                         GROUP BY GROUPING SETS ((kind), (agent_id), (session_id), (task_id))
                     ) grouped
                 ) placed WHERE facet = {BY_KIND} OR (id IS NOT NULL AND place <= {limit})
             ) c ON true"
        )
    });
    let rows = readers.run(&query).await?;
    let ids = |facet: i32| -> Result<Frequent<Uuid>, ReadError> {
        let mut counts = Vec::new();
        for row in of_facet(&rows, facet) {
            counts.push((row::column(row, 3)?, events(row, 4)?));
        }
        Ok(most_frequent(counts, limit))
    };
    let mut of_kinds = vec![0; kinds.len()];
    for row in of_facet(&rows, BY_KIND) {
        let place = place(row, 2)?.unwrap_or_default();
        of_kinds[place] = events(row, 4)?;
    }
    Ok(Facets {
        events: of_kinds.iter().sum(),
        kinds: most_frequent(kinds.iter().cloned().zip(of_kinds), limit),
        agents: ids(BY_AGENT)?,
        sessions: ids(BY_SESSION)?,
        tasks: ids(BY_TASK)?,
        reach: reach(span, counted, trimmed_through(&rows)?),
    })
}

fn of_facet(rows: &[Row], facet: i32) -> impl Iterator<Item = &Row> {
    rows.iter()
        .filter(move |row| row::column::<Option<i32>>(row, 1).ok().flatten() == Some(facet))
}

/// How far a count came that was to span all of `span`, and spanned `counted`.
fn reach(span: Span, counted: Span, trimmed_through: Cursor) -> Reach {
    Reach {
        from_cursor: counted.low.max(trimmed_through.min(span.high)).next(),
        is_complete: counted.low <= span.low.max(trimmed_through),
    }
}

/// A number that counts from 1, as a place.
fn place(row: &Row, column: usize) -> Result<Option<usize>, ReadError> {
    let number: Option<i32> = row::column(row, column)?;
    number
        .map(|number| {
            usize::try_from(number - 1).map_err(|_| ReadError("a count makes no sense".into()))
        })
        .transpose()
}

fn events(row: &Row, column: usize) -> Result<u64, ReadError> {
    let events: i64 = row::column(row, column)?;
    u64::try_from(events).map_err(|_| ReadError("a count makes no sense".into()))
}
