//! What a log does to the commands of a client: fail, and take its time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::BytesMut;
use jiff::Timestamp;
use simd_json::OwnedValue;
use simd_json::prelude::*;
use todoki_codec::frame::encode::masked;
use todoki_codec::frame::{CloseCode, Decoder, Incoming, Limits, Role};
use todoki_codec::{Cursor, Draft, Filter, Ids, Kind, Windows, query};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Arrival;
use super::access::Access;
use super::pace::Inbound;
use super::place::{Looking, Place, place};
use crate::auth::Auth;
use crate::hub::Hub;
use crate::hub::shard::Settings;
use crate::log::{
    AppendError, Bounds, Embedded, Facets, Histogram, Log, Options, Page, PageRequest, ReadError,
};
use crate::reply::Refusal;

/// Nothing here takes this long unless it never comes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Behind entries, puts out whoever has the label.
const REVOKED: &str = "[revoked]\nlabels = [\"gone\"]\n";

/// Those of a shard that read the log at the same time.
const READS: u32 = 16;

/// A subscription that begins where the log has to look for it.
const BY_TIME: &str = r#"{"type":"subscribe","cursor":"2020-01-01T00:00:00Z"}"#;

/// A log that cannot be read for as long as it is told so.
struct Fickle {
    inner: Embedded,
    is_broken: AtomicBool,
    seeks: Gate,
    pages: Gate,
}

/// Those who ask the log for the same kind of thing: each waits to be let go, if they are held.
#[derive(Debug)]
struct Gate {
    are_held: AtomicBool,
    begun: Semaphore,
    let_go: Semaphore,
    at_once: AtomicUsize,
    most: AtomicUsize,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            are_held: AtomicBool::new(false),
            begun: Semaphore::new(0),
            let_go: Semaphore::new(0),
            at_once: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }
}

impl Gate {
    fn hold(&self) {
        self.are_held.store(true, Ordering::SeqCst);
    }

    async fn pass(&self) {
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(at_once, Ordering::SeqCst);
        self.begun.add_permits(1);
        if self.are_held.load(Ordering::SeqCst) {
            self.let_go.acquire().await.unwrap().forget();
        }
        self.at_once.fetch_sub(1, Ordering::SeqCst);
    }

    /// Returns once so many more have begun.
    async fn begun(&self, count: u32) {
        let begun = tokio::time::timeout(PATIENCE, self.begun.acquire_many(count));
        begun
            .await
            .expect("they should have begun by now")
            .unwrap()
            .forget();
    }
}

impl Log for Fickle {
    async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Cursor>, AppendError> {
        self.inner.append(drafts).await
    }

    async fn page(&self, request: PageRequest) -> Result<Page, ReadError> {
        self.pages.pass().await;
        self.inner.page(request).await
    }

    fn new_kinds(&self, drafts: &[Draft]) -> usize {
        self.inner.new_kinds(drafts)
    }

    fn bounds(&self) -> Bounds {
        self.inner.bounds()
    }

    async fn seek(&self, time: Timestamp) -> Result<Cursor, ReadError> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(ReadError("it is told to".into()));
        }
        self.seeks.pass().await;
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

