//! Too much at once: what is told, and at which point the connection ends.

use super::frames::frame;
use super::row::{Input, Request, Row, Subject, row};
use super::upgrade::handshake;

pub(super) fn subjects() -> Vec<Subject> {
    vec![Subject {
        title: "Floods",
        rows: [frames(), patterns()].into_iter().flatten().collect(),
    }]
}

const CLOSED: &str = "error rate_limited, close 4429";
const LIMIT: &str = "our rule, RFC 6455 §10.4";

fn many(first: u8, payload: &str, count: usize) -> Input {
    Input::Flood(frame(first, payload.as_bytes()).repeat(count))
}

fn frames() -> Vec<Row> {
    vec![
        row(
            "a thousand pings",
            many(0x89, "", 1_000),
            CLOSED,
            "over the limit socket-controls of 10 per second",
            LIMIT,
        ),
        row(
            "a thousand pongs that nobody asked for",
            many(0x8a, "", 1_000),
            CLOSED,
            "over the limit socket-controls of 10 per second",
            LIMIT,
        ),
        row(
            "three hundred commands",
            many(0x81, r#"{"type":"ping"}"#, 300),
            "pong, error rate_limited, close 4429",
            "over the limit socket-messages of 120 per minute",
            LIMIT,
        ),
        row(
            "three hundred commands that change nothing",
            many(0x81, r#"{"type":"pong"}"#, 300),
            CLOSED,
            "over the limit socket-messages of 120 per minute",
            LIMIT,
        ),
        row(
            "eleven texts that are no JSON",
            many(0x81, "{", 11),
            "error invalid_json, close 1008",
            "too many commands in a row were wrong",
            "whoever does not learn from ten errors will not from more",
        ),
        row(
            "eleven commands that nobody knows",
            many(0x81, r#"{"type":"dance"}"#, 11),
            "error unknown_command, close 1008",
            "too many commands in a row were wrong",
            "whoever does not learn from ten errors will not from more",
        ),
        row(
            "a hundred thousand empty fragments",
            Input::Flood([frame(0x1, b""), frame(0x0, b"").repeat(100_000)].concat()),
            "close 1008",
            "1024",
            LIMIT,
        ),
        row(
            "sixty-four megabytes behind a close",
            Input::Flood([frame(0x88, b"\x03\xe8"), vec![b'x'; 64 << 20]].concat()),
            "close 1000",
            "",
            "RFC 6455 §5.5.1: nothing counts behind it",
        ),
    ]
}

fn patterns() -> Vec<Row> {
    let why = "our rule: filters have a bound";
    let list = |count: usize| "a,".repeat(count - 1) + "a";
    let array = r#""a","#.repeat(9_999) + r#""a""#;
    let command = format!(r#"{{"type":"subscribe","kinds":[{array}]}}"#);
    vec![
        row(
            "10,000 patterns in a query",
            Request::get(&format!("/api/event-bus?kinds={}", list(10_000))),
            "431",
            "",
            "the head is over 16 KiB",
        ),
        row(
            "6,000 patterns in a query",
            Request::get(&format!("/api/event-bus?kinds={}", list(6_000))),
            "400 invalid_parameter",
            "the limit is 64",
            why,
        ),
        row(
            "7,000 patterns in an upgrade",
            handshake(&format!("/ws/event-bus?kinds={}", list(7_000))),
            "414 target_too_long",
            "the limit is 12288",
            why,
        ),
        row(
            "10,000 patterns in a command",
            Input::Frames(frame(0x81, command.as_bytes())),
            "error invalid_command",
            "10000 patterns; the limit is 64",
            why,
        ),
    ]
}
