//! History: how soon its first event comes, how many come in a second, for how much of the server's time and memory.
//!
//! One log, just written, hence in the page cache; the ways to read it take turns. Every cursor is checked.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use todoki::clock;
use tokio::runtime::Builder;

use crate::Outcome;
use crate::document::findings::{Bench, Findings};
use crate::document::target::{Target, plain};
use crate::http::{self, Connection};
use crate::quantiles::median;
use crate::report::Row;
use crate::sample::{self, RARE_EVERY, RARE_KIND};
use crate::server::{self, ServerProcess};
use crate::settings::Settings;
use crate::websocket::Subscription;
use crate::wire::{self, ArrayReader, Order};

/// Drafts in one request while the log is filled: the most that one may have.
const BATCH: usize = 1000;

/// Events that the design wants the first one of quickly.
const TARGET_STORED: usize = 10_000_000;

/// A way to read the log.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    WebSocket,
    WebSocketRare,
    Http,
    HttpRare,
}

const WAYS: [Way; 4] = [Way::WebSocket, Way::WebSocketRare, Way::Http, Way::HttpRare];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "WebSocket, all",
            Self::WebSocketRare => "WebSocket, 1 in 100 by kind",
            Self::Http => "POST /replay, all",
            Self::HttpRare => "POST /replay, 1 in 100 by kind",
        }
    }

    /// Times that the log is read in one round: CPU time is told in hundredths of a second, and a selective read takes
    /// about as long.
    fn reads(self) -> u32 {
        match self {
            Self::WebSocket | Self::Http => 1,
            Self::WebSocketRare | Self::HttpRare => 20,
        }
    }

    /// Every so many events it picks one.
    fn step(self) -> u64 {
        match self {
            Self::WebSocket | Self::Http => 1,
            Self::WebSocketRare | Self::HttpRare => RARE_EVERY as u64,
        }
    }
}

/// A line of the replay table.
#[derive(Debug, Deserialize, Serialize)]
pub struct ReplayRow {
    way: Way,
    stored: usize,
    delivered: u64,
    events_per_s: f64,
    /// Least and greatest of the rounds.
    events_per_s_range: [f64; 2],
    /// Events delivered for one second of one core of the server.
    events_per_server_cpu_s: f64,
    server_cpu_s_per_1m: f64,
    driver_cpu_s_per_1m: f64,
    /// From connecting until the first event is there; the mean where a round reads several times.
    first_event_ms: f64,
    resident_mib_before: u64,
    resident_mib_after: u64,
}

impl Row for ReplayRow {
    const COLUMNS: &'static [&'static str] = &[
        "way",
        "delivered of stored",
        "events/s (least–greatest)",
        "events per server CPU s",
        "server CPU s per 1M delivered",
        "driver CPU s per 1M delivered",
        "first event ms",
        "server MiB resident, before → after",
    ];

    fn cells(&self) -> Vec<String> {
        let [least, greatest] = self.events_per_s_range;
        vec![
            self.way.name().to_owned(),
            format!("{} of {}", self.delivered, self.stored),
            format!("{:.0} ({least:.0}–{greatest:.0})", self.events_per_s),
            format!("{:.0}", self.events_per_server_cpu_s),
            format!("{:.2}", self.server_cpu_s_per_1m),
            format!("{:.2}", self.driver_cpu_s_per_1m),
            format!("{:.2}", self.first_event_ms),
            format!("{} → {}", self.resident_mib_before, self.resident_mib_after),
        ]
    }
}

/// The measurement, as the documents show it.
#[derive(Debug)]
pub struct Replay;

impl Bench for Replay {
    const NAME: &'static str = "replay";
    type Row = ReplayRow;

    fn findings(rows: &[ReplayRow], findings: &mut Findings) {
        for row in rows {
            let way = row.way.name();
            if row.way.step() == 1 {
                findings.figure(Target::Replay, way, row.events_per_server_cpu_s);
            }
            let case = format!("{way}, of {} stored", plain(rounded(row.stored as u64)));
            findings
                .figure(Target::FirstEvent, case, row.first_event_ms)
                .easier_if(row.stored < TARGET_STORED);
        }
    }
}

/// Fills one log, then reads it each way in each round, and reports the median round.
pub fn run(settings: &Settings) -> Outcome<Vec<ReplayRow>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let server = ServerProcess::start(settings)?;
    let stored = settings.events() / BATCH * BATCH;
    settings.note(&format!("replay: storing {stored} events"));
    runtime.block_on(store(&server, stored))?;
    let mut rounds: Vec<Vec<ReplayRow>> = WAYS.iter().map(|_| Vec::new()).collect();
    for round in 1..=settings.rounds() {
        for (way, rows) in WAYS.into_iter().zip(&mut rounds) {
            settings.note(&format!("replay: round {round}, {}", way.name()));
            rows.push(runtime.block_on(case(&server, stored, way))?);
        }
    }
    Ok(rounds.into_iter().map(summed_up).collect())
}

