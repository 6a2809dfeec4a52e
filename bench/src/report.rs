//! Rows for people as Markdown, and everything for programs as one line of JSON.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use todoki::clock;

use crate::Outcome;
use crate::machine::{self, Machine};
use crate::settings::Settings;

/// A line of a table.
pub trait Row: Serialize {
    /// Names of the columns, with their units.
    const COLUMNS: &'static [&'static str];

    /// What stands in them.
    fn cells(&self) -> Vec<String>;
}

/// The figures of one measurement, and where they come from.
#[derive(Debug, Serialize)]
pub struct Report<R> {
    bench: &'static str,
    date: String,
    commit: String,
    command: String,
    machine: Machine,
    load_before: String,
    load_after: String,
    rows: Vec<R>,
}

impl<R: Row> Report<R> {
    /// Runs a measurement.
    pub fn of(
        bench: &'static str,
        settings: &Settings,
        run: impl FnOnce(&Settings) -> Outcome<Vec<R>>,
    ) -> Outcome<Self> {
        let load_before = machine::load();
        let rows = run(settings)?;
        Ok(Self {
            bench,
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

    /// A heading, what is needed to judge the figures, and the table.
    pub fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n", self.bench);
        let Machine {
            cpu,
            cores,
            memory_mib,
            kernel,
            file_system,
        } = &self.machine;
        let lines = [
            format!("`{}` at {}, {}", self.command, self.commit, self.date),
            format!("{cores} × {cpu}, {memory_mib} MiB, Linux {kernel}, {file_system}"),
            format!(
                "load average {} before, {} after",
                self.load_before, self.load_after
            ),
        ];
        text.push_str(&lines.join("  \n"));
        text.push_str("\n\n");
        table(&self.rows, &mut text);
        text
    }

    /// Writes the JSON to the directory of results, if there is to be one, and says where.
    pub fn save(&self, settings: &Settings) -> Outcome<Option<PathBuf>> {
        let Some(results) = &settings.results else {
            return Ok(None);
        };
        let day = self.date.get(..10).unwrap_or("undated");
        let dir = results.join(format!("{day}-{}", self.machine.slug()));
        fs::create_dir_all(&dir)?;
        let path = dir.join(format!("{}.json", self.bench));
        fs::write(&path, self.json()? + "\n")?;
        Ok(Some(path))
    }
}

fn table<R: Row>(rows: &[R], out: &mut String) {
    let rule = vec!["---"; R::COLUMNS.len()];
    let lines = [R::COLUMNS.join(" | "), rule.join(" | ")]
        .into_iter()
        .chain(rows.iter().map(|row| row.cells().join(" | ")));
    for line in lines {
        // Writing into memory cannot fail.
        writeln!(out, "| {line} |").ok();
    }
}

/// As it was called, without where the program is.
fn command() -> String {
    let mut words: Vec<_> = std::env::args().collect();
    if let Some(program) = words.first_mut() {
        "bench".clone_into(program);
    }
    words.join(" ")
}
