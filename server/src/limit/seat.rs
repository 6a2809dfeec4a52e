//! Seats: how many of something each key has at the same time. They are given back when they are dropped.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// So many seats for each key.
#[derive(Debug)]
pub(super) struct Seats<K: Hash + Eq> {
    taken: Arc<Mutex<HashMap<K, u32>>>,
    limit: u32,
}

/// One seat, or as many as were added, as long as it lives.
pub struct Seat<K: Hash + Eq> {
    taken: Arc<Mutex<HashMap<K, u32>>>,
    limit: u32,
    key: K,
    count: u32,
}

impl<K: Hash + Eq + fmt::Debug> fmt::Debug for Seat<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seat({:?}, {})", self.key, self.count)
    }
}

impl<K: Hash + Eq + Clone> Seats<K> {
    /// So many for each.
    pub(super) fn new(limit: u32) -> Self {
        Self {
            taken: Arc::default(),
            limit,
        }
    }

    /// A seat, if the key has one left.
    pub(super) fn take(&self, key: &K) -> Option<Seat<K>> {
        let mut seat = self.begin(key);
        seat.add(1).then_some(seat)
    }

    /// No seat yet, for what takes them one after the other.
    pub(super) fn begin(&self, key: &K) -> Seat<K> {
        Seat {
            taken: Arc::clone(&self.taken),
            limit: self.limit,
            key: key.clone(),
            count: 0,
        }
    }
}

impl<K: Hash + Eq + Clone> Seat<K> {
    /// So many more, if the key has all of them left.
    pub(super) fn add(&mut self, more: u32) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(&self.key).copied().unwrap_or(0);
        if more > self.limit.saturating_sub(count) {
            return false;
        }
        taken.insert(self.key.clone(), count + more);
        self.count += more;
        true
    }
}

impl<K: Hash + Eq> Drop for Seat<K> {
    /// A key without seats is forgotten, so there are never more keys than seats that are taken.
    fn drop(&mut self) {
        if self.count == 0 {
            return;
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= self.count;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_free_again_once_it_is_left_and_nothing_stays_of_it() {
        let seats = Seats::new(2);
        let (one, two) = (seats.take(&"a"), seats.take(&"a"));
        assert!(one.is_some() && two.is_some());
        assert!(seats.take(&"a").is_none());
        assert!(seats.take(&"b").is_some(), "another's are another");
        drop(one);
        let three = seats.take(&"a");
        assert!(three.is_some());
        drop((two, three));
        assert!(seats.taken.lock().unwrap().is_empty());
    }

    #[test]
    fn seats_are_added_all_or_none_and_given_back_together() {
        let seats = Seats::new(5);
        let (mut one, mut two) = (seats.begin(&"a"), seats.begin(&"a"));
        assert!(one.add(3) && two.add(1));
        assert!(!two.add(2), "one is left");
        assert!(two.add(1));
        assert!(!seats.begin(&"a").add(u32::MAX));
        drop(one);
        assert!(two.add(3));
        drop(two);
        assert!(seats.taken.lock().unwrap().is_empty());
    }
}
