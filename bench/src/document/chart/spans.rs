//! Distributions on a common axis: a line from the median to the greatest, with the quantiles marked on it.

use plotters::style::RGBColor;

use crate::Outcome;
use crate::document::findings::Span;

use super::Scale;
use super::axis::Axis;
use super::canvas::{Canvas, FAINT_INK, Hand, INK, LIMIT, OURS, PEER, Side, row};

pub(super) const TITLE: &str = "How late a subscriber has an event";

const AXIS: &str = "ms since it was due (an open loop, log scale); less is better";

/// Pixels from a distribution to the next: two lines of text.
const ROW: i32 = 42;
/// Characters of the four figures below a label, in their smaller size.
const SHORTEST: usize = 24;

/// What is marked, from the left.
const MARKS: [(&str, RGBColor); 4] = [
    ("p50", OURS),
    ("p99", RGBColor(224, 150, 60)),
    ("p99.9", PEER),
    ("greatest", LIMIT),
];

/// The chart. There has to be a distribution.
pub(super) fn draw(spans: &[&Span], sources: &[&str]) -> Outcome<String> {
    let marks = |span: &Span| {
        let quantiles = span.quantiles;
        [
            quantiles.p50_ms,
            quantiles.p99_ms,
            quantiles.p999_ms,
            quantiles.max_ms,
        ]
    };
    let all = spans.iter().flat_map(|span| marks(span));
    let greatest = all.clone().fold(f64::MIN_POSITIVE, f64::max);
    let least = all.fold(greatest, f64::min).max(f64::MIN_POSITIVE);
    let longest = spans
        .iter()
        .map(|span| span.label.chars().count().max(SHORTEST));
    let mut svg = String::new();
    let rows = ROW * i32::try_from(spans.len())?;
    let canvas = Canvas::new(&mut svg, TITLE, rows, longest.max().unwrap_or(0), sources)?;
    let axis = Axis::new(Scale::Log, least, greatest, canvas.values());
    canvas.axis(&axis, AXIS)?;
    canvas.legend(&MARKS)?;
    for (span, number) in spans.iter().zip(0..) {
        let middle = row(number, ROW) + ROW / 2;
        let (end, upper, lower) = (canvas.label_end(), middle - 8, middle + 8);
        canvas.text(&span.label, (end, upper), Side::Right, Hand::Text, INK)?;
        let figures = span.quantiles.to_string();
        canvas.text(&figures, (end, lower), Side::Right, Hand::Small, FAINT_INK)?;
        let places = marks(span).map(|value| axis.place(value));
        let [first, .., last] = places;
        canvas.line((first, middle), (last, middle), PEER, 2)?;
        // From the right, so that where marks meet the lesser quantile is seen.
        for (place, (_, colour)) in places.into_iter().zip(MARKS).rev() {
            canvas.dot((place, middle), colour)?;
        }
    }
    canvas.finish()?;
    Ok(svg)
}
