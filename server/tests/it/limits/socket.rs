//! What a client may say on its WebSocket.

use simd_json::prelude::*;
use todoki::limit::setting;
use todoki_codec::frame::encode::masked;
use todoki_codec::frame::{CloseCode, Incoming};
use tokio::io::AsyncWriteExt;

use crate::harness::{Client, TestServer, within};

const PING: &str = r#"{"type":"ping","ref":"r"}"#;

async fn subscribed(settings: &[&str]) -> (TestServer, Client) {
    let settings = settings.iter().map(|text| setting(text).unwrap()).collect();
    let server = TestServer::start_with(|config| config.limit = settings).await;
    let mut client = server.subscribe("").await;
    client.expect("subscribed").await;
    (server, client)
}

#[tokio::test]
async fn a_subscription_that_is_looked_for_is_a_read_and_one_too_many_leaves_the_old_one() {
    const BY_TIME: &str =
        r#"{"type":"subscribe","kinds":["b"],"cursor":"2020-01-01T00:00:00Z","ref":"r"}"#;
    /// So many in ten seconds would be no limit.
    const TRIES: usize = 100;
    for name in ["principal-reads", "address-reads"] {
        let limit = format!("{name}=1");
        let limits = [&limit, "socket-messages=0", "loopback-exempt=0"];
        let (server, mut client) = subscribed(&limits).await;
        let (mut taken, mut refused) = (0, None);
        // A slow machine gives the bucket time to fill, but never as fast as this empties it.
        while refused.is_none() && taken < TRIES {
            client.send(BY_TIME).await;
            let answer = client.message().await;
            if answer.get_str("type") == Some("error") {
                refused = Some(answer);
            } else {
                client.expect("replay_complete").await;
                taken += 1;
            }
        }
        let error = refused.expect("an end");
        assert!(taken >= 10, "{taken} under {name}");
        assert_eq!(error.get_str("code"), Some("rate_limited"));
        assert_eq!(error.get_str("ref"), Some("r"));
        let says = format!("over the limit {name} of 1 per second");
        let message = error.get_str("message").unwrap();
        assert!(message.starts_with(&says), "{message}");
        let wait = error.get_u64("retry_after_ms").unwrap();
        assert!((1..=1_001).contains(&wait), "{wait}");
        let cursors = server
            .emit(r#"[{"kind":"a","data":{}},{"kind":"b","data":{}}]"#)
            .await;
        assert_eq!(client.cursors(1).await, cursors[1..]);
    }
}

fn pings(count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..count {
        masked::ping(number.to_string().as_bytes(), [1, 2, 3, 4], &mut bytes);
    }
    bytes
}

#[tokio::test]
async fn a_message_over_the_limit_is_told_and_the_stream_goes_on() {
    let (server, mut client) = subscribed(&["socket-messages=5"]).await;
    for _ in 0..5 {
        client.send(PING).await;
        client.expect("pong").await;
    }
    client.send(PING).await;
    let error = client.expect("error").await;
    assert_eq!(error.get_str("code"), Some("rate_limited"));
    let says = "over the limit socket-messages of 5 per minute";
    assert_eq!(error.get_str("message"), Some(says));
    let wait = error.get_u64("retry_after_ms").unwrap();
    assert!((1..=12_001).contains(&wait), "{wait}");
    let cursors = server.emit(r#"{"kind":"a","data":{}}"#).await;
    assert_eq!(client.cursors(1).await, cursors);
}

#[tokio::test]
async fn a_client_that_does_not_listen_is_closed_with_4429() {
    let (_server, mut client) = subscribed(&["socket-messages=5"]).await;
    let mut flood = Vec::new();
    for _ in 0..200 {
        masked::text(PING.as_bytes(), [1, 2, 3, 4], &mut flood);
    }
    client.stream.write_all(&flood).await.unwrap();
    for _ in 0..5 {
        client.expect("pong").await;
    }
    let error = client.expect("error").await;
    assert_eq!(error.get_str("code"), Some("rate_limited"));
    let close = client.closed().await.unwrap();
    assert_eq!(close.code, CloseCode::RATE_LIMITED);
    assert_eq!(
        close.reason,
        "over the limit socket-messages of 5 per minute"
    );
}

#[tokio::test]
async fn pings_that_come_together_are_answered_by_the_last_ones_pong() {
    let (_server, mut client) = subscribed(&["socket-controls=0"]).await;
    client.stream.write_all(&pings(1_000)).await.unwrap();
    let mut pongs = 0;
    loop {
        match client.hear().await.expect("it goes on") {
            Incoming::Pong(payload) => {
                pongs += 1;
                if payload == "999" {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(pongs <= 50, "{pongs} pongs to 1000 pings");
}

#[tokio::test]
async fn a_flood_of_pings_is_closed_with_4429() {
    let (_server, mut client) = subscribed(&[]).await;
    let flood = pings(1_000);
    client.stream.write_all(&flood).await.unwrap();
    let close = client.closed().await.unwrap();
    assert_eq!(close.code, CloseCode::RATE_LIMITED);
    assert_eq!(
        close.reason,
        "over the limit socket-controls of 10 per second"
    );
}

#[tokio::test]
async fn a_client_that_goes_on_behind_our_close_is_not_heard_for_long() {
    let (_server, mut client) = subscribed(&[]).await;
    let flood = pings(10_000);
    // The connection ends while it floods: it need not fall silent first.
    within(async { while client.stream.write_all(&flood).await.is_ok() {} }).await;
}

#[tokio::test]
async fn ten_wrong_commands_in_a_row_are_answered_and_not_one_more() {
    let (_server, mut client) = subscribed(&[]).await;
    for _ in 0..2 {
        for _ in 0..10 {
            client.send("{").await;
            let error = client.expect("error").await;
            assert_eq!(error.get_str("code"), Some("invalid_json"));
        }
        client.send(PING).await;
        client.expect("pong").await;
    }
    for _ in 0..10 {
        client.send(r#"{"type":"dance"}"#).await;
        client.expect("error").await;
    }
    client.send(r#"{"type":"dance"}"#).await;
    let close = client.closed().await.unwrap();
    assert_eq!(close.code, CloseCode::POLICY);
}

#[tokio::test]
async fn a_client_that_sends_byte_by_byte_is_read_in_larger_pieces_and_loses_nothing() {
    let (_server, mut client) = subscribed(&["socket-reads=1"]).await;
    for _ in 0..3 {
        let mut bytes = Vec::new();
        masked::text(PING.as_bytes(), [1, 2, 3, 4], &mut bytes);
        for byte in bytes {
            client.stream.write_all(&[byte]).await.unwrap();
        }
    }
    for _ in 0..3 {
        client.expect("pong").await;
    }
}
