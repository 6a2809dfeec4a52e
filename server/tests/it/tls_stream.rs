//! Subscriptions over TLS: everything that is promised of a stream, with TLS in its socket.

use std::time::Duration;

use simd_json::prelude::*;
use todoki_codec::frame::encode::masked;
use todoki_codec::frame::{CloseCode, Incoming};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::harness::{PATIENCE, TOKEN, within};
use crate::tls::secure::SecureServer;

fn drafts(kind: &str, count: usize) -> String {
    let draft = format!("{{\"kind\":\"{kind}\",\"data\":{{\"n\":1}}}}");
    format!("[{}]", vec![draft; count].join(","))
}

fn large(bytes: usize) -> String {
    let text = "y".repeat(bytes);
    format!("{{\"kind\":\"a\",\"data\":{{\"x\":\"{text}\"}}}}")
}

#[tokio::test]
async fn replay_meets_live_without_a_gap() {
    let server = SecureServer::start().await;
    for _ in 0..5 {
        server.emit(&drafts("a", 700)).await;
    }
    let mut client = server.subscribe("cursor=0").await;
    client.expect("subscribed").await;
    assert_eq!(client.cursors(3500).await, (1..=3500).collect::<Vec<_>>());
    assert_eq!(
        client.expect("replay_complete").await.get_i64("count"),
        Some(3500)
    );
    for cursor in 3501..=3510 {
        server.emit(&drafts("a", 1)).await;
        assert_eq!(client.cursors(1).await, [cursor]);
    }
}

