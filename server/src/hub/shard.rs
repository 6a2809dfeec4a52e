//! A shard: one thread, its members, and its rounds.
//!
//! A round pulls what the log has released, distributes it, and lets every member write once. The first round after
//! quiet begins at once; under load a round waits for the next batch to grow, so that one system call carries many
//! frames: rounds take at most a tenth of the thread until the wait reaches `coalesce`, and from there on batches grow
//! with the load.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use todoki_codec::deflate::Inflater;
use todoki_codec::limits::{PAGE_BYTES, PAGE_EVENTS};
use todoki_codec::query::Direction;
use todoki_codec::{Cursor, Event, Filter};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::floor::Floor;
use super::survey::{QUESTIONS, Question, Survey};
use super::{ARRIVALS, Door, Hub, Inbox, Released};
use crate::auth::Auth;
use crate::clock;
use crate::log::{Log, PageRequest};
use crate::subscriber::pace::{Inbound, Pacing};
use crate::subscriber::{self, Arrival, Line};

/// Batches distributed in one go; between goes members write.
const PULL_BATCHES: usize = 256;

/// Members that write before the thread looks at its other duties.
const TURNS: usize = 64;

/// A round's cost times this is the wait before the next.
const REST: u32 = 10;

/// Pages that a shard reads from the log at the same time, first come first served: replays share the log, and the
/// live stream does not wait for them.
const READS: usize = 16;

/// Read at once from a socket.
const SCRATCH_BYTES: usize = 64 << 10;

/// Wait so long before reading the log again after it failed.
const READ_RETRY: Duration = Duration::from_millis(200);

/// What the tasks of a shard share.
pub struct Shard<L> {
    pub(crate) log: Arc<L>,
    pub(crate) floor: RefCell<Floor<Rc<Line>>>,
    /// One read buffer for all sockets, since only one is read at a time.
    pub(crate) scratch: RefCell<Box<[u8]>>,
    /// One for what all clients send, since each of their messages is compressed on its own.
    pub(crate) inflater: RefCell<Inflater>,
    pub(crate) reads: Semaphore,
    pub(crate) wheel: RefCell<subscriber::beat::Wheel>,
    pub(crate) settings: Settings,
    /// Who may go on.
    pub(crate) auth: Arc<Auth>,
    pub(crate) watch: subscriber::access::Watch,
    pub(crate) pacing: Pacing,
    inbox: Arc<Inbox>,
    is_stopping: Cell<bool>,
}

impl<L> std::fmt::Debug for Shard<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard")
            .field("inbox", &self.inbox)
            .finish_non_exhaustive()
    }
}

impl<L> Shard<L> {
    /// Counts what became of a subscriber.
    pub(crate) fn count(&self, count: impl FnOnce(&mut subscriber::Counts)) {
        count(&mut self.floor.borrow_mut().meter.counts.subscribers);
    }
}

/// What the shards of a server are told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Longest wait of an event for company.
    pub coalesce: Duration,
    /// Interval of `ping`; a client that is silent for two of them is gone.
    pub heartbeat: Duration,
    /// A client that takes no byte for so long is closed: the stream can be resumed, the memory cannot wait.
    pub write_stall: Duration,
    /// How much a client may say.
    pub inbound: Inbound,
}

/// The shards' ends, from before their threads run.
#[derive(Debug)]
pub struct Unstarted {
    shards: Vec<Inside>,
}

/// A shard's door, from inside.
#[derive(Debug)]
struct Inside {
    inbox: Arc<Inbox>,
    arriving: mpsc::Receiver<Arrival>,
    asking: mpsc::Receiver<Question>,
}

impl Hub {
    /// A hub of so many shards, which take batches from now on and run once they are started.
    pub fn new(shards: usize) -> (Self, Unstarted) {
        let mut hub = Self {
            shards: Vec::new(),
            homes: Mutex::default(),
            news: watch::Sender::default(),
        };
        let mut unstarted = Unstarted { shards: Vec::new() };
        for _ in 0..shards {
            let inbox = Arc::new(Inbox::new());
            let (arrivals, arriving) = mpsc::channel(ARRIVALS);
            let (questions, asking) = mpsc::channel(QUESTIONS);
            hub.shards.push(Door {
                inbox: Arc::clone(&inbox),
                arrivals,
                questions,
            });
            unstarted.shards.push(Inside {
                inbox,
                arriving,
                asking,
            });
        }
        (hub, unstarted)
    }
}

