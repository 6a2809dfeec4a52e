//! Streams over plain HTTP: server-sent events and lines, over real sockets.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::BytesMut;
use simd_json::OwnedValue;
use simd_json::prelude::*;
use todoki::listen::Deadlines;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{Answer, TOKEN, TestServer, auth_entry, within};

const PATH: &str = "/api/event-bus/stream";
const LINES: &str = "Accept: application/x-ndjson\r\n";
const ONE: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e01";
const OTHER: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e02";

/// The client side of a stream.
pub(crate) struct Streaming {
    pub(crate) head: Answer,
    stream: TcpStream,
    /// As it came, in chunks.
    inbox: BytesMut,
    /// Without them.
    text: BytesMut,
}

/// A block of server-sent events, as a browser takes it apart.
#[derive(Debug, Default, PartialEq)]
struct Sent {
    retry: Option<String>,
    id: Option<String>,
    event: Option<String>,
    data: String,
}

impl Sent {
    fn json(&self) -> OwnedValue {
        simd_json::to_owned_value(&mut self.data.clone().into_bytes()).unwrap()
    }
}

impl Streaming {
    /// A stream, or the answer that refused it.
    pub(crate) async fn open(
        server: &TestServer,
        query: &str,
        headers: &str,
    ) -> Result<Self, Answer> {
        Self::open_on(server.connect().await, query, headers).await
    }

    async fn open_on(mut stream: TcpStream, query: &str, headers: &str) -> Result<Self, Answer> {
        let request = format!("GET {PATH}?{query} HTTP/1.1\r\nHost: it\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut inbox = BytesMut::new();
        let head = loop {
            let read = within(stream.read_buf(&mut inbox)).await.unwrap();
            assert_ne!(read, 0, "closed before an answer");
            if let Some(end) = inbox.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break String::from_utf8(inbox.split_to(end + 4).to_vec()).unwrap();
            }
        };
        let mut head = Answer::parse_head(&head);
        if head.status == 200 {
            return Ok(Self {
                head,
                stream,
                inbox,
                text: BytesMut::new(),
            });
        }
        let length: usize = head.header("content-length").unwrap().parse().unwrap();
        while inbox.len() < length {
            let read = within(stream.read_buf(&mut inbox)).await.unwrap();
            assert_ne!(read, 0, "cut short");
        }
        head.body = String::from_utf8(inbox.to_vec()).unwrap();
        Err(head)
    }

    /// The next chunk's text; false at the end, which must have been said.
    async fn chunk(&mut self) -> bool {
        loop {
            if let Some(end) = self.inbox.windows(2).position(|bytes| bytes == b"\r\n") {
                let size = std::str::from_utf8(&self.inbox[..end]).unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                if self.inbox.len() >= end + 2 + size + 2 {
                    let chunk = self.inbox.split_to(end + 2 + size + 2);
                    self.text.extend_from_slice(&chunk[end + 2..][..size]);
                    return size > 0;
                }
            }
            let read = within(self.stream.read_buf(&mut self.inbox)).await.unwrap();
            assert_ne!(read, 0, "cut off before its end");
        }
    }

    /// The next line; `None` at the end.
    pub(crate) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                let line = self.text.split_to(end + 1);
                return Some(String::from_utf8(line[..end].to_vec()).unwrap());
            }
            if !self.chunk().await {
                assert!(self.text.is_empty(), "it ends with a line");
                return None;
            }
        }
    }

    /// The next block of server-sent events; `None` at the end.
    async fn sent(&mut self) -> Option<Sent> {
        let mut sent = Sent::default();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Some(sent);
            }
            let (field, value) = line.split_once(": ").unwrap();
            match field {
                "retry" => sent.retry = Some(value.into()),
                "id" => sent.id = Some(value.into()),
                "event" => sent.event = Some(value.into()),
                "data" => {
                    assert!(sent.data.is_empty(), "one line of data");
                    sent.data = value.into();
                }
                other => panic!("no field {other}"),
            }
        }
    }

    /// The next message of a stream of lines.
    pub(crate) async fn message(&mut self) -> OwnedValue {
        let line = self.line().await.expect("the stream ended");
        simd_json::to_owned_value(&mut line.into_bytes()).unwrap()
    }

    /// The next message of a stream of lines, which must be of this type.
    pub(crate) async fn expect(&mut self, name: &str) -> OwnedValue {
        let message = self.message().await;
        assert_eq!(message.get_str("type"), Some(name), "{message}");
        message
    }

    /// The cursors of the next events of a stream of lines.
    pub(crate) async fn cursors(&mut self, count: usize) -> Vec<i64> {
        let mut cursors = Vec::new();
        while cursors.len() < count {
            cursors.push(self.expect("event").await.get_i64("cursor").unwrap());
        }
        cursors
    }
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A stream that must be let in, with these headers besides the token.
async fn stream(server: &TestServer, query: &str, headers: &str) -> Streaming {
    let headers = format!("{}{headers}", bearer(TOKEN));
    let opened = Streaming::open(server, query, &headers).await;
    opened.unwrap_or_else(|answer| panic!("{} {}", answer.status, answer.body))
}

