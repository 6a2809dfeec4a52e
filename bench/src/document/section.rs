//! What the documents show of one measurement: where its figures come from, its table, and what its rows say.

use std::path::Path;

use crate::Outcome;
use crate::compression::Compression;
use crate::database::{PostgresEmit, PostgresLatency, PostgresReplay};
use crate::emit::Emit;
use crate::latency::Latency;
use crate::limit::Limit;
use crate::replay::Replay;
use crate::report::Report;

use super::findings::{Bench, Findings};
use super::load::{
    Churn, Encoding, FanOut, Grants, Hostile, Idle, Saturation, Slow, Storm, Streams, Tls,
};
use super::peers::Peers;
use super::results;

/// All that the documents show, in this order.
const BENCHES: [Kind; 20] = [
    Kind::of::<Latency>(),
    Kind::of::<Emit>(),
    Kind::of::<Replay>(),
    Kind::of::<FanOut>(),
    Kind::of::<Encoding>(),
    Kind::of::<Saturation>(),
    Kind::of::<Idle>(),
    Kind::of::<Storm>(),
    Kind::of::<Slow>(),
    Kind::of::<Churn>(),
    Kind::of::<Grants>(),
    Kind::of::<Streams>(),
    Kind::of::<Tls>(),
    Kind::of::<Hostile>(),
    Kind::of::<Limit>(),
    Kind::of::<Peers>(),
    Kind::of::<Compression>(),
    Kind::of::<PostgresEmit>(),
    Kind::of::<PostgresLatency>(),
    Kind::of::<PostgresReplay>(),
];

/// What stands in the region of a measurement that has no results.
const NOT_MEASURED: &str = "Not measured yet.";

/// A measurement, whatever its rows are.
struct Kind {
    name: &'static str,
    read: fn(Vec<u8>) -> Outcome<Section>,
}

/// What the documents show of one measurement.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: &'static str,
    /// In its region.
    pub(super) body: String,
    /// Under a chart that it has a part in.
    pub(super) source: String,
    pub(super) findings: Findings,
}

impl Kind {
    const fn of<B: Bench>() -> Self {
        Self {
            name: B::NAME,
            read: Section::read::<B>,
        }
    }
}

impl Section {
    fn read<B: Bench>(json: Vec<u8>) -> Outcome<Self> {
        let report = Report::<B::Row>::read(json)?;
        let mut findings = Findings::default();
        B::findings(&report.rows, &mut findings);
        let (name, day, commit) = (B::NAME, report.day(), &report.commit);
        let (cores, cpu) = (report.machine.cores, &report.machine.cpu);
        Ok(Self {
            name: B::NAME,
            body: format!("{}\n\n{}", report.provenance(), report.table()),
            source: format!("bench {name}, {day}, commit {commit}, {cores} × {cpu}"),
            findings,
        })
    }

    fn unmeasured(name: &'static str) -> Self {
        Self {
            name,
            body: NOT_MEASURED.to_owned(),
            source: String::new(),
            findings: Findings::default(),
        }
    }
}

/// What there is to show, from the newest results of each measurement.
pub(super) fn all(results: &Path) -> Outcome<Vec<Section>> {
    let sections = BENCHES.iter().map(|kind| {
        let Some(json) = results::newest(results, kind.name)? else {
            return Ok(Section::unmeasured(kind.name));
        };
        (kind.read)(json).map_err(|error| format!("results of `{}`: {error}", kind.name).into())
    });
    sections.collect()
}
