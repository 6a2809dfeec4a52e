//! The targets of the design, and whether measured figures meet them.

use crate::report;

use super::findings::Figure;

/// A target of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is described in `facts`")]
pub enum Target {
    PipelineShare,
    DeliveryCpu,
    DeliveryP50,
    DeliveryP99,
    MillionP99,
    GrantsCost,
    IdleMemory,
    Saturation,
    AheadOfPeers,
    SlowGrowth,
    SlowP99,
    BatchedEmit,
    LoneEmitP99,
    Replay,
    FirstEvent,
    CompressionRatio,
    CompressionCost,
}

/// What is wanted of a figure.
#[derive(Clone, Copy, Debug)]
enum Want {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
    /// At least, or at most, what was measured beside it; in words, since every figure has its own.
    AtLeastBeside(&'static str),
    AtMostBeside(&'static str),
}

/// How a figure is told.
#[derive(Clone, Copy, Debug)]
enum Unit {
    /// Of a fraction.
    Percent,
    /// Of milliseconds.
    Ms,
    /// Of microseconds.
    Us,
    /// Of bytes. The design's KB and MB are taken by their stricter meaning, powers of ten.
    Kb,
    Mb,
    EventsPerS,
    DeliveriesPerS,
    Times,
}

struct Facts {
    what: &'static str,
    want: Want,
    unit: Unit,
}

impl Target {
    const ALL: [Self; 17] = [
        Self::PipelineShare,
        Self::DeliveryCpu,
        Self::DeliveryP50,
        Self::DeliveryP99,
        Self::MillionP99,
        Self::GrantsCost,
        Self::IdleMemory,
        Self::Saturation,
        Self::AheadOfPeers,
        Self::SlowGrowth,
        Self::SlowP99,
        Self::BatchedEmit,
        Self::LoneEmitP99,
        Self::Replay,
        Self::FirstEvent,
        Self::CompressionRatio,
        Self::CompressionCost,
    ];

    #[rustfmt::skip]
    fn facts(self) -> Facts {
        use Unit::{DeliveriesPerS, EventsPerS, Kb, Mb, Ms, Percent, Times, Us};
        use Want::{AtLeast, AtLeastBeside, AtMost, AtMostBeside, Below};
        let (what, want, unit) = match self {
            Self::PipelineShare => ("fan-out pipeline ÷ bare sender, equal frames per write", AtLeast(0.95), Percent),
            Self::DeliveryCpu => ("fan-out to 100 subscribers, 1000/s of 200 B: server CPU per delivery", AtMostBeside("a quarter of a bare sender's send per event"), Us),
            Self::DeliveryP50 => ("fan-out to 100 subscribers, 1000/s: p50", Below(5.0), Ms),
            Self::DeliveryP99 => ("fan-out to 100 subscribers, 1000/s: p99", Below(25.0), Ms),
            Self::MillionP99 => ("fan-out to 1000 subscribers, 1000/s, nothing lost: p99", Below(100.0), Ms),
            Self::GrantsCost => ("fan-out to subscribers with grants ÷ the same without: server CPU per delivery", AtMost(1.03), Percent),
            Self::IdleMemory => ("resident for an idle connection, at 10,000", AtMost(3e3), Kb),
            Self::Saturation => ("saturation, 100 subscribers, emits of 32, for one core of the server", AtLeast(4e6), DeliveriesPerS),
            Self::AheadOfPeers => ("saturation, beside each peer in the same run", AtLeastBeside("the peer's"), DeliveriesPerS),
            Self::SlowGrowth => ("half of 100 clients read 1 KB/s, 500/s of 2 KB: resident growth", AtMost(20e6), Mb),
            Self::SlowP99 => ("the same: p99 of the fast half", Below(5.0), Ms),
            Self::BatchedEmit => ("durable emit, batched", AtLeast(100e3), EventsPerS),
            Self::LoneEmitP99 => ("lone emit: p99 to the answer", AtMostBeside("p99 of one sync beside it, and 1 ms"), Ms),
            Self::Replay => ("replay, unfiltered, for one core of the server", AtLeast(500e3), EventsPerS),
            Self::FirstEvent => ("replay: first event at 10 M stored", Below(5.0), Ms),
            Self::CompressionRatio => ("compression: how many times smaller", AtLeast(6.0), Times),
            Self::CompressionCost => ("compression: CPU for an event of a group", Below(0.6), Us),
        };
        Facts { what, want, unit }
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Percent => format!("{} %", plain(value * 100.0)),
            Self::Ms => format!("{} ms", plain(value)),
            Self::Us => format!("{} µs", plain(value)),
            Self::Kb => format!("{} KB", plain(value / 1e3)),
            Self::Mb => format!("{} MB", plain(value / 1e6)),
            Self::EventsPerS => format!("{} events/s", plain(value)),
            Self::DeliveriesPerS => format!("{} deliveries/s", plain(value)),
            Self::Times => format!("{} ×", plain(value)),
        }
    }
}

impl Figure {
    fn bound(&self) -> f64 {
        match self.target.facts().want {
            Want::AtLeast(bound) | Want::AtMost(bound) | Want::Below(bound) => bound,
            // A figure without what it has to be measured beside meets nothing.
            Want::AtLeastBeside(_) | Want::AtMostBeside(_) => self.beside.unwrap_or(f64::NAN),
        }
    }

