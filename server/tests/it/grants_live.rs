//! Grants on connections that are open: tokens that expire, are renewed in place and are revoked; grants that change.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use simd_json::OwnedValue;
use simd_json::prelude::*;
use todoki::clock;
use todoki_codec::frame::CloseCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Client, TOKEN, TestServer, auth_entry, within};

const READ: &str = r#"actions = ["read", "replay"]"#;

/// An entry that lets see these kinds, with more lines behind it.
fn entry(label: &str, token: &str, kinds: &str, lines: &str) -> String {
    let grants = format!("grants = [{{ {READ}, kinds = {kinds} }}]\n{lines}");
    auth_entry(label, token, &grants)
}

fn expires(at: Timestamp) -> String {
    format!("expires = {at:.3}")
}

fn from_now(milliseconds: i64) -> Timestamp {
    clock::now() + SignedDuration::from_millis(milliseconds)
}

fn code(message: &OwnedValue) -> Option<&str> {
    message.get_str("code")
}

/// Emits an event of each kind, again and again, until told to stop; gives all cursors with their kinds.
async fn emit_on(
    server: &TestServer,
    kinds: &[&'static str],
    stop: &tokio::sync::Notify,
) -> Vec<(i64, &'static str)> {
    let mut all = Vec::new();
    let stopped = stop.notified();
    tokio::pin!(stopped);
    loop {
        for kind in kinds {
            let draft = format!(r#"{{"kind":"{kind}","data":{{}}}}"#);
            all.push((server.emit(&draft).await[0], *kind));
        }
        tokio::select! {
            biased;
            () = &mut stopped => return all,
            () = tokio::task::yield_now() => {}
        }
    }
}

/// Hears events until one has this cursor or a later one; gives their cursors, and what is said in between to `other`.
async fn hear_until(client: &mut Client, last: i64, heard: &mut Vec<i64>) -> Vec<OwnedValue> {
    let mut others = Vec::new();
    while heard.last().is_none_or(|cursor| *cursor < last) {
        let message = client.message().await;
        match message.get_i64("cursor") {
            Some(cursor) if message.get_str("type") == Some("event") => heard.push(cursor),
            _ => others.push(message),
        }
    }
    others
}

#[tokio::test]
async fn a_revoked_token_ends_its_connections_within_a_second_and_no_others() {
    let both = [
        entry("gone", "gone", r#"["*"]"#, ""),
        entry("stays", "stays", r#"["*"]"#, ""),
    ]
    .concat();
    let server = TestServer::start_with_auth(&both).await;
    let mut gone = server.subscribe_as("gone", "").await;
    let mut stays = server.subscribe_as("stays", "").await;
    gone.expect("subscribed").await;
    stays.expect("subscribed").await;
    let began = clock::instant();
    server.write_auth(&format!("{both}[revoked]\nlabels = [\"gone\"]"));
    let close = gone.closed().await.unwrap();
    assert_eq!(close.code, CloseCode::UNAUTHORISED);
    // The promise is a second; a machine that does much else may wake us late.
    assert!(began.elapsed() < Duration::from_secs(3));
    server.emit(r#"{"kind":"a","data":{}}"#).await;
    assert_eq!(stays.cursors(1).await, [1]);
    let headers = "Authorization: Bearer gone\r\n";
    let again = server.upgrade("cursor=0", headers).await.err().unwrap();
    assert_eq!((again.status, &*again.code()), (401, "unauthorised"));
}

#[tokio::test]
async fn grants_that_change_apply_from_a_stated_cursor_without_gap_or_repetition() {
    let server = TestServer::start_with_auth(&entry("p", "p", r#"["a.*"]"#, "")).await;
    let mut client = server.subscribe_as("p", "").await;
    client.expect("subscribed").await;
    let stop = tokio::sync::Notify::new();
    let story = async {
        server.write_auth(&entry("p", "p", r#"["a.*", "b.*"]"#, ""));
        let (mut heard, mut said) = (Vec::new(), Vec::new());
        while said.is_empty() {
            let next = heard.last().map_or(1, |cursor| cursor + 1);
            said = hear_until(&mut client, next, &mut heard).await;
        }
        assert_eq!(said[0].get_str("type"), Some("authorised"), "{said:?}");
        assert_eq!(said[0].get("ref"), None);
        // Some more under the new grants.
        let applies_after = said[0].get_i64("cursor").unwrap();
        hear_until(&mut client, applies_after + 20, &mut heard).await;
        stop.notify_one();
        (applies_after, heard)
    };
    let (all, (applies_after, heard)) =
        tokio::join!(emit_on(&server, &["a.x", "b.x", "c.x"], &stop), story);
    let last = *heard.last().unwrap();
    let expected: Vec<_> = all
        .into_iter()
        .filter(|(cursor, kind)| match *kind {
            "a.x" => true,
            "b.x" => *cursor > applies_after,
            _ => false,
        })
        .map(|(cursor, _)| cursor)
        .filter(|cursor| *cursor <= last)
        .collect();
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn grants_that_leave_nothing_of_a_subscription_end_it() {
    let server = TestServer::start_with_auth(&entry("p", "p", r#"["a.*", "b.*"]"#, "")).await;
    let mut a = server.subscribe_as("p", "kinds=a.*").await;
    let mut b = server.subscribe_as("p", "kinds=b.*").await;
    a.expect("subscribed").await;
    b.expect("subscribed").await;
    server.write_auth(&entry("p", "p", r#"["b.*"]"#, ""));
    assert_eq!(a.closed().await.unwrap().code, CloseCode::FORBIDDEN);
    b.expect("authorised").await;
}

#[tokio::test]
async fn a_token_is_renewed_in_place_before_it_expires() {
    // It is over but for the leeway, of which a second and a half are left.
    let old = expires(from_now(-8_500));
    let auth = [
        entry("p", "old", r#"["a.*"]"#, &old),
        entry("p", "new", r#"["a.*", "b.*"]"#, ""),
    ]
    .concat();
    let server = TestServer::start_with_auth(&auth).await;
    let mut renewed = server.subscribe_as("old", "").await;
    let mut left = server.subscribe_as("old", "").await;
    for client in [&mut renewed, &mut left] {
        client.expect("subscribed").await;
        let warning = client.expect("token_expiring").await;
        assert_eq!(warning.get_u64("expires_in_ms"), Some(0));
    }
    renewed
        .send(r#"{"type":"auth","token":"new","ref":"r"}"#)
        .await;
    let authorised = renewed.expect("authorised").await;
    assert_eq!(authorised.get_str("ref"), Some("r"));
    assert!(authorised["expires_in_ms"].is_null(), "{authorised}");
    let close = left.closed().await.unwrap();
    assert_eq!(
        (close.code, &*close.reason),
        (CloseCode::UNAUTHORISED, "the token has expired")
    );
    server.emit(r#"{"kind":"b.x","data":{}}"#).await;
    assert_eq!(renewed.cursors(1).await, [1]);
}

#[tokio::test]
async fn a_token_that_lives_is_warned_of_its_end_with_what_is_left() {
    let soon = expires(from_now(4_000));
    let server = TestServer::start_with_auth(&entry("p", "p", r#"["*"]"#, &soon)).await;
    let mut client = server.subscribe_as("p", "").await;
    client.expect("subscribed").await;
    let warning = client.expect("token_expiring").await;
    let left = warning.get_u64("expires_in_ms").unwrap();
    assert!((500..=2_000).contains(&left), "{left}");
    client
        .send(r#"{"type":"auth","token":"p","ref":"again"}"#)
        .await;
    let authorised = client.expect("authorised").await;
    assert!(authorised.get_u64("expires_in_ms").unwrap() <= left);
}

#[tokio::test]
async fn a_renewal_applies_from_a_stated_cursor_without_gap_or_repetition() {
    let auth = [
        entry("p", "less", r#"["a.*"]"#, ""),
        entry("p", "more", r#"["a.*", "b.*"]"#, ""),
    ]
    .concat();
    let server = TestServer::start_with_auth(&auth).await;
    // From the beginning, so that some renewals meet it while it replays.
    for start in ["", "cursor=0"] {
        let mut client = server.subscribe_as("less", start).await;
        let began = client.expect("subscribed").await.get_i64("cursor").unwrap();
        let stop = tokio::sync::Notify::new();
        let story = async {
            let (mut heard, mut spans) = (Vec::new(), vec![(began, "less")]);
            for token in ["more", "less", "more", "more", "less"].repeat(4) {
                let command = format!(r#"{{"type":"auth","token":"{token}"}}"#);
                client.send(&command).await;
                let mut said = Vec::new();
                while !said
                    .iter()
                    .any(|one: &OwnedValue| one.get_str("type") == Some("authorised"))
                {
                    let next = heard.last().map_or(1, |cursor| cursor + 1);
                    said.extend(hear_until(&mut client, next, &mut heard).await);
                }
                let authorised = said
                    .iter()
                    .find(|one| one.get_str("type") == Some("authorised"));
                spans.push((authorised.unwrap().get_i64("cursor").unwrap(), token));
            }
            stop.notify_one();
            (heard, spans)
        };
        let (_, (heard, spans)) =
            tokio::join!(emit_on(&server, &["a.x", "b.x", "c.x"], &stop), story);
        let page = server.post("/api/event-bus/replay", "").await.json();
        let expected: Vec<_> = page
            .as_array()
            .unwrap()
            .iter()
            .map(|event| {
                (
                    event.get_i64("cursor").unwrap(),
                    event.get_str("kind").unwrap(),
                )
            })
            .filter(|(cursor, _)| *cursor > began && cursor <= heard.last().unwrap())
            .filter(|(cursor, kind)| {
                let in_force = spans
                    .as_slice()
                    .iter()
                    .rev()
                    .find(|(applies_after, _)| cursor > applies_after);
                *kind == "a.x" || (*kind == "b.x" && in_force.unwrap().1 == "more")
            })
            .map(|(cursor, _)| cursor)
            .collect();
        assert_eq!(heard, expected, "{start:?}: {spans:?}");
    }
}

#[tokio::test]
async fn a_token_that_does_not_fit_changes_nothing_or_ends_the_connection() {
    let auth = [
        entry("p", "p", r#"["a.*"]"#, ""),
        entry("p", "elsewhere", r#"["b.*"]"#, ""),
        entry("q", "q", r#"["a.*"]"#, ""),
    ]
    .concat();
    let server = TestServer::start_with_auth(&auth).await;
    let mut client = server.subscribe_as("p", "kinds=a.*").await;
    client.expect("subscribed").await;
    for (token, expected) in [("wrong", "unauthorised"), ("elsewhere", "forbidden")] {
        let command = format!(r#"{{"type":"auth","token":"{token}","ref":"{token}"}}"#);
        client.send(&command).await;
        let error = client.expect("error").await;
        assert_eq!(
            (code(&error), error.get_str("ref")),
            (Some(expected), Some(token))
        );
        assert!(!error.to_string().contains(TOKEN));
    }
    server.emit(r#"{"kind":"a.x","data":{}}"#).await;
    assert_eq!(client.cursors(1).await, [1]);
    client.send(r#"{"type":"auth","token":"q"}"#).await;
    assert_eq!(client.closed().await.unwrap().code, CloseCode::FORBIDDEN);
}

/// Right commands between the guesses do not help.
#[tokio::test]
async fn a_client_that_guesses_tokens_is_closed_after_ten() {
    let server = TestServer::start_with_auth(&entry("p", "p", r#"["a.*"]"#, "")).await;
    for other in [None, Some(r#"{"type":"ping"}"#)] {
        let mut client = server.subscribe_as("p", "").await;
        client.expect("subscribed").await;
        for _ in 0..10 {
            client.send(r#"{"type":"auth","token":"guess"}"#).await;
            let error = client.expect("error").await;
            assert_eq!(code(&error), Some("unauthorised"));
            if let Some(other) = other {
                client.send(other).await;
                client.expect("pong").await;
            }
        }
        client.send(r#"{"type":"auth","token":"guess"}"#).await;
        let close = client.closed().await.unwrap();
        assert_eq!(close.code, CloseCode::POLICY);
    }
}

#[tokio::test]
async fn a_client_whose_subscriptions_are_refused_in_a_row_is_closed_after_ten() {
    let server = TestServer::start_with_auth(&entry("p", "p", r#"["a.*"]"#, "")).await;
    let mut client = server.subscribe_as("p", "").await;
    client.expect("subscribed").await;
    for _ in 0..10 {
        client.send(r#"{"type":"subscribe","kinds":"b.*"}"#).await;
        assert_eq!(code(&client.expect("error").await), Some("forbidden"));
    }
    client.send(r#"{"type":"subscribe","kinds":"b.*"}"#).await;
    let close = client.closed().await.unwrap();
    assert_eq!(close.code, CloseCode::POLICY);
}

#[tokio::test]
async fn a_subscription_that_is_not_granted_leaves_the_one_before_it() {
    let server = TestServer::start_with_auth(&entry("p", "p", r#"["a.*"]"#, "")).await;
    let mut client = server.subscribe_as("p", "kinds=a.*").await;
    client.expect("subscribed").await;
    client
        .send(r#"{"type":"subscribe","kinds":"b.*","ref":"s"}"#)
        .await;
    let error = client.expect("error").await;
    assert_eq!(
        (code(&error), error.get_str("ref")),
        (Some("forbidden"), Some("s"))
    );
    server
        .emit(r#"[{"kind":"b.x","data":{}},{"kind":"a.x","data":{}}]"#)
        .await;
    assert_eq!(client.cursors(1).await, [2]);
    client.send(r#"{"type":"subscribe","cursor":0}"#).await;
    assert_eq!(
        client.expect("subscribed").await["kinds"],
        OwnedValue::from(vec!["a.*"])
    );
    assert_eq!(client.cursors(1).await, [2]);
}

#[tokio::test]
async fn history_needs_both_rights_and_what_comes_needs_one() {
    let live = auth_entry("live", "live", r#"grants = [{ actions = ["read"] }]"#);
    let stored = auth_entry("stored", "stored", r#"grants = [{ actions = ["replay"] }]"#);
    let server = TestServer::start_with_auth(&[live, stored].concat()).await;
    let refused = async |token: &str, query: &str| {
        let headers = format!("Authorization: Bearer {token}\r\n");
        let answer = server.upgrade(query, &headers).await.err().unwrap();
        (answer.status, answer.code())
    };
    let forbidden = (403, "forbidden".to_owned());
    for start in ["cursor=0", "cursor=earliest", "cursor=2026-01-01T00:00:00Z"] {
        assert_eq!(refused("live", start).await, forbidden);
        assert_eq!(refused("stored", start).await, forbidden);
    }
    assert_eq!(refused("stored", "").await, forbidden);
    assert_eq!(refused("stored", "cursor=head").await, forbidden);
    for start in ["", "cursor=head"] {
        let mut client = server.subscribe_as("live", start).await;
        client.expect("subscribed").await;
        client.send(r#"{"type":"subscribe","cursor":0}"#).await;
        assert_eq!(code(&client.expect("error").await), Some("forbidden"));
        // It goes on from where it stands, which is no history.
        client.send(r#"{"type":"subscribe","kinds":"a"}"#).await;
        client.expect("subscribed").await;
    }
    let page = "/api/event-bus?cursor=0";
    assert_eq!(server.get_as("live", page).await.status, 403);
    assert_eq!(server.get_as("stored", page).await.status, 200);
}

/// A browser sees nothing of a refused upgrade, but the code of a close.
#[tokio::test]
async fn a_browser_is_told_by_a_close_that_it_is_not_granted_anything() {
    let server = TestServer::start_with_auth(&entry("p", "p", r#"["a.*"]"#, "")).await;
    let headers = "Authorization: Bearer p\r\nOrigin: https://allowed.example\r\n";
    let mut client = server.upgrade("kinds=b.*", headers).await.unwrap();
    let close = within(client.closed()).await.unwrap();
    assert_eq!(close.code, CloseCode::FORBIDDEN);
    let metrics = server.get("/metrics").await.body;
    let series = "todoki_disconnects_total{by=\"server\",code=\"3003\"} 1";
    assert!(metrics.contains(series), "{metrics}");
}

#[tokio::test]
async fn a_replay_is_cut_short_when_its_token_is_revoked() {
    let who = entry("p", "p", r#"["*"]"#, "");
    let server = TestServer::start_with_auth(&who).await;
    // Far more than sockets hold.
    let draft = format!(r#"{{"kind":"a","data":{{"x":"{}"}}}}"#, "x".repeat(250_000));
    let batch = format!("[{}]", [&*draft; 4].join(","));
    for _ in 0..48 {
        server.emit(&batch).await;
    }
    let mut replaying = server.connect().await;
    let request = "POST /api/event-bus/replay HTTP/1.1\r\nHost: it\r\nAuthorization: Bearer p\r\nContent-Length: 0\r\n\r\n";
    replaying.write_all(request.as_bytes()).await.unwrap();
    let mut beginning = [0; 1024];
    within(replaying.read_exact(&mut beginning)).await.unwrap();
    assert!(beginning.starts_with(b"HTTP/1.1 200"));
    server.write_auth(&format!("{who}[revoked]\nlabels = [\"p\"]"));
    let latest = "/api/event-bus/latest";
    within(async { while server.get_as("p", latest).await.status != 401 {} }).await;
    let mut rest = Vec::new();
    // How it breaks off is the socket's matter.
    within(replaying.read_to_end(&mut rest)).await.ok();
    assert!(!rest.ends_with(b"0\r\n\r\n"));
    assert!(rest.len() < 40_000_000, "{} bytes came", rest.len());
}
