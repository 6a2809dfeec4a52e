//! A look at a log from outside, for `todoki doctor`: changes nothing.

use std::fs::File;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;

use super::dir::{DATABASE_FILE, LOCK_FILE};
use super::schema;

/// What a look at a log's directory found.
#[derive(Debug)]
pub enum Inspection {
    /// There is no log yet.
    Missing,
    /// A server has it open.
    InUse,
    /// SQLite finds no fault in it.
    Sound {
        /// Events in it.
        events: i64,
        /// When the newest was stamped.
        newest: Option<Timestamp>,
    },
    /// It cannot be read, or is damaged.
    Broken(String),
}

/// Looks at the log in `dir`. Reads all of it, so this takes seconds for gigabytes.
pub fn inspect(dir: &Path) -> Inspection {
    let database = dir.join(DATABASE_FILE);
    if !database.exists() {
        return Inspection::Missing;
    }
    let is_locked = File::open(dir.join(LOCK_FILE)).is_ok_and(|lock| lock.try_lock().is_err());
    if is_locked {
        return Inspection::InUse;
    }
    match schema::open_reader(&database).and_then(|connection| look(&connection)) {
        Ok(inspection) => inspection,
        Err(error) => Inspection::Broken(format!("{}: {error}", database.display())),
    }
}

fn look(connection: &Connection) -> rusqlite::Result<Inspection> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Ok(Inspection::Broken(format!("the log is damaged: {verdict}")));
    }
    let events = connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0))?;
    let newest: Option<i64> = connection.query_row(
        "SELECT max(time) FROM (SELECT time FROM events ORDER BY cursor DESC LIMIT 1)",
        [],
        |row| row.get(0),
    )?;
    Ok(Inspection::Sound {
        events,
        newest: newest.and_then(|time| Timestamp::from_microsecond(time).ok()),
    })
}
