//! Reading: a few read-only connections, each used by one blocking task at a time.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam::queue::ArrayQueue;
use jiff::Timestamp;
use rusqlite::{Connection, Result};
use todoki_codec::Cursor;
use tokio::sync::Semaphore;

use super::{row, schema};
use crate::log::ReadError;
use crate::log::shared::Shared;

/// Connections, hence blocking threads that read at once: two for each core of a small machine, so that one that
/// waits for the disk does not keep the core idle. Each has a page cache of its own.
const CONNECTIONS: usize = 4;

/// The pool. Connections are opened when they are first needed.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: ArrayQueue<Connection>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: ArrayQueue::new(CONNECTIONS),
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }

    /// Runs `read` with a connection. It runs to its end even if nobody waits for it any more.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let readers = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            readers.run_blocking(read)
        });
        match task.await {
            Ok(outcome) => outcome.map_err(|error| ReadError(error.to_string().into())),
            Err(error) => Err(ReadError(error.to_string().into())),
        }
    }

    fn run_blocking<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let connection = match self.idle.pop() {
            Some(connection) => connection,
            None => schema::open_reader(&self.path)?,
        };
        let outcome = read(&connection)?;
        // One that has failed is not put back: a new one costs little and has no memory of the failure.
        drop(self.idle.push(connection));
        Ok(outcome)
    }
}

/// How far the log is trimmed in the transaction that the connection is in.
pub(super) fn trimmed_through(connection: &Connection) -> Result<Cursor> {
    connection
        .prepare_cached("SELECT trimmed_through FROM meta")?
        .query_row([], |row| row::cursor(row, 0))
}

/// The position before the first event stamped at `time` or later: cursors are dense, so they can be halved.
pub(super) fn seek(connection: &Connection, shared: &Shared, time: Timestamp) -> Result<Cursor> {
    let head = shared.head().get();
    // In microseconds, rounded up: events carry whole ones.
    let wanted = (time.as_nanosecond() + 999).div_euclid(1000);
    let transaction = connection.unchecked_transaction()?;
    let mut low = trimmed_through(&transaction)?.get();
    let mut high = head.max(low);
    let mut time_of = transaction.prepare_cached("SELECT time FROM events WHERE cursor = ?1")?;
    // Events up to `low` are earlier than wanted, those after `high` are not.
    while low < high {
        let middle = low + (high - low + 1) / 2;
        let time: i64 = time_of.query_row([middle], |row| row.get(0))?;
        if i128::from(time) < wanted {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Cursor::new(low).ok_or(rusqlite::Error::IntegralValueOutOfRange(0, low))
}