impl Unstarted {
    /// Starts the threads. When `stop` is cancelled they send everyone away, and when `done` is, they end. `ended` is
    /// cancelled with the first that ends, which before `done` is a failure.
    pub fn start<L: Log>(
        self,
        log: &Arc<L>,
        auth: &Arc<Auth>,
        settings: Settings,
        stop: &CancellationToken,
        done: &CancellationToken,
        ended: &CancellationToken,
    ) -> std::io::Result<Vec<JoinHandle<()>>> {
        let mut threads = Vec::new();
        for (number, inside) in self.shards.into_iter().enumerate() {
            let Inside {
                inbox,
                arriving,
                asking,
            } = inside;
            let (log, auth) = (Arc::clone(log), Arc::clone(auth));
            let (stop, done) = (stop.clone(), done.clone());
            let ended = ended.clone().drop_guard();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let thread = std::thread::Builder::new()
                .name(format!("shard-{number}"))
                .spawn(move || {
                    let _ended = ended;
                    let shard = Shard::new(log, auth, settings, inbox);
                    LocalSet::new().block_on(&runtime, shard.run(arriving, asking, stop, done));
                })?;
            threads.push(thread);
        }
        Ok(threads)
    }

    /// Runs the shards as tasks of the caller's thread, inside its `LocalSet`, until `done` is cancelled: for whoever
    /// measures what a shard costs.
    pub async fn run_here<L: Log>(
        self,
        log: &Arc<L>,
        auth: &Arc<Auth>,
        settings: Settings,
        stop: &CancellationToken,
        done: &CancellationToken,
    ) {
        let mut shards = JoinSet::new();
        for Inside {
            inbox,
            arriving,
            asking,
        } in self.shards
        {
            let shard = Shard::new(Arc::clone(log), Arc::clone(auth), settings, inbox);
            shards.spawn_local(shard.run(arriving, asking, stop.clone(), done.clone()));
        }
        shards.join_all().await;
    }
}

