//! Walking along the events of a span that a filter picks.

use std::ops::ControlFlow;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result, Row};
use todoki_codec::{Cursor, Filter, Kind};
use uuid::Uuid;

use super::plan::Plan;
use super::row;
use crate::log::span::Span;

/// What a filter picks, in terms of columns.
pub(super) struct Picked<'a> {
    filter: &'a Filter,
    /// The kinds of the log.
    names: &'a [Kind],
    /// By place in that list; `None` when all are.
    kinds: Option<Vec<bool>>,
    /// Columns and what they must hold.
    ids: Vec<(usize, Option<Uuid>)>,
}

impl<'a> Picked<'a> {
    pub(super) fn new(filter: &'a Filter, kinds: &'a [Kind]) -> Self {
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
            filter,
            names: kinds,
            kinds: is_picked.contains(&false).then_some(is_picked),
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

    pub(super) fn is_nothing(&self) -> bool {
        self.kinds
            .as_ref()
            .is_some_and(|kinds| !kinds.contains(&true))
    }

    /// Whether kinds alone decide.
    pub(super) fn is_by_kind(&self) -> bool {
        self.ids.is_empty() && !self.filter.is_scoped()
    }

    /// Whether the kind of this place is picked.
    pub(super) fn picks_kind(&self, place: usize) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds[place])
    }

    fn plan(&self) -> Plan {
        let kinds: Option<Vec<i64>> = self.kinds.as_ref().map(|kinds| {
            let numbered = (1..).zip(kinds);
            numbered.filter(|(_, is)| **is).map(|(id, _)| id).collect()
        });
        Plan::new(kinds.as_deref(), &self.filter.within())
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
        if self.filter.is_scoped() {
            let kind = &self.names[row::kind_place(row, self.names.len())?];
            return Ok(self.filter.matches_scopes(kind.as_str(), &row::ids(row)?));
        }
        Ok(true)
    }
}

/// Shows `take` the rows of a span that are picked, in its order, with these columns, until it breaks or has cost as much
/// as so many rows of the table do. Returns the last one that was looked at then, and `None` at the end of the span.
pub(super) fn walk(
    connection: &Connection,
    span: Span,
    picked: &Picked<'_>,
    columns: &str,
    max_rows: usize,
    mut take: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>>,
) -> Result<Option<Cursor>> {
    if span.is_empty() || picked.is_nothing() {
        return Ok(None);
    }
    let plan = picked.plan().unless_dense(connection, span)?;
    let mut statement = connection.prepare_cached(&plan.sql(span, columns))?;
    let mut rows = statement.query(plan.parameters(span))?;
    let mut cost = 0;
    while let Some(row) = rows.next()? {
        cost += plan.cost();
        let is_over = picked.picks(row)? && take(row)?.is_break();
        if is_over || cost >= max_rows {
            return row::cursor(row, row::CURSOR).map(Some);
        }
    }
    Ok(None)
}
