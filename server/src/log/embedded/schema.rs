//! The tables, and how connections to them are set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Result, params};
use todoki_codec::{Cursor, Kind};
use uuid::Uuid;

use super::Options;
use super::error::OpenError;

/// Marks the file as a Todoki log: "Tdki".
const APPLICATION_ID: i64 = 0x5464_6b69;

/// Version of the tables below.
const SCHEMA_VERSION: i64 = 1;

/// SQLite's default: a lone event rewrites a page of the table and one of each index, so small pages cost least.
const PAGE_BYTES: u64 = 4096;

/// Pages in the write-ahead log at which a commit also checkpoints: 16 MiB. The default 4 MiB checkpoints four times as
/// often under load, each time with two more fsyncs in some producer's way.
const CHECKPOINT_PAGES: u32 = 4096;

/// The write-ahead log is cut back to this size after a burst.
const WAL_KEPT_BYTES: u32 = 64 << 20;

/// Page cache of a reader: some pages of events and the way to them; the file system's cache has the rest. Four times as
/// much made no replay faster, and every reader kept it.
/// No memory map: it would turn a read error of the disk into a signal that kills the server.
const CACHE_KIB: u32 = 4 << 10;

/// How long a statement waits for another process that has the database locked, say `sqlite3` in a terminal.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements kept prepared on a connection: all of the writer's, and a reader's for every number of kinds.
const STATEMENTS: usize = 64;

/// Ids are 16 bytes; `NULL` is none, and for `agent_id` the system. The foreign key of `kind` is not declared: kinds
/// are never removed, and checking it would cost a lookup per event.
const TABLES: &str = "
CREATE TABLE meta (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    epoch TEXT NOT NULL,
    trimmed_through INTEGER NOT NULL
) STRICT;
CREATE TABLE kinds (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE events (
    cursor INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    time INTEGER NOT NULL,
    agent_id BLOB,
    session_id BLOB,
    task_id BLOB,
    project_id BLOB,
    draft_id TEXT,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX events_kind ON events (kind);
CREATE INDEX events_agent_id ON events (agent_id) WHERE agent_id IS NOT NULL;
CREATE INDEX events_session_id ON events (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX events_task_id ON events (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX events_project_id ON events (project_id) WHERE project_id IS NOT NULL;
CREATE UNIQUE INDEX events_draft_id ON events (draft_id) WHERE draft_id IS NOT NULL;
";

/// A log as it was found.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) epoch: Uuid,
    pub(super) head: Cursor,
    pub(super) trimmed_through: Cursor,
    pub(super) kinds: Vec<Kind>,
}

/// Opens the log for writing, creates it when it is new, and recovers it when a crash had left something.
pub(super) fn open(path: &Path, options: &Options) -> Result<Opened, OpenError> {
    let failed = |error| OpenError::sqlite(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    // Before anything is written: the file may be somebody else's.
    let is_new = is_new(&connection, path)?;
    configure(&connection, options).map_err(failed)?;
    if is_new {
        create(&mut connection, options.start_after).map_err(failed)?;
    }
    if options.renew_epoch {
        renew_epoch(&connection).map_err(failed)?;
    }
    settle(&connection).map_err(failed)?;
    load(connection, path)
}

/// Makes durable whatever is about to be served. After a failed fsync the page cache may show a tail that the disk does
/// not have; copying the whole write-ahead log into the database, and syncing that, writes it again.
fn settle(connection: &Connection) -> Result<()> {
    match checkpoint(connection) {
        // The log was synced before the copying began, so there is no reason to keep it from its readers.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
            tracing::warn!("the disk is full; the log can be read, and goes on once there is room");
            Ok(())
        }
        outcome => outcome,
    }
}

/// Moves all of the write-ahead log into the database.
pub(super) fn checkpoint(connection: &Connection) -> Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Opens the log for reading.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch(&format!("PRAGMA cache_size = -{CACHE_KIB}"))?;
    Ok(connection)
}

/// Whether the file has yet to become a log.
fn is_new(connection: &Connection, path: &Path) -> Result<bool, OpenError> {
    let number = |sql| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(|error| OpenError::sqlite(path, &error))
    };
    let application_id = number("PRAGMA application_id")?;
    let schema = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    match (application_id, schema, tables) {
        (0, 0, 0) => Ok(true),
        (APPLICATION_ID, SCHEMA_VERSION, _) => Ok(false),
        (APPLICATION_ID, found, _) if found > SCHEMA_VERSION => Err(OpenError::Newer {
            path: path.into(),
            found,
            known: SCHEMA_VERSION,
        }),
        (APPLICATION_ID, found, _) => Err(OpenError::corrupt(path, &format!("schema {found}"))),
        _ => Err(OpenError::NotALog { path: path.into() }),
    }
}

fn configure(connection: &Connection, options: &Options) -> Result<()> {
    // SQLite's own greatest number of pages stands for no limit.
    let pages = options.max_bytes.map_or(u64::from(u32::MAX - 1), |bytes| {
        (bytes / PAGE_BYTES).clamp(1, u64::from(u32::MAX - 1))
    });
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A checkpoint trusts the write-ahead log without reading its checksums. After a failure that trust is gone, so
    // closing a connection must not do one; the next start checks, then recovers.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch(&format!(
        "PRAGMA page_size = {PAGE_BYTES};
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
         PRAGMA journal_size_limit = {WAL_KEPT_BYTES};
         PRAGMA cache_size = -{CACHE_KIB};
         PRAGMA max_page_count = {pages};"
    ))
}

