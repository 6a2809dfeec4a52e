//! Half of the subscribers read a kilobyte a second of a megabyte a second: what that costs the others, and the server.
//!
//! At the end the slow ones are let go, and must still get every event, in order, each once. One that the server has
//! hung up on meanwhile comes back where it stood, as any client would.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::connect::{self, Tuning};
use super::fan_out::{Generator, PUBLISHERS};
use super::frames::Frames;
use super::publish::{self, Pace};
use super::receive::{Receiver, Stream};
use super::{LOOK_UP, PATIENCE, while_hearing};
use crate::Outcome;
use crate::pace::{self, Published, Schedule};
use crate::quantiles::{Quantiles, median};
use crate::report::Row;
use crate::server::ServerProcess;
use crate::settings::Settings;

/// Each slow subscriber reads this often.
const SIP: Duration = Duration::from_secs(1);

/// A slow client behind a network, not a stalled one. Loopback's segments are 64 KB, and a receiver does not open its
/// window for less than one: at a kilobyte a second the server would hear nothing for a minute.
pub(crate) const NETWORK: Tuning = Tuning {
    receive_bytes: Some(16 << 10),
    segment_bytes: Some(1460),
};

/// How often the server's memory is looked at.
const SAMPLE: Duration = Duration::from_millis(200);

/// Flags of slow subscribers.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// Subscribers that all want everything
    #[arg(long, default_value_t = 100, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(2..))]
    pub subscribers: u32,

    /// How many of them are slow, a row for each
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "0,50",
        value_name = "COUNTS"
    )]
    pub slow: Vec<u32>,

    /// Emits a second
    #[arg(long, default_value_t = 500, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,

    /// Bytes of an event on the wire
    #[arg(long, default_value_t = 2000, value_name = "BYTES")]
    pub event_bytes: usize,

    /// Bytes that a slow subscriber reads in a second
    #[arg(long, default_value_t = 1000, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub sip_bytes: u32,
}

/// A line of the table of slow subscribers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SlowRow {
    /// Who served.
    pub subject: String,
    /// Subscribers, the slow ones included.
    pub subscribers: u32,
    /// How many of them were slow.
    pub slow: u32,
    /// Emits a second, of one event each.
    pub rate_per_s: u32,
    /// Bytes of an event, about.
    pub event_bytes: usize,
    /// What a slow one read.
    pub slow_bytes_per_s: u32,
    /// From when an emit was due until one of the others had the event.
    pub to_subscriber: Quantiles,
    /// From when an emit was due until it was sent.
    pub sent_late: Quantiles,
    /// The server's memory before the first event.
    pub resident_before_mib: u64,
    /// The most that it grew by until the slow ones were let go.
    pub resident_growth_mib: u64,
    /// How much of a core the server used until then.
    pub server_cores: f64,
    /// Times that the server hung up on a slow one, which then came back.
    pub cut_off: u32,
    /// Events that the slow ones had when they were let go, over all of them.
    pub slow_events_before: u64,
    /// How long it then took until each had everything.
    pub drained_s: f64,
    /// Whether the generator held the schedule.
    pub generator: Generator,
}

impl Row for SlowRow {
    const COLUMNS: &'static [&'static str] = &[
        "server",
        "subscribers",
        "slow",
        "emits/s",
        "event bytes",
        "slow bytes/s",
        "the others, due → subscriber, p50 / p99 / p99.9 / max ms",
        "due → sent, p50 / p99 / p99.9 / max ms",
        "server MiB resident before",
        "grew by MiB",
        "server cores",
        "cut off",
        "slow ones had",
        "then everything within s",
        "generator",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.subject.clone(),
            self.subscribers.to_string(),
            self.slow.to_string(),
            self.rate_per_s.to_string(),
            self.event_bytes.to_string(),
            self.slow_bytes_per_s.to_string(),
            self.to_subscriber.to_string(),
            self.sent_late.to_string(),
            self.resident_before_mib.to_string(),
            self.resident_growth_mib.to_string(),
            format!("{:.2}", self.server_cores),
            self.cut_off.to_string(),
            self.slow_events_before.to_string(),
            format!("{:.1}", self.drained_s),
            self.generator.name().to_owned(),
        ]
    }
}

