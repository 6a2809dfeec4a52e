//! Todoki among its peers: the same load, the same receiver, on the same machine in the same minute.
//!
//! [`catalogue`] says who is measured, [`cases`] what is done to each. A peer that is not there is a row that says why:
//! `bench/peers/install` brings those that packages bring, and `bench/peers` is the crate of the baselines. Events are
//! durable at Todoki alone before anybody has them, which it pays for in every figure.

pub mod bare;
pub mod cases;
pub mod catalogue;
pub mod framing;
pub mod installed;
pub mod process;
pub mod publish;
pub mod row;
pub mod subject;
pub mod subscribe;

use std::path::PathBuf;

use clap::Args;

use crate::Outcome;
use crate::quantiles::median;
use crate::settings::Settings;
use cases::Case;
use catalogue::{PEERS, Peer, Source};
use installed::Installed;
use subject::Subject;

pub use row::{CaseName, Figures, PeerRow};

/// Which peers, which cases.
#[derive(Args, Clone, Debug)]
pub struct Peers {
    /// Where bench/peers/install put the peers [default: `peers` in the build's directory]
    #[arg(long, value_name = "DIR")]
    pub installed: Option<PathBuf>,

    /// Measure these servers alone; all when absent
    #[arg(long, value_delimiter = ',', value_name = "NAMES", value_parser = name)]
    pub only: Vec<String>,

    /// Measure these cases alone
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        default_value = "steady,saturation,stalled_half,idle"
    )]
    pub cases: Vec<CaseName>,

    /// Connections of the idle case
    #[arg(long, default_value_t = 1000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=15_000))]
    pub connections: u32,
}

impl Peers {
    fn is_wanted(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|one| one == name)
    }
}

/// A name that there is.
fn name(text: &str) -> Result<String, String> {
    let names: Vec<_> = PEERS
        .iter()
        .map(|peer| peer.name)
        .chain([bare::NAME])
        .collect();
    if names.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(format!("there are {}", names.join(", ")))
    }
}

/// Measures each server in each case and round, taking turns, and reports the median rounds.
pub fn run(settings: &Settings, peers: &Peers) -> Outcome<Vec<PeerRow>> {
    let directory = match &peers.installed {
        Some(directory) => directory.clone(),
        None => Settings::beside("../peers")?,
    };
    let installed = Installed::read(directory, Settings::beside("")?);
    let mut rows = Vec::new();
    for name in &peers.cases {
        let case = Case::of(*name, settings, peers.connections);
        rows.extend(rounds(settings, peers, &installed, &case)?);
    }
    Ok(rows)
}

fn rounds(
    settings: &Settings,
    peers: &Peers,
    installed: &Installed,
    case: &Case,
) -> Outcome<Vec<PeerRow>> {
    let wanted: Vec<_> = PEERS
        .iter()
        .filter(|peer| peers.is_wanted(peer.name))
        .collect();
    let mut measured: Vec<Vec<PeerRow>> = wanted.iter().map(|_| Vec::new()).collect();
    let mut limits: Vec<Vec<PeerRow>> = Vec::new();
    for round in 1..=settings.rounds() {
        if peers.is_wanted(bare::NAME) {
            settings.note(&format!(
                "peers: round {round}, bare sender, {:?}",
                case.name
            ));
            limits.push(bare::rows(settings, case)?);
        }
        for (peer, rows) in wanted.iter().zip(&mut measured) {
            settings.note(&format!(
                "peers: round {round}, {}, {:?}",
                peer.name, case.name
            ));
            rows.push(one(settings, installed, peer, case)?);
        }
    }
    let medians = transposed(limits)
        .into_iter()
        .chain(measured)
        .map(summed_up);
    Ok(medians.collect())
}

/// One server in one round.
fn one(settings: &Settings, installed: &Installed, peer: &Peer, case: &Case) -> Outcome<PeerRow> {
    let version = match peer.version(installed) {
        Ok(version) => version,
        Err(why) => return Ok(row(peer, case, Err(why), Figures::default())),
    };
    let measured = Subject::start(settings, installed, peer)
        .and_then(|subject| case.measure(settings, &subject));
    match (measured, peer.source) {
        (Ok(figures), _) => Ok(row(peer, case, Ok(version), figures)),
        (Err(error), Source::Todoki) => Err(error),
        // A peer that fails is told of, and the others are measured all the same.
        (Err(error), _) => {
            let why = format!("{version} failed: {error}");
            Ok(row(peer, case, Err(why), Figures::default()))
        }
    }
}

fn row(peer: &Peer, case: &Case, version: Result<String, String>, figures: Figures) -> PeerRow {
    case.row(peer.name, peer.keeps, peer.published_by, version, figures)
}

/// Rounds of rows become rows of rounds.
fn transposed(rounds: Vec<Vec<PeerRow>>) -> Vec<Vec<PeerRow>> {
    let mut rows: Vec<Vec<PeerRow>> = Vec::new();
    for round in rounds {
        rows.resize_with(round.len(), Vec::new);
        for (row, rows) in round.into_iter().zip(&mut rows) {
            rows.push(row);
        }
    }
    rows
}

/// The median of the rounds that were measured; if none was, any of them says why.
fn summed_up(mut rounds: Vec<PeerRow>) -> PeerRow {
    let failed = rounds.iter().filter(|row| row.missing.is_some()).count();
    if failed < rounds.len() {
        rounds.retain(|row| row.missing.is_none());
    }
    median(rounds, PeerRow::measure)
}
