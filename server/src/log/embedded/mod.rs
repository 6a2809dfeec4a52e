//! The log in one SQLite file, for one server.
//!
//! One [`writer`] thread commits whatever is queued as one transaction, synced before anyone learns of
//! it; a few connections only [`read`] beside it. One row is one event, with its JSON exactly as it goes on
//! the wire, so the file can be looked at and backed up with SQLite's own tools while the server runs.
//!
//! What a crash leaves is SQLite's business: transactions in the write-ahead log carry checksums, and one that is not
//! whole never was.

mod count;
mod dir;
mod error;
mod group;
mod inspect;
mod page;
mod plan;
mod read;
mod row;
mod schema;
mod walk;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use jiff::Timestamp;
use todoki_codec::{Cursor, Draft, Filter, Windows};

use self::dir::Directory;
use self::read::Readers;
use self::writer::Writer;
use super::queue::Queue;
use super::shared::Shared;
use super::{
    AppendError, Bounds, Facets, Histogram, Log, Page, PageRequest, ReadError, Recorder, Release,
};

pub use error::OpenError;
pub use inspect::{Inspection, inspect};

/// How to open a log.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Mint a new epoch: for a log that was restored from a backup, whose cursors no longer mean what clients saw.
    pub renew_epoch: bool,
    /// Largest size of the database; `None` is the disk's. Appends beyond it are refused as on a full disk, until
    /// events are trimmed or the limit is raised. The write-ahead log beside it, some 16 MiB, comes on top.
    pub max_bytes: Option<u64>,
    /// The cursor after which a new log starts to count: for one that continues another. No effect on one that exists.
    pub start_after: Cursor,
    /// Where commits are counted.
    pub recorder: Arc<Recorder>,
}

/// A durable log in a directory: one SQLite file, one writer thread, a few readers.
#[derive(Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    queue: Queue,
    readers: Arc<Readers>,
    counters: Arc<Readers>,
    /// `None` once it was joined.
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Last, so that it is unlocked when all else is closed.
    _directory: Arc<Directory>,
}

impl Embedded {
    /// Opens the log in `dir`, or creates it, and starts its writer. Blocks.
    pub fn open(dir: &Path, options: &Options, release: Release) -> Result<Self, OpenError> {
        let directory = Directory::open(dir)?;
        let path = directory.database();
        let opened = schema::open(&path, options)?;
        directory.sync()?;
        let shared = Arc::new(Shared::new(
            opened.epoch,
            opened.head,
            opened.trimmed_through,
            opened.kinds,
        ));
        let recorder = &options.recorder;
        let (queue, inbox) = Queue::new(Arc::clone(&shared), Arc::clone(recorder));
        let writer = Writer::new(
            opened.connection,
            inbox,
            release,
            Arc::clone(&shared),
            Arc::clone(recorder),
        );
        let thread = std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writer.run())
            .map_err(|cause| OpenError::unusable(dir, &cause))?;
        Ok(Self {
            shared,
            queue,
            readers: Arc::new(Readers::for_pages(path.clone())),
            counters: Arc::new(Readers::for_counts(path)),
            writer: Mutex::new(Some(thread)),
            _directory: Arc::new(directory),
        })
    }

    /// Resolves, with the cause, when the log has stopped by itself: a commit failed in a way that leaves open what is
    /// on disk. The process should end, and recover at its next start.
    pub async fn failed(&self) -> Arc<str> {
        self.shared.failed().await
    }

    /// Commits what is queued, then stops: later appends are refused. Blocks until it is done. Also done by dropping.
    pub fn close(&self) {
        self.queue.close();
        let thread = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A panic of the thread was told as a failure already.
            drop(thread.join());
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

impl Log for Embedded {
    async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Cursor>, AppendError> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        self.queue.append(drafts).await
    }

    async fn page(&self, request: PageRequest) -> Result<Page, ReadError> {
        let shared = Arc::clone(&self.shared);
        self.readers
            .run(move |connection| page::page(connection, &shared, &request))
            .await
    }

    fn bounds(&self) -> Bounds {
        self.shared.bounds()
    }

    fn new_kinds(&self, drafts: &[Draft]) -> usize {
        self.shared.new_kinds(drafts)
    }

    async fn seek(&self, time: Timestamp) -> Result<Cursor, ReadError> {
        let shared = Arc::clone(&self.shared);
        self.readers
            .run(move |connection| read::seek(connection, &shared, time))
            .await
    }

    async fn histogram(&self, filter: Filter, windows: Windows) -> Result<Histogram, ReadError> {
        let shared = Arc::clone(&self.shared);
        self.counters
            .run(move |connection| {
                count::histogram(connection, &shared, &filter, windows, count::ROWS)
            })
            .await
    }

    async fn facets(&self, filter: Filter, limit: usize) -> Result<Facets, ReadError> {
        let shared = Arc::clone(&self.shared);
        self.counters
            .run(move |connection| count::facets(connection, &shared, &filter, limit, count::ROWS))
            .await
    }

    async fn trim(&self, through: Cursor) -> Result<(), AppendError> {
        self.queue.trim(through).await
    }
}
