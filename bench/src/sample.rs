//! Drafts and events of known sizes, the same in every bench.

use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;
use todoki_codec::{Cursor, Draft, Ids, Kind, encode};
use uuid::Uuid;

/// The kind of 99 events in 100.
pub const COMMON_KIND: &str = "agent.output";

/// The kind of one event in [`RARE_EVERY`].
pub const RARE_KIND: &str = "task.completed";

/// Every so many events one is rare: cursors that this divides, in a log that holds [`lines`] from 1 on.
pub const RARE_EVERY: usize = 100;

/// Bytes of `data` that make the smallest envelope an event of about 200 bytes.
pub const DATA_BYTES: usize = 24;

/// A JSON object of exactly so many bytes, at least 8.
pub fn data(bytes: usize) -> String {
    format!(r#"{{"t":"{}"}}"#, "x".repeat(bytes.saturating_sub(8)))
}

/// A draft of exactly so many bytes, as an agent posts it: with its own id and its task's.
pub fn draft(bytes: usize) -> String {
    let (head, tail) = (
        r#"{"kind":"agent.output","agent_id":"018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f","task_id":"018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e10","data":"#,
        "}",
    );
    let room = bytes.saturating_sub(head.len() + tail.len());
    format!("{head}{}{tail}", data(room))
}

/// The drafts for these cursors as NDJSON.
pub fn lines(cursors: Range<usize>) -> String {
    let data = data(DATA_BYTES);
    cursors.fold(String::new(), |mut lines, cursor| {
        let kind = if cursor.is_multiple_of(RARE_EVERY) {
            RARE_KIND
        } else {
            COMMON_KIND
        };
        // Writing into memory cannot fail.
        writeln!(lines, r#"{{"kind":"{kind}","data":{data}}}"#).ok();
        lines
    })
}

/// The JSON of so many events of a team of agents: few kinds and ids, texts that differ a little.
pub fn team(events: i64) -> Vec<Vec<u8>> {
    (1..=events).map(team_event).collect()
}

fn team_event(number: i64) -> Vec<u8> {
    let kind = [COMMON_KIND, COMMON_KIND, RARE_KIND, "artifact.created"]
        [usize::from(number.to_le_bytes()[0] % 4)];
    let id = |number: i64| Uuid::from_u64_pair(0x6f1e_8c1e_52f5_4b5a, number.unsigned_abs());
    let draft = Draft {
        kind: Kind::parse(kind).expect("a kind"),
        ids: Ids {
            agent_id: id(number * 7 % 13),
            task_id: Some(id(number % 40)),
            ..Ids::default()
        },
        data: format!(
            r#"{{"content":"step {} finished — ok","n":{}}}"#,
            number * 7919 % 997,
            number * number % 10_007
        )
        .into(),
        id: None,
    };
    let time = Timestamp::from_microsecond(1_790_000_000_000_000 + number * 997);
    let cursor = Cursor::new(number).expect("a cursor");
    encode::event(cursor, time.expect("a time"), &draft)
        .json
        .to_vec()
}

/// Bytes of an event around `data`, with a cursor of five digits.
const ENVELOPE_BYTES: usize = 181;

/// So many drafts that say when they were due, as NDJSON. Their events have about so many bytes, if `due_ns` leaves room;
/// of a project, they name it.
pub fn timed_drafts(
    count: u32,
    due: Duration,
    event_bytes: usize,
    project: Option<Uuid>,
) -> String {
    let project = project.map_or_else(String::new, |id| format!(r#","project_id":"{id}""#));
    let data = timed_data(due, event_bytes.saturating_sub(project.len()));
    let line = format!(r#"{{"kind":"{COMMON_KIND}"{project},"data":{data}}}"#);
    vec![line.as_str(); count as usize].join("\n")
}

/// The `data` of such an event.
pub fn timed_data(due: Duration, event_bytes: usize) -> String {
    let due = format!(r#"{{"due_ns":{}"#, due.as_nanos());
    let around = due.len() + r#","pad":""}"#.len();
    match event_bytes.saturating_sub(ENVELOPE_BYTES + around) {
        0 => due + "}",
        room => format!(r#"{due},"pad":"{}"}}"#, "x".repeat(room)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use todoki_codec::decode::{Emit, Form, emit};

    #[test]
    fn sizes_are_exact_and_samples_are_drafts() {
        for bytes in [210, 2048] {
            let draft = draft(bytes);
            assert_eq!(draft.len(), bytes);
            assert!(matches!(emit(&draft.into(), Form::Json), Ok(Emit::One(_))));
        }
        assert_eq!(data(DATA_BYTES).len(), DATA_BYTES);
    }

    #[test]
    fn timed_drafts_become_events_of_the_size_that_was_asked_for() {
        let project = Some(Uuid::from_u128(7));
        for (bytes, project) in [(250, None), (2000, None), (300, project)] {
            let body = timed_drafts(2, Duration::from_millis(1500), bytes, project);
            let Ok(Emit::Batch(drafts)) = emit(&body.into(), Form::Ndjson) else {
                panic!("lines are a batch");
            };
            let cursor = Cursor::new(12_345).unwrap();
            let event = encode::event(cursor, Timestamp::UNIX_EPOCH, &drafts[1]);
            assert_eq!(event.json.len(), bytes);
        }
    }

    #[test]
    fn one_line_in_a_hundred_is_rare() {
        let body = lines(1..1001);
        let Ok(Emit::Batch(drafts)) = emit(&body.into(), Form::Ndjson) else {
            panic!("lines are a batch");
        };
        let rare = drafts
            .iter()
            .filter(|draft| draft.kind.as_str() == RARE_KIND);
        assert_eq!((rare.count(), drafts.len()), (10, 1000));
    }
}
