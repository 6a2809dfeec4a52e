//! History over HTTP: pages, the newest cursor, replays; and emits, which make it.

use simd_json::OwnedValue;
use simd_json::prelude::*;

use crate::harness::{Answer, TOKEN, TestServer, within};

fn drafts(count: usize) -> String {
    let drafts: Vec<_> = (0..count)
        .map(|n| {
            format!(
                "{{\"kind\":\"{}\",\"data\":{{\"n\":{n}}}}}",
                if n % 2 == 0 { "even" } else { "odd" }
            )
        })
        .collect();
    format!("[{}]", drafts.join(","))
}

fn cursors(events: &OwnedValue) -> Vec<i64> {
    let events = events.as_array().unwrap();
    events
        .iter()
        .map(|event| event.get_i64("cursor").unwrap())
        .collect()
}

fn page(answer: &Answer) -> (Vec<i64>, i64, bool) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let page = answer.json();
    (
        cursors(&page["events"]),
        page.get_i64("next_cursor").unwrap(),
        page.get_bool("has_more").unwrap(),
    )
}

#[tokio::test]
async fn an_object_is_answered_by_a_number_and_a_batch_by_an_array() {
    let server = TestServer::start().await;
    let one = server
        .post("/api/event-bus/emit", r#"{"kind":"a","data":{}}"#)
        .await;
    assert_eq!((one.status, &*one.body), (200, "1"));
    let many = server.post("/api/event-bus/emit", &drafts(3)).await;
    assert_eq!((many.status, &*many.body), (200, "[2,3,4]"));
    let lines = "{\"kind\":\"a\",\"data\":{}}\n\n{\"kind\":\"b\",\"data\":{}}\n";
    let ndjson = "Content-Type: application/x-ndjson; charset=utf-8\r\n";
    let lines = server
        .request("POST", "/api/event-bus/emit", ndjson, lines)
        .await;
    assert_eq!((lines.status, &*lines.body), (200, "[5,6]"));
    assert_eq!(server.get("/api/event-bus/latest").await.body, "6");
}

#[tokio::test]
async fn pages_walk_forward_to_the_head() {
    let server = TestServer::start().await;
    server.emit(&drafts(25)).await;
    let first = page(&server.get("/api/event-bus?limit=10").await);
    assert_eq!(first, ((1..=10).collect(), 10, true));
    let second = page(&server.get("/api/event-bus?limit=10&cursor=10").await);
    assert_eq!(second, ((11..=20).collect(), 20, true));
    let last = page(&server.get("/api/event-bus?limit=10&cursor=20").await);
    assert_eq!(last, ((21..=25).collect(), 25, false));
    let beyond = page(&server.get("/api/event-bus?cursor=25").await);
    assert_eq!(beyond, (vec![], 25, false));
}

#[tokio::test]
async fn pages_walk_backward_to_the_beginning() {
    let server = TestServer::start().await;
    server.emit(&drafts(25)).await;
    let newest = page(&server.get("/api/event-bus?limit=10&before=26").await);
    assert_eq!(newest, ((16..=25).collect(), 16, true));
    let older = page(&server.get("/api/event-bus?limit=20&before=16").await);
    assert_eq!((older.0, older.2), ((1..=15).collect(), false));
}

#[tokio::test]
async fn a_page_is_filtered_and_reaches_past_what_it_does_not_pick() {
    let server = TestServer::start().await;
    server.emit(&drafts(25)).await;
    let odd = page(&server.get("/api/event-bus?kinds=odd&limit=100").await);
    assert_eq!(odd, ((2..=24).step_by(2).collect(), 25, false));
    let none = page(&server.get("/api/event-bus?kinds=none.*").await);
    assert_eq!(none, (vec![], 25, false));
}

#[tokio::test]
async fn a_replay_of_any_length_is_one_array() {
    let server = TestServer::start().await;
    for _ in 0..4 {
        server.emit(&drafts(1000)).await;
    }
    let all = server.post("/api/event-bus/replay", "").await;
    assert_eq!(cursors(&all.json()), (1..=4000).collect::<Vec<_>>());
    let range = server
        .post(
            "/api/event-bus/replay?from_cursor=10&to_cursor=20&kinds=odd",
            "",
        )
        .await;
    assert_eq!(cursors(&range.json()), [12, 14, 16, 18, 20]);
    let none = server
        .post("/api/event-bus/replay?from_cursor=4000", "")
        .await;
    assert_eq!(none.body, "[]");
}

/// As an export is made: what comes is what was stored, an event a line.
#[tokio::test]
async fn a_replay_is_lines_where_they_are_asked_for() {
    let server = TestServer::start().await;
    for _ in 0..3 {
        server.emit(&drafts(1000)).await;
    }
    let array = server.post("/api/event-bus/replay", "").await.body;
    let lines = async |query: &str| {
        let accept = "Accept: application/x-ndjson\r\n";
        let target = format!("/api/event-bus/replay?{query}");
        server.request("POST", &target, accept, "").await
    };
    let all = lines("").await;
    assert_eq!(all.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(all.body.lines().count(), 3000);
    let joined = all.body.trim_end().replace('\n', ",");
    assert_eq!(format!("[{joined}]"), array);
    assert!(all.body.ends_with("}\n"));
    let none = lines("kinds=none").await;
    assert_eq!((none.status, &*none.body), (200, ""));
    // A producer's line break between tokens would end the line.
    let spread = "{\"kind\":\"spread\",\"data\":{\n\"n\":\r\n 1}}";
    server.emit(spread).await;
    let spread = lines("kinds=spread").await.body;
    assert!(spread.ends_with("\"data\":{ \"n\":   1}}\n"), "{spread}");
    assert_eq!(spread.lines().count(), 1);
}

/// Lines that broke off would look like all of them where nothing but the end of the connection says that it is the end.
#[tokio::test]
async fn a_replay_without_chunks_is_an_array_whatever_is_asked_for() {
    let server = TestServer::start().await;
    server.emit(&drafts(2)).await;
    let request = format!(
        "POST /api/event-bus/replay HTTP/1.0\r\nHost: it\r\nAuthorization: Bearer {TOKEN}\r\n\
         Accept: application/x-ndjson\r\n\r\n"
    );
    let answer = Answer::parse(&server.raw(request).await);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(cursors(&answer.json()), [1, 2]);
}

#[tokio::test]
async fn pages_walk_backward_over_what_they_do_not_pick() {
    let server = TestServer::start().await;
    let system = "00000000-0000-0000-0000-000000000000";
    let rare = r#"{"kind":"rare","data":{}}"#;
    server.emit(rare).await;
    server.emit(&drafts(1000)).await;
    server.emit(rare).await;
    server.emit(&drafts(1000)).await;
    // By the index of kinds, along the table, and both.
    for filter in [
        "kinds=rare",
        &format!("kinds=rare&agent_id={system}"),
        "kinds=r*",
    ] {
        let (mut before, mut found) = (i64::MAX >> 10, Vec::new());
        loop {
            let target = format!("/api/event-bus?before={before}&limit=1&{filter}");
            let (cursors, next, has_more) = page(&server.get(&target).await);
            assert!(next < before, "{filter}");
            before = next;
            found.extend(cursors);
            if !has_more {
                break;
            }
        }
        assert_eq!((found, before), (vec![1002, 1], 1), "{filter}");
    }
    let beginning = page(&server.get("/api/event-bus?before=1").await);
    assert_eq!(beginning, (vec![], 1, false));
}

#[tokio::test]
async fn a_retry_with_the_same_key_stores_nothing_twice() {
    let server = TestServer::start().await;
    let emit = async |headers: &str, body: &str| {
        let headers = format!("Content-Type: application/json\r\n{headers}");
        server
            .request("POST", "/api/event-bus/emit", &headers, body)
            .await
    };
    let body = r#"{"kind":"a","data":{"n":1}}"#;
    assert_eq!(emit("Idempotency-Key: k1\r\n", body).await.body, "1");
    assert_eq!(emit("Idempotency-Key: k1\r\n", body).await.body, "1");
    assert_eq!(
        emit("", r#"{"kind":"a","data":{"n":1},"id":"k1"}"#)
            .await
            .body,
        "1"
    );
    assert_eq!(
        emit("Idempotency-Key: k2\r\n", &drafts(3)).await.body,
        "[2,3,4]"
    );
    assert_eq!(
        emit("Idempotency-Key: k2\r\n", &drafts(3)).await.body,
        "[2,3,4]"
    );
    let conflict = emit("Idempotency-Key: k1\r\n", r#"{"kind":"a","data":{"n":2}}"#).await;
    assert_eq!(
        (conflict.status, conflict.code().as_str()),
        (409, "id_conflict")
    );
    assert_eq!(conflict.json().get_i64("cursor"), Some(1));
    assert_eq!(server.get("/api/event-bus/latest").await.body, "4");
}

#[tokio::test]
async fn one_bad_draft_refuses_the_batch_by_its_place() {
    let server = TestServer::start().await;
    let answer = server
        .post(
            "/api/event-bus/emit",
            r#"[{"kind":"a","data":{}},{"kind":"a..b","data":{}}]"#,
        )
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (400, "invalid_draft")
    );
    assert_eq!(answer.json().get_i64("index"), Some(1));
    assert_eq!(server.get("/api/event-bus/latest").await.body, "0");
}

#[tokio::test]
async fn probes_need_no_token() {
    let server = TestServer::start().await;
    for (path, body) in [("/livez", "alive\n"), ("/readyz", "ready\n")] {
        let answer = server
            .raw(format!(
                "GET {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n"
            ))
            .await;
        assert_eq!(Answer::parse(&answer).body, body);
    }
    let health = server
        .raw("GET /health HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(Answer::parse(&health).json().get_str("status"), Some("ok"));
}

#[tokio::test]
async fn history_that_was_forgotten_is_not_passed_over() {
    let server = TestServer::start().await;
    server.emit(&drafts(100)).await;
    let data = server.stop().await;
    let server = TestServer::start_in(data, |config| config.retain_events = Some(10)).await;
    let trimmed = async {
        while server
            .get("/api/event-bus?limit=1")
            .await
            .json()
            .get_i64("earliest")
            != Some(91)
        {
            tokio::task::yield_now().await;
        }
    };
    within(trimmed).await;
    let gone = server
        .post("/api/event-bus/replay?from_cursor=50", "")
        .await;
    assert_eq!((gone.status, gone.code().as_str()), (410, "cursor_gone"));
    assert_eq!(gone.json().get_i64("earliest"), Some(91));
    let rest = server.post("/api/event-bus/replay", "").await;
    assert_eq!(cursors(&rest.json()), (91..=100).collect::<Vec<_>>());
    let rest = server
        .post("/api/event-bus/replay?from_cursor=90", "")
        .await;
    assert_eq!(cursors(&rest.json()).len(), 10);
}
