//! Token buckets by key, in bounded memory.
//!
//! What is kept of a bucket is one number, the time at which it will be full again (the generic cell rate algorithm, by
//! the governor crate). A bucket that is full again is the same as one that never was, and is forgotten when room is
//! needed. When there is no room, keys that are not known yet share one bucket: an attack from many addresses limits its
//! own kind, and nobody who was there before.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};

use super::table::Unit;
use crate::clock;

/// Keys that are told apart: some 5 MB of addresses.
const KEYS: usize = 100_000;

/// How often room is looked for at most: a look is at every key.
const SWEEP_NANOS: u64 = 1_000_000_000;

/// Buckets that are alike, one for each key.
pub(super) struct Buckets<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    limiter: RateLimiter<K, Store<K>, C, NoOpMiddleware<C::Instant>>,
    /// The same that the limiter has.
    store: Store<K>,
    clock: C,
    window: Duration,
    /// In which time one runs in.
    interval: Duration,
    bound: usize,
    swept: AtomicU64,
}

impl<K: Hash + Eq + Clone, C: Clock> fmt::Debug for Buckets<K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buckets({} keys)", self.limiter.len())
    }
}

/// The rate of a bucket, and what it holds.
pub(crate) fn quota(unit: Unit, value: NonZeroU32) -> Quota {
    let quota = match unit {
        Unit::PerSecond(_) => Quota::per_second(value),
        Unit::PerDay => {
            Quota::with_period(unit.window() / value.get()).expect("a share of a day is some time")
        }
        _ => Quota::per_minute(value),
    };
    let burst = NonZeroU32::new(unit.burst(value.get()));
    quota.allow_burst(burst.unwrap_or(value))
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// Buckets of such a rate.
    pub(super) fn new(unit: Unit, value: NonZeroU32) -> Self {
        Self::with(unit, value, KEYS, DefaultClock::default())
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Buckets<K, C> {
    fn with(unit: Unit, value: NonZeroU32, bound: usize, clock: C) -> Self {
        let (quota, store) = (quota(unit, value), Store::new(bound));
        Self {
            limiter: RateLimiter::new(quota, store.clone(), clock.clone()),
            store,
            clock,
            window: unit.window(),
            interval: quota.replenish_interval(),
            bound,
            swept: AtomicU64::new(0),
        }
    }

    /// Takes so many at once out of the bucket of a key, or none and says after which time there will be enough.
    pub(super) fn take(&self, key: &K, count: u32) -> Result<(), Duration> {
        let Some(count) = NonZeroU32::new(count) else {
            return Ok(());
        };
        self.sweep();
        match self.limiter.check_key_n(key, count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(until.wait_time_from(self.clock.now())),
            // More than a full bucket holds.
            Err(_) => Err(self.window),
        }
    }

    /// Gives back what was taken for something that was not done: the bucket is full so much earlier. To a key that has no
    /// bucket of its own nothing is given, since it would be others' too.
    pub(super) fn give_back(&self, key: &K, count: u32) {
        let earlier = Nanos::from(self.interval.saturating_mul(count));
        self.store.with(|states| {
            if let Some(state) = states.known.get_mut(key) {
                *state = state.saturating_sub(earlier);
            }
        });
    }

    fn sweep(&self) {
        if self.limiter.len() < self.bound {
            return;
        }
        let (now, swept) = (clock::nanos(), self.swept.load(Ordering::Relaxed));
        let is_due = swept == 0 || now.saturating_sub(swept) >= SWEEP_NANOS;
        // Relaxed: two sweeps at once would only be work for nothing.
        if is_due
            && self
                .swept
                .compare_exchange(swept, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.limiter.retain_recent();
        }
    }
}

/// Where the buckets are kept.
struct Store<K> {
    states: Arc<Mutex<States<K>>>,
    bound: usize,
}

impl<K> Clone for Store<K> {
    fn clone(&self) -> Self {
        Self {
            states: Arc::clone(&self.states),
            bound: self.bound,
        }
    }
}

struct States<K> {
    known: HashMap<K, Nanos>,
    /// Of all keys that there was no room for.
    others: Option<Nanos>,
}

impl<K> Store<K> {
    fn new(bound: usize) -> Self {
        Self {
            states: Arc::new(Mutex::new(States {
                known: HashMap::new(),
                others: None,
            })),
            bound,
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut States<K>) -> T) -> T {
        // Each change is one number, so what a panic left behind is whole.
        act(&mut self.states.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K: Hash + Eq + Clone> StateStore for Store<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.with(|states| {
            if let Some(state) = states.known.get_mut(key) {
                let (verdict, next) = judge(Some(*state))?;
                *state = next;
                return Ok(verdict);
            }
            if states.known.len() < self.bound {
                let (verdict, next) = judge(None)?;
                states.known.insert(key.clone(), next);
                return Ok(verdict);
            }
            let (verdict, next) = judge(states.others)?;
            states.others = Some(next);
            Ok(verdict)
        })
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for Store<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.with(|states| states.known.retain(|_, state| *state > drop_below));
    }

    fn len(&self) -> usize {
        self.with(|states| states.known.len())
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    fn buckets(
        unit: Unit,
        value: u32,
        bound: usize,
    ) -> (Buckets<u32, FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let value = NonZeroU32::new(value).unwrap();
        (Buckets::with(unit, value, bound, clock.clone()), clock)
    }

    #[test]
    fn a_bucket_is_full_at_first_and_fills_evenly() {
        let (buckets, clock) = buckets(Unit::PerMinute, 20, 10);
        for _ in 0..20 {
            assert_eq!(buckets.take(&1, 1), Ok(()));
        }
        assert_eq!(buckets.take(&1, 1), Err(Duration::from_secs(3)));
        assert_eq!(buckets.take(&2, 1), Ok(()), "another's is another");
        clock.advance(Duration::from_secs(3));
        assert_eq!(buckets.take(&1, 1), Ok(()));
        assert!(buckets.take(&1, 1).is_err());
    }

    #[test]
    fn so_many_seconds_worth_come_at_once() {
        let (buckets, _) = buckets(Unit::PerSecond(10), 10, 10);
        assert_eq!(buckets.take(&1, 100), Ok(()));
        assert_eq!(buckets.take(&1, 1), Err(Duration::from_millis(100)));
        assert_eq!(
            buckets.take(&1, 101),
            Err(Duration::from_secs(10)),
            "it never holds so many"
        );
        assert_eq!(buckets.take(&1, 0), Ok(()));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_makes_no_bucket_larger() {
        let (buckets, clock) = buckets(Unit::PerMinute, 20, 1);
        assert_eq!(buckets.take(&1, 15), Ok(()));
        buckets.give_back(&1, 5);
        assert_eq!(buckets.take(&1, 11), Err(Duration::from_secs(3)));
        assert_eq!(buckets.take(&1, 10), Ok(()));
        clock.advance(Duration::from_secs(3));
        buckets.give_back(&1, 20);
        assert!(buckets.take(&1, 21).is_err());
        assert_eq!(buckets.take(&1, 20), Ok(()));
        assert!(buckets.take(&1, 1).is_err());
        assert_eq!(buckets.take(&2, 20), Ok(()));
        buckets.give_back(&2, 20);
        assert!(buckets.take(&3, 1).is_err(), "2 and 3 are one");
    }

    #[test]
    fn a_day_is_filled_evenly_too() {
        let (buckets, clock) = buckets(Unit::PerDay, 24, 10);
        assert_eq!(buckets.take(&1, 24), Ok(()));
        assert_eq!(buckets.take(&1, 1), Err(Duration::from_hours(1)));
        clock.advance(Duration::from_hours(1));
        assert_eq!(buckets.take(&1, 1), Ok(()));
        assert!(buckets.take(&1, 1).is_err());
    }

    #[test]
    fn keys_beyond_the_bound_share_a_bucket_and_those_before_keep_theirs() {
        let (buckets, clock) = buckets(Unit::PerMinute, 2, 3);
        for key in 0..3 {
            assert_eq!(buckets.take(&key, 2), Ok(()));
        }
        assert_eq!(buckets.take(&10, 1), Ok(()));
        assert_eq!(buckets.take(&11, 1), Ok(()));
        assert!(buckets.take(&12, 1).is_err(), "10, 11 and 12 are one");
        assert!(buckets.take(&0, 1).is_err(), "0 is still known");
        assert_eq!(buckets.limiter.len(), 3);
        clock.advance(Duration::from_mins(2));
        buckets.limiter.retain_recent();
        assert_eq!(buckets.limiter.len(), 0, "who has been quiet is forgotten");
        assert_eq!(buckets.take(&12, 2), Ok(()));
    }

    #[test]
    fn room_is_made_when_it_is_needed() {
        let (buckets, clock) = buckets(Unit::PerMinute, 60, 2);
        buckets.take(&0, 1).unwrap();
        buckets.take(&1, 1).unwrap();
        clock.advance(Duration::from_mins(2));
        buckets.take(&2, 60).unwrap();
        assert_eq!(buckets.limiter.len(), 1, "2 has taken the place of both");
    }

    proptest! {
        /// Whatever comes when, a key gets no more than a full bucket and what has run in since.
        #[test]
        fn nobody_gets_more_than_the_rate(
            steps in proptest::collection::vec((0_u64..2_000, 1_u32..4), 1..200)
        ) {
            let (buckets, clock) = buckets(Unit::PerSecond(2), 5, 10);
            let (mut elapsed, mut taken) = (0, 0);
            for (millis, count) in steps {
                clock.advance(Duration::from_millis(millis));
                elapsed += millis;
                if buckets.take(&1, count).is_ok() {
                    taken += u64::from(count);
                }
                prop_assert!(taken <= 10 + elapsed * 5 / 1_000, "{taken} in {elapsed} ms");
            }
        }
    }
}
