//! As much as goes through: what a core delivers when producers never let it rest.
//!
//! Publishers emit again as soon as they are answered, so nothing here is about delay. Every subscriber must have every
//! event before the clock stops; whoever fell behind was given the log.

use std::time::Duration;

use clap::Args;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::fan_out::{Generator, no_handshake};
use super::publish::{self, Pace};
use super::receive::{Receiver, Stream};
use super::{PATIENCE, bare, child::Part, connect, frames::Frames, rounded, while_hearing};
use crate::Outcome;
use crate::pace::{self, Published};
use crate::quantiles::median;
use crate::report::Row;
use crate::server::{ServerProcess, Usage};
use crate::settings::Settings;

/// How long whoever reads waits for something to come.
const LOOK_UP: Duration = Duration::from_millis(5);

/// Flags of saturation.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// Subscribers that all want everything
    #[arg(long, default_value_t = 100, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub subscribers: u32,

    /// Publishers, a row for each
    #[arg(long, value_delimiter = ',', default_value = "1,2,8", value_name = "COUNTS", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub publishers: Vec<u32>,

    /// Drafts in each emit
    #[arg(long, default_value_t = 32, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub drafts: u32,

    /// Bytes of an event on the wire
    #[arg(long, default_value_t = 200, value_name = "BYTES")]
    pub event_bytes: usize,

    /// How messages are framed
    #[arg(long, default_value = "message", value_parser = ["message", "lines"])]
    pub encoding: String,
}

/// A line of the saturation table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SaturationRow {
    /// Who sent.
    pub subject: String,
    /// Subscribers that all got everything.
    pub subscribers: u32,
    /// Connections that emitted; 0 where nothing is emitted.
    pub publishers: u32,
    /// Drafts in each emit.
    pub drafts_per_emit: u32,
    /// Bytes of an event, about.
    pub event_bytes: usize,
    /// How messages were framed.
    pub encoding: String,
    /// Whether and how they were compressed.
    pub compression: String,
    /// Events emitted.
    pub events: u64,
    /// Events over all subscribers, each checked.
    pub deliveries: u64,
    /// From the first delivery to the last.
    pub deliveries_per_s: f64,
    /// For one second of one core of the sender, the emits' part included.
    pub deliveries_per_cpu_s: f64,
    /// How much of a core the sender used.
    pub sender_cores: f64,
    /// Times that a subscriber was told that it lags.
    pub lags: u32,
    /// How much of a core the receiver used.
    pub receiver_cores: f64,
    /// Whether the receiver kept up.
    pub generator: Generator,
    /// The sender's, at the end.
    pub resident_mib: u64,
}

impl Row for SaturationRow {
    const COLUMNS: &'static [&'static str] = &[
        "sender",
        "subscribers",
        "publishers",
        "drafts per emit",
        "event bytes",
        "encoding",
        "compression",
        "events",
        "deliveries",
        "deliveries/s",
        "deliveries per sender CPU s",
        "sender cores",
        "lags",
        "receiver cores",
        "generator",
        "sender MiB resident",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.subject.clone(),
            self.subscribers.to_string(),
            self.publishers.to_string(),
            self.drafts_per_emit.to_string(),
            self.event_bytes.to_string(),
            self.encoding.clone(),
            self.compression.clone(),
            self.events.to_string(),
            self.deliveries.to_string(),
            format!("{:.0}", self.deliveries_per_s),
            format!("{:.0}", self.deliveries_per_cpu_s),
            format!("{:.2}", self.sender_cores),
            self.lags.to_string(),
            format!("{:.2}", self.receiver_cores),
            self.generator.name().to_owned(),
            self.resident_mib.to_string(),
        ]
    }
}

/// Measures the bare sender and each number of publishers in each round, and reports the median rounds.
pub fn run(settings: &Settings, flags: &Flags) -> Outcome<Vec<SaturationRow>> {
    let mut publishers = vec![0];
    publishers.extend(settings.counts(&flags.publishers, 2));
    let mut rounds: Vec<Vec<SaturationRow>> = publishers.iter().map(|_| Vec::new()).collect();
    for round in 1..=settings.rounds() {
        for (publishers, rows) in publishers.iter().zip(&mut rounds) {
            settings.note(&format!(
                "saturation: round {round}, {publishers} publishers"
            ));
            rows.push(match publishers {
                0 => bare(settings, flags)?,
                _ => todoki(settings, flags, *publishers)?,
            });
        }
    }
    let medians = rounds
        .into_iter()
        .map(|rows| median(rows, |row| row.deliveries_per_cpu_s));
    Ok(medians.collect())
}

