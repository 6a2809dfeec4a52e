//! Kinds that principals bring into the vocabulary of the log, which is one for all, has an end, and never shrinks.
//!
//! A kind is new if the log does not have it. Somebody from whom events are hidden must not learn by that, once their bucket
//! is empty, which kinds others have: to them each is new that they have not emitted themselves since the server began.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use todoki_codec::{Draft, Kind};

use super::bucket::Buckets;
use super::table::Unit;

/// Kinds that are remembered as somebody's own, some 10 MB; beyond it the memory starts anew, and they are new again.
const OWN: usize = 100_000;

/// What each principal may bring.
#[derive(Debug)]
pub(super) struct Kinds {
    buckets: Buckets<Arc<str>>,
    own: Mutex<Own>,
    bound: usize,
}

/// What one request has taken.
#[derive(Debug, Default)]
pub struct NewKinds {
    count: u32,
    /// Which, of somebody from whom events are hidden.
    own: HashSet<Kind>,
}

/// What those have emitted who must not know of others.
#[derive(Debug, Default)]
struct Own {
    kinds: HashMap<Arc<str>, HashSet<Kind>>,
    count: usize,
}

impl Kinds {
    pub(super) fn new(unit: Unit, value: NonZeroU32) -> Self {
        Self::with(unit, value, OWN)
    }

    fn with(unit: Unit, value: NonZeroU32, bound: usize) -> Self {
        Self {
            buckets: Buckets::new(unit, value),
            own: Mutex::default(),
            bound,
        }
    }

    /// So many that the log does not have.
    pub(super) fn take(&self, name: &Arc<str>, count: usize) -> Result<NewKinds, Duration> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.buckets.take(name, count)?;
        Ok(NewKinds {
            count,
            own: HashSet::new(),
        })
    }

    /// Nothing of it was stored: they are new again.
    pub(super) fn give_back(&self, name: &Arc<str>, taken: &NewKinds) {
        self.buckets.give_back(name, taken.count);
        if taken.own.is_empty() {
            return;
        }
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(theirs) = own.kinds.get_mut(name) else {
            return;
        };
        let forgotten = taken.own.iter().filter(|kind| theirs.remove(*kind)).count();
        if theirs.is_empty() {
            own.kinds.remove(name);
        }
        own.count -= forgotten;
    }

    /// Those of these drafts that they have not emitted yet.
    pub(super) fn take_own(&self, name: &Arc<str>, drafts: &[Draft]) -> Result<NewKinds, Duration> {
        // A panic in between would leave a count that is off by what one request brings.
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = own.kinds.get(name);
        let is_new = |kind: &&Kind| theirs.is_none_or(|theirs| !theirs.contains(*kind));
        let new = drafts.iter().map(|draft| &draft.kind).filter(is_new);
        let new: HashSet<Kind> = new.cloned().collect();
        if new.is_empty() {
            return Ok(NewKinds::default());
        }
        let taken = self.take(name, new.len())?;
        if own.count + new.len() > self.bound {
            *own = Own::default();
        }
        own.count += new.len();
        own.kinds
            .entry(Arc::clone(name))
            .or_default()
            .extend(new.iter().cloned());
        Ok(NewKinds { own: new, ..taken })
    }
}

#[cfg(test)]
mod tests {
    use todoki_codec::Ids;

    use super::*;

    fn drafts(kinds: &[&str]) -> Vec<Draft> {
        let draft = |kind: &&str| Draft {
            kind: Kind::parse(kind).unwrap(),
            ids: Ids::default(),
            data: "{}".into(),
            id: None,
        };
        kinds.iter().map(draft).collect()
    }

    fn kinds(value: u32, bound: usize) -> Kinds {
        Kinds::with(Unit::PerDay, NonZeroU32::new(value).unwrap(), bound)
    }

    #[test]
    fn a_kind_that_somebody_has_emitted_is_new_to_them_once_and_new_to_others() {
        let (kinds, ann, bob) = (kinds(3, OWN), "ann".into(), "bob".into());
        assert!(kinds.take_own(&ann, &drafts(&["a", "b", "a"])).is_ok());
        assert!(kinds.take_own(&ann, &drafts(&["b", "a", "c"])).is_ok());
        for _ in 0..10 {
            assert!(kinds.take_own(&ann, &drafts(&["c"])).is_ok());
        }
        assert!(kinds.take_own(&ann, &drafts(&["c", "d"])).is_err());
        assert!(
            kinds.take_own(&ann, &drafts(&["d"])).is_err(),
            "what was refused is not theirs"
        );
        assert!(kinds.take_own(&bob, &drafts(&["a", "b", "d"])).is_ok());
    }

    #[test]
    fn what_was_not_stored_is_new_again_and_costs_nothing() {
        let (kinds, ann) = (kinds(2, OWN), "ann".into());
        for _ in 0..5 {
            let taken = kinds.take_own(&ann, &drafts(&["a", "b"])).unwrap();
            assert!(kinds.take_own(&ann, &drafts(&["c"])).is_err());
            kinds.give_back(&ann, &taken);
            let taken = kinds.take(&ann, 2).unwrap();
            assert!(kinds.take(&ann, 1).is_err());
            kinds.give_back(&ann, &taken);
        }
        kinds.take_own(&ann, &drafts(&["a"])).unwrap();
        let taken = kinds.take_own(&ann, &drafts(&["a", "b"])).unwrap();
        kinds.give_back(&ann, &taken);
        let own = kinds.own.lock().unwrap();
        let a = HashSet::from([Kind::parse("a").unwrap()]);
        assert_eq!((own.count, &own.kinds[&ann]), (1, &a));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (kinds, ann) = (kinds(10, 3), "ann".into());
        for kind in ["a", "b", "c", "d"] {
            assert!(kinds.take_own(&ann, &drafts(&[kind])).is_ok());
        }
        let own = kinds.own.lock().unwrap();
        assert_eq!((own.count, own.kinds[&ann].len()), (1, 1));
        drop(own);
        assert!(kinds.take_own(&ann, &drafts(&["a", "b"])).is_ok());
        assert_eq!(kinds.own.lock().unwrap().count, 3);
    }
}
