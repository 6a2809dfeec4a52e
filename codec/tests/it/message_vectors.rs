//! `vectors/message.json`: whatever a server says.

use bytes::Bytes;
use serde::Deserialize;
use todoki_codec::message::{self, Said};

use crate::vectors::rows;

/// A row reads `input`, or else `wire` itself, and writes `wire`; none is written of what means nothing to a reader.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    input: Option<String>,
    wire: Option<String>,
    why: String,
}

#[test]
fn every_message_vector_is_read_and_written_byte_for_byte() {
    for row in rows::<Row>(include_str!("../vectors/message.json")) {
        let input = row.input.as_ref().or(row.wire.as_ref()).unwrap();
        let written = message::read(&Bytes::from(input.clone())).map(|said| match said {
            Said::Event(event) => event.json.to_vec(),
            Said::Message(message) => message.to_json(),
        });
        let written = written.map(|json| String::from_utf8(json).unwrap());
        assert_eq!(written, row.wire, "{}: {}", row.name, row.why);
    }
}

#[test]
fn every_type_of_message_has_a_vector() {
    let vectors = include_str!("../vectors/message.json");
    for name in [
        "subscribed",
        "event",
        "replay_complete",
        "gap",
        "lag",
        "token_expiring",
        "authorised",
        "error",
        "ping",
        "pong",
        "drain",
    ] {
        let wire = format!(r#""wire": "{{\"type\":\"{name}\""#);
        assert!(vectors.contains(&wire), "{name}");
    }
}
