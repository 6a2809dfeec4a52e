//! `todoki emit`: one event from flags, or a line each from standard input.
//!
//! Lines go out in order, as many at a time as have arrived while the last request was on its way: a lone line leaves
//! at once, a flood in large batches. Nothing is read ahead beyond a bound, so the program that writes the lines is
//! slowed down to what the server takes. Each draft gets an id, so a request that is sent again after a broken
//! connection stores nothing twice.

use std::io::{self, IsTerminal, Write};

use bytes::Bytes;
use clap::Args;
use simd_json::OwnedValue;
use simd_json::prelude::Writable;
use todoki_codec::Kind;
use todoki_codec::decode::{self, EmitReason, Form, NameAndText};
use todoki_codec::limits::{DRAFT_BYTES, KIND_BYTES};
use uuid::Uuid;

use super::Failure;
use super::client::{ClientError, Remote};
use super::lines::{Line, Lines};
use super::sender::{Batch, Progress, Sender};
use crate::config;

/// Longest line of text within a draft, as JSON: the rest is the draft's envelope.
const TEXT_BYTES: usize = DRAFT_BYTES - (4 << 10);

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Emit {
    /// The kind: of the one event, or of each line
    #[arg(long, value_name = "KIND", conflicts_with = "kind_from")]
    kind: Option<String>,

    /// Each line's kind is the value of this member of it
    #[arg(long, value_name = "MEMBER")]
    kind_from: Option<String>,

    /// Put this and a dot before the kind that --kind-from finds; a line without that member gets this alone
    #[arg(long, value_name = "KIND", requires = "kind_from")]
    prefix: Option<String>,

    /// The event's data, a JSON object; without it, lines are read from standard input
    #[arg(long, value_name = "JSON", requires = "kind")]
    data: Option<String>,

    /// Lines are plain text: each becomes {"line":"…"}; one that is longer than an event may be is cut, and has the
    /// number of missing bytes in `cut_bytes`
    #[arg(long, requires = "kind", conflicts_with = "data")]
    text: bool,

    /// Agent of the events
    #[arg(long, value_name = "UUID")]
    agent_id: Option<Uuid>,

    /// Session of the events
    #[arg(long, value_name = "UUID")]
    session_id: Option<Uuid>,

    /// Task of the events
    #[arg(long, value_name = "UUID")]
    task_id: Option<Uuid>,

    /// Project of the events
    #[arg(long, value_name = "UUID")]
    project_id: Option<Uuid>,

    #[command(flatten)]
    client: config::Client,
}

const EXAMPLES: &str = "\
Examples:
  todoki emit --kind task.created --data '{\"title\":\"Fix login\"}'
  cargo build --message-format=json | todoki emit --kind-from reason --prefix build
  tail -f app.log | todoki emit --kind app.log --text
  todoki emit < drafts.ndjson          each line a draft: {\"kind\":\"a.b\",\"data\":{}}

With --kind or --kind-from each line is a JSON object and becomes the event's data, byte for byte; with neither, each \
line is a whole draft. One event prints its cursor; lines print how many there were, on standard error.";

pub(super) async fn run(emit: Emit) -> Result<(), Failure> {
    let shape = Shape::new(&emit)?;
    let remote = Remote::new(&emit.client).map_err(Failure::usage)?;
    if let Some(data) = &emit.data {
        let draft = shape
            .draft(data, &format!("{}", Uuid::new_v4()))
            .map_err(Failure::usage)?;
        let mut sender = Sender::new(remote);
        let cursors = sender.send(&draft).await?;
        return Ok(writeln!(io::stdout(), "{}", cursors[0])?);
    }
    if io::stdin().is_terminal() {
        super::note("reading lines from the terminal; end with Ctrl-D");
    }
    emit_lines(shape, Sender::new(remote)).await
}

async fn emit_lines(shape: Shape, mut sender: Sender) -> Result<(), Failure> {
    let mut source = Source {
        lines: Lines::of_stdin(),
        shape,
        run: Uuid::new_v4(),
        number: 0,
        first: 1,
        waiting: None,
        bad_line: None,
    };
    let mut progress = Progress::new();
    loop {
        let batch = source.next_batch().await;
        if batch.count == 0 {
            progress.finish();
            return source.bad_line.map_or(Ok(()), Err);
        }
        match sender.send(&batch.body).await {
            Ok(cursors) => progress.add(&cursors),
            Err(error) => {
                if source.first > 1 {
                    progress.finish();
                }
                return Err(at_line(source.first, error));
            }
        }
    }
}

/// Lines as they arrive, made into drafts.
struct Source {
    lines: Lines,
    shape: Shape,
    /// Makes the drafts' ids unlike those of any other run.
    run: Uuid,
    /// Of the last line read, from 1.
    number: u64,
    /// Of the first line of the batch.
    first: u64,
    /// A draft that did not fit into the batch before.
    waiting: Option<String>,
    /// Why reading stopped; what came before it is emitted all the same.
    bad_line: Option<Failure>,
}

impl Source {
    /// What has arrived, once there is anything; nothing at the end or behind a bad line.
    async fn next_batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        self.first = self.number + u64::from(self.waiting.is_none());
        if let Some(draft) = self.waiting.take() {
            batch.push(draft).ok();
        }
        while self.bad_line.is_none() {
            let line = match batch.count {
                0 => self.lines.next().await,
                _ => self.lines.try_next(),
            };
            let Some(line) = line else { break };
            match self.draft(line) {
                Ok(None) => {}
                Ok(Some(draft)) => {
                    if let Err(draft) = batch.push(draft) {
                        self.waiting = Some(draft);
                        break;
                    }
                }
                Err(failure) => self.bad_line = Some(failure),
            }
        }
        batch
    }

    fn draft(&mut self, line: io::Result<Line>) -> Result<Option<String>, Failure> {
        let line = line?;
        self.number += 1;
        if line.bytes.trim_ascii().is_empty() && !self.shape.is_text {
            return Ok(None);
        }
        let id = format!("{}-{}", self.run, self.number);
        let draft = self.shape.of_line(&line, &id).map_err(|what| Failure {
            exit: 1,
            message: format!("line {}: {what}", self.number),
        })?;
        Ok(Some(draft))
    }
}

