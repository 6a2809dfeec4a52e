//! The publisher, a process of its own.
//!
//! Either an open loop, in which each emit is due at its time and says so in its data, or a closed one, in which each
//! connection emits again when it is answered.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::child::{self, Part};
use crate::pace::{self, Emitter, HttpEmitter, Published, Schedule};
use crate::{Outcome, authority};

/// The hidden subcommand that is this part.
pub const SUBCOMMAND: &str = "publisher";

/// What to publish.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Where.
    pub address: SocketAddr,
    /// Whom to trust with the server's certificate, where it has one: a file.
    pub authority: Option<PathBuf>,
    /// Drafts in each emit.
    pub drafts: u32,
    /// Bytes of each event on the wire, about.
    pub event_bytes: usize,
    /// The project that events are of.
    pub project: Option<Uuid>,
    /// How fast.
    pub pace: Pace,
}

/// How fast to publish.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Pace {
    /// Each emit at its time.
    Open(Schedule),
    /// Each connection as soon as it is answered.
    Closed {
        /// Connections.
        connections: u32,
        /// For how long.
        lasts: Duration,
    },
}

/// Starts publishing in a process of its own; [`Part::hear`] what was [`Published`] when it is done.
pub fn start(job: &Job) -> Outcome<Part> {
    let mut part = Part::start(SUBCOMMAND)?;
    part.tell(job)?;
    Ok(part)
}

/// The part itself.
pub fn run() -> Outcome<()> {
    let job: Job = child::told()?;
    let Job {
        address,
        drafts,
        event_bytes,
        project,
        ..
    } = job;
    let published = match &job.authority {
        None => by(&job, || {
            Ok(HttpEmitter::open(address, drafts, event_bytes)?.of_project(project))
        })?,
        Some(authority) => {
            let config = Arc::new(authority::trusting(authority)?);
            by(&job, || {
                let config = Arc::clone(&config);
                let emitter = HttpEmitter::open_secure(address, config, drafts, event_bytes)?;
                Ok(emitter.of_project(project))
            })?
        }
    };
    child::say(&published)
}

fn by<E: Emitter + Send>(job: &Job, open: impl Fn() -> Outcome<E>) -> Outcome<Published> {
    match job.pace {
        Pace::Open(schedule) => {
            let emitters = (0..schedule.connections).map(|_| open());
            pace::publish(schedule, emitters.collect::<Outcome<_>>()?)
        }
        Pace::Closed { connections, lasts } => {
            let emitters = (0..connections).map(|_| open());
            saturate(emitters.collect::<Outcome<_>>()?, lasts)
        }
    }
}

fn saturate<E: Emitter + Send>(emitters: Vec<E>, lasts: Duration) -> Outcome<Published> {
    let until = pace::monotonic() + lasts;
    thread::scope(|scope| {
        let publishers: Vec<_> = emitters
            .into_iter()
            .map(|emitter| scope.spawn(move || saturate_on(emitter, until)))
            .collect();
        let mut all = Published::new()?;
        for publisher in publishers {
            all.add(&publisher.join().map_err(|_| "a publisher panicked")??)?;
        }
        Ok(all)
    })
}

fn saturate_on(mut emitter: impl Emitter, until: Duration) -> Outcome<Published> {
    let mut published = Published::new()?;
    let mut now = pace::monotonic();
    while now < until {
        let emit = emitter.prepare(0, Duration::ZERO);
        emitter.send(emit)?;
        let answered = pace::monotonic();
        published.to_answer.record(answered.saturating_sub(now));
        published.emits += 1;
        now = answered;
    }
    Ok(published)
}