/// A log, and one shard that has it.
struct Stage {
    log: Arc<Fickle>,
    hub: Arc<Hub>,
    auth: Arc<Auth>,
    tasks: TaskTracker,
    done: CancellationToken,
    _dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        Self::with(tempfile::tempdir().unwrap(), Auth::new("secret"))
    }

    /// With whom this `auth.toml` knows, and where it is.
    fn with_file(auth: &str) -> (Self, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("auth.toml");
        std::fs::write(&path, auth).unwrap();
        let stage = Self::with(dir, Auth::open(&path, None).unwrap());
        let (auth, stopped) = (Arc::clone(&stage.auth), stage.done.clone());
        tokio::spawn(async move { auth.keep(stopped).await });
        (stage, path)
    }

    fn with(dir: tempfile::TempDir, auth: Auth) -> Self {
        let auth = Arc::new(auth);
        let (hub, unstarted) = Hub::new(1);
        let hub = Arc::new(hub);
        let released = Arc::clone(&hub);
        let release = Box::new(move |batch: crate::log::Batch| released.release(&batch));
        let log = Arc::new(Fickle {
            inner: Embedded::open(dir.path(), &Options::default(), release).unwrap(),
            is_broken: AtomicBool::new(false),
            seeks: Gate::default(),
            pages: Gate::default(),
        });
        let settings = Settings {
            coalesce: Duration::ZERO,
            heartbeat: PATIENCE,
            write_stall: PATIENCE,
            inbound: Inbound::default(),
        };
        let (stop, done) = (CancellationToken::new(), CancellationToken::new());
        unstarted
            .start(
                &log,
                &auth,
                settings,
                &stop,
                &done,
                &CancellationToken::new(),
            )
            .unwrap();
        Self {
            log,
            hub,
            auth,
            tasks: TaskTracker::new(),
            done,
            _dir: dir,
        }
    }

    async fn append(&self) {
        self.append_of("a").await;
    }

    async fn append_of(&self, kind: &str) {
        let draft = Draft {
            kind: Kind::parse(kind).unwrap(),
            ids: Ids::default(),
            data: "{}".into(),
            id: None,
        };
        self.log.append(vec![draft]).await.unwrap();
    }

    async fn subscribe(&self, token: &str, query: &str) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
        let admission = self.auth.admit_token(token).await.unwrap();
        let subscription = query::subscription(query).unwrap();
        let place = place(&*self.log, &admission.principal, subscription, None).await;
        let arrival = Arrival {
            stream: server.unwrap().0.into_std().unwrap().into(),
            early: BytesMut::new(),
            is_compressed: false,
            place: place.unwrap(),
            access: Access::new(admission, None),
            permit: None,
            token: self.tasks.token(),
        };
        self.hub.admit(arrival).await;
        let limits = Limits {
            frame_bytes: 1 << 20,
            message_bytes: 1 << 20,
            fragments: 1,
        };
        let mut peer = Peer {
            stream: client.unwrap(),
            inbox: BytesMut::new(),
            decoder: Decoder::new(Role::Client, limits),
        };
        peer.expect("subscribed").await;
        peer
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.done.cancel();
    }
}

/// The client's side.
struct Peer {
    stream: TcpStream,
    inbox: BytesMut,
    decoder: Decoder,
}

impl Peer {
    /// Sends these commands in one piece.
    async fn send(&mut self, commands: &[&str]) {
        let mut bytes = Vec::new();
        for command in commands {
            masked::text(command.as_bytes(), [1, 2, 3, 4], &mut bytes);
        }
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn hear(&mut self) -> Incoming {
        loop {
            if let Some(incoming) = self.decoder.decode(&mut self.inbox).unwrap() {
                return incoming;
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.inbox));
            let read = read.await.expect("it should have come by now");
            assert_ne!(read.unwrap(), 0, "hung up");
        }
    }

    /// The next message, which must be of this type.
    async fn expect(&mut self, name: &str) -> OwnedValue {
        let Incoming::Text { bytes, .. } = self.hear().await else {
            panic!("no message of type {name}");
        };
        let message = simd_json::to_owned_value(&mut bytes.to_vec()).unwrap();
        assert_eq!(message.get_str("type"), Some(name), "{message}");
        message
    }
}

/// A token that is its label, and sees kinds like this; all without one.
fn entry(label: &str, kinds: &str) -> String {
    let hash = crate::auth::hash(label);
    format!(
        "[[tokens]]\nlabel = \"{label}\"\nhash = \"{hash}\"\ngrants = [{{ actions = [\"read\", \"replay\"]{kinds} }}]\n"
    )
}