#[tokio::test]
async fn many_clients_each_get_everything_in_order() {
    let server = SecureServer::start().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(server.subscribe("").await);
    }
    for client in &mut clients {
        client.expect("subscribed").await;
    }
    for _ in 0..20 {
        server.emit(&drafts("a", 200)).await;
    }
    for client in &mut clients {
        assert_eq!(client.cursors(4000).await, (1..=4000).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_delays_nobody_and_loses_nothing() {
    let server = SecureServer::start_with(|config| config.deadlines.write_stall = PATIENCE).await;
    let mut stalled = server.subscribe("").await;
    let mut quick = server.subscribe("").await;
    quick.expect("subscribed").await;
    // Far more than the sockets and the hub hold: the stalled client falls back to the log.
    let event = large(200_000);
    for cursor in 1..=150 {
        server.emit(&event).await;
        assert_eq!(quick.cursors(1).await, [cursor]);
    }
    stalled.expect("subscribed").await;
    let (mut cursors, mut states) = (Vec::new(), Vec::new());
    while cursors.len() < 150 || states.len() < 2 {
        let message = stalled.message().await;
        match message.get_str("type") {
            Some("event") => cursors.push(message.get_i64("cursor").unwrap()),
            Some("lag") => states.push(message.get_str("state").unwrap().to_owned()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(cursors, (1..=150).collect::<Vec<_>>());
    assert_eq!(states, ["catching_up", "live"]);
}

/// The rest of what was encrypted must leave by itself: behind the last event nothing comes that would push it.
#[tokio::test]
async fn the_last_bytes_arrive_though_nothing_comes_behind_them() {
    let server = SecureServer::start_with(|config| config.deadlines.write_stall = PATIENCE).await;
    // Of so many sizes, some end where the socket takes only a part of the last write.
    for size in (30_000..250_000).step_by(9_973) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        let stream = socket.connect(server.server.address).await.unwrap();
        let stream = server.shake(stream, server.trusting()).await.unwrap();
        let headers = format!("Authorization: Bearer {TOKEN}\r\n");
        let mut client = server.upgrade_on(stream, "", &headers).await;
        let cursor = client.expect("subscribed").await.get_i64("cursor").unwrap();
        server.emit(&large(size)).await;
        let event = client.text().await;
        assert!(event.len() > size);
        assert!(
            event.starts_with(format!("{{\"type\":\"event\",\"cursor\":{}", cursor + 1).as_bytes())
        );
        client.send(r#"{"type":"ping","t":1}"#).await;
        client.expect("pong").await;
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off_in_time() {
    let stall = Duration::from_millis(500);
    let server = SecureServer::start_with(|config| config.deadlines.write_stall = stall).await;
    let mut client = server.subscribe("").await;
    client.expect("subscribed").await;
    let event = large(200_000);
    for _ in 0..60 {
        server.emit(&event).await;
    }
    // It reads nothing until the server has given it up.
    let gone = async {
        loop {
            let metrics = server.get("/metrics", "Host: it\r\n").await.body;
            if metrics.contains(r#"todoki_disconnects_total{by="server",code="4408"} 1"#) {
                return;
            }
        }
    };
    within(gone).await;
    let mut rest = Vec::new();
    within(client.stream.read_to_end(&mut rest)).await.ok();
    assert!(
        rest.len() < 60 * 200_000,
        "what it was not given is not sent"
    );
}

#[tokio::test]
async fn events_arrive_byte_for_byte_in_both_encodings_and_compressed() {
    let server = SecureServer::start().await;
    let data = r#"{ "big":18446744073709551617, "b":1,"a":"\u0000\ud83d\ude00", "n":1e400 }"#;
    let headers = format!("Authorization: Bearer {TOKEN}\r\n");
    let offer = format!("{headers}Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let mut plain = server.subscribe("").await;
    let mut lines = server.subscribe("encoding=lines").await;
    let mut compressed = server.upgrade_on(server.connect().await, "", &offer).await;
    for client in [&mut plain, &mut lines, &mut compressed] {
        client.expect("subscribed").await;
    }
    for _ in 0..50 {
        server
            .emit(&format!(r#"{{"kind":"a","data":{data}}}"#))
            .await;
        let text = plain.text().await;
        assert!(text.ends_with(format!("{data}}}").as_bytes()), "{text:?}");
        assert_eq!(lines.text().await, text);
        assert_eq!(compressed.text().await, text);
    }
    assert!(compressed.compressed > 0, "some came compressed");
}

#[tokio::test]
async fn a_flood_of_commands_in_one_go_is_answered_whole() {
    let unlimited = todoki::limit::setting("socket-messages=0").unwrap();
    let server = SecureServer::start_with(|config| config.limit = vec![unlimited]).await;
    let mut client = server.subscribe("").await;
    client.expect("subscribed").await;
    let mut bytes = Vec::new();
    for t in 0..3000 {
        let ping = format!("{{\"type\":\"ping\",\"t\":{t}}}");
        masked::text(ping.as_bytes(), [4, 3, 2, 1], &mut bytes);
    }
    // 100 KB: more than one read of the shard takes.
    client.stream.write_all(&bytes).await.unwrap();
    for t in 0..3000 {
        assert_eq!(client.expect("pong").await.get_i64("t"), Some(t));
    }
}

#[tokio::test]
async fn what_is_sent_behind_the_upgrade_request_is_read() {
    let server = SecureServer::start().await;
    let mut request = format!(
        "GET /ws/event-bus HTTP/1.1\r\nHost: it\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    )
    .into_bytes();
    let padding = " ".repeat(40_000);
    let ping = format!(r#"{{"type":"ping","ref":"early"{padding}}}"#);
    masked::text(ping.as_bytes(), [9, 8, 7, 6], &mut request);
    let mut stream = server.connect().await;
    stream.write_all(&request).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("early") {
        assert_ne!(within(stream.read_buf(&mut seen)).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn close_frames_arrive_and_the_stream_ends_properly() {
    let server = SecureServer::start().await;
    let mut client = server.subscribe("").await;
    client.expect("subscribed").await;
    client
        .send_raw(|key, out| masked::close(CloseCode::NORMAL, "done", key, out))
        .await;
    assert_eq!(client.closed().await.unwrap().code, CloseCode::NORMAL);
    // An end that TLS does not vouch for would be an error here.
    assert_eq!(within(client.stream.read(&mut [0; 8])).await.unwrap(), 0);

    let mut client = server.subscribe("").await;
    client.expect("subscribed").await;
    client.stream.write_all(b"\x81\x00").await.unwrap();
    assert_eq!(client.closed().await.unwrap().code, CloseCode::PROTOCOL);
    client
        .send_raw(|key, out| masked::close(CloseCode::PROTOCOL, "", key, out))
        .await;
    assert_eq!(within(client.stream.read(&mut [0; 8])).await.unwrap(), 0);
}

#[tokio::test]
async fn a_browser_without_the_token_is_told_by_a_close_code() {
    let server = SecureServer::start().await;
    let stream = server.connect().await;
    let origin = "Origin: https://it\r\n";
    let mut client = server.upgrade_on(stream, "", origin).await;
    assert_eq!(client.closed().await.unwrap().code, CloseCode::UNAUTHORISED);
    assert_eq!(within(client.stream.read(&mut [0; 8])).await.unwrap(), 0);
}

#[tokio::test]
async fn a_silent_client_is_closed_and_one_that_answers_is_not() {
    let heartbeat = Duration::from_millis(500);
    let server = SecureServer::start_with(|config| config.heartbeat = heartbeat).await;
    let mut silent = server.subscribe("").await;
    let mut alive = server.subscribe("").await;
    alive.expect("subscribed").await;
    for _ in 0..4 {
        alive.expect("ping").await;
    }
    assert_eq!(silent.closed().await.unwrap().code, CloseCode::TIMEOUT);
}

#[tokio::test]
async fn a_drain_tells_clients_when_to_come_back() {
    let server = SecureServer::start().await;
    let mut client = server.subscribe("").await;
    client.expect("subscribed").await;
    server.server.drain();
    client.expect("drain").await;
    assert_eq!(client.closed().await.unwrap().code, CloseCode::RESTART);
    drop(client);
    server.server.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_or_sends_garbage_for_tls_is_gone() {
    let server = SecureServer::start().await;
    let left = server.subscribe("").await;
    drop(left);
    let mut broken = server.subscribe("").await;
    broken.expect("subscribed").await;
    let socket = broken.stream.get_mut().0;
    socket
        .write_all(b"\x17\x03\x03\x00\x20garbage")
        .await
        .unwrap();
    socket.write_all(&[7; 64]).await.unwrap();
    while !matches!(broken.hear().await, None | Some(Incoming::Close(_))) {}
    let gone = async {
        loop {
            let metrics = server.get("/metrics", "Host: it\r\n").await.body;
            if metrics.contains("websocket_connections_total 0\n") {
                return;
            }
        }
    };
    within(gone).await;
}
