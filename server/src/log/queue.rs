//! What waits for the one that writes, bounded in bytes and in requests by one count.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use todoki_codec::{Cursor, Draft};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

use super::shared::Shared;
use super::{AppendError, Recorder, Waiting};

/// Room is counted in units of so many bytes, at least one per request, so that one count bounds both.
const UNIT_BYTES: usize = 4 << 10;

/// Units that may wait: 64 MiB, or 16,384 lone emits. At 60,000 lone emits a second that is a quarter of a second of
/// work; a disk that is slower than that is better told to the producers than hidden in memory.
const QUEUE_UNITS: u32 = 16 << 10;

/// What a draft takes beside its data: the structure, a kind, an id.
const DRAFT_OVERHEAD_BYTES: usize = 256;

/// How long an append waits for room: longer than a checkpoint or a slow fsync, shorter than a producer's patience.
const ROOM_DEADLINE: Duration = Duration::from_millis(500);

/// What the writer is asked to do.
pub(super) enum Request {
    Append(Append),
    Trim(Trim),
}

/// Drafts to store, all or none.
pub(super) struct Append {
    pub(super) drafts: Vec<Draft>,
    pub(super) bytes: usize,
    /// `None` once it was told.
    answer: Option<oneshot::Sender<Result<Vec<Cursor>, AppendError>>>,
    _room: OwnedSemaphorePermit,
    waiting: Waiting,
}

impl Append {
    /// A producer that stopped waiting is nobody to tell: its drafts are stored all the same.
    pub(super) fn answer(self, answer: Result<Vec<Cursor>, AppendError>) {
        drop(self.waiting);
        drop(self.answer.map(|told| told.send(answer)));
    }

    /// Answers the producer, who waits no longer; the drafts go on their way, and what becomes of them is told to nobody.
    pub(super) fn give_up(&mut self, error: AppendError) {
        drop(self.answer.take().map(|told| told.send(Err(error))));
    }
}

/// Events to forget.
pub(super) struct Trim {
    pub(super) through: Cursor,
    answer: oneshot::Sender<Result<(), AppendError>>,
    _room: OwnedSemaphorePermit,
    waiting: Waiting,
}

impl Trim {
    pub(super) fn answer(self, answer: Result<(), AppendError>) {
        drop(self.waiting);
        drop(self.answer.send(answer));
    }
}

/// Where requests go in, until it is shut. What is put into a channel while its receiver goes may stay in there, so
/// whoever shuts the gate must know that nobody is halfway through it.
#[derive(Clone, Debug)]
struct Gate(Arc<Mutex<Option<Sender<Request>>>>);

impl Gate {
    /// Whether the request went in.
    fn pass(&self, request: Request) -> bool {
        let requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests
            .as_ref()
            .is_some_and(|requests| requests.try_send(request).is_ok())
    }

    fn shut(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// The writer's end. Dropping it refuses what is left in it and whatever comes later.
pub(super) struct Inbox {
    gate: Gate,
    requests: Receiver<Request>,
}

impl Inbox {
    /// The next request; the error says whether there may be more.
    pub(super) fn try_next(&mut self) -> Result<Request, TryRecvError> {
        self.requests.try_recv()
    }

    /// Waits for the next request, or for the end of them. Blocks.
    pub(super) fn next_blocking(&mut self) -> Result<Request, TryRecvError> {
        let next = self.requests.blocking_recv();
        next.ok_or(TryRecvError::Disconnected)
    }

    /// Waits for the next request; `None` when there will be no more. May be cancelled.
    pub(super) async fn next(&mut self) -> Option<Request> {
        self.requests.recv().await
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.gate.shut();
        while self.requests.try_recv().is_ok() {}
    }
}

/// The producers' end.
#[derive(Debug)]
pub(super) struct Queue {
    gate: Gate,
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
    recorder: Arc<Recorder>,
}

impl Queue {
    pub(super) fn new(shared: Arc<Shared>, recorder: Arc<Recorder>) -> (Self, Inbox) {
        // A request holds at least one unit for as long as it is in the channel, so there is always a slot for it.
        let (sender, requests) = mpsc::channel(QUEUE_UNITS as usize);
        let gate = Gate(Arc::new(Mutex::new(Some(sender))));
        let queue = Self {
            gate: gate.clone(),
            room: Arc::new(Semaphore::new(QUEUE_UNITS as usize)),
            shared,
            recorder,
        };
        (queue, Inbox { gate, requests })
    }

    pub(super) async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Cursor>, AppendError> {
        let bytes = drafts
            .iter()
            .map(|draft| draft.data.len() + DRAFT_OVERHEAD_BYTES)
            .sum();
        let waiting = self.recorder.enter();
        let room = self.room(bytes).await?;
        let (answer, answered) = oneshot::channel();
        self.send(Request::Append(Append {
            drafts,
            bytes,
            answer: Some(answer),
            _room: room,
            waiting,
        }))?;
        answered.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    pub(super) async fn trim(&self, through: Cursor) -> Result<(), AppendError> {
        let waiting = self.recorder.enter();
        let room = self.room(0).await?;
        let (answer, answered) = oneshot::channel();
        self.send(Request::Trim(Trim {
            through,
            answer,
            _room: room,
            waiting,
        }))?;
        answered.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    /// Takes no more requests. The writer stops after those it has.
    pub(super) fn close(&self) {
        self.gate.shut();
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
        if self.gate.pass(request) {
            Ok(())
        } else {
            Err(self.stopped())
        }
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

    fn queue() -> (Arc<Queue>, Inbox) {
        let shared = Shared::new(Uuid::nil(), Cursor::ORIGIN, Cursor::ORIGIN, Vec::new());
        let (queue, inbox) = Queue::new(Arc::new(shared), Arc::default());
        (Arc::new(queue), inbox)
    }

    #[tokio::test]
    async fn an_append_that_finds_no_room_in_time_is_told_so() {
        let (queue, _inbox) = queue();
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
        let (queue, mut inbox) = queue();
        let writer = std::thread::spawn(move || {
            while let Ok(Request::Append(append)) = inbox.next_blocking() {
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

    #[tokio::test]
    async fn what_is_left_when_the_writer_goes_is_refused() {
        let (queue, inbox) = queue();
        let left = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.append(vec![draft(1)]).await }
        });
        tokio::task::yield_now().await;
        drop(inbox);
        assert!(matches!(left.await.unwrap(), Err(AppendError::Closed(_))));
        assert!(queue.trim(Cursor::MAX).await.is_err());
    }
}
