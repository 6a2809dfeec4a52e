//! One group commit: what each append of the group comes to, and the rows to write.
//!
//! All appends are decided before anything is written, so an append that is refused leaves nothing to take back.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Result, params};
use todoki_codec::{Cursor, Draft, Event, Kind, encode};
use uuid::Uuid;

use crate::log::{AppendError, KINDS};

const FIND_DRAFT: &str = "SELECT cursor, time, json FROM events WHERE draft_id = ?1";

const INSERT_EVENT: &str = "INSERT INTO events
    (cursor, kind, time, agent_id, session_id, task_id, project_id, draft_id, json)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

const INSERT_KIND: &str = "INSERT INTO kinds (id, name) VALUES (?1, ?2)";

/// Ids of the kinds, counting from 1 in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct KindIds {
    ids: HashMap<Kind, i64>,
    /// Kinds of the open group. Published when it commits, forgotten when it does not.
    new: Vec<Kind>,
}

impl KindIds {
    pub(super) fn new(kinds: &[Kind]) -> Self {
        let ids = kinds.iter().cloned().zip(1..).collect();
        Self {
            ids,
            new: Vec::new(),
        }
    }

    fn id(&mut self, connection: &Connection, kind: &Kind) -> Result<i64> {
        if let Some(&id) = self.ids.get(kind) {
            return Ok(id);
        }
        let id = i64::try_from(self.ids.len()).unwrap_or(i64::MAX) + 1;
        connection
            .prepare_cached(INSERT_KIND)?
            .execute(params![id, kind.as_str()])?;
        self.ids.insert(kind.clone(), id);
        self.new.push(kind.clone());
        Ok(id)
    }

    fn is_known(&self, kind: &Kind) -> bool {
        self.ids.contains_key(kind)
    }

    fn len(&self) -> usize {
        self.ids.len()
    }

    /// The kinds that the group brought, now committed.
    pub(super) fn commit(&mut self) -> Vec<Kind> {
        std::mem::take(&mut self.new)
    }

    /// Takes back what the group brought.
    pub(super) fn roll_back(&mut self) {
        for kind in self.new.drain(..) {
            self.ids.remove(&kind);
        }
    }
}

/// A group in the making.
pub(super) struct Group<'log, 'a> {
    connection: &'log Connection,
    kinds: &'log KindIds,
    head: Cursor,
    time: Timestamp,
    fresh: Vec<Fresh<'a>>,
    /// Where in `fresh` the drafts with an id are.
    ids: HashMap<&'a str, usize>,
    /// Kinds of `fresh` that the log has not yet.
    new_kinds: HashSet<&'a Kind>,
}

/// An event to be written.
struct Fresh<'a> {
    event: Event,
    draft_id: Option<&'a str>,
}

impl<'log, 'a> Group<'log, 'a> {
    /// A group on a connection in a transaction, after the event `head`.
    pub(super) fn new(
        connection: &'log Connection,
        kinds: &'log KindIds,
        head: Cursor,
        time: Timestamp,
    ) -> Self {
        Self {
            connection,
            kinds,
            head,
            time,
            fresh: Vec::new(),
            ids: HashMap::new(),
            new_kinds: HashSet::new(),
        }
    }

    /// Decides on one append: the cursors that its drafts have or will have, or why none of them is stored.
    pub(super) fn add(&mut self, drafts: &'a [Draft]) -> Result<Result<Vec<Cursor>, AppendError>> {
        let start = self.fresh.len();
        let decided = self.decide(drafts);
        if !matches!(decided, Ok(Ok(_))) {
            self.fresh.truncate(start);
            self.ids.retain(|_, place| *place < start);
            let kinds: HashSet<_> = self.fresh.iter().map(|fresh| &fresh.event.kind).collect();
            self.new_kinds.retain(|kind| kinds.contains(*kind));
        }
        decided
    }

