//! What compressed frames save, and what they cost: permessage-deflate as a group uses it, beside other ways.
//!
//! Nothing but the codec runs, on one thread, whose own CPU time is counted. Every way compresses the same events, and what
//! comes out is read back and compared.

use std::hint::black_box;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use todoki_codec::deflate::{Deflater, Inflater};

use crate::Outcome;
use crate::document::findings::{Bench, Findings};
use crate::document::target::Target;
use crate::quantiles::median;
use crate::report::Row;
use crate::sample;
use crate::settings::Settings;

/// Events of a pass: so many that the first of each window count little.
const EVENTS: i64 = 12_800;

/// No message is longer.
const MESSAGE_BYTES: usize = 1 << 20;

/// How events become messages, and messages windows.
struct Way {
    name: &'static str,
    /// Events in a message.
    lines: usize,
    /// Messages in a window.
    window: usize,
}

/// As a group does it.
const OURS: &str = "shared, windows of 128";

const WAYS: [Way; 5] = [
    Way {
        name: "each on its own",
        lines: 1,
        window: 1,
    },
    Way {
        name: "shared, windows of 16",
        lines: 1,
        window: 16,
    },
    Way {
        name: OURS,
        lines: 1,
        window: 128,
    },
    Way {
        name: "shared, windows of 512",
        lines: 1,
        window: 512,
    },
    Way {
        name: "64 lines a message, a message a window",
        lines: 64,
        window: 1,
    },
];

/// A line of the compression table.
#[derive(Debug, Serialize, Deserialize)]
pub struct CompressionRow {
    way: String,
    event_bytes: f64,
    compressed_bytes: f64,
    ratio: f64,
    deflate_ns: f64,
    inflate_ns: f64,
}

impl Row for CompressionRow {
    const COLUMNS: &'static [&'static str] = &[
        "frames",
        "bytes of an event",
        "compressed",
        "times fewer",
        "CPU ns to compress an event, for all of a group",
        "CPU ns to read it",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.way.clone(),
            format!("{:.0}", self.event_bytes),
            format!("{:.1}", self.compressed_bytes),
            format!("{:.2}", self.ratio),
            format!("{:.0}", self.deflate_ns),
            format!("{:.0}", self.inflate_ns),
        ]
    }
}

/// What the documents say of compression.
#[derive(Debug)]
pub struct Compression;

impl Bench for Compression {
    const NAME: &'static str = "compression";
    type Row = CompressionRow;

    fn findings(rows: &[CompressionRow], findings: &mut Findings) {
        for row in rows.iter().filter(|row| row.way == OURS) {
            findings.figure(Target::CompressionRatio, OURS.to_owned(), row.ratio);
            let micros = row.deflate_ns / 1e3;
            findings.figure(Target::CompressionCost, OURS.to_owned(), micros);
        }
    }
}

/// Measures each way in each round, and reports the round whose cost is the median.
pub fn run(settings: &Settings) -> Outcome<Vec<CompressionRow>> {
    let events = sample::team(EVENTS);
    let mut rounds: Vec<Vec<CompressionRow>> = WAYS.iter().map(|_| Vec::new()).collect();
    for round in 1..=settings.rounds() {
        settings.note(&format!("compression: round {round}"));
        for (way, rows) in WAYS.iter().zip(&mut rounds) {
            rows.push(measure(way, &events)?);
        }
    }
    let medians = rounds
        .into_iter()
        .map(|rows| median(rows, |row| row.deflate_ns));
    Ok(medians.collect())
}

fn measure(way: &Way, events: &[Vec<u8>]) -> Outcome<CompressionRow> {
    let messages: Vec<_> = events
        .chunks(way.lines)
        .map(|lines| lines.join(&b'\n'))
        .collect();
    let mut deflater = Deflater::default();
    let before = thread_cpu();
    let mut payloads = Vec::with_capacity(messages.len());
    for window in messages.chunks(way.window) {
        deflater.reset();
        for message in window {
            let mut payload = Vec::new();
            deflater.deflate(message, &mut payload);
            payloads.push(payload);
        }
    }
    let compressed = thread_cpu();
    let mut inflater = Inflater::streaming();
    for payload in &payloads {
        black_box(inflater.inflate(payload, MESSAGE_BYTES)?);
    }
    let read = thread_cpu();
    check(&payloads, &messages)?;
    let per_event = |amount: f64| amount / float(events.len());
    let event_bytes = per_event(float(messages.iter().map(Vec::len).sum()));
    let compressed_bytes = per_event(float(payloads.iter().map(Vec::len).sum()));
    Ok(CompressionRow {
        way: way.name.to_owned(),
        event_bytes,
        compressed_bytes,
        ratio: event_bytes / compressed_bytes,
        deflate_ns: per_event(compressed.saturating_sub(before).as_secs_f64() * 1e9),
        inflate_ns: per_event(read.saturating_sub(compressed).as_secs_f64() * 1e9),
    })
}

fn check(payloads: &[Vec<u8>], messages: &[Vec<u8>]) -> Outcome<()> {
    let mut inflater = Inflater::streaming();
    for (payload, message) in payloads.iter().zip(messages) {
        if inflater.inflate(payload, MESSAGE_BYTES)? != *message {
            return Err("a message was not read back as it was".into());
        }
    }
    Ok(())
}

fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "a count for a ratio")]
fn float(count: usize) -> f64 {
    count as f64
}
