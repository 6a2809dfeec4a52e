//! Properties of emit bodies and of the events that they become.
//!
//! Any body is either refused at one of its bytes or taken with the producer's `data` untouched; the fast reader of JSON
//! and the plain one give the same verdict; a batch is its drafts one by one.

use std::fmt::Write as _;

use bytes::Bytes;
use jiff::Timestamp;
use memchr::memmem;

use crate::decode::{self, Emit, EmitError, EmitReason, Form};
use crate::encode;
use crate::event::{Cursor, Draft, Event};
use crate::json::{self, Fault, Reader};
use crate::limits::{BATCH_DRAFTS, DRAFT_BYTES};

/// All of this module, for any bytes.
pub fn bodies_are_refused_or_kept(bytes: &[u8]) {
    readers_agree(bytes);
    let body = Bytes::copy_from_slice(bytes);
    for form in [Form::Json, Form::Ndjson] {
        match decode::emit(&body, form) {
            Ok(Emit::One(draft)) => {
                assert_eq!(form, Form::Json, "lines are a batch, also a single one");
                draft_is_kept(&draft, &body);
                little_is_held(std::slice::from_ref(&draft), &body);
            }
            Ok(Emit::Batch(drafts)) => batch_is_kept(&drafts, &body),
            Err(error) => refusal_has_its_place(&error, &body, form),
        }
    }
    lines_are_drafts(&body);
}

/// The fast reader and the plain check accept the same texts and name the same faults, and each member's value is JSON by itself.
pub fn readers_agree(raw: &[u8]) {
    let plain = json::check(raw);
    let mut reader = Reader::default();
    let fast = reader.object(raw);
    assert_eq!(plain.err(), fast.as_ref().err().copied(), "plain and fast");
    if let Err(fault) = plain {
        assert!(fault.at <= raw.len(), "{fault} of {}", raw.len());
        assert!(!fault.to_string().is_empty());
    }
    for member in fast.ok().flatten().unwrap_or_default() {
        assert_eq!(json::check(&raw[member.span]), Ok(()), "{}", member.key);
    }
}

/// Drafts that are slices of the body keep all of it in memory, so there is not much more of it than of them.
fn little_is_held(drafts: &[Draft], body: &Bytes) {
    let outer = body.as_ptr_range();
    let is_slice = |draft: &Draft| outer.contains(&draft.data.as_ptr());
    let kept: usize = drafts.iter().map(|draft| draft.data.len()).sum();
    assert!(
        !drafts.iter().any(is_slice) || body.len() <= 4 * kept + (8 << 10),
        "{} bytes are held for {kept}",
        body.len()
    );
}

/// A draft's data stands in the body, and goes through an event unchanged.
pub fn draft_is_kept(draft: &Draft, body: &Bytes) {
    assert!(memmem::find(body, &draft.data).is_some());
    assert_eq!(json::check(&draft.data), Ok(()));
    assert!(draft.data.starts_with(b"{") && draft.data.ends_with(b"}"));

    let cursor = Cursor::ORIGIN.forward(body.len());
    let time =
        Timestamp::from_microsecond(1_772_188_200_000_000 + cursor.get()).unwrap_or_default();
    let written = encode::event(cursor, time, draft);
    assert_eq!(written.json, naive_event(&written, draft));
    event_reads_back(&written);
    assert_eq!(decode::event_data(&written), draft.data);

    let again = Bytes::from(say_again(draft));
    if again.len() <= DRAFT_BYTES {
        let expected = Ok(Emit::One(draft.clone()));
        assert_eq!(decode::emit(&again, Form::Json), expected, "said again");
    }
}

/// An event's JSON is acceptable and reads back as the event.
pub fn event_reads_back(event: &Event) {
    assert_eq!(json::check(&event.json), Ok(()));
    assert_eq!(decode::event(&event.json).as_ref(), Some(event));
}

