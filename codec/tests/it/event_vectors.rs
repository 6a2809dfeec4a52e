//! `vectors/event.json`: events as they are written, and as they are read.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use todoki_codec::decode::{self, Emit, Form};
use todoki_codec::{Cursor, Event, encode};
use uuid::Uuid;

use crate::vectors::rows;

/// A row writes the event of a draft, or reads one.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Row {
    Write {
        name: String,
        cursor: Cursor,
        time: String,
        draft: String,
        wire: String,
        why: String,
    },
    Read {
        name: String,
        input: String,
        event: Option<Fields>,
        why: String,
    },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    cursor: Cursor,
    kind: String,
    time: String,
    agent_id: Uuid,
    session_id: Option<Uuid>,
    task_id: Option<Uuid>,
    project_id: Option<Uuid>,
    data: String,
}

fn fields(event: &Event) -> Fields {
    Fields {
        cursor: event.cursor,
        kind: event.kind.to_string(),
        time: format!("{:.6}", event.time),
        agent_id: event.ids.agent_id,
        session_id: event.ids.session_id,
        task_id: event.ids.task_id,
        project_id: event.ids.project_id,
        data: String::from_utf8(decode::event_data(event).to_vec()).unwrap(),
    }
}

#[test]
fn every_event_vector_is_written_byte_for_byte_and_read_back() {
    for row in rows(include_str!("../vectors/event.json")) {
        match row {
            Row::Write {
                name,
                cursor,
                time,
                draft,
                wire,
                why,
            } => {
                let Ok(Emit::One(draft)) = decode::emit(&draft.into(), Form::Json) else {
                    panic!("{name}: not a draft");
                };
                let time: Timestamp = time.parse().unwrap();
                let event = encode::event(cursor, time, &draft);
                assert_eq!(event.json, wire, "{name}: {why}");
                assert_eq!(decode::event(&event.json), Some(event), "{name}: {why}");
            }
            Row::Read {
                name,
                input,
                event,
                why,
            } => {
                let found = decode::event(&Bytes::from(input));
                assert_eq!(found.as_ref().map(fields), event, "{name}: {why}");
            }
        }
    }
}
