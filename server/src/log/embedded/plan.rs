//! How a page finds its events: along one index, along a few merged, or along the table.
//!
//! The plan is written into the SQL (`INDEXED BY`, `NOT INDEXED`), not left to a planner whose statistics are missing.
//! It narrows what is visited; the filter is then checked on each visited row.

use rusqlite::{Connection, OptionalExtension, Result, ToSql, params_from_iter};
use todoki_codec::Within;
use uuid::Uuid;

use crate::log::span::Span;

/// Kinds, or ids, that are looked up one by one; with more of them the table itself is quicker to walk.
const KEYS_MERGED: usize = 8;

/// Entries of an index by which its density is judged.
const PROBE_ENTRIES: i64 = 32;

/// An index that names one event in so many or more is slower than the table: a walk visits this many rows (0.27 µs
/// each) in the time of one lookup by cursor (2 µs).
const ROWS_PER_LOOKUP: u8 = 8;

/// A value of an indexed column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Kind(i64),
    Id(Uuid),
}

impl ToSql for Key {
    fn to_sql(&self) -> Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Self::Kind(id) => id.to_sql(),
            Self::Id(id) => id.as_bytes().to_sql(),
        }
    }
}

/// What to walk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    Table,
    /// The entries of each key in the index of a column, merged by cursor.
    Index {
        column: &'static str,
        keys: Vec<Key>,
    },
}

impl Plan {
    /// The narrowest walk for events with these ids. `kinds` are the ids of those kinds that match; `None` when any does.
    pub(super) fn new(kinds: Option<&[i64]>, within: &Within) -> Self {
        let narrowest_first = [
            ("task_id", &within.task_id),
            ("session_id", &within.session_id),
            ("agent_id", &within.agent_id),
            ("project_id", &within.project_id),
        ];
        for (column, ids) in narrowest_first {
            // The system's events have no entry in the index of agents.
            let is_indexed = |ids: &&Vec<Uuid>| {
                ids.len() <= KEYS_MERGED && !(column == "agent_id" && ids.contains(&Uuid::nil()))
            };
            if let Some(ids) = ids.as_ref().filter(is_indexed) {
                let keys = ids.iter().copied().map(Key::Id).collect();
                return Self::Index { column, keys };
            }
        }
        match kinds {
            Some(kinds) if kinds.len() <= KEYS_MERGED => Self::Index {
                column: "kind",
                keys: kinds.iter().copied().map(Key::Kind).collect(),
            },
            _ => Self::Table,
        }
    }

    /// This plan, or a walk along the table where the index names so many events that it saves nothing.
    pub(super) fn unless_dense(self, connection: &Connection, span: Span) -> Result<Self> {
        let Self::Index { column, keys } = &self else {
            return Ok(self);
        };
        let sql = format!(
            "SELECT cursor FROM events INDEXED BY events_{column}
             WHERE {column} = ?3 AND cursor > ?1 AND cursor <= ?2
             ORDER BY cursor {} LIMIT 1 OFFSET {}",
            span.order(),
            PROBE_ENTRIES - 1
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut entries_per_million = 0;
        for key in keys {
            let probe: Option<i64> = statement
                .query_row((span.low.get(), span.high.get(), key), |row| row.get(0))
                .optional()?;
            if let Some(cursor) = probe {
                let start = if span.newest_first {
                    span.high
                } else {
                    span.low
                };
                let distance = (cursor - start.get()).abs().max(1);
                entries_per_million += PROBE_ENTRIES * 1_000_000 / distance;
            }
        }
        let is_dense = entries_per_million * i64::from(ROWS_PER_LOOKUP) >= 1_000_000;
        Ok(if is_dense { Self::Table } else { self })
    }

    /// What a row costs: as many as a walk along the table visits in the same time.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Table => 1,
            Self::Index { .. } => ROWS_PER_LOOKUP.into(),
        }
    }

    /// The query for these columns: `?1` and `?2` are the span, the keys follow.
    pub(super) fn sql(&self, span: Span, columns: &str) -> String {
        let order = span.order();
        match self {
            Self::Table => format!(
                "SELECT {columns} FROM events NOT INDEXED
                 WHERE cursor > ?1 AND cursor <= ?2 ORDER BY cursor {order}"
            ),
            Self::Index { column, keys } => {
                let walks: Vec<_> = (3..3 + keys.len())
                    .map(|place| {
                        format!(
                            "SELECT {columns} FROM events INDEXED BY events_{column}
                             WHERE {column} = ?{place} AND cursor > ?1 AND cursor <= ?2"
                        )
                    })
                    .collect();
                format!("{} ORDER BY cursor {order}", walks.join(" UNION ALL "))
            }
        }
    }

    /// What the query's parameters are.
    pub(super) fn parameters(&self, span: Span) -> impl rusqlite::Params {
        let keys = match self {
            Self::Table => &[][..],
            Self::Index { keys, .. } => keys,
        };
        let ends = [Key::Kind(span.low.get()), Key::Kind(span.high.get())];
        params_from_iter(ends.into_iter().chain(keys.iter().copied()))
    }
}