impl<L: Log> Shard<L> {
    fn new(log: Arc<L>, auth: Arc<Auth>, settings: Settings, inbox: Arc<Inbox>) -> Rc<Self> {
        let position = log.bounds().head;
        Rc::new(Self {
            log,
            floor: RefCell::new(Floor::new(position)),
            scratch: RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice()),
            inflater: RefCell::new(Inflater::stateless()),
            reads: Semaphore::new(READS),
            wheel: RefCell::default(),
            pacing: Pacing::new(settings.inbound),
            settings,
            watch: subscriber::access::Watch::new(&auth),
            auth,
            inbox,
            is_stopping: Cell::new(false),
        })
    }

    async fn run(
        self: Rc<Self>,
        mut arriving: mpsc::Receiver<Arrival>,
        mut asking: mpsc::Receiver<Question>,
        stop: CancellationToken,
        done: CancellationToken,
    ) {
        let mut rounds = tokio::task::spawn_local(Rc::clone(&self).rounds());
        let mut beats = tokio::task::spawn_local(subscriber::beat::beat(Rc::clone(&self)));
        let mut watch = tokio::task::spawn_local(subscriber::access::watch(Rc::clone(&self)));
        let mut members = JoinSet::new();
        loop {
            tokio::select! {
                Some(arrival) = arriving.recv() => {
                    members.spawn_local(subscriber::serve(Rc::clone(&self), arrival));
                }
                Some(_) = members.join_next() => self.inbox.leave(),
                // Who asked may have left meanwhile.
                Some(answer) = asking.recv() => drop(answer.send(self.survey())),
                () = stop.cancelled(), if !self.is_stopping.get() => self.send_all_away(),
                () = done.cancelled() => break,
                // Only a panic ends them. Without rounds nobody is given anything, so the thread ends, which is noticed.
                _ = &mut rounds => break,
                _ = &mut beats => break,
                // Whoever is revoked would stay.
                _ = &mut watch => break,
            }
        }
        rounds.abort();
        beats.abort();
        watch.abort();
    }

    fn survey(&self) -> Survey {
        let head = self.log.bounds().head;
        let now = Instant::now();
        Survey::of(&mut self.floor.borrow_mut(), head, |line| line.lag(now))
    }

    fn send_all_away(&self) {
        self.is_stopping.set(true);
        for line in self.floor.borrow().sinks() {
            line.order(subscriber::Order::Drain);
        }
    }

    /// Whether the server drains: whoever arrives now is sent away at once.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.get()
    }

    async fn rounds(self: Rc<Self>) {
        loop {
            self.inbox.sleep().await;
            let started = Instant::now();
            self.round().await;
            let took = started.elapsed();
            self.count_round(took);
            let gap = (took * REST).min(self.settings.coalesce);
            // The timer counts whole milliseconds; a shorter wait is no wait.
            if gap >= took + Duration::from_millis(1) {
                tokio::time::sleep_until(started + gap).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn round(&self) {
        while self.pull().await {}
        while self.flush() {
            // Readers and those who are behind have their turn too; and what was released meanwhile joins this round.
            tokio::task::yield_now().await;
            self.pull().await;
        }
    }

    fn count_round(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.floor.borrow_mut().meter.counts.rounds.add(took, 1);
    }

    fn flush(&self) -> bool {
        let mut floor = self.floor.borrow_mut();
        // Once for all these turns: reading the clock for each would cost more than all the counting.
        floor.meter.set_time(clock::nanos());
        floor.flush(TURNS)
    }

    /// Distributes what is in the inbox. `true` when that was as much as is taken in one go.
    async fn pull(&self) -> bool {
        let has_missed = self.inbox.take_missed();
        let batches: Vec<Released> = std::iter::from_fn(|| self.inbox.batches.pop())
            .take(PULL_BATCHES)
            .collect();
        if has_missed {
            self.floor.borrow_mut().meter.counts.overruns += 1;
            self.read_up_to(self.log.bounds().head).await;
        } else if let Some(first) = batches.first() {
            self.read_up_to(first.batch[0].cursor.before()).await;
        }
        let mut floor = self.floor.borrow_mut();
        let position = floor.position();
        for Released { batch, at } in &batches {
            if let Some(last) = newer(batch, position).last() {
                floor.meter.note_commit(last.cursor, *at);
            }
        }
        floor.distribute(
            batches
                .iter()
                .map(|released| newer(&released.batch, position)),
        );
        batches.len() == PULL_BATCHES
    }

    /// Distributes a page of the log.
    fn take_in(&self, events: &[Event]) {
        let mut floor = self.floor.borrow_mut();
        if let (Some(first), Some(last)) = (events.first(), events.last()) {
            let at = clock::nanos().saturating_sub(age(first));
            floor.meter.note_commit(last.cursor, at);
        }
        floor.distribute([events]);
    }

    /// Distributes from the log what the inbox had no room for.
    async fn read_up_to(&self, end: Cursor) {
        loop {
            let position = self.floor.borrow().position();
            if position >= end {
                return;
            }
            let request = PageRequest {
                filter: Filter::default(),
                direction: Direction::After(position),
                until: Some(end),
                max_events: PAGE_EVENTS,
                max_bytes: PAGE_BYTES,
            };
            match self.log.page(request).await {
                Ok(page) if page.earliest <= position.next() => self.take_in(&page.events),
                // Forgotten before it was distributed. Nobody is given a hole: everyone reads the log, and is told.
                Ok(page) => self.floor.borrow_mut().jump(page.earliest.before()),
                Err(error) => {
                    tracing::warn!(%error, "a shard waits for the log");
                    tokio::time::sleep(READ_RETRY).await;
                }
            }
        }
    }
}

/// How long ago an event was stamped, which is just before it became durable. By the wall clock, so it is only asked
/// where nothing better is known.
fn age(event: &Event) -> u64 {
    let age = clock::now().duration_since(event.time);
    u64::try_from(age.as_nanos()).unwrap_or(0)
}

/// What of a batch is after a position.
fn newer(batch: &[Event], position: Cursor) -> &[Event] {
    &batch[batch.partition_point(|event| event.cursor <= position)..]
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use todoki_codec::{Draft, Filter, Ids, Kind, Windows, encode, query};
    use tokio_util::task::TaskTracker;
    use uuid::Uuid;

    use super::*;
    use crate::log::{AppendError, Batch, Bounds, Facets, Histogram, Page, ReadError};
    use crate::subscriber::access::Access;
    use crate::subscriber::place::place;

    /// A log of five events whose reader panics: a bug that nobody has foreseen.
    struct Broken;

    impl Log for Broken {
        async fn append(&self, _: Vec<Draft>) -> Result<Vec<Cursor>, AppendError> {
            Err(AppendError::Busy)
        }

        async fn page(&self, _: PageRequest) -> Result<Page, ReadError> {
            panic!("planted")
        }

        fn new_kinds(&self, _: &[Draft]) -> usize {
            0
        }

        fn bounds(&self) -> Bounds {
            Bounds {
                epoch: Uuid::nil(),
                earliest: at(1),
                head: at(5),
            }
        }

        async fn seek(&self, _: Timestamp) -> Result<Cursor, ReadError> {
            Ok(Cursor::ORIGIN)
        }

        async fn histogram(&self, _: Filter, _: Windows) -> Result<Histogram, ReadError> {
            panic!("nobody counts")
        }

        async fn facets(&self, _: Filter, _: usize) -> Result<Facets, ReadError> {
            panic!("nobody counts")
        }

        async fn trim(&self, _: Cursor) -> Result<(), AppendError> {
            Ok(())
        }
    }

    fn at(number: i64) -> Cursor {
        Cursor::new(number).unwrap()
    }

    fn auth() -> Arc<Auth> {
        Arc::new(Auth::new("secret"))
    }

    fn start() -> (Hub, CancellationToken, CancellationToken) {
        let (hub, unstarted) = Hub::new(1);
        let (done, ended) = (CancellationToken::new(), CancellationToken::new());
        let settings = Settings {
            coalesce: Duration::ZERO,
            heartbeat: Duration::from_secs(30),
            write_stall: Duration::from_secs(10),
            inbound: Inbound::default(),
        };
        let stop = CancellationToken::new();
        unstarted
            .start(&Arc::new(Broken), &auth(), settings, &stop, &done, &ended)
            .unwrap();
        (hub, done, ended)
    }

    #[tokio::test]
    async fn a_shard_whose_rounds_have_ended_says_so() {
        let (hub, _done, ended) = start();
        let draft = Draft {
            kind: Kind::parse("a").unwrap(),
            ids: Ids::default(),
            data: "{}".into(),
            id: None,
        };
        // Events 6 and 7 were missed, so the shard asks the log for them.
        let event = encode::event(at(8), Timestamp::UNIX_EPOCH, &draft);
        hub.release(&Batch::from([event]));
        ended.cancelled().await;
    }

    #[tokio::test]
    async fn a_subscriber_that_panics_leaves_and_the_shard_goes_on() {
        let (hub, done, ended) = start();
        let tasks = TaskTracker::new();
        for _ in 0..2 {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (client, server) =
                tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
            let _client = client.unwrap();
            let subscription = query::subscription("cursor=0").unwrap();
            let auth = auth();
            let admission = auth.admit_token("secret").await.unwrap();
            let place = place(&Broken, &admission.principal, subscription, None).await;
            hub.admit(Arrival {
                stream: server.unwrap().0.into_std().unwrap().into(),
                early: bytes::BytesMut::new(),
                is_compressed: false,
                place: place.unwrap(),
                access: Access::new(admission, None),
                permit: None,
                token: tasks.token(),
            })
            .await;
        }
        tasks.close();
        tasks.wait().await;
        assert!(!ended.is_cancelled());
        done.cancel();
        ended.cancelled().await;
    }
}
