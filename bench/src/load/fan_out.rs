//! One stream to many subscribers at a steady rate: what a delivery costs the server, and how late it is.

use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::bare;
use super::connect::{self, Start};
use super::frames::Frames;
use super::publish::{self, Pace};
use super::receive::{Framing, Receiver, Stream};
use super::{receive_from, rounded};
use crate::Outcome;
use crate::pace::{self, Published, Schedule};
use crate::quantiles::{self, Quantiles, Times};
use crate::report::Row;
use crate::server::{ServerProcess, Usage};
use crate::settings::Settings;

/// Connections of the publisher: a sync must take as many milliseconds before it makes an emit late at 1000 a second.
pub const PUBLISHERS: u32 = 32;

/// The bare sender gathers for as long as the server does by default.
const GATHER: Duration = Duration::from_millis(5);

/// The generator is at fault when emits leave so late, or when the receiver has had so much of a core.
const LATE_MS: f64 = 10.0;
const BUSY_CORES: f64 = 0.9;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Case {
    /// Subscribers that all want everything.
    pub subscribers: u32,
    /// Emits a second, of one event each.
    pub rate_per_s: u32,
    /// Bytes of an event, about.
    pub event_bytes: usize,
    /// `message` or `lines`.
    pub encoding: String,
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The bare sender, with a write for each event.
    BareEvents,
    /// The bare sender, with a write for what was due in 5 ms.
    BareBatches,
    /// The server.
    Todoki,
}

impl Subject {
    /// In words, as rows have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BareEvents => "bare sender, a write an event",
            Self::BareBatches => "bare sender, a write in 5 ms",
            Self::Todoki => "todoki",
        }
    }
}

/// Whether the figures of a row are the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Generator {
    /// They are: the generator kept up.
    Held,
    /// Emits left late although a connection was free for them: there was no core.
    PublisherLate,
    /// The receiver needed a whole core: the server may have waited for it.
    ReceiverBusy,
}

impl Generator {
    /// Judged by how late the publisher itself was, if there was a schedule, and how much of a core the receiver had.
    pub fn judged(own_late: Option<&Times>, receiver_cores: f64) -> Self {
        if own_late.is_some_and(|late| late.quantiles().p99_ms > LATE_MS) {
            Self::PublisherLate
        } else if receiver_cores > BUSY_CORES {
            Self::ReceiverBusy
        } else {
            Self::Held
        }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::PublisherLate => "publisher late",
            Self::ReceiverBusy => "receiver busy",
        }
    }
}

/// A line of the fan-out table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FanOutRow {
    /// Who sent.
    pub subject: String,
    /// Subscribers that all got everything.
    pub subscribers: u32,
    /// Emits a second, of one event each.
    pub rate_per_s: u32,
    /// Bytes of an event, about.
    pub event_bytes: usize,
    /// How messages were framed.
    pub encoding: String,
    /// Whether and how they were compressed.
    pub compression: String,
    /// Events over all subscribers, each checked.
    pub deliveries: u64,
    /// Server CPU time of a delivery, the emits' part included.
    pub cpu_us_per_delivery: f64,
    /// From when an emit was due until a subscriber had the event.
    pub to_subscriber: Quantiles,
    /// From when an emit was due until it was sent.
    pub sent_late: Quantiles,
    /// Times that a subscriber was told that it lags.
    pub lags: u32,
    /// How much of a core the receiver used.
    pub receiver_cores: f64,
    /// Whether the generator held the schedule.
    pub generator: Generator,
    /// The server's, at the end.
    pub resident_mib: u64,
}

impl Row for FanOutRow {
    const COLUMNS: &'static [&'static str] = &[
        "sender",
        "subscribers",
        "emits/s",
        "event bytes",
        "encoding",
        "compression",
        "deliveries",
        "sender CPU µs per delivery",
        "due → subscriber, p50 / p99 / p99.9 / max ms",
        "due → sent, p50 / p99 / p99.9 / max ms",
        "lags",
        "receiver cores",
        "generator",
        "sender MiB resident",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.subject.clone(),
            self.subscribers.to_string(),
            self.rate_per_s.to_string(),
            self.event_bytes.to_string(),
            self.encoding.clone(),
            self.compression.clone(),
            self.deliveries.to_string(),
            format!("{:.2}", self.cpu_us_per_delivery),
            self.to_subscriber.to_string(),
            self.sent_late.to_string(),
            self.lags.to_string(),
            format!("{:.2}", self.receiver_cores),
            self.generator.name().to_owned(),
            self.resident_mib.to_string(),
        ]
    }
}

/// Measures each case with each subject in each round, and reports the rounds whose costs are the medians.
pub fn run(settings: &Settings, cases: &[(Subject, Case)]) -> Outcome<Vec<FanOutRow>> {
    let mut rounds: Vec<Vec<FanOutRow>> = cases.iter().map(|_| Vec::new()).collect();
    for round in 1..=settings.rounds() {
        for ((subject, case), rows) in cases.iter().zip(&mut rounds) {
            let name = subject.name();
            settings.note(&format!("fan-out: round {round}, {name}, {case:?}"));
            rows.push(measure(settings, *subject, case)?);
        }
    }
    Ok(rounds.into_iter().map(median).collect())
}

/// The round whose cost is the median.
pub fn median(rows: Vec<FanOutRow>) -> FanOutRow {
    quantiles::median(rows, |row| row.cpu_us_per_delivery)
}

