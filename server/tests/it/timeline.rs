//! What a timeline asks: positions of times, histograms, facets.

use jiff::{SignedDuration, Timestamp};
use simd_json::OwnedValue;
use simd_json::prelude::*;

use crate::harness::TestServer;

const AGENT: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";
const TASK: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e10";
const OTHER_TASK: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e11";

/// Five events: of an agent's two tasks, and of the system.
async fn seeded() -> TestServer {
    let server = TestServer::start().await;
    let event = |kind: &str, task: &str| {
        format!(r#"{{"kind":"{kind}","agent_id":"{AGENT}","task_id":"{task}","data":{{}}}}"#)
    };
    let drafts = [
        event("task.created", TASK),
        event("agent.output", TASK),
        event("agent.error", TASK),
        event("task.failed", OTHER_TASK),
        r#"{"kind":"relay.up","data":{}}"#.into(),
    ];
    server.emit(&format!("[{}]", drafts.join(","))).await;
    server
}

/// When an event was stamped.
async fn time_of(server: &TestServer, cursor: i64) -> Timestamp {
    let page = server
        .get(&format!("/api/event-bus?cursor={}&limit=1", cursor - 1))
        .await
        .json();
    page["events"][0].get_str("time").unwrap().parse().unwrap()
}

async fn answer(server: &TestServer, target: &str) -> OwnedValue {
    let answer = server.get(target).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()
}

#[tokio::test]
async fn a_time_is_answered_by_the_position_before_it() {
    let server = seeded().await;
    let first = time_of(&server, 1).await;
    let later = first + SignedDuration::from_secs(60);
    for (time, cursor) in [(first, "0"), (later, "5")] {
        let answer = server
            .get(&format!("/api/event-bus/seek?time={time}"))
            .await;
        let expected = format!(r#"{{"cursor":{cursor}}}"#);
        assert_eq!((answer.status, answer.body), (200, expected));
    }
    // What is found is where a page goes on.
    let page = answer(&server, "/api/event-bus?cursor=0&limit=1").await;
    assert_eq!(page["events"][0].get_i64("cursor"), Some(1));
}

#[tokio::test]
async fn a_histogram_counts_families_and_failures_by_window() {
    let server = seeded().await;
    // One append has one time, so all five are in the second of three windows.
    let second = SignedDuration::from_secs(1);
    let from = time_of(&server, 1).await - second;
    let to = from + second * 3;
    let target = format!("/api/event-bus/histogram?from={from}&to={to}&windows=3");
    let histogram = server.get(&target).await;
    let expected = format!(
        r#"{{"from":"{from:.6}","to":"{to:.6}","window_ms":1000,"families":["agent","relay","task"],"counts":[[0,2,0],[0,1,0],[0,2,0]],"failures":[0,2,0],"is_complete":true,"from_cursor":1}}"#
    );
    assert_eq!((histogram.status, histogram.body), (200, expected));
    let filtered = answer(&server, &format!("{target}&kinds=task.*&task_id={TASK}")).await;
    assert_eq!(filtered["families"], OwnedValue::from(vec!["task"]));
    assert_eq!(filtered["failures"], OwnedValue::from(vec![0, 0, 0]));
    let before = format!("/api/event-bus/histogram?from=2001-01-01T00:00:00Z&to={from}");
    let before = answer(&server, &before).await;
    assert_eq!(before["failures"].as_array().map(Vec::len), Some(120));
    assert_eq!(before["counts"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn facets_name_what_is_most_frequent() {
    let server = seeded().await;
    let facets = server
        .get("/api/event-bus/facets?kinds=task.*,agent.*")
        .await;
    let kinds = ["agent.error", "agent.output", "task.created", "task.failed"]
        .map(|kind| format!(r#"{{"value":"{kind}","count":1}}"#))
        .join(",");
    let expected = format!(
        r#"{{"kinds":[{kinds}],"agents":[{{"value":"{AGENT}","count":4}}],"sessions":[],"tasks":[{{"value":"{TASK}","count":3}},{{"value":"{OTHER_TASK}","count":1}}],"events":4,"is_complete":true,"from_cursor":1}}"#
    );
    assert_eq!((facets.status, facets.body), (200, expected));
    let one = answer(&server, "/api/event-bus/facets?limit=1").await;
    assert_eq!(one["tasks"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["tasks"][0].get_str("value"), Some(TASK));
    assert_eq!(one.get_i64("events"), Some(5));
}

#[tokio::test]
async fn what_a_timeline_may_not_ask_is_counted_as_every_refusal() {
    let server = seeded().await;
    let refused = async |code: &str| {
        let metrics = server.get("/metrics").await.body;
        let series = format!("todoki_refusals_total{{status=\"4xx\",code=\"{code}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&*series));
        line.unwrap().parse::<u64>().unwrap()
    };
    let before = refused("invalid_parameter").await;
    for target in ["seek", "histogram", "facets?limit=51"] {
        let answer = server.get(&format!("/api/event-bus/{target}")).await;
        assert_eq!((answer.status, &*answer.code()), (400, "invalid_parameter"));
    }
    assert_eq!(refused("invalid_parameter").await, before + 3);
}
