//! Tickets of all servers on one database: one gives them, whichever is shown them takes them, and each is taken once.
//!
//! What a ticket lets its holder do is not known here: it is sealed. Sessions of their own serve it, since whoever shows a
//! ticket is not known yet: a flood of made-up ones keeps no page waiting.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::read::Readers;
use super::row;
use crate::clock;
use crate::log::ReadError;
use crate::log::shared::Shared;

/// Connections for tickets. Each statement is one row by its key; with two, one that waits for its turn holds up no other.
pub(super) const TICKET_READERS: usize = 2;

/// How long somebody waits for a table that takes its time: a page that connects would not wait for longer, and gets
/// another ticket.
const DEADLINE: Duration = Duration::from_secs(5);

/// Takes a ticket out of the table, whether or not it has expired: servers that do so at once wait for each other, and one
/// of them finds it.
const TAKE: &str =
    "DELETE FROM todoki.tickets WHERE digest = $1 RETURNING sealed, expires_at > clock_timestamp()";

const PUT: &str = "SELECT todoki.put_ticket($1, $2, $3, $4, $5, $6, $7)";

/// The table of tickets, as one server sees it.
#[derive(Debug)]
pub struct TicketTable {
    readers: Readers,
    shared: Arc<Shared>,
    /// When this server has cleared expired tickets away.
    swept: Mutex<Option<Instant>>,
}

/// A ticket as the table keeps it: nothing by which anybody could use it.
#[derive(Clone, Debug)]
pub struct KeptTicket {
    /// Digest of what its holder will show.
    pub digest: [u8; 32],
    /// Digest of whom it is for.
    pub principal: [u8; 32],
    /// What whoever is shown it will judge by.
    pub sealed: Vec<u8>,
}

/// How long tickets wait to be used, and how many.
#[derive(Clone, Copy, Debug)]
pub struct TicketRoom {
    /// For so long.
    pub lifetime: Duration,
    /// So many of one principal.
    pub most_of_one: usize,
    /// So many of all.
    pub most: usize,
}

/// What became of a ticket that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It waits to be used.
    Yes,
    /// As many of its principal wait as may.
    ManyOfOne,
    /// As many wait as may.
    Many,
}

impl TicketTable {
    pub(super) fn new(readers: Readers, shared: Arc<Shared>) -> Self {
        Self {
            readers,
            shared,
            swept: Mutex::default(),
        }
    }

    /// Keeps a ticket if there is room for it.
    pub async fn put(&self, ticket: &KeptTicket, room: TicketRoom) -> Result<Kept, ReadError> {
        let lifetime_ms = i32::try_from(room.lifetime.as_millis()).unwrap_or(i32::MAX);
        let [most_of_one, most] =
            [room.most_of_one, room.most].map(|most| i32::try_from(most).unwrap_or(i32::MAX));
        let sweeps = self.is_sweep_due(room.lifetime);
        let parameters: [(&(dyn ToSql + Sync), Type); 7] = [
            (&&ticket.digest[..], Type::BYTEA),
            (&&ticket.principal[..], Type::BYTEA),
            (&ticket.sealed, Type::BYTEA),
            (&lifetime_ms, Type::INT4),
            (&most_of_one, Type::INT4),
            (&most, Type::INT4),
            (&sweeps, Type::BOOL),
        ];
        let rows = self.in_time(self.readers.rows(PUT, &parameters)).await?;
        let row = rows.first().ok_or_else(no_answer)?;
        match row::column(row, 0)? {
            "kept" => Ok(Kept::Yes),
            "many_of_one" => Ok(Kept::ManyOfOne),
            _ => Ok(Kept::Many),
        }
    }

    /// Takes a ticket, which nobody can take again: what it had sealed, unless it is not there or has expired. Where the
    /// answer is lost it may have been taken, so it is not asked for twice.
    pub async fn take(&self, digest: &[u8; 32]) -> Result<Option<Vec<u8>>, ReadError> {
        let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&&digest[..], Type::BYTEA)];
        let rows = self.in_time(self.readers.once(TAKE, &parameters)).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let (sealed, is_in_time) = (row::column(row, 0)?, row::column(row, 1)?);
        Ok(Some(sealed).filter(|_| is_in_time))
    }

    /// What the database says, soon. Whoever shows a ticket may be anybody, so why it says nothing is for the operator.
    async fn in_time(
        &self,
        asking: impl Future<Output = Result<Vec<Row>, ReadError>>,
    ) -> Result<Vec<Row>, ReadError> {
        if self.shared.is_away() {
            return Err(no_answer());
        }
        match timeout(DEADLINE, asking).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => {
                tracing::debug!(cause = %error.0, "the table of tickets cannot be used");
                Err(no_answer())
            }
            Err(_elapsed) => Err(no_answer()),
        }
    }

    /// Whether this server is to clear expired tickets away: once in the life of one is often enough, and bounds how many
    /// there are.
    fn is_sweep_due(&self, lifetime: Duration) -> bool {
        let now = clock::instant();
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = swept.is_none_or(|swept| now - swept >= lifetime);
        if is_due {
            *swept = Some(now);
        }
        is_due
    }
}

fn no_answer() -> ReadError {
    ReadError("the database that keeps tickets does not answer; try again shortly".into())
}
