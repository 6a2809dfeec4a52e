//! What a log counts, for whoever watches it.
//!
//! A recorder is handed to a log when it is opened. The log writes into it and knows nothing of where that goes; whoever
//! holds the other end reads. One lock for each commit: beside its fsync that is nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::histogram::{Histogram, SIZES, TIMES};

/// Where a log counts, and where that is read.
#[derive(Debug, Default)]
pub struct Recorder {
    counts: Mutex<Counts>,
    /// Appends and trims that are queued or being committed.
    waiting: AtomicU64,
}

/// What was counted so far.
#[derive(Clone, Debug)]
pub struct Counts {
    /// How long commits took to become durable, in nanoseconds.
    pub commit_times: Histogram,
    /// Drafts that were committed together.
    pub commit_drafts: Histogram,
    /// Commits of appends that failed.
    pub failed_commits: u64,
    /// Requests that wait now, or are being committed.
    pub waiting: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            commit_times: Histogram::new(&TIMES),
            commit_drafts: Histogram::new(&SIZES),
            failed_commits: 0,
            waiting: 0,
        }
    }
}

/// A request that waits for the log, for as long as this lives.
#[derive(Debug)]
pub struct Waiting(Arc<Recorder>);

impl Recorder {
    /// A group of drafts became durable, which took so long.
    pub fn committed(&self, took: Duration, drafts: usize) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        counts.commit_times.add(took, 1);
        counts.commit_drafts.add(drafts as u64, 1);
    }

    /// A group of drafts could not be committed.
    pub fn failed(&self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.failed_commits += 1;
    }

    /// A request has come.
    pub fn enter(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(self))
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        Counts {
            waiting: self.waiting.load(Ordering::Relaxed),
            ..counts.clone()
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_waits_for_as_long_as_it_is_held() {
        let recorder = Arc::<Recorder>::default();
        let (one, other) = (recorder.enter(), recorder.enter());
        assert_eq!(recorder.counts().waiting, 2);
        drop((one, other));
        assert_eq!(recorder.counts().waiting, 0);
    }
}
