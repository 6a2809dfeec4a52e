//! Properties of what a server says: whatever is read can be written and read again, and whatever is written is read.

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use super::emit::event_reads_back;
use crate::event::{Cursor, Draft};
use crate::message::{GapReason, Message, Said, read};
use crate::{decode, encode, json};

/// Bytes are of no known type, or mean something that can be said again.
pub fn bytes_are_nothing_or_said_again(bytes: &[u8]) {
    let text = Bytes::copy_from_slice(bytes);
    match read(&text) {
        None => {}
        Some(Said::Event(event)) => {
            assert_eq!(event.json, text);
            let draft = Draft {
                kind: event.kind.clone(),
                ids: event.ids,
                data: decode::event_data(&event),
                id: None,
            };
            event_reads_back(&encode::event(event.cursor, event.time, &draft));
        }
        Some(Said::Message(message)) => {
            let written = Bytes::from(message.to_json());
            assert_eq!(json::check(&written), Ok(()));
            // Times may come with nanoseconds and leave with microseconds, so the texts are compared.
            match read(&written) {
                Some(Said::Message(again)) => assert_eq!(written, again.to_json()),
                other => panic!("{message:?} was read as {other:?}"),
            }
        }
    }
}

/// Every message that the bytes can choose is acceptable JSON and reads back as itself.
pub fn written_messages_read_back(bytes: &[u8]) {
    let Some(message) = message(bytes) else {
        return;
    };
    let json = Bytes::from(message.to_json());
    assert_eq!(json::check(&json), Ok(()));
    assert_eq!(read(&json), Some(Said::Message(message)));
}

/// The first byte chooses the type, the next 17 its numbers, the rest its texts.
fn message(bytes: &[u8]) -> Option<Message> {
    let (&choice, rest) = bytes.split_first()?;
    let (&flags, rest) = rest.split_first()?;
    let (numbers, text) = rest.split_first_chunk::<16>()?;
    let wide = u128::from_le_bytes(*numbers);
    let (low, high) = (
        u64::from_le_bytes(*numbers.first_chunk()?),
        (wide >> 64) as u64,
    );
    let cursor = |number: u64| Cursor::new(i64::try_from(number >> 11).unwrap_or_default());
    let (one, two) = (cursor(low)?, cursor(high)?);
    let text = String::from_utf8_lossy(text);
    let reference = (flags & 1 != 0).then(|| text.chars().rev().collect());
    let micros = i64::try_from(low >> 14).unwrap_or_default();
    let time = Timestamp::from_microsecond(micros).unwrap_or_default();
    Some(match choice % 7 {
        0 => Message::Subscribed {
            kinds: text.split(',').map(str::to_owned).collect(),
            cursor: one,
            epoch: Uuid::from_u128(wide),
            earliest: two,
            head: one,
            server_time: time,
            heartbeat_ms: high,
            reference,
        },
        1 => Message::ReplayComplete {
            cursor: one,
            count: high,
        },
        2 => Message::Gap {
            reason: if flags & 2 == 0 {
                GapReason::Retention
            } else {
                GapReason::Ahead
            },
            requested: one,
            resume_at: two,
            earliest: one,
            head: two,
        },
        3 => Message::Error {
            code: text.chars().take(3).collect(),
            message: text.into_owned(),
            retry_after_ms: (flags & 2 != 0).then_some(low),
            reference,
        },
        4 => Message::Ping { time, cursor: two },
        5 => Message::Pong {
            t: (flags & 2 != 0).then_some(high.cast_signed()),
            time,
            reference,
        },
        _ => Message::Drain {
            reconnect_after_ms: low,
        },
    })
}
