//! From a producer's intention to a subscriber's hand, at a steady rate.
//!
//! An open loop: emits are due at fixed times, and each carries in its data when it was due. A server that stalls makes
//! the later ones late, and that lateness is counted, not left out. The one subscriber checks every cursor.

use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::disk;
use crate::document::findings::{Bench, Findings};
use crate::document::target::Target;
use crate::pace::{self, HttpEmitter, Schedule};
use crate::quantiles::{Quantiles, Times, median};
use crate::report::Row;
use crate::server::ServerProcess;
use crate::settings::Settings;
use crate::websocket::Subscription;
use crate::wire::{self, Order};

/// Emits a second, and connections that they take turns on. On one connection an emit that takes longer than the
/// interval delays the next, as it does for a producer that has but one.
const CASES: [(u32, u32); 3] = [(100, 1), (1000, 1), (1000, 8)];

/// The same in a database, whose commits on one connection would not keep up with the second.
const DATABASE_CASES: [(u32, u32); 3] = [(100, 1), (1000, 8), (1000, 64)];

/// What the design grants a lone emit above one sync.
const ABOVE_SYNC_MS: f64 = 1.0;

/// Each event on the wire.
const EVENT_BYTES: usize = 200;

/// A line of the latency table.
#[derive(Debug, Deserialize, Serialize)]
pub struct LatencyRow {
    rate_per_s: u32,
    connections: u32,
    /// From when an emit was due until its subscriber had the event.
    to_subscriber: Quantiles,
    /// From when an emit was due until its producer had the answer.
    to_answer: Quantiles,
    /// A bare write and sync, right before.
    disk_sync: Quantiles,
}

impl Row for LatencyRow {
    const COLUMNS: &'static [&'static str] = &[
        "emits/s",
        "connections",
        "events",
        "emit → subscriber, p50 / p99 / p99.9 / max ms",
        "emit → answer, p50 / p99 / p99.9 / max ms",
        "bare 8 KiB write + sync, p50 / p99 / p99.9 / max ms",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.rate_per_s.to_string(),
            self.connections.to_string(),
            self.to_subscriber.count.to_string(),
            self.to_subscriber.to_string(),
            self.to_answer.to_string(),
            self.disk_sync.to_string(),
        ]
    }
}

/// The measurement, as the documents show it.
#[derive(Debug)]
pub struct Latency;

impl Bench for Latency {
    const NAME: &'static str = "latency";
    type Row = LatencyRow;

    fn findings(rows: &[LatencyRow], findings: &mut Findings) {
        for row in rows {
            let case = format!("{}/s on {}", row.rate_per_s, connections(row.connections));
            let bound = row.disk_sync.p99_ms + ABOVE_SYNC_MS;
            let p99_ms = row.to_answer.p99_ms;
            findings
                .figure(Target::LoneEmitP99, &case, p99_ms)
                .beside(bound);
            findings.span(format!("emits, {case}"), row.to_subscriber);
        }
    }
}

fn connections(count: u32) -> String {
    match count {
        1 => "1 connection".to_owned(),
        _ => format!("{count} connections"),
    }
}

/// Measures each case in each round, and reports the round whose median is the median.
pub fn run(settings: &Settings) -> Outcome<Vec<LatencyRow>> {
    let cases = match settings.database {
        Some(_) => DATABASE_CASES,
        None => CASES,
    };
    let mut rounds: Vec<Vec<LatencyRow>> = cases.iter().map(|_| Vec::new()).collect();
    for round in 1..=settings.rounds() {
        for ((rate, connections), rows) in cases.into_iter().zip(&mut rounds) {
            settings.note(&format!(
                "latency: round {round}, {rate} emits/s on {connections} connections"
            ));
            rows.push(case(settings, rate, connections)?);
        }
    }
    let medians = rounds
        .into_iter()
        .map(|rows| median(rows, |row| row.to_subscriber.p50_ms));
    Ok(medians.collect())
}

fn case(settings: &Settings, rate: u32, connections: u32) -> Outcome<LatencyRow> {
    let disk_sync = disk::sync_times(settings)?;
    let server = ServerProcess::start(settings)?;
    let address = server.address();
    // Where several servers may share a log, the subscriber is at another one.
    let other = server.start_beside(settings)?;
    let subscribed_at = other.as_ref().map_or(address, ServerProcess::address);
    let runtime = pace::runtime()?;
    let mut subscription = runtime.block_on(Subscription::open(subscribed_at, ""))?;
    // `subscribed`: from here on every event comes.
    runtime.block_on(subscription.next())?;
    let emitters: Vec<_> = (0..connections)
        .map(|_| HttpEmitter::open(address, 1, EVENT_BYTES))
        .collect::<Outcome<_>>()?;
    let schedule = Schedule::new(rate, connections, settings.warm_up(), settings.duration())?;
    let (to_subscriber, published) = thread::scope(|scope| {
        let publishing = scope.spawn(|| pace::publish(schedule, emitters));
        // A publisher that fails leaves us waiting for what it did not emit, so the wait has an end.
        let patience = schedule.length() + Duration::from_secs(30);
        let received = runtime.block_on(async {
            tokio::time::timeout(patience, receive(&mut subscription, schedule)).await
        });
        let published = publishing.join().map_err(|_| "a publisher panicked")??;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((received??, published))
    })?;
    Ok(LatencyRow {
        rate_per_s: rate,
        connections,
        to_subscriber: to_subscriber.quantiles(),
        to_answer: published.to_answer.quantiles(),
        disk_sync,
    })
}

async fn receive(subscription: &mut Subscription, schedule: Schedule) -> Outcome<Times> {
    let mut times = Times::new()?;
    let mut order = Order::new(0, 1);
    while order.count() < schedule.count.into() {
        let message = subscription.next().await?;
        let Some(cursor) = wire::cursor(&message) else {
            continue;
        };
        order.check(cursor)?;
        let due = wire::member(&message, "due_ns").ok_or("an event without its due time")?;
        if let Some(late) = schedule.late(Duration::from_nanos(due)) {
            times.record(late);
        }
    }
    Ok(times)
}
