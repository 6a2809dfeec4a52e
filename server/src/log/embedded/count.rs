//! Counts: how many events in which window of time, and what they are about.
//!
//! SQLite counts the entries of an index several times as fast as it shows rows, and reads a tenth of the bytes. So what
//! is asked of all ids is counted in the indexes, and only a filter by id walks along rows. Either way one transaction is
//! read, so everything that a count says is of one moment.

use std::ops::ControlFlow;

use rusqlite::{Connection, Error, Result, Row};
use todoki_codec::{Cursor, Filter, Kind, Windows};
use uuid::Uuid;

use super::read::{position, trimmed_through};
use super::row;
use super::walk::{Picked, walk};
use crate::log::count::{FacetsTally, HistogramTally, most_frequent};
use crate::log::shared::Shared;
use crate::log::span::Span;
use crate::log::{Facets, Frequent, Histogram, Reach};

/// Rows that one count looks at: some 0.4 s of one core, on a connection that nobody else waits for.
pub(super) const ROWS: usize = 1_000_000;

/// Entries of an index that are counted in the time of one row.
const ENTRIES_PER_ROW: u64 = 8;

/// Entries that are counted in the time that it takes to begin with another kind or window.
const ENTRIES_PER_QUERY: u64 = 50;

/// Indexes that facets are counted along: of kinds, agents, sessions and tasks.
const FACETS: u64 = 4;

const COUNT_KIND: &str = "SELECT count(*) FROM events INDEXED BY events_kind
     WHERE kind = ?1 AND cursor > ?2 AND cursor <= ?3";

/// Counts the events of each window, looking at so many rows or at what costs the same.
pub(super) fn histogram(
    connection: &Connection,
    shared: &Shared,
    filter: &Filter,
    windows: Windows,
    max_rows: usize,
) -> Result<Histogram> {
    // In this order: see `shared`. The snapshot comes last, so it has every event up to the head.
    let head = shared.head();
    let kinds = shared.kinds();
    let transaction = connection.unchecked_transaction()?;
    let low = trimmed_through(&transaction)?;
    let edges: Vec<Cursor> = (0..=windows.count())
        .map(|place| position(&transaction, low, head, windows.edge(place)))
        .collect::<Result<_>>()?;
    let picked = Picked::new(filter, &kinds);
    let mut tally = HistogramTally::new(&kinds, windows.count());
    let span = Span::newest_first(edges[0], edges[windows.count()]);
    let places: Vec<usize> = (0..kinds.len())
        .filter(|place| picked.picks_kind(*place))
        .collect();
    let stopped_at = if picked.is_by_kind() && is_quicker_by_index(places.len(), &edges, span) {
        count_entries(&transaction, &places, &edges, entries(max_rows), &mut tally)?
    } else {
        let mut window = windows.count();
        walk(
            &transaction,
            span,
            &picked,
            row::ID_COLUMNS,
            max_rows,
            |row| {
                let cursor = row::cursor(row, row::CURSOR)?;
                // Cursors only fall, so the window only moves back.
                while cursor <= edges[window] {
                    window -= 1;
                }
                tally.add(row::kind_place(row, kinds.len())?, window, 1);
                Ok(ControlFlow::Continue(()))
            },
        )?
    };
    Ok(tally.finish(reach(span, stopped_at)))
}

