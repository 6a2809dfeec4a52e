//! One group commit: what is sent to the database for it, and what its answer means for each append.
//!
//! The database decides under the lock which drafts are stored, by one rule for whole groups; here the same rule is gone
//! through once more with what it found, for the cursors and for the reasons.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use todoki_codec::{Cursor, Draft, Event, Kind, encode};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::row::{self, Text};
use crate::log::queue::Append;
use crate::log::{AppendError, ReadError};

/// Drafts after which a group is closed: some ten milliseconds of inserting, which the last producer of the group
/// waits for; beyond a thousand or so the commit is spread thin already.
const GROUP_DRAFTS: usize = 4096;

/// Bytes after which a group is closed: keeps a statement within what the network and the disk take in some ten
/// milliseconds.
const GROUP_BYTES: usize = 4 << 20;

/// Appends that are committed together. No id is in it twice, except within one append.
#[derive(Default)]
pub(super) struct Group {
    /// Names it, should its answer be lost.
    id: Uuid,
    pub(super) appends: Vec<Append>,
    drafts: usize,
    bytes: usize,
    ids: HashSet<Box<str>>,
}

/// What a draft of an append is, beside those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// Its own.
    Own,
    /// The same draft again, with the same id, as the one at this place in the append.
    Again(usize),
    /// Another draft with the id of the one at this place.
    Rival(usize),
}

/// A group as a statement takes it.
pub(super) struct Statement {
    server: String,
    group_id: Uuid,
    is_retry: bool,
    after: i64,
    refused: Vec<i32>,
    has_ids: bool,
    appends: Vec<i32>,
    kinds: Vec<i32>,
    agents: Vec<Option<Uuid>>,
    sessions: Vec<Option<Uuid>>,
    tasks: Vec<Option<Uuid>>,
    projects: Vec<Option<Uuid>>,
    ids: Vec<Option<Box<str>>>,
    bodies: Vec<Text>,
}

/// What the database did with a group.
pub(super) struct Answer {
    /// The cursor of the first draft that it stored, if it stored any.
    first: Cursor,
    time: Timestamp,
    /// Of drafts whose id was in the log: by their place in the statement, the event that has it, and whether the draft
    /// would have become that very event.
    known: HashMap<usize, (Cursor, bool)>,
}

/// Appends and their outcomes, in order.
type Outcomes = Vec<Result<Vec<Cursor>, AppendError>>;

