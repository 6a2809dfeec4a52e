//! The one thread that writes.
//!
//! It takes whatever is queued, commits that as one transaction, publishes it, hands it to the release hook, and then
//! answers the producers. While it waits for the disk the next group gathers by itself, so nobody waits for a timer.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use todoki_codec::{Cursor, Event};
use tokio::sync::mpsc::error::TryRecvError;

use super::group::{Group, KindIds};
use super::schema;
use crate::clock;
use crate::log::queue::{Append, Inbox, Request, Trim};
use crate::log::shared::Shared;
use crate::log::{AppendError, Recorder, Release};

/// Drafts after which a group is closed: some ten milliseconds of inserting, which the last producer of the group
/// waits for; beyond a thousand or so the fsync is spread thin already.
const GROUP_DRAFTS: usize = 4096;

/// Bytes after which a group is closed: keeps a commit within what the disk takes in some ten milliseconds.
const GROUP_BYTES: usize = 4 << 20;

/// Events that one transaction forgets; groups are committed in between, and wait for one such chunk at most.
const TRIM_CHUNK_EVENTS: usize = 2048;

/// Appends and their outcomes, in order.
type Outcomes = Vec<Result<Vec<Cursor>, AppendError>>;

/// The writer's state. It alone writes `shared`.
pub(super) struct Writer {
    connection: Connection,
    inbox: Inbox,
    release: Release,
    shared: Arc<Shared>,
    recorder: Arc<Recorder>,
    kinds: KindIds,
    trims: Vec<Trim>,
    is_closing: bool,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        inbox: Inbox,
        release: Release,
        shared: Arc<Shared>,
        recorder: Arc<Recorder>,
    ) -> Self {
        let kinds = KindIds::new(&shared.kinds());
        Self {
            connection,
            inbox,
            release,
            shared,
            recorder,
            kinds,
            trims: Vec::new(),
            is_closing: false,
        }
    }

    /// Runs until the log is closed or has failed. Requests that are left are refused with its inbox.
    pub(super) fn run(mut self) {
        let _watch = PanicWatch(Arc::clone(&self.shared));
        if let Err(cause) = self.serve() {
            tracing::error!(%cause, "the log has stopped");
            self.shared.fail(cause);
        } else if let Err(error) = schema::checkpoint(&self.connection) {
            tracing::warn!(%error, "the write-ahead log stays; the next start recovers from it");
        }
    }

    fn serve(&mut self) -> Result<(), Arc<str>> {
        loop {
            let appends = self.gather();
            if appends.is_empty() && self.is_closing {
                return Ok(());
            }
            if !appends.is_empty() {
                self.append(appends)?;
            }
            if !self.trims.is_empty() {
                self.trim_chunk()?;
            }
        }
    }

    /// Takes what is queued, within the bounds of a group; waits only when there is nothing to do.
    fn gather(&mut self) -> Vec<Append> {
        let mut appends = Vec::new();
        let (mut drafts, mut bytes) = (0, 0);
        while drafts < GROUP_DRAFTS && bytes < GROUP_BYTES {
            let is_idle = appends.is_empty() && self.trims.is_empty() && !self.is_closing;
            let request = if is_idle {
                self.inbox.next_blocking()
            } else {
                self.inbox.try_next()
            };
            match request {
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.is_closing = true;
                    break;
                }
                Ok(Request::Trim(trim)) => self.trims.push(trim),
                Ok(Request::Append(append)) => {
                    drafts += append.drafts.len();
                    bytes += append.bytes;
                    appends.push(append);
                }
            }
        }
        appends
    }

    fn append(&mut self, appends: Vec<Append>) -> Result<(), Arc<str>> {
        let (events, outcomes) = match self.commit(&appends) {
            Ok(committed) => committed,
            Err(error) => {
                self.recorder.failed();
                self.kinds.roll_back();
                let refusal = refusal(&error);
                for append in appends {
                    append.answer(Err(refusal.clone()));
                }
                return stop_if_closed(refusal);
            }
        };
        if let Some(last) = events.last() {
            self.shared.advance(last.cursor, &self.kinds.commit());
            (self.release)(events.into());
        }
        for (append, outcome) in appends.into_iter().zip(outcomes) {
            append.answer(outcome);
        }
        Ok(())
    }

    fn commit(&mut self, appends: &[Append]) -> rusqlite::Result<(Vec<Event>, Outcomes)> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut group = Group::new(&transaction, &self.kinds, self.shared.head(), clock::now());
        let outcomes = appends
            .iter()
            .map(|append| group.add(&append.drafts))
            .collect::<Result<_, _>>()?;
        let rows = group.into_rows();
        let events = rows.write(&transaction, &mut self.kinds)?;
        let begun = clock::instant();
        transaction.commit()?;
        let drafts = appends.iter().map(|append| append.drafts.len()).sum();
        self.recorder.committed(begun.elapsed(), drafts);
        Ok((events, outcomes))
    }

    /// Forgets the next few events of those that are to go, and answers whom that satisfies.
    fn trim_chunk(&mut self) -> Result<(), Arc<str>> {
        let head = self.shared.head();
        let asked = self.trims.iter().map(|trim| trim.through).max();
        let target = asked.unwrap_or_default().min(head);
        let trimmed = self.shared.trimmed_through();
        let through = target.min(trimmed.forward(TRIM_CHUNK_EVENTS));
        if through > trimmed {
            if let Err(error) = self.forget(through) {
                let refusal = refusal(&error);
                for trim in self.trims.drain(..) {
                    trim.answer(Err(refusal.clone()));
                }
                return stop_if_closed(refusal);
            }
            self.shared.trimmed(through);
        }
        for trim in self
            .trims
            .extract_if(.., |trim| trim.through.min(head) <= through.max(trimmed))
        {
            trim.answer(Ok(()));
        }
        Ok(())
    }

    /// Events and the mark that they are gone go together, or a crash between could hand out a cursor twice.
    fn forget(&mut self, through: Cursor) -> rusqlite::Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction
            .prepare_cached("DELETE FROM events WHERE cursor <= ?1")?
            .execute([through.get()])?;
        transaction
            .prepare_cached("UPDATE meta SET trimmed_through = ?1")?
            .execute(params![through.get()])?;
        transaction.commit()
    }
}

/// What a failed transaction means for those who asked for it. It has been rolled back, if it can be.
///
/// A full disk and another process's lock pass, and surely nothing was committed. Of any other failure, a failed fsync
/// above all, one cannot know what the disk has; nothing is built on such a log.
fn refusal(error: &rusqlite::Error) -> AppendError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => AppendError::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => AppendError::Busy,
        _ => AppendError::Closed(error.to_string().into()),
    }
}

fn stop_if_closed(refusal: AppendError) -> Result<(), Arc<str>> {
    match refusal {
        AppendError::Closed(cause) => Err(cause),
        refusal => {
            tracing::warn!(%refusal, "nothing was written");
            Ok(())
        }
    }
}

/// Makes a panic of the writer, or of the release hook, a failure of the log.
struct PanicWatch(Arc<Shared>);

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("its thread has panicked".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    fn refusal_of(code: i32) -> AppendError {
        refusal(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn only_failures_that_pass_and_wrote_nothing_leave_the_log_open() {
        assert_eq!(refusal_of(ffi::SQLITE_FULL), AppendError::Full);
        assert_eq!(refusal_of(ffi::SQLITE_BUSY), AppendError::Busy);
        for code in [
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_CONSTRAINT,
        ] {
            assert!(matches!(refusal_of(code), AppendError::Closed(_)), "{code}");
        }
    }
}
