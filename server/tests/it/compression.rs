//! permessage-deflate (RFC 7692): who offers it is sent compressed events, whoever else has them too.

use simd_json::prelude::*;
use todoki_codec::deflate::Deflater;
use todoki_codec::frame::CloseCode;
use todoki_codec::frame::encode::masked;

use crate::harness::{Client, PATIENCE, TOKEN, TestServer};

/// RSV1, in the first byte of a frame.
const COMPRESSED: u8 = 0x40;

async fn offer(server: &TestServer, extensions: &str) -> Client {
    let headers =
        format!("Authorization: Bearer {TOKEN}\r\nSec-WebSocket-Extensions: {extensions}\r\n");
    server.upgrade("", &headers).await.ok().unwrap()
}

fn agreed(client: &Client) -> Option<&str> {
    client.head.header("sec-websocket-extensions")
}

/// Sends a command as a client does that compresses.
async fn send_compressed(client: &mut Client, text: &[u8]) {
    let mut payload = Vec::new();
    Deflater::default().deflate(text, &mut payload);
    send_as_compressed(client, &payload).await;
}

async fn send_as_compressed(client: &mut Client, payload: &[u8]) {
    client
        .send_raw(|key, out| {
            masked::text(payload, key, out);
            out[0] |= COMPRESSED;
        })
        .await;
}

async fn emit_one(server: &TestServer) {
    server
        .emit(r#"{"kind":"task.created","data":{"title":"Fix login"}}"#)
        .await;
}

/// Emits until an event comes compressed: what comes before its subscriber is live is read from the log, which is plain.
async fn comes_compressed(server: &TestServer, client: &mut Client) {
    let before = client.compressed;
    for _ in 0..1_000 {
        emit_one(server).await;
        client.expect("event").await;
        if client.compressed > before {
            return;
        }
    }
    panic!("nothing comes compressed");
}

#[tokio::test]
async fn only_what_can_be_kept_is_agreed() {
    let server = TestServer::start().await;
    let ours = Some("permessage-deflate; client_no_context_takeover");
    for (extensions, answer) in [
        ("permessage-deflate; client_max_window_bits", ours),
        ("permessage-deflate; server_no_context_takeover", None),
        (
            "permessage-deflate; server_max_window_bits=9\r\nSec-WebSocket-Extensions: permessage-deflate",
            ours,
        ),
        ("something-else", None),
    ] {
        let mut client = offer(&server, extensions).await;
        assert_eq!(agreed(&client), answer, "{extensions}");
        client.expect("subscribed").await;
        if answer.is_some() {
            comes_compressed(&server, &mut client).await;
        } else {
            emit_one(&server).await;
            client.expect("event").await;
            assert_eq!(client.compressed, 0, "{extensions}");
        }
    }
}

#[tokio::test]
async fn a_server_told_not_to_does_not_compress() {
    let server = TestServer::start_with(|config| config.compression = false).await;
    let mut client = server.subscribe_compressed("").await;
    assert_eq!(agreed(&client), None);
    client.expect("subscribed").await;
    emit_one(&server).await;
    client.expect("event").await;
    assert_eq!(client.compressed, 0);
}

#[tokio::test]
async fn clients_that_join_at_any_time_are_given_the_same_events() {
    let server = TestServer::start().await;
    let mut clients = Vec::new();
    for round in 0..20_usize {
        let query = ["", "encoding=lines", "cursor=0"][round % 3];
        let mut client = server.subscribe_compressed(query).await;
        client.expect("subscribed").await;
        clients.push((
            client,
            if query == "cursor=0" {
                1
            } else {
                round * 20 + 1
            },
        ));
        let drafts = vec![r#"{"kind":"a","data":{"x":1}}"#; 20].join(",");
        server.emit(&format!("[{drafts}]")).await;
    }
    for (client, first) in &mut clients {
        let mut next = i64::try_from(*first).unwrap();
        while next <= 400 {
            let text = client.text().await;
            for line in text.split(|byte| *byte == b'\n') {
                let message = simd_json::to_owned_value(&mut line.to_vec()).unwrap();
                if message.get_str("type") == Some("event") {
                    assert_eq!(message.get_i64("cursor"), Some(next));
                    next += 1;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_slow_client_reads_the_log_plain_and_comes_back_into_the_stream() {
    let server = TestServer::start_with(|config| config.deadlines.write_stall = PATIENCE).await;
    let mut stalled = server.subscribe_compressed("").await;
    // Noise stays large when it is compressed, so the sockets are full soon.
    let mut random = 1_u64;
    for _ in 1..=150 {
        let noise: String = std::iter::repeat_with(|| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(b'0' + u8::try_from(random >> 59).unwrap())
        })
        .take(200_000)
        .collect();
        server
            .emit(&format!(r#"{{"kind":"a","data":{{"x":"{noise}"}}}}"#))
            .await;
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
    comes_compressed(&server, &mut stalled).await;
}

#[tokio::test]
async fn compressed_commands_are_read() {
    let server = TestServer::start().await;
    let mut client = server.subscribe_compressed("").await;
    client.expect("subscribed").await;
    for t in 0..3 {
        let ping = format!(r#"{{"type":"ping","t":{t}}}"#);
        send_compressed(&mut client, ping.as_bytes()).await;
        assert_eq!(client.expect("pong").await.get_i64("t"), Some(t));
    }
}

#[tokio::test]
async fn what_does_not_inflate_to_a_text_within_the_limit_closes() {
    let server = TestServer::start().await;
    let mut bomb = Vec::new();
    Deflater::default().deflate(&vec![b' '; (1 << 20) + 1], &mut bomb);
    let mut invalid = Vec::new();
    Deflater::default().deflate(b"\"\xff\"", &mut invalid);
    for (payload, code) in [
        (bomb, CloseCode::TOO_BIG),
        (invalid, CloseCode::INVALID_DATA),
        (vec![0xff; 8], CloseCode::INVALID_DATA),
    ] {
        let mut client = server.subscribe_compressed("").await;
        client.expect("subscribed").await;
        send_as_compressed(&mut client, &payload).await;
        assert_eq!(client.closed().await.unwrap().code, code);
    }
}
