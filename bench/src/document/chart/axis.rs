//! Values to pixels, and where the ticks are.

use std::ops::Range;

use plotters::coord::combinators::{IntoLogRange, LogCoord};
use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;

use super::Scale;

/// Most ticks on an axis: their labels have room beside each other.
const TICKS: usize = 8;

/// Room behind the greatest value, for what is written there, as a part of it.
const HEADROOM: f64 = 1.15;

/// A horizontal axis.
pub(super) struct Axis {
    values: Values,
    pixels: (i32, i32),
}

enum Values {
    Linear(RangedCoordf64),
    Log(LogCoord<f64>),
}

impl Axis {
    /// One that has room for values between `least` and `greatest`, drawn between two pixels.
    pub(super) fn new(scale: Scale, least: f64, greatest: f64, pixels: Range<i32>) -> Self {
        let values = match scale {
            Scale::Linear => Values::Linear((0.0..greatest * HEADROOM).into()),
            Scale::Log => {
                // A length on such a scale has no natural beginning; a round value is one that can be read.
                let start = round_below(least / HEADROOM);
                Values::Log((start..greatest * HEADROOM * HEADROOM).log_scale().into())
            }
        };
        Self {
            values,
            pixels: (pixels.start, pixels.end),
        }
    }

    /// Where a value is.
    pub(super) fn place(&self, value: f64) -> i32 {
        match &self.values {
            Values::Linear(linear) => linear.map(&value, self.pixels),
            Values::Log(log) => log.map(&value, self.pixels),
        }
    }

    /// Where bars begin.
    pub(super) fn start(&self) -> i32 {
        self.pixels.0
    }

    /// Values to mark.
    pub(super) fn ticks(&self) -> Vec<f64> {
        match &self.values {
            Values::Linear(linear) => linear.key_points(TICKS),
            Values::Log(log) => round(log.range()),
        }
    }
}

/// Steps of a power of ten that are marked where there is room for them.
const STEPS: [f64; 3] = [1.0, 2.0, 5.0];

fn round_below(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    STEPS
        .into_iter()
        .map(|step| step * power)
        .filter(|round| *round <= value)
        .fold(power, f64::max)
}

/// Round values of a range, in fine steps if they are few. The library's own are powers of ten alone, which leaves a
/// short range without any.
fn round(range: Range<f64>) -> Vec<f64> {
    let from = range.start.log10().floor();
    let powers = std::iter::successors(Some(from), |power| Some(power + 1.0))
        .map(|power| 10_f64.powf(power))
        .take_while(|power| *power <= range.end);
    // The start is round itself, and must not be missed for being computed another way.
    let is_in = |value: &f64| (range.start * 0.999..=range.end).contains(value);
    let whole: Vec<_> = powers.clone().filter(is_in).collect();
    let fine: Vec<_> = powers
        .flat_map(|power| STEPS.map(|step| step * power))
        .filter(is_in)
        .collect();
    if fine.len() <= TICKS { fine } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_range_has_ticks_too_and_a_long_one_not_too_many() {
        let ticks = |least, greatest| Axis::new(Scale::Log, least, greatest, 0..100).ticks();
        let near = |is: Vec<f64>, wanted: &[f64]| {
            assert_eq!(is.len(), wanted.len(), "{is:?}");
            for (is, wanted) in is.into_iter().zip(wanted) {
                assert!((is / wanted - 1.0).abs() < 1e-9, "{is} is not {wanted}");
            }
        };
        near(ticks(1.0, 4.0), &[0.5, 1.0, 2.0, 5.0]);
        near(ticks(0.33, 107.0), &[1.0, 10.0, 100.0]);
        near(
            ticks(900.0, 1.35e5),
            &[500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5],
        );
    }

    #[test]
    fn greater_values_are_further_right() {
        for scale in [Scale::Linear, Scale::Log] {
            let axis = Axis::new(scale, 1.0, 100.0, 10..200);
            let places = [1.0, 10.0, 100.0].map(|value| axis.place(value));
            assert!(
                places.is_sorted() && places[0] >= 10 && places[2] < 200,
                "{places:?}"
            );
        }
    }
}
