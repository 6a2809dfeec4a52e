//! The log in a PostgreSQL database, for one server or several.
//!
//! Every cursor is given under one advisory lock that its transaction holds to the commit, whoever writes: this server,
//! another one, or an application through `todoki_emit`. So the order of cursors is the order in which events become
//! visible, and whoever reads on from a cursor misses nothing (decision 9).
//!
//! A server [`writer`] commits whatever is queued as one statement, one round trip. A [`follow`]er gives batches to the
//! release hook, its own and those of others, in one order: a notification wakes it, and only reading on from its
//! cursor tells it what there is. Pages are [`read`] over a few connections beside them, and so are the [`tickets`] of all
//! servers. All of them live on one thread with a runtime of its own.
//!
//! While the database is away appends are refused at once and readers wait; all goes on by itself when it is back.

mod connect;
mod count;
mod error;
mod follow;
mod group;
mod import;
mod inspect;
mod keep;
mod outage;
mod page;
mod plan;
mod read;
mod row;
mod schema;
mod tickets;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use jiff::Timestamp;
use todoki_codec::{Cursor, Draft, Filter, Windows};
use tokio::runtime::{self, Handle};
use uuid::Uuid;

use self::connect::{Connector, Role};
use self::follow::Follower;
use self::read::Readers;
use self::tickets::TICKET_READERS;
use self::writer::Writer;
use super::queue::{Inbox, Queue};
use super::shared::Shared;
use super::{
    AppendError, Bounds, Facets, Histogram, Log, Page, PageRequest, ReadError, Recorder, Release,
};

pub use error::DatabaseError;
pub use import::{Imported, import};
pub use inspect::{Sight, look};
pub use tickets::{Kept, KeptTicket, TicketRoom, TicketTable};

/// Connections that read pages at once, hence processes of the database for this server's readers: two for each core of a
/// small machine, as in the embedded log. With those of the writer, the follower, the counters and for tickets a server
/// has ten.
const READERS: usize = 4;

/// Connections that count: each may take a core of the database for a second.
const COUNTERS: usize = 2;

/// How to open a log in a database.
#[derive(Clone, Debug, Default)]
pub struct DatabaseOptions {
    /// Mint a new epoch: for a database that was restored from a backup, or put back in time.
    pub renew_epoch: bool,
    /// The certificate, PEM, that signs the database's; those that the system trusts when absent.
    pub ca: Option<PathBuf>,
    /// Where commits are counted.
    pub recorder: Arc<Recorder>,
}

/// A durable log in a database, as one server sees it.
#[derive(Debug)]
pub struct Postgres {
    shared: Arc<Shared>,
    queue: Queue,
    readers: Arc<Readers>,
    /// Apart from the readers, who do not wait for counts.
    counters: Readers,
    tickets: Arc<TicketTable>,
    /// `None` once it was joined.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread of the log runs.
struct Work {
    writer: Writer,
    follower: Arc<Follower>,
}

impl Postgres {
    /// Opens the log in the database at `url`, makes its tables or brings them up to date, and starts to follow it.
    /// Blocks.
    pub fn open(
        url: &str,
        options: &DatabaseOptions,
        release: Release,
    ) -> Result<Self, DatabaseError> {
        let connector = Connector::new(url, options.ca.as_deref())?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|cause| DatabaseError::thread(&cause))?;
        let options = options.clone();
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || {
                let handle = runtime.handle().clone();
                runtime.block_on(async {
                    match open(connector, &options, release, handle).await {
                        Ok((opened, work)) => {
                            // Whoever opens waits for this.
                            tell.send(Ok(opened)).ok();
                            work.run().await;
                        }
                        Err(error) => drop(tell.send(Err(error))),
                    }
                });
            })
            .map_err(|cause| DatabaseError::thread(&cause))?;
        let opened: Self = match told.recv() {
            Ok(opened) => opened?,
            Err(_) => return Err(DatabaseError::thread(&"it has panicked")),
        };
        *opened.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(opened)
    }

    /// Where the database is, without user and password.
    pub fn place(&self) -> &str {
        &self.readers.connector().place
    }

    /// The tickets of all servers on the database.
    pub fn tickets(&self) -> Arc<TicketTable> {
        Arc::clone(&self.tickets)
    }

    /// Resolves, with the cause, when the log has stopped by itself: the database has another history than the one that
    /// was served. The process should end, and start anew from what is there.
    pub async fn failed(&self) -> Arc<str> {
        self.shared.failed().await
    }

    /// Commits what is queued, then stops: later appends are refused. Blocks until it is done. Also done by dropping.
    pub fn close(&self) {
        self.queue.close();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // A panic of the thread was told as a failure already.
            drop(thread.join());
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.close();
    }
}