    /// The rows to write.
    pub(super) fn into_rows(self) -> Rows<'a> {
        Rows(self.fresh)
    }

    fn decide(&mut self, drafts: &'a [Draft]) -> Result<Result<Vec<Cursor>, AppendError>> {
        let start = self.fresh.len();
        let mut cursors = Vec::with_capacity(drafts.len());
        for (index, draft) in drafts.iter().enumerate() {
            let cursor = match self.known(draft)? {
                None if !self.has_room_for(&draft.kind) => {
                    return Ok(Err(AppendError::TooManyKinds { index }));
                }
                None => match self.push(draft) {
                    Some(cursor) => cursor,
                    None => return Ok(Err(AppendError::Exhausted)),
                },
                Some(Known { cursor, same: true }) => cursor,
                // An event of this very append has no cursor to tell: it will not be stored.
                Some(_) if self.place(draft).is_some_and(|place| place >= start) => {
                    return Ok(Err(AppendError::Rivals { index }));
                }
                Some(Known { cursor, .. }) => {
                    return Ok(Err(AppendError::Conflict { index, cursor }));
                }
            };
            cursors.push(cursor);
        }
        Ok(Ok(cursors))
    }

    /// Whether the log may have this kind, which it then counts.
    fn has_room_for(&mut self, kind: &'a Kind) -> bool {
        if self.kinds.is_known(kind) {
            return true;
        }
        self.new_kinds.insert(kind);
        self.kinds.len() + self.new_kinds.len() <= KINDS
    }

    fn push(&mut self, draft: &'a Draft) -> Option<Cursor> {
        let last = self
            .fresh
            .last()
            .map_or(self.head, |last| last.event.cursor);
        if last == Cursor::MAX {
            return None;
        }
        let draft_id = draft.id.as_deref();
        if let Some(id) = draft_id {
            self.ids.insert(id, self.fresh.len());
        }
        let event = encode::event(last.next(), self.time, draft);
        self.fresh.push(Fresh { event, draft_id });
        Some(last.next())
    }

    /// Where in `fresh` the draft's id is already.
    fn place(&self, draft: &Draft) -> Option<usize> {
        self.ids.get(draft.id.as_deref()?).copied()
    }

    /// The event that has the draft's id already, in this group or in the log.
    fn known(&self, draft: &Draft) -> Result<Option<Known>> {
        let Some(id) = draft.id.as_deref() else {
            return Ok(None);
        };
        if let Some(place) = self.place(draft) {
            let event = &self.fresh[place].event;
            return Ok(Some(Known::new(
                draft,
                event.cursor,
                event.time,
                &event.json,
            )));
        }
        self.connection
            .prepare_cached(FIND_DRAFT)?
            .query_row([id], |row| {
                let (cursor, time) = super::row::cursor_and_time(row, 0, 1)?;
                Ok(Known::new(draft, cursor, time, row.get_ref(2)?.as_bytes()?))
            })
            .optional()
    }
}

/// The rows of a group whose appends are all decided.
pub(super) struct Rows<'a>(Vec<Fresh<'a>>);

impl Rows<'_> {
    /// Writes the rows, and gives the events back in cursor order.
    pub(super) fn write(self, connection: &Connection, kinds: &mut KindIds) -> Result<Vec<Event>> {
        let mut insert = connection.prepare_cached(INSERT_EVENT)?;
        for Fresh { event, draft_id } in &self.0 {
            let ids = event.ids;
            let blob = |id: Option<Uuid>| id.map(Uuid::into_bytes);
            let agent_id = Some(ids.agent_id).filter(|id| !id.is_nil());
            insert.execute(params![
                event.cursor.get(),
                kinds.id(connection, &event.kind)?,
                event.time.as_microsecond(),
                blob(agent_id),
                blob(ids.session_id),
                blob(ids.task_id),
                blob(ids.project_id),
                draft_id,
                Text(&event.json),
            ])?;
        }
        Ok(self.0.into_iter().map(|fresh| fresh.event).collect())
    }
}

/// The event that has a draft's id.
struct Known {
    cursor: Cursor,
    /// Whether the draft would have become that very event.
    same: bool,
}

impl Known {
    fn new(draft: &Draft, cursor: Cursor, time: Timestamp, json: &[u8]) -> Self {
        Self {
            cursor,
            same: encode::event(cursor, time, draft).json == json,
        }
    }
}

/// JSON bytes as text: they are UTF-8, and were checked when they came in.
struct Text<'a>(&'a [u8]);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}