/// Measures each number of slow ones in each round, and reports the rounds whose p99 is the median.
pub fn run(settings: &Settings, flags: &Flags) -> Outcome<Vec<SlowRow>> {
    let mut rounds: Vec<Vec<SlowRow>> = flags.slow.iter().map(|_| Vec::new()).collect();
    for round in 1..=settings.rounds() {
        for (slow, rows) in flags.slow.iter().zip(&mut rounds) {
            settings.note(&format!("slow: round {round}, {slow} slow subscribers"));
            rows.push(measure(settings, flags, *slow)?);
        }
    }
    let medians = rounds
        .into_iter()
        .map(|rows| median(rows, |row| row.to_subscriber.p99_ms));
    Ok(medians.collect())
}

fn measure(settings: &Settings, flags: &Flags, slow: u32) -> Outcome<SlowRow> {
    let (subscribers, slow) = if settings.quick {
        (flags.subscribers.min(8), slow.min(4))
    } else {
        (flags.subscribers, slow)
    };
    let fast = subscribers.checked_sub(slow).filter(|fast| *fast > 0);
    let fast = fast.ok_or("some subscribers must not be slow")?;
    let server = ServerProcess::start(settings)?;
    let address = server.address();
    let fast = connect::subscribers(address, fast, |_, socket| connect::subscribe(socket, ""))?;
    let sippers = (0..slow).map(|number| sipper(address, number, 0));
    let sippers = sippers.collect::<Outcome<Vec<_>>>()?;
    let (warm_up, counted) = (settings.warm_up(), settings.duration());
    let schedule = Schedule::new(flags.rate, PUBLISHERS, warm_up, counted)?;
    let mut receiver = Receiver::new(Some(schedule))?;
    for stream in fast {
        receiver.add(stream)?;
    }
    let sipping = Sipping::new(address, sippers, flags.sip_bytes as usize)?;
    let before = server.usage()?;
    let (began, receiver_before) = (pace::monotonic(), pace::thread_cpu());
    let mut publisher = publish::start(&publish::Job {
        address,
        authority: None,
        drafts: 1,
        event_bytes: flags.event_bytes,
        project: None,
        pace: Pace::Open(schedule),
    })?;
    // What the slow ones are to reach, once it is known; nothing else is passed on by it.
    let goal = AtomicU64::new(0);
    let mut watch = Watch::new(&server);
    thread::scope(|scope| {
        let slow_ones = scope.spawn(|| sipping.run(&goal));
        let published = while_hearing::<Published>(&mut publisher, || {
            receiver.turn(LOOK_UP)?;
            watch.look()
        });
        let emits = published.as_ref().map_or(u64::MAX, |one| one.emits);
        receiver.set_goal(emits);
        let received = receiver.run(PATIENCE);
        let (after, took) = (server.usage(), pace::monotonic().saturating_sub(began));
        let receiver_cpu = pace::thread_cpu().saturating_sub(receiver_before);
        // Also after a failure: they must end for the scope to end.
        goal.store(emits, Ordering::Relaxed);
        let sipped = slow_ones.join().map_err(|_| "the slow ones panicked")?;
        received?;
        let (published, after, sipped) = (published?, after?, sipped?);
        let sent_late = published.sent_late.quantiles();
        let took_s = took.as_secs_f64();
        Ok(SlowRow {
            subject: "todoki".to_owned(),
            subscribers,
            slow,
            rate_per_s: flags.rate,
            event_bytes: flags.event_bytes,
            slow_bytes_per_s: flags.sip_bytes,
            to_subscriber: receiver.times().quantiles(),
            sent_late,
            resident_before_mib: before.resident_bytes >> 20,
            resident_growth_mib: watch.most_bytes.saturating_sub(before.resident_bytes) >> 20,
            server_cores: after.cpu.saturating_sub(before.cpu).as_secs_f64() / took_s,
            cut_off: sipped.cut_off,
            slow_events_before: sipped.events_before,
            drained_s: sipped.drained.as_secs_f64(),
            generator: Generator::judged(
                Some(&published.own_late),
                receiver_cpu.as_secs_f64() / took_s,
            ),
        })
    })
}

