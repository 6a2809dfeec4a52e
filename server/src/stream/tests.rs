//! What a log can do to a stream: fail, forget, stop.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use jiff::Timestamp;
use simd_json::OwnedValue;
use simd_json::prelude::*;
use todoki_codec::{Draft, Filter, Ids, Kind, Windows};

use super::*;
use crate::log::{AppendError, Bounds, Embedded, Facets, Histogram, Options};
use crate::page::tests::Endless;
use crate::subscriber::place::place;

/// Nothing here takes this long unless it never comes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A log that cannot be read for as long as it is told so.
struct Fickle {
    inner: Embedded,
    is_broken: AtomicBool,
    /// How many were read.
    pages: AtomicUsize,
}

impl Log for Fickle {
    async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Cursor>, AppendError> {
        self.inner.append(drafts).await
    }

    async fn page(&self, request: PageRequest) -> Result<Page, ReadError> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(ReadError("it is told to".into()));
        }
        self.pages.fetch_add(1, Ordering::SeqCst);
        self.inner.page(request).await
    }

    fn new_kinds(&self, drafts: &[Draft]) -> usize {
        self.inner.new_kinds(drafts)
    }

    fn bounds(&self) -> Bounds {
        self.inner.bounds()
    }

    fn is_away(&self) -> bool {
        self.is_broken.load(Ordering::SeqCst)
    }

    async fn seek(&self, time: Timestamp) -> Result<Cursor, ReadError> {
        self.inner.seek(time).await
    }

    async fn histogram(&self, filter: Filter, windows: Windows) -> Result<Histogram, ReadError> {
        self.inner.histogram(filter, windows).await
    }

    async fn facets(&self, filter: Filter, limit: usize) -> Result<Facets, ReadError> {
        self.inner.facets(filter, limit).await
    }

    async fn trim(&self, through: Cursor) -> Result<(), AppendError> {
        self.inner.trim(through).await
    }
}

/// A log, and what streams of it share.
struct Stage {
    log: Arc<Fickle>,
    news: watch::Receiver<Cursor>,
    auth: Arc<Auth>,
    stop: CancellationToken,
    _dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (released, news) = watch::channel(Cursor::ORIGIN);
        let release = Box::new(move |batch: crate::log::Batch| {
            released.send_replace(batch.last().unwrap().cursor);
        });
        let inner = Embedded::open(dir.path(), &Options::default(), release).unwrap();
        Self {
            log: Arc::new(Fickle {
                inner,
                is_broken: AtomicBool::new(false),
                pages: AtomicUsize::new(0),
            }),
            news,
            auth: Arc::new(Auth::new("secret")),
            stop: CancellationToken::new(),
            _dir: dir,
        }
    }

    async fn append(&self, count: usize, bytes: usize) {
        let draft = Draft {
            kind: Kind::parse("a").unwrap(),
            ids: Ids::default(),
            data: format!("{{\"x\":\"{}\"}}", "y".repeat(bytes)).into(),
            id: None,
        };
        for _ in 0..count {
            self.log.append(vec![draft.clone()]).await.unwrap();
        }
    }

    async fn stream(&self, query: &str, heartbeat: Duration) -> Listener {
        let shared = Shared {
            log: Arc::clone(&self.log),
            news: self.news.clone(),
            heartbeat,
        };
        listen(shared, query, &self.auth, &self.stop).await
    }
}

async fn listen<L: Log>(
    shared: Shared<L>,
    query: &str,
    auth: &Arc<Auth>,
    stop: &CancellationToken,
) -> Listener {
    let subscription = query::stream(query).unwrap();
    let admission = auth.admit_token("secret").await.unwrap();
    let place = place(&*shared.log, &admission.principal, subscription, None);
    let place = place.await.unwrap();
    let (sender, chunks) = mpsc::channel(CHUNKS);
    let stream = Stream::new(shared, admission, Form::Lines, sender, &place);
    let (auth, stop) = (Arc::clone(auth), stop.clone());
    tokio::spawn(async move { stream.run(&place, &auth, &stop).await });
    Listener {
        chunks,
        messages: VecDeque::new(),
    }
}

/// The client of a stream, which takes nothing until it is asked.
struct Listener {
    chunks: mpsc::Receiver<Bytes>,
    messages: VecDeque<OwnedValue>,
}

impl Listener {
    /// The next message; `None` at the end.
    async fn next(&mut self) -> Option<OwnedValue> {
        while self.messages.is_empty() {
            let chunk = tokio::time::timeout(PATIENCE, self.chunks.recv());
            let chunk = chunk.await.expect("it should have come by now")?;
            let lines = chunk.split(|byte| *byte == b'\n');
            let lines = lines.filter(|line| !line.is_empty());
            let messages = lines.map(|line| simd_json::to_owned_value(&mut line.to_vec()).unwrap());
            self.messages.extend(messages);
        }
        self.messages.pop_front()
    }

