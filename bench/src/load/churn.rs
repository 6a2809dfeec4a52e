//! Subscribers that come and go all the time beside others that stay.
//!
//! Half of those that come resume where an earlier one stood when it left. Each, for as long as it is there, must get
//! exactly the log from where it began; delays are those of the subscribers that stay.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver as Inbox, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::fan_out::{Generator, PUBLISHERS};
use super::frames::Frames;
use super::publish::{self, Pace};
use super::receive::{Receiver, Stream};
use super::{PATIENCE, connect, rounded, while_hearing};
use crate::Outcome;
use crate::pace::{self, Published, Schedule};
use crate::quantiles::{Quantiles, median};
use crate::report::Row;
use crate::server::ServerProcess;
use crate::settings::Settings;

/// Joined subscribers that wait for the receiver to look up: it does so at least a hundred times a second.
const ARRIVALS: usize = 64;

/// How long the receiver waits for something to come, and so how long one that joined waits for it.
const LOOK_UP: Duration = Duration::from_millis(5);

/// Flags of churn.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// Subscribers that stay
    #[arg(long, default_value_t = 100, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub subscribers: u32,

    /// Subscribers that come in a second, a row for each; as many leave, after a second
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "0,100",
        value_name = "COUNTS"
    )]
    pub joins: Vec<u32>,

    /// Emits a second
    #[arg(long, default_value_t = 1000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
}

/// A line of the churn table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChurnRow {
    /// Who served.
    pub subject: String,
    /// Subscribers that stayed.
    pub subscribers: u32,
    /// Subscribers that were to come in a second, and to leave again.
    pub joins_per_s: u32,
    /// Emits a second, of one event each.
    pub rate_per_s: u32,
    /// Subscribers that came.
    pub joined: u64,
    /// How many of them resumed where another had left.
    pub resumed: u64,
    /// Events over all subscribers, each checked.
    pub deliveries: u64,
    /// From when an emit was due until one that stayed had the event.
    pub to_subscriber: Quantiles,
    /// From when an emit was due until it was sent.
    pub sent_late: Quantiles,
    /// Server CPU time of a delivery, emits and handshakes included.
    pub cpu_us_per_delivery: f64,
    /// Whether the generator held the schedule.
    pub generator: Generator,
    /// The server's, at the end.
    pub resident_mib: u64,
}

impl Row for ChurnRow {
    const COLUMNS: &'static [&'static str] = &[
        "server",
        "subscribers that stay",
        "joins/s",
        "emits/s",
        "joined",
        "resumed",
        "deliveries",
        "those that stay, due → subscriber, p50 / p99 / p99.9 / max ms",
        "due → sent, p50 / p99 / p99.9 / max ms",
        "server CPU µs per delivery",
        "generator",
        "server MiB resident",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.subject.clone(),
            self.subscribers.to_string(),
            self.joins_per_s.to_string(),
            self.rate_per_s.to_string(),
            self.joined.to_string(),
            self.resumed.to_string(),
            self.deliveries.to_string(),
            self.to_subscriber.to_string(),
            self.sent_late.to_string(),
            format!("{:.2}", self.cpu_us_per_delivery),
            self.generator.name().to_owned(),
            self.resident_mib.to_string(),
        ]
    }
}

/// Measures each rate of joins in each round, and reports the rounds whose p99 is the median.
pub fn run(settings: &Settings, flags: &Flags) -> Outcome<Vec<ChurnRow>> {
    let mut rounds: Vec<Vec<ChurnRow>> = flags.joins.iter().map(|_| Vec::new()).collect();
    for round in 1..=settings.rounds() {
        for (joins, rows) in flags.joins.iter().zip(&mut rounds) {
            settings.note(&format!("churn: round {round}, {joins} joins a second"));
            rows.push(measure(settings, flags, *joins)?);
        }
    }
    let medians = rounds
        .into_iter()
        .map(|rows| median(rows, |row| row.to_subscriber.p99_ms));
    Ok(medians.collect())
}

