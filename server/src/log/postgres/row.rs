//! Rows of `todoki.events` as values.

use std::error::Error;

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use todoki_codec::{Cursor, Draft, Event, Ids, Kind, encode};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use crate::log::ReadError;

/// The columns of a row behind how far the log is trimmed, which is column 0.
pub(super) const COLUMNS: &str =
    "cursor, kind, time, agent_id, session_id, task_id, project_id, data";

/// Place of `cursor` in a row.
pub(super) const CURSOR: usize = 1;

/// Microseconds from the epoch of Unix to that of PostgreSQL, 2000-01-01.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// The earliest time that PostgreSQL has, in microseconds since its epoch: 4714 BC.
const EARLIEST: i64 = -211_813_488_000_000_000;

/// A `timestamptz`, which is microseconds in 64 bits on the wire, and in an event too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time(pub(super) Timestamp);

impl Time {
    /// The first microsecond that is not before `time`; events carry whole ones.
    pub(super) fn not_before(time: Timestamp) -> Self {
        let micros = (time.as_nanosecond() + 999).div_euclid(1000);
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
        // Of the last possible time the next microsecond is none: no event is that late either.
        Self(Timestamp::from_microsecond(micros).unwrap_or(time))
    }
}

impl<'a> FromSql<'a> for Time {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let micros = i64::from_sql(kind, raw)?
            .checked_add(POSTGRES_EPOCH)
            .ok_or("a time beyond the calendar")?;
        Ok(Self(Timestamp::from_microsecond(micros)?))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }
}

impl ToSql for Time {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        (self.0.as_microsecond() - POSTGRES_EPOCH)
            .max(EARLIEST)
            .to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

/// JSON bytes as text: they are UTF-8, and were checked when they came in.
#[derive(Debug)]
pub(super) struct Text(pub(super) Bytes);

impl ToSql for Text {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TEXT
    }

    to_sql_checked!();
}

/// The event of a row of [`COLUMNS`]. Its JSON is written here, by the code that writes it for a draft that comes in.
pub(super) fn event(row: &Row, kinds: &[Kind]) -> Result<Event, ReadError> {
    let draft = Draft {
        kind: kinds
            .get(kind_place(row)?)
            .ok_or_else(|| ReadError("an event has a kind without a name".into()))?
            .clone(),
        ids: Ids {
            agent_id: column::<Option<Uuid>>(row, 4)?.unwrap_or_default(),
            session_id: column(row, 5)?,
            task_id: column(row, 6)?,
            project_id: column(row, 7)?,
        },
        data: Bytes::copy_from_slice(column::<&str>(row, 8)?.as_bytes()),
        id: None,
    };
    Ok(encode::event(cursor(row, CURSOR)?, time(row, 3)?, &draft))
}

/// The place of the row's kind in a list of all kinds; ids count from 1.
pub(super) fn kind_place(row: &Row) -> Result<usize, ReadError> {
    let id: i32 = column(row, 2)?;
    usize::try_from(id - 1).map_err(|_| ReadError(format!("{id} is no kind").into()))
}

/// A cursor.
pub(super) fn cursor(row: &Row, place: usize) -> Result<Cursor, ReadError> {
    let number: i64 = column(row, place)?;
    Cursor::new(number).ok_or_else(|| ReadError(format!("{number} is no cursor").into()))
}

/// A time.
pub(super) fn time(row: &Row, place: usize) -> Result<Timestamp, ReadError> {
    column::<Time>(row, place).map(|time| time.0)
}

/// A value.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, place: usize) -> Result<T, ReadError> {
    row.try_get(place)
        .map_err(|error| ReadError(super::error::line(&error).into()))
}
