//! Rows of `events` as values.

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Error, Result, Row};
use todoki_codec::{Cursor, Event, Ids, Kind};
use uuid::Uuid;

/// The columns that [`event`] reads, in its order.
pub(super) const COLUMNS: &str =
    "cursor, kind, time, agent_id, session_id, task_id, project_id, json";

/// [`COLUMNS`] without the event itself, for whoever only counts: SQLite copies each column that is asked for.
pub(super) const ID_COLUMNS: &str = "cursor, kind, time, agent_id, session_id, task_id, project_id";

/// Place of `cursor` in [`COLUMNS`].
pub(super) const CURSOR: usize = 0;

/// Place of `kind` in [`COLUMNS`].
pub(super) const KIND: usize = 1;

/// Place of `agent_id` in [`COLUMNS`].
pub(super) const AGENT_ID: usize = 3;
/// Place of `session_id` in [`COLUMNS`].
pub(super) const SESSION_ID: usize = 4;
/// Place of `task_id` in [`COLUMNS`].
pub(super) const TASK_ID: usize = 5;
/// Place of `project_id` in [`COLUMNS`].
pub(super) const PROJECT_ID: usize = 6;

/// The event of a row of [`COLUMNS`].
pub(super) fn event(row: &Row<'_>, kinds: &[Kind]) -> Result<Event> {
    let (cursor, time) = cursor_and_time(row, CURSOR, 2)?;
    Ok(Event {
        cursor,
        time,
        kind: kinds[kind_place(row, kinds.len())?].clone(),
        ids: ids(row)?,
        json: Bytes::copy_from_slice(row.get_ref(7)?.as_bytes()?),
    })
}

/// Whom and what the event of a row is about.
pub(super) fn ids(row: &Row<'_>) -> Result<Ids> {
    Ok(Ids {
        agent_id: id(row, AGENT_ID)?.unwrap_or_default(),
        session_id: id(row, SESSION_ID)?,
        task_id: id(row, TASK_ID)?,
        project_id: id(row, PROJECT_ID)?,
    })
}

/// An id, if there is one.
pub(super) fn id(row: &Row<'_>, column: usize) -> Result<Option<Uuid>> {
    let id: Option<[u8; 16]> = row.get(column)?;
    Ok(id.map(Uuid::from_bytes))
}

/// The place of the row's kind in a list of `count` kinds; ids count from 1.
pub(super) fn kind_place(row: &Row<'_>, count: usize) -> Result<usize> {
    let id: i64 = row.get(KIND)?;
    usize::try_from(id - 1)
        .ok()
        .filter(|place| *place < count)
        .ok_or(Error::IntegralValueOutOfRange(KIND, id))
}

/// A cursor.
pub(super) fn cursor(row: &Row<'_>, column: usize) -> Result<Cursor> {
    let number: i64 = row.get(column)?;
    Cursor::new(number).ok_or(Error::IntegralValueOutOfRange(column, number))
}

/// A cursor and a time in microseconds.
pub(super) fn cursor_and_time(
    row: &Row<'_>,
    cursor_column: usize,
    time_column: usize,
) -> Result<(Cursor, Timestamp)> {
    let time: i64 = row.get(time_column)?;
    Ok((
        cursor(row, cursor_column)?,
        Timestamp::from_microsecond(time)
            .map_err(|_| Error::IntegralValueOutOfRange(time_column, time))?,
    ))
}
