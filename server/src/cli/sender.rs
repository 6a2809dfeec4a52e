//! How drafts go out: in batches, over one connection that is made anew when it breaks, with what has gone out shown while
//! it happens. Each draft has an id, so a batch that is sent again stores nothing twice.

use std::collections::HashSet;
use std::io::{self, Write};
use std::time::Duration;

use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use todoki_codec::Cursor;
use todoki_codec::limits::{BATCH_DRAFTS, BODY_BYTES};

use super::client::{ClientError, Connection, Reason, Remote};
use crate::clock;

/// While the server cannot be reached, try again after this, doubled each time up to the longest.
const RETRY: Duration = Duration::from_millis(250);
const RETRY_LONGEST: Duration = Duration::from_secs(10);

/// How often the progress line is drawn anew.
const PROGRESS: Duration = Duration::from_millis(200);

/// Drafts that go out together, as NDJSON.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) body: String,
    pub(super) count: usize,
}

impl Batch {
    /// Takes the draft, or gives it back when it belongs into the next batch.
    pub(super) fn push(&mut self, draft: String) -> Result<(), String> {
        let is_full = self.count == BATCH_DRAFTS || self.body.len() + draft.len() + 1 > BODY_BYTES;
        if is_full && self.count > 0 {
            return Err(draft);
        }
        self.body.push_str(&draft);
        self.body.push('\n');
        self.count += 1;
        Ok(())
    }
}

/// One connection, made anew when it breaks.
pub(super) struct Sender {
    remote: Remote,
    connection: Option<Connection>,
    /// Whether the server was ever reached.
    is_known: bool,
    /// The limits that were told of. Whoever is over one will be again, and is told so once.
    limits: HashSet<Reason>,
}

impl Sender {
    pub(super) fn new(remote: Remote) -> Self {
        Self {
            remote,
            connection: None,
            is_known: false,
            limits: HashSet::new(),
        }
    }

    /// Sends until the server has answered. A server that cannot be reached at all is a failure; one that was there may be
    /// restarting, and is waited for, also when it went before its first answer. One that asks to be left alone is, and
    /// is a failure if that is for long.
    pub(super) async fn send(&mut self, drafts: &str) -> Result<Vec<Cursor>, ClientError> {
        let mut backoff = RETRY;
        // Why the server is away: each reason once, not each attempt.
        let mut told = HashSet::new();
        loop {
            let error = match self.try_send(drafts).await {
                Err(error) if self.is_known => error,
                answer => {
                    if answer.is_ok() && !told.is_empty() {
                        super::note("the server takes events again");
                    }
                    return answer;
                }
            };
            self.connection = None;
            let (wait, error) = error.wait(backoff)?;
            if error.is_limited() {
                if self.limits.insert(error.reason()) {
                    super::note(&format!("{error}; going on as fast as that allows"));
                }
            } else if told.insert(error.reason()) {
                super::note(&format!("{error}; trying again"));
            }
            tokio::time::sleep(wait).await;
            backoff = (backoff * 2).min(RETRY_LONGEST);
        }
    }

    async fn try_send(&mut self, drafts: &str) -> Result<Vec<Cursor>, ClientError> {
        let mut connection = match self.connection.take() {
            // The server closes a connection that was idle for long; that is no news.
            Some(connection) if !connection.is_closed() => connection,
            _ => self.remote.connect().await?,
        };
        self.is_known = true;
        let request = self
            .remote
            .request("/api/event-bus/emit")
            .method("POST")
            .header(CONTENT_TYPE, "application/x-ndjson")
            .body(Full::from(drafts.to_owned()))
            .map_err(|error| ClientError::Senseless(error.to_string()))?;
        let mut answer = self.remote.fetch(&mut connection, request).await?.to_vec();
        self.connection = Some(connection);
        simd_json::serde::from_slice(&mut answer)
            .map_err(|error| ClientError::Broken(error.to_string()))
    }
}

/// What has been emitted, drawn on a terminal while it happens and once at the end.
pub(super) struct Progress {
    count: u64,
    first: Option<Cursor>,
    last: Option<Cursor>,
    started: std::time::Instant,
    drawn: std::time::Instant,
    is_drawn: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        let now = clock::instant();
        Self {
            count: 0,
            first: None,
            last: None,
            started: now,
            drawn: now,
            is_drawn: super::is_terminal(),
        }
    }

    pub(super) fn add(&mut self, cursors: &[Cursor]) {
        self.count += cursors.len() as u64;
        self.first = self.first.or(cursors.first().copied());
        self.last = cursors.last().copied().or(self.last);
        if self.is_drawn && self.drawn.elapsed() >= PROGRESS {
            self.drawn = clock::instant();
            // A progress line that cannot be drawn is no reason to stop.
            write!(io::stderr(), "\r{} events, {}/s ", self.count, self.rate()).ok();
        }
    }

    pub(super) fn finish(&self) {
        let clear = if self.is_drawn { "\r\x1b[K" } else { "" };
        super::note(&match (self.first, self.last) {
            (Some(first), Some(last)) => format!(
                "{clear}{} events emitted, cursors {first} to {last}, {}/s",
                self.count,
                self.rate()
            ),
            _ => format!("{clear}no events emitted"),
        });
    }

    fn rate(&self) -> u64 {
        let millis = self.started.elapsed().as_millis().max(1);
        u64::try_from(u128::from(self.count) * 1000 / millis).unwrap_or(u64::MAX)
    }
}