fn at_line(number: u64, error: ClientError) -> Failure {
    let failure = Failure::from(error);
    let before = match number {
        1 => "",
        _ => "; those before it are emitted",
    };
    Failure {
        message: format!("{} (from line {number} on{before})", failure.message),
        ..failure
    }
}

/// How a line becomes a draft.
struct Shape {
    kind: KindOf,
    is_text: bool,
    /// Members that every draft gets, each with a comma before it.
    ids: String,
}

enum KindOf {
    /// The line is the draft.
    Draft,
    /// The same for all.
    Fixed(Kind),
    /// A member of the line, behind a prefix.
    Member { name: String, prefix: Option<Kind> },
}

impl Shape {
    fn new(emit: &Emit) -> Result<Self, Failure> {
        let kind = |name: &str, text: &String| {
            Kind::parse(text).map_err(|error| Failure::usage(format!("--{name} {error}")))
        };
        let kind = match (&emit.kind, &emit.kind_from) {
            (Some(text), _) => KindOf::Fixed(kind("kind", text)?),
            (None, Some(name)) => KindOf::Member {
                name: name.clone(),
                prefix: emit
                    .prefix
                    .as_ref()
                    .map(|text| kind("prefix", text))
                    .transpose()?,
            },
            (None, None) => KindOf::Draft,
        };
        let ids: String = [
            ("agent_id", emit.agent_id),
            ("session_id", emit.session_id),
            ("task_id", emit.task_id),
            ("project_id", emit.project_id),
        ]
        .into_iter()
        .filter_map(|(name, id)| id.map(|id| format!(",\"{name}\":\"{id}\"")))
        .collect();
        if matches!(kind, KindOf::Draft) && !ids.is_empty() {
            return Err(Failure::usage(
                "lines that are drafts carry their own ids; add --kind or --kind-from",
            ));
        }
        Ok(Self {
            kind,
            is_text: emit.text,
            ids,
        })
    }

    /// The draft of a line of standard input.
    fn of_line(&self, line: &Line, id: &str) -> Result<String, String> {
        if let (KindOf::Fixed(kind), true) = (&self.kind, self.is_text) {
            let data = text_data(&line.bytes, line.cut_bytes);
            return Ok(self.wrap(kind.as_str(), &data, id));
        }
        if line.cut_bytes > 0 {
            return Err(format!(
                "longer than {DRAFT_BYTES} bytes, the largest draft"
            ));
        }
        let text = std::str::from_utf8(&line.bytes)
            .map_err(|error| format!("invalid UTF-8 at byte {}", error.valid_up_to()))?;
        self.draft(text, id)
    }

    /// The draft of a JSON text, checked as the server will check it.
    fn draft(&self, line: &str, id: &str) -> Result<String, String> {
        let draft = match &self.kind {
            KindOf::Draft => with_id(line, id)?,
            KindOf::Fixed(kind) => {
                // One object and nothing behind it, or it could bring members of the draft's own.
                members(line)?;
                self.wrap(kind.as_str(), line, id)
            }
            KindOf::Member { name, prefix } => {
                self.wrap(&kind_of(line, name, prefix.as_ref())?, line, id)
            }
        };
        decode::emit(&Bytes::from(draft.clone()), Form::Json).map_err(|error| error.to_string())?;
        Ok(draft)
    }

    fn wrap(&self, kind: &str, data: &str, id: &str) -> String {
        format!(
            "{{\"kind\":\"{kind}\",\"id\":\"{id}\"{},\"data\":{data}}}",
            self.ids
        )
    }
}

