//! What the rows of `bench load` say.

use crate::load::fan_out::{FanOutRow, Generator, Subject};

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

/// How messages came, and whether it was the generator that was late.
fn case(row: &FanOutRow) -> String {
    let framed = match row.compression.as_str() {
        "off" => row.encoding.clone(),
        compression => format!("{}, {compression}", row.encoding),
    };
    match row.generator {
        Generator::Held => framed,
        generator => format!("{framed}; {}", generator.name()),
    }
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
