//! The same measurements with the log in PostgreSQL: `--database URL` names a server, and each log has a database of its own
//! there, which is dropped with it.
//!
//! Latency is then measured from a producer of one server to a subscriber of another on the same database.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::NoTls;

use crate::Outcome;
use crate::document::findings::{Bench, Findings};
use crate::emit::EmitRow;
use crate::latency::LatencyRow;
use crate::pace;
use crate::replay::ReplayRow;

/// What the names of these measurements begin with.
pub const PREFIX: &str = "postgres-";

/// A database for one log. Dropped with it.
#[derive(Debug)]
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    /// Makes one on the server that this URL names.
    pub fn create(server: &str) -> Outcome<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let database = Self {
            server: server.to_owned(),
            name: format!("bench_{}_{number}", std::process::id()),
        };
        database.run(&format!("CREATE DATABASE {}", database.name))?;
        Ok(database)
    }

    /// Its own URL.
    pub fn url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').unwrap_or((&self.server, ""));
        format!("{server}/{}", self.name)
    }

    fn run(&self, sql: &str) -> Outcome<()> {
        // Servers are started from within runtimes too, where no other can be waited for.
        std::thread::scope(|scope| {
            let running = scope.spawn(|| pace::runtime()?.block_on(execute(&self.server, sql)));
            running.join().map_err(|_| "a statement panicked")?
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The server that used it is gone by now, or about to go. What cannot be dropped goes with the PostgreSQL.
        self.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name))
            .ok();
    }
}

async fn execute(url: &str, sql: &str) -> Outcome<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::select! {
        done = client.batch_execute(sql) => Ok(done?),
        ended = connection => Err(format!("the database hung up: {ended:?}").into()),
    }
}

/// Durable emits, as the documents show them.
#[derive(Debug)]
pub struct PostgresEmit;

/// From one server to another, as the documents show it.
#[derive(Debug)]
pub struct PostgresLatency;

/// History, as the documents show it.
#[derive(Debug)]
pub struct PostgresReplay;

// The design has no targets for them, so their rows are a table and nothing else.

impl Bench for PostgresEmit {
    const NAME: &'static str = "postgres-emit";
    type Row = EmitRow;

    fn findings(_: &[EmitRow], _: &mut Findings) {}
}

impl Bench for PostgresLatency {
    const NAME: &'static str = "postgres-latency";
    type Row = LatencyRow;

    fn findings(_: &[LatencyRow], _: &mut Findings) {}
}

impl Bench for PostgresReplay {
    const NAME: &'static str = "postgres-replay";
    type Row = ReplayRow;

    fn findings(_: &[ReplayRow], _: &mut Findings) {}
}
