//! A delivery against a bare sender: how much of what the kernel takes anyway is added by us.
//!
//! Both write to the same sockets, from the same thread, in windows of some milliseconds that take turns, and what is
//! compared is the processor time of that thread for each event that was delivered:
//!
//! - **bare**: one `send` per socket, of so many frames that lie ready in memory, in the server's own loop of them. No
//!   server can do with less, but by fewer system calls.
//! - **pipeline**: what a shard does, with the server's own code: batches of one event each are released to the
//!   [`Hub`], the shard's round pulls them from its inbox, finds the groups, copies frames into the group's segment, writes
//!   them to each subscriber in turns of 64 (whom the socket refuses some gets them into its ring), and goes to sleep.
//!
//! Between two rounds, outside of what is measured, a thread on another core empties all sockets: each round begins in the
//! same state, whoever writes it, and what is written is known to have arrived.
//!
//! Outside of the window, because they cost once per event or batch and not per delivery: making the event durable and
//! its JSON, and waking a shard's thread that sleeps (the shard runs on the thread that releases).
//!
//! A pair is two windows, one of each; the order changes from pair to pair. The ratio is the median over the ratios of
//! all pairs, so what makes the machine slower for longer than a pair does not count.

use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use bytes::BytesMut;
use jiff::Timestamp;
use rustix::net::sockopt::set_tcp_congestion;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use todoki::auth::Auth;
use todoki::hub::Hub;
use todoki::hub::shard::Settings as ShardSettings;
use todoki::listen;
use todoki::log::{
    AppendError, Batch, Bounds, Facets, Histogram, Log, Page, PageRequest, ReadError,
};
use todoki::subscriber::Arrival;
use todoki::subscriber::access::Access;
use todoki::subscriber::outgoing::send_each;
use todoki::subscriber::pace::Inbound;
use todoki::subscriber::place::place;
use todoki_codec::decode::{self, Emit, Form};
use todoki_codec::{Cursor, Draft, Event, Filter, Windows, encode, frame, query};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::cores::{self, Core};
use crate::document::findings::{Bench, Findings};
use crate::document::target::Target;
use crate::drain::Drain;
use crate::quantiles::Spread;
use crate::report::Row;
use crate::settings::Settings;
use crate::{Outcome, pace, sample};

/// Subscribers, each with a socket.
const SUBSCRIBERS: [usize; 2] = [100, 1000];

/// Frames of one write.
const FRAMES: [u32; 3] = [1, 8, 64];

/// Processor time of a window: a few rounds of the largest case, and short beside what else a machine does.
const WINDOW: Duration = Duration::from_millis(15);

/// Cursors have as many digits from here on as a run needs, so that all frames are equally long.
const START: i64 = 1_000_000_000;

/// Rounds begin at once, and nothing but rounds happens.
const SHARD: ShardSettings = ShardSettings {
    coalesce: Duration::ZERO,
    heartbeat: Duration::from_hours(24),
    write_stall: Duration::from_hours(24),
    inbound: Inbound::UNLIMITED,
};

/// Known to every kernel. Others, such as BBR, pace: they put off what was sent to a timer, whose time is not the sender's.
const CONGESTION: &str = "reno";

/// What [`Nothing`] answers.
const NOTHING: &str = "there is none";

/// A line of the table.
#[derive(Debug, Deserialize, Serialize)]
pub struct LimitRow {
    subscribers: usize,
    frames_per_write: u32,
    bytes_per_frame: usize,
    pairs: usize,
    /// Pairs that do not count, because a socket refused bytes.
    refused: usize,
    bare_ns: Spread,
    pipeline_ns: Spread,
    /// The bare sender's cost divided by the pipeline's, pair by pair.
    ratio: Spread,
    /// Least cost divided by least cost.
    ratio_of_least: f64,
}

impl Row for LimitRow {
    const COLUMNS: &'static [&'static str] = &[
        "subscribers",
        "frames per write",
        "pairs of windows",
        "bare sender, ns per event (least)",
        "pipeline, ns per event (least)",
        "ratio: median (middle half)",
        "ratio of the least",
    ];

    fn cells(&self) -> Vec<String> {
        let cost = |spread: Spread| format!("{:.0} ({:.0})", spread.median, spread.least);
        vec![
            self.subscribers.to_string(),
            self.frames_per_write.to_string(),
            self.pairs.to_string(),
            cost(self.bare_ns),
            cost(self.pipeline_ns),
            self.ratio.to_string(),
            format!("{:.3}", self.ratio_of_least),
        ]
    }
}

