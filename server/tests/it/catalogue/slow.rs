//! Whoever is slow, or only takes up room: ended in time, and at a bounded cost.
//!
//! Deadlines are short here and awaited, never slept through: the end of the connection is the event.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use jiff::Timestamp;
use simd_json::prelude::*;
use tempfile::TempDir;
use todoki::auth::Auth;
use todoki::hub::Hub;
use todoki::hub::shard::Settings;
use todoki::listen::Deadlines;
use todoki::log::{
    AppendError, Bounds, Embedded, Facets, Histogram, Log, Options, Page, PageRequest, ReadError,
};
use todoki::subscriber::Arrival;
use todoki::subscriber::access::Access;
use todoki::subscriber::pace::Inbound;
use todoki::subscriber::place::place;
use todoki_codec::frame::CloseCode;
use todoki_codec::{Cursor, Draft, Filter, Windows, decode, query};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::frames::frame;
use super::row::{Request, emit_request};
use super::upgrade::handshake;
use crate::harness::{Answer, TestServer};

/// A deadline in these tests.
const SHORT: Duration = Duration::from_millis(300);

/// Sooner than any deadline that a server has when nobody shortens it.
const SOON: Duration = Duration::from_secs(8);

/// The pace of a client that never stops and never gets far.
const DRIP: Duration = Duration::from_millis(20);

/// Far more than every buffer between a server and a client that reads nothing.
const LARGE_EVENTS: usize = 12;

async fn hurried(change: impl FnOnce(&mut Deadlines)) -> TestServer {
    TestServer::start_with(|config| change(&mut config.deadlines)).await
}

async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(SOON, future)
        .await
        .expect("the server should have ended it by now")
}

/// All that comes until the server ends the connection, in whichever way.
async fn heard_until_the_end(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    // A reset is an end as well; what came before it counts.
    soon(stream.read_to_end(&mut heard)).await.ok();
    String::from_utf8_lossy(&heard).into_owned()
}

/// Sends the start at once and then byte after byte, until the server has had enough.
async fn dripped(server: &TestServer, start: Vec<u8>, byte: u8) -> String {
    let (mut reader, mut writer) = server.connect().await.into_split();
    writer.write_all(&start).await.unwrap();
    let dripping = async {
        let mut pace = tokio::time::interval(DRIP);
        while writer.write_all(&[byte]).await.is_ok() {
            pace.tick().await;
        }
        // Refused bytes are not the end of what the server says.
        std::future::pending().await
    };
    let mut heard = Vec::new();
    let ended = async {
        tokio::select! {
            ended = reader.read_to_end(&mut heard) => ended.ok(),
            never = dripping => never,
        }
    };
    soon(ended).await;
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let server = hurried(|deadlines| deadlines.head = SHORT).await;
    for start in [
        "",
        "GET /heal",
        "GET /health HTTP/1.1\r\n",
        "GET /health HTTP/1.1\r\nHost: it\r\nX-Slow: ye",
    ] {
        let mut stream = server.connect().await;
        stream.write_all(start.as_bytes()).await.unwrap();
        assert_eq!(heard_until_the_end(&mut stream).await, "", "{start:?}");
    }
}

#[tokio::test]
async fn a_head_that_drips_ends_the_connection() {
    let server = hurried(|deadlines| deadlines.head = SHORT).await;
    let start = b"GET /health HTTP/1.1\r\nHost: it\r\nX-Slow: ".to_vec();
    assert_eq!(dripped(&server, start, b'y').await, "");
    assert_eq!(dripped(&server, Vec::new(), b'G').await, "");
}

#[tokio::test]
async fn a_connection_that_asks_no_more_is_closed() {
    let server = hurried(|deadlines| deadlines.head = SHORT).await;
    let mut stream = server.connect().await;
    let request = Request::get("/health").kept_alive();
    stream.write_all(&request).await.unwrap();
    let heard = heard_until_the_end(&mut stream).await;
    assert_eq!(Answer::parse(&heard).status, 200);
}

