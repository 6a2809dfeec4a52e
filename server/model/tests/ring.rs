//! Conservation, under every interleaving: what is given and what waits is what was pushed, in order, nothing torn.

use loom::sync::Arc;
use loom::thread;
use todoki_ring_model::ring::{Lag, Ring, Run};

/// Switches between threads at any access, twice at most where nothing forces one: with two threads of a few accesses,
/// bugs that need a third are unknown, and without a bound the search takes hours.
const SWITCHES: usize = 2;

fn model() -> loom::model::Builder {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(SWITCHES);
    model
}

/// Two slots, so that a few pushes meet every case: merged, put into a new slot, refused.
type SmallRing = Ring<2>;

fn run(segment: u32, start: u32, end: u32) -> Run {
    Run {
        segment,
        start,
        end,
        events: (end - start) / 10,
    }
}

/// The taker's side as the floor has it: a run is taken as far as it was seen, and may grow meanwhile.
#[derive(Default)]
struct Taker {
    /// Of the oldest run.
    taken: Option<Run>,
    all: Vec<(u32, u32, u32)>,
}

impl Taker {
    /// Takes what is there of the oldest run. `false` when there is none.
    fn take(&mut self, ring: &SmallRing) -> bool {
        let Some(seen) = ring.peek() else {
            return false;
        };
        let (from, events) = self
            .taken
            .map_or((seen.start, 0), |run| (run.end, run.events));
        assert!(
            from <= seen.end && events <= seen.events,
            "a run only grows"
        );
        ring.take(u64::from(seen.events - events), u64::from(seen.end - from));
        if from < seen.end {
            self.all.push((seen.segment, from, seen.end));
        }
        self.taken = if ring.advance(seen) { None } else { Some(seen) };
        true
    }

    /// What was taken, with neighbours joined.
    fn joined(&self) -> Vec<(u32, u32, u32)> {
        let mut joined: Vec<(u32, u32, u32)> = Vec::new();
        for &(segment, start, end) in &self.all {
            match joined.last_mut() {
                Some(last) if (last.0, last.2) == (segment, start) => last.2 = end,
                _ => joined.push((segment, start, end)),
            }
        }
        joined
    }
}

/// Pushes until the ring is full; returns what went in, neighbours joined.
fn push_all(ring: &SmallRing, runs: &[Run]) -> Vec<(u32, u32, u32)> {
    let mut pushed: Vec<(u32, u32, u32)> = Vec::new();
    for run in runs {
        if ring.push(*run).is_err() {
            return pushed;
        }
        match pushed.last_mut() {
            Some(last) if (last.0, last.2) == (run.segment, run.start) => last.2 = run.end,
            _ => pushed.push((run.segment, run.start, run.end)),
        }
    }
    pushed
}

fn check(runs: &'static [Run], turns: usize) {
    model().check(move || {
        let ring = Arc::new(SmallRing::default());
        let pusher = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || push_all(&ring, runs))
        };
        let mut taker = Taker::default();
        for _ in 0..turns {
            taker.take(&ring);
        }
        let pushed = pusher.join().expect("the pusher ends");
        while taker.take(&ring) {}
        assert_eq!(taker.joined(), pushed);
        assert_eq!(
            ring.lag(),
            Lag::default(),
            "given and waiting are what was pushed"
        );
    });
}

#[test]
fn a_run_that_grows_while_it_is_taken_is_taken_once() {
    const RUNS: [Run; 3] = [
        Run {
            segment: 1,
            start: 0,
            end: 10,
            events: 1,
        },
        Run {
            segment: 1,
            start: 10,
            end: 30,
            events: 2,
        },
        Run {
            segment: 1,
            start: 30,
            end: 40,
            events: 1,
        },
    ];
    assert_eq!(RUNS[1], run(1, 10, 30));
    check(&RUNS, 3);
}

#[test]
fn slots_are_used_again_without_a_torn_read() {
    const RUNS: [Run; 4] = [
        Run {
            segment: 1,
            start: 0,
            end: 10,
            events: 1,
        },
        Run {
            segment: 2,
            start: 0,
            end: 20,
            events: 2,
        },
        Run {
            segment: 3,
            start: 0,
            end: 30,
            events: 3,
        },
        Run {
            segment: 3,
            start: 30,
            end: 40,
            events: 1,
        },
    ];
    check(&RUNS, 3);
}

#[test]
fn whoever_looks_sees_a_lag_that_there_was() {
    model().check(|| {
        let ring = Arc::new(SmallRing::default());
        let pusher = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || push_all(&ring, &[run(1, 0, 10), run(1, 10, 20)]))
        };
        let looker = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.lag())
        };
        let mut taker = Taker::default();
        taker.take(&ring);
        let lag = looker.join().expect("the looker ends");
        assert!(lag.events <= 2 && lag.bytes <= 20, "{lag:?}");
        pusher.join().expect("the pusher ends");
    });
}
