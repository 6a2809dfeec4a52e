//! Commands: a bad one is answered, and the stream goes on.

use super::frames::frame;
use super::row::{Input, Row, Subject, row};

pub(super) fn subjects() -> Vec<Subject> {
    vec![Subject {
        title: "Commands",
        rows: [json(), members(), subscriptions()]
            .into_iter()
            .flatten()
            .collect(),
    }]
}

const JSON: &str = "error invalid_json";
const COMMAND: &str = "error invalid_command";
const STRICT: &str = "our rule: what is not understood is refused by name";

fn text(text: &str) -> Input {
    Input::Frames(frame(0x81, text.as_bytes()))
}

fn json() -> Vec<Row> {
    let nested = format!(
        r#"{{"type":"ping","t":{}{}}}"#,
        "[".repeat(64),
        "]".repeat(64)
    );
    [
        ("an empty text", "", JSON, "the text ends inside a value"),
        ("a word", "hello", JSON, "unexpected byte at byte 0"),
        (
            "a command cut short",
            r#"{"type":"ping""#,
            JSON,
            "the text ends inside a value",
        ),
        (
            "two commands in one text",
            r#"{"type":"ping"}{"type":"ping"}"#,
            JSON,
            "more text after the value",
        ),
        (
            "a type twice",
            r#"{"type":"ping","type":"pong"}"#,
            JSON,
            "duplicate key",
        ),
        (
            "a byte order mark",
            "\u{feff}{}",
            JSON,
            "unexpected byte at byte 0",
        ),
        ("NUL", "\0", JSON, "unexpected byte at byte 0"),
        ("65 levels", &nested, JSON, "nesting over the limit of 64"),
        ("an array", "[]", COMMAND, "a JSON object with a type"),
        (
            "a string",
            r#""ping""#,
            COMMAND,
            "a JSON object with a type",
        ),
        ("null", "null", COMMAND, "a JSON object with a type"),
    ]
    .into_iter()
    .map(|(name, command, answer, says)| row(name, text(command), answer, says, "RFC 8259"))
    .collect()
}

fn members() -> Vec<Row> {
    let long = format!(r#"{{"type":"ping","ref":"{}"}}"#, "r".repeat(65));
    [
        ("no type", "{}", COMMAND, "a JSON object with a type"),
        (
            "a number for a type",
            r#"{"type":1}"#,
            COMMAND,
            "a JSON object with a type",
        ),
        (
            "an unknown type",
            r#"{"type":"dance"}"#,
            "error unknown_command",
            "unknown command \"dance\"",
        ),
        (
            "a type in capitals",
            r#"{"type":"PING"}"#,
            "error unknown_command",
            "unknown command \"PING\"",
        ),
        (
            "a member that ping does not have",
            r#"{"type":"ping","x":1}"#,
            COMMAND,
            "unknown member \"x\"",
        ),
        (
            "a member that pong does not have",
            r#"{"type":"pong","t":1}"#,
            COMMAND,
            "unknown member \"t\"",
        ),
        (
            "a fraction for t",
            r#"{"type":"ping","t":1.5}"#,
            COMMAND,
            "t must be a whole number",
        ),
        (
            "a string for t",
            r#"{"type":"ping","t":"1"}"#,
            COMMAND,
            "t must be a whole number",
        ),
        (
            "t beyond 64 bits",
            r#"{"type":"ping","t":9223372036854775808}"#,
            COMMAND,
            "t must be a whole number",
        ),
        (
            "a number for ref",
            r#"{"type":"ping","ref":1}"#,
            COMMAND,
            "ref must be a string",
        ),
        ("a ref of 65 bytes", &long, COMMAND, "at most 64 bytes"),
    ]
    .into_iter()
    .map(|(name, command, answer, says)| row(name, text(command), answer, says, STRICT))
    .collect()
}

fn subscriptions() -> Vec<Row> {
    let many = format!("\"kinds\":{:?}", ["a"; 65]);
    let deep = format!("\"kinds\":{}{}", "[".repeat(60), "]".repeat(60));
    let mut rows: Vec<_> = [
        (
            "an unknown member",
            r#""kind":"a""#,
            "unknown parameter \"kind\"",
        ),
        ("a token", r#""token":"x""#, "unknown member \"token\""),
        ("an empty pattern", r#""kinds":[""]"#, "is empty"),
        ("no pattern", r#""kinds":[]"#, "is empty"),
        (
            "a bad pattern",
            r#""kinds":["a..b"]"#,
            "empty segment at byte 2",
        ),
        ("two patterns in one", r#""kinds":["a,b"]"#, "',' at byte 1"),
        (
            "a number for a pattern",
            r#""kinds":[1]"#,
            "an array of patterns",
        ),
        (
            "an array for a pattern",
            r#""kinds":[["a"]]"#,
            "an array of patterns",
        ),
        (
            "arrays in arrays for a pattern",
            &deep,
            "an array of patterns",
        ),
        ("a number for kinds", r#""kinds":1"#, ""),
        (
            "an object for kinds",
            r#""kinds":{}"#,
            "must be an array of patterns",
        ),
        ("65 patterns", &many, "65 patterns; the limit is 64"),
        ("a bad id", r#""task_id":"x""#, "task_id must be a UUID"),
        (
            "a number for an id",
            r#""task_id":1"#,
            "task_id must be a UUID",
        ),
        (
            "a negative cursor",
            r#""cursor":-1"#,
            "cursor must be a whole number",
        ),
        (
            "a fraction for a cursor",
            r#""cursor":1.0"#,
            "cursor must be a whole number",
        ),
        (
            "an exponent in a cursor",
            r#""cursor":1e1"#,
            "cursor must be a whole number",
        ),
        (
            "2^53 for a cursor",
            r#""cursor":9007199254740992"#,
            "cursor must be a whole number",
        ),
        (
            "an unknown word for a cursor",
            r#""cursor":"latest""#,
            "earliest, head, or an RFC 3339 time",
        ),
        (
            "true for a cursor",
            r#""cursor":true"#,
            "cursor must be a whole number",
        ),
        (
            "an array for a cursor",
            r#""cursor":[0]"#,
            "cursor must be a whole number",
        ),
        (
            "an unknown encoding",
            r#""encoding":"cbor""#,
            "encoding must be message",
        ),
        (
            "a number for an encoding",
            r#""encoding":1"#,
            "encoding must be message",
        ),
    ]
    .into_iter()
    .map(|(name, member, says)| {
        let command = format!(r#"{{"type":"subscribe",{member}}}"#);
        row(
            format!("subscribe: {name}"),
            text(&command),
            COMMAND,
            says,
            STRICT,
        )
    })
    .collect();
    // A bare number is a fine spelling of a kind, in a query string as well.
    rows.retain(|row| row.name != "subscribe: a number for kinds");
    rows.push(row(
        "subscribe: null for everything",
        text(r#"{"type":"subscribe","kinds":null,"cursor":null,"task_id":null}"#),
        "subscribed",
        "",
        "null is as if absent",
    ));
    rows
}
