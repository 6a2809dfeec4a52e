//! How a page finds its events: along the cursors, or along an index of an id or of a kind, which are in the order of
//! cursors too.
//!
//! A session that reads may not sort or scan (see `connect`), so whichever index the planner takes, it walks it in order
//! and stops when the page is full. What a page may walk through is bounded by the cursors it spans.

use todoki_codec::{Filter, Kind, Scope, WantedIds, Within};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::row::COLUMNS;
use crate::log::span::Span;

/// Kinds, or ids, that are looked up one by one and merged; with more of them the cursors themselves are quicker to walk.
const KEYS_MERGED: usize = 8;

/// Cursors that a page with a filter spans: some 50 ms of work where it walks along them all. A filter that picks next to
/// nothing comes back with what it has, and goes on from there.
const SPAN_WALKED: usize = 200_000;

/// The same where an index names the events. Then it bounds nothing but a look into partitions that have none, and what
/// a planner that took the wrong index walks through.
const SPAN_INDEXED: usize = 2_000_000;

/// Cursors that one count spans, newest first: some 0.5 s of a core of the database.
const SPAN_COUNTED: usize = 1_000_000;

/// The same where an index names the events that are counted, which are a small part of all.
const SPAN_COUNTED_INDEXED: usize = 8_000_000;

/// The column whose nil id, the system's, is stored as NULL.
const AGENT_ID: &str = "agent_id";

/// JSON around `data` at the least, in bytes: with it the database leaves out what could not be in a page that is full.
const ENVELOPE_BYTES: i64 = 150;

