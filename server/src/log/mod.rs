//! The durable log: one numbered order of events, and the contract that every implementation keeps.
//!
//! - **Durable first.** [`Log::append`] answers once its drafts are safe on disk, and only then does the release hook
//!   see them. Neither a producer nor a subscriber ever learns of a cursor that a power cut could take back.
//! - **One order.** Cursors are dense and are handed out in commit order. The release hook gets every batch once, in
//!   cursor order, before the producers of the batch are answered.
//! - **All or nothing.** The drafts of one append are stored together, at consecutive cursors, or not at all.
//!   A draft whose `id` is stored already is not stored again: it is answered with its first cursor.
//! - **Identity.** A cursor means something only within an epoch, minted when a log is created or restored.
//!
//! An implementation counts its commits in the [`Recorder`] that it is opened with.
//!
//! `log_contract` in the integration tests holds every implementation to this. The log knows no HTTP and no subscriber.

mod any;
mod count;
mod embedded;
mod postgres;
mod queue;
mod recorder;
mod shared;
mod span;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use todoki_codec::query::Direction;
use todoki_codec::{Cursor, Draft, Event, Filter, Windows};
use uuid::Uuid;

pub use any::AnyLog;
pub use count::{Facets, Family, Frequent, Histogram, OTHER_FAMILIES, Reach};
pub use embedded::{Embedded, Inspection, OpenError, Options, inspect};
pub use postgres::{
    DatabaseError, DatabaseOptions, Imported, Kept, KeptTicket, Postgres, Sight, TicketRoom,
    TicketTable, import, look,
};
pub use recorder::{Counts, Recorder, Waiting};

/// Distinct kinds in one log: kinds are a vocabulary, kept in memory and matched for every page. Far beyond what people
/// name, far below what a producer that puts ids into its kinds would make.
pub const KINDS: usize = 10_000;

/// Consecutive events that became durable together, in cursor order; never empty.
pub type Batch = Arc<[Event]>;

/// Called with each batch as it becomes durable, from the log's own thread: it must be quick and must not block.
pub type Release = Box<dyn FnMut(Batch) + Send>;

/// Where the log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Identity of this history.
    pub epoch: Uuid,
    /// Cursor of the oldest event still there; one past `head` when there is none.
    pub earliest: Cursor,
    /// Cursor of the newest durable event; the origin when there never was one.
    pub head: Cursor,
}

/// What to read.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// Which events.
    pub filter: Filter,
    /// From where, and which way.
    pub direction: Direction,
    /// Read no further than this cursor (inclusive), when reading forward.
    pub until: Option<Cursor>,
    /// At most so many events.
    pub max_events: usize,
    /// Stop after the event whose JSON brings the page to this size.
    pub max_bytes: usize,
}

/// A page of events in cursor order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The events that the filter picks.
    pub events: Vec<Event>,
    /// How far the page reaches: reading forward, everything that matches up to and including this cursor is in the
    /// page; reading backward, everything from this cursor on. Where to go on from.
    pub reached: Cursor,
    /// Whether the page ended at a limit with more behind it.
    pub has_more: bool,
    /// Cursor of the oldest event that was still there when the page was read. A forward page from before it has
    /// silently begun here: that is where a reader learns of a gap, which [`Log::bounds`] asked earlier may not show.
    pub earliest: Cursor,
}

/// Why drafts were not stored. Nothing of the append is in the log, except where the variant says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendError {
    /// An idempotency key is in the log already, on another draft.
    Conflict {
        /// Place of the draft in the append.
        index: usize,
        /// The event that has the key.
        cursor: Cursor,
    },
    /// Two drafts of the append have one idempotency key, and differ.
    Rivals {
        /// Place of the second in the append.
        index: usize,
    },
    /// Too much is waiting to be committed; try again shortly.
    Busy,
    /// Another session holds the lock of the log, and does not give it back; try again shortly.
    Locked,
    /// The disk is full. The log goes on by itself once there is room.
    Full,
    /// A new kind, and the log has [`KINDS`] already.
    TooManyKinds {
        /// Place of the draft in the append.
        index: usize,
    },
    /// The cursors are used up.
    Exhausted,
    /// The database that has the log is away. The log goes on by itself once it is back.
    Unavailable {
        /// Whether the drafts may be stored all the same: the connection was lost while they were being committed.
        is_unknown: bool,
    },
    /// The log has stopped. After a failed commit whose outcome is unknown the drafts may or may not be there.
    Closed(Arc<str>),
}

