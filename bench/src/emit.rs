//! Durable emits: how many a second, at which wait, for how much of the server's time.
//!
//! A closed loop: each publisher sends its next request when the last is answered, so the wait is that of a producer
//! under full load. Each case has a server and an empty log of its own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use todoki::clock;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::document::findings::{Bench, Findings};
use crate::document::target::Target;
use crate::http::{self, Connection};
use crate::quantiles::{Quantiles, Times, median};
use crate::report::Row;
use crate::sample;
use crate::server::{self, ServerProcess};
use crate::settings::Settings;

/// Publishers, and drafts in each of their requests.
const CASES: [(u32, u32); 5] = [(1, 1), (64, 1), (64, 32), (1, 256), (8, 256)];

/// The same in a database, where each commit is a round trip and more than a sync.
const DATABASE_CASES: [(u32, u32); 8] = [
    (1, 1),
    (64, 1),
    (1, 32),
    (64, 32),
    (1, 256),
    (64, 256),
    (1, 1000),
    (64, 1000),
];

/// A line of the emit table.
#[derive(Debug, Deserialize, Serialize)]
pub struct EmitRow {
    publishers: u32,
    batch: u32,
    events_per_s: f64,
    /// Least and greatest of the rounds.
    events_per_s_range: [f64; 2],
    to_answer: Quantiles,
    server_cpu_s_per_100k: f64,
    driver_cpu_s_per_100k: f64,
    /// How much of one core the server used.
    server_cores: f64,
}

impl Row for EmitRow {
    const COLUMNS: &'static [&'static str] = &[
        "publishers",
        "drafts per request",
        "durable events/s (least–greatest)",
        "answer, p50 / p99 / p99.9 / max ms",
        "server CPU s per 100k",
        "driver CPU s per 100k",
        "server cores",
    ];

    fn cells(&self) -> Vec<String> {
        let [least, greatest] = self.events_per_s_range;
        vec![
            self.publishers.to_string(),
            self.batch.to_string(),
            format!("{:.0} ({least:.0}–{greatest:.0})", self.events_per_s),
            self.to_answer.to_string(),
            format!("{:.2}", self.server_cpu_s_per_100k),
            format!("{:.2}", self.driver_cpu_s_per_100k),
            format!("{:.2}", self.server_cores),
        ]
    }
}

/// The measurement, as the documents show it.
#[derive(Debug)]
pub struct Emit;

impl Bench for Emit {
    const NAME: &'static str = "emit";
    type Row = EmitRow;

    fn findings(rows: &[EmitRow], findings: &mut Findings) {
        for row in rows.iter().filter(|row| row.batch > 1) {
            let case = format!("{} × {}", row.publishers, row.batch);
            findings.figure(Target::BatchedEmit, case, row.events_per_s);
        }
    }
}

/// Measures each case in each round, and reports the median round.
pub fn run(settings: &Settings) -> Outcome<Vec<EmitRow>> {
    let cases = match settings.database {
        Some(_) => &DATABASE_CASES[..],
        None => &CASES,
    };
    let mut rounds: Vec<Vec<EmitRow>> = cases.iter().map(|_| Vec::new()).collect();
    for round in 1..=settings.rounds() {
        for (&(publishers, batch), rows) in cases.iter().zip(&mut rounds) {
            settings.note(&format!(
                "emit: round {round}, {publishers} publishers of {batch}"
            ));
            rows.push(case(settings, publishers, batch)?);
        }
    }
    Ok(rounds.into_iter().map(summed_up).collect())
}

/// The median round, and between what the others were.
fn summed_up(rows: Vec<EmitRow>) -> EmitRow {
    let rates = rows.iter().map(|row| row.events_per_s);
    let range = [
        rates.clone().fold(f64::INFINITY, f64::min),
        rates.fold(0.0, f64::max),
    ];
    EmitRow {
        events_per_s_range: range,
        ..median(rows, |row| row.events_per_s)
    }
}

fn case(settings: &Settings, publishers: u32, batch: u32) -> Outcome<EmitRow> {
    let server = ServerProcess::start(settings)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(load(settings, &server, publishers, batch))
}

/// What a publisher does in the measured time.
#[derive(Clone)]
struct Work {
    request: Bytes,
    begin: Instant,
    end: Instant,
}

async fn load(
    settings: &Settings,
    server: &ServerProcess,
    publishers: u32,
    batch: u32,
) -> Outcome<EmitRow> {
    let begin = clock::instant() + settings.warm_up();
    let work = Work {
        request: request(batch),
        begin,
        end: begin + settings.duration(),
    };
    let mut running = JoinSet::new();
    for _ in 0..publishers {
        running.spawn(publish(server.address(), work.clone()));
    }
    tokio::time::sleep_until(work.begin.into()).await;
    let (server_before, driver_before) = (server.usage()?.cpu, server::own_usage()?.cpu);
    tokio::time::sleep_until(work.end.into()).await;
    let (server_after, driver_after) = (server.usage()?.cpu, server::own_usage()?.cpu);
    let mut times = Times::new()?;
    while let Some(publisher) = running.join_next().await {
        times.add(&publisher??)?;
    }
    let to_answer = times.quantiles();
    let events = rounded(to_answer.count * u64::from(batch));
    let per_100k = |cpu: Duration| cpu.as_secs_f64() * 1e5 / events;
    let server_cpu = server_after.saturating_sub(server_before);
    Ok(EmitRow {
        publishers,
        batch,
        events_per_s: events / settings.duration().as_secs_f64(),
        events_per_s_range: [0.0; 2],
        to_answer,
        server_cpu_s_per_100k: per_100k(server_cpu),
        driver_cpu_s_per_100k: per_100k(driver_after.saturating_sub(driver_before)),
        server_cores: server_cpu.as_secs_f64() / settings.duration().as_secs_f64(),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of events stay far below 2^53"
)]
fn rounded(count: u64) -> f64 {
    count as f64
}

fn request(batch: u32) -> Bytes {
    let draft = format!(
        r#"{{"kind":"{}","data":{}}}"#,
        sample::COMMON_KIND,
        sample::data(sample::DATA_BYTES)
    );
    if batch == 1 {
        return http::emit("application/json", &draft);
    }
    let drafts = vec![draft.as_str(); batch as usize];
    http::emit("application/x-ndjson", &drafts.join("\n"))
}

/// Times of the requests that were answered within the measured time.
async fn publish(address: SocketAddr, work: Work) -> Outcome<Times> {
    let mut connection = Connection::open(address).await?;
    let mut times = Times::new()?;
    loop {
        let sent = clock::instant();
        connection.send(&work.request).await?;
        let answered = clock::instant();
        if answered >= work.end {
            return Ok(times);
        }
        if answered >= work.begin {
            times.record(answered - sent);
        }
    }
}
