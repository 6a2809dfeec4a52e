//! `vectors/emit.json`: each rule of emit bodies as text.

use bytes::Bytes;
use serde::Deserialize;
use todoki_codec::decode::{self, Emit, Form};
use todoki_codec::property::emit::bodies_are_refused_or_kept;
use todoki_codec::{Draft, Ids, Kind};
use uuid::Uuid;

use crate::vectors::{Input, rows, unhex};

/// A row has a text or the hex of bytes, and expects drafts or a refusal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    #[serde(default)]
    form: RowForm,
    input: Option<Input>,
    hex: Option<String>,
    expect: Option<Expect>,
    refused: Option<Refused>,
    why: String,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RowForm {
    #[default]
    Json,
    Ndjson,
}

/// For large drafts and batches only a size.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expect {
    One(RowDraft),
    Batch(Vec<RowDraft>),
    BatchOf(usize),
    DataBytes(usize),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowDraft {
    kind: String,
    data: String,
    #[serde(default)]
    agent_id: Uuid,
    session_id: Option<Uuid>,
    task_id: Option<Uuid>,
    project_id: Option<Uuid>,
    id: Option<Box<str>>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    index: Option<usize>,
    code: String,
    message: String,
}

fn draft(row: RowDraft) -> Draft {
    Draft {
        kind: Kind::parse(&row.kind).unwrap(),
        ids: Ids {
            agent_id: row.agent_id,
            session_id: row.session_id,
            task_id: row.task_id,
            project_id: row.project_id,
        },
        data: row.data.into(),
        id: row.id,
    }
}

fn holds(body: &Bytes, form: Form, expect: Expect, case: &str) {
    match (decode::emit(body, form), expect) {
        (Ok(Emit::One(found)), Expect::One(row)) => assert_eq!(found, draft(row), "{case}"),
        (Ok(Emit::Batch(found)), Expect::Batch(rows)) => {
            let expected: Vec<Draft> = rows.into_iter().map(draft).collect();
            assert_eq!(found, expected, "{case}");
        }
        (Ok(Emit::Batch(found)), Expect::BatchOf(count)) => {
            assert_eq!(found.len(), count, "{case}");
        }
        (Ok(Emit::One(found)), Expect::DataBytes(bytes)) => {
            assert_eq!(found.data.len(), bytes, "{case}");
        }
        (found, _) => panic!("{case}: {found:?}"),
    }
}

#[test]
fn every_emit_vector_holds() {
    for row in rows::<Row>(include_str!("../vectors/emit.json")) {
        let case = format!("{}: {}", row.name, row.why);
        let body = match (row.input, row.hex) {
            (Some(input), None) => input.bytes(),
            (None, Some(hex)) => unhex(&hex).into(),
            _ => panic!("{case}: a row has an input or a hex"),
        };
        bodies_are_refused_or_kept(&body);
        let form = match row.form {
            RowForm::Json => Form::Json,
            RowForm::Ndjson => Form::Ndjson,
        };
        match (row.expect, row.refused) {
            (Some(expect), None) => holds(&body, form, expect, &case),
            (None, Some(refused)) => {
                let error = decode::emit(&body, form).expect_err(&case);
                let found = Refused {
                    index: error.index,
                    code: error.reason.code().to_owned(),
                    message: error.to_string(),
                };
                assert_eq!(found, refused, "{case}");
            }
            _ => panic!("{case}: a row expects drafts or a refusal"),
        }
    }
}
