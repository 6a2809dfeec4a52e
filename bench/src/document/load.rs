//! What the rows of `bench load` say.

use crate::load::churn::ChurnRow;
use crate::load::fan_out::{FanOutRow, Generator, Subject};
use crate::load::grants::GrantsRow;
use crate::load::hostile::HostileRow;
use crate::load::idle::IdleRow;
use crate::load::saturation::SaturationRow;
use crate::load::slow::SlowRow;
use crate::load::storm::StormRow;
use crate::load::streams::StreamsRow;
use crate::load::tls::TlsRow;

use super::chart::{BarChart, Who};
use super::findings::{Bench, Findings};
use super::target::Target;

/// The design wants a delivery for this part of what a bare send of each event costs.
const PART_OF_BARE: f64 = 0.25;

/// One stream to many subscribers.
pub(super) struct FanOut;

impl Bench for FanOut {
    const NAME: &'static str = "load-fan-out";
    type Row = FanOutRow;

    fn findings(rows: &[FanOutRow], findings: &mut Findings) {
        for row in rows.iter().filter(|row| is_by(row, Subject::Todoki)) {
            latencies(row, findings);
            if (row.subscribers, row.rate_per_s) == (100, 1000) {
                let bare = rows.iter().find(|bare| is_bare_of(bare, row));
                let cost = findings.figure(Target::DeliveryCpu, case(row), row.cpu_us_per_delivery);
                if let Some(bare) = bare {
                    cost.beside(bare.cpu_us_per_delivery * PART_OF_BARE);
                }
            }
        }
        for row in rows
            .iter()
            .filter(|row| (row.subscribers, row.rate_per_s) == (100, 1000))
        {
            let who = if is_by(row, Subject::Todoki) {
                Who::Ours
            } else {
                Who::Limit
            };
            findings.bar(
                BarChart::DeliveryCpu,
                who,
                &row.subject,
                row.cpu_us_per_delivery,
            );
        }
    }
}

/// The same stream, framed in several ways.
pub(super) struct Encoding;

impl Bench for Encoding {
    const NAME: &'static str = "load-encoding";
    type Row = FanOutRow;

    fn findings(rows: &[FanOutRow], findings: &mut Findings) {
        for row in rows {
            latencies(row, findings);
        }
    }
}

/// As much as the server can.
pub(super) struct Saturation;

impl Bench for Saturation {
    const NAME: &'static str = "load-saturation";
    type Row = SaturationRow;

    fn findings(rows: &[SaturationRow], findings: &mut Findings) {
        let todoki = Subject::Todoki.name();
        for row in rows.iter().filter(|row| row.subscribers == 100) {
            let (who, case) = if row.subject == todoki {
                (
                    Who::Ours,
                    format!("{} publishers, {}", row.publishers, row.encoding),
                )
            } else {
                (Who::Limit, String::new())
            };
            let case = judged(case, row.generator);
            let per_s = row.deliveries_per_cpu_s;
            if who == Who::Ours && row.drafts_per_emit == 32 {
                findings.figure(Target::Saturation, &case, per_s);
            }
            let label = match who {
                Who::Ours => format!("{todoki}, {case}"),
                _ => row.subject.clone(),
            };
            findings.bar(BarChart::Saturation, who, label, per_s);
        }
    }
}

/// Connections on which nothing happens.
pub(super) struct Idle;

/// Connections that the design's target speaks of.
const IDLE_CONNECTIONS: u32 = 10_000;

impl Bench for Idle {
    const NAME: &'static str = "load-idle";
    type Row = IdleRow;

    fn findings(rows: &[IdleRow], findings: &mut Findings) {
        for row in rows {
            let bytes = row.resident_bytes_per_connection;
            let case = format!("{} connections", row.connections);
            findings
                .figure(Target::IdleMemory, &case, bytes)
                .easier_if(row.connections < IDLE_CONNECTIONS);
            let label = format!("{}, {case}", row.subject);
            findings.bar(BarChart::IdleMemory, Who::Ours, label, bytes);
        }
    }
}

/// Many readers of all history beside a live stream.
pub(super) struct Storm;

impl Bench for Storm {
    const NAME: &'static str = "load-replay";
    type Row = StormRow;

    fn findings(rows: &[StormRow], findings: &mut Findings) {
        for row in rows {
            let label = format!("live beside {} replays", row.readers);
            findings.span(judged(label, row.generator), row.to_subscriber);
        }
    }
}

/// A part of the subscribers reads slowly.
pub(super) struct Slow;

impl Bench for Slow {
    const NAME: &'static str = "load-slow";
    type Row = SlowRow;

