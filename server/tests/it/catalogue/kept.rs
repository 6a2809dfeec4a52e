//! What looks strange and is right: accepted, and kept byte for byte.

use simd_json::prelude::*;

use super::emit::{nested, sized};
use crate::harness::TestServer;

/// A name, a draft's `data`, and why it is right.
fn kept() -> Vec<(&'static str, String, &'static str)> {
    let member = |value: &str| format!(r#"{{"x":{value}}}"#);
    [
        ("an empty object", "{}", "RFC 8259 §4"),
        (
            "spaces of every sort",
            "{ \t\r\n\"x\" :\n1\t}",
            "RFC 8259 §2",
        ),
        (
            "members in no order",
            r#"{"z":1,"a":2,"m":3}"#,
            "RFC 8259 §4",
        ),
        ("an empty key", r#"{"":1}"#, "RFC 8259 §4"),
        (
            "the same key in different objects",
            r#"{"x":{"x":1},"y":{"x":1}}"#,
            "RFC 8259 §4",
        ),
        (
            "keys that differ in case",
            r#"{"x":1,"X":2}"#,
            "RFC 8259 §8.3",
        ),
        (
            "__proto__",
            r#"{"__proto__":{"admin":true}}"#,
            "bytes are only carried",
        ),
        (
            "characters of every plane",
            r#"{"x":"é€😀"}"#,
            "RFC 8259 §8.1",
        ),
        ("a raw DEL", "{\"x\":\"\u{7f}\"}", "RFC 8259 §7"),
        (
            "line separators of JavaScript",
            "{\"x\":\"\u{2028}\u{2029}\"}",
            "RFC 8259 §7",
        ),
        (
            "a byte order mark in a string",
            "{\"x\":\"\u{feff}\"}",
            "RFC 8259 §7",
        ),
    ]
    .into_iter()
    .map(|(name, data, why)| (name, data.to_owned(), why))
    .chain(
        [
            (
                "NUL in an escape",
                r#""a\u0000b""#,
                "our rule: the log stores bytes",
            ),
            ("a pair of surrogates", r#""\ud83d\ude00""#, "RFC 8259 §7"),
            ("escapes that need not be", r#""\u0041\/""#, "RFC 8259 §7"),
            ("a noncharacter", r#""\uffff""#, "RFC 8259 §8.2"),
            (
                "2^53 + 1",
                "9007199254740993",
                "numbers of any size pass through",
            ),
            (
                "2^64",
                "18446744073709551616",
                "numbers of any size pass through",
            ),
            ("1e400", "1e400", "numbers of any size pass through"),
            (
                "a number of 100 digits",
                &"9".repeat(100),
                "numbers of any size pass through",
            ),
            ("1e-400", "1e-400", "numbers of any size pass through"),
            ("minus zero", "-0", "spelling is kept"),
            ("zeros at a fraction's end", "1.10", "spelling is kept"),
            ("an exponent in capitals", "1E+2", "spelling is kept"),
        ]
        .map(|(name, value, why)| (name, member(value), why)),
    )
    .collect()
}

#[tokio::test]
async fn what_is_strange_and_right_is_kept_byte_for_byte() {
    let server = TestServer::start().await;
    let mut failures = Vec::new();
    for (name, data, why) in kept() {
        let answer = server
            .post(
                "/api/event-bus/emit",
                &format!(r#"{{"kind":"a","data":{data}}}"#),
            )
            .await;
        if answer.status != 200 {
            failures.push(format!("{name} ({why}): {} {}", answer.status, answer.body));
            continue;
        }
        let page = server
            .get("/api/event-bus?before=9007199254740991&limit=1")
            .await
            .body;
        if !page.contains(&format!("\"data\":{data}")) {
            failures.push(format!("{name} ({why}): sent {data}, kept {page}"));
        }
    }
    assert!(failures.is_empty(), "these were not kept: {failures:#?}");
}

#[tokio::test]
async fn what_is_just_within_a_limit_is_accepted() {
    let server = TestServer::start().await;
    let key = format!(r#"{{"kind":"a","data":{{}},"id":"{}"}}"#, "k".repeat(128));
    let kind = format!(r#"{{"kind":"{}","data":{{}}}}"#, "k".repeat(128));
    let padded = format!(
        "{}{}",
        r#"{"kind":"a","data":{}}"#,
        " ".repeat((1 << 20) - 22)
    );
    let nulls = r#"{"kind":"a","data":{},"id":null,"agent_id":null,"session_id":null,"task_id":null,"project_id":null}"#;
    let accepted = [&nested(64), &sized(256 << 10), &key, &kind, &padded, nulls];
    for (place, draft) in accepted.into_iter().enumerate() {
        let answer = server.post("/api/event-bus/emit", draft).await;
        assert_eq!((answer.status, answer.body), (200, (place + 1).to_string()));
    }
    let batch = format!("[{}]", [r#"{"kind":"a","data":{}}"#; 1000].join(","));
    let cursors = server.post("/api/event-bus/emit", &batch).await.json();
    assert_eq!(cursors.as_array().map(Vec::len), Some(1000));
}
