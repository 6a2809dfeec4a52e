//! An open loop: emits are due at fixed times, and each carries in its data when it was due.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::client::TlsStream;
use uuid::Uuid;

use crate::Outcome;
use crate::http::{self, Connection};
use crate::quantiles::Times;
use crate::sample::timed_drafts;

/// A sleeping thread wakes late by some 60 µs, so the last bit is waited for awake.
const AWAKE: Duration = Duration::from_micros(120);

/// When emits are due. All times are since [`Schedule::begin`], which every process of the machine can tell.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Schedule {
    /// When the first is, by [`monotonic`].
    pub begin: Duration,
    /// From one to the next.
    pub interval: Duration,
    /// Connections that they take turns on: whichever is free takes the next.
    pub connections: u32,
    /// Emits in all.
    pub count: u32,
    /// Emits due before this are not counted.
    pub warm_up: Duration,
}

impl Schedule {
    /// So many emits a second for so long, beginning in a moment, in which processes start and connect.
    pub fn new(rate: u32, connections: u32, warm_up: Duration, counted: Duration) -> Outcome<Self> {
        let interval = Duration::from_secs(1) / rate;
        let count = (warm_up + counted).as_nanos() / interval.as_nanos();
        Ok(Self {
            begin: monotonic() + Self::START,
            interval,
            connections,
            count: u32::try_from(count)?,
            warm_up,
        })
    }

    /// From when a schedule is made until it begins.
    const START: Duration = Duration::from_millis(200);

    /// How long it takes from its beginning.
    pub fn length(&self) -> Duration {
        self.interval * self.count
    }

    /// Whether so much more time has passed than the schedule has that whoever follows it is to give up: what could not be
    /// sent by then is late in any case, and a server that stalls its publishers is not to stall the measurement.
    pub fn is_over(&self) -> bool {
        self.now() >= self.length() + Self::OVERTIME
    }

    const OVERTIME: Duration = Duration::from_secs(1);

    /// When the emit in this place is due.
    pub fn due(&self, place: u32) -> Duration {
        self.interval * place
    }

    /// The time.
    pub fn now(&self) -> Duration {
        monotonic().saturating_sub(self.begin)
    }

    /// How late it is for what was due then; `None` during warm-up.
    pub fn late(&self, due: Duration) -> Option<Duration> {
        (due >= self.warm_up).then(|| self.now().saturating_sub(due))
    }

    /// Returns when it is time.
    pub fn wait_for(&self, due: Duration) {
        let at = self.begin + due;
        loop {
            let left = at.saturating_sub(monotonic());
            match left.checked_sub(AWAKE) {
                Some(asleep) if !asleep.is_zero() => thread::sleep(asleep),
                _ if left.is_zero() => return,
                _ => thread::yield_now(),
            }
        }
    }
}

/// The clock that all processes of a machine share.
pub fn monotonic() -> Duration {
    clock(ClockId::Monotonic)
}

/// Time that the calling thread has had a core for.
pub fn thread_cpu() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    // Neither clock is ever before its zero, and nanoseconds are less than a second.
    Duration::new(
        time.tv_sec.try_into().unwrap_or(0),
        time.tv_nsec.try_into().unwrap_or(0),
    )
}

/// A runtime for one thread.
pub fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// What one connection speaks to emit.
pub trait Emitter {
    /// What is sent for the emit in this place, which is due then. It is made before it is due.
    fn prepare(&mut self, place: u32, due: Duration) -> Bytes;

    /// Sends it, and waits for the answer if there is to be one.
    fn send(&mut self, emit: Bytes) -> Outcome<()>;
}

/// What publishers measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Published {
    /// From when an emit was due until it was sent.
    pub sent_late: Times,
    /// The same, of those emits for which a connection was free in time: what the publisher itself is late. Others
    /// waited for the answer to the one before.
    pub own_late: Times,
    /// From when an emit was due until its producer had the answer.
    pub to_answer: Times,
    /// Emits, the uncounted ones included.
    pub emits: u64,
}

