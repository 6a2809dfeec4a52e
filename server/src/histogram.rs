//! A histogram of whole numbers: how many fell within each bound, and what they sum up to.
//!
//! Plain: whoever owns one counts, without locks. Numbers are kept in the unit in which they are counted (nanoseconds,
//! say), and told in the unit in which they are shown (seconds).

/// What the numbers of a histogram are, and where its bounds lie.
#[derive(Debug, PartialEq, Eq)]
pub struct Scale {
    /// Upper bounds, inclusive, ascending. Beyond the last is one bucket more.
    bounds: &'static [u64],
    /// Units counted that make one unit shown.
    per_unit: u64,
}

const MICROS: u64 = 1_000;
const MILLIS: u64 = 1_000 * MICROS;
const SECONDS: u64 = 1_000 * MILLIS;

/// Times, counted in nanoseconds and shown in seconds: from what a quiet machine needs to where clients are cut off.
pub static TIMES: Scale = Scale {
    bounds: &[
        100 * MICROS,
        250 * MICROS,
        500 * MICROS,
        MILLIS,
        2_500 * MICROS,
        5 * MILLIS,
        10 * MILLIS,
        25 * MILLIS,
        50 * MILLIS,
        100 * MILLIS,
        250 * MILLIS,
        500 * MILLIS,
        SECONDS,
        2_500 * MILLIS,
        5 * SECONDS,
        10 * SECONDS,
    ],
    per_unit: SECONDS,
};

/// Things that come in batches: none, one, and then by doubling up to the largest group commit.
pub static SIZES: Scale = Scale {
    bounds: &[0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096],
    per_unit: 1,
};

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Histogram {
    scale: &'static Scale,
    /// One more than there are bounds.
    counts: Vec<u64>,
    /// Wide enough to never wrap: a million deliveries a second that are seconds late would fill 64 bits in an hour.
    sum: u128,
}

impl Histogram {
    /// An empty one.
    pub fn new(scale: &'static Scale) -> Self {
        Self {
            scale,
            counts: vec![0; scale.bounds.len() + 1],
            sum: 0,
        }
    }

    /// Counts a number so many times.
    pub fn add(&mut self, number: u64, times: u64) {
        let place = self.scale.bounds.partition_point(|bound| *bound < number);
        self.counts[place] += times;
        self.sum += u128::from(number) * u128::from(times);
    }

    /// Counts all that another has, so many times.
    pub fn merge(&mut self, other: &Self, times: u64) {
        debug_assert_eq!(self.scale, other.scale, "only like is added to like");
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more * times;
        }
        self.sum += other.sum * u128::from(times);
    }

    /// Forgets everything, and keeps its room.
    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.sum = 0;
    }

    /// Numbers counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What they sum up to, in the unit shown.
    pub fn sum(&self) -> f64 {
        shown(self.sum, self.scale)
    }

    /// Each bound in the unit shown, and the numbers that are within it and not within the one before. Those beyond the
    /// last bound are in the [count](Self::count) alone.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.scale.bounds.iter();
        bounds
            .map(|bound| shown(u128::from(*bound), self.scale))
            .zip(self.counts.iter().copied())
            .collect()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are read as doubles, whatever they are counted in"
)]
fn shown(number: u128, scale: &Scale) -> f64 {
    number as f64 / scale.per_unit as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let mut sizes = Histogram::new(&SIZES);
        for number in [0, 1, 2, 3, 4, 4096, 4097] {
            sizes.add(number, 1);
        }
        let counted = sizes.buckets().into_iter().filter(|(_, count)| *count > 0);
        assert_eq!(
            counted.collect::<Vec<_>>(),
            [(0.0, 1), (1.0, 1), (2.0, 1), (4.0, 2), (4096.0, 1)]
        );
        assert_eq!((sizes.count(), sizes.sum()), (7, 8203.0));
    }

    #[test]
    fn times_are_shown_in_seconds() {
        let mut times = Histogram::new(&TIMES);
        times.add(250 * MICROS, 3);
        assert_eq!(times.buckets()[1], (0.00025, 3));
        assert_eq!(times.buckets().last(), Some(&(10.0, 0)));
        assert!((times.sum() - 0.00075).abs() < 1e-12);
    }

    #[test]
    fn merging_counts_as_if_each_were_added() {
        let (mut one, mut whole) = (Histogram::new(&SIZES), Histogram::new(&SIZES));
        for number in [1, 5, 9000] {
            one.add(number, 2);
            whole.add(number, 6);
        }
        let mut merged = Histogram::new(&SIZES);
        merged.merge(&one, 3);
        assert_eq!(merged.buckets(), whole.buckets());
        assert_eq!((merged.count(), merged.sum()), (18, whole.sum()));
        merged.clear();
        assert_eq!((merged.count(), merged.sum()), (0, 0.0));
    }
}
