//! An open loop: emits are due at fixed times, and each carries in its data when it was due.

use std::net::SocketAddr;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::Outcome;
use crate::http::{self, Connection};
use crate::quantiles::Times;
use crate::sample::COMMON_KIND;

/// A sleeping thread wakes late by some 60 µs, so the last bit is waited for awake.
const AWAKE: Duration = Duration::from_micros(120);

/// When emits are due.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// When the first is.
    pub begin: Instant,
    /// From one to the next.
    pub interval: Duration,
    /// Connections that they take turns on.
    pub connections: u32,
    /// Emits in all.
    pub count: u32,
    /// Emits due before this are not counted.
    pub warm_up: Duration,
}

impl Schedule {
    /// After the beginning.
    fn due(&self, place: u32) -> Duration {
        self.interval * place
    }

    /// How late it is for what was due then; `None` during warm-up.
    pub fn late(&self, due: Duration) -> Option<Duration> {
        (due >= self.warm_up).then(|| self.begin.elapsed().saturating_sub(due))
    }

    fn wait_for(&self, due: Duration) {
        loop {
            let left = due.saturating_sub(self.begin.elapsed());
            match left.checked_sub(AWAKE) {
                Some(asleep) if !asleep.is_zero() => thread::sleep(asleep),
                _ if left.is_zero() => return,
                _ => thread::yield_now(),
            }
        }
    }
}

/// A runtime for one thread.
pub fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// What all publishers measured.
pub fn joined(publishers: Vec<ScopedJoinHandle<'_, Outcome<Times>>>) -> Outcome<Times> {
    let mut all = Times::new()?;
    for publisher in publishers {
        let times = publisher.join().map_err(|_| "a publisher panicked")??;
        all.add(&times)?;
    }
    Ok(all)
}

/// Emits every so-many-th event, each when it is due; measures how late the answers are.
pub fn publish(address: SocketAddr, schedule: Schedule, first: u32) -> Outcome<Times> {
    let runtime = runtime()?;
    let mut connection = runtime.block_on(Connection::open(address))?;
    let mut times = Times::new()?;
    for place in (first..schedule.count).step_by(schedule.connections as usize) {
        let due = schedule.due(place);
        let body = format!(
            r#"{{"kind":"{COMMON_KIND}","data":{{"due_ns":{}}}}}"#,
            due.as_nanos()
        );
        let request = http::emit("application/json", &body);
        schedule.wait_for(due);
        runtime.block_on(connection.send(&request))?;
        if let Some(late) = schedule.late(due) {
            times.record(late);
        }
    }
    Ok(times)
}
