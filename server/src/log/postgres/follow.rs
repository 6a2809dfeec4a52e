//! Following the database: every event that is committed there, by whomever, goes to the release hook once, in the order
//! of cursors.
//!
//! Two lead to the hook, one at a time. The writer brings its own group when it is committed; what others committed
//! before is read first, and is there to be read, since they had their turn before. And a session that listens reads on
//! when it is told of news, and from time to time without being told.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use todoki_codec::{Cursor, Event, Kind};
use tokio::sync::Mutex;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::connect::{Connector, Role, Session};
use super::error::line;
use super::outage::{Outage, Word};
use super::page;
use super::plan::Plan;
use super::read::Readers;
use super::row;
use super::schema;
use crate::clock;
use crate::log::shared::Shared;
use crate::log::span::Span;
use crate::log::{ReadError, Release};

/// Events that are read at once, and that the release hook is given together.
const BATCH_EVENTS: usize = 1000;

/// Bytes of events that are read at once, as in a group commit.
const BATCH_BYTES: usize = 4 << 20;

/// How often to look without having been told, and whether the history is still the one that is served. A notification
/// that was lost costs its events so much.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a group that is committed waits for the events of others before it to be read. Beyond it the log stops, and
/// starts anew from what is there: a server that is to end must not wait for a database for ever.
const PUBLISH_DEADLINE: Duration = Duration::from_secs(30);

/// First and longest pause between attempts to reach a database that is away: a restart takes a second or so, and a
/// failover some ten. Half of it is by chance, so that servers do not come back all at once.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// See the [module](self).
pub(super) struct Follower {
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    hook: Mutex<Hook>,
}

struct Hook {
    release: Release,
    /// When the event at the head was stamped, unless it is forgotten: by it a history that was put back and written
    /// anew shows itself.
    head_time: Option<Timestamp>,
}

/// Why a session cannot go on.
#[derive(Debug)]
pub(super) enum Break {
    /// The connection is gone, or a statement failed. Another may do better.
    Lost(String),
    /// The database has another history. Nothing that was served may be built upon.
    Rewritten(Arc<str>),
}

impl From<ReadError> for Break {
    fn from(error: ReadError) -> Self {
        Self::Lost(error.0.to_string())
    }
}

impl From<tokio_postgres::Error> for Break {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Lost(line(&error))
    }
}

