//! An emit body becomes drafts, and an event's JSON becomes an event again.
//!
//! A body is one object, an array of objects, or lines of objects (NDJSON). All drafts are good or none is taken. The
//! producer's `data` is a slice of the body: its bytes are never written again.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use jiff::Timestamp;
use simd_json::{Node, StaticNode};
use uuid::Uuid;

use crate::event::{Cursor, Draft, Event, Ids};
use crate::json::{self, Fault, Member, Reader, What};
use crate::kind::{Kind, KindError};
use crate::limits::{BATCH_DRAFTS, DRAFT_BYTES, DRAFT_ID_BYTES};

/// How an emit body is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One object, or an array of objects.
    Json,
    /// One object a line; blank lines are skipped.
    Ndjson,
}

/// What a producer posted in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Emit {
    /// One object: answered with one cursor.
    One(Draft),
    /// An array or lines: answered with as many cursors.
    Batch(Vec<Draft>),
}

/// Why an emit body is refused, and which draft is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmitError {
    /// Place of the draft in the body, from 0; `None` when the body itself is wrong.
    pub index: Option<usize>,
    /// What is wrong.
    pub reason: EmitReason,
}

/// What is wrong with an emit body or a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmitReason {
    /// Not acceptable JSON.
    Json(Fault),
    /// Neither an object nor an array of objects.
    NotADraft,
    /// No draft in it.
    Empty,
    /// Over [`BATCH_DRAFTS`].
    TooMany,
    /// Over [`DRAFT_BYTES`].
    TooLarge {
        /// Bytes found.
        bytes: usize,
    },
    /// A required member is not there.
    Missing(&'static str),
    /// A member that a draft does not have.
    Unknown(Box<str>),
    /// A member of the wrong JSON type.
    Type {
        /// Which member.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The kind is malformed.
    Kind(KindError),
    /// An id that is not a hyphenated UUID.
    Uuid(&'static str),
    /// An idempotency key that is empty, too long, or not visible ASCII.
    DraftId,
}

impl EmitReason {
    /// The stable code that a client may branch on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "invalid_json",
            Self::Empty => "empty_batch",
            Self::TooMany => "batch_too_long",
            Self::TooLarge { .. } => "draft_too_large",
            _ => "invalid_draft",
        }
    }
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(index) = self.index {
            write!(f, "draft {index}: ")?;
        }
        match &self.reason {
            EmitReason::Json(fault) => fault.fmt(f),
            EmitReason::NotADraft => {
                f.write_str("expected a draft, which is a JSON object with kind and data")
            }
            EmitReason::Empty => f.write_str("the body holds no draft"),
            EmitReason::TooMany => write!(
                f,
                "more than {BATCH_DRAFTS} drafts; send them in several requests"
            ),
            EmitReason::TooLarge { bytes } => {
                write!(f, "the draft has {bytes} bytes; the limit is {DRAFT_BYTES}")
            }
            EmitReason::Missing(member) => write!(f, "{member} is missing"),
            EmitReason::Unknown(member) => write!(
                f,
                "unknown member {member:?}; a draft has kind, data, agent_id, session_id, task_id, project_id, id"
            ),
            EmitReason::Type { member, expected } => write!(f, "{member} must be {expected}"),
            EmitReason::Kind(error) => write!(f, "kind {error}"),
            EmitReason::Uuid(member) => write!(
                f,
                "{member} must be a UUID such as 018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f, or null"
            ),
            EmitReason::DraftId => write!(
                f,
                "id must be 1 to {DRAFT_ID_BYTES} visible ASCII characters"
            ),
        }
    }
}

impl std::error::Error for EmitError {}

/// The drafts of an emit body.
pub fn emit(body: &Bytes, form: Form) -> Result<Emit, EmitError> {
    let mut emit = read(body, form)?;
    let drafts = match &mut emit {
        Emit::One(draft) => std::slice::from_mut(draft),
        Emit::Batch(drafts) => drafts,
    };
    // A slice keeps its whole body alive, so one of a body that is mostly something else is copied out of it.
    let kept: usize = drafts.iter().map(|draft| draft.data.len()).sum();
    if body.len() > kept * 4 + SLACK_BYTES {
        for draft in drafts {
            draft.data = Bytes::copy_from_slice(&draft.data);
        }
    }
    Ok(emit)
}

/// A body may be so much larger than four times its data before the data is copied out of it: ordinary envelopes of a
/// few drafts are not worth a copy.
const SLACK_BYTES: usize = 4 << 10;

