//! Seats: how many of something each key has at the same time. A seat is given back when it is dropped.

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

/// One seat, as long as it lives.
pub struct Seat<K: Hash + Eq> {
    taken: Arc<Mutex<HashMap<K, u32>>>,
    key: K,
}

impl<K: Hash + Eq + fmt::Debug> fmt::Debug for Seat<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seat({:?})", self.key)
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
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(key.clone()).or_insert(0);
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Seat {
            taken: Arc::clone(&self.taken),
            key: key.clone(),
        })
    }
}

impl<K: Hash + Eq> Drop for Seat<K> {
    /// A key without seats is forgotten, so there are never more keys than seats that are taken.
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
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
}
