//! Tickets: what lets in whoever can send no header, over real sockets.

use simd_json::prelude::*;

use crate::harness::{Answer, TOKEN, TestServer, auth_entry, within};
use crate::stream::Streaming;

const PATH: &str = "/api/event-bus/tickets";
pub(crate) const LINES: &str = "Accept: application/x-ndjson\r\n";
const ONE: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e01";
const OTHER: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e02";

pub(crate) async fn issued(server: &TestServer, token: &str, query: &str) -> Answer {
    let target = format!("{PATH}?{query}");
    server.request_as(token, "POST", &target, "", "").await
}

pub(crate) async fn ticket(server: &TestServer, token: &str, query: &str) -> String {
    let answer = issued(server, token, query).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer = answer.json();
    assert_eq!(answer.get_i64("expires_in_ms"), Some(30_000));
    answer.get_str("ticket").unwrap().to_owned()
}

/// Code of the refusal of a stream and of a subscription.
pub(crate) async fn refused(server: &TestServer, query: &str, headers: &str) -> [(u16, String); 2] {
    let stream = Streaming::open(server, query, headers).await.err();
    let socket = server.upgrade(query, headers).await.err();
    [stream, socket].map(|answer| {
        let answer = answer.expect("refused");
        (answer.status, answer.code())
    })
}

pub(crate) fn unauthorised() -> [(u16, String); 2] {
    [(); 2].map(|()| (401, "unauthorised".into()))
}

