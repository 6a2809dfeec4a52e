//! Where the log stands: written by the writer thread alone, read by everyone.
//!
//! Readers rely on the order in which the writer publishes a commit: first its new kinds, then the head. Whoever loads
//! the head and then the kinds knows the kind of every event up to that head.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use todoki_codec::{Cursor, Draft, Kind};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Bounds;

/// What the writer thread tells the rest of the process.
#[derive(Debug)]
pub(super) struct Shared {
    epoch: Uuid,
    head: AtomicI64,
    /// Events up to this cursor are forgotten; never past `head`.
    trimmed_through: AtomicI64,
    kinds: RwLock<Vocabulary>,
    /// Whether the log cannot be reached just now.
    is_away: AtomicBool,
    failure: OnceLock<Arc<str>>,
    failed: CancellationToken,
}

/// The kinds of a log.
#[derive(Debug)]
struct Vocabulary {
    /// In the order of their ids, which count from 1.
    list: Arc<Vec<Kind>>,
    /// The same, to be found.
    known: HashSet<Kind>,
}

impl Vocabulary {
    fn new(kinds: Vec<Kind>) -> Self {
        Self {
            known: kinds.iter().cloned().collect(),
            list: Arc::new(kinds),
        }
    }

    fn add(&mut self, kind: &Kind) {
        Arc::make_mut(&mut self.list).push(kind.clone());
        self.known.insert(kind.clone());
    }
}

impl Shared {
    pub(super) fn new(
        epoch: Uuid,
        head: Cursor,
        trimmed_through: Cursor,
        kinds: Vec<Kind>,
    ) -> Self {
        Self {
            epoch,
            head: AtomicI64::new(head.get()),
            trimmed_through: AtomicI64::new(trimmed_through.get()),
            kinds: RwLock::new(Vocabulary::new(kinds)),
            is_away: AtomicBool::new(false),
            failure: OnceLock::new(),
            failed: CancellationToken::new(),
        }
    }

    pub(super) fn bounds(&self) -> Bounds {
        // The trimmed end first: loaded after an older head it could lie beyond it.
        let trimmed_through = self.trimmed_through();
        Bounds {
            epoch: self.epoch,
            earliest: trimmed_through.next(),
            head: self.head(),
        }
    }

    pub(super) fn head(&self) -> Cursor {
        // Pairs with the Release in `advance`.
        cursor(self.head.load(Ordering::Acquire))
    }

    pub(super) fn trimmed_through(&self) -> Cursor {
        // Pairs with the Release in `trimmed`.
        cursor(self.trimmed_through.load(Ordering::Acquire))
    }

    pub(super) fn kinds(&self) -> Arc<Vec<Kind>> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&kinds.list)
    }

    /// How many different kinds of these drafts are none of the log's yet.
    pub(super) fn new_kinds(&self, drafts: &[Draft]) -> usize {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        // Drafts of one kind often come together, and nearly always it is known: then nothing is allocated.
        let runs = drafts.chunk_by(|one, next| one.kind == next.kind);
        let unknown: HashSet<_> = runs
            .map(|run| &run[0].kind)
            .filter(|kind| !kinds.known.contains(*kind))
            .collect();
        unknown.len()
    }

    /// Takes note of kinds by their ids, each after those before it; of those that are known already nothing is new.
    pub(super) fn learn_kinds(&self, found: &[(i32, Kind)]) {
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        for (id, kind) in found {
            if usize::try_from(*id) == Ok(kinds.list.len() + 1) {
                kinds.add(kind);
            }
        }
    }

    /// Publishes a commit.
    pub(super) fn advance(&self, head: Cursor, new_kinds: &[Kind]) {
        if !new_kinds.is_empty() {
            let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
            for kind in new_kinds {
                kinds.add(kind);
            }
        }
        self.head.store(head.get(), Ordering::Release);
    }

    /// Publishes that events up to `through` are gone. They stay gone, also for one that has read an earlier mark.
    pub(super) fn trimmed(&self, through: Cursor) {
        self.trimmed_through
            .fetch_max(through.get(), Ordering::Release);
    }

    /// Publishes whether the log can be reached.
    pub(super) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    pub(super) fn is_away(&self) -> bool {
        // A word to people: nothing is ordered by it.
        self.is_away.load(Ordering::Relaxed)
    }

    /// The log has stopped by itself. The first cause is the one that is told.
    pub(super) fn fail(&self, cause: Arc<str>) {
        self.failure.get_or_init(|| cause);
        self.failed.cancel();
    }

    pub(super) fn failure(&self) -> Option<Arc<str>> {
        self.failure.get().cloned()
    }

    /// Resolves when the log has stopped by itself.
    pub(super) async fn failed(&self) -> Arc<str> {
        self.failed.cancelled().await;
        self.failure().unwrap_or_else(|| "unknown".into())
    }
}

fn cursor(number: i64) -> Cursor {
    Cursor::new(number).expect("only cursors are stored")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_stays_forgotten() {
        let shared = Shared::new(Uuid::nil(), cursor(9), Cursor::ORIGIN, Vec::new());
        for (through, earliest) in [(3, 4), (2, 4), (5, 6)] {
            shared.trimmed(cursor(through));
            assert_eq!(shared.bounds().earliest, cursor(earliest));
        }
    }
}