#[cfg(test)]
mod tests {
    use todoki_codec::Cursor;

    use super::super::schema;
    use super::*;

    fn steps(connection: &Connection, plan: &Plan, span: Span) -> Vec<String> {
        let sql = format!(
            "EXPLAIN QUERY PLAN {}",
            plan.sql(span, super::super::row::COLUMNS)
        );
        let mut statement = connection.prepare(&sql).unwrap();
        let steps = statement.query_map(plan.parameters(span), |row| row.get(3));
        steps.unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn every_plan_walks_in_cursor_order_without_sorting() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("events.db");
        let connection = schema::open(&path, &super::super::Options::default())
            .unwrap()
            .connection;
        let any = Within::default();
        let ids = |count: u128| Some((1..=count).map(Uuid::from_u128).collect());
        let one = || ids(1);
        let within = |task_id, session_id, agent_id, project_id| Within {
            agent_id,
            session_id,
            task_id,
            project_id,
        };
        for newest_first in [false, true] {
            let span = Span {
                low: Cursor::ORIGIN,
                high: Cursor::MAX,
                newest_first,
            };
            for (plan, walks) in [
                (Plan::new(None, &any), "PRIMARY KEY"),
                (Plan::new(Some(&[3]), &any), "events_kind"),
                (Plan::new(Some(&[1, 2, 5]), &any), "events_kind"),
                (
                    Plan::new(Some(&[1]), &within(one(), one(), one(), one())),
                    "events_task_id",
                ),
                (
                    Plan::new(Some(&[1]), &within(None, one(), one(), one())),
                    "events_session_id",
                ),
                (
                    Plan::new(None, &within(None, None, one(), one())),
                    "events_agent_id",
                ),
                (
                    Plan::new(None, &within(None, None, None, one())),
                    "events_project_id",
                ),
                (
                    Plan::new(None, &within(None, None, None, ids(KEYS_MERGED as u128))),
                    "events_project_id",
                ),
            ] {
                let steps = steps(&connection, &plan, span).join("\n");
                assert!(steps.contains(walks), "{plan:?}: {steps}");
                assert!(!steps.contains("B-TREE"), "{plan:?}: {steps}");
            }
        }
    }

    #[test]
    fn the_system_and_many_kinds_or_ids_are_looked_for_along_the_table() {
        let by_agent = |ids: &[u128]| Within {
            agent_id: Some(ids.iter().copied().map(Uuid::from_u128).collect()),
            ..Within::default()
        };
        assert_eq!(Plan::new(None, &by_agent(&[0])), Plan::Table);
        assert_eq!(Plan::new(None, &by_agent(&[0, 1])), Plan::Table);
        let many: Vec<_> = (1..=20).collect();
        assert_eq!(Plan::new(None, &by_agent(&many)), Plan::Table);
        let many: Vec<_> = (1..=20).collect();
        assert_eq!(Plan::new(Some(&many), &Within::default()), Plan::Table);
    }
}
