//! The log that a server was told to use.
//!
//! An enum, and not a server that is generic over its log: which one it is, is known only when it starts, and beside a
//! commit or a page one branch is nothing.

use std::sync::Arc;

use jiff::Timestamp;
use todoki_codec::{Cursor, Draft, Filter, Windows};

use super::{
    AppendError, Bounds, Embedded, Facets, Histogram, Log, Page, PageRequest, Postgres, ReadError,
};

/// One of the logs there are.
#[derive(Debug)]
pub enum AnyLog {
    /// A file in the data directory.
    Embedded(Embedded),
    /// A PostgreSQL database.
    Postgres(Box<Postgres>),
}

impl AnyLog {
    /// Resolves, with the cause, when the log has stopped by itself.
    pub async fn failed(&self) -> Arc<str> {
        match self {
            Self::Embedded(log) => log.failed().await,
            Self::Postgres(log) => log.failed().await,
        }
    }

    /// Commits what is queued, then stops. Blocks until it is done.
    pub fn close(&self) {
        match self {
            Self::Embedded(log) => log.close(),
            Self::Postgres(log) => log.close(),
        }
    }
}

impl Log for AnyLog {
    async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Cursor>, AppendError> {
        match self {
            Self::Embedded(log) => log.append(drafts).await,
            Self::Postgres(log) => log.append(drafts).await,
        }
    }

    async fn page(&self, request: PageRequest) -> Result<Page, ReadError> {
        match self {
            Self::Embedded(log) => log.page(request).await,
            Self::Postgres(log) => log.page(request).await,
        }
    }

    fn bounds(&self) -> Bounds {
        match self {
            Self::Embedded(log) => log.bounds(),
            Self::Postgres(log) => log.bounds(),
        }
    }

    fn new_kinds(&self, drafts: &[Draft]) -> usize {
        match self {
            Self::Embedded(log) => log.new_kinds(drafts),
            Self::Postgres(log) => log.new_kinds(drafts),
        }
    }

    fn is_away(&self) -> bool {
        match self {
            Self::Embedded(log) => log.is_away(),
            Self::Postgres(log) => log.is_away(),
        }
    }

    async fn seek(&self, time: Timestamp) -> Result<Cursor, ReadError> {
        match self {
            Self::Embedded(log) => log.seek(time).await,
            Self::Postgres(log) => log.seek(time).await,
        }
    }

    async fn histogram(&self, filter: Filter, windows: Windows) -> Result<Histogram, ReadError> {
        match self {
            Self::Embedded(log) => log.histogram(filter, windows).await,
            Self::Postgres(log) => log.histogram(filter, windows).await,
        }
    }

    async fn facets(&self, filter: Filter, limit: usize) -> Result<Facets, ReadError> {
        match self {
            Self::Embedded(log) => log.facets(filter, limit).await,
            Self::Postgres(log) => log.facets(filter, limit).await,
        }
    }

    async fn trim(&self, through: Cursor) -> Result<(), AppendError> {
        match self {
            Self::Embedded(log) => log.trim(through).await,
            Self::Postgres(log) => log.trim(through).await,
        }
    }
}
