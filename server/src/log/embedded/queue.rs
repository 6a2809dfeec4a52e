//! What waits for the writer thread, bounded in bytes and in requests by one count.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam::channel::{self, Receiver, Sender};
use todoki_codec::{Cursor, Draft};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

use super::shared::Shared;
use crate::log::AppendError;

/// Room is counted in units of so many bytes, at least one per request, so that one count bounds both.
const UNIT_BYTES: usize = 4 << 10;

/// Units that may wait: 64 MiB, or 16,384 lone emits. At 60,000 lone emits a second that is a quarter of a second of
/// work; a disk that is slower than that is better told to the producers than hidden in memory.
const QUEUE_UNITS: u32 = 16 << 10;

/// What a draft takes beside its data: the structure, a kind, an id.
const DRAFT_OVERHEAD_BYTES: usize = 256;

/// How long an append waits for room: longer than a checkpoint or a slow fsync, shorter than a producer's patience.
const ROOM_DEADLINE: Duration = Duration::from_millis(500);

/// What the writer thread is asked to do.
pub(super) enum Request {
    Append(Append),
    Trim(Trim),
    /// Finish what is queued, then stop.
    Close,
}

/// Drafts to store, all or none.
pub(super) struct Append {
    pub(super) drafts: Vec<Draft>,
    pub(super) bytes: usize,
    answer: oneshot::Sender<Result<Vec<Cursor>, AppendError>>,
    _room: OwnedSemaphorePermit,
}

impl Append {
    /// A producer that stopped waiting is nobody to tell: its drafts are stored all the same.
    pub(super) fn answer(self, answer: Result<Vec<Cursor>, AppendError>) {
        drop(self.answer.send(answer));
    }
}

/// Events to forget.
pub(super) struct Trim {
    pub(super) through: Cursor,
    answer: oneshot::Sender<Result<(), AppendError>>,
    _room: OwnedSemaphorePermit,
}

impl Trim {
    pub(super) fn answer(self, answer: Result<(), AppendError>) {
        drop(self.answer.send(answer));
    }
}

/// The producers' end.
#[derive(Debug)]
pub(super) struct Queue {
    requests: Sender<Request>,
    room: Arc<Semaphore>,
    is_closing: AtomicBool,
    shared: Arc<Shared>,
}

impl Queue {
    pub(super) fn new(shared: Arc<Shared>) -> (Self, Receiver<Request>) {
        // A request holds at least one unit for as long as it is in the channel, so there is always a slot for it,
        // and the last one is for `Close`.
        let (requests, receiver) = channel::bounded(QUEUE_UNITS as usize + 1);
        let queue = Self {
            requests,
            room: Arc::new(Semaphore::new(QUEUE_UNITS as usize)),
            is_closing: AtomicBool::new(false),
            shared,
        };
        (queue, receiver)
    }

    pub(super) async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Cursor>, AppendError> {
        let bytes = drafts
            .iter()
            .map(|draft| draft.data.len() + DRAFT_OVERHEAD_BYTES)
            .sum();
        let room = self.room(bytes).await?;
        let (answer, answered) = oneshot::channel();
        self.send(Request::Append(Append {
            drafts,
            bytes,
            answer,
            _room: room,
        }))?;
        answered.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    pub(super) async fn trim(&self, through: Cursor) -> Result<(), AppendError> {
        let room = self.room(0).await?;
        let (answer, answered) = oneshot::channel();
        self.send(Request::Trim(Trim {
            through,
            answer,
            _room: room,
        }))?;
        answered.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    /// Takes no more requests, and has the writer stop after those it has.
    pub(super) fn close(&self) {
        if !self.is_closing.swap(true, Ordering::Relaxed) {
            // A writer that is gone already has nothing to finish.
            drop(self.requests.send(Request::Close));
        }
    }

    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, AppendError> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES))
            .unwrap_or(QUEUE_UNITS)
            .clamp(1, QUEUE_UNITS);
        match Arc::clone(&self.room).try_acquire_many_owned(units) {
            Ok(room) => return Ok(room),
            Err(TryAcquireError::Closed) => return Err(self.stopped()),
            Err(TryAcquireError::NoPermits) => {}
        }
        let waiting = Arc::clone(&self.room).acquire_many_owned(units);
        match tokio::time::timeout(ROOM_DEADLINE, waiting).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_closed)) => Err(self.stopped()),
            Err(_elapsed) => Err(AppendError::Busy),
        }
    }

    fn send(&self, request: Request) -> Result<(), AppendError> {
        if self.is_closing.load(Ordering::Relaxed) {
            return Err(self.stopped());
        }
        self.requests
            .try_send(request)
            .map_err(|_gone| self.stopped())
    }

    fn stopped(&self) -> AppendError {
        AppendError::Closed(
            self.shared
                .failure()
                .unwrap_or_else(|| "the server is stopping".into()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use todoki_codec::{Ids, Kind};
    use uuid::Uuid;

    fn draft(bytes: usize) -> Draft {
        Draft {
            kind: Kind::parse("a").unwrap(),
            ids: Ids::default(),
            data: vec![b' '; bytes].into(),
            id: None,
        }
    }

    fn queue() -> (Arc<Queue>, Receiver<Request>) {
        let shared = Shared::new(Uuid::nil(), Cursor::ORIGIN, Cursor::ORIGIN, Vec::new());
        let (queue, requests) = Queue::new(Arc::new(shared));
        (Arc::new(queue), requests)
    }

    #[tokio::test]
    async fn an_append_that_finds_no_room_in_time_is_told_so() {
        let (queue, _requests) = queue();
        let all = UNIT_BYTES * QUEUE_UNITS as usize;
        let filling = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.append(vec![draft(all)]).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(queue.append(vec![draft(1)]).await, Err(AppendError::Busy));
        filling.abort();
    }

    #[tokio::test]
    async fn room_comes_back_with_the_answer() {
        let (queue, requests) = queue();
        let writer = std::thread::spawn(move || {
            while let Ok(Request::Append(append)) = requests.recv() {
                append.answer(Ok(vec![Cursor::ORIGIN.next()]));
            }
        });
        for _ in 0..3 {
            let all = UNIT_BYTES * QUEUE_UNITS as usize;
            assert!(queue.append(vec![draft(all)]).await.is_ok());
        }
        queue.close();
        writer.join().unwrap();
        assert!(matches!(
            queue.append(vec![draft(1)]).await,
            Err(AppendError::Closed(_))
        ));
    }
}
