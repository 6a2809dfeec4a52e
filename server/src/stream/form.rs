//! How what a stream says is written: as server-sent events, for browsers, or as lines, for everything else.

use hyper::header::HeaderMap;
use todoki_codec::message::Message;
use todoki_codec::{Cursor, Event, encode};
use uuid::Uuid;

use crate::negotiate;
use crate::origin::only;
use crate::reply::Refusal;

/// How a stream is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `text/event-stream`, as the HTML standard has it. Events are what `onmessage` gets, and have the id that a browser
    /// repeats when it reconnects; every other message is an event of its own type.
    ServerSent,
    /// A message a line.
    Lines,
}

impl Form {
    /// What a client would rather have: server-sent events, unless it asks for lines.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        if negotiate::prefers_lines(headers, "text/event-stream") {
            Self::Lines
        } else {
            Self::ServerSent
        }
    }

    /// Appends how long a client waits before it reconnects, where that can be said.
    pub(super) fn retry(self, milliseconds: u64, out: &mut Vec<u8>) {
        if self == Self::ServerSent {
            out.extend_from_slice(format!("retry: {milliseconds}\n").as_bytes());
        }
    }

    /// Appends a message.
    pub(super) fn message(self, message: &Message, out: &mut Vec<u8>) {
        let json = message.to_json();
        if self == Self::ServerSent {
            out.extend_from_slice(b"event: ");
            out.extend_from_slice(name(&json));
            out.push(b'\n');
        }
        self.json(&json, out);
    }

    /// Appends an event.
    pub(super) fn event(self, epoch: &Uuid, event: &Event, out: &mut Vec<u8>) {
        if self == Self::ServerSent {
            out.extend_from_slice(format!("id: {epoch}:{}\n", event.cursor).as_bytes());
        }
        self.json(&event.json, out);
    }

    fn json(self, json: &[u8], out: &mut Vec<u8>) {
        if self == Self::ServerSent {
            out.extend_from_slice(b"data: ");
        }
        encode::line(json, out);
        out.extend_from_slice(match self {
            Self::ServerSent => b"\n\n",
            Self::Lines => b"\n",
        });
    }
}

/// The type of a message, which its JSON begins with.
fn name(json: &[u8]) -> &[u8] {
    let name = json.split(|byte| *byte == b'"').nth(3);
    name.expect("a message begins with its type")
}

/// The id of the last event that a browser got: the epoch, and a cursor in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastEventId {
    pub(super) epoch: Uuid,
    pub(super) cursor: Cursor,
}

impl LastEventId {
    /// What a request says of it.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        const NAME: &str = "last-event-id";
        if !headers.contains_key(NAME) {
            return Ok(None);
        }
        let text = only(headers, &NAME.parse().expect("a header's name"));
        let id = text.and_then(|text| Self::parse(text.to_str().ok()?));
        id.map(Some).ok_or(Refusal::Header {
            name: "Last-Event-ID",
            expected: "EPOCH:CURSOR as an event had it, given once",
        })
    }

    /// As it was written, and in no other way.
    fn parse(text: &str) -> Option<Self> {
        let (epoch, cursor) = text.split_once(':')?;
        let id = Self {
            epoch: epoch.parse().ok()?,
            cursor: Cursor::new(cursor.parse().ok()?)?,
        };
        (format!("{}:{}", id.epoch, id.cursor) == text).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use todoki_codec::{Draft, Ids, Kind};

    use super::*;

    fn event(data: &'static str) -> Event {
        let draft = Draft {
            kind: Kind::parse("a").unwrap(),
            ids: Ids::default(),
            data: data.into(),
            id: None,
        };
        encode::event(Cursor::new(7).unwrap(), Timestamp::UNIX_EPOCH, &draft)
    }

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_event_is_one_line_of_data_behind_its_id() {
        let event = event("{\n\"n\":\r\n1}");
        let json = String::from_utf8(event.json.to_vec()).unwrap();
        let json = json.replace(['\n', '\r'], " ");
        let epoch = Uuid::nil();
        let sent = written(|out| Form::ServerSent.event(&epoch, &event, out));
        assert_eq!(sent, format!("id: {epoch}:7\ndata: {json}\n\n"));
        let line = written(|out| Form::Lines.event(&epoch, &event, out));
        assert_eq!(line, format!("{json}\n"));
    }

    #[test]
    fn any_other_message_is_an_event_of_its_type_and_has_no_id() {
        let drain = Message::Drain {
            reconnect_after_ms: 5,
        };
        let sent = written(|out| Form::ServerSent.message(&drain, out));
        let json = r#"{"type":"drain","reconnect_after_ms":5}"#;
        assert_eq!(sent, format!("event: drain\ndata: {json}\n\n"));
        let line = written(|out| Form::Lines.message(&drain, out));
        assert_eq!(line, format!("{json}\n"));
        assert_eq!(written(|out| Form::ServerSent.retry(5, out)), "retry: 5\n");
        assert_eq!(written(|out| Form::Lines.retry(5, out)), "");
    }

    #[test]
    fn the_last_id_is_read_as_it_was_written() {
        let id = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f:100";
        let parsed = LastEventId::parse(id).unwrap();
        assert_eq!(parsed.cursor.get(), 100);
        for bad in [
            "",
            "100",
            ":100",
            "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f",
            "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f:",
            "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f:-1",
            "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f:+1",
            "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f:01",
            "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f:9007199254740992",
            "018F3C2E-7B1A-7C3D-9E4F-5A6B7C8D9E0F:1",
            "018f3c2e7b1a7c3d9e4f5a6b7c8d9e0f:1",
        ] {
            assert_eq!(LastEventId::parse(bad), None, "{bad:?}");
        }
    }
}