impl Follower {
    pub(super) fn new(
        release: Release,
        head_time: Option<Timestamp>,
        shared: Arc<Shared>,
        readers: Arc<Readers>,
    ) -> Self {
        Self {
            shared,
            readers,
            hook: Mutex::new(Hook { release, head_time }),
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn readers(&self) -> &Arc<Readers> {
        &self.readers
    }

    fn connector(&self) -> &Arc<Connector> {
        self.readers.connector()
    }

    /// Follows until the log has failed; its runtime ends it when the log is closed.
    pub(super) async fn run(self: Arc<Self>) {
        let mut pause = Pause::default();
        let mut outage = Outage::new(Duration::ZERO);
        loop {
            let followed = match self.connector().connect(Role::Listener).await {
                Ok(session) => self.follow(&session, &mut pause, &mut outage).await,
                Err(error) => Break::Lost(error.to_string()),
            };
            match followed {
                Break::Rewritten(cause) => return self.shared.fail(cause),
                Break::Lost(cause) => {
                    self.shared.set_away(true);
                    match outage.lost(clock::instant()) {
                        Some(Word::Gone) => {
                            tracing::warn!(%cause, "the database is away; emits are refused, subscribers wait");
                        }
                        Some(Word::StillGone(lasted)) => {
                            tracing::warn!(%cause, seconds = lasted.as_secs(), "the database is still away");
                        }
                        None => tracing::debug!(%cause, "the database is away"),
                    }
                }
            }
            pause.sleep().await;
        }
    }

    /// Reads on over one session for as long as it lasts.
    async fn follow(&self, session: &Session, pause: &mut Pause, outage: &mut Outage) -> Break {
        if let Err(broken) = self.begin(&session.client).await {
            return broken;
        }
        pause.reset();
        self.shared.set_away(false);
        if let Some(lasted) = outage.over(clock::instant()) {
            tracing::info!(seconds = lasted.as_secs_f32(), "the database is back");
        }
        let mut checked = clock::instant();
        loop {
            if checked.elapsed() >= LOOK_EVERY {
                if let Err(broken) = self.check(&session.client).await {
                    return broken;
                }
                checked = clock::instant();
            }
            if let Err(broken) = self.read_on(&session.client).await {
                return broken;
            }
            tokio::select! {
                () = self.connector().news.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = session.ended.cancelled() => return Break::Lost("the connection has ended".into()),
            }
        }
    }

    async fn begin(&self, client: &Client) -> Result<(), Break> {
        // Before anything is read, so that what is committed meanwhile is told.
        client.batch_execute("LISTEN todoki").await?;
        self.recognise(client).await
    }

    /// Makes sure of a new session that its database has what was built upon over others: it may be a standby that took over
    /// without having received everything.
    pub(super) async fn recognise(&self, client: &Client) -> Result<(), Break> {
        self.check(client).await?;
        let known = self.shared.kinds();
        let rows = client
            .query_typed(schema::KINDS_AFTER, &[(&0_i32, Type::INT4)])
            .await?;
        let found: Vec<Kind> = rows
            .iter()
            .map(|row| schema::kind(row).map(|(_, kind)| kind))
            .collect::<Result<_, _>>()?;
        if found.starts_with(&known) {
            Ok(())
        } else {
            Err(Break::Rewritten(
                "the database no longer has the kinds of events as it had numbered them: it was put back in time; \
                 start this server again"
                    .into(),
            ))
        }
    }

    /// Makes sure that the database still has what was released last, in the epoch that is served. Where it has not, it
    /// begins a new epoch: cursors that somebody knows will be given to other events, or were already.
    async fn check(&self, client: &Client) -> Result<(), Break> {
        let (head, head_time) = {
            let hook = self.hook.lock().await;
            (self.shared.head(), hook.head_time)
        };
        let rows = client
            .query_typed(
                "SELECT epoch, trimmed_through, (SELECT time FROM todoki.events WHERE cursor = $1) FROM todoki.log",
                &[(&head.get(), Type::INT8)],
            )
            .await?;
        let row = rows
            .first()
            .ok_or_else(|| Break::Lost("the log has lost its only row".into()))?;
        let epoch: uuid::Uuid = row::column(row, 0)?;
        if epoch != self.shared.bounds().epoch {
            return Err(Break::Rewritten(
                "the database has begun a new epoch; start this server again to serve it".into(),
            ));
        }
        let found = row::column::<Option<row::Time>>(row, 2)?.map(|time| time.0);
        let is_forgotten = head <= row::cursor(row, 1)?.max(self.shared.trimmed_through());
        if is_forgotten || found == head_time {
            return Ok(());
        }
        // By whichever server finds it first.
        client
            .query_typed(
                "UPDATE todoki.log SET epoch = gen_random_uuid() WHERE epoch = $1",
                &[(&epoch, Type::UUID)],
            )
            .await?;
        Err(Break::Rewritten(
            format!(
                "the database no longer has event {head} as it was: it was put back in time, and has a new epoch from now \
                 on; start this server again to serve it"
            )
            .into(),
        ))
    }

    /// Releases everything that is there beyond the head.
    async fn read_on(&self, client: &Client) -> Result<(), Break> {
        let mut hook = self.hook.lock().await;
        while self.read_batch(&mut hook, Source::Session(client)).await? {}
        Ok(())
    }

    /// Releases a group of our own, behind whatever others have committed before. Waits for the database if need be;
    /// returns only when all is released, or when the log has failed.
    pub(super) async fn publish(&self, events: Vec<Event>) {
        let Some(first) = events.first().map(|event| event.cursor) else {
            return;
        };
        let mut pause = Pause::default();
        let begun = clock::instant();
        let mut hook = self.hook.lock().await;
        while self.shared.head() < first.before() {
            match self.read_batch(&mut hook, Source::Readers).await {
                Ok(_) => {}
                Err(Break::Rewritten(cause)) => return self.shared.fail(cause),
                Err(Break::Lost(cause)) if begun.elapsed() >= PUBLISH_DEADLINE => {
                    let cause = format!(
                        "events of others could not be read: {cause}. Everything acknowledged is in the database; start \
                         this server again when it answers"
                    );
                    return self.shared.fail(cause.into());
                }
                Err(Break::Lost(cause)) => {
                    tracing::debug!(%cause, "events of others could not be read yet");
                    pause.sleep().await;
                }
            }
        }
        // The session that listens may have been quicker.
        let head = self.shared.head();
        let fresh: Vec<_> = events
            .into_iter()
            .filter(|event| event.cursor > head)
            .collect();
        self.give(&mut hook, fresh);
    }

    /// Reads the next events after the head and releases them. Whether there may be more.
    async fn read_batch(&self, hook: &mut Hook, source: Source<'_>) -> Result<bool, Break> {
        let head = self.shared.head();
        let span = Span {
            low: head,
            high: Cursor::MAX,
            newest_first: false,
        };
        let query = Plan::default().query(span, BATCH_EVENTS, BATCH_BYTES);
        let rows = match source {
            Source::Readers => self.readers.run(&query).await?,
            Source::Session(client) => client.query_typed(&query.sql, &query.typed()).await?,
        };
        let trimmed_through = page::trimmed_through(&rows)?;
        if trimmed_through > head {
            return Err(Break::Rewritten(
                format!(
                    "events up to {trimmed_through} were forgotten before this server had read them; start it again"
                )
                .into(),
            ));
        }
        self.shared.trimmed(trimmed_through);
        let rows: Vec<&Row> = page::with_event(&rows).collect::<Result<_, _>>()?;
        self.learn_kinds_of(&rows).await?;
        let kinds = self.shared.kinds();
        let events: Vec<_> = rows
            .iter()
            .map(|row| row::event(row, &kinds))
            .collect::<Result<_, _>>()?;
        // The database may have left some out for their size, so only nothing is the end.
        let may_have_more = !events.is_empty();
        self.give(hook, events);
        Ok(may_have_more)
    }

    fn give(&self, hook: &mut Hook, events: Vec<Event>) {
        let Some((head, time)) = events.last().map(|last| (last.cursor, last.time)) else {
            return;
        };
        hook.head_time = Some(time);
        self.shared.advance(head, &[]);
        (hook.release)(events.into());
    }

    /// Kinds are numbered before their first event is committed, so they are there to be read.
    async fn learn_kinds_of(&self, rows: &[&Row]) -> Result<(), Break> {
        let known = self.shared.kinds().len();
        for row in rows {
            if row::kind_place(row)? >= known {
                let last = i32::try_from(known).unwrap_or(i32::MAX);
                let rows = self
                    .readers
                    .rows(schema::KINDS_AFTER, &[(&last, Type::INT4)])
                    .await?;
                self.learn_kinds(&rows)?;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes note of kinds that were read, by their ids.
    pub(super) fn learn_kinds(&self, rows: &[Row]) -> Result<(), ReadError> {
        let mut fresh: Vec<(i32, Kind)> = Vec::with_capacity(rows.len());
        for row in rows {
            fresh.push(schema::kind(row)?);
        }
        self.shared.learn_kinds(&fresh);
        Ok(())
    }
}

/// Over what to read.
enum Source<'a> {
    Session(&'a Client),
    Readers,
}

/// The pauses between attempts to reach a database: doubled each time.
#[derive(Debug)]
pub(super) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(RETRY.0)
    }
}

impl Pause {
    /// Waits for the next pause.
    pub(super) async fn sleep(&mut self) {
        let pause = self.0;
        self.0 = (pause * 2).min(RETRY.1);
        let chance = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
        tokio::time::sleep(pause.mul_f64(0.5 + chance / 2.0)).await;
    }

    /// It was reached.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}