/// What a page asks for.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Ids of the kinds that are picked; `None` when all are.
    kinds: Option<Vec<i32>>,
    /// Columns and what they must hold. `None` is the system.
    ids: Vec<(&'static str, Option<Uuid>)>,
    /// A column and few values of which every event has one, where the filter is scoped and no column must hold one value.
    keys: Option<(&'static str, Vec<Uuid>)>,
    /// One of these must let an event through; none where kinds and ids decide.
    parts: Vec<Part>,
}

/// What one scope lets through.
#[derive(Debug)]
struct Part {
    /// Ids of the kinds, among those that are picked; `None` when all of them are.
    kinds: Option<Vec<i32>>,
    /// Columns and what they may hold; the nil id is the system.
    lists: Vec<(&'static str, Vec<Uuid>)>,
}

/// A query to run.
#[derive(Default)]
pub(super) struct Query {
    pub(super) sql: String,
    parameters: Vec<(Box<dyn ToSql + Send + Sync>, Type)>,
}

impl Plan {
    /// The plan for a filter in a log with these kinds.
    pub(super) fn new(filter: &Filter, kinds: &[Kind]) -> Self {
        let WantedIds {
            agent_id,
            session_id,
            task_id,
            project_id,
        } = filter.wanted();
        let picked: Vec<_> = (1..)
            .zip(kinds)
            .filter(|(_, kind)| filter.matches_kind(kind.as_str()))
            .collect();
        let mut parts: Vec<_> = filter
            .scopes()
            .iter()
            .filter_map(|scope| Part::new(scope, &picked))
            .collect();
        if parts.iter().any(Part::is_everything) {
            parts.clear();
        }
        let picked: Vec<_> = picked.into_iter().map(|(id, _)| id).collect();
        let ids = [
            ("task_id", task_id.map(Some)),
            ("session_id", session_id.map(Some)),
            (
                AGENT_ID,
                agent_id.map(|id| Some(id).filter(|id| !id.is_nil())),
            ),
            ("project_id", project_id.map(Some)),
        ];
        let ids: Vec<_> = ids
            .into_iter()
            .filter_map(|(column, id)| Some((column, id?)))
            .collect();
        let is_indexed = ids.iter().any(|(_, id)| id.is_some());
        Self {
            kinds: (picked.len() < kinds.len()).then_some(picked),
            keys: (!is_indexed && !parts.is_empty())
                .then(|| few_keys(filter.within()))
                .flatten(),
            ids,
            parts,
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.kinds.as_ref().is_some_and(Vec::is_empty)
    }

    /// The part of a span that one page looks at.
    pub(super) fn reach(&self, span: Span, max_events: usize) -> Span {
        let is_indexed = self.is_merged() || self.is_by_id();
        match (&self.kinds, &*self.ids, &*self.parts) {
            // At most so many events are at so many cursors.
            (None, [], []) => span.first(max_events),
            _ if is_indexed => span.first(SPAN_INDEXED),
            _ => span.first(SPAN_WALKED),
        }
    }

    /// The query for a page: how far the log is trimmed, then [`COLUMNS`]; one row without them when there is no event.
    ///
    /// It is one statement, whose snapshot is taken when it has locked the table, and a partition is dropped only after
    /// the mark that its events are gone was committed: so a page that misses such events says so.
    pub(super) fn query(&self, span: Span, max_events: usize, max_bytes: usize) -> Query {
        let as_number = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let mut query = Query::default();
        let low = query.bind(span.low.get(), Type::INT8);
        let high = query.bind(span.high.get(), Type::INT8);
        let limit = query.bind(as_number(max_events), Type::INT8);
        let bytes = query.bind(as_number(max_bytes), Type::INT8);
        let order = span.order();
        let within = format!(
            "cursor > {low} AND cursor <= {high} AND cursor > l.trimmed_through{}{}",
            self.id_conditions(&mut query),
            self.part_conditions(&mut query),
        );
        let merged = |walked: Vec<String>, within: &str| {
            // Each with its own end: a planner without statistics thinks them few, reads all of them and sorts.
            let walks = walked.iter().map(|walked| {
                format!(
                    "(SELECT {COLUMNS} FROM todoki.events WHERE {walked} AND {within}
                     ORDER BY cursor {order} LIMIT {limit})"
                )
            });
            let walks = walks.collect::<Vec<_>>().join(" UNION ALL ");
            format!("SELECT * FROM ({walks}) merged")
        };
        let walks = match (&self.keys, &self.kinds) {
            (Some((column, ids)), _) => {
                let within = within + &self.kind_condition(&mut query);
                let walked = ids
                    .iter()
                    .map(|id| format!("{column} = {}", query.bind(*id, Type::UUID)));
                merged(walked.collect(), &within)
            }
            (None, Some(kinds)) if self.is_merged() => {
                let walked = kinds
                    .iter()
                    .map(|kind| format!("kind = {}", query.bind(*kind, Type::INT4)));
                merged(walked.collect(), &within)
            }
            _ => format!(
                "SELECT {COLUMNS} FROM todoki.events WHERE {within}{}",
                self.kind_condition(&mut query)
            ),
        };
        query.sql = format!(
            "SELECT l.trimmed_through, {COLUMNS} FROM todoki.log l LEFT JOIN LATERAL (
                SELECT *, sum(octet_length(data) + {ENVELOPE_BYTES}) OVER (
                    ORDER BY cursor {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ) AS bytes_before
                FROM ({walks} ORDER BY cursor {order} LIMIT {limit}) walked
             ) sized ON bytes_before IS NULL OR bytes_before < {bytes} ORDER BY cursor {order}"
        );
        query
    }

    /// The query that counts, for each of these expressions that group events, those of a span.
    pub(super) fn count(
        &self,
        span: Span,
        counting: impl FnOnce(&mut Query, &str) -> String,
    ) -> Query {
        let mut query = Query::default();
        let low = query.bind(span.low.get(), Type::INT8);
        let high = query.bind(span.high.get(), Type::INT8);
        let mut within = format!(
            "cursor > {low} AND cursor <= {high}{}",
            self.id_conditions(&mut query)
        );
        within += &self.kind_condition(&mut query);
        within += &self.part_conditions(&mut query);
        within += &self.key_condition(&mut query);
        query.sql = counting(&mut query, &within);
        query
    }

    /// The newest part of a span that one count looks at.
    pub(super) fn counted(&self, span: Span) -> Span {
        span.first(if self.is_by_id() {
            SPAN_COUNTED_INDEXED
        } else {
            SPAN_COUNTED
        })
    }

    /// Whether each kind is walked by itself, or each id.
    fn is_merged(&self) -> bool {
        let are_few = |kinds: &Vec<i32>| (1..=KEYS_MERGED).contains(&kinds.len());
        self.keys.is_some() || (self.ids.is_empty() && self.kinds.as_ref().is_some_and(are_few))
    }

    /// Whether the index of an id names the events.
    fn is_by_id(&self) -> bool {
        self.keys.is_some() || self.ids.iter().any(|(_, id)| id.is_some())
    }

    fn id_conditions(&self, query: &mut Query) -> String {
        let conditions = self.ids.iter().map(|(column, id)| match id {
            Some(id) => format!(" AND {column} = {}", query.bind(*id, Type::UUID)),
            None => format!(" AND {column} IS NULL"),
        });
        conditions.collect()
    }

    fn kind_condition(&self, query: &mut Query) -> String {
        self.kinds.as_ref().map_or_else(String::new, |kinds| {
            let kinds = query.bind(kinds.clone(), Type::INT4_ARRAY);
            format!(" AND kind = ANY ({kinds})")
        })
    }

    /// What each of the parts says by itself, once more for the index.
    fn key_condition(&self, query: &mut Query) -> String {
        self.keys
            .as_ref()
            .map_or_else(String::new, |(column, ids)| {
                let ids = query.bind(ids.clone(), Type::UUID_ARRAY);
                format!(" AND {column} = ANY ({ids})")
            })
    }

    fn part_conditions(&self, query: &mut Query) -> String {
        if self.parts.is_empty() {
            return String::new();
        }
        let parts: Vec<_> = (self.parts.iter())
            .map(|part| part.condition(query))
            .collect();
        format!(" AND ({})", parts.join(" OR "))
    }
}

impl Part {
    /// `None` when no kind that is `picked` is let through.
    fn new(scope: &Scope, picked: &[(i32, &Kind)]) -> Option<Self> {
        let kinds: Vec<_> = picked
            .iter()
            .filter(|(_, kind)| scope.matches_kind(kind.as_str()))
            .map(|(id, _)| *id)
            .collect();
        if kinds.is_empty() {
            return None;
        }
        let lists = by_column(scope.within().clone());
        Some(Self {
            kinds: (kinds.len() < picked.len()).then_some(kinds),
            lists: lists
                .into_iter()
                .filter_map(|(column, ids)| Some((column, ids?)))
                .collect(),
        })
    }

    fn is_everything(&self) -> bool {
        self.kinds.is_none() && self.lists.is_empty()
    }

    fn condition(&self, query: &mut Query) -> String {
        let kinds = self.kinds.as_ref().map(|kinds| {
            let kinds = query.bind(kinds.clone(), Type::INT4_ARRAY);
            format!("kind = ANY ({kinds})")
        });
        let lists = self.lists.iter().map(|(column, ids)| {
            let bound = query.bind(ids.clone(), Type::UUID_ARRAY);
            if ids.contains(&Uuid::nil()) && *column == AGENT_ID {
                format!("({column} = ANY ({bound}) OR {column} IS NULL)")
            } else {
                format!("{column} = ANY ({bound})")
            }
        });
        let all: Vec<_> = lists.chain(kinds).collect();
        format!("({})", all.join(" AND "))
    }
}

/// The lists by column, narrowest first.
fn by_column(within: Within) -> [(&'static str, Option<Vec<Uuid>>); 4] {
    [
        ("task_id", within.task_id),
        ("session_id", within.session_id),
        (AGENT_ID, within.agent_id),
        ("project_id", within.project_id),
    ]
}

/// The narrowest column whose index names all events with these ids by few values.
fn few_keys(within: Within) -> Option<(&'static str, Vec<Uuid>)> {
    by_column(within).into_iter().find_map(|(column, ids)| {
        // The system's events have no entry in the index of agents.
        let is_indexed = |ids: &Vec<Uuid>| {
            ids.len() <= KEYS_MERGED && !(column == AGENT_ID && ids.contains(&Uuid::nil()))
        };
        Some((column, ids.filter(is_indexed)?))
    })
}

impl Query {
    /// The values, as a client takes them.
    pub(super) fn typed(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        let parameters = self.parameters.iter();
        parameters
            .map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone()))
            .collect()
    }

    /// The place of a value in the query.
    pub(super) fn bind(&mut self, value: impl ToSql + Send + Sync + 'static, kind: Type) -> String {
        self.parameters.push((Box::new(value), kind));
        format!("${}", self.parameters.len())
    }
}
