//! `todoki demo` against a real server: labelled, coherent, the same for a seed, stored once, and ended when it is told to.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use simd_json::OwnedValue;
use simd_json::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::harness::{TOKEN, within};
use crate::process::{ServerProcess, todoki};

fn demo(url: &str, arguments: &[&str]) -> Command {
    let mut command = todoki();
    command
        .arg("demo")
        .args(arguments)
        .args(["--url", url, "--token", TOKEN])
        .stderr(Stdio::piped());
    command
}

async fn run(url: &str, arguments: &[&str]) -> (Output, String) {
    let output = within(demo(url, arguments).output()).await.unwrap();
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    (output, said)
}

/// Everything that the server has stored, without what is the server's own.
async fn stored(url: &str) -> Vec<OwnedValue> {
    let replay = todoki()
        .args(["replay", "--json", "--url", url, "--token", TOKEN])
        .output();
    let output = within(replay).await.unwrap();
    assert!(output.status.success());
    let lines = output.stdout.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut event = simd_json::to_owned_value(&mut line.to_vec()).unwrap();
            event.remove("time").unwrap();
            event
        })
        .collect()
}

async fn signal(child: &Child, name: &str) {
    let pid = child.id().unwrap().to_string();
    let mut kill = Command::new("kill");
    let done = within(kill.args([&format!("-{name}"), &pid]).status()).await;
    assert!(done.unwrap().success());
}

async fn server(data: &Path) -> ServerProcess {
    ServerProcess::start(data, "127.0.0.1:0").await
}

#[tokio::test]
async fn a_day_is_fed_labelled_and_every_task_ends_or_is_running() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path()).await;
    let (output, said) = run(
        &server.url,
        &["--history", "6h", "--duration", "0", "--seed", "7"],
    )
    .await;
    assert!(output.status.success(), "{said}");
    assert!(output.stdout.is_empty(), "standard output is for data");
    for expected in ["made-up", "--seed 7", &format!("{}/events", server.url)] {
        assert!(said.contains(expected), "{expected:?} in {said}");
    }
    let events = stored(&server.url).await;
    assert!(events.len() > 2_000, "{}", events.len());
    assert!(
        said.contains(&format!(
            "{} events emitted, cursors 1 to {0}",
            events.len()
        )),
        "{said}"
    );
    let mut tasks = HashMap::<&str, &str>::new();
    for event in &events {
        assert_eq!(event["data"].get_bool("demo"), Some(true), "{event}");
        if let (Some(task), Some(kind)) = (event.get_str("task_id"), event.get_str("kind")) {
            let is_first = tasks.insert(task, kind).is_none();
            assert_eq!(is_first, kind == "task.created", "{event}");
        }
    }
    let is_over =
        |last: &&str| ["agent.session_exited", "task.archived", "task.failed"].contains(last);
    let running = tasks.values().filter(|last| !is_over(last)).count();
    assert!(
        tasks.len() > 20 && running <= 6,
        "{running} of {} run",
        tasks.len()
    );
    server.kill().await;
}

#[tokio::test]
async fn a_seed_stores_the_same_day_on_every_server() {
    let mut days = Vec::new();
    for seed in ["11", "11", "12"] {
        let data = tempfile::tempdir().unwrap();
        let server = server(data.path()).await;
        let (output, said) = run(
            &server.url,
            &["--history", "1h", "--duration", "0", "--seed", seed],
        )
        .await;
        assert!(output.status.success(), "{said}");
        days.push(stored(&server.url).await);
        server.kill().await;
    }
    assert_eq!(days[0], days[1]);
    assert_ne!(days[0], days[2]);
}

#[tokio::test]
async fn live_events_come_at_the_rate_for_as_long_as_asked() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path()).await;
    let began = todoki::clock::instant();
    let (output, said) = run(
        &server.url,
        &[
            "--history",
            "0",
            "--duration",
            "2s",
            "--rate",
            "200",
            "--agents",
            "3",
        ],
    )
    .await;
    assert!(output.status.success(), "{said}");
    assert!(began.elapsed() >= Duration::from_secs(2));
    let count = stored(&server.url).await.len();
    assert!(
        (100..=500).contains(&count),
        "{count} in two seconds at 200/s"
    );
    server.kill().await;
}

/// A demo at work, once so many events are stored.
async fn at_work(url: &str, count: usize) -> Child {
    let child = demo(url, &["--history", "0", "--rate", "100"])
        .spawn()
        .unwrap();
    let count = count.to_string();
    let tail = todoki()
        .args([
            "tail", "--cursor", "0", "--count", &count, "--url", url, "--token", TOKEN,
        ])
        .output();
    assert!(within(tail).await.unwrap().status.success());
    child
}

#[tokio::test]
async fn ctrl_c_ends_it_and_it_says_what_it_did() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path()).await;
    for name in ["INT", "TERM"] {
        let child = at_work(&server.url, 20).await;
        signal(&child, name).await;
        let output = within(child.wait_with_output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains(" events emitted, cursors "), "{said}");
    }
    server.kill().await;
}

#[tokio::test]
async fn a_server_that_comes_back_is_fed_on_and_nothing_is_doubled() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path()).await;
    let address = server.address().to_owned();
    let url = server.url.clone();
    let mut child = at_work(&url, 20).await;
    server.kill().await;
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    while !within(said.next_line())
        .await
        .unwrap()
        .unwrap()
        .contains("trying again")
    {}
    let server = ServerProcess::start(data.path(), &address).await;
    let before = stored(&url).await.len();
    let tail = todoki()
        .args([
            "tail",
            "--cursor",
            &before.to_string(),
            "--count",
            "20",
            "--url",
            &url,
            "--token",
            TOKEN,
        ])
        .output();
    assert!(within(tail).await.unwrap().status.success());
    signal(&child, "INT").await;
    let mut rest = String::new();
    within(said.into_inner().read_to_string(&mut rest))
        .await
        .unwrap();
    assert!(within(child.wait()).await.unwrap().success(), "{rest}");
    let events = stored(&url).await;
    let emitted = rest
        .split(" events emitted, cursors 1 to ")
        .collect::<Vec<_>>();
    assert!(emitted.len() == 2, "{rest}");
    let (count, last) = (
        emitted[0].rsplit('\n').next().unwrap(),
        emitted[1].split(',').next().unwrap(),
    );
    assert_eq!(
        count, last,
        "as many as there are cursors, so none was stored twice: {rest}"
    );
    assert_eq!(events.len().to_string(), last, "{rest}");
    server.kill().await;
}

#[tokio::test]
async fn bad_flags_are_refused_by_name() {
    for (arguments, said) in [
        (["--rate", "0"], "0.1 to 50000"),
        (["--agents", "0"], "--agents"),
        (["--agents", "65"], "--agents"),
        (["--history", "31d"], "longer than 30d"),
        (["--duration", "soon"], "is not a duration"),
        (["--seed", "x"], "--seed"),
    ] {
        let (output, told) = run("http://127.0.0.1:1", &arguments).await;
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {told}");
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
    let (output, told) = run("http://127.0.0.1:1", &["--duration", "1s"]).await;
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("todoki serve"), "{told}");
}
