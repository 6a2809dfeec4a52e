//! The catalogue of bad input: what a client may do wrong, and the exact answer to it.
//!
//! A row is data; add one where its subject is. Every row runs over a socket of its own against one server, and at the
//! end nothing is stored and everything still works. docs/CATALOGUE.md lists what was observed: after a change of
//! rows or answers, write it anew with `TODOKI_BLESS=1 cargo test -p todoki --test it catalogue`.

#![expect(clippy::too_many_lines, reason = "a table is as long as it has rows")]

mod auth;
mod commands;
mod docs;
mod emit;
mod floods;
mod frames;
mod http;
mod kept;
mod observe;
mod query;
mod row;
mod slow;
mod upgrade;

use observe::{Observed, observe};
use row::{Row, Subject};

use crate::harness::TestServer;

/// The first events of the log that the catalogue runs against; cursors in rows are about these.
const SEED: &str = r#"[{"kind":"seed","data":{}},{"kind":"seed","data":{}},{"kind":"seed","data":{},"id":"used"}]"#;

fn subjects() -> Vec<Subject> {
    [
        http::subjects(),
        auth::subjects(),
        query::subjects(),
        emit::subjects(),
        upgrade::subjects(),
        frames::subjects(),
        commands::subjects(),
        floods::subjects(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn seeded() -> TestServer {
    let server = TestServer::start_with(|config| config.allow_query_token = true).await;
    server.emit(SEED).await;
    server
}

async fn observed(server: &TestServer, subject: &Subject) -> Vec<Observed> {
    let mut observed = Vec::with_capacity(subject.rows.len());
    for row in &subject.rows {
        observed.push(observe(server, &row.input).await);
    }
    observed
}

/// What differs from what the row says, each as a line.
fn differences(row: &Row, observed: &Observed) -> Vec<String> {
    let mut lines = observed.faults.clone();
    if observed.answer != row.answer {
        lines.push(format!(
            "expected {:?}, observed {:?}",
            row.answer, observed.answer
        ));
    }
    if !observed.says.contains(row.says) {
        lines.push(format!(
            "expected to read {:?}, read {:?}",
            row.says, observed.says
        ));
    }
    lines
}

#[tokio::test]
async fn every_row_is_answered_as_written_and_stores_nothing() {
    let server = seeded().await;
    let before = server.get("/api/event-bus/latest").await.body;
    let (mut count, mut failures) = (0, Vec::new());
    for subject in subjects() {
        for (row, observed) in subject.rows.iter().zip(observed(&server, &subject).await) {
            count += 1;
            let differences = differences(row, &observed);
            if !differences.is_empty() {
                let differences = differences.join("\n      ");
                let name = &row.name;
                failures.push(format!(
                    "\n  {}: {name}\n      {differences}",
                    subject.title
                ));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "of {count} rows these differ:{}",
        failures.concat()
    );
    assert_eq!(server.get("/api/event-bus/latest").await.body, before);
    let mut client = server.subscribe("").await;
    client.expect("subscribed").await;
    let cursors = server.emit(r#"{"kind":"after","data":{}}"#).await;
    assert_eq!(client.cursors(1).await, cursors);
}

#[test]
fn every_row_has_a_name_of_its_own_and_a_reason() {
    let mut names = std::collections::HashSet::new();
    for subject in subjects() {
        for row in subject.rows {
            assert!(!row.why.is_empty(), "{}", row.name);
            assert!(
                names.insert((subject.title, row.name.clone())),
                "{} twice",
                row.name
            );
        }
    }
    assert!(names.len() >= 160, "{} rows", names.len());
}
