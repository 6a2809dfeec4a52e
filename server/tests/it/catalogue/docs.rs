//! docs/CATALOGUE.md: every row with the answer that was observed, so that a change of answers shows in review.

use super::observe::Observed;
use super::row::Subject;
use super::{observed, seeded, subjects};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/CATALOGUE.md");

const PREFACE: &str = "# What bad input is answered with

Written by the catalogue in `server/tests/it/catalogue`; after a change of rows or answers, write it anew with
`TODOKI_BLESS=1 cargo test -p todoki --test it catalogue`. An answer is a status and a problem's `code`, a close code,
or the `code` of an `error` message; a 4xx alone came from the HTTP library before our own code saw a request, or answers
a HEAD. `101` and what follows is an upgrade and its first message; `closed` is the end of the connection without a word.
Several answers are to several requests on one connection. The good neighbours of bad input are listed beside it.
";

/// An explanation that repeats its input is cut here.
const SHOWN_CHARACTERS: usize = 160;

#[tokio::test]
async fn docs_list_every_answer() {
    let server = seeded().await;
    let mut page = PREFACE.to_owned();
    for subject in subjects() {
        page += &table(&subject, &observed(&server, &subject).await);
    }
    if is_blessing() {
        std::fs::write(PATH, &page).unwrap();
    }
    let committed = std::fs::read_to_string(PATH).unwrap_or_default();
    let moved: Vec<_> = page
        .lines()
        .filter(|line| !committed.lines().any(|other| other == *line))
        .collect();
    assert!(
        page == committed,
        "docs/CATALOGUE.md is behind; it lacks or misplaces:\n{}",
        moved.join("\n")
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch of this test, not configuration of a server"
)]
fn is_blessing() -> bool {
    std::env::var("TODOKI_BLESS").is_ok()
}

fn table(subject: &Subject, observed: &[Observed]) -> String {
    let lines = subject.rows.iter().zip(observed).map(|(row, observed)| {
        let cells = [row.name.as_str(), &observed.answer, &observed.says, row.why].map(cell);
        format!("| {} |\n", cells.join(" | "))
    });
    let head = "| Input | Answer | Says | Why |\n| --- | --- | --- | --- |";
    format!(
        "\n## {}\n\n{head}\n{}",
        subject.title,
        lines.collect::<String>()
    )
}

fn cell(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN_CHARACTERS).collect();
    let ellipsis = if shown.len() < text.len() { "…" } else { "" };
    format!("{shown}{ellipsis}")
        .replace('|', "\\|")
        .replace('*', "\\*")
        .replace('<', "&lt;")
}