/// One transaction, so that a crash leaves a log or nothing.
fn create(connection: &mut Connection, start_after: Cursor) -> Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.execute(
        "INSERT INTO meta VALUES (1, ?1, ?2)",
        params![Uuid::new_v4().to_string(), start_after.get()],
    )?;
    transaction.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
    ))?;
    transaction.commit()
}

fn renew_epoch(connection: &Connection) -> Result<()> {
    let epoch = Uuid::new_v4().to_string();
    connection.execute("UPDATE meta SET epoch = ?1", [epoch])?;
    Ok(())
}

fn load(connection: Connection, path: &Path) -> Result<Opened, OpenError> {
    let failed = |error| OpenError::sqlite(path, &error);
    let damaged = |what: &str| OpenError::corrupt(path, &what);
    let (epoch, trimmed_through): (String, i64) = connection
        .query_row("SELECT epoch, trimmed_through FROM meta", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(failed)?;
    let epoch = epoch.parse().map_err(|_| damaged("the epoch is no UUID"))?;
    // Two statements: each end of the table is one seek, while both in one would be a scan.
    let end = |sql| {
        connection
            .query_row(sql, [], |row| row.get::<_, Option<i64>>(0))
            .map_err(failed)
    };
    let first = end("SELECT min(cursor) FROM events")?;
    let last = end("SELECT max(cursor) FROM events")?;
    if first.is_some_and(|first| first != trimmed_through + 1) {
        return Err(damaged("the first event is not where the log begins"));
    }
    let cursor = |number| Cursor::new(number).ok_or_else(|| damaged("a cursor is out of range"));
    Ok(Opened {
        epoch,
        head: cursor(last.unwrap_or(trimmed_through))?,
        trimmed_through: cursor(trimmed_through)?,
        kinds: load_kinds(&connection, path)?,
        connection,
    })
}

fn load_kinds(connection: &Connection, path: &Path) -> Result<Vec<Kind>, OpenError> {
    let failed = |error| OpenError::sqlite(path, &error);
    let mut kinds = Vec::new();
    let mut statement = connection
        .prepare("SELECT id, name FROM kinds ORDER BY id")
        .map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let id: i64 = row.get(0).map_err(failed)?;
        let name: String = row.get(1).map_err(failed)?;
        let kind = Kind::parse(&name)
            .map_err(|error| OpenError::corrupt(path, &format!("kind {name:?} {error}")))?;
        kinds.push(kind);
        if usize::try_from(id) != Ok(kinds.len()) {
            return Err(OpenError::corrupt(
                path,
                &"the kinds are not numbered 1, 2, 3, …",
            ));
        }
    }
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_synced_before_it_is_answered() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("events.db");
        let connection = open(&path, &Options::default()).unwrap().connection;
        let pragma = |name: &str| -> String {
            let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(pragma("journal_mode"), "wal");
        assert_eq!(pragma("synchronous"), "2", "FULL");
        assert_eq!(pragma("page_size"), PAGE_BYTES.to_string());
    }

    #[test]
    fn a_reader_cannot_write() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("events.db");
        let _writer = open(&path, &Options::default()).unwrap();
        let reader = open_reader(&path).unwrap();
        assert!(reader.execute("DELETE FROM events", []).is_err());
    }
}
