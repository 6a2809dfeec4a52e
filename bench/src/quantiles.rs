//! A distribution in five figures, and a few figures in four.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Outcome;

/// The longest time told apart, in nanoseconds; longer ones count as this.
const LONGEST_NS: u64 = 60_000_000_000;

/// Times in nanoseconds, to three digits.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Times {
    /// No times yet.
    pub fn new() -> Outcome<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LONGEST_NS, 3)?))
    }

    /// Counts one.
    pub fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(LONGEST_NS);
        self.0.saturating_record(nanos);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Counts all of `other`.
    pub fn add(&mut self, other: &Self) -> Outcome<()> {
        Ok(self.0.add(&other.0)?)
    }

    /// The figures.
    pub fn quantiles(&self) -> Quantiles {
        let at = |quantile| millis(self.0.value_at_quantile(quantile));
        Quantiles {
            count: self.0.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: millis(self.0.max()),
        }
    }
}

/// As pairs of a time in nanoseconds and how often it was, so that processes can hand each other all they know.
impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let recorded = self.0.iter_recorded();
        serializer
            .collect_seq(recorded.map(|step| (step.value_iterated_to(), step.count_at_value())))
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut times = Self::new().map_err(D::Error::custom)?;
        for (nanos, count) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            times.0.saturating_record_n(nanos, count);
        }
        Ok(times)
    }
}

fn millis(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64() * 1e3
}

/// Half of the times, 99 % and 99.9 % of them are at most so long.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many there were.
    pub count: u64,
    /// Median.
    pub p50_ms: f64,
    /// 99 %.
    pub p99_ms: f64,
    /// 99.9 %.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl std::fmt::Display for Quantiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.2} / {:.2} / {:.2} / {:.1}",
            self.p50_ms, self.p99_ms, self.p999_ms, self.max_ms
        )
    }
}

/// The least, the median and the middle half of some figures, such as rounds give.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is what it is called")]
pub struct Spread {
    pub least: f64,
    pub quarter: f64,
    pub median: f64,
    pub three_quarters: f64,
}

impl Spread {
    /// That of these; `None` when there are none.
    pub fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<_> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let at = |quarters: usize| figures.get(figures.len() * quarters / 4).copied();
        Some(Self {
            least: at(0)?,
            quarter: at(1)?,
            median: at(2)?,
            three_quarters: at(3)?,
        })
    }
}

/// The median, and the middle half.
impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            quarter,
            median,
            three_quarters,
            ..
        } = self;
        write!(f, "{median:.3} ({quarter:.3}–{three_quarters:.3})")
    }
}

/// Of several rounds the one whose figure is the median; of an even number the greater of the two in the middle.
pub fn median<R>(mut rounds: Vec<R>, figure: impl Fn(&R) -> f64) -> R {
    rounds.sort_by(|a, b| figure(a).total_cmp(&figure(b)));
    rounds.swap_remove(rounds.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_round_is_reported_whole() {
        let rounds = vec![(3.0, "c"), (1.0, "a"), (4.0, "d"), (2.0, "b")];
        assert_eq!(median(rounds.clone(), |round| round.0), (3.0, "c"));
        assert_eq!(median(rounds[..3].to_vec(), |round| -round.0), (3.0, "c"));
    }

    #[test]
    fn times_can_be_handed_to_another_process() {
        let mut times = Times::new().unwrap();
        for millis in [1, 1, 20, 300] {
            times.record(Duration::from_millis(millis));
        }
        let mut json = simd_json::serde::to_vec(&times).unwrap();
        let read: Times = simd_json::serde::from_slice(&mut json).unwrap();
        assert_eq!(read.0, times.0);
    }
}
