//! What the rows of `bench peers` say: the bars of every server of one run, and Todoki's figures beside them.

use crate::peers::{CaseName, PeerRow};

use super::chart::{BarChart, Who};
use super::findings::{Bench, Findings};
use super::target::Target;

/// Todoki beside other servers.
pub(super) struct Peers;

impl Bench for Peers {
    const NAME: &'static str = "peers";
    type Row = PeerRow;

    fn findings(rows: &[PeerRow], findings: &mut Findings) {
        for row in rows {
            let figures = &row.figures;
            let (chart, value) = match row.case {
                CaseName::Steady => (BarChart::DeliveryCpu, figures.cpu_us_per_delivery),
                CaseName::Saturation => (BarChart::Saturation, figures.deliveries_per_cpu_s),
                CaseName::Idle => {
                    let kib = figures.resident_kib_per_connection;
                    (BarChart::IdleMemory, kib.map(|kib| kib * 1024.0))
                }
                CaseName::StalledHalf => continue,
            };
            if let Some(value) = value {
                // The version is in the table: what servers call themselves is too long for a label.
                findings.bar(chart, who(row), label(row), value);
            }
        }
        ahead(rows, findings);
    }
}

/// Of bare senders there may be several, which write differently.
fn label(row: &PeerRow) -> String {
    let name = row.peer.replace('_', " ");
    match who(row) {
        Who::Limit => format!("{name}: {}", row.published_by),
        _ => name,
    }
}

/// Todoki's saturation beside that of each peer.
fn ahead(rows: &[PeerRow], findings: &mut Findings) {
    let saturated = || rows.iter().filter(|row| row.case == CaseName::Saturation);
    let rate = |row: &PeerRow| row.figures.deliveries_per_cpu_s;
    let Some(ours) = saturated().find(|row| who(row) == Who::Ours).and_then(rate) else {
        return;
    };
    for peer in saturated().filter(|row| who(row) == Who::Peer) {
        if let Some(theirs) = rate(peer) {
            findings
                .figure(Target::AheadOfPeers, &peer.peer, ours)
                .beside(theirs);
        }
    }
}

fn who(row: &PeerRow) -> Who {
    match row.peer.as_str() {
        "todoki" => Who::Ours,
        "bare_sender" => Who::Limit,
        _ => Who::Peer,
    }
}