fn measure(settings: &Settings, flags: &Flags, joins: u32) -> Outcome<ChurnRow> {
    let subscribers = if settings.quick {
        flags.subscribers.min(10)
    } else {
        flags.subscribers
    };
    let server = ServerProcess::start(settings)?;
    let address = server.address();
    let staying = connect::subscribers(address, subscribers, |_, socket| {
        connect::subscribe(socket, "")
    })?;
    let (warm_up, counted) = (settings.warm_up(), settings.duration());
    let schedule = Schedule::new(flags.rate, PUBLISHERS, warm_up, counted)?;
    let mut crowd = Crowd::new(schedule, staying, joins)?;
    let before = server.usage()?;
    let (began, receiver_before) = (pace::monotonic(), pace::thread_cpu());
    let mut publisher = publish::start(&publish::Job {
        address,
        authority: None,
        drafts: 1,
        event_bytes: 200,
        project: None,
        pace: Pace::Open(schedule),
    })?;
    let (arrivals, arriving) = sync_channel(ARRIVALS);
    let (leaving, left) = sync_channel(ARRIVALS);
    let is_over = &AtomicBool::new(false);
    let (published, resumed) = thread::scope(|scope| {
        let joining = scope.spawn(move || join(address, joins, is_over, &left, &arrivals));
        let published =
            while_hearing::<Published>(&mut publisher, || crowd.turn(&arriving, &leaving));
        // Nothing but its own value is passed on by it.
        is_over.store(true, Ordering::Relaxed);
        // If it waits for room in the queue, this lets it go.
        drop(arriving);
        let resumed = joining.join().map_err(|_| "joining panicked")?;
        Outcome::Ok((published?, resumed?))
    })?;
    crowd.receiver.set_goal(published.emits);
    crowd.receiver.run(PATIENCE)?;
    let (after, took) = (server.usage()?, pace::monotonic().saturating_sub(began));
    let receiver_cpu = pace::thread_cpu().saturating_sub(receiver_before);
    let sent_late = published.sent_late.quantiles();
    let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
    let deliveries = crowd.receiver.deliveries();
    Ok(ChurnRow {
        subject: "todoki".to_owned(),
        subscribers,
        joins_per_s: joins,
        rate_per_s: flags.rate,
        joined: crowd.joined,
        resumed,
        deliveries,
        to_subscriber: crowd.receiver.times().quantiles(),
        sent_late,
        cpu_us_per_delivery: cpu * 1e6 / rounded(deliveries),
        generator: Generator::judged(
            Some(&published.own_late),
            receiver_cpu.as_secs_f64() / took.as_secs_f64(),
        ),
        resident_mib: after.resident_bytes >> 20,
    })
}

/// Those that stay, and those that come and go.
struct Crowd {
    receiver: Receiver<Frames>,
    /// Those that will leave, the longest there first.
    passing: VecDeque<usize>,
    most: usize,
    joined: u64,
}

impl Crowd {
    fn new(schedule: Schedule, staying: Vec<Stream<Frames>>, most: u32) -> Outcome<Self> {
        let mut receiver = Receiver::new(Some(schedule))?;
        for stream in staying {
            receiver.add(stream)?;
        }
        Ok(Self {
            receiver,
            passing: VecDeque::new(),
            most: most as usize,
            joined: 0,
        })
    }

    /// Reads what is there, takes in who has come, and lets as many go.
    fn turn(&mut self, arriving: &Inbox<Stream<Frames>>, leaving: &SyncSender<u64>) -> Outcome<()> {
        self.receiver.turn(LOOK_UP)?;
        while let Ok(stream) = arriving.try_recv() {
            self.passing.push_back(self.receiver.add(stream.untimed())?);
            self.joined += 1;
            if self.passing.len() > self.most
                && let Some(first) = self.passing.pop_front()
            {
                let stream = self.receiver.remove(first)?;
                // Without room there are enough to resume from.
                leaving.try_send(stream.last()).ok();
            }
        }
        Ok(())
    }
}

/// Joins so many a second until it is over, and says how many resumed.
fn join(
    address: SocketAddr,
    joins_per_s: u32,
    is_over: &AtomicBool,
    left: &Inbox<u64>,
    arrivals: &SyncSender<Stream<Frames>>,
) -> Outcome<u64> {
    let (began, mut resumed) = (pace::monotonic(), 0);
    let Some(interval) = Duration::from_secs(1).checked_div(joins_per_s) else {
        return Ok(0);
    };
    for number in 0.. {
        let due = began + interval * number;
        thread::sleep(due.saturating_sub(pace::monotonic()));
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let after = left.try_recv().ok().filter(|_| number % 2 == 1);
        resumed += u64::from(after.is_some());
        let query = after.map_or(String::new(), |after| format!("cursor={after}"));
        let stream = connect::subscriber(address, 0, connect::Tuning::default(), |socket| {
            connect::subscribe(socket, &query)
        })?;
        if arrivals.send(stream).is_err() {
            break;
        }
    }
    Ok(resumed)
}