/// The envelope as docs/WIRE.md shows it, by `format!`.
fn naive_event(event: &Event, draft: &Draft) -> Vec<u8> {
    let id = |id: Option<uuid::Uuid>| id.map_or("null".to_owned(), |id| format!("\"{id}\""));
    let mut json = format!(
        r#"{{"type":"event","cursor":{},"kind":"{}","time":"{:.6}","agent_id":"{}","session_id":{},"task_id":{},"#,
        event.cursor,
        draft.kind,
        event.time,
        draft.ids.agent_id,
        id(draft.ids.session_id),
        id(draft.ids.task_id),
    );
    if draft.ids.project_id.is_some() {
        write!(json, r#""project_id":{},"#, id(draft.ids.project_id))
            .expect("a string takes what is written");
    }
    [json.as_bytes(), br#""data":"#, &draft.data, b"}"].concat()
}

/// A draft as a producer could have written it; it may be longer than the producer's own text.
fn say_again(draft: &Draft) -> Vec<u8> {
    let mut json = format!(
        r#"{{"kind":"{}","agent_id":"{}","#,
        draft.kind, draft.ids.agent_id
    );
    for (name, id) in [
        ("session_id", draft.ids.session_id),
        ("task_id", draft.ids.task_id),
        ("project_id", draft.ids.project_id),
    ] {
        if let Some(id) = id {
            write!(json, r#""{name}":"{id}","#).expect("a string takes what is written");
        }
    }
    if let Some(id) = &draft.id {
        json += r#""id":""#;
        for byte in id.bytes() {
            // As an escape, since visible characters may be quotes and backslashes.
            write!(json, "\\u{byte:04x}").expect("a string takes what is written");
        }
        json += r#"","#;
    }
    [json.as_bytes(), br#""data":"#, &draft.data, b"}"].concat()
}

fn batch_is_kept(drafts: &[Draft], body: &Bytes) {
    assert!((1..=BATCH_DRAFTS).contains(&drafts.len()));
    for draft in drafts {
        draft_is_kept(draft, body);
    }
    little_is_held(drafts, body);
    let mut rest = &body[..];
    for draft in drafts {
        let found = memmem::find(rest, &draft.data).expect("drafts keep their order");
        rest = &rest[found + draft.data.len()..];
    }
    let again: Vec<Vec<u8>> = drafts.iter().map(say_again).collect();
    if again.iter().all(|draft| draft.len() <= DRAFT_BYTES) {
        let expected = Ok(Emit::Batch(drafts.to_vec()));
        let array = joined(again.into_iter());
        assert_eq!(decode::emit(&array, Form::Json), expected, "said again");
    }
}

fn joined(drafts: impl Iterator<Item = Vec<u8>>) -> Bytes {
    let mut array = vec![b'['];
    array.extend(drafts.collect::<Vec<_>>().join(&b','));
    array.push(b']');
    array.into()
}

fn refusal_has_its_place(error: &EmitError, body: &Bytes, form: Form) {
    assert!(error.index.is_none_or(|index| index < BATCH_DRAFTS));
    assert!(!error.to_string().is_empty() && !error.reason.code().is_empty());
    if let EmitReason::Json(fault) = error.reason {
        assert!(fault.at <= body.len(), "{fault} of {}", body.len());
        let is_whole = form == Form::Json && json::check(body).is_ok();
        assert!(!is_whole, "acceptable JSON was called {fault}");
    }
}

/// Lines are the drafts one by one, and the array of the same drafts.
fn lines_are_drafts(body: &Bytes) {
    let lines: Vec<(usize, Bytes)> = body
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .map(|line| {
            (
                line.as_ptr().addr() - body.as_ptr().addr(),
                body.slice_ref(line),
            )
        })
        .collect();
    if lines.is_empty() || lines.len() > BATCH_DRAFTS || is_odd(body) {
        return;
    }
    let mut drafts = Vec::new();
    for (index, (start, line)) in lines.iter().enumerate() {
        match (one(line), drafts.len() == index) {
            (Ok(draft), true) => drafts.push(draft),
            (Err(reason), true) => {
                let reason = moved(reason, *start);
                let index = Some(index);
                let expected = Err(EmitError { index, reason });
                assert_eq!(decode::emit(body, Form::Ndjson), expected);
            }
            (_, false) => {}
        }
    }
    if drafts.len() == lines.len() {
        let expected = Ok(Emit::Batch(drafts));
        assert_eq!(decode::emit(body, Form::Ndjson), expected, "as lines");
        let array = joined(lines.iter().map(|(_, line)| line.to_vec()));
        assert_eq!(decode::emit(&array, Form::Json), expected, "as an array");
    }
}

/// Form feeds are blank to `trim_ascii` and not to JSON.
fn is_odd(body: &[u8]) -> bool {
    body.contains(&b'\x0c')
}

/// The only draft of a line. A line that is an array is no draft.
fn one(line: &Bytes) -> Result<Draft, EmitReason> {
    match decode::emit(line, Form::Json) {
        Ok(Emit::One(draft)) => Ok(draft),
        Err(error) if !line.starts_with(b"[") => Err(error.reason),
        _ => Err(json::check(line)
            .err()
            .map_or(EmitReason::NotADraft, EmitReason::Json)),
    }
}

fn moved(reason: EmitReason, by: usize) -> EmitReason {
    match reason {
        EmitReason::Json(Fault { at, what }) => EmitReason::Json(Fault { at: at + by, what }),
        other => other,
    }
}