    /// Above 1 is better than the target.
    fn ratio(&self) -> f64 {
        match self.target.facts().want {
            Want::AtLeast(_) | Want::AtLeastBeside(_) => self.value / self.bound(),
            Want::AtMost(_) | Want::Below(_) | Want::AtMostBeside(_) => self.bound() / self.value,
        }
    }

    fn is_met(&self) -> bool {
        match self.target.facts().want {
            Want::AtLeast(_) | Want::AtLeastBeside(_) => self.value >= self.bound(),
            Want::AtMost(_) | Want::AtMostBeside(_) => self.value <= self.bound(),
            Want::Below(_) => self.value < self.bound(),
        }
    }

    fn wanted(&self) -> String {
        let Facts { want, unit, .. } = self.target.facts();
        let bound = unit.show(self.bound());
        match want {
            Want::AtLeast(_) => format!("≥ {bound}"),
            Want::AtMost(_) => format!("≤ {bound}"),
            Want::Below(_) => format!("< {bound}"),
            Want::AtLeastBeside(what) => format!("≥ {what}: {bound}"),
            Want::AtMostBeside(what) => format!("≤ {what}: {bound}"),
        }
    }

    fn measured(&self) -> String {
        let value = self.target.facts().unit.show(self.value);
        if self.case.is_empty() {
            value
        } else {
            format!("{value} ({})", self.case)
        }
    }

    fn verdict(&self) -> &'static str {
        match (self.is_met(), self.is_easier) {
            (true, false) => "met",
            (true, true) => "open: the case is easier",
            (false, _) => "**short**",
        }
    }
}

impl Target {
    /// What is wanted before anything was measured.
    fn wanted(self) -> String {
        let Facts { want, unit, .. } = self.facts();
        match want {
            Want::AtLeast(bound) => format!("≥ {}", unit.show(bound)),
            Want::AtMost(bound) => format!("≤ {}", unit.show(bound)),
            Want::Below(bound) => format!("< {}", unit.show(bound)),
            Want::AtLeastBeside(what) => format!("≥ {what}"),
            Want::AtMostBeside(what) => format!("≤ {what}"),
        }
    }
}

/// Every target with every figure that there is.
pub(super) fn table(figures: &[&Figure]) -> String {
    let rows: Vec<_> = Target::ALL
        .into_iter()
        .flat_map(|target| rows(figures, target))
        .collect();
    report::table(&["what", "target", "measured", "ratio", ""], &rows)
}

/// The rows of a target. What and how much is wanted is said once.
fn rows(figures: &[&Figure], target: Target) -> Vec<Vec<String>> {
    let (mut what, mut said) = (target.facts().what, String::new());
    let rows = of(figures, target).map(|figure| {
        let wanted = figure.wanted();
        let is_new = wanted != said;
        let shown = if is_new { wanted.as_str() } else { "" }.to_owned();
        said = wanted;
        let (ratio, verdict) = (plain(figure.ratio()), figure.verdict().to_owned());
        let what = std::mem::take(&mut what).to_owned();
        vec![what, shown, figure.measured(), ratio, verdict]
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        let cells = [
            target.facts().what,
            &target.wanted(),
            "not measured",
            "",
            "",
        ];
        return vec![cells.map(str::to_owned).to_vec()];
    }
    rows
}

/// One row for each target that has figures: the worst of them, so that nothing is picked for looking well.
pub(super) fn worst(figures: &[&Figure]) -> String {
    let rows = Target::ALL.into_iter().filter_map(|target| {
        let worst = of(figures, target).min_by(|a, b| {
            a.is_met()
                .cmp(&b.is_met())
                .then(a.ratio().total_cmp(&b.ratio()))
        })?;
        let what = target.facts().what.to_owned();
        Some(vec![
            what,
            worst.wanted(),
            worst.measured(),
            worst.verdict().to_owned(),
        ])
    });
    let rows: Vec<_> = rows.collect();
    report::table(&["what", "target", "measured", ""], &rows)
}

fn of<'a>(figures: &'a [&Figure], target: Target) -> impl Iterator<Item = &'a Figure> {
    figures
        .iter()
        .copied()
        .filter(move |figure| figure.target == target)
}