impl Group {
    pub(super) fn new() -> Self {
        Self {
            id: Uuid::new_v4(),
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.appends.is_empty()
    }

    pub(super) fn drafts(&self) -> usize {
        self.drafts
    }

    pub(super) fn is_full(&self) -> bool {
        self.drafts >= GROUP_DRAFTS || self.bytes >= GROUP_BYTES
    }

    /// Takes an append in; gives it back when it has an id that the group has already, and must come after it.
    pub(super) fn add(&mut self, append: Append) -> Option<Append> {
        let ids = || append.drafts.iter().filter_map(|draft| draft.id.as_deref());
        if ids().any(|id| self.ids.contains(id)) {
            return Some(append);
        }
        self.ids.extend(ids().map(Box::from));
        self.drafts += append.drafts.len();
        self.bytes += append.bytes;
        self.appends.push(append);
        None
    }

    /// The statement. Every kind has its id by now.
    pub(super) fn statement(
        &self,
        server: &str,
        kinds: &HashMap<Kind, i32>,
        retry_after: Option<Cursor>,
    ) -> Statement {
        let mut statement = Statement {
            server: server.into(),
            group_id: self.id,
            is_retry: retry_after.is_some(),
            after: retry_after.unwrap_or_default().get(),
            refused: Vec::new(),
            has_ids: !self.ids.is_empty(),
            appends: Vec::with_capacity(self.drafts),
            kinds: Vec::with_capacity(self.drafts),
            agents: Vec::with_capacity(self.drafts),
            sessions: Vec::with_capacity(self.drafts),
            tasks: Vec::with_capacity(self.drafts),
            projects: Vec::with_capacity(self.drafts),
            ids: Vec::with_capacity(self.drafts),
            bodies: Vec::with_capacity(self.drafts),
        };
        for (number, append) in (1..).zip(&self.appends) {
            for (draft, slot) in append.drafts.iter().zip(slots(&append.drafts)) {
                match slot {
                    Slot::Own => statement.push(number, draft, kinds[&draft.kind]),
                    Slot::Again(_) => {}
                    Slot::Rival(_) => statement.refused.push(number),
                }
            }
        }
        statement
    }

    /// What the answer comes to: the events that were stored, and the outcome of each append.
    pub(super) fn settle(&self, answer: &Answer) -> (Vec<Event>, Outcomes) {
        let mut events = Vec::with_capacity(self.drafts);
        let mut place = 0;
        let outcomes = self
            .appends
            .iter()
            .map(|append| {
                let slots = slots(&append.drafts);
                let known = answer.of(place, &slots);
                place += slots.iter().filter(|slot| **slot == Slot::Own).count();
                if let Some(refusal) = refusal(&slots, &known) {
                    return Err(refusal);
                }
                let mut cursors: Vec<Cursor> = Vec::with_capacity(slots.len());
                for ((draft, slot), known) in append.drafts.iter().zip(slots).zip(known) {
                    cursors.push(match (slot, known) {
                        (Slot::Again(first) | Slot::Rival(first), _) => cursors[first],
                        (Slot::Own, Some((cursor, _))) => cursor,
                        (Slot::Own, None) => {
                            let cursor = answer.first.forward(events.len());
                            events.push(encode::event(cursor, answer.time, draft));
                            cursor
                        }
                    });
                }
                Ok(cursors)
            })
            .collect();
        (events, outcomes)
    }
}

/// What each draft of an append is.
fn slots(drafts: &[Draft]) -> Vec<Slot> {
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut slots = Vec::with_capacity(drafts.len());
    for (place, draft) in drafts.iter().enumerate() {
        let found = match draft.id.as_deref() {
            Some(id) => *first.entry(id).or_insert(place),
            None => place,
        };
        slots.push(match found {
            found if found == place => Slot::Own,
            found if drafts[found] == *draft => Slot::Again(found),
            found => Slot::Rival(found),
        });
    }
    slots
}

/// Why an append is not stored: what is wrong with the first draft of it that is wrong.
fn refusal(slots: &[Slot], known: &[Option<(Cursor, bool)>]) -> Option<AppendError> {
    slots
        .iter()
        .enumerate()
        .find_map(|(index, slot)| match *slot {
            Slot::Own => match known[index] {
                Some((cursor, false)) => Some(AppendError::Conflict { index, cursor }),
                _ => None,
            },
            Slot::Again(_) => None,
            // An event of this very append has no cursor to tell: it will not be stored.
            Slot::Rival(first) => Some(match known[first] {
                Some((cursor, _)) => AppendError::Conflict { index, cursor },
                None => AppendError::Rivals { index },
            }),
        })
}

impl Answer {
    /// The answer in the row of a [`Statement`].
    pub(super) fn new(row: &Row) -> Result<Self, ReadError> {
        let places: Option<Vec<i32>> = row::column(row, 2)?;
        let cursors: Option<Vec<i64>> = row::column(row, 3)?;
        let same: Option<Vec<bool>> = row::column(row, 4)?;
        let found = cursors
            .unwrap_or_default()
            .into_iter()
            .zip(same.unwrap_or_default());
        let mut known = HashMap::new();
        for (place, (cursor, is_same)) in places.unwrap_or_default().into_iter().zip(found) {
            let place = usize::try_from(place - 1);
            let (Ok(place), Some(cursor)) = (place, Cursor::new(cursor)) else {
                return Err(ReadError("the answer to an append makes no sense".into()));
            };
            known.insert(place, (cursor, is_same));
        }
        Ok(Self {
            first: row::cursor(row, 0)?,
            time: row::time(row, 1)?,
            known,
        })
    }

    /// What is known of the drafts of an append, the first of which is at `place`.
    fn of(&self, mut place: usize, slots: &[Slot]) -> Vec<Option<(Cursor, bool)>> {
        slots
            .iter()
            .map(|slot| {
                if *slot != Slot::Own {
                    return None;
                }
                place += 1;
                self.known.get(&(place - 1)).copied()
            })
            .collect()
    }
}

impl Statement {
    fn push(&mut self, append: i32, draft: &Draft, kind: i32) {
        self.appends.push(append);
        self.kinds.push(kind);
        // Only the system's nil id is stored as NULL.
        self.agents
            .push(Some(draft.ids.agent_id).filter(|id| !id.is_nil()));
        self.sessions.push(draft.ids.session_id);
        self.tasks.push(draft.ids.task_id);
        self.projects.push(draft.ids.project_id);
        self.ids.push(draft.id.clone());
        self.bodies.push(Text(draft.data.clone()));
    }

    /// Runs it: one round trip, and committed when it is answered.
    pub(super) async fn run(&self, client: &Client) -> Result<Vec<Row>, tokio_postgres::Error> {
        let parameters: [(&(dyn ToSql + Sync), Type); 14] = [
            (&self.server, Type::TEXT),
            (&self.group_id, Type::UUID),
            (&self.is_retry, Type::BOOL),
            (&self.after, Type::INT8),
            (&self.refused, Type::INT4_ARRAY),
            (&self.has_ids, Type::BOOL),
            (&self.appends, Type::INT4_ARRAY),
            (&self.kinds, Type::INT4_ARRAY),
            (&self.agents, Type::UUID_ARRAY),
            (&self.sessions, Type::UUID_ARRAY),
            (&self.tasks, Type::UUID_ARRAY),
            (&self.projects, Type::UUID_ARRAY),
            (&self.ids, Type::TEXT_ARRAY),
            (&self.bodies, Type::TEXT_ARRAY),
        ];
        client
            .query_typed(
                "SELECT first, stamp, known, known_cursors, known_same
                 FROM todoki.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
                &parameters,
            )
            .await
    }
}