/// A draft that has no id of its own gets one, before its closing brace.
fn with_id(line: &str, id: &str) -> Result<String, String> {
    let line = line.trim();
    let has_id = members(line)?.iter().any(|(name, _)| &**name == "id");
    match line.strip_suffix('}') {
        Some(open) if !has_id => Ok(format!("{open},\"id\":\"{id}\"}}")),
        _ => Ok(line.to_owned()),
    }
}

fn members(line: &str) -> Result<Vec<NameAndText>, String> {
    decode::members(line.as_bytes()).map_err(|reason| match reason {
        EmitReason::Json(fault) => fault.to_string(),
        _ => "not a JSON object; use --text for plain lines".to_owned(),
    })
}

/// Plain text as data. A line that is too long for a draft is cut, since the rest of the stream is worth having, and says
/// by how much; bytes that are not UTF-8 are replaced.
fn text_data(line: &[u8], mut cut_bytes: usize) -> String {
    let mut kept = line;
    loop {
        let text = OwnedValue::from(String::from_utf8_lossy(kept).into_owned()).encode();
        if text.len() <= TEXT_BYTES {
            return match cut_bytes {
                0 => format!("{{\"line\":{text}}}"),
                _ => format!("{{\"line\":{text},\"cut_bytes\":{cut_bytes}}}"),
            };
        }
        // Escapes make it longer; what is kept shrinks in proportion.
        let most = (kept.len() * TEXT_BYTES / text.len()).min(kept.len() - 1);
        cut_bytes += kept.len() - most;
        kept = &kept[..most];
    }
}

fn kind_of(line: &str, name: &str, prefix: Option<&Kind>) -> Result<String, String> {
    let members = members(line)?;
    let text = members
        .iter()
        .find(|(key, _)| &**key == name)
        .and_then(|(_, text)| text.as_deref());
    let segments: Vec<&str> = [
        prefix.map(Kind::as_str),
        text.filter(|text| !text.is_empty()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if segments.is_empty() {
        return Err(format!(
            "has no {name:?} to take the kind from; --prefix gives such lines a kind"
        ));
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let kind = segments.join(".");
    Ok(kind
        .chars()
        .map(|c| if is_allowed(c) { c } else { '_' })
        .take(KIND_BYTES)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(kind: KindOf, is_text: bool) -> Shape {
        Shape {
            kind,
            is_text,
            ids: String::new(),
        }
    }

    #[test]
    fn a_line_becomes_the_data_byte_for_byte() {
        let member = KindOf::Member {
            name: "reason".into(),
            prefix: Some(Kind::parse("build").unwrap()),
        };
        let shape = shape(member, false);
        assert_eq!(
            shape
                .draft(r#"{"reason":"build script","n":1e400}"#, "7")
                .unwrap(),
            r#"{"kind":"build.build_script","id":"7","data":{"reason":"build script","n":1e400}}"#
        );
        assert_eq!(
            shape.draft(r#"{"n":1}"#, "7").unwrap(),
            r#"{"kind":"build","id":"7","data":{"n":1}}"#
        );
    }

    #[test]
    fn text_is_wrapped_and_cut_to_what_fits() {
        assert_eq!(
            text_data(b"say \"hi\"\x01\xff", 0),
            "{\"line\":\"say \\\"hi\\\"\\u0001\u{fffd}\"}"
        );
        let shape = shape(KindOf::Fixed(Kind::parse("app.log").unwrap()), true);
        for line in ["x", "\u{1}", "ü\u{1}"] {
            let data = text_data(line.repeat(DRAFT_BYTES).as_bytes(), 7);
            let draft = shape.wrap("app.log", &data, "7");
            assert!(decode::emit(&Bytes::from(draft), Form::Json).is_ok());
            assert!(data.contains("\"cut_bytes\":"), "{line:?}");
            assert!(data.len() > TEXT_BYTES / 2, "most of the room is used");
        }
    }

    #[test]
    fn a_line_cannot_bring_members_of_the_drafts_own() {
        let shape = shape(KindOf::Fixed(Kind::parse("a").unwrap()), false);
        let smuggled = r#"{},"agent_id":"018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f""#;
        assert_eq!(
            shape.draft(smuggled, "7").unwrap_err(),
            "more text after the value at byte 2"
        );
    }

    #[test]
    fn a_draft_keeps_its_id_or_gets_one() {
        let shape = shape(KindOf::Draft, false);
        let own = r#"{"kind":"a","data":{},"id":"mine"}"#;
        assert_eq!(shape.draft(own, "7").unwrap(), own);
        assert_eq!(
            shape.draft(r#"{"kind":"a","data":{} } "#, "7").unwrap(),
            r#"{"kind":"a","data":{} ,"id":"7"}"#
        );
        assert!(shape.draft(r#"{"kind":"a"}"#, "7").is_err());
    }
}
