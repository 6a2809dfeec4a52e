//! Metrics: that each number moves as it should and by exactly as much, and that what is exposed is well-formed.

#![expect(
    clippy::float_cmp,
    clippy::cast_precision_loss,
    reason = "metrics are doubles, and counts below 2^53 are exact in them"
)]

mod exposition;

use std::time::Duration;

use exposition::Exposition;
use simd_json::prelude::*;
use todoki_codec::frame::CloseCode;
use todoki_codec::frame::encode::masked;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Answer, Client, TOKEN, TestServer, within};

/// Of an event that is far too large to be lost in the buffers of a socket.
const LARGE_BYTES: usize = 200_000;

fn drafts(kind: &str, count: usize) -> String {
    let draft = format!("{{\"kind\":\"{kind}\",\"data\":{{}}}}");
    format!("[{}]", vec![draft; count].join(","))
}

fn large() -> String {
    let data = "y".repeat(LARGE_BYTES);
    format!("{{\"kind\":\"a\",\"data\":{{\"x\":\"{data}\"}}}}")
}

async fn scrape(server: &TestServer) -> Exposition {
    let answer = server.get("/metrics").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    Exposition::parse(&answer.body)
}

/// Scrapes until a series has this value, which it must come to.
async fn until(server: &TestServer, series: &str, value: f64) -> Exposition {
    within(async {
        loop {
            let scrape = scrape(server).await;
            if scrape.value(series) == value {
                return scrape;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

async fn subscribed(server: &TestServer, query: &str) -> Client {
    let mut client = server.subscribe(query).await;
    client.expect("subscribed").await;
    client
}

#[tokio::test]
async fn what_is_exposed_is_well_formed_and_keeps_the_promised_names() {
    let server = TestServer::start().await;
    let answer = server.get("/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let scrape = Exposition::parse(&answer.body);
    for (name, kind) in [
        ("websocket_connections_total", "gauge"),
        ("websocket_events_sent_total", "counter"),
        ("websocket_broadcast_lag_seconds", "histogram"),
        ("websocket_reconnections_total", "counter"),
    ] {
        assert_eq!(scrape.kind(name), Some(kind), "{name}");
    }
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        scrape.value(&format!("todoki_build_info{{version=\"{version}\"}}")),
        1.0
    );
    assert!(scrape.value("todoki_shards") >= 1.0);
    let promised = format!("the same {} series", scrape.len());
    let operations = include_str!("../../../docs/OPERATIONS.md");
    assert!(operations.contains(&promised), "{promised}");
}

#[tokio::test]
async fn nobody_is_told_without_the_token_unless_metrics_are_open() {
    let bare = |server: &TestServer| {
        let address = server.address;
        format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
    };
    let server = TestServer::start().await;
    let answer = Answer::parse(&server.raw(bare(&server)).await);
    assert_eq!((answer.status, answer.code()), (401, "unauthorised".into()));
    let server = TestServer::start_with(|config| config.open_metrics = true).await;
    let answer = Answer::parse(&server.raw(bare(&server)).await);
    assert_eq!(answer.status, 200);
    Exposition::parse(&answer.body);
    // Only metrics are open.
    let latest = bare(&server).replace("/metrics", "/api/event-bus/latest");
    assert_eq!(Answer::parse(&server.raw(latest).await).status, 401);
}

#[tokio::test]
async fn events_and_connections_are_counted_exactly() {
    let server = TestServer::start().await;
    let mut all = [
        subscribed(&server, "").await,
        subscribed(&server, "").await,
        subscribed(&server, "encoding=lines").await,
    ];
    let mut some = subscribed(&server, "kinds=b").await;
    let scrape_before = scrape(&server).await;
    assert_eq!(scrape_before.value("websocket_connections_total"), 4.0);
    assert_eq!(
        scrape_before.value("todoki_subscribers{state=\"live\"}"),
        4.0
    );
    assert_eq!(scrape_before.value("todoki_groups"), 3.0);
    assert_eq!(scrape_before.value("websocket_events_sent_total"), 0.0);
    for _ in 0..5 {
        server.emit(&drafts("a", 2)).await;
        server.emit(&drafts("b", 1)).await;
    }
    for client in &mut all[..2] {
        assert_eq!(client.cursors(15).await, (1..=15).collect::<Vec<_>>());
    }
    assert_eq!(some.cursors(5).await, [3, 6, 9, 12, 15]);
    let mut lines = 0;
    while lines < 15 {
        lines += all[2].text().await.split(|byte| *byte == b'\n').count();
    }
    let scrape = scrape(&server).await;
    let deliveries = 3.0 * 15.0 + 5.0;
    assert_eq!(scrape.value("websocket_events_sent_total"), deliveries);
    assert_eq!(
        scrape.value("todoki_events_sent_total{source=\"group\"}"),
        deliveries
    );
    assert_eq!(
        scrape.value("websocket_broadcast_lag_seconds_count"),
        deliveries
    );
    assert_eq!(scrape.value("todoki_write_events_sum"), deliveries);
    let writes = scrape.value("todoki_write_events_count");
    assert!((4.0..=deliveries).contains(&writes), "{writes} writes");
    assert!(scrape.value("todoki_round_seconds_count") >= 1.0);
    assert!(scrape.value("todoki_segment_bytes") > 0.0);
    // In less than a minute each, and in more than no time.
    let lag = scrape.value("websocket_broadcast_lag_seconds_sum") / deliveries;
    assert!(lag > 0.0 && lag < 60.0, "{lag} s");
    for state in ["live", "behind"] {
        assert_eq!(
            scrape.value(&format!("todoki_lag_events{{state=\"{state}\"}}")),
            0.0
        );
    }
}

#[tokio::test]
async fn every_byte_that_a_subscriber_takes_is_counted() {
    let server = TestServer::start().await;
    let mut client = subscribed(&server, "").await;
    let before = scrape(&server).await;
    server.emit(&drafts("a", 20)).await;
    let mut taken = 0;
    let mut room = vec![0; 4096];
    let mut events = 0;
    while events < 20 {
        let bytes = within(client.stream.read(&mut room)).await.unwrap();
        taken += bytes;
        events += memchr::memchr_iter(b'\x81', &room[..bytes]).count();
    }
    // The last frame may have come in two parts.
    let after = scrape(&server).await;
    let bytes = "todoki_written_bytes_total";
    let written = after.value(bytes) - before.value(bytes);
    while (taken as f64) < written {
        taken += within(client.stream.read(&mut room)).await.unwrap();
    }
    assert_eq!(taken as f64, written);
}

#[tokio::test]
async fn a_replay_comes_from_the_log_and_a_resume_is_a_reconnection() {
    let server = TestServer::start().await;
    server.emit(&drafts("a", 100)).await;
    for (query, events, resumed) in [
        ("cursor=0", 100, 0.0),
        ("cursor=earliest", 100, 0.0),
        ("cursor=40", 60, 1.0),
        ("cursor=100", 0, 2.0),
        ("", 0, 2.0),
    ] {
        let before = scrape(&server).await;
        let mut client = subscribed(&server, query).await;
        client.cursors(events).await;
        let after = scrape(&server).await;
        let log = "todoki_events_sent_total{source=\"log\"}";
        assert_eq!(
            after.value(log) - before.value(log),
            events as f64,
            "{query}"
        );
        assert_eq!(
            after.value("websocket_reconnections_total"),
            resumed,
            "{query}"
        );
    }
    let scrape = scrape(&server).await;
    assert_eq!(scrape.value("websocket_events_sent_total"), 260.0);
    // A replay is as late as it was asked for, which says nothing about the server.
    assert_eq!(scrape.value("websocket_broadcast_lag_seconds_count"), 0.0);
    assert_eq!(scrape.value("todoki_catch_up_entries_total"), 0.0);
}

#[tokio::test]
async fn a_stalled_reader_is_seen_to_fall_behind_and_to_catch_up() {
    let server = TestServer::start().await;
    let mut quick = subscribed(&server, "").await;
    let mut stalled = server.subscribe("").await;
    for cursor in 1..=150 {
        server.emit(&large()).await;
        assert_eq!(quick.cursors(1).await, [cursor]);
    }
    let behind = until(&server, "todoki_subscribers{state=\"behind\"}", 1.0).await;
    assert_eq!(behind.value("todoki_catch_up_entries_total"), 1.0);
    assert_eq!(behind.value("todoki_subscribers{state=\"live\"}"), 1.0);
    let lag = behind.value("todoki_lag_events{state=\"behind\"}");
    assert!((10.0..=150.0).contains(&lag), "{lag} events");
    assert_eq!(behind.value("todoki_lag_events_max{state=\"behind\"}"), lag);
    let seconds = behind.value("todoki_lag_seconds{state=\"behind\"}");
    assert!(seconds > 0.0 && seconds < 60.0, "{seconds} s");
    assert!(behind.value("todoki_blocked_writes_total") >= 1.0);
    assert_eq!(behind.value("todoki_lag_seconds_max{state=\"live\"}"), 0.0);
    let mut events = 0;
    let mut states = 0;
    stalled.expect("subscribed").await;
    while events < 150 || states < 2 {
        match stalled.message().await.get_str("type") {
            Some("event") => events += 1,
            Some("lag") => states += 1,
            other => panic!("{other:?}"),
        }
    }
    let live = scrape(&server).await;
    assert_eq!(live.value("todoki_catch_up_entries_total"), 1.0);
    assert_eq!(
        live.value("todoki_catch_up_exits_total{outcome=\"live\"}"),
        1.0
    );
    assert_eq!(live.value("todoki_subscribers{state=\"live\"}"), 2.0);
    assert_eq!(live.value("todoki_lag_seconds{state=\"behind\"}"), 0.0);
    assert_eq!(live.value("websocket_events_sent_total"), 300.0);
    let from_log = live.value("todoki_events_sent_total{source=\"log\"}");
    assert!(from_log >= 10.0, "{from_log} events");
    assert_eq!(
        live.value("websocket_broadcast_lag_seconds_count"),
        300.0 - from_log
    );
}

#[tokio::test]
async fn who_leaves_while_catching_up_has_given_up() {
    let server = TestServer::start().await;
    let stalled = subscribed(&server, "").await;
    for _ in 0..100 {
        server.emit(&large()).await;
    }
    until(&server, "todoki_catch_up_entries_total", 1.0).await;
    drop(stalled);
    let left = until(&server, "websocket_connections_total", 0.0).await;
    assert_eq!(
        left.value("todoki_catch_up_exits_total{outcome=\"gave_up\"}"),
        1.0
    );
    assert_eq!(
        left.value("todoki_catch_up_exits_total{outcome=\"live\"}"),
        0.0
    );
    let gone = ["client", "network"].map(|by| {
        left.value(&format!(
            "todoki_disconnects_total{{by=\"{by}\",code=\"1006\"}}"
        ))
    });
    assert_eq!(gone[0] + gone[1], 1.0);
}

#[tokio::test]
async fn connections_end_by_someone_and_with_a_code() {
    let server =
        TestServer::start_with(|config| config.heartbeat = Duration::from_millis(400)).await;
    for code in [1000, 1001, 4999] {
        let mut client = subscribed(&server, "").await;
        let code = CloseCode::new(code).unwrap();
        client
            .send_raw(|key, out| masked::close(code, "done", key, out))
            .await;
        client.closed().await;
    }
    let mut client = subscribed(&server, "").await;
    client.send_raw(masked::close_without_code).await;
    client.closed().await;
    drop(subscribed(&server, "").await);
    let mut client = subscribed(&server, "").await;
    client.send_raw(|_, out| out.extend(b"\x81\x00")).await;
    assert_eq!(client.closed().await.unwrap().code, CloseCode::PROTOCOL);
    let mut client = subscribed(&server, "").await;
    // An empty binary message, masked.
    client
        .send_raw(|key, out| out.extend([&[0x82, 0x80], &key[..]].concat()))
        .await;
    assert_eq!(client.closed().await.unwrap().code, CloseCode::UNSUPPORTED);
    let mut silent = subscribed(&server, "").await;
    assert_eq!(silent.closed().await.unwrap().code, CloseCode::TIMEOUT);
    let browser = server.upgrade("", "Origin: http://it\r\n").await;
    let mut browser = browser.unwrap_or_else(|answer| panic!("{}", answer.status));
    browser.closed().await;
    drop((client, silent, browser));
    let scrape = until(&server, "websocket_connections_total", 0.0).await;
    let ended: Vec<_> = scrape
        .all("todoki_disconnects_total")
        .filter(|(_, count)| *count > 0.0)
        .map(|(labels, count)| format!("{labels} {count}"))
        .collect();
    assert_eq!(
        ended,
        [
            "by=\"client\",code=\"1000\" 1",
            "by=\"client\",code=\"1001\" 1",
            "by=\"client\",code=\"1005\" 1",
            "by=\"client\",code=\"1006\" 1",
            "by=\"client\",code=\"other\" 1",
            "by=\"server\",code=\"1002\" 1",
            "by=\"server\",code=\"1003\" 1",
            "by=\"server\",code=\"3000\" 1",
            "by=\"server\",code=\"3008\" 1",
        ]
    );
}

#[tokio::test]
async fn holes_are_counted_by_their_reason() {
    let server = TestServer::start().await;
    let mut ahead = subscribed(&server, "cursor=7").await;
    ahead.expect("gap").await;
    drop(ahead);
    let mut slow = subscribed(&server, "slow=skip").await;
    for _ in 0..100 {
        server.emit(&large()).await;
    }
    let mut gaps = 0.0;
    let mut next = 1;
    while next <= 100 {
        let message = slow.message().await;
        if message.get_str("type") == Some("gap") {
            gaps += 1.0;
            next = message.get_i64("resume_at").unwrap() + 1;
        } else {
            next += 1;
        }
    }
    let scrape = scrape(&server).await;
    assert!(gaps >= 1.0, "it could not have kept up");
    assert_eq!(scrape.value("todoki_gaps_total{reason=\"slow\"}"), gaps);
    assert_eq!(scrape.value("todoki_gaps_total{reason=\"ahead\"}"), 1.0);
    assert_eq!(scrape.value("todoki_gaps_total{reason=\"retention\"}"), 0.0);
    assert_eq!(scrape.value("todoki_catch_up_entries_total"), gaps);
}

/// Whether the server refuses a connection on which nothing is asked.
async fn is_refused(stream: &mut TcpStream) -> bool {
    let mut word = [0; 12];
    match tokio::time::timeout(Duration::from_millis(200), stream.read_exact(&mut word)).await {
        Ok(read) => {
            read.unwrap();
            assert_eq!(&word, b"HTTP/1.1 503");
            true
        }
        Err(_nothing_comes) => false,
    }
}

#[tokio::test]
async fn connections_over_the_limit_are_counted() {
    let server = TestServer::start_with(|config| config.max_connections = 2).await;
    let _subscriber = subscribed(&server, "").await;
    let other = subscribed(&server, "").await;
    let mut refused = 0.0;
    while refused < 3.0 {
        assert!(is_refused(&mut server.connect().await).await);
        refused += 1.0;
    }
    drop(other);
    let admitted = async {
        loop {
            let mut stream = server.connect().await;
            if !is_refused(&mut stream).await {
                break stream;
            }
            refused += 1.0;
        }
    };
    let mut stream = within(admitted).await;
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: it\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    let scrape = Exposition::parse(&Answer::parse(&answer).body);
    assert_eq!(
        scrape.value("todoki_connections_refused_total{limit=\"max_connections\"}"),
        refused
    );
}

#[tokio::test]
async fn emits_are_counted_by_what_they_were_answered() {
    let server = TestServer::start().await;
    server.emit(&drafts("a", 3)).await;
    server.emit(r#"{"kind":"a","data":{},"id":"one"}"#).await;
    // A retry is answered as before, and nothing is stored.
    server.emit(r#"{"kind":"a","data":{},"id":"one"}"#).await;
    let conflict = r#"[{"kind":"a","data":{}},{"kind":"b","data":{},"id":"one"}]"#;
    for (body, code) in [
        (conflict, "id_conflict"),
        ("{", "invalid_json"),
        ("{", "invalid_json"),
        ("[]", "empty_batch"),
    ] {
        let answer = server.post("/api/event-bus/emit", body).await;
        assert_eq!(answer.code(), code);
    }
    assert_eq!(server.get("/nowhere").await.status, 404);
    let scrape = scrape(&server).await;
    let counted = |name: &str| -> Vec<_> {
        let series = scrape.all(name).filter(|(_, count)| *count > 0.0);
        series
            .map(|(labels, count)| format!("{labels} {count}"))
            .collect()
    };
    assert_eq!(
        counted("todoki_emits_total"),
        [
            "status=\"2xx\",code=\"ok\" 3",
            "status=\"4xx\",code=\"empty_batch\" 1",
            "status=\"4xx\",code=\"id_conflict\" 1",
            "status=\"4xx\",code=\"invalid_json\" 2",
        ]
    );
    assert_eq!(
        counted("todoki_emit_drafts_total"),
        [
            "status=\"2xx\",code=\"ok\" 5",
            "status=\"4xx\",code=\"id_conflict\" 2",
        ]
    );
    assert_eq!(
        counted("todoki_refusals_total"),
        [
            "status=\"4xx\",code=\"empty_batch\" 1",
            "status=\"4xx\",code=\"id_conflict\" 1",
            "status=\"4xx\",code=\"invalid_json\" 2",
            "status=\"4xx\",code=\"not_found\" 1",
        ]
    );
    assert_eq!(scrape.value("todoki_log_head_cursor"), 4.0);
    assert_eq!(scrape.value("todoki_log_earliest_cursor"), 1.0);
    // One after the other, so each append was a commit of its own.
    assert_eq!(scrape.value("todoki_log_commit_drafts_count"), 4.0);
    assert_eq!(scrape.value("todoki_log_commit_drafts_sum"), 7.0);
    assert_eq!(scrape.value("todoki_log_commit_seconds_count"), 4.0);
    assert!(scrape.value("todoki_log_commit_seconds_sum") > 0.0);
    assert_eq!(scrape.value("todoki_log_failed_commits_total"), 0.0);
    assert_eq!(scrape.value("todoki_log_waiting_requests"), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrapes_during_load_are_well_formed_and_never_go_back() {
    let server = TestServer::start().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(subscribed(&server, "").await);
    }
    let reading = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            assert_eq!(client.cursors(2000).await, (1..=2000).collect::<Vec<_>>());
            client
        })
    });
    let reading: Vec<_> = reading.collect();
    let mut before = scrape(&server).await;
    for _ in 0..100 {
        server.emit(&drafts("a", 20)).await;
        let after = scrape(&server).await;
        after.follows(&before);
        before = after;
    }
    let mut clients = Vec::new();
    for client in reading {
        clients.push(client.await.unwrap());
    }
    let after = scrape(&server).await;
    after.follows(&before);
    assert_eq!(after.value("websocket_events_sent_total"), 40_000.0);
    let live = after.value("websocket_broadcast_lag_seconds_count");
    let log = after.value("todoki_events_sent_total{source=\"log\"}");
    assert_eq!(live + log, 40_000.0);
    assert_eq!(after.value("todoki_write_events_sum"), live);
}