/// Three digits where they say something, and thousands apart.
pub(crate) fn plain(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    match text.split_once('.') {
        Some((whole, "0" | "00")) => whole.to_owned(),
        Some(_) => text,
        None => grouped(&text),
    }
}

fn grouped(whole: &str) -> String {
    let last = whole.len();
    let digits = whole.chars().enumerate();
    digits.fold(String::new(), |mut text, (place, digit)| {
        if place > 0
            && (last - place).is_multiple_of(3)
            && digit.is_ascii_digit()
            && !text.ends_with('-')
        {
            text.push(',');
        }
        text.push(digit);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(target: Target, value: f64, beside: Option<f64>) -> Figure {
        Figure {
            target,
            case: String::new(),
            value,
            beside,
            is_easier: false,
        }
    }

    #[test]
    fn a_bound_is_met_where_the_design_says_so() {
        for (target, value, is_met) in [
            (Target::PipelineShare, 0.95, true),
            (Target::PipelineShare, 0.949, false),
            (Target::IdleMemory, 3000.0, true),
            (Target::IdleMemory, 3001.0, false),
            (Target::DeliveryP50, 4.99, true),
            (Target::DeliveryP50, 5.0, false),
        ] {
            assert_eq!(
                figure(target, value, None).is_met(),
                is_met,
                "{target:?} {value}"
            );
        }
    }

    #[test]
    fn a_bound_beside_is_the_figures_own() {
        let met = figure(Target::LoneEmitP99, 9.0, Some(9.0));
        let short = figure(Target::LoneEmitP99, 9.0, Some(8.0));
        assert!(met.is_met() && !short.is_met());
        assert!(short.wanted().ends_with("8 ms"), "{}", short.wanted());
        let ahead = figure(Target::AheadOfPeers, 2.0, Some(1.0));
        assert!(ahead.is_met() && ahead.ratio() > 1.0);
    }

    #[test]
    fn an_easier_case_meets_nothing_but_can_be_short() {
        let (mut quick, mut slow) = (
            figure(Target::FirstEvent, 1.0, None),
            figure(Target::FirstEvent, 9.0, None),
        );
        quick.easier_if(true);
        slow.easier_if(true);
        assert_eq!(quick.verdict(), "open: the case is easier");
        assert_eq!(slow.verdict(), "**short**");
    }

    #[test]
    fn without_what_it_is_measured_beside_nothing_is_met() {
        assert!(!figure(Target::LoneEmitP99, 0.0, None).is_met());
        assert!(!figure(Target::BatchedEmit, f64::NAN, None).is_met());
    }

    #[test]
    fn better_is_above_one_in_both_directions() {
        assert!(figure(Target::BatchedEmit, 2e5, None).ratio() > 1.9);
        assert!(figure(Target::FirstEvent, 2.5, None).ratio() > 1.9);
    }

    #[test]
    fn every_target_has_a_row_and_the_worst_figure_stands_for_it() {
        let (good, bad) = (
            figure(Target::Replay, 1e6, None),
            figure(Target::Replay, 1e5, None),
        );
        let figures = [&good, &bad];
        let all = table(&figures);
        assert_eq!(all.lines().count(), 2 + Target::ALL.len() + 1);
        assert_eq!(all.matches("not measured").count(), Target::ALL.len() - 1);
        let worst = worst(&figures);
        assert!(
            worst.contains("100,000") && !worst.contains("1,000,000"),
            "{worst}"
        );
    }

    #[test]
    fn figures_are_told_in_three_digits() {
        for (value, told) in [
            (0.354, "0.35"),
            (5.0, "5"),
            (9.667, "9.67"),
            (67.63, "67.6"),
            (134_988.8, "134,989"),
            (1_754_385.9, "1,754,386"),
            (-1234.0, "-1,234"),
        ] {
            assert_eq!(plain(value), told);
        }
    }
}
