//! Many readers of all history at once, beside a live stream that must not notice.
//!
//! A reader that has everything leaves and begins again, so that the storm lasts for as long as the live stream is
//! measured. Readers are read by a thread of their own, so that what they wait for does not make the live stream late.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::fan_out::{Generator, PUBLISHERS};
use super::frames::Frames;
use super::publish::{self, Pace};
use super::receive::{Receiver, Stream};
use super::{LOOK_UP, connect, receive_from, rounded};
use crate::Outcome;
use crate::pace::{self, Published, Schedule};
use crate::quantiles::{Quantiles, median};
use crate::replay;
use crate::report::Row;
use crate::server::ServerProcess;
use crate::settings::Settings;

/// Flags of a storm of replays.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// Readers of all history at the same time, a row for each
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "0,1,8,32",
        value_name = "COUNTS"
    )]
    pub readers: Vec<u32>,

    /// Subscribers of the live stream
    #[arg(long, default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub subscribers: u32,

    /// Emits a second of the live stream
    #[arg(long, default_value_t = 500, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
}

/// A line of the table of replay storms.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StormRow {
    /// Who served.
    pub subject: String,
    /// Events stored before.
    pub stored: u64,
    /// Readers of all history at the same time.
    pub readers: u32,
    /// Subscribers of the live stream.
    pub live_subscribers: u32,
    /// Emits a second of the live stream.
    pub live_rate_per_s: u32,
    /// From when an emit was due until a live subscriber had the event.
    pub to_subscriber: Quantiles,
    /// From when an emit was due until it was sent.
    pub sent_late: Quantiles,
    /// Replays that came to their end, each checked.
    pub replays: u32,
    /// Events of history over all readers.
    pub replayed_events_per_s: f64,
    /// How much of a core the server used.
    pub server_cores: f64,
    /// Whether the generator held the schedule.
    pub generator: Generator,
    /// The server's, before the readers came.
    pub resident_before_mib: u64,
    /// The server's, at the end.
    pub resident_after_mib: u64,
}

impl Row for StormRow {
    const COLUMNS: &'static [&'static str] = &[
        "server",
        "stored",
        "readers",
        "live subscribers",
        "live emits/s",
        "live, due → subscriber, p50 / p99 / p99.9 / max ms",
        "due → sent, p50 / p99 / p99.9 / max ms",
        "replays",
        "replayed events/s",
        "server cores",
        "generator",
        "server MiB resident, before → after",
    ];

    fn cells(&self) -> Vec<String> {
        let (before, after) = (self.resident_before_mib, self.resident_after_mib);
        vec![
            self.subject.clone(),
            self.stored.to_string(),
            self.readers.to_string(),
            self.live_subscribers.to_string(),
            self.live_rate_per_s.to_string(),
            self.to_subscriber.to_string(),
            self.sent_late.to_string(),
            self.replays.to_string(),
            format!("{:.0}", self.replayed_events_per_s),
            format!("{:.2}", self.server_cores),
            self.generator.name().to_owned(),
            format!("{before} → {after}"),
        ]
    }
}

/// Fills one log, then measures each number of readers in each round, and reports the rounds whose p99 is the median.
pub fn run(settings: &Settings, flags: &Flags) -> Outcome<Vec<StormRow>> {
    let server = ServerProcess::start(settings)?;
    settings.note(&format!("replay: storing {} events", settings.events()));
    let stored = replay::fill(&server, settings.events())?;
    let readers = settings.counts(&flags.readers, 1);
    let mut rounds: Vec<Vec<StormRow>> = readers.iter().map(|_| Vec::new()).collect();
    for round in 1..=settings.rounds() {
        for (readers, rows) in readers.iter().zip(&mut rounds) {
            settings.note(&format!("replay: round {round}, {readers} readers"));
            rows.push(measure(settings, flags, &server, stored, *readers)?);
        }
    }
    let medians = rounds
        .into_iter()
        .map(|rows| median(rows, |row| row.to_subscriber.p99_ms));
    Ok(medians.collect())
}

fn measure(
    settings: &Settings,
    flags: &Flags,
    server: &ServerProcess,
    stored: u64,
    readers: u32,
) -> Outcome<StormRow> {
    let address = server.address();
    let streams = connect::subscribers(address, flags.subscribers, |_, socket| {
        connect::subscribe(socket, "")
    })?;
    let head = streams.iter().map(Stream::last).max().unwrap_or(0);
    let (warm_up, counted) = (settings.warm_up(), settings.duration());
    let schedule = Schedule::new(flags.rate, PUBLISHERS, warm_up, counted)?;
    let mut live = Receiver::new(Some(schedule))?;
    for stream in streams {
        live.add(stream)?;
    }
    let (before, began, receiver_before) = (server.usage()?, pace::monotonic(), pace::thread_cpu());
    let mut publisher = publish::start(&publish::Job {
        address,
        authority: None,
        drafts: 1,
        event_bytes: 200,
        project: None,
        pace: Pace::Open(schedule),
    })?;
    let is_over = AtomicBool::new(false);
    let (published, replayed) = thread::scope(|scope| {
        let reading = scope.spawn(|| read_over_and_over(address, readers, stored, &is_over));
        let goal = |published: &Published| head + published.emits;
        let published = receive_from(&mut live, &mut publisher, goal);
        // Nothing but its own value is passed on by it.
        is_over.store(true, Ordering::Relaxed);
        let replayed = reading.join().map_err(|_| "the readers panicked")??;
        Outcome::Ok((published?, replayed))
    })?;
    let (after, took) = (server.usage()?, pace::monotonic().saturating_sub(began));
    let took_s = took.as_secs_f64();
    let receiver_cpu = pace::thread_cpu().saturating_sub(receiver_before);
    let sent_late = published.sent_late.quantiles();
    Ok(StormRow {
        subject: "todoki".to_owned(),
        stored,
        readers,
        live_subscribers: flags.subscribers,
        live_rate_per_s: flags.rate,
        to_subscriber: live.times().quantiles(),
        sent_late,
        replays: replayed.replays,
        replayed_events_per_s: rounded(replayed.events) / took_s,
        server_cores: after.cpu.saturating_sub(before.cpu).as_secs_f64() / took_s,
        generator: Generator::judged(
            Some(&published.own_late),
            receiver_cpu.as_secs_f64() / took_s,
        ),
        resident_before_mib: before.resident_bytes >> 20,
        resident_after_mib: after.resident_bytes >> 20,
    })
}

struct Replayed {
    replays: u32,
    events: u64,
}

fn read_over_and_over(
    address: SocketAddr,
    readers: u32,
    stored: u64,
    is_over: &AtomicBool,
) -> Outcome<Replayed> {
    let open = |number| -> Outcome<Stream<Frames>> {
        connect::subscriber(address, number, connect::Tuning::default(), |socket| {
            connect::subscribe(socket, "cursor=0")
        })
    };
    let mut receiver = Receiver::new(None)?;
    for number in 0..readers {
        receiver.add(open(number)?)?;
    }
    let mut replays = 0;
    while !is_over.load(Ordering::Relaxed) {
        receiver.turn(LOOK_UP)?;
        let complete = receiver
            .streams()
            .filter(|(_, stream)| stream.seen().is_replayed)
            .map(|(number, _)| number);
        for number in complete.collect::<Vec<_>>() {
            let last = receiver.remove(number)?.last();
            if last < stored {
                return Err(format!("a replay was complete at event {last} of {stored}").into());
            }
            replays += 1;
            receiver.add(open(replays % readers)?)?;
        }
    }
    Ok(Replayed {
        replays,
        events: receiver.deliveries(),
    })
}