    async fn expect(&mut self, name: &str) -> OwnedValue {
        let message = self.next().await.expect("the stream ended");
        assert_eq!(message.get_str("type"), Some(name), "{message}");
        message
    }

    async fn event(&mut self) -> i64 {
        self.expect("event").await.get_i64("cursor").unwrap()
    }
}

#[tokio::test]
async fn a_slow_reader_that_retention_overtakes_is_told_what_it_cannot_have() {
    let stage = Stage::new();
    // A page and a half each, so that it stops in the middle.
    stage.append(12, PAGE_BYTES / 2).await;
    let mut slow = stage.stream("cursor=0", PATIENCE).await;
    slow.expect("subscribed").await;
    let first = slow.event().await;
    stage.log.trim(Cursor::new(9).unwrap()).await.unwrap();
    let mut last = first;
    let gap = loop {
        let message = slow.next().await.unwrap();
        match message.get_i64("cursor") {
            Some(cursor) => {
                assert_eq!(cursor, last + 1, "no hole before it is told");
                last = cursor;
            }
            None => break message,
        }
    };
    assert_eq!(gap.get_str("type"), Some("gap"));
    assert_eq!(gap.get_str("reason"), Some("retention"));
    let told = ["requested", "resume_at", "earliest", "head"];
    let told = told.map(|name| gap.get_i64(name).unwrap());
    assert_eq!(told, [last, 9, 10, 12]);
    assert!(last < 9, "it could not have been ahead of what it took");
    for cursor in 10..=12 {
        assert_eq!(slow.event().await, cursor);
    }
    let complete = slow.expect("replay_complete").await;
    assert_eq!(complete.get_i64("count"), Some(last + 3));
}

/// Those who wait for news would not find out by themselves: their heartbeat says so.
#[tokio::test]
async fn a_stream_outlasts_a_log_that_cannot_be_read() {
    let stage = Stage::new();
    stage.append(2, 1).await;
    stage.log.is_broken.store(true, Ordering::SeqCst);
    let mut reader = stage.stream("cursor=0", PATIENCE).await;
    let mut waiting = stage.stream("", Duration::from_millis(20)).await;
    for listener in [&mut reader, &mut waiting] {
        listener.expect("subscribed").await;
        let error = listener.expect("error").await;
        assert_eq!(error.get_str("code"), Some("log_unavailable"));
        assert_eq!(error.get_u64("retry_after_ms"), Some(1000));
    }
    waiting.expect("ping").await;
    stage.log.is_broken.store(false, Ordering::SeqCst);
    assert_eq!(reader.event().await, 1);
    assert_eq!(reader.event().await, 2);
    reader.expect("replay_complete").await;
    stage.append(1, 1).await;
    assert_eq!(reader.event().await, 3);
    loop {
        match waiting.next().await.unwrap() {
            event if event.get_str("type") == Some("event") => {
                assert_eq!(event.get_i64("cursor"), Some(3));
                break;
            }
            other => assert!(matches!(other.get_str("type"), Some("error" | "ping"))),
        }
    }
}

#[tokio::test]
async fn a_page_is_read_when_the_one_before_it_has_been_taken() {
    let stage = Stage::new();
    stage.append(12, PAGE_BYTES).await;
    let mut slow = stage.stream("cursor=0", PATIENCE).await;
    slow.expect("subscribed").await;
    for taken in 0..12 {
        // One more at most: of a client that takes nothing, no more is held.
        let read = stage.log.pages.load(Ordering::SeqCst);
        assert!(read <= taken + 1, "{read} pages for {taken}");
        slow.event().await;
        assert!(slow.chunks.len() <= CHUNKS);
    }
}

#[tokio::test]
async fn a_stream_that_is_stopped_says_so_and_ends() {
    let stage = Stage::new();
    stage.append(1, 1).await;
    let mut listener = stage.stream("cursor=0", PATIENCE).await;
    listener.expect("subscribed").await;
    assert_eq!(listener.event().await, 1);
    listener.expect("replay_complete").await;
    stage.stop.cancel();
    let drain = listener.expect("drain").await;
    assert_eq!(drain.get_u64("reconnect_after_ms"), Some(1000));
    assert!(listener.next().await.is_none());
}

/// It would notice by nothing else that its client is gone.
#[tokio::test]
async fn a_replay_says_how_far_it_is_with_each_page_in_which_it_finds_nothing() {
    let (_released, news) = watch::channel(Cursor::MAX);
    let shared = Shared {
        log: Arc::new(Endless::default()),
        news,
        heartbeat: PATIENCE,
    };
    let auth = Arc::new(Auth::new("secret"));
    let mut listener = listen(shared, "cursor=0", &auth, &CancellationToken::new()).await;
    listener.expect("subscribed").await;
    let mut reached = 0;
    for _ in 0..2 {
        let ping = listener.expect("ping").await;
        let cursor = ping.get_i64("cursor").unwrap();
        assert!(cursor > reached, "{ping}");
        reached = cursor;
    }
}