fn read(body: &Bytes, form: Form) -> Result<Emit, EmitError> {
    let mut reader = Reader::default();
    let whole = trim(body, 0..body.len());
    let spans = match (form, body.get(whole.start)) {
        (_, None) => return Err(refuse(None, EmitReason::Empty)),
        (Form::Ndjson, _) => lines(body),
        (Form::Json, Some(b'[')) => {
            elements(body, whole).map_err(|fault| refuse(None, EmitReason::Json(fault)))?
        }
        (Form::Json, Some(_)) => {
            return draft(&mut reader, body, whole)
                .map(Emit::One)
                .map_err(|reason| refuse(None, reason));
        }
    };
    if spans.is_empty() {
        return Err(refuse(None, EmitReason::Empty));
    }
    if spans.len() > BATCH_DRAFTS {
        return Err(refuse(None, EmitReason::TooMany));
    }
    spans
        .into_iter()
        .enumerate()
        .map(|(index, span)| {
            draft(&mut reader, body, span).map_err(|reason| refuse(Some(index), reason))
        })
        .collect::<Result<_, _>>()
        .map(Emit::Batch)
}

fn refuse(index: Option<usize>, reason: EmitReason) -> EmitError {
    EmitError { index, reason }
}

fn trim(raw: &[u8], span: Range<usize>) -> Range<usize> {
    let Range { mut start, mut end } = span;
    while start < end && json::is_space(raw[start]) {
        start += 1;
    }
    while start < end && json::is_space(raw[end - 1]) {
        end -= 1;
    }
    start..end
}

/// The lines that hold something; one more than the limit at most.
fn lines(body: &[u8]) -> Vec<Range<usize>> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', body)
        .chain([body.len()])
        .map(|end| trim(body, std::mem::replace(&mut start, end + 1)..end))
        .filter(|line| !line.is_empty())
        .take(BATCH_DRAFTS + 1)
        .collect()
}

/// The elements of the array that `whole` is; one more than the limit at most. Brackets and commas of the array are
/// checked here, the elements by whoever reads them.
fn elements(body: &[u8], whole: Range<usize>) -> Result<Vec<Range<usize>>, Fault> {
    let fault = |at, what| Err(Fault { at, what });
    let mut spans = Vec::new();
    let mut at = whole.start + 1;
    loop {
        let start = skip_space(body, at);
        let end = element_end(body, start);
        match body.get(end) {
            _ if end > whole.end => return fault(whole.end, What::End),
            None => return fault(body.len(), What::End),
            Some(b',' | b']') if start < end => spans.push(trim(body, start..end)),
            Some(b']') if spans.is_empty() => {}
            Some(_) => return fault(end, What::Unexpected),
        }
        if spans.len() > BATCH_DRAFTS {
            return Ok(spans);
        }
        if body[end] == b']' {
            return if end + 1 == whole.end {
                Ok(spans)
            } else {
                fault(end + 1, What::Trailing)
            };
        }
        at = end + 1;
    }
}

fn skip_space(raw: &[u8], mut at: usize) -> usize {
    while raw.get(at).copied().is_some_and(json::is_space) {
        at += 1;
    }
    at
}