fn draft(kind: &str, project: &str) -> String {
    format!(r#"{{"kind":"{kind}","project_id":"{project}","data":{{}}}}"#)
}

#[tokio::test]
async fn a_ticket_begins_one_stream_or_one_subscription() {
    let server = TestServer::start().await;
    let first = ticket(&server, TOKEN, "").await;
    assert_eq!(first.len(), 24);
    let query = format!("cursor=0&ticket={first}");
    let mut stream = Streaming::open(&server, &query, LINES).await.ok().unwrap();
    stream.expect("subscribed").await;
    assert_eq!(refused(&server, &query, "").await, unauthorised());
    let second = ticket(&server, TOKEN, "").await;
    let query = format!("ticket={second}");
    let mut socket = server.upgrade(&query, "").await.ok().unwrap();
    socket.expect("subscribed").await;
    assert_eq!(refused(&server, &query, "").await, unauthorised());
    server.emit(r#"{"kind":"a","data":{}}"#).await;
    assert_eq!(
        stream.expect("replay_complete").await.get_i64("count"),
        Some(0)
    );
    assert_eq!(stream.cursors(1).await, [1]);
    assert_eq!(socket.cursors(1).await, [1]);
}

#[tokio::test]
async fn a_ticket_comes_alone() {
    let server = TestServer::start_with(|config| config.allow_query_token = true).await;
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let protocols =
        "Sec-WebSocket-Protocol: base64url.bearer.authorization.todoki.aXQtc2VjcmV0LXRva2Vu\r\n";
    for (more, headers) in [
        ("", &*bearer),
        ("", protocols),
        (&*format!("&token={TOKEN}"), ""),
    ] {
        let query = format!("ticket={}{more}", ticket(&server, TOKEN, "").await);
        assert_eq!(refused(&server, &query, headers).await, unauthorised());
    }
    for worthless in ["", "x", TOKEN] {
        let query = format!("ticket={worthless}");
        assert_eq!(refused(&server, &query, "").await, unauthorised());
    }
}

#[tokio::test]
async fn a_ticket_is_for_streams_alone() {
    let server = TestServer::start().await;
    let ticket = ticket(&server, TOKEN, "").await;
    for (method, path) in [
        ("GET", "/api/event-bus"),
        ("GET", "/api/event-bus/latest"),
        ("POST", "/api/event-bus/replay"),
        ("POST", "/api/event-bus/emit"),
        ("POST", PATH),
        ("GET", "/metrics"),
    ] {
        let request = format!(
            "{method} {path}?ticket={ticket} HTTP/1.1\r\nHost: it\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let answer = Answer::parse(&server.raw(request).await);
        assert_eq!(answer.status, 401, "{path}");
        let target = format!("{path}?ticket={ticket}");
        let with_token = server.request(method, &target, "", "").await;
        assert_eq!(with_token.code(), "invalid_parameter", "{path}");
    }
    // None of that used it.
    let stream = Streaming::open(&server, &format!("ticket={ticket}"), LINES).await;
    assert!(stream.is_ok());
}

#[tokio::test]
async fn whoever_came_with_a_ticket_sees_what_it_is_for_and_no_more() {
    let server = TestServer::start().await;
    let query = format!("kinds=task.*&project_id={ONE}");
    let narrow = async || format!("ticket={}", ticket(&server, TOKEN, &query).await);
    let by_stream = format!("cursor=0&{}", narrow().await);
    let mut stream = Streaming::open(&server, &by_stream, LINES)
        .await
        .ok()
        .unwrap();
    let subscribed = stream.expect("subscribed").await;
    assert_eq!(subscribed["kinds"].encode(), r#"["task.*"]"#);
    stream.expect("replay_complete").await;
    let by_socket = format!("kinds=task.a,agent.*&{}", narrow().await);
    let mut socket = server.upgrade(&by_socket, "").await.ok().unwrap();
    let subscribed = socket.expect("subscribed").await;
    assert_eq!(subscribed["kinds"].encode(), r#"["task.a"]"#);
    server.emit(&draft("task.b", ONE)).await;
    server.emit(&draft("task.a", OTHER)).await;
    server.emit(&draft("agent.a", ONE)).await;
    server.emit(&draft("task.a", ONE)).await;
    assert_eq!(stream.cursors(2).await, [1, 4]);
    assert_eq!(socket.cursors(1).await, [4]);
    // A command is bounded as the query is.
    socket.send(r#"{"type":"subscribe","cursor":0}"#).await;
    let subscribed = socket.expect("subscribed").await;
    assert_eq!(subscribed["kinds"].encode(), r#"["task.*"]"#);
    assert_eq!(socket.cursors(2).await, [1, 4]);
    let outside = format!("kinds=agent.*&{}", narrow().await);
    let refused = Streaming::open(&server, &outside, LINES)
        .await
        .err()
        .unwrap();
    assert_eq!((refused.status, &*refused.code()), (403, "forbidden"));
}

#[tokio::test]
async fn a_ticket_says_nothing_that_its_token_may_not() {
    let grants = "grants = [{ actions = [\"read\", \"replay\"], kinds = [\"task.*\"] }]";
    let server = TestServer::start_with_auth(&auth_entry("ci", "secret", grants)).await;
    let refused = issued(&server, "secret", "kinds=agent.*").await;
    assert_eq!((refused.status, &*refused.code()), (403, "forbidden"));
    let query = format!("cursor=0&ticket={}", ticket(&server, "secret", "").await);
    server.emit(&draft("agent.a", ONE)).await;
    server.emit(&draft("task.a", ONE)).await;
    let mut stream = Streaming::open(&server, &query, LINES).await.ok().unwrap();
    stream.expect("subscribed").await;
    assert_eq!(stream.cursors(1).await, [2]);
    for (query, code) in [
        ("cursor=0", "invalid_parameter"),
        ("kinds=a..b", "invalid_parameter"),
    ] {
        let refused = issued(&server, "secret", query).await;
        assert_eq!((refused.status, &*refused.code()), (400, code));
    }
    assert_eq!(issued(&server, "wrong", "").await.status, 401);
}

#[tokio::test]
async fn a_ticket_of_a_revoked_token_is_worth_nothing() {
    let server =
        TestServer::start_with_auth(&auth_entry("ci", "secret", "role = \"viewer\"")).await;
    let unused = ticket(&server, "secret", "").await;
    let used = ticket(&server, "secret", "kinds=a").await;
    let opened = Streaming::open(&server, &format!("ticket={used}"), LINES).await;
    let mut stream = opened.ok().unwrap();
    stream.expect("subscribed").await;
    server.write_auth(&auth_entry("next", "next", "role = \"viewer\""));
    // Also whoever came in with one is looked at again.
    let error = stream.expect("error").await;
    assert_eq!(error.get_str("code"), Some("unauthorised"));
    assert_eq!(stream.line().await, None);
    let query = format!("ticket={unused}");
    let refused = Streaming::open(&server, &query, LINES).await.err();
    assert_eq!(refused.unwrap().status, 401);
}

/// Grants that grow do not widen what a ticket is for.
#[tokio::test]
async fn a_ticket_bounds_its_stream_whatever_becomes_of_the_grants() {
    let entry = |kinds: &str| {
        let grants =
            format!("grants = [{{ actions = [\"read\", \"replay\"], kinds = [{kinds}] }}]");
        auth_entry("ci", "secret", &grants)
    };
    let server = TestServer::start_with_auth(&entry("\"a\"")).await;
    let query = format!("ticket={}", ticket(&server, "secret", "kinds=a,b").await);
    let mut stream = Streaming::open(&server, &query, LINES).await.ok().unwrap();
    stream.expect("subscribed").await;
    server.write_auth(&entry("\"a\", \"b\", \"c\""));
    let event = |kind: &str| format!(r#"{{"kind":"{kind}","data":{{}}}}"#);
    let widened = async {
        loop {
            for kind in ["c", "b", "a"] {
                server.emit(&event(kind)).await;
            }
            match stream.expect("event").await.get_str("kind") {
                Some("a") => {}
                Some("b") => return,
                other => panic!("{other:?} is not what the ticket is for"),
            }
        }
    };
    within(widened).await;
    assert_eq!(stream.expect("event").await.get_str("kind"), Some("a"));
    server.emit(&event("c")).await;
    server.emit(&event("b")).await;
    assert_eq!(stream.expect("event").await.get_str("kind"), Some("b"));
}

#[tokio::test]
async fn one_token_does_not_take_the_room_of_others() {
    let server =
        TestServer::start_with_auth(&auth_entry("ci", "secret", "role = \"viewer\"")).await;
    for _ in 0..100 {
        ticket(&server, "secret", "").await;
    }
    let refused = issued(&server, "secret", "").await;
    assert_eq!((refused.status, &*refused.code()), (429, "rate_limited"));
    assert!(refused.header("retry-after").is_some());
    ticket(&server, TOKEN, "").await;
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_ask_for_a_ticket() {
    let server = TestServer::start().await;
    let origin = "Origin: https://allowed.example\r\n";
    let answer = server.request("POST", PATH, origin, "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://allowed.example")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let get = server.get(PATH).await;
    assert_eq!(
        (get.status, get.header("allow")),
        (405, Some("OPTIONS, POST"))
    );
}