/// The server's greatest memory.
struct Watch<'a> {
    server: &'a ServerProcess,
    next: Duration,
    most_bytes: u64,
}

impl<'a> Watch<'a> {
    fn new(server: &'a ServerProcess) -> Self {
        Self {
            server,
            next: Duration::ZERO,
            most_bytes: 0,
        }
    }

    /// Looks, if it is time to.
    fn look(&mut self) -> Outcome<()> {
        let now = pace::monotonic();
        if now >= self.next {
            self.next = now + SAMPLE;
            self.most_bytes = self.most_bytes.max(self.server.usage()?.resident_bytes);
        }
        Ok(())
    }
}

fn sipper(address: SocketAddr, number: u32, after: u64) -> Outcome<Stream<Frames>> {
    let query = format!("cursor={after}");
    let stream = connect::subscriber(address, number, NETWORK, |socket| {
        connect::subscribe(socket, &query)
    });
    Ok(stream?.that_may_end())
}

/// The slow ones.
struct Sipping {
    address: SocketAddr,
    receiver: Receiver<Frames>,
    sip_bytes: usize,
    cut_off: u32,
}

struct Sipped {
    cut_off: u32,
    events_before: u64,
    drained: Duration,
}

impl Sipping {
    fn new(address: SocketAddr, streams: Vec<Stream<Frames>>, sip_bytes: usize) -> Outcome<Self> {
        let mut receiver = Receiver::new(None)?;
        for stream in streams {
            receiver.add(stream)?;
        }
        Ok(Self {
            address,
            receiver,
            sip_bytes,
            cut_off: 0,
        })
    }

    /// Sips until there is a goal, then reads as fast as it can until all have reached it.
    fn run(mut self, goal: &AtomicU64) -> Outcome<Sipped> {
        while goal.load(Ordering::Relaxed) == 0 {
            let numbers: Vec<_> = self.receiver.streams().map(|(number, _)| number).collect();
            let pause = SIP / u32::try_from(numbers.len().max(1))?;
            for number in numbers {
                if goal.load(Ordering::Relaxed) != 0 {
                    break;
                }
                self.receiver.read(number, self.sip_bytes)?;
                self.rejoin()?;
                thread::sleep(pause);
            }
            if self.receiver.streams().next().is_none() {
                thread::sleep(LOOK_UP);
            }
        }
        let (events_before, let_go) = (self.receiver.deliveries(), pace::monotonic());
        self.receiver.set_goal(goal.load(Ordering::Relaxed));
        while !self.receiver.is_done() {
            self.receiver.turn(LOOK_UP)?;
            self.rejoin()?;
            if pace::monotonic().saturating_sub(let_go) > PATIENCE * 2 {
                return Err(
                    "the slow ones had not everything a minute after they were let go".into(),
                );
            }
        }
        Ok(Sipped {
            cut_off: self.cut_off,
            events_before,
            drained: pace::monotonic().saturating_sub(let_go),
        })
    }

    /// Those that the server has hung up on come back.
    fn rejoin(&mut self) -> Outcome<()> {
        for stream in self.receiver.take_ended() {
            let number = self.cut_off;
            self.cut_off += 1;
            self.receiver
                .add(sipper(self.address, number, stream.last())?)?;
        }
        Ok(())
    }
}