/// Counts the events of each value, within the same bound.
pub(super) fn facets(
    connection: &Connection,
    shared: &Shared,
    filter: &Filter,
    limit: usize,
    max_rows: usize,
) -> Result<Facets> {
    let head = shared.head();
    let kinds = shared.kinds();
    let transaction = connection.unchecked_transaction()?;
    let span = Span::newest_first(trimmed_through(&transaction)?, head);
    if filter.is_all() && FACETS * span.len() <= entries(max_rows) {
        return indexed_facets(&transaction, span, &kinds, limit);
    }
    let picked = Picked::new(filter, &kinds);
    let mut tally = FacetsTally::new(kinds.len());
    let stopped_at = walk(
        &transaction,
        span,
        &picked,
        row::ID_COLUMNS,
        max_rows,
        |row| {
            tally.add(
                row::kind_place(row, kinds.len())?,
                row::id(row, row::AGENT_ID)?,
                row::id(row, row::SESSION_ID)?,
                row::id(row, row::TASK_ID)?,
            );
            Ok(if tally.is_full() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        },
    )?;
    Ok(tally.finish(&kinds, limit, reach(span, stopped_at)))
}

/// How far a count of this span came that ended at this cursor, or at the span's own end.
fn reach(span: Span, stopped_at: Option<Cursor>) -> Reach {
    let end = span.low.next();
    let from_cursor = stopped_at.unwrap_or(end);
    Reach {
        from_cursor,
        is_complete: from_cursor == end,
    }
}

/// Whether counting these kinds between these edges costs less than walking along all rows of the span.
fn is_quicker_by_index(kinds: usize, edges: &[Cursor], span: Span) -> bool {
    let windows = edges.windows(2).filter(|ends| ends[0] < ends[1]).count();
    let queries = (kinds * windows) as u64;
    queries * ENTRIES_PER_QUERY + span.len() <= span.len() * ENTRIES_PER_ROW
}

/// Entries that are counted in the time of so many rows.
fn entries(rows: usize) -> u64 {
    rows as u64 * ENTRIES_PER_ROW
}

/// Counts the entries of these kinds between each two edges, newest first, and `left` of them at most. Returns the last cursor it came to when that was
/// not the first edge.
fn count_entries(
    connection: &Connection,
    places: &[usize],
    edges: &[Cursor],
    mut left: u64,
    tally: &mut HistogramTally,
) -> Result<Option<Cursor>> {
    let mut count = connection.prepare_cached(COUNT_KIND)?;
    for (window, ends) in edges.windows(2).enumerate().rev() {
        let mut high = ends[1];
        while high > ends[0] {
            if left == 0 {
                return Ok(Some(high.next()));
            }
            // So many cursors have so many entries at most.
            let low = ends[0].max(high.back(left));
            for place in places {
                let between = (kind_id(*place), low.get(), high.get());
                let events = count.query_row(between, |row| events(row, 0))?;
                tally.add(*place, window, events);
                left = left.saturating_sub(events + ENTRIES_PER_QUERY);
            }
            high = low;
        }
    }
    Ok(None)
}

/// The facets of all events up to the span's end, each counted along an index of its own.
fn indexed_facets(
    connection: &Connection,
    span: Span,
    kinds: &[Kind],
    limit: usize,
) -> Result<Facets> {
    let mut by_kind: Vec<(Kind, u64)> = Vec::new();
    let mut count = connection.prepare_cached(COUNT_KIND)?;
    for (place, kind) in kinds.iter().enumerate() {
        let between = (kind_id(place), span.low.get(), span.high.get());
        let events = count.query_row(between, |row| events(row, 0))?;
        by_kind.push((kind.clone(), events));
    }
    let ids = |column| indexed_ids(connection, column, span.high, limit);
    Ok(Facets {
        events: by_kind.iter().map(|(_, events)| events).sum(),
        kinds: most_frequent(by_kind, limit),
        agents: ids("agent_id")?,
        sessions: ids("session_id")?,
        tasks: ids("task_id")?,
        reach: reach(span, None),
    })
}

fn ids_sql(column: &str) -> String {
    format!(
        "SELECT {column}, count(*) FROM events INDEXED BY events_{column}
         WHERE {column} IS NOT NULL AND cursor <= ?1 GROUP BY {column} ORDER BY 2 DESC, 1 LIMIT ?2"
    )
}

fn indexed_ids(
    connection: &Connection,
    column: &str,
    high: Cursor,
    limit: usize,
) -> Result<Frequent<Uuid>> {
    let mut count = connection.prepare_cached(&ids_sql(column))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = count.query_map((high.get(), limit), |row| {
        Ok((Uuid::from_bytes(row.get(0)?), events(row, 1)?))
    })?;
    rows.collect()
}

/// A number of events.
fn events(row: &Row<'_>, column: usize) -> Result<u64> {
    let count: i64 = row.get(column)?;
    u64::try_from(count).map_err(|_| Error::IntegralValueOutOfRange(column, count))
}

/// The id of the kind of this place; ids count from 1.
fn kind_id(place: usize) -> i64 {
    i64::try_from(place + 1).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    use jiff::Timestamp;
    use todoki_codec::{Draft, Ids, Pattern, WantedIds};

    use super::super::{Embedded, Options};

    /// Every so many events one is of the rare task.
    const RARE: usize = 125;

    /// A log of so many events, all but few of one task and of two kinds in turn.
    async fn log_of(events: usize) -> (tempfile::TempDir, Embedded) {
        let root = tempfile::tempdir().unwrap();
        let options = Options::default();
        let log = Embedded::open(root.path(), &options, Box::new(|_| ())).unwrap();
        let draft = |number: usize| Draft {
            kind: Kind::parse(["even.a", "odd.failed"][number % 2]).unwrap(),
            ids: Ids {
                task_id: Some(Uuid::from_u128(1 + u128::from(number.is_multiple_of(RARE)))),
                ..Ids::default()
            },
            data: "{}".into(),
            id: None,
        };
        let drafts = (1..=events).map(draft).collect();
        crate::log::Log::append(&log, drafts).await.unwrap();
        (root, log)
    }

    fn of_task(task: u128) -> Filter {
        let wanted = WantedIds {
            task_id: Some(Uuid::from_u128(task)),
            ..WantedIds::default()
        };
        Filter::new(Vec::new(), wanted)
    }

    /// A count that may not look at everything is exact for what is newest, and says where that begins.
    #[tokio::test]
    async fn a_count_ends_where_it_has_cost_enough() {
        let (root, log) = log_of(2000).await;
        let connection = schema::open_reader(&root.path().join("events.db")).unwrap();
        let kind = Filter::new(vec![Pattern::parse("odd.*").unwrap()], WantedIds::default());
        let all_time = Windows::new(Timestamp::UNIX_EPOCH, Timestamp::MAX, 1).unwrap();
        let whole = |reach: Reach| (reach.from_cursor.get(), reach.is_complete);
        for (filter, events, reach) in [
            // Along the table, as the index of a task or kind that every other event has saves nothing.
            (Filter::default(), 100, (1901, false)),
            (of_task(1), 99, (1901, false)),
            (kind.clone(), 50, (1901, false)),
            // Looking up costs eight times as much.
            (of_task(2), 13, (500, false)),
        ] {
            let facets = facets(&connection, &log.shared, &filter, 9, 100).unwrap();
            assert_eq!(
                (facets.events, whole(facets.reach)),
                (events, reach),
                "{filter}"
            );
            let of_tasks: u64 = facets.tasks.iter().map(|(_, count)| count).sum();
            assert_eq!(of_tasks, events, "{filter}");
        }
        for (filter, counts, reach) in [
            // By index, eight times as far for the same cost.
            (Filter::default(), [400, 400], (1201, false)),
            (of_task(1), [49, 50], (1901, false)),
        ] {
            let histogram = histogram(&connection, &log.shared, &filter, all_time, 100).unwrap();
            let found: Vec<_> = histogram
                .families
                .iter()
                .map(|family| family.counts[0])
                .collect();
            assert_eq!(
                (found, whole(histogram.reach)),
                (counts.into(), reach),
                "{filter}"
            );
            assert_eq!(histogram.failures, [counts[1]]);
        }
        for filter in [Filter::default(), of_task(1), kind] {
            let rows = 2000;
            let facets = facets(&connection, &log.shared, &filter, 9, rows).unwrap();
            let histogram = histogram(&connection, &log.shared, &filter, all_time, rows).unwrap();
            assert_eq!(whole(facets.reach), (1, true), "{filter}");
            assert_eq!(whole(histogram.reach), (1, true), "{filter}");
        }
    }

    /// What is counted along an index is not looked up in the table.
    #[test]
    fn indexes_hold_all_that_is_counted() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("events.db");
        let options = Options::default();
        let connection = schema::open(&path, &options).unwrap().connection;
        let steps = |sql: &str| -> String {
            let sql = format!("EXPLAIN QUERY PLAN {sql}");
            let mut statement = connection.prepare(&sql).unwrap();
            let parameters = vec![1; statement.parameter_count()];
            let steps = statement.query_map(rusqlite::params_from_iter(parameters), |row| {
                row.get::<_, String>(3)
            });
            steps
                .unwrap()
                .map(Result::unwrap)
                .collect::<Vec<_>>()
                .join("; ")
        };
        let kind = steps(COUNT_KIND);
        assert!(
            kind.contains("COVERING INDEX events_kind (kind=? AND rowid>? AND rowid<?)"),
            "{kind}"
        );
        for column in ["agent_id", "session_id", "task_id"] {
            let ids = steps(&ids_sql(column));
            assert!(
                ids.contains(&format!("COVERING INDEX events_{column}")),
                "{ids}"
            );
            assert!(!ids.contains("FOR GROUP BY"), "{ids}");
        }
    }

    #[test]
    fn many_kinds_in_many_windows_of_few_events_are_not_counted_one_by_one() {
        let at = |number| Cursor::new(number).unwrap();
        let edges = [0, 50, 50, 100].map(at);
        let span = Span::newest_first(edges[0], edges[3]);
        assert!(is_quicker_by_index(7, &edges, span));
        assert!(!is_quicker_by_index(8, &edges, span));
    }
}
