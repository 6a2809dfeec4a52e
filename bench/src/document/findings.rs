//! What the rows of a measurement say beyond their table: figures that have a target, and marks on a chart.

use crate::quantiles::Quantiles;
use crate::report::Row;

use super::chart::{BarChart, Who};
use super::target::Target;

/// A measurement that the documents show. To add one: this trait beside its row, its line in `section::BENCHES`, and
/// its marked region in docs/BENCHMARKS.md.
pub trait Bench {
    /// As its file of results and its region are called.
    const NAME: &'static str;

    /// A line of its table.
    type Row: Row;

    /// Adds what its rows say.
    fn findings(rows: &[Self::Row], findings: &mut Findings);
}

/// All that a measurement's rows say.
#[derive(Debug, Default)]
pub struct Findings {
    pub(super) figures: Vec<Figure>,
    pub(super) bars: Vec<(BarChart, Bar)>,
    pub(super) spans: Vec<Span>,
}

/// A measured value that has a target.
#[derive(Debug)]
pub struct Figure {
    pub(super) target: Target,
    /// In which case it was measured.
    pub(super) case: String,
    pub(super) value: f64,
    /// What it was measured beside, where that makes the bound.
    pub(super) beside: Option<f64>,
    /// Whether the case is easier than the one that the target speaks of: short is short, but met is not met.
    pub(super) is_easier: bool,
}

/// A bar of a chart.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub(super) who: Who,
    pub(super) label: String,
    pub(super) value: f64,
}

/// A distribution, for the chart of latencies.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) label: String,
    pub(super) quantiles: Quantiles,
}

impl Figure {
    /// Has its bound from what was measured beside it in the same run.
    pub fn beside(&mut self, bound: f64) -> &mut Self {
        self.beside = Some(bound);
        self
    }

    /// Says that the case is easier than the target's, if it is.
    pub fn easier_if(&mut self, is_easier: bool) -> &mut Self {
        self.is_easier = is_easier;
        self
    }
}

impl Findings {
    /// A figure that has a target.
    pub fn figure(&mut self, target: Target, case: impl Into<String>, value: f64) -> &mut Figure {
        let case = case.into();
        self.figures.push_mut(Figure {
            target,
            case,
            value,
            beside: None,
            is_easier: false,
        })
    }

    /// A bar.
    pub fn bar(&mut self, chart: BarChart, who: Who, label: impl Into<String>, value: f64) {
        let label = label.into();
        self.bars.push((chart, Bar { who, label, value }));
    }

    /// A distribution of times until a subscriber had an event. One of nothing has no place in a chart.
    pub fn span(&mut self, label: impl Into<String>, quantiles: Quantiles) {
        let label = label.into();
        if quantiles.count > 0 {
            self.spans.push(Span { label, quantiles });
        }
    }
}
