//! Reading: a few connections, each used by one reader at a time.

use std::ops::Deref;
use std::sync::Arc;

use crossbeam::queue::ArrayQueue;
use jiff::Timestamp;
use todoki_codec::Cursor;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::connect::{Connector, Role, Session};
use super::error::line;
use super::plan::Query;
use super::row::{self, Time};
use crate::log::ReadError;
use crate::log::shared::Shared;

/// The pool. Connections are made when they are first needed.
#[derive(Debug)]
pub(super) struct Readers {
    connector: Arc<Connector>,
    /// The log's runtime, which drives connections; whoever reads may be on any other.
    handle: Handle,
    idle: ArrayQueue<Session>,
    permits: Arc<Semaphore>,
}

/// A connection of the pool, for as long as somebody reads.
pub(super) struct Reader<'a> {
    readers: &'a Readers,
    /// `None` when it was put back.
    session: Option<Session>,
    _permit: OwnedSemaphorePermit,
}

impl Readers {
    pub(super) fn new(connector: Arc<Connector>, handle: Handle, connections: usize) -> Self {
        Self {
            connector,
            handle,
            idle: ArrayQueue::new(connections),
            permits: Arc::new(Semaphore::new(connections)),
        }
    }

    pub(super) fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    /// Runs a query.
    pub(super) async fn run(&self, query: &Query) -> Result<Vec<Row>, ReadError> {
        self.rows(&query.sql, &query.typed()).await
    }

    /// Runs a statement. One that finds its connection gone is run again on a new one, since it only reads, or may as
    /// well be run twice.
    pub(super) async fn rows(
        &self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, ReadError> {
        let mut is_first = true;
        loop {
            let reader = self.reader().await?;
            match reader.query_typed(sql, parameters).await {
                Ok(rows) => return Ok(rows),
                Err(error) if is_first && error.as_db_error().is_none() => is_first = false,
                Err(error) => return Err(ReadError(line(&error).into())),
            }
        }
    }

    /// Runs a statement that is not to be run twice.
    pub(super) async fn once(
        &self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, ReadError> {
        let reader = self.reader().await?;
        let answer = reader.query_typed(sql, parameters).await;
        answer.map_err(|error| ReadError(line(&error).into()))
    }

    async fn reader(&self) -> Result<Reader<'_>, ReadError> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let idle =
            std::iter::from_fn(|| self.idle.pop()).find(|session| !session.client.is_closed());
        let session = match idle {
            Some(session) => session,
            None => self.connect().await?,
        };
        Ok(Reader {
            readers: self,
            session: Some(session),
            _permit: permit,
        })
    }

    async fn connect(&self) -> Result<Session, ReadError> {
        let connector = Arc::clone(&self.connector);
        let connecting = self
            .handle
            .spawn(async move { connector.connect(Role::Reader).await });
        match connecting.await {
            Ok(connected) => connected.map_err(|error| ReadError(error.to_string().into())),
            Err(_) => Err(ReadError("the log is closed".into())),
        }
    }
}

impl Deref for Reader<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        let session = self.session.as_ref();
        &session.expect("it is put back when it is dropped").client
    }
}

impl Drop for Reader<'_> {
    /// Also when nobody waits for the answer any more: the connection reads it to its end, then answers the next.
    fn drop(&mut self) {
        if let Some(session) = self
            .session
            .take()
            .filter(|session| !session.client.is_closed())
        {
            drop(self.readers.idle.push(session));
        }
    }
}

/// The position before the first event stamped at `time` or later.
pub(super) async fn seek(
    readers: &Readers,
    shared: &Shared,
    time: Timestamp,
) -> Result<Cursor, ReadError> {
    let head = shared.head().get();
    let rows = readers
        .rows(
            "SELECT todoki.seek($1, $2)",
            &[
                (&Time::not_before(time), Type::TIMESTAMPTZ),
                (&head, Type::INT8),
            ],
        )
        .await?;
    let row = rows.first().ok_or_else(|| ReadError("no answer".into()))?;
    row::cursor(row, 0)
}