impl AppendError {
    /// Whether the drafts may be stored all the same.
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Unavailable { is_unknown } => *is_unknown,
            Self::Closed(_) => true,
            _ => false,
        }
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { index, cursor } => write!(
                f,
                "draft {index}: its id was used for another draft, which is event {cursor}"
            ),
            Self::Rivals { index } => write!(
                f,
                "draft {index}: its id is also on another draft before it, and they differ"
            ),
            Self::Busy => f.write_str("too many emits are waiting to be committed"),
            Self::Locked => f.write_str(
                "another session of the database holds the lock of the log for too long; try again shortly",
            ),
            Self::Full => f.write_str("the disk that holds the log is full"),
            Self::TooManyKinds { index } => write!(
                f,
                "draft {index}: its kind would be a new one, and the log has {KINDS}; put what varies into data"
            ),
            Self::Exhausted => f.write_str("the log has handed out its last cursor"),
            Self::Unavailable { is_unknown: false } => {
                f.write_str("the database is away, nothing was stored; try again shortly")
            }
            Self::Unavailable { is_unknown: true } => f.write_str(
                "the database went away while this was being stored; try again with the same ids to learn the cursors",
            ),
            Self::Closed(cause) => write!(f, "the log has stopped: {cause}"),
        }
    }
}

impl std::error::Error for AppendError {}

/// Why nothing could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError(pub Arc<str>);

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the log cannot be read: {}", self.0)
    }
}

impl std::error::Error for ReadError {}

/// A durable log. See the [module](self) for the contract.
pub trait Log: Send + Sync + 'static {
    /// Stores drafts and answers with their cursors once they are durable. An append of nothing is answered at once.
    fn append(
        &self,
        drafts: Vec<Draft>,
    ) -> impl Future<Output = Result<Vec<Cursor>, AppendError>> + Send;

    /// Reads events around a cursor. Only durable events, only those still retained, in cursor order.
    fn page(&self, request: PageRequest) -> impl Future<Output = Result<Page, ReadError>> + Send;

    /// Where the log stands now. Never behind what an append was answered with or what was released.
    fn bounds(&self) -> Bounds;

    /// How many different kinds of these drafts the log does not have yet, as far as is known here.
    fn new_kinds(&self, drafts: &[Draft]) -> usize;

    /// Whether the log cannot be reached just now, so that there is no news for anybody. It comes back by itself.
    fn is_away(&self) -> bool {
        false
    }

    /// The position before the first event stamped at `time` or later. Times follow the server's clock, so where that
    /// clock was set back this is one such position.
    fn seek(&self, time: Timestamp) -> impl Future<Output = Result<Cursor, ReadError>> + Send;

    /// Counts the events that a filter picks by window of time: in each those between the positions that [`Log::seek`] finds
    /// for its ends. Newest first, and bounded in what it looks at: see [`Reach`].
    fn histogram(
        &self,
        filter: Filter,
        windows: Windows,
    ) -> impl Future<Output = Result<Histogram, ReadError>> + Send;

    /// Counts what the events that a filter picks are about, and names the `limit` most frequent values of each facet.
    /// Newest first, and bounded in what it looks at and keeps: see [`Reach`].
    fn facets(
        &self,
        filter: Filter,
        limit: usize,
    ) -> impl Future<Output = Result<Facets, ReadError>> + Send;

    /// Forgets events up to and including `through`; never the head's number, so cursors are not used twice.
    fn trim(&self, through: Cursor) -> impl Future<Output = Result<(), AppendError>> + Send;
}