/// The place of the comma or bracket that ends the array element at `at`.
fn element_end(raw: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(&byte) = raw.get(at) {
        match byte {
            b'"' => {
                at = json::string_end(raw, at + 1);
                continue;
            }
            b',' | b']' | b'}' if depth == 0 => return at,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    raw.len()
}

fn draft(reader: &mut Reader, body: &Bytes, span: Range<usize>) -> Result<Draft, EmitReason> {
    if span.len() > DRAFT_BYTES {
        return Err(EmitReason::TooLarge { bytes: span.len() });
    }
    let at = |mut fault: Fault| {
        fault.at += span.start;
        EmitReason::Json(fault)
    };
    let members = reader.object(&body[span.clone()]).map_err(at)?;
    let mut fields = Fields::default();
    for member in members.ok_or(EmitReason::NotADraft)? {
        fields.take(&member, body, span.start)?;
    }
    Ok(Draft {
        kind: fields.kind.ok_or(EmitReason::Missing("kind"))?,
        ids: fields.ids,
        data: fields.data.ok_or(EmitReason::Missing("data"))?,
        id: fields.id,
    })
}

/// What drafts and events share, as it is found.
#[derive(Default)]
struct Fields {
    kind: Option<Kind>,
    ids: Ids,
    data: Option<Bytes>,
    id: Option<Box<str>>,
}

impl Fields {
    fn take(&mut self, member: &Member<'_>, body: &Bytes, offset: usize) -> Result<(), EmitReason> {
        match member.key {
            "kind" => {
                self.kind = Some(Kind::parse(text(member, "kind")?).map_err(EmitReason::Kind)?);
            }
            "data" => self.data = Some(data(member, body, offset)?),
            "agent_id" => self.ids.agent_id = uuid(member, "agent_id")?.unwrap_or_default(),
            "session_id" => self.ids.session_id = uuid(member, "session_id")?,
            "task_id" => self.ids.task_id = uuid(member, "task_id")?,
            "project_id" => self.ids.project_id = uuid(member, "project_id")?,
            "id" => self.id = draft_id(member)?,
            unknown => return Err(EmitReason::Unknown(unknown.into())),
        }
        Ok(())
    }
}

fn text<'a>(member: &Member<'a>, name: &'static str) -> Result<&'a str, EmitReason> {
    match member.value {
        Node::String(text) => Ok(text),
        _ => Err(EmitReason::Type {
            member: name,
            expected: "a string",
        }),
    }
}

fn data(member: &Member<'_>, body: &Bytes, offset: usize) -> Result<Bytes, EmitReason> {
    let Node::Object { .. } = member.value else {
        return Err(EmitReason::Type {
            member: "data",
            expected: "a JSON object",
        });
    };
    Ok(body.slice(offset + member.span.start..offset + member.span.end))
}

fn uuid(member: &Member<'_>, name: &'static str) -> Result<Option<Uuid>, EmitReason> {
    match member.value {
        Node::Static(StaticNode::Null) => Ok(None),
        Node::String(text) => parse_uuid(text).map(Some).ok_or(EmitReason::Uuid(name)),
        _ => Err(EmitReason::Uuid(name)),
    }
}

/// A UUID in the hyphenated form alone: one spelling on the wire, so that equal ids are equal texts.
pub(crate) fn parse_uuid(text: &str) -> Option<Uuid> {
    (text.len() == 36)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
}

fn draft_id(member: &Member<'_>) -> Result<Option<Box<str>>, EmitReason> {
    match member.value {
        Node::Static(StaticNode::Null) => Ok(None),
        Node::String(text) => id(text).map(Some),
        _ => Err(EmitReason::DraftId),
    }
}

/// An idempotency key, from a draft or from a header.
pub fn id(text: &str) -> Result<Box<str>, EmitReason> {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_visible && (1..=DRAFT_ID_BYTES).contains(&text.len()) {
        Ok(text.into())
    } else {
        Err(EmitReason::DraftId)
    }
}

/// The event that `json` is: the inverse of [`encode::event`](crate::encode::event). `None` when it is not an event.
///
/// For readers of the log's own output (the command line, tests), where being wrong means a bug or another protocol.
pub fn event(json: &Bytes) -> Option<Event> {
    let mut reader = Reader::default();
    let mut fields = Fields::default();
    let (mut is_event, mut cursor, mut time) = (false, None, None);
    for member in reader.object(json).ok()?? {
        match member.key {
            "type" => is_event = text(&member, "type") == Ok("event"),
            // A draft's, and not told.
            "id" => {}
            "cursor" => {
                let number = std::str::from_utf8(&json[member.span]).ok()?;
                cursor = number.parse().ok().and_then(Cursor::new);
            }
            "time" => time = text(&member, "time").ok()?.parse::<Timestamp>().ok(),
            _ => match fields.take(&member, json, 0) {
                // A member of a later version: readers skip what they do not know.
                Ok(()) | Err(EmitReason::Unknown(_)) => {}
                Err(_) => return None,
            },
        }
    }
    (is_event && fields.data.is_some()).then_some(())?;
    Some(Event {
        cursor: cursor?,
        time: time?,
        kind: fields.kind?,
        ids: fields.ids,
        json: json.clone(),
    })
}

/// A member's name, and its text when it is a string.
pub type NameAndText = (Box<str>, Option<Box<str>>);

/// The members of an object. For programs that make drafts of what they are given.
pub fn members(object: &[u8]) -> Result<Vec<NameAndText>, EmitReason> {
    let mut reader = Reader::default();
    let members = reader.object(object).map_err(EmitReason::Json)?;
    let named = |member: Member<'_>| {
        let text = match member.value {
            Node::String(text) => Some(text.into()),
            _ => None,
        };
        (member.key.into(), text)
    };
    Ok(members
        .ok_or(EmitReason::NotADraft)?
        .into_iter()
        .map(named)
        .collect())
}

/// The `data` of an event, as the producer sent it.
pub fn event_data(event: &Event) -> Bytes {
    let mut reader = Reader::default();
    let members = reader
        .object(&event.json)
        .ok()
        .flatten()
        .unwrap_or_default();
    members
        .into_iter()
        .find(|member| member.key == "data")
        .map_or_else(Bytes::new, |member| event.json.slice(member.span))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;

    fn json(text: &str) -> Result<Emit, EmitError> {
        emit(&Bytes::copy_from_slice(text.as_bytes()), Form::Json)
    }

    fn one(text: &str) -> Draft {
        match json(text).unwrap() {
            Emit::One(draft) => draft,
            Emit::Batch(_) => panic!("expected one draft"),
        }
    }

    fn reason(text: &str) -> (Option<usize>, EmitReason) {
        let error = json(text).unwrap_err();
        (error.index, error.reason)
    }

    #[test]
    fn data_keeps_the_producers_bytes() {
        let data =
            r#"{ "b" : 1e400, "a":18446744073709551616, "z":"\u0000\ud83d\ude00\/" , "n":-0 }"#;
        let draft = one(&format!(r#"{{"kind":"a.b","data":{data}}}"#));
        assert_eq!(draft.data, data.as_bytes());
    }

    #[test]
    fn an_event_reads_back_as_itself() {
        let draft = one(
            r#"{"kind":"task.created","task_id":"018F3C2E-7b1a-7c3d-9e4f-5a6b7c8d9e0f","data":{"x":[1,{}]},"project_id":null}"#,
        );
        let time = Timestamp::from_microsecond(1_772_188_200_123_456).unwrap();
        let written = encode::event(Cursor::new(101).unwrap(), time, &draft);
        assert_eq!(event(&written.json).unwrap(), written);
        assert_eq!(event_data(&written), draft.data);
    }

    #[test]
    fn an_event_of_a_later_version_is_still_an_event() {
        let read = |members: &str| {
            let json = format!(
                r#"{{{members}"cursor":1,"kind":"a","time":"2026-02-27T10:30:00Z","data":{{}}}}"#
            );
            event(&json.into()).is_some()
        };
        assert!(read(r#""type":"event","#));
        assert!(read(r#""type":"event","org_id":7,"id":7,"#));
        assert!(!read(r#""type":"news","#));
        assert!(!read(""));
    }

    #[test]
    fn an_array_and_lines_are_batches() {
        let draft = r#"{"kind":"a","data":{}}"#;
        let array = json(&format!(" [ {draft} ,{draft}\n] ")).unwrap();
        let lines = emit(
            &Bytes::from(format!("{draft}\n\n \r\n{draft}\n")),
            Form::Ndjson,
        )
        .unwrap();
        assert_eq!(array, lines);
        assert!(matches!(array, Emit::Batch(drafts) if drafts.len() == 2));
    }

    #[test]
    fn a_bad_draft_is_named_by_its_place() {
        let good = r#"{"kind":"a","data":{}}"#;
        assert_eq!(
            reason(&format!("[{good},{{\"kind\":\"a\"}}]")),
            (Some(1), EmitReason::Missing("data"))
        );
        assert_eq!(
            reason(&format!("[{good}, 7 ]")),
            (Some(1), EmitReason::NotADraft)
        );
    }

    #[test]
    fn a_broken_array_is_refused_at_its_byte() {
        for (text, at, what) in [
            ("[{}", 3, What::End),
            ("[,{}]", 1, What::Unexpected),
            ("[{},]", 4, What::Unexpected),
            ("[{}}", 3, What::Unexpected),
            ("[{}] x", 4, What::Trailing),
        ] {
            assert_eq!(
                reason(text),
                (None, EmitReason::Json(Fault { at, what })),
                "{text}"
            );
        }
        assert_eq!(reason("[]").1, EmitReason::Empty);
        assert_eq!(reason(" ").1, EmitReason::Empty);
    }

    #[test]
    fn limits_are_kept() {
        let draft = r#"{"kind":"a","data":{}}"#;
        let many = |count: usize| format!("[{}]", vec![draft; count].join(","));
        assert!(json(&many(BATCH_DRAFTS)).is_ok());
        assert_eq!(reason(&many(BATCH_DRAFTS + 1)).1, EmitReason::TooMany);
        let large = format!(
            r#"{{"kind":"a","data":{{"x":"{}"}}}}"#,
            "y".repeat(DRAFT_BYTES)
        );
        assert_eq!(
            reason(&large).1,
            EmitReason::TooLarge { bytes: large.len() }
        );
    }

    #[test]
    fn members_have_their_types() {
        for (text, expected) in [
            (r#"{"kind":1,"data":{}}"#, "kind must be a string"),
            (r#"{"kind":"a","data":[]}"#, "data must be a JSON object"),
            (
                r#"{"kind":"a..b","data":{}}"#,
                "kind has an empty segment at byte 2",
            ),
            (
                r#"{"kind":"a","data":{},"id":""}"#,
                "id must be 1 to 128 visible ASCII characters",
            ),
            (
                r#"{"kind":"a","data":{},"x":1}"#,
                "unknown member \"x\"; a draft has kind, data, agent_id, session_id, task_id, project_id, id",
            ),
        ] {
            assert_eq!(json(text).unwrap_err().to_string(), expected);
        }
        assert_eq!(
            reason(r#"{"kind":"a","data":{},"task_id":"018f3c2e7b1a7c3d9e4f5a6b7c8d9e0f"}"#).1,
            EmitReason::Uuid("task_id")
        );
    }
}
