//! What fuzzing found worth keeping holds without a fuzzer too: `fuzz/corpus` and `fuzz/regressions`, replayed.

use std::path::{Path, PathBuf};
use std::{fs, panic};

use todoki_codec::property::{command, deflate, emit, frame, message, query, scope, splice};

use crate::fastwebsockets_differential;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The inputs in a folder, by path; none when there is no such folder.
fn inputs(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let input = fs::read(&path).unwrap();
        (path, input)
    };
    paths.into_iter().map(read).collect()
}

fn replay(target: &str, properties: &[fn(&[u8])]) {
    let corpus = inputs(&fuzz().join("corpus").join(target));
    assert!(!corpus.is_empty(), "fuzz/corpus/{target} is empty");
    let regressions = inputs(&fuzz().join("regressions").join(target));
    for (path, input) in corpus.iter().chain(&regressions) {
        for property in properties {
            let outcome = panic::catch_unwind(|| property(input));
            assert!(outcome.is_ok(), "{} fails", path.display());
        }
    }
}

#[test]
fn emit_bodies_hold() {
    replay("emit", &[emit::bodies_are_refused_or_kept]);
}

#[test]
fn grown_json_holds() {
    replay("splice", &[splice::grown_data_is_kept]);
}

#[test]
fn queries_and_filters_hold() {
    let properties = [query::queries_read_back, query::filters_pick_like_naive];
    replay("query", &properties);
}

#[test]
fn grants_hold() {
    replay("scope", &[scope::grants_narrow_like_naive]);
}

#[test]
fn commands_hold() {
    let properties = [
        command::texts_are_commands_or_refused,
        command::subscribe_is_the_query,
    ];
    replay("command", &properties);
}

#[test]
fn messages_hold() {
    let properties = [
        message::bytes_are_nothing_or_said_again,
        message::written_messages_read_back,
    ];
    replay("message", &properties);
}

#[test]
fn frames_hold() {
    let properties = [frame::frame_streams_like_naive, frame::frame_round_trip];
    replay("frame", &properties);
}

#[test]
fn frames_are_heard_as_fastwebsockets_hears_them() {
    let property = fastwebsockets_differential::decoders_hear_the_same;
    replay("frame_differential", &[property]);
}

#[test]
fn windows_hold() {
    let properties = [
        deflate::windows_are_read_from_where_they_open,
        deflate::messages_on_their_own_are_read,
    ];
    replay("deflate", &properties);
}

#[test]
fn payloads_and_offers_hold() {
    let properties = [
        deflate::payloads_inflate_within_the_limit,
        deflate::offers_are_answered_as_they_allow,
    ];
    replay("inflate", &properties);
}

#[test]
fn every_fuzz_target_is_replayed_here() {
    let mut targets: Vec<String> = inputs(&fuzz().join("targets"))
        .iter()
        .map(|(path, _)| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    targets.retain(|target| !include_str!("corpus.rs").contains(&format!("replay(\"{target}\"")));
    assert_eq!(targets, Vec::<String>::new(), "targets without a replay");
}