/// Stores so many events, rounded down to whole emits, and says how many.
pub fn fill(server: &ServerProcess, events: usize) -> Outcome<u64> {
    let events = events / BATCH * BATCH;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(store(server, events))?;
    Ok(events as u64)
}

async fn store(server: &ServerProcess, events: usize) -> Outcome<()> {
    let mut connection = Connection::open(server.address()).await?;
    for first in (1..=events).step_by(BATCH) {
        let body = sample::lines(first..first + BATCH);
        let request = http::emit("application/x-ndjson", &body);
        connection.send(&request).await?;
    }
    Ok(())
}

/// The median round, and between what the others were.
fn summed_up(rows: Vec<ReplayRow>) -> ReplayRow {
    let rates = rows.iter().map(|row| row.events_per_s);
    let range = [
        rates.clone().fold(f64::INFINITY, f64::min),
        rates.fold(0.0, f64::max),
    ];
    ReplayRow {
        events_per_s_range: range,
        ..median(rows, |row| row.events_per_s)
    }
}

async fn case(server: &ServerProcess, stored: usize, way: Way) -> Outcome<ReplayRow> {
    let before = server.usage()?;
    let driver_before = server::own_usage()?.cpu;
    let expected = stored as u64 / way.step();
    let (begin, mut first_event) = (clock::instant(), Duration::ZERO);
    for _ in 0..way.reads() {
        let reading = read(server, way).await?;
        let delivered = reading.order.count();
        if delivered != expected {
            return Err(format!("{}: {delivered} events of {expected}", way.name()).into());
        }
        first_event += reading.first.unwrap_or_default() / way.reads();
    }
    let took = begin.elapsed();
    let after = server.usage()?;
    let driver_cpu = server::own_usage()?.cpu.saturating_sub(driver_before);
    let server_cpu = after.cpu.saturating_sub(before.cpu);
    let events = rounded(expected * u64::from(way.reads()));
    Ok(ReplayRow {
        way,
        stored,
        delivered: expected,
        events_per_s: events / took.as_secs_f64(),
        events_per_s_range: [0.0; 2],
        events_per_server_cpu_s: events / server_cpu.max(Duration::from_millis(10)).as_secs_f64(),
        server_cpu_s_per_1m: server_cpu.as_secs_f64() * 1e6 / events,
        driver_cpu_s_per_1m: driver_cpu.as_secs_f64() * 1e6 / events,
        first_event_ms: first_event.as_secs_f64() * 1e3,
        resident_mib_before: before.resident_bytes >> 20,
        resident_mib_after: after.resident_bytes >> 20,
    })
}

async fn read(server: &ServerProcess, way: Way) -> Outcome<Reading> {
    let rare = format!("kinds={RARE_KIND}");
    match way {
        Way::WebSocket => web_socket(server, way, "cursor=0").await,
        Way::WebSocketRare => web_socket(server, way, &format!("cursor=0&{rare}")).await,
        Way::Http => over_http(server, way, "from_cursor=0").await,
        Way::HttpRare => over_http(server, way, &format!("from_cursor=0&{rare}")).await,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of events stay far below 2^53"
)]
fn rounded(count: u64) -> f64 {
    count as f64
}

/// A log being read.
struct Reading {
    begin: Instant,
    first: Option<Duration>,
    order: Order,
}

impl Reading {
    fn new(way: Way) -> Self {
        Self {
            begin: clock::instant(),
            first: None,
            order: Order::new(0, way.step()),
        }
    }

    fn event(&mut self, cursor: u64) -> Outcome<()> {
        self.first.get_or_insert_with(|| self.begin.elapsed());
        self.order.check(cursor)
    }
}

async fn web_socket(server: &ServerProcess, way: Way, query: &str) -> Outcome<Reading> {
    let mut reading = Reading::new(way);
    let mut subscription = Subscription::open(server.address(), query).await?;
    loop {
        let message = subscription.next().await?;
        match wire::cursor(&message) {
            Some(cursor) => reading.event(cursor)?,
            None if message.starts_with(br#"{"type":"replay_complete""#) => return Ok(reading),
            None => {}
        }
    }
}

async fn over_http(server: &ServerProcess, way: Way, query: &str) -> Outcome<Reading> {
    let mut reading = Reading::new(way);
    let mut connection = Connection::open(server.address()).await?;
    let mut array = ArrayReader::default();
    connection
        .stream(&http::replay(query), |piece| {
            array.read(piece, &mut |cursor| reading.event(cursor))
        })
        .await?;
    Ok(reading)
}
