//! The `bench` program: measures a real server over real sockets.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use todoki_bench::report::{Report, Row};
use todoki_bench::settings::Settings;
use todoki_bench::{Outcome, emit, fanout, latency, limit, replay};

/// As in `todoki`: a measurement that runs the server's code runs it as the server does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bad usage, as in `todoki` itself.
const USAGE: u8 = 64;

/// Measures a `todoki` server as a process of its own, and checks every event that comes back
#[derive(Debug, Parser)]
#[command(name = "bench", after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    measure: Measure,

    #[command(flatten)]
    settings: Settings,
}

const EXAMPLES: &str = "\
Examples:
  cargo build --release && target/release/bench all --results bench/results
  target/release/bench latency --seconds 20
  target/release/bench emit --rounds 5
  target/release/bench replay --events 10000000 --data /mnt/disk
  target/release/bench limit --gate 0.90
  target/release/bench all --quick

Prints a table in Markdown and the raw figures as one line of JSON for each measurement.
Figures mean something only on a quiet machine, from a release build, beside the load average that is printed.";

#[derive(Clone, Copy, Debug, Subcommand)]
enum Measure {
    /// From a lone emit to its subscriber, at steady rates
    Latency,
    /// Durable emits a second, from few and many publishers
    Emit,
    /// Reading history over WebSocket and HTTP
    Replay,
    /// One stream to many subscribers
    Fanout,
    /// A delivery against a bare sender, on the same sockets; needs no server
    Limit {
        /// Fail when a delivery costs more than the bare sender divided by this
        #[arg(long, value_name = "RATIO")]
        gate: Option<f64>,
    },
    /// All of them
    All,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // Without anybody to tell, the exit code says it.
            error.print().ok();
            return code.into();
        }
    };
    match measure(cli.measure, &cli.settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // As above.
            writeln!(io::stderr(), "bench: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn measure(measure: Measure, settings: &Settings) -> Outcome<()> {
    match measure {
        Measure::Latency => publish("latency", settings, latency::run),
        Measure::Emit => publish("emit", settings, emit::run),
        Measure::Replay => publish("replay", settings, replay::run),
        Measure::Fanout => publish("fanout", settings, fanout::run),
        Measure::Limit { gate } => {
            let mut verdict = Ok(());
            publish("limit", settings, |settings| {
                let rows = limit::run(settings)?;
                verdict = limit::judge(&rows, gate);
                Ok(rows)
            })?;
            verdict
        }
        Measure::All => [
            Measure::Latency,
            Measure::Emit,
            Measure::Replay,
            Measure::Fanout,
            Measure::Limit { gate: None },
        ]
        .into_iter()
        .try_for_each(|one| self::measure(one, settings)),
    }
}

fn publish<R: Row>(
    name: &'static str,
    settings: &Settings,
    run: impl FnOnce(&Settings) -> Outcome<Vec<R>>,
) -> Outcome<()> {
    let report = Report::of(name, settings, run)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}\n{}\n", report.markdown(), report.json()?)?;
    if let Some(path) = report.save(settings)? {
        settings.note(&format!("{name}: written to {}", path.display()));
    }
    Ok(())
}
