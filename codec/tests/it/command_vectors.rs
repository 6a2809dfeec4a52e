//! `vectors/command.json`: each command, and each way to be refused.

use serde::Deserialize;
use todoki_codec::command::{self, Action};
use todoki_codec::query;

use crate::vectors::rows;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    input: String,
    expect: Option<Expect>,
    refused: Option<Refused>,
    why: String,
}

/// The command, by its name; a subscription as the query string that asks for the same.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    ping: Option<Ping>,
    pong: Option<Pong>,
    subscribe: Option<String>,
    auth: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ping {
    t: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pong {}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    #[serde(rename = "ref")]
    reference: Option<String>,
    code: String,
    message: String,
}

fn action(expect: &Expect) -> Action {
    match expect {
        Expect {
            ping: Some(Ping { t }),
            ..
        } => Action::Ping { t: *t },
        Expect {
            pong: Some(Pong {}),
            ..
        } => Action::Pong,
        Expect {
            subscribe: Some(query),
            ..
        } => Action::Subscribe(query::subscription(query).unwrap()),
        Expect {
            auth: Some(token), ..
        } => Action::Auth(token.as_str().into()),
        _ => panic!("a row expects a command"),
    }
}

#[test]
fn every_command_vector_holds() {
    for row in rows::<Row>(include_str!("../vectors/command.json")) {
        let case = format!("{}: {}", row.name, row.why);
        match (command::read(row.input.as_bytes()), row.expect, row.refused) {
            (Ok(command), Some(expect), None) => {
                assert_eq!(command.action, action(&expect), "{case}");
                assert_eq!(command.reference, expect.reference, "{case}");
            }
            (Err(error), None, Some(refused)) => {
                let found = Refused {
                    code: error.reason.code().to_owned(),
                    message: error.reason.to_string(),
                    reference: error.reference,
                };
                assert_eq!(found, refused, "{case}");
            }
            (found, ..) => panic!("{case}: {found:?}"),
        }
    }
}
