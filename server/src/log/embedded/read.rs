//! Reading: a few read-only connections, each used by one blocking task at a time.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam::queue::ArrayQueue;
use jiff::Timestamp;
use rusqlite::{Connection, Result};
use todoki_codec::Cursor;
use tokio::sync::Semaphore;

use super::{row, schema};
use crate::clock;
use crate::log::ReadError;
use crate::log::shared::Shared;

/// Connections, hence blocking threads that read pages at once: two for each core of a small machine, so that one that
/// waits for the disk does not keep the core idle. Each has a page cache of its own.
const PAGING: usize = 4;

/// Connections that count. A count takes ten times as long as a page and nobody misses an event over it, so it has none
/// of those that replays read with, and one core at most.
const COUNTING: usize = 1;

/// A pool. Connections are opened when they are first needed.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: ArrayQueue<Connection>,
    permits: Arc<Semaphore>,
    /// Whether a connection rests after each read for as long as it has read. While anyone reads, the write-ahead log
    /// cannot begin anew; reads of half a second, one behind the other, would let it grow for as long as they come.
    is_resting: bool,
}

impl Readers {
    /// Of pages, and of whatever else is as short.
    pub(super) fn for_pages(path: PathBuf) -> Self {
        Self::new(path, PAGING, false)
    }

    /// Of counts.
    pub(super) fn for_counts(path: PathBuf) -> Self {
        Self::new(path, COUNTING, true)
    }

    fn new(path: PathBuf, connections: usize, is_resting: bool) -> Self {
        Self {
            path,
            idle: ArrayQueue::new(connections),
            permits: Arc::new(Semaphore::new(connections)),
            is_resting,
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
            let begin = clock::instant();
            let outcome = readers.run_blocking(read);
            if readers.is_resting {
                let rest = tokio::time::sleep(begin.elapsed());
                tokio::spawn(async move {
                    rest.await;
                    drop(permit);
                });
            }
            outcome
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

/// The position before the first event stamped at `time` or later.
pub(super) fn seek(connection: &Connection, shared: &Shared, time: Timestamp) -> Result<Cursor> {
    let head = shared.head();
    let transaction = connection.unchecked_transaction()?;
    let trimmed_through = trimmed_through(&transaction)?;
    position(&transaction, trimmed_through, head, time)
}

/// The same among the events in `(low, high]`, by the transaction that the connection is in: cursors are dense, so they can
/// be halved. Of two times the later never has the earlier position, whatever the clock did.
pub(super) fn position(
    connection: &Connection,
    low: Cursor,
    high: Cursor,
    time: Timestamp,
) -> Result<Cursor> {
    // In microseconds, rounded up: events carry whole ones.
    let wanted = (time.as_nanosecond() + 999).div_euclid(1000);
    let mut low = low.get();
    let mut high = high.get().max(low);
    let mut time_of = connection.prepare_cached("SELECT time FROM events WHERE cursor = ?1")?;
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// Reads for so long, and tells when that was over.
    async fn read(readers: &Arc<Readers>, time: Duration) -> (Instant, Instant) {
        let read = move |_: &Connection| {
            let begin = clock::instant();
            std::thread::sleep(time);
            Ok((begin, clock::instant()))
        };
        readers.run(read).await.unwrap()
    }

    #[tokio::test]
    async fn a_count_waits_for_as_long_as_the_one_before_it_took() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("events.db");
        let _writer = schema::open(&path, &super::super::Options::default()).unwrap();
        let time = Duration::from_millis(50);
        let counters = Arc::new(Readers::for_counts(path));
        let (first, second) = tokio::join!(read(&counters, time), read(&counters, time));
        assert!(second.0 - first.1 >= time, "{:?}", second.0 - first.1);
    }
}
