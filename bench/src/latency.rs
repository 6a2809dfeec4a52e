//! From a producer's intention to a subscriber's hand, at a steady rate.
//!
//! An open loop: emits are due at fixed times, and each carries in its data when it was due. A server that stalls makes
//! the later ones late, and that lateness is counted, not left out. The one subscriber checks every cursor.

use std::net::SocketAddr;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use serde::Serialize;
use todoki::clock;
use tokio::runtime::{Builder, Runtime};

use crate::Outcome;
use crate::disk;
use crate::http::{self, Connection};
use crate::quantiles::{Quantiles, Times};
use crate::report::Row;
use crate::sample::COMMON_KIND;
use crate::server::ServerProcess;
use crate::settings::Settings;
use crate::websocket::Subscription;
use crate::wire::{self, Order};

/// Emits a second, and connections that they take turns on. On one connection an emit that takes longer than the
/// interval delays the next, as it does for a producer that has but one.
const CASES: [(u32, u32); 3] = [(100, 1), (1000, 1), (1000, 8)];

/// A sleeping thread wakes late by some 60 µs, so the last bit is waited for awake.
const AWAKE: Duration = Duration::from_micros(120);

/// A line of the latency table.
#[derive(Debug, Serialize)]
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

/// Measures each case in each round, and reports the round whose median is the median.
pub fn run(settings: &Settings) -> Outcome<Vec<LatencyRow>> {
    let mut rounds: Vec<Vec<LatencyRow>> = CASES.iter().map(|_| Vec::new()).collect();
    for round in 1..=settings.rounds() {
        for ((rate, connections), rows) in CASES.into_iter().zip(&mut rounds) {
            settings.note(&format!(
                "latency: round {round}, {rate} emits/s on {connections} connections"
            ));
            rows.push(case(settings, rate, connections)?);
        }
    }
    let medians = rounds.into_iter().map(|mut rows| {
        rows.sort_by(|a, b| a.to_subscriber.p50_ms.total_cmp(&b.to_subscriber.p50_ms));
        rows.swap_remove(rows.len() / 2)
    });
    Ok(medians.collect())
}

/// When emits are due.
#[derive(Clone, Copy)]
struct Schedule {
    begin: Instant,
    interval: Duration,
    connections: u32,
    count: u32,
    /// Emits due before this are not counted.
    warm_up: Duration,
}

impl Schedule {
    /// After the beginning.
    fn due(&self, place: u32) -> Duration {
        self.interval * place
    }

    /// How late it is for what was due then; `None` during warm-up.
    fn late(&self, due: Duration) -> Option<Duration> {
        (due >= self.warm_up).then(|| self.begin.elapsed().saturating_sub(due))
    }

    fn wait_for(&self, due: Duration) {
        loop {
            let left = due.saturating_sub(self.begin.elapsed());
            match left.checked_sub(AWAKE) {
                Some(asleep) if !asleep.is_zero() => thread::sleep(asleep),
                _ if left.is_zero() => return,
                _ => thread::yield_now(),
            }
        }
    }
}

fn case(settings: &Settings, rate: u32, connections: u32) -> Outcome<LatencyRow> {
    let disk_sync = disk::sync_times(settings)?;
    let server = ServerProcess::start(settings)?;
    let address = server.address();
    let runtime = runtime()?;
    let mut subscription = runtime.block_on(Subscription::open(address, ""))?;
    // `subscribed`: from here on every event comes.
    runtime.block_on(subscription.next())?;
    let interval = Duration::from_secs(1) / rate;
    let whole = settings.warm_up() + settings.duration();
    let schedule = Schedule {
        begin: clock::instant() + Duration::from_millis(50),
        interval,
        connections,
        count: u32::try_from(whole.as_nanos() / interval.as_nanos())?,
        warm_up: settings.warm_up(),
    };
    let (to_subscriber, to_answer) = thread::scope(|scope| {
        let publishers: Vec<_> = (0..connections)
            .map(|first| scope.spawn(move || publish(address, schedule, first)))
            .collect();
        // A publisher that fails leaves us waiting for what it did not emit, so the wait has an end.
        let patience = whole + Duration::from_secs(30);
        let received = runtime.block_on(async {
            tokio::time::timeout(patience, receive(&mut subscription, schedule)).await
        });
        let to_answer = joined(publishers)?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((received??, to_answer))
    })?;
    Ok(LatencyRow {
        rate_per_s: rate,
        connections,
        to_subscriber: to_subscriber.quantiles(),
        to_answer: to_answer.quantiles(),
        disk_sync,
    })
}

fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn joined(publishers: Vec<ScopedJoinHandle<'_, Outcome<Times>>>) -> Outcome<Times> {
    let mut all = Times::new()?;
    for publisher in publishers {
        let times = publisher.join().map_err(|_| "a publisher panicked")??;
        all.add(&times)?;
    }
    Ok(all)
}

fn publish(address: SocketAddr, schedule: Schedule, first: u32) -> Outcome<Times> {
    let runtime = runtime()?;
    let mut connection = runtime.block_on(Connection::open(address))?;
    let mut times = Times::new()?;
    for place in (first..schedule.count).step_by(schedule.connections as usize) {
        let due = schedule.due(place);
        let body = format!(
            r#"{{"kind":"{COMMON_KIND}","data":{{"due_ns":{}}}}}"#,
            due.as_nanos()
        );
        let request = http::emit("application/json", &body);
        schedule.wait_for(due);
        runtime.block_on(connection.send(&request))?;
        if let Some(late) = schedule.late(due) {
            times.record(late);
        }
    }
    Ok(times)
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
