//! What a subscriber sees: the behaviours that clients were promised, over real sockets.

use std::time::Duration;

use simd_json::prelude::*;
use todoki_codec::frame::{CloseCode, Incoming};
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::time::Instant;

use crate::harness::{PATIENCE, TOKEN, TestServer, within};

const TASK: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";
const OTHER: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e10";

fn draft(kind: &str) -> String {
    format!("{{\"kind\":\"{kind}\",\"data\":{{\"n\":1}}}}")
}

fn drafts(kind: &str, count: usize) -> String {
    format!("[{}]", vec![draft(kind); count].join(","))
}

#[tokio::test]
async fn subscribed_comes_first_and_says_where_the_stream_stands() {
    let server = TestServer::start().await;
    server.emit(&drafts("a", 3)).await;
    let mut client = server.subscribe("kinds=b,a.*,a.x").await;
    let subscribed = client.expect("subscribed").await;
    assert_eq!(subscribed["kinds"].encode(), r#"["a.*","b"]"#);
    assert_eq!(subscribed.get_i64("cursor"), Some(3));
    assert_eq!(subscribed.get_i64("earliest"), Some(1));
    assert_eq!(subscribed.get_i64("head"), Some(3));
    assert_eq!(subscribed.get_i64("heartbeat_ms"), Some(30_000));
    assert_eq!(subscribed.get_str("epoch").map(str::len), Some(36));
    assert!(subscribed.get_str("server_time").unwrap().ends_with('Z'));
}

#[tokio::test]
async fn all_kinds_are_said_as_a_star() {
    let server = TestServer::start().await;
    let subscribed = server.subscribe("").await.expect("subscribed").await;
    assert_eq!(subscribed["kinds"].encode(), r#"["*"]"#);
}

#[tokio::test]
async fn without_the_token_nobody_comes_in() {
    let server = TestServer::start().await;
    for headers in [
        "",
        "Authorization: Bearer wrong\r\n",
        "Authorization: Basic aXQ=\r\n",
    ] {
        let answer = server.upgrade("", headers).await.err().expect("refused");
        assert_eq!(answer.status, 401, "{headers}");
        assert_eq!(answer.code(), "unauthorised");
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("Bearer")
        );
    }
}

#[tokio::test]
async fn a_browser_without_the_token_is_told_by_a_close_code() {
    let server = TestServer::start().await;
    for origin in ["http://it", "https://allowed.example"] {
        let mut client = server
            .upgrade("", &format!("Origin: {origin}\r\n"))
            .await
            .unwrap_or_else(|answer| panic!("not upgraded to be told: {}", answer.status));
        assert_eq!(client.closed().await.unwrap().code, CloseCode::UNAUTHORISED);
    }
    let answer = server
        .upgrade("", "Origin: https://evil.example\r\n")
        .await
        .err();
    assert_eq!(answer.expect("refused").status, 403);
}

#[tokio::test]
async fn the_token_comes_in_every_promised_way() {
    let server = TestServer::start_with(|config| config.allow_query_token = true).await;
    // base64url of the token
    let protocols = "todoki.v1, base64url.bearer.authorization.todoki.aXQtc2VjcmV0LXRva2Vu";
    let mut by_protocol = server
        .upgrade("", &format!("Sec-WebSocket-Protocol: {protocols}\r\n"))
        .await
        .unwrap_or_else(|answer| panic!("refused: {}", answer.status));
    assert_eq!(
        by_protocol.head.header("sec-websocket-protocol"),
        Some("todoki.v1")
    );
    by_protocol.expect("subscribed").await;
    let mut by_query = server
        .upgrade(&format!("token={TOKEN}"), "")
        .await
        .unwrap_or_else(|answer| panic!("refused: {}", answer.status));
    assert_eq!(by_query.head.header("sec-websocket-protocol"), None);
    by_query.expect("subscribed").await;
}

#[tokio::test]
async fn an_event_arrives_as_it_was_emitted() {
    let server = TestServer::start().await;
    let mut client = server.subscribe("").await;
    client.expect("subscribed").await;
    let data = r#"{ "big":18446744073709551617, "b":1,"a":"\u0000\ud83d\ude00", "n":1e400 }"#;
    server
        .emit(&format!(
            r#"{{"kind":"task.created","task_id":"{TASK}","data":{data}}}"#
        ))
        .await;
    let text = client.text().await;
    let text = std::str::from_utf8(&text).unwrap();
    let time = text
        .split_once(r#""time":""#)
        .unwrap()
        .1
        .split_once('"')
        .unwrap()
        .0;
    assert_eq!(time.len(), "2026-02-27T10:30:00.123456Z".len());
    assert_eq!(
        text,
        format!(
            "{{\"type\":\"event\",\"cursor\":1,\"kind\":\"task.created\",\"time\":\"{time}\",\
             \"agent_id\":\"00000000-0000-0000-0000-000000000000\",\"session_id\":null,\"task_id\":\"{TASK}\",\
             \"data\":{data}}}"
        )
    );
}

#[tokio::test]
async fn a_filter_picks_kinds_and_ids() {
    let server = TestServer::start().await;
    let mut by_kind = server.subscribe("kinds=task.*,agent.output").await;
    let mut by_task = server.subscribe(&format!("task_id={TASK}")).await;
    let mut by_agent = server
        .subscribe(&format!("kinds=task.*&agent_id={OTHER}"))
        .await;
    for client in [&mut by_kind, &mut by_task, &mut by_agent] {
        client.expect("subscribed").await;
    }
    server
        .emit(&format!(
            r#"[{{"kind":"task.created","data":{{}}}},
                {{"kind":"agent.error","task_id":"{TASK}","data":{{}}}},
                {{"kind":"agent.output","data":{{}}}},
                {{"kind":"task.done","agent_id":"{OTHER}","task_id":"{TASK}","data":{{}}}},
                {{"kind":"task.done","task_id":"{OTHER}","data":{{}}}}]"#
        ))
        .await;
    assert_eq!(by_kind.cursors(4).await, [1, 3, 4, 5]);
    assert_eq!(by_task.cursors(2).await, [2, 4]);
    assert_eq!(by_agent.cursors(1).await, [4]);
}

#[tokio::test]
async fn cursor_zero_replays_all_history_and_goes_live() {
    let server = TestServer::start().await;
    for _ in 0..5 {
        server.emit(&drafts("a", 700)).await;
    }
    let mut client = server.subscribe("cursor=0").await;
    assert_eq!(client.expect("subscribed").await.get_i64("cursor"), Some(0));
    assert_eq!(client.cursors(3500).await, (1..=3500).collect::<Vec<_>>());
    let complete = client.expect("replay_complete").await;
    assert_eq!(complete.get_i64("cursor"), Some(3500));
    assert_eq!(complete.get_i64("count"), Some(3500));
    server.emit(&draft("a")).await;
    assert_eq!(client.cursors(1).await, [3501]);
}

#[tokio::test]
async fn an_event_is_replayable_the_moment_its_emit_returned() {
    let server = TestServer::start().await;
    for round in 1..=20 {
        server.emit(&draft("a")).await;
        let mut client = server.subscribe(&format!("cursor={}", round - 1)).await;
        assert_eq!(
            client.expect("subscribed").await.get_i64("head"),
            Some(round)
        );
        assert_eq!(client.cursors(1).await, [round]);
        assert_eq!(
            client.expect("replay_complete").await.get_i64("count"),
            Some(1)
        );
    }
}

#[tokio::test]
async fn a_replay_ends_even_when_the_filter_picks_nothing() {
    let server = TestServer::start().await;
    server.emit(&drafts("a", 10)).await;
    let mut client = server.subscribe("kinds=b&cursor=0").await;
    client.expect("subscribed").await;
    let complete = client.expect("replay_complete").await;
    assert_eq!(
        (complete.get_i64("cursor"), complete.get_i64("count")),
        (Some(10), Some(0))
    );
}

#[tokio::test]
async fn a_start_may_be_earliest_head_or_a_time() {
    let server = TestServer::start().await;
    server.emit(&drafts("a", 2)).await;
    let between = todoki::clock::now();
    server.emit(&drafts("a", 2)).await;
    for (start, cursor) in [
        ("earliest".to_owned(), 0),
        ("head".to_owned(), 4),
        (between.to_string(), 2),
        ("2000-01-01T00:00:00Z".to_owned(), 0),
        ("2100-01-01T00:00:00Z".to_owned(), 4),
    ] {
        let subscribed = server
            .subscribe(&format!("cursor={start}"))
            .await
            .expect("subscribed")
            .await;
        assert_eq!(subscribed.get_i64("cursor"), Some(cursor), "{start}");
    }
}

#[tokio::test]
async fn several_clients_each_get_everything() {
    let server = TestServer::start().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(server.subscribe("").await);
    }
    for client in &mut clients {
        client.expect("subscribed").await;
    }
    for _ in 0..10 {
        server.emit(&drafts("a", 10)).await;
    }
    for client in &mut clients {
        assert_eq!(client.cursors(100).await, (1..=100).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_heartbeat_comes_after_a_full_interval_with_the_watermark() {
    let interval = Duration::from_millis(300);
    let server = TestServer::start_with(|config| config.heartbeat = interval).await;
    let begun = todoki::clock::instant();
    let mut client = server.subscribe("kinds=b").await;
    client.expect("subscribed").await;
    server.emit(&drafts("a", 5)).await;
    let ping = client.expect("ping").await;
    assert!(
        begun.elapsed() >= interval,
        "no ping before a full interval"
    );
    assert_eq!(
        ping.get_i64("cursor"),
        Some(5),
        "what the filter did not pick counts as seen"
    );
    let Some(Incoming::Ping(_)) = client.hear().await else {
        panic!("a ping frame follows, so that every client shows that it lives");
    };
    client.send(r#"{"type":"pong"}"#).await;
    assert_eq!(client.expect("ping").await.get_i64("cursor"), Some(5));
}

#[tokio::test]
async fn a_silent_client_is_closed_after_two_heartbeats() {
    let server =
        TestServer::start_with(|config| config.heartbeat = Duration::from_millis(200)).await;
    let mut client = server.subscribe("").await;
    assert_eq!(client.closed().await.unwrap().code, CloseCode::TIMEOUT);
    assert_eq!(client.hear().await, None);
}

#[tokio::test]
async fn a_client_that_comes_back_catches_up() {
    let server = TestServer::start().await;
    let mut client = server.subscribe("").await;
    client.expect("subscribed").await;
    server.emit(&drafts("a", 3)).await;
    let last = client.cursors(3).await[2];
    drop(client);
    server.emit(&drafts("a", 50)).await;
    let mut client = server.subscribe(&format!("cursor={last}")).await;
    client.expect("subscribed").await;
    assert_eq!(client.cursors(50).await, (4..=53).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_restart_keeps_history_and_epoch() {
    let server = TestServer::start().await;
    server.emit(&drafts("a", 3)).await;
    let epoch_of = async |server: &TestServer| {
        let subscribed = server.subscribe("").await.expect("subscribed").await;
        subscribed.get_str("epoch").unwrap().to_owned()
    };
    let epoch = epoch_of(&server).await;
    let data = server.stop().await;
    let server = TestServer::start_in(data, |_| {}).await;
    assert_eq!(epoch_of(&server).await, epoch);
    assert_eq!(server.emit(&draft("a")).await, [4]);
    let mut client = server.subscribe("cursor=0").await;
    client.expect("subscribed").await;
    assert_eq!(client.cursors(4).await, [1, 2, 3, 4]);
    let data = server.stop().await;
    let server = TestServer::start_in(data, |config| config.new_epoch = true).await;
    assert_ne!(epoch_of(&server).await, epoch);
}

#[tokio::test]
async fn a_drain_tells_clients_when_to_come_back() {
    let server = TestServer::start().await;
    let mut client = server.subscribe("").await;
    client.expect("subscribed").await;
    server.drain();
    assert_eq!(
        client.expect("drain").await.get_i64("reconnect_after_ms"),
        Some(1000)
    );
    assert_eq!(client.closed().await.unwrap().code, CloseCode::RESTART);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn what_was_forgotten_is_told_as_a_gap() {
    let server = TestServer::start().await;
    server.emit(&drafts("a", 100)).await;
    let data = server.stop().await;
    let server = TestServer::start_in(data, |config| config.retain_events = Some(10)).await;
    // Retention runs beside the first requests.
    let trimmed = async {
        while server.get("/api/event-bus?limit=1").await.json()["events"][0].get_i64("cursor")
            != Some(91)
        {
            tokio::task::yield_now().await;
        }
    };
    within(trimmed).await;
    let mut client = server.subscribe("cursor=0").await;
    assert_eq!(client.expect("subscribed").await.get_i64("cursor"), Some(0));
    let gap = client.expect("gap").await;
    assert_eq!(gap.get_str("reason"), Some("retention"));
    assert_eq!(
        ["requested", "resume_at", "earliest", "head"].map(|name| gap.get_i64(name).unwrap()),
        [0, 90, 91, 100]
    );
    assert_eq!(client.cursors(10).await, (91..=100).collect::<Vec<_>>());
    assert_eq!(
        client.expect("replay_complete").await.get_i64("count"),
        Some(10)
    );
    // Asking for what there is asks for no more than that.
    let mut client = server.subscribe("cursor=earliest").await;
    assert_eq!(
        client.expect("subscribed").await.get_i64("cursor"),
        Some(90)
    );
    assert_eq!(client.cursors(1).await, [91]);
}

#[tokio::test]
async fn a_cursor_beyond_the_head_is_told_as_a_gap() {
    let server = TestServer::start().await;
    server.emit(&drafts("a", 3)).await;
    let mut client = server.subscribe("cursor=9007199254740991").await;
    client.expect("subscribed").await;
    let gap = client.expect("gap").await;
    assert_eq!(gap.get_str("reason"), Some("ahead"));
    assert_eq!(gap.get_i64("resume_at"), Some(3));
    server.emit(&draft("a")).await;
    assert_eq!(
        client.expect("replay_complete").await.get_i64("count"),
        Some(0)
    );
    assert_eq!(client.cursors(1).await, [4]);
}

#[tokio::test]
async fn commands_are_answered_and_the_stream_goes_on() {
    let server = TestServer::start().await;
    let mut client = server.subscribe("").await;
    client.expect("subscribed").await;
    client.send(r#"{"type":"ping","t":7,"ref":"r"}"#).await;
    let pong = client.expect("pong").await;
    assert_eq!(
        (pong.get_i64("t"), pong.get_str("ref")),
        (Some(7), Some("r"))
    );
    client.send(r#"{"type":"pong"}"#).await;
    for (command, code) in [
        ("hello", "invalid_json"),
        (r#"{"type":"dance","ref":"x"}"#, "unknown_command"),
        (
            r#"{"type":"subscribe","kinds":["a..b"],"ref":"x"}"#,
            "invalid_command",
        ),
    ] {
        client.send(command).await;
        assert_eq!(
            client.expect("error").await.get_str("code"),
            Some(code),
            "{command}"
        );
    }
    server.emit(&draft("a")).await;
    assert_eq!(client.cursors(1).await, [1]);
}

#[tokio::test]
async fn a_subscription_is_replaced_in_place() {
    let server = TestServer::start().await;
    let mut client = server.subscribe("kinds=a").await;
    client.expect("subscribed").await;
    server
        .emit(&format!("[{},{}]", draft("a"), draft("b")))
        .await;
    assert_eq!(client.cursors(1).await, [1]);
    client
        .send(r#"{"type":"subscribe","kinds":["b"],"cursor":0,"ref":"again"}"#)
        .await;
    let subscribed = client.expect("subscribed").await;
    assert_eq!(subscribed.get_str("ref"), Some("again"));
    assert_eq!(subscribed["kinds"].encode(), r#"["b"]"#);
    assert_eq!(client.cursors(1).await, [2]);
    client.expect("replay_complete").await;
}

#[tokio::test]
async fn a_close_is_answered_by_the_same_code() {
    let server = TestServer::start().await;
    let mut client = server.subscribe("").await;
    client
        .send_raw(|key, out| {
            todoki_codec::frame::encode::masked::close(CloseCode::NORMAL, "done", key, out);
        })
        .await;
    assert_eq!(client.closed().await.unwrap().code, CloseCode::NORMAL);
    assert_eq!(client.hear().await, None);
}

#[tokio::test]
async fn a_client_that_reads_nothing_delays_nobody_and_loses_nothing() {
    let server = TestServer::start_with(|config| config.deadlines.write_stall = PATIENCE).await;
    let mut stalled = server.subscribe("").await;
    let mut quick = server.subscribe("").await;
    quick.expect("subscribed").await;
    let large = format!(
        "{{\"kind\":\"a\",\"data\":{{\"x\":\"{}\"}}}}",
        "y".repeat(200_000)
    );
    // Far more than the sockets and the hub hold: the stalled client falls back to the log.
    for cursor in 1..=150 {
        server.emit(&large).await;
        assert_eq!(quick.cursors(1).await, [cursor]);
    }
    stalled.expect("subscribed").await;
    let mut cursors = Vec::new();
    let mut states = Vec::new();
    while cursors.len() < 150 || states.len() < 2 {
        let message = stalled.message().await;
        match message.get_str("type") {
            Some("event") => cursors.push(message.get_i64("cursor").unwrap()),
            Some("lag") => {
                assert!(
                    message.get_i64("lag_ms") > Some(0),
                    "it has lagged: {message}"
                );
                states.push(message.get_str("state").unwrap().to_owned());
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(cursors, (1..=150).collect::<Vec<_>>());
    assert_eq!(states, ["catching_up", "live"]);
}

#[tokio::test]
async fn a_client_that_reads_a_little_at_a_time_is_not_cut_off() {
    let stall = Duration::from_secs(2);
    let server = TestServer::start_with(|config| config.deadlines.write_stall = stall).await;
    let socket = TcpSocket::new_v4().unwrap();
    // As a network has it: what is taken shows in steps of a packet, not of the loopback's 64 KiB.
    socket.set_recv_buffer_size(4 << 10).unwrap();
    socket2::SockRef::from(&socket).set_tcp_mss(1460).unwrap();
    let stream = socket.connect(server.address).await.unwrap();
    let headers = format!("Authorization: Bearer {TOKEN}\r\n");
    let mut slow = server.upgrade_on(stream, "", &headers).await.ok().unwrap();
    flood(&server, 2).await;
    // 4 KB a second: a step of the window takes a second, and what wakes a writer, some 12 KB, three.
    let mut taken = Vec::new();
    let until = Instant::now() + stall * 3;
    while Instant::now() < until {
        let mut piece = [0; 400];
        let bytes = slow.stream.read(&mut piece).await.unwrap();
        taken.extend_from_slice(&piece[..bytes]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    slow.push_back(&taken);
    slow.expect("subscribed").await;
    let mut cursors = Vec::new();
    while cursors.len() < 2 {
        let message = slow.message().await;
        if message.get_str("type") == Some("event") {
            cursors.push(message.get_i64("cursor").unwrap());
        }
    }
    assert_eq!(cursors, [1, 2]);
}

#[tokio::test]
async fn what_a_client_sends_behind_its_upgrade_is_read() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = TestServer::start().await;
    let mut request = format!(
        "GET /ws/event-bus HTTP/1.1\r\nHost: it\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    )
    .into_bytes();
    let ping = r#"{"type":"ping","ref":"early"}"#;
    todoki_codec::frame::encode::masked::text(ping.as_bytes(), [9, 8, 7, 6], &mut request);
    let mut stream = server.connect().await;
    stream.write_all(&request).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("early") {
        assert_ne!(
            tokio::time::timeout(PATIENCE, stream.read_buf(&mut seen))
                .await
                .unwrap()
                .unwrap(),
            0
        );
    }
    assert!(
        String::from_utf8_lossy(&seen).contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "RFC 6455 §1.3"
    );
}

#[tokio::test]
async fn lines_carry_many_messages_in_one_frame() {
    let server = TestServer::start().await;
    server
        .emit(&format!(
            "[{},{{\"kind\":\"b\",\"data\":{{\n\"n\":\r\n2}}}}]",
            draft("a")
        ))
        .await;
    let mut client = server.subscribe("encoding=lines&cursor=0").await;
    client.expect("subscribed").await;
    let stored = client.text().await;
    client.expect("replay_complete").await;
    server.emit(&drafts("a", 3)).await;
    let live = client.text().await;
    let cursors = |frame: &[u8]| -> Vec<_> {
        let lines = frame.split(|byte| *byte == b'\n');
        lines
            .map(|line| {
                simd_json::to_owned_value(&mut line.to_vec())
                    .unwrap()
                    .get_i64("cursor")
                    .unwrap()
            })
            .collect()
    };
    assert_eq!(cursors(&stored), [1, 2]);
    assert!(
        stored.ends_with(b"{ \"n\":  2}}"),
        "line breaks between tokens are spaces"
    );
    assert_eq!(cursors(&live), [3, 4, 5]);
}

/// Emits far more than a group keeps.
async fn flood(server: &TestServer, events: i64) {
    let large = format!(
        "{{\"kind\":\"a\",\"data\":{{\"x\":\"{}\"}}}}",
        "y".repeat(200_000)
    );
    for _ in 0..events {
        server.emit(&large).await;
    }
}

#[tokio::test]
async fn a_slow_client_that_asked_for_it_is_closed() {
    let server = TestServer::start().await;
    let mut client = server.subscribe("slow=disconnect").await;
    client.expect("subscribed").await;
    flood(&server, 100).await;
    let mut last = 0;
    let close = loop {
        match client.hear().await.expect("a close comes first") {
            Incoming::Text { bytes, .. } => {
                let event = todoki_codec::decode::event(&bytes).expect("only events");
                last += 1;
                assert_eq!(
                    event.cursor.get(),
                    last,
                    "up to the close, nothing is missing"
                );
            }
            Incoming::Close(close) => break close.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(close.code, CloseCode::SLOW);
    assert!(last < 100, "it could not have kept up");
}

#[tokio::test]
async fn a_slow_client_that_asked_for_it_skips_and_is_told_what() {
    let server = TestServer::start().await;
    let mut client = server.subscribe("slow=skip").await;
    client.expect("subscribed").await;
    flood(&server, 100).await;
    let mut next = 1;
    let mut skipped = 0;
    while next <= 100 {
        let message = client.message().await;
        if message.get_str("type") == Some("gap") {
            assert_eq!(message.get_str("reason"), Some("slow"));
            assert_eq!(message.get_i64("requested"), Some(next - 1));
            let resume_at = message.get_i64("resume_at").unwrap();
            skipped += resume_at - (next - 1);
            next = resume_at + 1;
        } else {
            assert_eq!(message.get_i64("cursor"), Some(next), "{message}");
            next += 1;
        }
    }
    assert!(skipped > 0, "it could not have kept up");
}
