//! The `bench` program: measures a real server over real sockets.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use todoki_bench::load::{self, Mode, bare, publish};
use todoki_bench::peers::{self, Peers};
use todoki_bench::report::{Report, Row};
use todoki_bench::settings::Settings;
use todoki_bench::{Outcome, emit, latency, replay};

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
  target/release/bench load fan-out --subscribers 100,1000 --seconds 10
  target/release/bench load saturation --publishers 1,4
  target/release/bench load idle --connections 50000 --rounds 1
  target/release/bench load slow --seconds 30
  target/release/bench peers --only todoki,nats --cases saturation
  target/release/bench all --quick

Prints a table in Markdown and the raw figures as one line of JSON for each measurement.
Figures mean something only on a quiet machine, from a release build, beside the load average that is printed.";

#[derive(Clone, Debug, Subcommand)]
enum Measure {
    /// From a lone emit to its subscriber, at steady rates
    Latency,
    /// Durable emits a second, from few and many publishers
    Emit,
    /// Reading history over WebSocket and HTTP
    Replay,
    /// One stream to many subscribers, under the conditions that break servers
    #[command(subcommand)]
    Load(Mode),
    /// The same load at other servers: bench/peers/README.md says which, and what they promise
    Peers(Peers),
    /// All but the peers
    All,
    #[command(name = publish::SUBCOMMAND, hide = true)]
    Publisher,
    #[command(name = bare::SUBCOMMAND, hide = true)]
    BareSender,
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
    match measure(&cli.measure, &cli.settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // As above.
            writeln!(io::stderr(), "bench: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn measure(measure: &Measure, settings: &Settings) -> Outcome<()> {
    match measure {
        Measure::Latency => report("latency", settings, latency::run),
        Measure::Emit => report("emit", settings, emit::run),
        Measure::Replay => report("replay", settings, replay::run),
        Measure::Load(mode) => load(mode, settings),
        Measure::Peers(flags) => report("peers", settings, |s| peers::run(s, flags)),
        Measure::All => all(settings),
        Measure::Publisher => publish::run(),
        Measure::BareSender => bare::run(),
    }
}

fn all(settings: &Settings) -> Outcome<()> {
    for one in [Measure::Latency, Measure::Emit, Measure::Replay] {
        measure(&one, settings)?;
    }
    for mode in load::ALL {
        let words = ["bench", "load"].iter().chain(mode);
        measure(&Cli::try_parse_from(words)?.measure, settings)?;
    }
    Ok(())
}

fn load(mode: &Mode, settings: &Settings) -> Outcome<()> {
    match mode {
        Mode::FanOut(flags) => report("load-fan-out", settings, |s| load::fan_out(s, flags)),
        Mode::Encoding(flags) => report("load-encoding", settings, |s| load::encoding(s, flags)),
        Mode::Saturation(flags) => report("load-saturation", settings, |s| {
            load::saturation::run(s, flags)
        }),
        Mode::Idle(flags) => report("load-idle", settings, |s| load::idle::run(s, flags)),
        Mode::Replay(flags) => report("load-replay", settings, |s| load::storm::run(s, flags)),
        Mode::Slow(flags) => report("load-slow", settings, |s| load::slow::run(s, flags)),
        Mode::Churn(flags) => report("load-churn", settings, |s| load::churn::run(s, flags)),
    }
}

fn report<R: Row>(
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