/// Opens everything, on the thread of the log.
async fn open(
    connector: Connector,
    options: &DatabaseOptions,
    release: Release,
    handle: Handle,
) -> Result<(Postgres, Work), DatabaseError> {
    let session = connector.connect(Role::Writer).await?;
    let opened = schema::open(&session.client, &connector, options.renew_epoch).await?;
    let shared = Arc::new(Shared::new(
        opened.epoch,
        opened.head,
        opened.trimmed_through,
        opened.kinds,
    ));
    let connector = Arc::new(connector);
    let counters = Readers::new(Arc::clone(&connector), handle.clone(), COUNTERS);
    let ticketing = Readers::new(Arc::clone(&connector), handle.clone(), TICKET_READERS);
    let tickets = Arc::new(TicketTable::new(ticketing, Arc::clone(&shared)));
    let readers = Readers::new(Arc::clone(&connector), handle, READERS);
    let readers = Arc::new(readers);
    let follower = Arc::new(Follower::new(
        release,
        opened.head_time,
        Arc::clone(&shared),
        Arc::clone(&readers),
    ));
    let (queue, inbox): (Queue, Inbox) =
        Queue::new(Arc::clone(&shared), Arc::clone(&options.recorder));
    let writer = Writer::new(
        connector,
        session,
        inbox,
        Arc::clone(&follower),
        Arc::clone(&options.recorder),
    );
    let postgres = Postgres {
        shared,
        queue,
        readers,
        counters,
        tickets,
        thread: Mutex::new(None),
    };
    Ok((postgres, Work { writer, follower }))
}

impl Work {
    async fn run(self) {
        let Self { writer, follower } = self;
        let _watch = PanicWatch(Arc::clone(follower.shared()));
        let following = tokio::spawn(Arc::clone(&follower).run());
        let failure = Arc::clone(follower.shared());
        tokio::select! {
            () = writer.run() => {}
            _ended = following => failure.fail("what follows the database has ended; start it again, everything acknowledged is in the database".into()),
            _cause = failure.failed() => {}
        }
    }
}

impl Log for Postgres {
    async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Cursor>, AppendError> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        self.queue.append(drafts).await
    }

    async fn page(&self, request: PageRequest) -> Result<Page, ReadError> {
        page::page(&self.readers, &self.shared, &request).await
    }

    fn bounds(&self) -> Bounds {
        self.shared.bounds()
    }

    fn new_kinds(&self, drafts: &[Draft]) -> usize {
        self.shared.new_kinds(drafts)
    }

    fn is_away(&self) -> bool {
        self.shared.is_away()
    }

    async fn seek(&self, time: Timestamp) -> Result<Cursor, ReadError> {
        read::seek(&self.readers, &self.shared, time).await
    }

    async fn histogram(&self, filter: Filter, windows: Windows) -> Result<Histogram, ReadError> {
        count::histogram(&self.counters, &self.shared, &filter, windows).await
    }

    async fn facets(&self, filter: Filter, limit: usize) -> Result<Facets, ReadError> {
        count::facets(&self.counters, &self.shared, &filter, limit).await
    }

    async fn trim(&self, through: Cursor) -> Result<(), AppendError> {
        self.queue.trim(through).await
    }
}

/// Makes a panic of the thread, or of the release hook, a failure of the log.
struct PanicWatch(Arc<Shared>);

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(
                "the thread of the log has panicked; start it again, everything acknowledged is in the database".into(),
            );
        }
    }
}

/// A name for this server in the database, for as long as it has the log open.
fn server_name() -> String {
    Uuid::new_v4().to_string()
}
