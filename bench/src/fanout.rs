//! One stream to many subscribers: what a delivery costs the server, and how late it is.
//!
//! An open loop as for latency. Every subscriber has a connection of its own and checks every cursor; they share one
//! thread, which is not the server's business but takes a core of the same machine.

use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use todoki::clock;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::document::findings::{Bench, Findings};
use crate::document::target::Target;
use crate::pace::{self, Schedule};
use crate::quantiles::{Quantiles, Times};
use crate::report::Row;
use crate::server::ServerProcess;
use crate::settings::Settings;
use crate::websocket::Subscription;
use crate::wire::{self, Order};

/// Subscribers, emits a second, and how their messages are framed.
const CASES: [(u32, u32, &str); 4] = [
    (1, 1000, "message"),
    (100, 1000, "message"),
    (100, 1000, "lines"),
    (500, 1000, "message"),
];

/// Connections that emits take turns on, so that a slow sync delays few of them.
const PUBLISHERS: u32 = 8;

/// A line of the fan-out table.
#[derive(Debug, Deserialize, Serialize)]
pub struct FanoutRow {
    subscribers: u32,
    rate_per_s: u32,
    encoding: String,
    deliveries: u64,
    /// Server CPU time of a delivery, the emits' part included.
    cpu_us_per_delivery: f64,
    /// From when an emit was due until a subscriber had the event.
    to_subscriber: Quantiles,
    resident_mib: u64,
}

impl Row for FanoutRow {
    const COLUMNS: &'static [&'static str] = &[
        "subscribers",
        "emits/s",
        "encoding",
        "deliveries",
        "server CPU µs per delivery",
        "emit → subscriber, p50 / p99 / p99.9 / max ms",
        "server resident MiB",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.subscribers.to_string(),
            self.rate_per_s.to_string(),
            self.encoding.clone(),
            self.deliveries.to_string(),
            format!("{:.2}", self.cpu_us_per_delivery),
            self.to_subscriber.to_string(),
            self.resident_mib.to_string(),
        ]
    }
}

/// The measurement, as the documents show it.
#[derive(Debug)]
pub struct Fanout;

impl Bench for Fanout {
    const NAME: &'static str = "fanout";
    type Row = FanoutRow;

    fn findings(rows: &[FanoutRow], findings: &mut Findings) {
        for row in rows {
            let (times, encoding) = (row.to_subscriber, &row.encoding);
            if (row.subscribers, row.rate_per_s) == (100, 1000) {
                findings.figure(Target::DeliveryP50, encoding, times.p50_ms);
                findings.figure(Target::DeliveryP99, encoding, times.p99_ms);
            }
            let case = format!("{} × {}/s, {encoding}", row.subscribers, row.rate_per_s);
            findings.span(case, times);
        }
    }
}

/// Measures each case in each round, and reports the round whose cost is the median.
pub fn run(settings: &Settings) -> Outcome<Vec<FanoutRow>> {
    let mut rounds: Vec<Vec<FanoutRow>> = CASES.iter().map(|_| Vec::new()).collect();
    for round in 1..=settings.rounds() {
        for ((subscribers, rate, encoding), rows) in CASES.into_iter().zip(&mut rounds) {
            settings.note(&format!(
                "fanout: round {round}, {subscribers} subscribers, {rate} emits/s, {encoding}"
            ));
            rows.push(case(settings, subscribers, rate, encoding)?);
        }
    }
    let medians = rounds.into_iter().map(|mut rows| {
        rows.sort_by(|a, b| a.cpu_us_per_delivery.total_cmp(&b.cpu_us_per_delivery));
        rows.swap_remove(rows.len() / 2)
    });
    Ok(medians.collect())
}

fn case(
    settings: &Settings,
    subscribers: u32,
    rate: u32,
    encoding: &'static str,
) -> Outcome<FanoutRow> {
    let server = ServerProcess::start(settings)?;
    let address = server.address();
    let runtime = pace::runtime()?;
    let query = format!("encoding={encoding}");
    let subscriptions = runtime.block_on(async {
        let mut subscriptions = Vec::new();
        for _ in 0..subscribers {
            let mut subscription = Subscription::open(address, &query).await?;
            // `subscribed`: from here on every event comes.
            subscription.next().await?;
            subscriptions.push(subscription);
        }
        Outcome::Ok(subscriptions)
    })?;
    let interval = Duration::from_secs(1) / rate;
    let whole = settings.warm_up() + settings.duration();
    let schedule = Schedule {
        begin: clock::instant() + Duration::from_millis(50),
        interval,
        connections: PUBLISHERS,
        count: u32::try_from(whole.as_nanos() / interval.as_nanos())?,
        warm_up: settings.warm_up(),
    };
    let before = server.usage()?;
    let times = thread::scope(|scope| -> Outcome<Times> {
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|first| scope.spawn(move || pace::publish(address, schedule, first)))
            .collect();
        let patience = whole + Duration::from_secs(30);
        let received = runtime.block_on(async {
            tokio::time::timeout(patience, receive_all(subscriptions, schedule)).await
        });
        pace::joined(publishers)?;
        received?
    })?;
    let after = server.usage()?;
    let deliveries = u64::from(schedule.count) * u64::from(subscribers);
    Ok(FanoutRow {
        subscribers,
        rate_per_s: rate,
        encoding: encoding.to_owned(),
        deliveries,
        cpu_us_per_delivery: micros(after.cpu.saturating_sub(before.cpu)) / float(deliveries),
        to_subscriber: times.quantiles(),
        resident_mib: after.resident_bytes >> 20,
    })
}

async fn receive_all(subscriptions: Vec<Subscription>, schedule: Schedule) -> Outcome<Times> {
    let mut receiving = JoinSet::new();
    for subscription in subscriptions {
        receiving.spawn(receive(subscription, schedule));
    }
    let mut all = Times::new()?;
    while let Some(times) = receiving.join_next().await {
        all.add(&times??)?;
    }
    Ok(all)
}

async fn receive(mut subscription: Subscription, schedule: Schedule) -> Outcome<Times> {
    let mut times = Times::new()?;
    let mut order = Order::new(0, 1);
    while order.count() < schedule.count.into() {
        let message = subscription.next().await?;
        for line in message.split(|byte| *byte == b'\n') {
            let Some(cursor) = wire::cursor(line) else {
                continue;
            };
            order.check(cursor)?;
            let due = wire::member(line, "due_ns").ok_or("an event without its due time")?;
            if let Some(late) = schedule.late(Duration::from_nanos(due)) {
                times.record(late);
            }
        }
    }
    Ok(times)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "a count for a ratio")]
fn float(count: u64) -> f64 {
    count as f64
}
