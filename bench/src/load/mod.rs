//! Load: one stream to many subscribers, each of which checks every cursor, under the conditions that break servers.
//!
//! What measures is kept apart from what is measured. The publisher ([`publish`]) is a process of its own and follows a
//! schedule; the receiver ([`receive`]) is a thread that reads all connections and looks at messages in place; the server
//! is a process of its own, so its processor time is its alone. The bare sender ([`bare`]) goes through the same receiver,
//! to show what the generator and the machine can do at best. [`mod@fan_out`] and its siblings are the modes.

pub mod bare;
pub mod child;
pub mod chunks;
pub mod churn;
pub mod connect;
pub mod fan_out;
pub mod frames;
pub mod grants;
pub mod hostile;
pub mod idle;
pub mod publish;
pub mod receive;
pub mod saturation;
pub mod secure;
pub mod slow;
pub mod storm;
pub mod streams;
pub mod tls;

use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;

use crate::Outcome;
use crate::settings::Settings;
use child::Part;
use fan_out::{Case, FanOutRow, Subject};
use receive::{Framing, Receiver};

/// What to load the server with.
#[derive(Clone, Debug, Subcommand)]
pub enum Mode {
    /// One stream to many subscribers at a steady rate, after the bare sender at the same
    FanOut(FanOut),
    /// The same stream in frames of one message and of many lines
    Encoding(FanOut),
    /// The same stream to subscribers of whom everything, one project, or scopes that differ are granted, alike or apart
    Grants(grants::Flags),
    /// The same stream over HTTP, as server-sent events and as lines, beside WebSocket
    Streams(FanOut),
    /// The same stream over `wss://` beside `ws://`, and connecting with full and with resumed handshakes
    Tls(tls::Flags),
    /// As much as goes through, after the bare sender
    Saturation(saturation::Flags),
    /// Memory of connections to which nothing happens
    Idle(idle::Flags),
    /// Readers of all history beside a live stream
    Replay(storm::Flags),
    /// Subscribers that hardly read beside others that do
    Slow(slow::Flags),
    /// Subscribers that come and go beside others that stay
    Churn(churn::Flags),
    /// Attacks beside a steady stream
    Hostile(hostile::Flags),
}

/// The main cases, as `bench all` measures them: arguments of `bench load`.
pub const ALL: [&[&str]; 11] = [
    &["fan-out"],
    &["encoding", "--subscribers", "100"],
    &["saturation"],
    &["idle"],
    &["replay"],
    &["slow"],
    &["churn"],
    &["grants", "--subscribers", "100,1000"],
    &["streams", "--subscribers", "10,100,300"],
    &["tls", "--subscribers", "100,500"],
    &["hostile"],
];

/// Flags of a steady stream.
#[derive(Args, Clone, Debug)]
pub struct FanOut {
    /// Subscribers, a row for each
    #[arg(long, value_delimiter = ',', default_value = "1,100,500,1000", value_name = "COUNTS", value_parser = clap::value_parser!(u32).range(1..))]
    pub subscribers: Vec<u32>,

    /// Emits a second
    #[arg(long, default_value_t = 1000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,

    /// Bytes of an event on the wire
    #[arg(long, default_value_t = 200, value_name = "BYTES")]
    pub event_bytes: usize,
}

impl FanOut {
    fn cases(&self, settings: &Settings, subjects: &[(Subject, &str)]) -> Vec<(Subject, Case)> {
        let counts = settings.counts(&self.subscribers, 10);
        let each = counts
            .iter()
            .flat_map(|count| subjects.iter().map(move |subject| (*count, *subject)));
        each.map(|(subscribers, (subject, encoding))| (subject, self.case(subscribers, encoding)))
            .collect()
    }

    fn case(&self, subscribers: u32, encoding: &str) -> Case {
        Case {
            subscribers,
            rate_per_s: self.rate,
            event_bytes: self.event_bytes,
            encoding: encoding.to_owned(),
        }
    }
}

/// Measures the fan-out.
pub fn fan_out(settings: &Settings, flags: &FanOut) -> Outcome<Vec<FanOutRow>> {
    let subjects = [
        (Subject::BareEvents, "message"),
        (Subject::BareBatches, "message"),
        (Subject::Todoki, "message"),
    ];
    fan_out::run(settings, &flags.cases(settings, &subjects))
}

/// Measures the encodings.
pub fn encoding(settings: &Settings, flags: &FanOut) -> Outcome<Vec<FanOutRow>> {
    let subjects = [(Subject::Todoki, "message"), (Subject::Todoki, "lines")];
    fan_out::run(settings, &flags.cases(settings, &subjects))
}

/// What is due must be there within this, or the run has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often whoever reads looks up when nothing comes.
pub(crate) const LOOK_UP: Duration = Duration::from_millis(20);

/// Reads while a part does its work, and then until all subscribers have what `goal` says was sent.
pub fn receive_from<F: Framing, T: DeserializeOwned + Send>(
    receiver: &mut Receiver<F>,
    part: &mut Part,
    goal: impl FnOnce(&T) -> u64,
) -> Outcome<T> {
    let told = while_hearing(part, || receiver.turn(LOOK_UP))?;
    receiver.set_goal(goal(&told));
    receiver.run(PATIENCE)?;
    Ok(told)
}

/// Does something over and over until a part has told what it did.
pub fn while_hearing<T: DeserializeOwned + Send>(
    part: &mut Part,
    mut turn: impl FnMut() -> Outcome<()>,
) -> Outcome<T> {
    thread::scope(|scope| {
        let hearing = scope.spawn(|| part.hear::<T>());
        // A part works for a bounded time, so if a turn fails, the scope still ends.
        while !hearing.is_finished() {
            turn()?;
        }
        hearing.join().map_err(|_| "hearing a part panicked")?
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of events stay far below 2^53"
)]
pub(crate) fn rounded(count: u64) -> f64 {
    count as f64
}
