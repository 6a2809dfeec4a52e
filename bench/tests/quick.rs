//! Every measurement runs once, tiny, so that none rots. No figure is judged.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy does not see that helpers here are tests"
)]

use std::path::Path;
use std::process::Command;

const NAMES: [&str; 12] = [
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
