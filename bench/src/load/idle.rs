//! Ten thousand subscribers to whom nothing happens: what each keeps in the server's memory.
//!
//! Both ends count: each client has been told `subscribed`, the server has a descriptor for each, and at last one event
//! must reach them all.

use std::thread;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::receive::Receiver;
use super::{PATIENCE, connect, rounded};
use crate::Outcome;
use crate::pace::{self, Emitter, HttpEmitter};
use crate::quantiles::median;
use crate::report::Row;
use crate::server::ServerProcess;
use crate::settings::Settings;

/// After the last connection, memory has so long to come to rest.
const SETTLE: Duration = Duration::from_secs(3);

/// Connections that come and go before the baseline is taken: what the first ones allocate for all others is not
/// counted for each.
const FIRST: u32 = 100;

/// Flags of idle connections.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// Connections
    #[arg(long, default_value_t = 10_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections: u32,
}

/// A line of the table of idle connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdleRow {
    /// Who held them.
    pub subject: String,
    /// As both ends counted.
    pub connections: u32,
    /// How long they took to connect, one after the other.
    pub connect_s: f64,
    /// Resident memory before, at rest.
    pub baseline_kib: u64,
    /// Resident memory with all of them, at rest.
    pub resident_kib: u64,
    /// The difference, for each.
    pub resident_bytes_per_connection: f64,
    /// CPU time in a second in which nothing happened.
    pub idle_cpu_ms_per_s: f64,
    /// From an emit until the last subscriber had the event.
    pub wake_all_ms: f64,
}

impl Row for IdleRow {
    const COLUMNS: &'static [&'static str] = &[
        "server",
        "connections",
        "connecting s",
        "resident KiB, before → after",
        "resident bytes per connection",
        "idle CPU ms per s",
        "one event to all, ms",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.subject.clone(),
            self.connections.to_string(),
            format!("{:.1}", self.connect_s),
            format!("{} → {}", self.baseline_kib, self.resident_kib),
            format!("{:.0}", self.resident_bytes_per_connection),
            format!("{:.1}", self.idle_cpu_ms_per_s),
            format!("{:.1}", self.wake_all_ms),
        ]
    }
}

/// Measures once in each round, and reports the median round.
pub fn run(settings: &Settings, flags: &Flags) -> Outcome<Vec<IdleRow>> {
    let mut rows = Vec::new();
    for round in 1..=settings.rounds() {
        settings.note(&format!(
            "idle: round {round}, {} connections",
            flags.connections
        ));
        rows.push(measure(settings, flags)?);
    }
    Ok(vec![median(rows, |row| row.resident_bytes_per_connection)])
}

fn measure(settings: &Settings, flags: &Flags) -> Outcome<IdleRow> {
    let (count, settle) = if settings.quick {
        (flags.connections.min(50), Duration::from_millis(100))
    } else {
        (flags.connections, SETTLE)
    };
    // The server inherits what we are allowed, so that comes first.
    connect::allow_files((count + FIRST).into())?;
    let most = (count + FIRST).to_string();
    let server = ServerProcess::start_with(settings, &["--max-connections", &most])?;
    let mut emitter = HttpEmitter::open(server.address(), 1, 200)?;
    let subscribers = |count| {
        connect::subscribers(server.address(), count, |_, socket| {
            connect::subscribe(socket, "")
        })
    };
    for stream in subscribers(FIRST.min(count))? {
        stream.leave()?;
    }
    thread::sleep(settle);
    let (baseline, files) = (server.usage()?, server.open_files()?);

    let began = pace::monotonic();
    let streams = subscribers(count)?;
    let connect_s = pace::monotonic().saturating_sub(began).as_secs_f64();
    thread::sleep(settle);
    let at_rest = server.usage()?;
    thread::sleep(settle);
    let after = server.usage()?;
    let held = server.open_files()?.saturating_sub(files);
    if held != count as usize {
        return Err(format!("{count} clients are connected, and the server holds {held}").into());
    }

    let mut receiver = Receiver::new(None)?;
    for stream in streams {
        receiver.add(stream)?;
    }
    receiver.set_goal(1);
    let emitted = pace::monotonic();
    let emit = emitter.prepare(0, Duration::ZERO);
    emitter.send(emit)?;
    receiver.run(PATIENCE)?;
    let wake_all = pace::monotonic().saturating_sub(emitted);

    let grown = after.resident_bytes.saturating_sub(baseline.resident_bytes);
    let idle_cpu = after.cpu.saturating_sub(at_rest.cpu);
    Ok(IdleRow {
        subject: "todoki".to_owned(),
        connections: count,
        connect_s,
        baseline_kib: baseline.resident_bytes >> 10,
        resident_kib: after.resident_bytes >> 10,
        resident_bytes_per_connection: rounded(grown) / f64::from(count),
        idle_cpu_ms_per_s: idle_cpu.as_secs_f64() * 1e3 / settle.as_secs_f64(),
        wake_all_ms: wake_all.as_secs_f64() * 1e3,
    })
}