#[tokio::test]
async fn a_body_that_drips_is_answered_408() {
    let server = hurried(|deadlines| deadlines.body = SHORT).await;
    let declared = emit_request().header("Content-Length: 100000");
    let chunked = emit_request()
        .header("Transfer-Encoding: chunked")
        .tail("fffff\r\n");
    for request in [declared, chunked] {
        let answer = Answer::parse(&dripped(&server, request.kept_alive(), b' ').await);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (408, "body_timeout")
        );
        assert_eq!(answer.header("connection"), Some("close"));
        let detail = answer.json().get_str("detail").unwrap().to_owned();
        assert!(detail.ends_with("within 300ms"), "{detail}");
    }
    assert_eq!(server.get("/api/event-bus/latest").await.body, "0");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_408() {
    let server = hurried(|deadlines| deadlines.body = SHORT).await;
    let mut stream = server.connect().await;
    let request = emit_request().header("Content-Length: 9").kept_alive();
    stream.write_all(&request).await.unwrap();
    let answer = Answer::parse(&heard_until_the_end(&mut stream).await);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (408, "body_timeout")
    );
}

/// Most programs look for an answer only once they have sent everything, and a reset takes the answer with it.
#[tokio::test]
async fn who_sends_everything_first_still_reads_why_it_is_refused() {
    let server = TestServer::start().await;
    let mut stream = server.connect().await;
    let request = emit_request().body(vec![b' '; 16 << 20]).kept_alive();
    soon(stream.write_all(&request)).await.unwrap();
    let mut heard = String::new();
    soon(stream.read_to_string(&mut heard)).await.unwrap();
    let answer = Answer::parse(&heard);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (413, "body_too_large")
    );
}

/// A server that has much to tell, and room for one connection.
async fn with_room_for_one(change: impl FnOnce(&mut Deadlines)) -> TestServer {
    let server = TestServer::start().await;
    for _ in 0..LARGE_EVENTS {
        server.emit(&super::emit::sized(200 << 10)).await;
    }
    let data = server.stop().await;
    TestServer::start_in(data, |config| {
        config.max_connections = 1;
        change(&mut config.deadlines);
    })
    .await
}

/// Connects with little room to receive, and asks.
async fn asked_without_reading(server: &TestServer, request: Vec<u8>) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    stream.write_all(&request).await.unwrap();
    stream
}

