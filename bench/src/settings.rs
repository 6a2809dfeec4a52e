//! How much to measure, with which server, where.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tempfile::TempDir;

use crate::Outcome;

/// Flags that every measurement takes.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Tiny amounts: shows that everything works, measures nothing
    #[arg(long, global = true)]
    pub quick: bool,

    /// The `todoki` program [default: the one beside this program]
    #[arg(long, global = true, value_name = "PATH")]
    pub server: Option<PathBuf>,

    /// Where logs are written and removed again; its disk is what is measured [default: beside this program]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// A PostgreSQL to keep logs in, as `scripts/postgres` prints it; each log has a database of its own there
    #[arg(long, global = true, value_name = "URL", hide_env_values = true)]
    pub database: Option<String>,

    /// Write raw JSON to DIR/DATE-MACHINE/NAME.json; `report` reads it there [its default: bench/results]
    #[arg(long, global = true, value_name = "DIR")]
    pub results: Option<PathBuf>,

    /// Times that each case is measured, the cases taking turns; the median is reported
    #[arg(long, global = true, default_value_t = 3, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,

    /// Seconds of each latency and emit case
    #[arg(long, global = true, default_value_t = 5, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub seconds: u32,

    /// Events that a replay reads
    #[arg(long, global = true, default_value_t = 1_000_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1000..))]
    pub events: u32,
}

impl Settings {
    /// Times that each case is measured.
    pub fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds }
    }

    /// How long a case lasts.
    pub fn duration(&self) -> Duration {
        if self.quick {
            Duration::from_millis(300)
        } else {
            Duration::from_secs(self.seconds.into())
        }
    }

    /// How long a case runs before it is measured: connections, caches and the log's first checkpoints.
    pub fn warm_up(&self) -> Duration {
        self.duration() / 5
    }

    /// The same with one round.
    #[must_use]
    pub fn once(&self) -> Self {
        Self {
            rounds: 1,
            ..self.clone()
        }
    }

    /// The same with cases so many times as long.
    #[must_use]
    pub fn lasting(&self, times: u32) -> Self {
        Self {
            seconds: self.seconds * times,
            ..self.clone()
        }
    }

    /// A place beside this program.
    pub fn beside(name: &str) -> Outcome<PathBuf> {
        Ok(beside_us()?.join(name))
    }

    /// Events that a replay reads.
    pub fn events(&self) -> usize {
        if self.quick {
            2000
        } else {
            self.events as usize
        }
    }

    /// These counts; a tiny run makes each at most `most`, and none twice.
    pub fn counts(&self, counts: &[u32], most: u32) -> Vec<u32> {
        let mut counts = counts.to_vec();
        if self.quick {
            for count in &mut counts {
                *count = (*count).min(most);
            }
            counts.dedup();
        }
        counts
    }

    /// The server program.
    pub fn server(&self) -> Outcome<PathBuf> {
        let path = match &self.server {
            Some(path) => path.clone(),
            None => beside_us()?.join("todoki"),
        };
        if path.is_file() {
            Ok(path)
        } else {
            let path = path.display();
            Err(
                format!("no server at {path}: run `cargo build --release`, or say --server PATH")
                    .into(),
            )
        }
    }

    /// A fresh directory for one server's log.
    pub fn fresh_data(&self) -> Outcome<TempDir> {
        let parent = self.data_parent()?;
        std::fs::create_dir_all(&parent)?;
        Ok(tempfile::Builder::new()
            .prefix("bench-data-")
            .tempdir_in(parent)?)
    }

    /// The directory whose disk is measured. Not the system's temporary one, which may be memory.
    pub fn data_parent(&self) -> Outcome<PathBuf> {
        self.data.clone().map_or_else(beside_us, Ok)
    }

    /// Tells somebody who watches how far we are.
    pub fn note(&self, what: &str) {
        let mut out = std::io::stderr().lock();
        if out.is_terminal() {
            // A watcher that has left needs no word.
            writeln!(out, "{what}").ok();
        }
    }
}

fn beside_us() -> Outcome<PathBuf> {
    let program = std::env::current_exe()?;
    let dir = program.parent().ok_or("this program is in no directory")?;
    Ok(Path::to_path_buf(dir))
}