/// Replaces a file, as a careful editor does.
fn rewrite(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

#[tokio::test]
async fn a_subscription_that_the_log_cannot_answer_leaves_the_one_before_it() {
    let stage = Stage::new();
    for slow in ["disconnect", "skip", "catch_up"] {
        let mut peer = stage.subscribe("secret", &format!("slow={slow}")).await;
        stage.append().await;
        let last = peer.expect("event").await.get_i64("cursor").unwrap();
        stage.log.is_broken.store(true, Ordering::SeqCst);
        peer.send(&[BY_TIME]).await;
        let error = peer.expect("error").await;
        assert_eq!(error.get_str("code"), Some("log_unavailable"));
        stage.log.is_broken.store(false, Ordering::SeqCst);
        stage.append().await;
        let next = peer.expect("event").await.get_i64("cursor");
        assert_eq!(next, Some(last + 1), "{slow}");
    }
}

#[tokio::test]
async fn who_is_revoked_while_a_command_waits_has_no_other_acted_on() {
    let (stage, path) = Stage::with_file(&entry("gone", ""));
    let mut busy = stage.subscribe("gone", "").await;
    let mut idle = stage.subscribe("gone", "").await;
    stage.log.seeks.hold();
    let ping = r#"{"type":"ping"}"#;
    busy.send(&[BY_TIME, ping, ping]).await;
    stage.log.seeks.begun(1).await;
    rewrite(&path, &[&*entry("gone", ""), REVOKED].concat());
    // All of a shard are told together.
    assert!(matches!(idle.hear().await, Incoming::Close(_)));
    stage.log.seeks.let_go.add_permits(1);
    busy.expect("subscribed").await;
    let Incoming::Close(Some(close)) = busy.hear().await else {
        panic!("acted on a command of somebody who was revoked");
    };
    assert_eq!(close.code, CloseCode::UNAUTHORISED);
}

#[tokio::test]
async fn subscriptions_by_time_wait_their_turn_as_pages_do() {
    const CLIENTS: usize = 40;
    let stage = Stage::new();
    let mut peers = Vec::new();
    for _ in 0..CLIENTS {
        peers.push(stage.subscribe("secret", "").await);
    }
    stage.log.seeks.hold();
    for peer in &mut peers {
        peer.send(&[BY_TIME]).await;
    }
    stage.log.seeks.begun(READS).await;
    for _ in READS as usize..CLIENTS {
        stage.log.seeks.let_go.add_permits(1);
        stage.log.seeks.begun(1).await;
    }
    stage.log.seeks.let_go.add_permits(READS as usize);
    for peer in &mut peers {
        peer.expect("subscribed").await;
    }
    assert_eq!(stage.log.seeks.most.load(Ordering::SeqCst), READS as usize);
}

/// Somebody who comes in to a stream, as they are let in by `looking`.
async fn come_in(stage: &Stage, looking: &Looking, query: &str) -> Result<Place, Refusal> {
    let subscription = query::subscription(query).unwrap();
    let admission = stage.auth.admit_token("secret").await?;
    let place = looking.place(&*stage.log, &admission.principal, subscription);
    place.await
}

#[tokio::test]
async fn who_comes_in_by_time_waits_their_turn_and_others_come_in_at_once() {
    const CLIENTS: usize = 10;
    const TURNS: usize = 2;
    const BY_TIME: &str = "cursor=2020-01-01T00:00:00Z";
    let stage = Arc::new(Stage::new());
    let looking = Arc::new(Looking::new(TURNS, PATIENCE));
    stage.log.seeks.hold();
    let mut coming = JoinSet::new();
    for _ in 0..CLIENTS {
        let (stage, looking) = (Arc::clone(&stage), Arc::clone(&looking));
        coming.spawn(async move { come_in(&stage, &looking, BY_TIME).await.map(drop) });
    }
    stage.log.seeks.begun(2).await;
    for query in ["", "cursor=0", "cursor=earliest"] {
        come_in(&stage, &looking, query).await.unwrap();
    }
    for _ in TURNS..CLIENTS {
        stage.log.seeks.let_go.add_permits(1);
        stage.log.seeks.begun(1).await;
    }
    stage.log.seeks.let_go.add_permits(TURNS);
    let came = coming.join_all().await;
    assert!(came.iter().all(Result::is_ok));
    assert_eq!(stage.log.seeks.most.load(Ordering::SeqCst), TURNS);
}

#[tokio::test]
async fn who_comes_in_and_gets_no_turn_in_time_is_told_that_the_log_is_busy() {
    let stage = Stage::new();
    let looking = Looking::new(0, Duration::ZERO);
    let refused = come_in(&stage, &looking, "cursor=2020-01-01T00:00:00Z").await;
    assert_eq!(refused.unwrap_err().status().1, "busy");
    come_in(&stage, &looking, "").await.unwrap();
}

#[tokio::test]
async fn who_is_granted_less_is_given_nothing_more_while_they_wait_for_the_log() {
    let file = |kinds: &str| {
        let others = ["all", "gone"].map(|label| entry(label, ""));
        [&*entry("less", kinds), &*others.concat()].concat()
    };
    let (stage, path) = Stage::with_file(&file(""));
    let mut less = stage.subscribe("less", "").await;
    let mut all = stage.subscribe("all", "").await;
    let mut gone = stage.subscribe("gone", "").await;
    stage.append().await;
    for peer in [&mut less, &mut all, &mut gone] {
        peer.expect("event").await;
    }
    stage.log.pages.hold();
    let mut readers = Vec::new();
    for _ in 0..READS {
        readers.push(stage.subscribe("all", "cursor=0").await);
    }
    stage.log.pages.begun(READS).await;
    let narrowed = file(", kinds = [\"b\"]");
    rewrite(&path, &[&*narrowed, REVOKED].concat());
    // All of a shard are told together.
    assert!(matches!(gone.hear().await, Incoming::Close(_)));
    for kind in ["a", "b"] {
        stage.append_of(kind).await;
        all.expect("event").await;
    }
    stage.log.pages.let_go.add_permits(100);
    less.expect("authorised").await;
    let event = less.expect("event").await;
    assert_eq!(event.get_str("kind"), Some("b"));
}

/// One try at revoking somebody whose other token waits for a server of keys that does not answer: whether they are closed
/// before that is given up.
async fn is_closed_before_keys_are_given_up() -> bool {
    let keys = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = keys.local_addr().unwrap();
    let issuer = format!(
        "[[jwt]]\nissuer = \"i\"\naudience = \"a\"\nalgorithms = [\"EdDSA\"]\njwks = \"http://{address}\"\n"
    );
    let (stage, path) = Stage::with_file(&[&*entry("gone", ""), &issuer].concat());
    let mut gone = stage.subscribe("gone", "").await;
    let _unanswered = tokio::time::timeout(PATIENCE, keys.accept()).await.unwrap();
    let [header, claims] =
        [r#"{"alg":"EdDSA","kid":"k"}"#, r#"{"iss":"i"}"#].map(|part| URL_SAFE_NO_PAD.encode(part));
    let auth = format!(r#"{{"type":"auth","token":"{header}.{claims}.AAAA"}}"#);
    gone.send(&[&auth]).await;
    rewrite(&path, &[&*entry("gone", ""), &issuer, REVOKED].concat());
    matches!(gone.hear().await, Incoming::Close(_))
}

#[tokio::test]
async fn who_is_revoked_while_another_token_of_theirs_waits_for_its_keys_is_closed_at_once() {
    // On a machine that is too busy to look at the file before keys are given up, another try tells.
    for _ in 0..5 {
        if is_closed_before_keys_are_given_up().await {
            return;
        }
    }
    panic!("it was given up each time");
}