fn bare(settings: &Settings, flags: &Flags) -> Outcome<SaturationRow> {
    let flags = &Flags {
        encoding: "message".to_owned(),
        ..flags.clone()
    };
    let mut sender = bare::start(flags.subscribers)?;
    let streams = connect::subscribers(sender.address, flags.subscribers, no_handshake)?;
    let mut run = Run::begin(streams, sender.part.usage()?)?;
    sender.part.tell(&bare::Job {
        event_bytes: flags.event_bytes,
        pace: closed(settings, 0),
        gather: Duration::ZERO,
    })?;
    let events = run.receive(&mut sender.part, |sent: &bare::Sent| sent.events)?;
    Ok(run.end("bare sender", flags, 0, events, sender.part.usage()?))
}

fn todoki(settings: &Settings, flags: &Flags, publishers: u32) -> Outcome<SaturationRow> {
    let server = ServerProcess::start(settings)?;
    let address = server.address();
    let query = format!("encoding={}", flags.encoding);
    let streams = connect::subscribers(address, flags.subscribers, |_, socket| {
        connect::subscribe(socket, &query)
    })?;
    let mut run = Run::begin(streams, server.usage()?)?;
    let mut publisher = publish::start(&publish::Job {
        address,
        authority: None,
        drafts: flags.drafts,
        event_bytes: flags.event_bytes,
        project: None,
        pace: closed(settings, publishers),
    })?;
    let events = run.receive(&mut publisher, |published: &Published| {
        published.emits * u64::from(flags.drafts)
    })?;
    Ok(run.end("todoki", flags, publishers, events, server.usage()?))
}

fn closed(settings: &Settings, connections: u32) -> Pace {
    Pace::Closed {
        connections,
        lasts: settings.duration(),
    }
}

/// A case under way, whoever sends.
struct Run {
    receiver: Receiver<Frames>,
    sender_before: Usage,
    receiver_before: Duration,
    /// When the first event was there, and the last.
    first: Option<Duration>,
    last: Duration,
}

impl Run {
    fn begin(streams: Vec<Stream<Frames>>, sender_before: Usage) -> Outcome<Self> {
        let mut receiver = Receiver::new(None)?;
        for stream in streams {
            receiver.add(stream)?;
        }
        Ok(Self {
            receiver,
            sender_before,
            receiver_before: pace::thread_cpu(),
            first: None,
            last: Duration::ZERO,
        })
    }

    /// Reads until all have what the part has told that it sent.
    fn receive<T: DeserializeOwned + Send>(
        &mut self,
        part: &mut Part,
        events: impl FnOnce(&T) -> u64,
    ) -> Outcome<u64> {
        let told = while_hearing(part, || {
            self.receiver.turn(LOOK_UP)?;
            if self.first.is_none() && self.receiver.deliveries() > 0 {
                self.first = Some(pace::monotonic());
            }
            Ok(())
        })?;
        let events = events(&told);
        self.receiver.set_goal(events);
        self.receiver.run(PATIENCE)?;
        self.last = pace::monotonic();
        Ok(events)
    }

    fn end(
        self,
        subject: &str,
        flags: &Flags,
        publishers: u32,
        events: u64,
        after: Usage,
    ) -> SaturationRow {
        let took = self.last.saturating_sub(self.first.unwrap_or_default());
        let took_s = took.as_secs_f64();
        let sender_cpu = after.cpu.saturating_sub(self.sender_before.cpu);
        let receiver_cpu = pace::thread_cpu().saturating_sub(self.receiver_before);
        let receiver_cores = receiver_cpu.as_secs_f64() / took_s;
        let deliveries = self.receiver.deliveries();
        let lags = self.receiver.streams().map(|(_, one)| one.seen().lags);
        SaturationRow {
            subject: subject.to_owned(),
            subscribers: flags.subscribers,
            publishers,
            drafts_per_emit: flags.drafts,
            event_bytes: flags.event_bytes,
            encoding: flags.encoding.clone(),
            compression: "off".to_owned(),
            events,
            deliveries,
            deliveries_per_s: rounded(deliveries) / took_s,
            deliveries_per_cpu_s: rounded(deliveries)
                / sender_cpu.max(Duration::from_millis(10)).as_secs_f64(),
            sender_cores: sender_cpu.as_secs_f64() / took_s,
            lags: lags.sum(),
            receiver_cores,
            generator: Generator::judged(None, receiver_cores),
            resident_mib: after.resident_bytes >> 20,
        }
    }
}
