//! The `bench` program: measures a real server over real sockets.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use todoki_bench::database::PREFIX;
use todoki_bench::document::{self, Options};
use todoki_bench::load::{self, Mode, bare, publish};
use todoki_bench::peers::{self, Peers};
use todoki_bench::report::{Report, Row};
use todoki_bench::settings::Settings;
use todoki_bench::{Outcome, compression, emit, latency, limit, replay};

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

/// Where results are kept, seen from the root of the repository.
const RESULTS: &str = "bench/results";

const EXAMPLES: &str = "\
Examples:
  cargo build --release && target/release/bench all --results bench/results
  target/release/bench latency --seconds 20
  target/release/bench emit --rounds 5
  target/release/bench replay --events 10000000 --data /mnt/disk
  target/release/bench emit --database $URL             (a PostgreSQL, such as scripts/postgres starts)
  target/release/bench load fan-out --subscribers 100,1000 --seconds 10
  target/release/bench load grants --subscribers 100 --rounds 7
  target/release/bench load streams --subscribers 100,300
  target/release/bench load tls --subscribers 100 --connects 5000
  target/release/bench load saturation --publishers 1,4
  target/release/bench load idle --connections 50000 --rounds 1
  target/release/bench load slow --seconds 30
  target/release/bench limit --gate 0.90
  target/release/bench peers --only todoki,nats --cases saturation
  target/release/bench all --quick
  target/release/bench report
  target/release/bench report --check

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
    /// What compressed frames save and cost
    Compression,
    /// One stream to many subscribers, under the conditions that break servers
    #[command(subcommand)]
    Load(Mode),
    /// A delivery against a bare sender, on the same sockets; needs no server
    Limit {
        /// Fail when a delivery costs more than the bare sender divided by this
        #[arg(long, value_name = "RATIO")]
        gate: Option<f64>,
    },
    /// The same load at other servers: bench/peers/README.md says which, and what they promise
    Peers(Peers),
    /// All but the peers
    All,
    /// Writes the documents and charts from the results; measures nothing
    Report(Options),
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
        Measure::Limit { gate } => limit(*gate, settings),
        Measure::Compression => report("compression", settings, compression::run),
        Measure::Peers(flags) => report("peers", settings, |s| peers::run(s, flags)),
        Measure::All => all(settings),
        Measure::Publisher => publish::run(),
        Measure::BareSender => bare::run(),
        Measure::Report(options) => {
            let results = settings.results.as_deref();
            document::run(results.unwrap_or(Path::new(RESULTS)), options)
        }
    }
}

fn all(settings: &Settings) -> Outcome<()> {
    for one in [
        Measure::Latency,
        Measure::Emit,
        Measure::Replay,
        Measure::Compression,
    ] {
        measure(&one, settings)?;
    }
    for mode in load::ALL {
        let words = ["bench", "load"].iter().chain(mode);
        measure(&Cli::try_parse_from(words)?.measure, settings)?;
    }
    limit(None, settings)
}

fn limit(gate: Option<f64>, settings: &Settings) -> Outcome<()> {
    let mut verdict = Ok(());
    report("limit", settings, |settings| {
        let rows = limit::run(settings)?;
        verdict = limit::judge(&rows, gate);
        Ok(rows)
    })?;
    verdict
}

fn load(mode: &Mode, settings: &Settings) -> Outcome<()> {
    match mode {
        Mode::FanOut(flags) => report("load-fan-out", settings, |s| load::fan_out(s, flags)),
        Mode::Encoding(flags) => report("load-encoding", settings, |s| load::encoding(s, flags)),
        Mode::Grants(flags) => report("load-grants", settings, |s| load::grants::run(s, flags)),
        Mode::Streams(flags) => report("load-streams", settings, |s| load::streams::run(s, flags)),
        Mode::Tls(flags) => report("load-tls", settings, |s| load::tls::run(s, flags)),
        Mode::Saturation(flags) => report("load-saturation", settings, |s| {
            load::saturation::run(s, flags)
        }),
        Mode::Idle(flags) => report("load-idle", settings, |s| load::idle::run(s, flags)),
        Mode::Replay(flags) => report("load-replay", settings, |s| load::storm::run(s, flags)),
        Mode::Slow(flags) => report("load-slow", settings, |s| load::slow::run(s, flags)),
        Mode::Churn(flags) => report("load-churn", settings, |s| load::churn::run(s, flags)),
        Mode::Hostile(flags) => report("load-hostile", settings, |s| load::hostile::run(s, flags)),
    }
}

fn report<R: Row>(
    name: &'static str,
    settings: &Settings,
    run: impl FnOnce(&Settings) -> Outcome<Vec<R>>,
) -> Outcome<()> {
    let name = match settings.database {
        Some(_) => format!("{PREFIX}{name}"),
        None => name.to_owned(),
    };
    let report = Report::of(&name, settings, run)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}\n{}\n", report.markdown(), report.json()?)?;
    if let Some(path) = report.save(settings)? {
        settings.note(&format!("{name}: written to {}", path.display()));
    }
    Ok(())
}