/// The measurement, as the documents show it.
#[derive(Debug)]
pub struct Limit;

impl Bench for Limit {
    const NAME: &'static str = "limit";
    type Row = LimitRow;

    fn findings(rows: &[LimitRow], findings: &mut Findings) {
        for row in rows {
            let case = format!(
                "{} subscribers, {} a write",
                row.subscribers, row.frames_per_write
            );
            findings.figure(Target::PipelineShare, case, row.ratio.median);
        }
    }
}

/// Measures each case in each round; the figures are of the pairs of all rounds.
pub fn run(settings: &Settings) -> Outcome<Vec<LimitRow>> {
    let mut cases: Vec<Case> = SUBSCRIBERS
        .iter()
        .flat_map(|&subscribers| FRAMES.map(|frames| Case::new(subscribers, frames)))
        .collect();
    let pairs = settings.duration().as_millis() / (2 * WINDOW.as_millis());
    let runtime = pace::runtime()?;
    let cores = Core::all()?;
    let (writer, reader) = (cores.first().copied(), cores.get(1).copied());
    writer.map_or(Ok(()), Core::enter)?;
    for round in 1..=settings.rounds() {
        for cases in cases.chunk_by_mut(|a, b| a.subscribers == b.subscribers) {
            let subscribers = cases[0].subscribers;
            settings.note(&format!("limit: round {round}, {subscribers} subscribers"));
            let measured = measure(cases, pairs, reader);
            LocalSet::new().block_on(&runtime, measured)?;
        }
    }
    cores::enter(&cores)?;
    cases.iter().map(Case::row).collect()
}

/// Fails when a case is below the gate.
pub fn judge(rows: &[LimitRow], gate: Option<f64>) -> Outcome<()> {
    let gate = gate.unwrap_or(0.0);
    let below: Vec<_> = rows.iter().filter(|row| row.ratio.median < gate).collect();
    if below.is_empty() {
        return Ok(());
    }
    let below: Vec<_> = below.iter().map(ToString::to_string).collect();
    Err(format!("below the gate of {gate:.2}: {}", below.join("; ")).into())
}

impl fmt::Display for LimitRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} subscribers, {} frames per write: {:.3}",
            self.subscribers, self.frames_per_write, self.ratio.median
        )
    }
}

/// What was measured of a case so far.
#[derive(Debug)]
struct Case {
    subscribers: usize,
    frames: u32,
    bytes_per_frame: usize,
    /// Costs in ns of the bare sender and of the pipeline.
    pairs: Vec<(f64, f64)>,
    refused: usize,
}

impl Case {
    fn new(subscribers: usize, frames: u32) -> Self {
        Self {
            subscribers,
            frames,
            bytes_per_frame: 0,
            pairs: Vec::new(),
            refused: 0,
        }
    }

    fn row(&self) -> Outcome<LimitRow> {
        let nothing = "sockets refused bytes in every window: the reader gets too little time";
        let spread = |figure: fn(&(f64, f64)) -> f64| {
            Spread::of(self.pairs.iter().map(figure)).ok_or(nothing)
        };
        let (bare_ns, pipeline_ns) = (spread(|pair| pair.0)?, spread(|pair| pair.1)?);
        Ok(LimitRow {
            subscribers: self.subscribers,
            frames_per_write: self.frames,
            bytes_per_frame: self.bytes_per_frame,
            pairs: self.pairs.len(),
            refused: self.refused,
            bare_ns,
            pipeline_ns,
            ratio: spread(|pair| pair.0 / pair.1)?,
            ratio_of_least: bare_ns.least / pipeline_ns.least,
        })
    }
}

/// Measures cases of the same subscribers, which take turns.
async fn measure(cases: &mut [Case], pairs: u128, reader: Option<Core>) -> Outcome<()> {
    let mut room = Room::open(cases[0].subscribers, reader).await?;
    for case in cases.iter_mut() {
        // The first windows grow buffers and fill caches.
        room.pair(case.frames, false).await?;
        case.bytes_per_frame = room.frame_bytes;
    }
    for pair in 0..pairs {
        for case in cases.iter_mut() {
            match room.pair(case.frames, pair % 2 == 1).await? {
                Some(costs) => case.pairs.push(costs),
                None => case.refused += 1,
            }
        }
    }
    room.close().await
}

