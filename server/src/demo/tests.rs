//! A made-up day holds together: whatever begins ends or goes on, and everything is labelled and documented.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use simd_json::prelude::*;
use todoki_codec::decode::{self, Form};

use super::*;

const HOURS: u64 = 24;

fn day(seed: u64) -> Vec<Beat> {
    let end = Duration::from_hours(HOURS);
    Day::new(seed, 6).take_while(|beat| beat.at < end).collect()
}

#[test]
fn a_seed_gives_the_same_day_and_another_seed_another() {
    assert_eq!(day(1), day(1));
    assert_ne!(day(1), day(2));
    let drafts = |seed| {
        day(seed)
            .iter()
            .map(|beat| beat.draft("7"))
            .collect::<Vec<_>>()
    };
    assert_eq!(drafts(1), drafts(1), "to the byte");
}

#[test]
fn every_beat_is_in_order_labelled_and_taken_by_the_server() {
    let mut before = Duration::ZERO;
    for beat in day(3) {
        assert!(beat.at >= before, "{beat:?}");
        before = beat.at;
        assert_eq!(beat.data.get_bool("demo"), Some(true), "{beat:?}");
        let draft = Bytes::from(beat.draft("an-id"));
        assert!(decode::emit(&draft, Form::Json).is_ok(), "{beat:?}");
    }
}

#[test]
fn a_day_has_variety() {
    let beats = day(4);
    let mut counts = BTreeMap::<_, usize>::new();
    for beat in &beats {
        *counts.entry(beat.kind).or_default() += 1;
    }
    let count = |kind| counts.get(kind).copied().unwrap_or_default();
    assert!(beats.len() > 10_000, "{}", beats.len());
    assert!(count("task.completed") > 4 * count("task.failed") / 3);
    assert!(count("task.failed") > 5);
    assert!(count("permission.denied") > 0 && count("permission.approved") > 10);
    assert!(count("human.message") > 10 && count("system.relay_connected") > 1);
    let sizes: BTreeSet<_> = beats.iter().map(|beat| beat.data.encode().len()).collect();
    assert!(*sizes.first().unwrap() < 100 && *sizes.last().unwrap() > 3_000);
}

