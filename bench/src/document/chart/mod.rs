//! Charts as SVG: the same results give the same bytes. Each has its own white ground, and so is legible on a dark page.

mod axis;
mod bars;
mod canvas;
mod spans;

use std::path::Path;

use crate::Outcome;

use super::section::Section;

/// A chart of bars, one for each server that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is described in `facts`")]
pub enum BarChart {
    DeliveryCpu,
    Saturation,
    IdleMemory,
}

/// Whose bar it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Todoki's own.
    Ours,
    /// The bare sender's: what the machine allows.
    Limit,
    /// Another server's.
    Peer,
}

/// A chart.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chart {
    Bars(BarChart),
    Latency,
}

/// How lengths stand for values.
#[derive(Clone, Copy, Debug)]
enum Scale {
    Linear,
    Log,
}

struct Facts {
    file: &'static str,
    title: &'static str,
    axis: &'static str,
    scale: Scale,
    /// Which end of the axis is the good one, and so comes first.
    is_less_better: bool,
}

impl BarChart {
    fn facts(self) -> Facts {
        match self {
            Self::DeliveryCpu => Facts {
                file: "delivery-cpu.svg",
                title: "Server CPU for one delivery, 100 subscribers × 1000 events/s of 200 B",
                axis: "µs of server CPU per delivery, emits included; less is better",
                scale: Scale::Linear,
                is_less_better: true,
            },
            Self::Saturation => Facts {
                file: "saturation.svg",
                title: "Deliveries at saturation, 100 subscribers, emits of 32",
                axis: "deliveries for one second of one core of the server; more is better",
                scale: Scale::Linear,
                is_less_better: false,
            },
            Self::IdleMemory => Facts {
                file: "idle-memory.svg",
                title: "Resident memory of an idle connection",
                axis: "bytes resident per connection, log scale; less is better",
                scale: Scale::Log,
                is_less_better: true,
            },
        }
    }
}

impl Chart {
    pub(super) const ALL: [Self; 4] = [
        Self::Bars(BarChart::DeliveryCpu),
        Self::Bars(BarChart::Saturation),
        Self::Bars(BarChart::IdleMemory),
        Self::Latency,
    ];

    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Bars(chart) => chart.facts().file,
            Self::Latency => "latency.svg",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Bars(chart) => chart.facts().title,
            Self::Latency => spans::TITLE,
        }
    }

    /// The chart, if there is anything to draw.
    pub(super) fn draw(self, sections: &[Section]) -> Outcome<Option<String>> {
        let mut sections: Vec<_> = sections
            .iter()
            .filter(|section| self.has_part(section))
            .collect();
        if sections.is_empty() {
            return Ok(None);
        }
        if let Self::Bars(_) = self {
            // Bars of different runs do not compare; the last measurement is the one that has the most servers.
            sections.drain(..sections.len() - 1);
        }
        let sources: Vec<_> = sections
            .iter()
            .map(|section| section.source.as_str())
            .collect();
        let findings = sections.iter().map(|section| &section.findings);
        let svg = match self {
            Self::Bars(chart) => {
                let bars = findings
                    .flat_map(|findings| &findings.bars)
                    .filter(|(of, _)| *of == chart)
                    .map(|(_, bar)| bar.clone());
                bars::draw(&chart.facts(), bars.collect(), &sources)?
            }
            Self::Latency => {
                let spans: Vec<_> = findings.flat_map(|findings| &findings.spans).collect();
                spans::draw(&spans, &sources)?
            }
        };
        Ok(Some(svg))
    }

    fn has_part(self, section: &Section) -> bool {
        match self {
            Self::Bars(chart) => section.findings.bars.iter().any(|(of, _)| *of == chart),
            Self::Latency => !section.findings.spans.is_empty(),
        }
    }

    fn link(self, sections: &[Section], dir: &Path) -> Option<String> {
        sections
            .iter()
            .any(|section| self.has_part(section))
            .then(|| format!("![{}]({})", self.title(), dir.join(self.file()).display()))
    }
}

/// Every chart, by its title where there is nothing to draw yet.
pub(super) fn links(sections: &[Section], dir: &Path) -> String {
    let links = Chart::ALL.map(|chart| {
        chart
            .link(sections, dir)
            .unwrap_or_else(|| format!("{}: not measured yet.", chart.title()))
    });
    links.join("\n\n")
}

/// The first chart that there is.
pub(super) fn first_link(sections: &[Section], dir: &Path) -> String {
    Chart::ALL
        .into_iter()
        .find_map(|chart| chart.link(sections, dir))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::findings::Findings;

    /// Where the pictures of made-up figures are.
    const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/charts");

    fn section(findings: Findings) -> Section {
        Section {
            name: "peers",
            body: String::new(),
            source: "bench peers, made up, 2001-01-01".to_owned(),
            findings,
        }
    }

    fn made_up() -> [Section; 2] {
        let mut findings = Findings::default();
        for (who, label, cpu_us, per_s, bytes) in [
            (
                Who::Peer,
                "Peer with \"quotes\" & <brackets> 1.2.3",
                8.5,
                3.4e6,
                2.6e4,
            ),
            (Who::Ours, "Todoki", 1.25, 4.1e6, 2.5e3),
            (Who::Limit, "bare sender", 5.0, 5.2e6, 900.0),
            (Who::Peer, "Slow peer 4.5", 17.75, 9.9e4, 1.35e5),
        ] {
            findings.bar(BarChart::DeliveryCpu, who, label, cpu_us);
            findings.bar(BarChart::Saturation, who, label, per_s);
            findings.bar(BarChart::IdleMemory, who, label, bytes);
        }
        [section(findings), section(Findings::default())]
    }

    #[test]
    fn charts_of_bars_are_as_committed() {
        let sections = made_up();
        for chart in Chart::ALL {
            let Some(svg) = chart.draw(&sections).unwrap() else {
                assert!(matches!(chart, Chart::Latency));
                continue;
            };
            assert_eq!(svg, chart.draw(&sections).unwrap().unwrap());
            let path = Path::new(PICTURES).join(chart.file());
            if is_blessing() {
                std::fs::write(&path, &svg).unwrap();
            }
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(svg == committed, "{} differs", path.display());
        }
    }

    #[test]
    fn only_what_was_measured_is_drawn_and_linked() {
        let nothing = [section(Findings::default())];
        for chart in Chart::ALL {
            assert!(chart.draw(&nothing).unwrap().is_none());
        }
        assert_eq!(
            links(&nothing, Path::new("charts"))
                .matches("not measured yet")
                .count(),
            4
        );
        assert_eq!(first_link(&nothing, Path::new("charts")), "");
        let link = first_link(&made_up(), Path::new("docs/charts"));
        assert!(link.ends_with("(docs/charts/delivery-cpu.svg)"), "{link}");
    }

    #[test]
    fn a_bar_of_nothing_can_be_drawn_on_either_scale() {
        let mut findings = Findings::default();
        for chart in [BarChart::DeliveryCpu, BarChart::IdleMemory] {
            findings.bar(chart, Who::Peer, "nothing", 0.0);
        }
        let sections = [section(findings)];
        for chart in Chart::ALL {
            let svg = chart.draw(&sections).unwrap().unwrap_or_default();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a switch of this test, not configuration of a server"
    )]
    fn is_blessing() -> bool {
        std::env::var("TODOKI_BLESS").is_ok()
    }
}
