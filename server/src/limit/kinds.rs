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
    pub(super) fn take(&self, name: &Arc<str>, count: usize) -> Result<(), Duration> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.buckets.take(name, count)
    }

    /// Those of these drafts that they have not emitted yet.
    pub(super) fn take_own(&self, name: &Arc<str>, drafts: &[Draft]) -> Result<(), Duration> {
        // A panic in between would leave a count that is off by what one request brings.
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = own.kinds.get(name);
        let is_new = |kind: &&Kind| theirs.is_none_or(|theirs| !theirs.contains(*kind));
        let new = drafts.iter().map(|draft| &draft.kind).filter(is_new);
        let new: HashSet<Kind> = new.cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        self.take(name, new.len())?;
        if own.count + new.len() > self.bound {
            *own = Own::default();
        }
        own.count += new.len();
        own.kinds.entry(Arc::clone(name)).or_default().extend(new);
        Ok(())
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
        assert_eq!(kinds.take_own(&ann, &drafts(&["a", "b", "a"])), Ok(()));
        assert_eq!(kinds.take_own(&ann, &drafts(&["b", "a", "c"])), Ok(()));
        for _ in 0..10 {
            assert_eq!(kinds.take_own(&ann, &drafts(&["c"])), Ok(()));
        }
        assert!(kinds.take_own(&ann, &drafts(&["c", "d"])).is_err());
        assert!(
            kinds.take_own(&ann, &drafts(&["d"])).is_err(),
            "what was refused is not theirs"
        );
        assert_eq!(kinds.take_own(&bob, &drafts(&["a", "b", "d"])), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (kinds, ann) = (kinds(10, 3), "ann".into());
        for kind in ["a", "b", "c", "d"] {
            assert_eq!(kinds.take_own(&ann, &drafts(&[kind])), Ok(()));
        }
        let own = kinds.own.lock().unwrap();
        assert_eq!((own.count, own.kinds[&ann].len()), (1, 1));
        drop(own);
        assert_eq!(kinds.take_own(&ann, &drafts(&["a", "b"])), Ok(()));
        assert_eq!(kinds.own.lock().unwrap().count, 3);
    }
}