/// What a task, a session, a permission request or a tool call may say next, by what it said last.
#[derive(Default)]
struct Lives(HashMap<String, &'static str>);

impl Lives {
    /// Moves one life on; what it was must be among `from`.
    fn step(&mut self, id: &str, from: &[&str], to: &'static str) {
        let was = self.0.insert(id.to_owned(), to).unwrap_or("");
        assert!(from.contains(&was), "{id}: {was:?} became {to:?}");
    }
}

#[test]
fn every_task_that_starts_ends_or_is_running() {
    let (mut tasks, mut last) = (Lives::default(), HashMap::new());
    for beat in day(5) {
        let Some(task) = beat.ids.task.map(|task| task.to_string()) else {
            assert!(!beat.kind.starts_with("task."), "{beat:?}");
            continue;
        };
        assert!(beat.ids.project.is_some(), "{beat:?}");
        last.insert(task.clone(), beat.at);
        let (from, to) = (beat.data.get_str("from"), beat.data.get_str("to"));
        match beat.kind {
            "task.created" => tasks.step(&task, &[""], "created"),
            "task.assigned" => tasks.step(&task, &["created"], "todo"),
            "task.status_changed" => {
                let known = ["todo", "in_progress", "in_review", "failed", "done"];
                let to = known.into_iter().find(|known| Some(*known) == to);
                tasks.step(&task, &[from.unwrap()], to.unwrap());
            }
            "task.failed" => tasks.step(&task, &["failed"], "failed"),
            "task.completed" => tasks.step(&task, &["done"], "completed"),
            "task.archived" => tasks.step(&task, &["completed"], "archived"),
            "agent.session_started" => assert!(["todo", "failed"].contains(&tasks.0[&task])),
            "agent.session_exited" => assert!(["completed", "failed"].contains(&tasks.0[&task])),
            _ => assert!(
                ["in_progress", "in_review", "done"].contains(&tasks.0[&task]),
                "{beat:?}"
            ),
        }
    }
    let running = tasks
        .0
        .iter()
        .filter(|(_, state)| !["completed", "archived", "failed"].contains(state));
    let running: Vec<_> = running.map(|(task, _)| last[task]).collect();
    assert!(
        running.len() <= 6,
        "one an agent at most, not {}",
        running.len()
    );
    let recent = Duration::from_hours(HOURS - 1);
    assert!(running.iter().all(|at| *at > recent), "none was forgotten");
}

#[test]
fn every_session_has_one_agent_and_one_end() {
    let (mut sessions, mut agents) = (Lives::default(), HashMap::new());
    for beat in day(6) {
        let Some(session) = beat.ids.session.map(|session| session.to_string()) else {
            assert!(!beat.kind.starts_with("agent.output"), "{beat:?}");
            continue;
        };
        match beat.kind {
            "agent.session_started" => sessions.step(&session, &[""], "open"),
            "agent.session_exited" => sessions.step(&session, &["open"], "ended"),
            _ => sessions.step(&session, &["open"], "open"),
        }
        if let Some(agent) = beat.ids.agent {
            assert_eq!(*agents.entry(session).or_insert(agent), agent);
        }
    }
    assert!(agents.len() > 50, "{}", agents.len());
}

#[test]
fn every_permission_has_one_answer_and_every_tool_call_one_end() {
    let (mut requests, mut calls) = (Lives::default(), Lives::default());
    for beat in day(7) {
        if let Some(request) = beat.data.get_str("request_id") {
            match beat.kind {
                "permission.requested" => requests.step(request, &[""], "asked"),
                "permission.responded" => requests.step(request, &["asked"], "responded"),
                "permission.approved" => requests.step(request, &["responded"], "approved"),
                "permission.denied" => requests.step(request, &["responded"], "denied"),
                "permission.revoked" => requests.step(request, &["approved"], "revoked"),
                _ => requests.step(request, &["asked"], "dropped"),
            }
        }
        for item in beat.data.get_array("items").into_iter().flatten() {
            match (item.get_str("type"), item.get_str("status")) {
                (Some("tool_call"), Some("running")) => {
                    calls.step(item.get_str("id").unwrap(), &[""], "running");
                }
                (Some("tool_call"), Some("completed" | "failed")) => {
                    calls.step(item.get_str("id").unwrap(), &["running"], "ended");
                }
                (Some("text" | "plan"), None) => {}
                _ => panic!("{item}"),
            }
        }
    }
    let open = |lives: &Lives, state| lives.0.values().filter(|is| **is == state).count();
    assert!(requests.0.len() > 20 && open(&requests, "asked") <= 6);
    assert!(calls.0.len() > 500 && open(&calls, "running") <= 6);
}

/// The rows of the document that are about kinds: a kind, and the members of its data.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let document = include_str!("../../../docs/EVENTS.md");
    let quoted = |cell: &str| -> Vec<String> {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    let mut kinds = BTreeMap::new();
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        for kind in quoted(cells[1])
            .into_iter()
            .filter(|kind| kind.contains('.'))
        {
            let members = quoted(cells[2]).into_iter().collect();
            assert!(kinds.insert(kind, members).is_none(), "{row} twice");
        }
    }
    kinds
}

#[test]
fn every_kind_and_every_member_is_documented() {
    let documented = documented();
    assert_eq!(documented.len(), 34, "all of the built-in vocabulary");
    for beat in day(8) {
        let members = documented.get(beat.kind);
        let members = members.unwrap_or_else(|| panic!("{} is not in docs/EVENTS.md", beat.kind));
        for (name, _) in beat.data.as_object().unwrap() {
            let is_known = name == "demo" || members.contains(name.as_str());
            assert!(is_known, "{name} of {} is not in docs/EVENTS.md", beat.kind);
        }
    }
}