/// Lets the subscribers in.
const TOKEN: &str = "limit";

/// Sockets that are written to in one go, as a shard does.
const CHUNK: usize = 64;

/// A hub with subscribers, and the same sockets once more for the bare sender.
struct Room {
    hub: Hub,
    done: CancellationToken,
    subscribers: TaskTracker,
    sockets: Vec<TcpStream>,
    drain: Drain,
    draft: Draft,
    /// Of an event, everything included.
    frame_bytes: usize,
    /// The newest event.
    head: Cursor,
    has_refused: bool,
}

impl Room {
    async fn open(count: usize, reader: Option<Core>) -> Outcome<Self> {
        let (hub, unstarted) = Hub::new(1);
        let (log, done) = (Arc::new(Nothing), CancellationToken::new());
        let auth = Arc::new(Auth::new(TOKEN));
        spawn_local({
            let (log, auth, done) = (Arc::clone(&log), Arc::clone(&auth), done.clone());
            let never = CancellationToken::new();
            async move { unstarted.run_here(&log, &auth, SHARD, &never, &done).await }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let subscribers = TaskTracker::new();
        let (mut sockets, mut clients) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (socket, client) = subscribe(&hub, &log, &auth, &listener, &subscribers).await?;
            sockets.push(socket);
            clients.push(client);
        }
        let draft = draft()?;
        Ok(Self {
            hub,
            done,
            subscribers,
            sockets,
            drain: Drain::start(clients, reader)?,
            frame_bytes: frames(&[event(START, &draft)]).len(),
            draft,
            head: Nothing.bounds().head,
            has_refused: false,
        })
    }

    /// A window of each; costs in ns for each event, the bare sender's first. `None` when a socket refused bytes.
    async fn pair(&mut self, frames: u32, is_swapped: bool) -> Outcome<Option<(f64, f64)>> {
        self.has_refused = false;
        let costs = if is_swapped {
            let pipeline = self.window(frames, Sender::Pipeline).await?;
            (self.window(frames, Sender::Bare).await?, pipeline)
        } else {
            let bare = self.window(frames, Sender::Bare).await?;
            (bare, self.window(frames, Sender::Pipeline).await?)
        };
        Ok((!self.has_refused).then_some(costs))
    }

    /// Rounds of one sender; what is counted is the processor time of this thread inside of them.
    async fn window(&mut self, frames: u32, sender: Sender) -> Outcome<f64> {
        let (mut cost, mut rounds) = (Duration::ZERO, 0);
        while cost < WINDOW {
            let events = self.events(frames);
            let (time, written) = match sender {
                Sender::Bare => self.write_bare(&events)?,
                Sender::Pipeline => {
                    let bytes = self.frame_bytes * events.len() * self.sockets.len();
                    (self.release(events).await, bytes as u64)
                }
            };
            self.drain.take(written)?;
            cost += time;
            rounds += 1;
        }
        let events = f64::from(rounds * frames) * float(self.sockets.len() as u64);
        Ok(float(u64::try_from(cost.as_nanos())?) / events)
    }

    /// The next events of the log.
    fn events(&self, count: u32) -> Vec<Event> {
        (1..=i64::from(count))
            .map(|place| event(self.head.get() + place, &self.draft))
            .collect()
    }

    fn write_bare(&mut self, events: &[Event]) -> Outcome<(Duration, u64)> {
        let bytes = frames(events);
        let (mut sum, mut written) = (0, Vec::new());
        let begin = thread_time();
        for sockets in self.sockets.chunks(CHUNK) {
            let sockets: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
            send_each(&sockets, &bytes, &mut written);
            for written in written.drain(..) {
                match written {
                    Ok(written) => {
                        self.has_refused |= written < bytes.len();
                        sum += written as u64;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.has_refused = true;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok((thread_time_since(begin), sum))
    }

    async fn release(&mut self, events: Vec<Event>) -> Duration {
        self.head = events.last().map_or(self.head, |event| event.cursor);
        let batches: Vec<_> = events
            .into_iter()
            .map(|event| Batch::from([event]))
            .collect();
        let begin = thread_time();
        for batch in batches {
            self.hub.release(&batch);
        }
        while !self.hub.is_asleep() {
            yield_now().await;
        }
        thread_time_since(begin)
    }

    async fn close(self) -> Outcome<()> {
        self.drain.close()?;
        self.done.cancel();
        self.subscribers.close();
        self.subscribers.wait().await;
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Sender {
    Bare,
    Pipeline,
}

/// A connection with a subscriber at one end. Gives the server's socket once more, and the client's.
async fn subscribe(
    hub: &Hub,
    log: &Nothing,
    auth: &Auth,
    listener: &TcpListener,
    subscribers: &TaskTracker,
) -> Outcome<(TcpStream, TcpStream)> {
    let connecting = tokio::net::TcpStream::connect(listener.local_addr()?);
    let (client, accepted) = tokio::join!(connecting, listener.accept());
    let (mut client, (server, _)) = (client?, accepted?);
    listen::tune(&server)?;
    set_tcp_congestion(&server, CONGESTION)?;
    let server = server.into_std()?;
    let again = server.try_clone()?;
    let admission = auth
        .admit_token(TOKEN)
        .await
        .map_err(|refusal| refusal.to_string())?;
    let place = place(log, &admission.principal, query::subscription("")?, None).await;
    hub.admit(Arrival {
        stream: server.into(),
        early: BytesMut::new(),
        is_compressed: false,
        place: place.map_err(|refusal| refusal.to_string())?,
        access: Access::new(admission, None),
        permit: None,
        token: subscribers.token(),
    })
    .await;
    // `subscribed`: it is live by now, since that is said and done in one go.
    if client.read(&mut [0; 1024]).await? == 0 {
        return Err("the hub has turned a subscriber away".into());
    }
    Ok((again, client.into_std()?))
}

fn draft() -> Outcome<Draft> {
    match decode::emit(&sample::lines(1..2).into(), Form::Ndjson) {
        Ok(Emit::Batch(mut drafts)) if drafts.len() == 1 => Ok(drafts.remove(0)),
        other => Err(format!("a sample line is one draft: {other:?}").into()),
    }
}

fn event(cursor: i64, draft: &Draft) -> Event {
    let cursor = Cursor::new(cursor).expect("far below the greatest");
    encode::event(cursor, Timestamp::UNIX_EPOCH, draft)
}

/// Events as they go on the wire, side by side.
fn frames(events: &[Event]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for event in events {
        frame::encode::text(&event.json, &mut bytes);
    }
    bytes
}

/// Processor time of this thread. The kernel's work for a `send` is in it, also what loopback does for the receiver.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("time that was used is not negative")
}

fn thread_time_since(begin: Duration) -> Duration {
    thread_time().saturating_sub(begin)
}

#[expect(clippy::cast_precision_loss, reason = "a count for a ratio")]
fn float(count: u64) -> f64 {
    count as f64
}

/// A log without events whose head is [`START`]: live subscribers never read it.
struct Nothing;

impl Log for Nothing {
    async fn append(&self, _: Vec<Draft>) -> Result<Vec<Cursor>, AppendError> {
        Err(AppendError::Closed(NOTHING.into()))
    }

    async fn page(&self, _: PageRequest) -> Result<Page, ReadError> {
        Err(ReadError(NOTHING.into()))
    }

    fn new_kinds(&self, _: &[Draft]) -> usize {
        0
    }

    fn bounds(&self) -> Bounds {
        let head = Cursor::new(START).expect("far below the greatest");
        Bounds {
            epoch: Uuid::nil(),
            earliest: head.next(),
            head,
        }
    }

    async fn seek(&self, _: Timestamp) -> Result<Cursor, ReadError> {
        Err(ReadError(NOTHING.into()))
    }

    async fn histogram(&self, _: Filter, _: Windows) -> Result<Histogram, ReadError> {
        Err(ReadError(NOTHING.into()))
    }

    async fn facets(&self, _: Filter, _: usize) -> Result<Facets, ReadError> {
        Err(ReadError(NOTHING.into()))
    }

    async fn trim(&self, _: Cursor) -> Result<(), AppendError> {
        Err(AppendError::Closed(NOTHING.into()))
    }
}