impl Published {
    /// Nothing yet.
    pub fn new() -> Outcome<Self> {
        Ok(Self {
            sent_late: Times::new()?,
            own_late: Times::new()?,
            to_answer: Times::new()?,
            emits: 0,
        })
    }

    /// Counts all of `other`.
    pub fn add(&mut self, other: &Self) -> Outcome<()> {
        self.sent_late.add(&other.sent_late)?;
        self.own_late.add(&other.own_late)?;
        self.to_answer.add(&other.to_answer)?;
        self.emits += other.emits;
        Ok(())
    }
}

/// Emits everything when it is due, each connection on a thread of its own. An emit that finds all of them waiting for
/// an answer is late, and that is told.
pub fn publish<E: Emitter + Send>(schedule: Schedule, emitters: Vec<E>) -> Outcome<Published> {
    let next = AtomicU32::new(0);
    thread::scope(|scope| {
        let publishers: Vec<_> = emitters
            .into_iter()
            .map(|emitter| scope.spawn(|| publish_on(schedule, &next, emitter)))
            .collect();
        let mut all = Published::new()?;
        for publisher in publishers {
            all.add(&publisher.join().map_err(|_| "a publisher panicked")??)?;
        }
        Ok(all)
    })
}

fn publish_on(
    schedule: Schedule,
    next: &AtomicU32,
    mut emitter: impl Emitter,
) -> Outcome<Published> {
    let mut published = Published::new()?;
    loop {
        // Only the number is shared, so no order with other memory is needed.
        let place = next.fetch_add(1, Ordering::Relaxed);
        if place >= schedule.count || schedule.is_over() {
            return Ok(published);
        }
        let due = schedule.due(place);
        let emit = emitter.prepare(place, due);
        let is_in_time = schedule.now() < due;
        schedule.wait_for(due);
        if let Some(late) = schedule.late(due) {
            published.sent_late.record(late);
            if is_in_time {
                published.own_late.record(late);
            }
        }
        emitter.send(emit)?;
        if let Some(late) = schedule.late(due) {
            published.to_answer.record(late);
        }
        published.emits += 1;
    }
}

/// Emits to a Todoki server, over HTTP.
#[derive(Debug)]
pub struct HttpEmitter<S = TcpStream> {
    runtime: Runtime,
    connection: Connection<S>,
    drafts: u32,
    event_bytes: usize,
    project: Option<Uuid>,
}

impl HttpEmitter {
    /// A connection whose emits have so many drafts that become events of this size.
    pub fn open(address: SocketAddr, drafts: u32, event_bytes: usize) -> Outcome<Self> {
        let runtime = runtime()?;
        let connection = runtime.block_on(Connection::open(address))?;
        Ok(Self::on(runtime, connection, drafts, event_bytes))
    }
}

impl HttpEmitter<TlsStream<TcpStream>> {
    /// The same inside TLS.
    pub fn open_secure(
        address: SocketAddr,
        config: Arc<ClientConfig>,
        drafts: u32,
        event_bytes: usize,
    ) -> Outcome<Self> {
        let runtime = runtime()?;
        let connection = runtime.block_on(Connection::open_secure(address, config))?;
        Ok(Self::on(runtime, connection, drafts, event_bytes))
    }
}

impl<S> HttpEmitter<S> {
    fn on(runtime: Runtime, connection: Connection<S>, drafts: u32, event_bytes: usize) -> Self {
        Self {
            runtime,
            connection,
            drafts,
            event_bytes,
            project: None,
        }
    }

    /// The same, whose drafts are of this project.
    #[must_use]
    pub fn of_project(self, project: Option<Uuid>) -> Self {
        Self { project, ..self }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Emitter for HttpEmitter<S> {
    fn prepare(&mut self, _: u32, due: Duration) -> Bytes {
        http::emit(
            "application/x-ndjson",
            &timed_drafts(self.drafts, due, self.event_bytes, self.project),
        )
    }

    fn send(&mut self, emit: Bytes) -> Outcome<()> {
        self.runtime.block_on(self.connection.send(&emit))?;
        Ok(())
    }
}