fn measure(settings: &Settings, subject: Subject, case: &Case) -> Outcome<FanOutRow> {
    match subject {
        Subject::BareEvents => bare(settings, subject, case, Duration::ZERO),
        Subject::BareBatches => bare(settings, subject, case, GATHER),
        Subject::Todoki => {
            let server = ServerProcess::start(settings)?;
            let query = format!("encoding={}", case.encoding);
            let streams = connect::subscribers(server.address(), case.subscribers, |_, socket| {
                connect::subscribe(socket, &query)
            })?;
            todoki(settings, subject.name(), case, &server, streams, None)
        }
    }
}

fn bare(
    settings: &Settings,
    subject: Subject,
    case: &Case,
    gather: Duration,
) -> Outcome<FanOutRow> {
    let mut sender = bare::start(case.subscribers)?;
    let streams = connect::subscribers(sender.address, case.subscribers, no_handshake)?;
    let mut run = Run::begin(settings, case, 1, streams, sender.part.usage()?)?;
    sender.part.tell(&bare::Job {
        event_bytes: case.event_bytes,
        pace: Pace::Open(run.schedule),
        gather,
    })?;
    let goal = |sent: &bare::Sent| sent.events;
    let sent = receive_from(&mut run.receiver, &mut sender.part, goal)?;
    let (late, after) = (&sent.late, sender.part.usage()?);
    Ok(run.end(subject.name(), case, late, late, after))
}

/// Publishes to the subscribers of a server, as the case has it.
pub fn todoki<F: Framing>(
    settings: &Settings,
    subject: &str,
    case: &Case,
    server: &ServerProcess,
    streams: Vec<Stream<F>>,
    project: Option<Uuid>,
) -> Outcome<FanOutRow> {
    let mut run = Run::begin(settings, case, PUBLISHERS, streams, server.usage()?)?;
    let mut publisher = publish::start(&publish::Job {
        address: server.address(),
        authority: server.authority().map(Path::to_path_buf),
        drafts: 1,
        event_bytes: case.event_bytes,
        project,
        pace: Pace::Open(run.schedule),
    })?;
    let goal = |published: &Published| published.emits;
    let published = receive_from(&mut run.receiver, &mut publisher, goal)?;
    let Published {
        sent_late,
        own_late,
        ..
    } = &published;
    Ok(run.end(subject, case, sent_late, own_late, server.usage()?))
}

/// A case under way, whoever sends.
#[derive(Debug)]
pub struct Run<F> {
    /// When emits are due.
    pub schedule: Schedule,
    /// Who has the streams.
    pub receiver: Receiver<F>,
    sender_before: Usage,
    receiver_before: Duration,
    began: Duration,
}

impl<F: Framing> Run<F> {
    /// Subscribers are there, and the schedule begins in a moment. The sender has used so much for them to be there.
    pub fn begin(
        settings: &Settings,
        case: &Case,
        publishers: u32,
        streams: Vec<Stream<F>>,
        sender_before: Usage,
    ) -> Outcome<Self> {
        let (warm_up, counted) = (settings.warm_up(), settings.duration());
        let schedule = Schedule::new(case.rate_per_s, publishers, warm_up, counted)?;
        let mut receiver = Receiver::new(Some(schedule))?;
        for stream in streams {
            receiver.add(stream)?;
        }
        Ok(Self {
            schedule,
            receiver,
            sender_before,
            receiver_before: pace::thread_cpu(),
            began: pace::monotonic(),
        })
    }

    /// Everybody has everything, for which the sender has used so much. See [`Published`] for the two ways to be late.
    pub fn end(
        self,
        subject: &str,
        case: &Case,
        sent_late: &Times,
        own_late: &Times,
        sender_after: Usage,
    ) -> FanOutRow {
        let took = pace::monotonic().saturating_sub(self.began);
        let receiver_cpu = pace::thread_cpu().saturating_sub(self.receiver_before);
        let receiver_cores = receiver_cpu.as_secs_f64() / took.as_secs_f64();
        let deliveries = self.receiver.deliveries();
        let due = u64::from(self.schedule.count) * u64::from(case.subscribers);
        let generator = if deliveries < due {
            Generator::PublisherLate
        } else {
            Generator::judged(Some(own_late), receiver_cores)
        };
        let sender_cpu = sender_after.cpu.saturating_sub(self.sender_before.cpu);
        let lags = self.receiver.streams().map(|(_, one)| one.seen().lags);
        FanOutRow {
            subject: subject.to_owned(),
            subscribers: case.subscribers,
            rate_per_s: case.rate_per_s,
            event_bytes: case.event_bytes,
            encoding: case.encoding.clone(),
            compression: "off".to_owned(),
            deliveries,
            cpu_us_per_delivery: sender_cpu.as_secs_f64() * 1e6 / rounded(deliveries),
            to_subscriber: self.receiver.times().quantiles(),
            sent_late: sent_late.quantiles(),
            lags: lags.sum(),
            receiver_cores,
            generator,
            resident_mib: sender_after.resident_bytes >> 20,
        }
    }
}

/// A bare sender's stream begins with its first event.
pub fn no_handshake(_: u32, _: &mut TcpStream) -> Outcome<Start<Frames>> {
    Ok(Start {
        framing: Frames::messages(),
        early: Vec::new(),
        after: 0,
    })
}
