//! The rows: one for each case and server, with what applies to the case.

use serde::{Deserialize, Serialize};

use crate::load::fan_out::Generator;
use crate::quantiles::Quantiles;
use crate::report::Row;

/// A line of the table of peers. What a case does not measure is absent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerRow {
    /// Which case.
    pub case: CaseName,
    /// Which server, as the catalogue names it.
    pub peer: String,
    /// Its version; empty when it is missing.
    pub version: String,
    /// Why it was not measured.
    pub missing: Option<String>,
    /// What becomes of an event that is published.
    pub keeps: String,
    /// How it was published to.
    pub published_by: String,
    /// Subscribers.
    pub subscribers: u32,
    /// Bytes of an event, about.
    pub event_bytes: usize,
    /// Events in each publish.
    pub batch: u32,
    /// Publishes a second; absent when as fast as possible.
    pub rate_per_s: Option<u32>,
    /// What was measured.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Events over all subscribers.
    pub deliveries: Option<u64>,
    /// Events that did not come to subscribers that had asked for them.
    pub lost: Option<u64>,
    /// Subscribers that the server hung up on.
    pub cut_off: Option<u32>,
    /// By the clock.
    pub deliveries_per_s: Option<f64>,
    /// For each second of the server's CPU time.
    pub deliveries_per_cpu_s: Option<f64>,
    /// Server CPU time of a delivery, the publishes' part included.
    pub cpu_us_per_delivery: Option<f64>,
    /// From when a publish was due until a subscriber had the event; in the stalled case, the half that reads.
    pub to_subscriber: Option<Quantiles>,
    /// Whether the generator held the schedule.
    pub generator: Option<Generator>,
    /// How much the server's resident memory grew at most, while its subscribers were stalled.
    pub resident_growth_mib: Option<f64>,
    /// Resident memory of the server for each idle subscriber.
    pub resident_kib_per_connection: Option<f64>,
}

/// The cases.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum CaseName {
    /// 100 subscribers, 1000 events/s of 200 bytes
    Steady,
    /// 100 subscribers, batches of 32 events of 200 bytes as fast as the slowest subscriber has them
    Saturation,
    /// 100 subscribers of which half read 1 KB/s, 500 events/s of 2 KB
    StalledHalf,
    /// Subscribers to whom nothing happens
    Idle,
}

impl CaseName {
    fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Saturation => "saturation",
            Self::StalledHalf => "stalled half",
            Self::Idle => "idle",
        }
    }
}

impl PeerRow {
    /// What the median of the rounds is taken of: the figure that the case is about.
    pub fn measure(&self) -> f64 {
        let figures = &self.figures;
        let measure = match self.case {
            CaseName::Steady => figures.cpu_us_per_delivery,
            CaseName::Saturation => figures.deliveries_per_cpu_s,
            CaseName::StalledHalf => figures.to_subscriber.map(|times| times.p99_ms),
            CaseName::Idle => figures.resident_kib_per_connection,
        };
        measure.unwrap_or(0.0)
    }
}

impl Row for PeerRow {
    const COLUMNS: &'static [&'static str] = &[
        "case",
        "server",
        "version",
        "keeps",
        "published by",
        "subscribers",
        "server CPU µs per delivery",
        "deliveries/s",
        "deliveries per server CPU s",
        "due → subscriber, p50 / p99 / p99.9 / max ms",
        "lost",
        "cut off",
        "resident growth MiB",
        "resident KiB per connection",
        "generator",
    ];

    fn cells(&self) -> Vec<String> {
        let figures = &self.figures;
        let version = match &self.missing {
            Some(why) => format!("missing: {why}"),
            None => self.version.clone(),
        };
        vec![
            self.case.name().to_owned(),
            self.peer.clone(),
            version,
            self.keeps.clone(),
            self.published_by.clone(),
            self.subscribers.to_string(),
            cell(figures.cpu_us_per_delivery, |cpu| format!("{cpu:.2}")),
            cell(figures.deliveries_per_s, |rate| format!("{rate:.0}")),
            cell(figures.deliveries_per_cpu_s, |rate| format!("{rate:.0}")),
            cell(figures.to_subscriber, |times| times.to_string()),
            cell(figures.lost, |lost| lost.to_string()),
            cell(figures.cut_off, |cut_off| cut_off.to_string()),
            cell(figures.resident_growth_mib, |mib| format!("{mib:.0}")),
            cell(figures.resident_kib_per_connection, |kib| {
                format!("{kib:.1}")
            }),
            cell(figures.generator, |generator| generator.name().to_owned()),
        ]
    }
}

fn cell<T>(figure: Option<T>, text: impl FnOnce(T) -> String) -> String {
    figure.map_or_else(|| "–".to_owned(), text)
}
