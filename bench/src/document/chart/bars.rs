//! Horizontal bars, the best first, Todoki's own in a colour of its own.

use crate::Outcome;
use crate::document::findings::Bar;

use super::axis::Axis;
use super::canvas::{Canvas, Hand, INK, LIMIT, OURS, PEER, Side, row, short};
use super::{Facts, Who};

/// Pixels from a bar to the next.
const ROW: i32 = 30;
/// Pixels above and below a bar.
const GAP: i32 = 5;

/// On a log scale the shortest bar ends at so many times where it begins, or it would hardly be seen.
const SHORTEST: f64 = 4.0;

/// The chart. There has to be a bar.
pub(super) fn draw(facts: &Facts, mut bars: Vec<Bar>, sources: &[&str]) -> Outcome<String> {
    bars.sort_by(|a, b| {
        let order = a.value.total_cmp(&b.value);
        if facts.is_less_better {
            order
        } else {
            order.reverse()
        }
    });
    let values = bars.iter().map(|bar| bar.value);
    let greatest = values.clone().fold(f64::MIN_POSITIVE, f64::max);
    let least = values.fold(greatest, f64::min).max(f64::MIN_POSITIVE);
    let longest = bars.iter().map(|bar| bar.label.chars().count()).max();
    let mut svg = String::new();
    let rows = ROW * i32::try_from(bars.len())?;
    let canvas = Canvas::new(&mut svg, facts.title, rows, longest.unwrap_or(0), sources)?;
    let axis = Axis::new(facts.scale, least / SHORTEST, greatest, canvas.values());
    canvas.axis(&axis, facts.axis)?;
    for (bar, number) in bars.iter().zip(0..) {
        let (colour, hand) = match bar.who {
            Who::Ours => (OURS, Hand::Bold),
            Who::Limit => (LIMIT, Hand::Text),
            Who::Peer => (PEER, Hand::Text),
        };
        let (top, end) = (row(number, ROW), axis.place(bar.value));
        let middle = top + ROW / 2;
        canvas.text(
            &bar.label,
            (canvas.label_end(), middle),
            Side::Right,
            hand,
            INK,
        )?;
        canvas.rectangle([(axis.start(), top + GAP), (end, top + ROW - GAP)], colour)?;
        canvas.text(&short(bar.value), (end + 6, middle), Side::Left, hand, INK)?;
    }
    canvas.finish()?;
    Ok(svg)
}
