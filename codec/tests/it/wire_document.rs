//! docs/WIRE.md is normative, so it moves with the code: what is said here must stand there.

use std::collections::BTreeSet;

use todoki_codec::kind::FAILURES;
use todoki_codec::message::{GapReason, LagState, Message};
use todoki_codec::{Cursor, limits};
use uuid::Uuid;

const WIRE: &str = include_str!("../../../docs/WIRE.md");

/// Names in backticks of a row of the table of server messages, without the marks of optional members.
fn row(kind: &str) -> BTreeSet<String> {
    let start = format!("| `{kind}` |");
    let row = WIRE.lines().find(|line| line.starts_with(&start));
    let row = row.unwrap_or_else(|| panic!("no row for {kind}"));
    let members = row.split('|').nth(2).unwrap();
    members
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .map(str::to_owned)
        .collect()
}

/// One of each, with every member there.
fn messages() -> Vec<Message> {
    let (cursor, text) = (Cursor::ORIGIN, || Some("r".to_owned()));
    let time = jiff::Timestamp::UNIX_EPOCH;
    vec![
        Message::Subscribed {
            kinds: vec!["*".into()],
            cursor,
            epoch: Uuid::nil(),
            earliest: cursor,
            head: cursor,
            server_time: time,
            heartbeat_ms: 1,
            reference: text(),
        },
        Message::ReplayComplete { cursor, count: 1 },
        Message::Gap {
            reason: GapReason::Retention,
            requested: cursor,
            resume_at: cursor,
            earliest: cursor,
            head: cursor,
        },
        Message::Lag {
            state: LagState::Live,
            lag_events: Some(1),
            lag_ms: 1,
        },
        Message::Error {
            code: "c".into(),
            message: "m".into(),
            retry_after_ms: Some(1),
            reference: text(),
        },
        Message::Ping { time, cursor },
        Message::Pong {
            t: Some(1),
            time,
            reference: text(),
        },
        Message::TokenExpiring { expires_in_ms: 1 },
        Message::Authorised {
            cursor,
            expires_in_ms: Some(1),
            reference: text(),
        },
        Message::Drain {
            reconnect_after_ms: 1,
        },
    ]
}

#[test]
fn every_message_has_its_row_with_exactly_its_members() {
    for message in messages() {
        let members = todoki_codec::decode::members(&message.to_json()).unwrap();
        let (kinds, members): (Vec<_>, Vec<_>) =
            members.into_iter().partition(|(name, _)| &**name == "type");
        let kind = kinds[0].1.as_deref().unwrap();
        let members: BTreeSet<_> = members
            .into_iter()
            .map(|(name, _)| String::from(name))
            .collect();
        assert_eq!(row(kind), members, "{kind}");
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    let kib = |bytes: usize| format!("{} KiB", bytes >> 10);
    for (row, values) in [
        (
            "| body; draft; drafts",
            vec![
                "1 MiB".into(),
                kib(limits::DRAFT_BYTES),
                limits::BATCH_DRAFTS.to_string(),
            ],
        ),
        ("| nesting", vec![limits::JSON_DEPTH.to_string()]),
        (
            "| kind or pattern",
            vec![limits::KIND_BYTES.to_string(), limits::PATTERNS.to_string()],
        ),
        (
            "| frame; message",
            vec![
                kib(limits::INBOUND_FRAME_BYTES),
                "1 MiB".into(),
                limits::MESSAGE_FRAGMENTS.to_string(),
            ],
        ),
        (
            "| page",
            vec![limits::PAGE_EVENTS.to_string(), kib(limits::PAGE_BYTES)],
        ),
        (
            "| windows; families",
            vec![
                limits::HISTOGRAM_WINDOWS.to_string(),
                limits::HISTOGRAM_FAMILIES.to_string(),
            ],
        ),
        ("| values", vec![limits::FACET_VALUES.to_string()]),
    ] {
        let line = WIRE.lines().rfind(|line| line.starts_with(row)).unwrap();
        for value in values {
            assert!(line.contains(&value), "{line}: {value}");
        }
    }
    assert_eq!(
        (limits::BODY_BYTES, limits::INBOUND_MESSAGE_BYTES),
        (1 << 20, 1 << 20)
    );
    assert!(WIRE.contains(&limits::CURSOR_MAX.to_string()));
    for default in [
        format!(
            "`windows` (1 to 500, {} when absent)",
            limits::HISTOGRAM_WINDOWS_DEFAULT
        ),
        format!(
            "`limit` (1 to 50, {} when absent)",
            limits::FACET_VALUES_DEFAULT
        ),
    ] {
        assert!(WIRE.contains(&default), "{default}");
    }
}

#[test]
fn failures_are_told_by_the_endings_that_are_listed() {
    let endings: Vec<_> = FAILURES
        .iter()
        .map(|ending| format!("`{ending}`"))
        .collect();
    let (last, others) = endings.split_last().unwrap();
    let sentence = format!("whose kind ends in {} or {last}", others.join(", "));
    assert!(WIRE.contains(&sentence), "{sentence}");
}