/// Waits until another connection finds room, which says that the one before it is gone.
async fn until_there_is_room(server: &TestServer) {
    let asked = async || {
        let mut stream = server.connect().await;
        stream.write_all(&Request::get("/livez").bytes()).await.ok();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.ok();
        heard.starts_with(b"HTTP/1.1 200")
    };
    soon(async {
        while !asked().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_replay_that_nobody_takes_is_cut_off() {
    let server = with_room_for_one(|deadlines| deadlines.write_stall = SHORT).await;
    let request = Request::new("POST", "/api/event-bus/replay").bytes();
    let mut stream = asked_without_reading(&server, request).await;
    until_there_is_room(&server).await;
    let heard = heard_until_the_end(&mut stream).await;
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard:.100}");
    assert!(
        !heard.ends_with("0\r\n\r\n"),
        "a part must not look like the whole"
    );
}

#[tokio::test]
async fn a_subscriber_that_takes_nothing_is_cut_off() {
    let server = with_room_for_one(|deadlines| deadlines.write_stall = SHORT).await;
    let request = handshake("/ws/event-bus?cursor=0").kept_alive();
    let mut stream = asked_without_reading(&server, request).await;
    until_there_is_room(&server).await;
    let heard = heard_until_the_end(&mut stream).await;
    assert!(heard.starts_with("HTTP/1.1 101"), "{heard:.100}");
    assert!(
        heard.len() < LARGE_EVENTS * (200 << 10) / 2,
        "{} bytes",
        heard.len()
    );
}

#[tokio::test]
async fn a_client_that_asks_and_does_not_listen_is_cut_off() {
    let server = with_room_for_one(|deadlines| deadlines.write_stall = SHORT).await;
    let request = handshake("/ws/event-bus").kept_alive();
    let mut stream = asked_without_reading(&server, request).await;
    let asking = async {
        // Once nobody reads them the pings fill every buffer on their way, and then this waits.
        let pings = frame(0x89, &[b'x'; 125]).repeat(100);
        while stream.write_all(&pings).await.is_ok() {}
    };
    soon(asking).await;
    until_there_is_room(&server).await;
}

/// Counts the bytes of events that it hands out.
struct Counting {
    log: Embedded,
    bytes: AtomicUsize,
}

impl Log for Counting {
    async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Cursor>, AppendError> {
        self.log.append(drafts).await
    }

    async fn page(&self, request: PageRequest) -> Result<Page, ReadError> {
        let page = self.log.page(request).await?;
        let bytes = page.events.iter().map(|event| event.json.len()).sum();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(page)
    }

    fn new_kinds(&self, drafts: &[Draft]) -> usize {
        self.log.new_kinds(drafts)
    }

    fn bounds(&self) -> Bounds {
        self.log.bounds()
    }

    async fn seek(&self, time: Timestamp) -> Result<Cursor, ReadError> {
        self.log.seek(time).await
    }

    async fn histogram(&self, filter: Filter, windows: Windows) -> Result<Histogram, ReadError> {
        self.log.histogram(filter, windows).await
    }

    async fn facets(&self, filter: Filter, limit: usize) -> Result<Facets, ReadError> {
        self.log.facets(filter, limit).await
    }

    async fn trim(&self, through: Cursor) -> Result<(), AppendError> {
        self.log.trim(through).await
    }
}

async fn counting(data: &TempDir) -> Counting {
    let options = Options::default();
    let log = Embedded::open(data.path(), &options, Box::new(|_| ())).unwrap();
    for _ in 0..LARGE_EVENTS {
        let body = super::emit::sized(200 << 10).into();
        match decode::emit(&body, decode::Form::Json).unwrap() {
            decode::Emit::One(draft) => log.append(vec![draft]).await.unwrap(),
            decode::Emit::Batch(_) => unreachable!("it is one draft"),
        };
    }
    Counting {
        log,
        bytes: AtomicUsize::new(0),
    }
}

#[tokio::test]
async fn a_subscriber_that_takes_nothing_costs_a_page_or_two() {
    let data = tempfile::tempdir().unwrap();
    let log = Arc::new(counting(&data).await);
    let (hub, unstarted) = Hub::new(1);
    let (stop, done) = (CancellationToken::new(), CancellationToken::new());
    let settings = Settings {
        coalesce: Duration::ZERO,
        heartbeat: Duration::from_secs(30),
        write_stall: SHORT,
        inbound: Inbound::UNLIMITED,
    };
    let auth = Arc::new(Auth::new("secret"));
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
    let (_takes_nothing, stream) = pair().await;
    let tasks = TaskTracker::new();
    let subscription = query::subscription("cursor=0").unwrap();
    let admission = auth.admit_token("secret").await.unwrap();
    let place = place(&*log, &admission.principal, subscription, None).await;
    hub.admit(Arrival {
        stream: stream.into(),
        early: BytesMut::new(),
        is_compressed: false,
        place: place.unwrap(),
        access: Access::new(admission, None),
        permit: None,
        token: tasks.token(),
    })
    .await;
    tasks.close();
    soon(tasks.wait()).await;
    let read = log.bytes.load(Ordering::Relaxed);
    assert!(
        (1..=1 << 20).contains(&read),
        "{read} bytes were read for nobody"
    );
    done.cancel();
}

/// Two ends of a connection whose buffers are small.
async fn pair() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(socket.connect(address), listener.accept());
    let server = server.unwrap().0;
    socket2::SockRef::from(&server)
        .set_send_buffer_size(16 << 10)
        .unwrap();
    (client.unwrap(), server.into_std().unwrap())
}

#[tokio::test]
async fn a_client_that_does_not_answer_our_close_is_left() {
    let server = TestServer::start().await;
    let mut client = server.subscribe("").await;
    client.expect("subscribed").await;
    client.stream.write_all(b"\x81\x00").await.unwrap();
    assert_eq!(client.closed().await.unwrap().code, CloseCode::PROTOCOL);
    assert_eq!(soon(client.hear()).await, None);
}
