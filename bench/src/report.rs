//! Rows for people as Markdown, and everything for programs as one line of JSON.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use todoki::clock;

use crate::Outcome;
use crate::machine::{self, Machine};
use crate::settings::Settings;

/// A line of a table, which reads back from the JSON that it was saved as.
pub trait Row: Serialize + DeserializeOwned {
    /// Names of the columns, with their units.
    const COLUMNS: &'static [&'static str];

    /// What stands in them.
    fn cells(&self) -> Vec<String>;
}

/// The figures of one measurement, and where they come from.
#[derive(Debug, Deserialize, Serialize)]
pub struct Report<R> {
    /// Which measurement.
    pub bench: String,
    /// When it ended, in UTC.
    pub date: String,
    /// What was checked out.
    pub commit: String,
    /// How it was called.
    pub command: String,
    /// Where.
    pub machine: Machine,
    /// How much else was going on when it began.
    pub load_before: String,
    /// And when it ended.
    pub load_after: String,
    /// The figures.
    pub rows: Vec<R>,
}

impl<R: Row> Report<R> {
    /// Runs a measurement.
    pub fn of(
        bench: &str,
        settings: &Settings,
        run: impl FnOnce(&Settings) -> Outcome<Vec<R>>,
    ) -> Outcome<Self> {
        let load_before = machine::load();
        let rows = run(settings)?;
        Ok(Self {
            bench: bench.to_owned(),
            date: clock::now().to_string(),
            commit: machine::commit(),
            command: command(),
            machine: Machine::here(&settings.data_parent()?)?,
            load_before,
            load_after: machine::load(),
            rows,
        })
    }

    /// One line of JSON.
    pub fn json(&self) -> Outcome<String> {
        Ok(simd_json::serde::to_string(self)?)
    }

    /// Reads one back.
    pub fn read(mut json: Vec<u8>) -> Outcome<Self> {
        Ok(simd_json::serde::from_slice(&mut json)?)
    }

    /// A heading, what is needed to judge the figures, and the table.
    pub fn markdown(&self) -> String {
        let name = &self.bench;
        format!("### {name}\n\n{}\n\n{}", self.provenance(), self.table())
    }

    /// What is needed to judge the figures.
    pub fn provenance(&self) -> String {
        let lines = [
            format!("`{}` at {}, {}", self.command, self.commit, self.second()),
            self.machine.to_string(),
            format!(
                "load average {} before, {} after",
                self.load_before, self.load_after
            ),
        ];
        lines.join("  \n")
    }

    /// The rows under the names of their columns.
    pub fn table(&self) -> String {
        let rows: Vec<_> = self.rows.iter().map(Row::cells).collect();
        table(R::COLUMNS, &rows)
    }

    /// The date to a second.
    fn second(&self) -> String {
        self.date
            .get(..19)
            .map_or_else(|| self.date.clone(), |date| format!("{date}Z"))
    }

    /// The day of the date.
    pub fn day(&self) -> &str {
        self.date.get(..10).unwrap_or("undated")
    }

    /// Writes the JSON to the directory of results, if there is to be one, and says where.
    pub fn save(&self, settings: &Settings) -> Outcome<Option<PathBuf>> {
        let Some(results) = &settings.results else {
            return Ok(None);
        };
        let dir = results.join(format!("{}-{}", self.day(), self.machine.slug()));
        fs::create_dir_all(&dir)?;
        let path = dir.join(format!("{}.json", self.bench));
        fs::write(&path, self.json()? + "\n")?;
        Ok(Some(path))
    }
}

/// A table in Markdown.
pub fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let rule = vec!["---"; columns.len()];
    let lines = [columns.join(" | "), rule.join(" | ")]
        .into_iter()
        .chain(rows.iter().map(|cells| cells.join(" | ")));
    lines.fold(String::new(), |mut text, line| {
        // Writing into memory cannot fail.
        writeln!(text, "| {line} |").ok();
        text
    })
}

/// As it was called, without where the program is.
fn command() -> String {
    let mut words: Vec<_> = std::env::args().collect();
    if let Some(program) = words.first_mut() {
        "bench".clone_into(program);
    }
    // A URL may hold a password.
    if let Some(at) = words.iter().position(|word| word == "--database")
        && let Some(url) = words.get_mut(at + 1)
    {
        "$URL".clone_into(url);
    }
    words.join(" ")
}