/// The answer to what must be refused.
async fn refusal(server: &TestServer, query: &str, headers: &str) -> (u16, String) {
    let answer = Streaming::open(server, query, headers).await.err();
    let answer = answer.expect("refused");
    (answer.status, answer.code())
}

fn drafts(kind: &str, count: usize) -> String {
    let draft = format!("{{\"kind\":\"{kind}\",\"data\":{{\"n\":1}}}}");
    format!("[{}]", vec![draft; count].join(","))
}

#[tokio::test]
async fn a_browser_is_sent_history_and_what_comes_as_events_with_ids() {
    let server = TestServer::start().await;
    server
        .emit("{\"kind\":\"task.created\",\"data\":{\n\"n\":\r\n 1}}")
        .await;
    server.emit(&drafts("agent.output", 1)).await;
    let mut stream = stream(&server, "cursor=0&kinds=task.*", "").await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
        ("x-content-type-options", "nosniff"),
        ("vary", "Origin"),
    ] {
        assert_eq!(stream.head.header(name), Some(value), "{name}");
    }
    let opening = stream.sent().await.unwrap();
    assert_eq!(opening.retry.as_deref(), Some("1000"));
    assert_eq!(
        (opening.event.as_deref(), &opening.id),
        (Some("subscribed"), &None)
    );
    let subscribed = opening.json();
    assert_eq!(subscribed["kinds"].encode(), r#"["task.*"]"#);
    assert_eq!(subscribed.get_i64("cursor"), Some(0));
    assert_eq!(subscribed.get_i64("head"), Some(2));
    assert_eq!(subscribed.get_i64("heartbeat_ms"), Some(30_000));
    let epoch = subscribed.get_str("epoch").unwrap().to_owned();
    let stored = stream.sent().await.unwrap();
    assert_eq!(stored.id, Some(format!("{epoch}:1")));
    assert_eq!((stored.retry.as_ref(), stored.event.as_ref()), (None, None));
    assert!(
        stored.data.ends_with(r#""data":{ "n":   1}}"#),
        "{}",
        stored.data
    );
    assert_eq!(stored.json().get_str("type"), Some("event"));
    let complete = stream.sent().await.unwrap();
    assert_eq!(complete.event.as_deref(), Some("replay_complete"));
    assert_eq!(
        complete.data,
        r#"{"type":"replay_complete","cursor":2,"count":1}"#
    );
    server.emit(&drafts("agent.output", 2)).await;
    server.emit(&drafts("task.done", 1)).await;
    let live = stream.sent().await.unwrap();
    assert_eq!(live.id, Some(format!("{epoch}:5")));
    assert_eq!(live.json().get_str("kind"), Some("task.done"));
}

#[tokio::test]
async fn whoever_accepts_lines_is_sent_the_messages_of_the_websocket_a_line_each() {
    let server = TestServer::start().await;
    server.emit(&drafts("a", 2)).await;
    let mut stream = stream(&server, "cursor=1", LINES).await;
    assert_eq!(
        stream.head.header("content-type"),
        Some("application/x-ndjson")
    );
    let mut socket = server.subscribe("cursor=1").await;
    let told = stream.expect("subscribed").await;
    let by_socket = socket.expect("subscribed").await;
    for name in [
        "kinds",
        "cursor",
        "epoch",
        "earliest",
        "head",
        "heartbeat_ms",
    ] {
        assert_eq!(told[name], by_socket[name], "{name}");
    }
    server.emit("{\"kind\":\"b\",\"data\":{\"n\":1e400}}").await;
    for _ in 0..3 {
        let line = stream.line().await.unwrap();
        assert_eq!(line.as_bytes(), socket.text().await);
    }
}

#[tokio::test]
async fn without_a_cursor_a_stream_begins_with_what_comes() {
    let server = TestServer::start().await;
    server.emit(&drafts("a", 3)).await;
    for query in ["", "cursor=head"] {
        let mut stream = stream(&server, query, LINES).await;
        let subscribed = stream.expect("subscribed").await;
        let cursor = subscribed.get_i64("cursor").unwrap();
        server.emit(&drafts("a", 1)).await;
        assert_eq!(stream.cursors(1).await, [cursor + 1]);
    }
}

/// Many streams begin anywhere while events keep coming: each has exactly what it asked for.
#[tokio::test]
async fn history_meets_what_comes_without_a_gap_or_a_duplicate() {
    const EVENTS: i64 = 6000;
    const BATCH: i64 = 20;
    let server = TestServer::start().await;
    let emitting = async {
        let batch = drafts("a", 20);
        for _ in 0..EVENTS / BATCH {
            server.emit(&batch).await;
        }
    };
    let following = async |comes_at: i64| {
        let begin = comes_at / 2;
        while server.get("/api/event-bus/latest").await.json().as_i64() < Some(comes_at) {}
        let mut stream = stream(&server, &format!("cursor={begin}"), LINES).await;
        let head = stream.expect("subscribed").await.get_i64("head").unwrap();
        let (mut next, mut replayed) = (begin + 1, None);
        while next <= EVENTS || replayed.is_none() {
            let line = stream.line().await.unwrap();
            let message = simd_json::to_owned_value(&mut line.into_bytes()).unwrap();
            if message.get_str("type") == Some("replay_complete") {
                assert_eq!(message.get_i64("cursor"), Some(head));
                assert_eq!(next, head + 1, "it comes right behind what was stored");
                replayed = message.get_i64("count");
            } else {
                assert_eq!(message.get_i64("cursor"), Some(next), "{message}");
                next += 1;
            }
        }
        assert_eq!(replayed, Some(head - begin));
    };
    let all = async {
        tokio::join!(
            following(0),
            following(700),
            following(2000),
            following(3500),
            following(5000)
        )
    };
    within(Box::pin(async { tokio::join!(emitting, all) })).await;
}

#[tokio::test]
async fn a_browser_that_reconnects_goes_on_after_its_last_event() {
    let server = TestServer::start().await;
    server.emit(&drafts("a", 5)).await;
    let mut first = stream(&server, "cursor=0", "").await;
    first.sent().await.unwrap();
    let mut id = None;
    for _ in 0..3 {
        id = first.sent().await.unwrap().id;
    }
    drop(first);
    // It repeats its address, and the id counts.
    let resumed = format!("{LINES}Last-Event-ID: {}\r\n", id.unwrap());
    let mut again = stream(&server, "cursor=0", &resumed).await;
    assert_eq!(again.expect("subscribed").await.get_i64("cursor"), Some(3));
    assert_eq!(again.cursors(2).await, [4, 5]);
    again.expect("replay_complete").await;
}

#[tokio::test]
async fn a_position_of_another_history_is_told_as_a_gap() {
    let server = TestServer::start().await;
    server.emit(&drafts("a", 5)).await;
    let of_another = format!("{LINES}Last-Event-ID: {ONE}:2\r\n");
    for (query, headers, requested) in [("", &*of_another, 2), ("cursor=9", LINES, 9)] {
        let mut stream = stream(&server, query, headers).await;
        let subscribed = stream.expect("subscribed").await;
        assert_eq!(subscribed.get_i64("cursor"), Some(requested));
        let gap = stream.expect("gap").await;
        assert_eq!(gap.get_str("reason"), Some("ahead"));
        let told = ["requested", "resume_at", "earliest", "head"];
        let told = told.map(|name| gap.get_i64(name).unwrap());
        let head = subscribed.get_i64("head").unwrap();
        assert_eq!(told, [requested, head, 1, head]);
        stream.expect("replay_complete").await;
        server.emit(&drafts("a", 1)).await;
        assert_eq!(stream.cursors(1).await, [head + 1]);
    }
}

#[tokio::test]
async fn what_a_stream_cannot_be_asked_for_is_refused_by_name() {
    let server = TestServer::start().await;
    let token = bearer(TOKEN);
    for query in [
        "slow=skip",
        "encoding=lines",
        "kind=a",
        "cursor=-1",
        "limit=1",
    ] {
        let refused = refusal(&server, query, &token).await;
        assert_eq!(refused, (400, "invalid_parameter".into()), "{query}");
    }
    for id in ["", "7", "x:7", &format!("{ONE}:x"), &format!("{ONE}:1 ,")] {
        let headers = format!("{token}Last-Event-ID: {id}\r\n");
        let refused = refusal(&server, "", &headers).await;
        assert_eq!(refused, (400, "invalid_header".into()), "{id:?}");
    }
    let twice = format!("{token}Last-Event-ID: {ONE}:1\r\nLast-Event-ID: {ONE}:1\r\n");
    assert_eq!(refusal(&server, "", &twice).await.0, 400);
    for headers in ["", "Authorization: Bearer wrong\r\n"] {
        assert_eq!(
            refusal(&server, "", headers).await,
            (401, "unauthorised".into())
        );
    }
}

#[tokio::test]
async fn a_stream_has_the_methods_of_what_is_read() {
    let server = TestServer::start().await;
    let options = server.request("OPTIONS", PATH, "", "").await;
    assert_eq!(options.header("allow"), Some("GET, HEAD, OPTIONS"));
    let post = server.request("POST", PATH, "", "").await;
    assert_eq!((post.status, &*post.code()), (405, "method_not_allowed"));
    let head = format!(
        "HEAD {PATH} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n{}\r\n",
        bearer(TOKEN)
    );
    let head = server.raw(head).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains("content-type: text/event-stream\r\n"));
    assert!(head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn a_silent_stream_has_heartbeats_whose_cursor_is_a_watermark() {
    let server =
        TestServer::start_with(|config| config.heartbeat = Duration::from_millis(100)).await;
    let mut stream = stream(&server, "kinds=a", LINES).await;
    let subscribed = stream.expect("subscribed").await;
    assert_eq!(subscribed.get_i64("heartbeat_ms"), Some(100));
    assert_eq!(stream.expect("ping").await.get_i64("cursor"), Some(0));
    server.emit(&drafts("b", 3)).await;
    // Those are none of its own, so that it passes them by.
    let passed = async { while stream.expect("ping").await.get_i64("cursor") != Some(3) {} };
    within(passed).await;
}

#[tokio::test]
async fn a_server_that_stops_tells_its_streams_and_ends_them() {
    let server = TestServer::start().await;
    server.emit(&drafts("a", 1)).await;
    let mut lines = stream(&server, "cursor=0", LINES).await;
    let mut events = stream(&server, "", "").await;
    lines.expect("subscribed").await;
    events.sent().await.unwrap();
    assert_eq!(lines.cursors(1).await, [1]);
    lines.expect("replay_complete").await;
    server.drain();
    let drain = lines.expect("drain").await;
    assert_eq!(drain.get_i64("reconnect_after_ms"), Some(1000));
    assert_eq!(lines.line().await, None);
    assert_eq!(events.sent().await.unwrap().event.as_deref(), Some("drain"));
    assert_eq!(events.sent().await, None);
    drop((lines, events));
    server.stop().await;
}

async fn streams(server: &TestServer) -> u64 {
    let metrics = server.get("/metrics").await.body;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("todoki_streams "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_stream_lasts_as_long_as_its_client() {
    let server =
        TestServer::start_with(|config| config.heartbeat = Duration::from_millis(100)).await;
    assert_eq!(streams(&server).await, 0);
    let mut one = stream(&server, "", LINES).await;
    one.expect("subscribed").await;
    let other = stream(&server, "", "").await;
    assert_eq!(streams(&server).await, 2);
    drop((one, other));
    within(async { while streams(&server).await != 0 {} }).await;
}

/// More than every buffer between a server and a client that reads nothing.
async fn flood(server: &TestServer, events: usize) {
    let mut large = String::new();
    write!(
        large,
        "{{\"kind\":\"a\",\"data\":{{\"x\":\"{}\"}}}}",
        "y".repeat(200_000)
    )
    .unwrap();
    for _ in 0..events {
        server.emit(&large).await;
    }
}

#[tokio::test]
async fn a_slow_client_slows_nobody_else_and_misses_nothing() {
    const EVENTS: u8 = 60;
    let server = TestServer::start().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    let connection = socket.connect(server.address).await.unwrap();
    let headers = format!("{}{LINES}", bearer(TOKEN));
    let slow = Streaming::open_on(connection, "", &headers).await;
    let mut slow = slow.ok().unwrap();
    let mut quick = stream(&server, "", LINES).await;
    quick.expect("subscribed").await;
    let all: Vec<_> = (1..=i64::from(EVENTS)).collect();
    let count = usize::from(EVENTS);
    let (cursors, ()) = tokio::join!(quick.cursors(count), flood(&server, count));
    assert_eq!(cursors, all, "while the other takes nothing");
    slow.expect("subscribed").await;
    assert_eq!(slow.cursors(count).await, all);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off() {
    let server = TestServer::start_with(|config| {
        config.deadlines = Deadlines {
            write_stall: Duration::from_millis(300),
            ..Deadlines::default()
        };
    })
    .await;
    let stalled = stream(&server, "", LINES).await;
    flood(&server, 60).await;
    within(async { while streams(&server).await != 0 {} }).await;
    drop(stalled);
}

#[tokio::test]
async fn a_stream_gives_what_its_grants_allow_and_names_no_other_position() {
    let grants = format!(
        "grants = [{{ actions = [\"read\", \"replay\"], kinds = [\"task.*\"], where = {{ project_id = [\"{ONE}\"] }} }}]"
    );
    let server = TestServer::start_with_auth(&auth_entry("one", "one", &grants)).await;
    let draft = |kind: &str, project: &str| {
        format!(r#"{{"kind":"{kind}","project_id":"{project}","data":{{}}}}"#)
    };
    server.emit(&draft("task.a", OTHER)).await;
    server.emit(&draft("task.a", ONE)).await;
    server.emit(&draft("agent.a", ONE)).await;
    let headers = format!("{}{LINES}", bearer("one"));
    let opened = Streaming::open(&server, "cursor=0", &headers).await;
    let mut history = opened.ok().unwrap();
    let subscribed = history.expect("subscribed").await;
    assert_eq!(subscribed["kinds"].encode(), r#"["task.*"]"#);
    assert_eq!(subscribed.get_i64("head"), Some(2), "the newest of its own");
    assert_eq!(history.cursors(1).await, [2]);
    let complete = history.expect("replay_complete").await;
    assert_eq!(
        (complete.get_i64("cursor"), complete.get_i64("count")),
        (Some(2), Some(1))
    );
    let opened = Streaming::open(&server, "", &headers).await;
    let mut live = opened.ok().unwrap();
    assert_eq!(live.expect("subscribed").await.get_i64("cursor"), Some(2));
    server.emit(&draft("task.b", OTHER)).await;
    server.emit(&draft("task.b", ONE)).await;
    assert_eq!(live.cursors(1).await, [5]);
    assert_eq!(history.cursors(1).await, [5]);
    let refused = refusal(&server, "kinds=agent.*", &headers).await;
    assert_eq!(refused, (403, "forbidden".into()));
}

#[tokio::test]
async fn the_heartbeat_of_whoever_is_restricted_names_their_last_event() {
    let grants = "grants = [{ actions = [\"read\", \"replay\"], kinds = [\"a\"] }]";
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("auth.toml");
    std::fs::write(&path, auth_entry("one", "one", grants)).unwrap();
    let server = TestServer::start_in(data, |config| {
        config.auth = Some(path);
        config.heartbeat = Duration::from_millis(100);
    })
    .await;
    let headers = format!("{}{LINES}", bearer("one"));
    let mut stream = Streaming::open(&server, "", &headers).await.ok().unwrap();
    stream.expect("subscribed").await;
    server.emit(&drafts("a", 1)).await;
    assert_eq!(stream.cursors(1).await, [1]);
    server.emit(&drafts("b", 3)).await;
    for _ in 0..5 {
        assert_eq!(stream.expect("ping").await.get_i64("cursor"), Some(1));
    }
    server.emit(&drafts("a", 1)).await;
    let arrived = async {
        loop {
            let line = stream.line().await.unwrap();
            if line.contains("\"type\":\"event\"") {
                assert!(line.contains("\"cursor\":5"), "{line}");
                return;
            }
        }
    };
    within(arrived).await;
}

/// `read` is what comes, `replay` what is stored, and a stream that begins in history needs both.
#[tokio::test]
async fn history_is_for_those_who_may_replay() {
    let grants = "grants = [{ actions = [\"read\"] }]";
    let server = TestServer::start_with_auth(&auth_entry("now", "now", grants)).await;
    server.emit(&drafts("a", 1)).await;
    let headers = format!("{}{LINES}", bearer("now"));
    for query in ["cursor=0", "cursor=earliest", "cursor=2026-01-01T00:00:00Z"] {
        let refused = refusal(&server, query, &headers).await;
        assert_eq!(refused, (403, "forbidden".into()), "{query}");
    }
    let mut stream = Streaming::open(&server, "", &headers).await.ok().unwrap();
    stream.expect("subscribed").await;
    server.emit(&drafts("a", 1)).await;
    assert_eq!(stream.cursors(1).await, [2]);
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let server =
        TestServer::start_with_auth(&auth_entry("ci", "secret", "role = \"viewer\"")).await;
    let headers = format!("{}{LINES}", bearer("secret"));
    let mut stream = Streaming::open(&server, "", &headers).await.ok().unwrap();
    stream.expect("subscribed").await;
    server.write_auth(&auth_entry("next", "next", "role = \"viewer\""));
    let error = stream.expect("error").await;
    assert_eq!(error.get_str("code"), Some("unauthorised"));
    assert_eq!(stream.line().await, None);
    let refused = refusal(&server, "", &headers).await;
    assert_eq!(refused, (401, "unauthorised".into()));
}

#[tokio::test]
async fn a_stream_ends_when_its_token_has_expired() {
    // The leeway is half over, so that the end comes soon, and not before a slow machine has come in.
    let half = jiff::SignedDuration::try_from(todoki::auth::LEEWAY / 2).unwrap();
    let expires = todoki::clock::now() - half;
    let lines = format!("role = \"viewer\"\nexpires = {expires:.0}");
    let server = TestServer::start_with_auth(&auth_entry("ci", "secret", &lines)).await;
    let headers = format!("{}{LINES}", bearer("secret"));
    let mut stream = Streaming::open(&server, "", &headers).await.ok().unwrap();
    stream.expect("subscribed").await;
    // However much comes meanwhile.
    let busy = async {
        loop {
            server.emit(r#"{"kind":"a","data":{}}"#).await;
        }
    };
    let end = async {
        loop {
            let message = stream.message().await;
            if message.get_str("type") != Some("event") {
                return message;
            }
        }
    };
    let error = tokio::select! {
        error = within(end) => error,
        () = busy => unreachable!("it never ends by itself"),
    };
    assert_eq!(error.get_str("code"), Some("unauthorised"));
    assert_eq!(stream.line().await, None);
}

#[tokio::test]
async fn grants_that_change_are_in_force_from_there_on() {
    let entry = |kinds: &str| {
        let grants =
            format!("grants = [{{ actions = [\"read\", \"replay\"], kinds = [{kinds}] }}]");
        auth_entry("ci", "secret", &grants)
    };
    let server = TestServer::start_with_auth(&entry("\"a\", \"b\"")).await;
    let headers = format!("{}{LINES}", bearer("secret"));
    let mut stream = Streaming::open(&server, "kinds=a,b", &headers)
        .await
        .ok()
        .unwrap();
    stream.expect("subscribed").await;
    server.emit(&drafts("a", 1)).await;
    assert_eq!(stream.cursors(1).await, [1]);
    server.write_auth(&entry("\"b\""));
    let mut head = 1;
    // Events of both kinds come until it has the one alone.
    let narrowed = async {
        loop {
            server.emit(&drafts("a", 1)).await;
            server.emit(&drafts("b", 1)).await;
            head += 2;
            let first = stream.expect("event").await;
            if first.get_str("kind") == Some("b") {
                assert_eq!(first.get_i64("cursor"), Some(head));
                return;
            }
            assert_eq!(stream.cursors(1).await, [head]);
        }
    };
    within(narrowed).await;
    server.write_auth(&entry("\"c\""));
    let error = stream.expect("error").await;
    assert_eq!(error.get_str("code"), Some("forbidden"));
    assert_eq!(stream.line().await, None);
}