    fn findings(rows: &[SlowRow], findings: &mut Findings) {
        for row in rows {
            let is_easier =
                row.subscribers < 100 || row.slow * 2 < row.subscribers || row.rate_per_s < 500;
            let (growth, times) = (mib(row.resident_growth_mib), row.to_subscriber);
            let case = judged(
                format!("{} of {} slow", row.slow, row.subscribers),
                row.generator,
            );
            findings
                .figure(Target::SlowGrowth, &case, growth)
                .easier_if(is_easier);
            findings
                .figure(Target::SlowP99, &case, times.p99_ms)
                .easier_if(is_easier);
            findings.span(format!("the others, {case}"), times);
        }
    }
}

/// Subscribers come and go.
pub(super) struct Churn;

impl Bench for Churn {
    const NAME: &'static str = "load-churn";
    type Row = ChurnRow;

    fn findings(rows: &[ChurnRow], findings: &mut Findings) {
        for row in rows {
            let label = format!("those that stay, {} joins/s", row.joins_per_s);
            findings.span(judged(label, row.generator), row.to_subscriber);
        }
    }
}

/// What grants cost whoever fans out.
pub(super) struct Grants;

impl Bench for Grants {
    const NAME: &'static str = "load-grants";
    type Row = GrantsRow;

    fn findings(rows: &[GrantsRow], findings: &mut Findings) {
        for row in rows {
            let FanOutRow {
                subject,
                subscribers,
                generator,
                ..
            } = &row.fan_out;
            // Filters apart are no grants: they are what grants apart are held against.
            if let Some(ratio) = row.ratio.filter(|_| !subject.starts_with("everything")) {
                let case = format!("{subject}, {subscribers} subscribers");
                findings.figure(Target::GrantsCost, judged(case, *generator), ratio.median);
            }
        }
    }
}

/// The same stream over HTTP and over WebSocket.
pub(super) struct Streams;

impl Bench for Streams {
    const NAME: &'static str = "load-streams";
    type Row = StreamsRow;

    fn findings(rows: &[StreamsRow], findings: &mut Findings) {
        for row in rows {
            named_span(&row.fan_out, findings);
        }
    }
}

/// The same stream inside TLS and without.
pub(super) struct Tls;

impl Bench for Tls {
    const NAME: &'static str = "load-tls";
    type Row = TlsRow;

    fn findings(rows: &[TlsRow], findings: &mut Findings) {
        for row in rows {
            named_span(&row.fan_out, findings);
        }
    }
}

/// Attacks beside a steady stream.
pub(super) struct Hostile;

impl Bench for Hostile {
    const NAME: &'static str = "load-hostile";
    type Row = HostileRow;

    fn findings(rows: &[HostileRow], findings: &mut Findings) {
        for row in rows {
            let label = format!("others, attack: {}", row.attack);
            findings.span(judged(label, row.generator), row.to_subscriber);
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a process has far less than 2^53 bytes"
)]
fn mib(mib: u64) -> f64 {
    (mib << 20) as f64
}

/// A case, with a word where the figures are the generator's rather than the server's.
fn judged(case: String, generator: Generator) -> String {
    match generator {
        Generator::Held => case,
        generator => format!("{case}; {}", generator.name()),
    }
}

fn latencies(row: &FanOutRow, findings: &mut Findings) {
    let times = row.to_subscriber;
    match (row.subscribers, row.rate_per_s) {
        (100, 1000) => {
            findings.figure(Target::DeliveryP50, case(row), times.p50_ms);
            findings.figure(Target::DeliveryP99, case(row), times.p99_ms);
        }
        (1000, 1000) => {
            findings.figure(Target::MillionP99, case(row), times.p99_ms);
        }
        _ => {}
    }
    let FanOutRow {
        subscribers,
        rate_per_s,
        ..
    } = row;
    findings.span(
        format!("{subscribers} × {rate_per_s}/s, {}", case(row)),
        times,
    );
}

/// The times of a row, by the way that events came.
fn named_span(row: &FanOutRow, findings: &mut Findings) {
    let FanOutRow {
        subject,
        subscribers,
        rate_per_s,
        ..
    } = row;
    let label = format!("{subscribers} × {rate_per_s}/s, {subject}");
    findings.span(judged(label, row.generator), row.to_subscriber);
}

/// How messages came, and whether it was the generator that was late.
fn case(row: &FanOutRow) -> String {
    let framed = match row.compression.as_str() {
        "off" => row.encoding.clone(),
        compression => format!("{}, {compression}", row.encoding),
    };
    judged(framed, row.generator)
}

fn is_by(row: &FanOutRow, subject: Subject) -> bool {
    row.subject == subject.name()
}

/// Whether a row is what a bare send of each event of another costs.
fn is_bare_of(bare: &FanOutRow, row: &FanOutRow) -> bool {
    is_by(bare, Subject::BareEvents)
        && (bare.subscribers, bare.rate_per_s, bare.event_bytes)
            == (row.subscribers, row.rate_per_s, row.event_bytes)
}
