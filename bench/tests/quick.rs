//! Every measurement runs once, tiny, so that none rots. No figure is judged.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy does not see that helpers here are tests"
)]

use std::path::Path;
use std::process::Command;

use todoki_bench::load::grants::GrantsRow;
use todoki_bench::peers::PeerRow;

const NAMES: [&str; 16] = [
    "latency",
    "emit",
    "replay",
    "compression",
    "load-fan-out",
    "load-encoding",
    "load-saturation",
    "load-idle",
    "load-replay",
    "load-slow",
    "load-churn",
    "load-grants",
    "load-streams",
    "load-tls",
    "load-hostile",
    "limit",
];

#[test]
fn every_measurement_runs_and_checks_what_it_reads() {
    let bench = Path::new(env!("CARGO_BIN_EXE_bench"));
    build_server(bench);
    let results = tempfile::tempdir().unwrap();
    let output = Command::new(bench)
        .args(["all", "--quick", "--results"])
        .arg(results.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let lines = stdout.lines().filter(|line| line.starts_with('{'));
    assert_eq!(lines.count(), NAMES.len(), "{stdout}");
    let machines = std::fs::read_dir(results.path()).unwrap();
    let machine = machines.map(|dir| dir.unwrap().path()).next().unwrap();
    for name in NAMES {
        assert!(machine.join(format!("{name}.json")).is_file(), "{name}");
    }
}

#[test]
fn subscribers_with_grants_get_what_the_others_get() {
    let bench = Path::new(env!("CARGO_BIN_EXE_bench"));
    build_server(bench);
    let output = Command::new(bench)
        .args(["load", "grants", "--quick", "--subscribers", "10"])
        .args(["--groups", "5"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let mut stdout = output.stdout;
    let start = memchr::memmem::find(&stdout, b"\n{").unwrap();
    let report: Grants = simd_json::serde::from_slice(&mut stdout[start + 1..]).unwrap();
    let deliveries = report.rows.iter().map(|row| row.fan_out.deliveries);
    assert!(deliveries.into_iter().all(|count| count > 0));
    let groups: Vec<_> = report.rows.iter().filter_map(|row| row.groups).collect();
    assert_eq!(groups, [1, 1, 1, 5, 5, 5], "as the server counts them");
}

#[test]
fn peers_that_are_not_here_are_rows_that_say_why() {
    let bench = Path::new(env!("CARGO_BIN_EXE_bench"));
    build_server(bench);
    let nowhere = tempfile::tempdir().unwrap();
    let output = Command::new(bench)
        .args([
            "peers",
            "--quick",
            "--cases",
            "saturation,stalled_half,idle",
        ])
        .args(["--only", "bare_sender,todoki,nats", "--installed"])
        .arg(nowhere.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let mut stdout = output.stdout;
    let start = memchr::memmem::find(&stdout, b"\n{").unwrap();
    let report: Peers = simd_json::serde::from_slice(&mut stdout[start + 1..]).unwrap();
    let missing = |name: &str| {
        let rows = report.rows.iter().filter(|row| row.peer == name);
        rows.map(|row| row.missing.clone()).collect::<Vec<_>>()
    };
    let why = "not installed: run bench/peers/install".to_owned();
    assert_eq!(missing("nats"), vec![Some(why); 3]);
    assert_eq!(missing("todoki"), vec![None; 3]);
    assert_eq!(missing("bare_sender"), [None]);
    let ours = report.rows.iter().filter(|row| row.peer == "todoki");
    assert!(ours.clone().all(|row| row.figures.lost.unwrap_or(0) == 0));
}

/// What is looked at of `peers.json`.
#[derive(serde::Deserialize)]
struct Peers {
    rows: Vec<PeerRow>,
}

/// The same of grants.
#[derive(serde::Deserialize)]
struct Grants {
    rows: Vec<GrantsRow>,
}

/// The server is another package's program, which a test of this one does not build by itself.
fn build_server(bench: &Path) {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "-p", "todoki", "--bin", "todoki"]);
    let dir = bench.parent().unwrap();
    if dir.file_name().unwrap() == "release" {
        build.arg("--release");
    }
    build.arg("--target-dir").arg(dir.parent().unwrap());
    assert!(build.status().unwrap().success());
}
