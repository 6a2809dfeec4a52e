//! Documents and charts are what the results give, so that no figure is left behind by hand.
//!
//! After a run whose results are kept, `bench report` writes docs/BENCHMARKS.md anew. The made-up ones of `tests/data`
//! are written anew with `TODOKI_BLESS=1 cargo test -p todoki-bench --test documents`.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy does not see that helpers here are tests"
)]

use std::fs;
use std::path::{Path, PathBuf};

use todoki_bench::document::{self, Options};

const MADE_UP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/results");
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/docs");

/// Files of a directory of documents.
const FILES: [&str; 6] = [
    "BENCHMARKS.md",
    "README.md",
    "charts/delivery-cpu.svg",
    "charts/idle-memory.svg",
    "charts/latency.svg",
    "charts/saturation.svg",
];

#[test]
fn our_documents_are_what_our_results_give() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let docs = ["docs/BENCHMARKS.md", "README.md"].map(|path| root.join(path));
    let options = Options {
        docs: docs.into(),
        check: true,
    };
    document::run(&root.join("bench/results"), &options).unwrap();
}

#[test]
fn made_up_results_give_the_committed_documents() {
    let options = Options {
        check: !is_blessing(),
        ..documents(Path::new(GOLDEN))
    };
    document::run(Path::new(MADE_UP), &options).unwrap();
}

#[test]
fn what_was_changed_by_hand_is_named_and_written_anew() {
    let copy = copied();
    let check = Options {
        check: true,
        ..documents(copy.path())
    };
    let refused = || {
        document::run(Path::new(MADE_UP), &check)
            .unwrap_err()
            .to_string()
    };
    let document = copy.path().join("BENCHMARKS.md");
    let text = fs::read_to_string(&document).unwrap();
    fs::write(&document, text.replace("111,111", "999,999")).unwrap();
    let refusal = refused();
    for part in [
        "BENCHMARKS.md has in line ",
        "999,999",
        "where the results give",
        "111,111",
    ] {
        assert!(refusal.contains(part), "{refusal}");
    }
    document::run(Path::new(MADE_UP), &documents(copy.path())).unwrap();
    fs::remove_file(copy.path().join("charts/latency.svg")).unwrap();
    assert!(refused().contains("latency.svg is missing"));
    document::run(Path::new(MADE_UP), &documents(copy.path())).unwrap();
    for file in FILES {
        let golden = fs::read(Path::new(GOLDEN).join(file)).unwrap();
        assert!(
            fs::read(copy.path().join(file)).unwrap() == golden,
            "{file}"
        );
    }
}

#[test]
fn charts_go_when_their_results_go() {
    let (copy, nothing) = (copied(), tempfile::tempdir().unwrap());
    let check = Options {
        check: true,
        ..documents(copy.path())
    };
    document::run(nothing.path(), &documents(copy.path())).unwrap();
    document::run(nothing.path(), &check).unwrap();
    let chart = copy.path().join("charts/saturation.svg");
    assert!(!chart.exists());
    fs::write(chart, "old").unwrap();
    let refusal = document::run(nothing.path(), &check)
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("saturation.svg is there, and no results give it"));
}

#[test]
fn a_document_without_its_marks_is_refused_and_nothing_is_written() {
    let copy = copied();
    let document = copy.path().join("BENCHMARKS.md");
    let text = fs::read_to_string(&document).unwrap();
    for (from, to, refusal) in [
        (
            "<!-- end emit -->",
            "",
            "region `replay` begins within region `emit`",
        ),
        (
            "begin emit",
            "begin omit",
            "region `omit` is not one that results fill",
        ),
        ("emit -->", "emit", "no document has a region `emit`"),
    ] {
        fs::write(&document, text.replace(from, to)).unwrap();
        let error = document::run(Path::new(MADE_UP), &documents(copy.path()));
        let told = error.unwrap_err().to_string();
        assert!(told.contains(refusal), "{told}");
        assert_eq!(
            fs::read_to_string(&document).unwrap(),
            text.replace(from, to)
        );
    }
}

#[test]
fn the_page_for_a_shared_runner_has_every_region() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../.github/benchmarks.md");
    let dir = tempfile::tempdir().unwrap();
    let document = dir.path().join("BENCHMARKS.md");
    fs::copy(page, &document).unwrap();
    let options = Options {
        docs: vec![document],
        check: false,
    };
    document::run(Path::new(MADE_UP), &options).unwrap();
}

fn documents(dir: &Path) -> Options {
    let docs: [PathBuf; 2] = ["BENCHMARKS.md", "README.md"].map(|name| dir.join(name));
    Options {
        docs: docs.into(),
        check: false,
    }
}

fn copied() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("charts")).unwrap();
    for file in FILES {
        fs::copy(Path::new(GOLDEN).join(file), copy.path().join(file)).unwrap();
    }
    copy
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch of this test, not configuration of a server"
)]
fn is_blessing() -> bool {
    std::env::var("TODOKI_BLESS").is_ok()
}
