//! An event's JSON, written once, in one pass.
//!
//! `{"type":"event","cursor":…,"kind":…,"time":…,"agent_id":…,"session_id":…,"task_id":…,["project_id":…,]"data":…}`:
//! key order fixed, no spaces, `time` RFC 3339 in UTC with six decimals, `data` spliced as the producer sent it.
//! `project_id` is written only when there is one.

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use crate::event::{Cursor, Draft, Event};
use crate::time;

/// Bytes around `data` at most: names, quotes, a 16-digit cursor, the longest kind, a time and four UUIDs.
const ENVELOPE_BYTES: usize = 480;

/// The event that `draft` becomes at `cursor` and `time`. `time` is cut to the microsecond, so that what is stored and
/// what is sent live are the same.
pub fn event(cursor: Cursor, time: Timestamp, draft: &Draft) -> Event {
    let time = time::to_microsecond(time);
    let mut json = Vec::with_capacity(ENVELOPE_BYTES + draft.data.len());
    write_event(cursor, time, draft, &mut json);
    Event {
        cursor,
        time,
        kind: draft.kind.clone(),
        ids: draft.ids,
        json: Bytes::from(json.into_boxed_slice()),
    }
}

/// Appends an event's JSON as one line, without an end. The producer may have put line breaks between tokens; here they are
/// spaces, which says the same.
pub fn line(json: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(json);
    if memchr::memchr2(b'\n', b'\r', json).is_some() {
        for byte in &mut out[start..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
}

fn write_event(cursor: Cursor, time: Timestamp, draft: &Draft, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"event","cursor":"#);
    out.extend_from_slice(itoa::Buffer::new().format(cursor.get()).as_bytes());
    out.extend_from_slice(br#","kind":""#);
    out.extend_from_slice(draft.kind.as_str().as_bytes());
    out.extend_from_slice(br#"","time":""#);
    time::write(time, out);
    out.extend_from_slice(br#"","agent_id":"#);
    write_id(Some(draft.ids.agent_id), out);
    out.extend_from_slice(br#","session_id":"#);
    write_id(draft.ids.session_id, out);
    out.extend_from_slice(br#","task_id":"#);
    write_id(draft.ids.task_id, out);
    if draft.ids.project_id.is_some() {
        out.extend_from_slice(br#","project_id":"#);
        write_id(draft.ids.project_id, out);
    }
    out.extend_from_slice(br#","data":"#);
    out.extend_from_slice(&draft.data);
    out.push(b'}');
}

fn write_id(id: Option<Uuid>, out: &mut Vec<u8>) {
    match id {
        None => out.extend_from_slice(b"null"),
        Some(id) => {
            out.push(b'"');
            out.extend_from_slice(
                id.hyphenated()
                    .encode_lower(&mut Uuid::encode_buffer())
                    .as_bytes(),
            );
            out.push(b'"');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Ids;
    use crate::kind::Kind;

    #[test]
    fn the_envelope_never_outgrows_its_estimate() {
        let id = Some(Uuid::max());
        let draft = Draft {
            kind: Kind::parse(&"k".repeat(crate::limits::KIND_BYTES)).unwrap(),
            ids: Ids {
                agent_id: Uuid::max(),
                session_id: id,
                task_id: id,
                project_id: id,
            },
            data: "{}".into(),
            id: None,
        };
        let event = event(Cursor::MAX, Timestamp::MAX, &draft);
        assert!(
            event.json.len() <= ENVELOPE_BYTES + 2,
            "{}",
            event.json.len()
        );
    }
}
