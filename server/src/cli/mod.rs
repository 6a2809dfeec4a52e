//! The command line: parse, run one command, choose the exit code (0 done, 1 failed, 64 bad usage).

mod client;
mod demo;
mod doctor;
mod emit;
mod import;
mod lines;
mod print;
mod replay;
mod sender;
mod serve;
mod tail;
mod token;

use std::ffi::OsString;
use std::fmt;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use todoki_codec::query::{self, QueryError};

use crate::config;

/// `EX_USAGE` of sysexits.h.
const BAD_USAGE: u8 = 64;

/// An event streaming server: emit events over HTTP, follow them live or from any point in history.
#[derive(Debug, Parser)]
#[command(name = "todoki", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  todoki serve                                         start a server on 127.0.0.1:3000
  todoki tail --kinds 'task.*'                         follow events live
  todoki emit --kind task.created --data '{\"n\":1}'     emit one event
  cargo build --message-format=json | todoki emit --kind-from reason --prefix build
  todoki tail --cursor 0                               all history, then live
  todoki demo                                          made-up agents at work, to look at

`todoki COMMAND --help` has more. Exit codes: 0 done, 1 failed, 64 bad usage.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a server
    Serve(serve::Serve),
    /// Emit events: one from flags, or a line each from standard input
    Emit(emit::Emit),
    /// Follow events, live or from a cursor on
    Tail(tail::Tail),
    /// Print stored events and end
    Replay(replay::Replay),
    /// Take over the events of a classic table into the log of the same database
    Import(import::Import),
    /// Feed made-up events of agents at work, so that there is something to look at
    Demo(demo::Demo),
    /// Make and inspect tokens, and check auth.toml
    Token(token::Token),
    /// Check configuration, disk, log, port and clock, and say what to do
    Doctor(doctor::Doctor),
}

/// Which events a reading command wants; the words of the query string.
#[derive(Args, Clone, Debug)]
struct Wanted {
    /// Kinds and patterns, joined by commas: task.created,agent.*
    #[arg(long, value_name = "PATTERNS")]
    kinds: Option<String>,

    /// Only events of this agent
    #[arg(long, value_name = "UUID")]
    agent_id: Option<String>,

    /// Only events of this session
    #[arg(long, value_name = "UUID")]
    session_id: Option<String>,

    /// Only events of this task
    #[arg(long, value_name = "UUID")]
    task_id: Option<String>,

    /// Only events of this project
    #[arg(long, value_name = "UUID")]
    project_id: Option<String>,
}

impl Wanted {
    /// The canonical query string, or what is wrong with it.
    fn query(&self) -> Result<String, QueryError> {
        let pairs: Vec<_> = [
            ("kinds", &self.kinds),
            ("agent_id", &self.agent_id),
            ("session_id", &self.session_id),
            ("task_id", &self.task_id),
            ("project_id", &self.project_id),
        ]
        .into_iter()
        .filter_map(|(name, value)| {
            // What would end a value in a query string is part of it here, and refused as such.
            let value = value.as_ref()?.replace('%', "%25").replace('&', "%26");
            Some(format!("{name}={value}"))
        })
        .collect();
        let subscription = query::subscription(&pairs.join("&"))?;
        Ok(subscription.filter.to_string())
    }
}

/// Why a command failed, and with which exit code.
#[derive(Debug)]
struct Failure {
    exit: u8,
    message: String,
}

impl Failure {
    fn usage(message: impl fmt::Display) -> Self {
        Self {
            exit: BAD_USAGE,
            message: message.to_string(),
        }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            exit: 1,
            message: error.to_string(),
        }
    }
}

/// Runs the command that `arguments` name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match parse(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. If it cannot be printed there is nobody to tell.
            error.print().ok();
            return if error.use_stderr() {
                ExitCode::from(BAD_USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match execute(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            note(&format!("todoki: {}", failure.message));
            ExitCode::from(failure.exit)
        }
    }
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> clap::error::Result<Cli> {
    let mut command = config::without_empty_variables(Cli::command());
    let matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

fn execute(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = match command {
        Command::Serve(serve) => runtime.block_on(serve::run(serve)),
        Command::Emit(emit) => runtime.block_on(emit::run(emit)),
        Command::Tail(tail) => runtime.block_on(tail::run(tail)),
        Command::Replay(replay) => runtime.block_on(replay::run(replay)),
        Command::Import(import) => runtime.block_on(import::run(import)),
        Command::Demo(demo) => runtime.block_on(demo::run(demo)),
        Command::Token(token) => runtime.block_on(token::run(token)),
        Command::Doctor(doctor) => runtime.block_on(doctor::run(doctor)),
    };
    // A read of standard input cannot be interrupted, and nobody waits for it any more.
    runtime.shutdown_background();
    done
}

/// A line for the person at the terminal; standard output is for data.
fn note(line: &str) {
    // Without a standard error there is nobody to tell.
    writeln!(std::io::stderr(), "{line}").ok();
}

fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
