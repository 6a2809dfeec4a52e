//! Drafts and events of known sizes, the same in every bench.

use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;

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

/// Bytes of an event around `data`, with a cursor of five digits.
const ENVELOPE_BYTES: usize = 181;

/// So many drafts that say when they were due, as NDJSON. Their events have about so many bytes, if `due_ns` leaves room.
pub fn timed_drafts(count: u32, due: Duration, event_bytes: usize) -> String {
    let data = timed_data(due, event_bytes);
    let line = format!(r#"{{"kind":"{COMMON_KIND}","data":{data}}}"#);
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
        for bytes in [250, 2000] {
            let body = timed_drafts(2, Duration::from_millis(1500), bytes);
            let Ok(Emit::Batch(drafts)) = emit(&body.into(), Form::Ndjson) else {
                panic!("lines are a batch");
            };
            let cursor = todoki_codec::Cursor::new(12_345).unwrap();
            let event =
                todoki_codec::encode::event(cursor, jiff::Timestamp::UNIX_EPOCH, &drafts[1]);
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
