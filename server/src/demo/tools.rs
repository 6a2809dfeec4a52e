//! What the tools of an agent say: files read, things found and changed, logs of commands.

use simd_json::{OwnedValue, json};

use super::script::Script;
use super::words::{self, Part};

/// Of a hundred calls, so many fail.
const FAILING: u64 = 5;

pub(super) fn read(part: Part, script: &mut Script<'_>) {
    let path = a_file(part, 30, script);
    let output = words::source(script.count(8..160), script.count(0..64));
    let title = format!("Read {path}");
    call(&title, "read", &json!({"path": path}), &output, script);
}

pub(super) fn search(part: Part, script: &mut Script<'_>) {
    let pattern = script.pick(&["retry", "deadline", "fn parse", "TODO", "unwrap\\(\\)"]);
    let mut found = Vec::new();
    for _ in 0..script.count(0..12) {
        let line = script.count(1..900);
        let source = words::source(1, line);
        found.push(format!("{}:{line}: {}", part.file, source.trim()));
    }
    let title = format!("Search for {pattern}");
    let input = json!({"pattern": pattern, "path": "src"});
    call(&title, "search", &input, &found.join("\n"), script);
}

pub(super) fn edit(part: Part, script: &mut Script<'_>) {
    let path = a_file(part, 40, script);
    let (added, removed) = (script.count(1..40), script.count(0..12));
    let at = script.count(1..400);
    let mut diff = vec![format!("@@ -{at},{removed} +{at},{added} @@")];
    for (sign, lines, from) in [('-', removed, at), ('+', added, at + 1)] {
        let source = words::source(lines, from);
        diff.extend(source.lines().map(|line| format!("{sign}{line}")));
    }
    let title = format!("Edit {path}");
    let input = json!({"path": path, "diff": diff.join("\n")});
    let output = format!("1 file changed, {added} insertions(+), {removed} deletions(-)");
    call(&title, "edit", &input, &output, script);
}

pub(super) fn execute(part: Part, script: &mut Script<'_>) {
    let suite = part
        .test
        .trim_start_matches("tests/")
        .trim_end_matches(".rs");
    let program = script.pick(&["cargo test", "cargo clippy", "npm test", "hyperfine"]);
    let command = format!("{program} {suite}");
    let cases = script.number(3..90);
    let mut log = vec![format!("running {cases} tests")];
    for _ in 0..cases {
        let (case, number) = (script.pick(&words::CASES), script.number(1..100));
        log.push(format!("test {suite}::{case}_{number} ... ok"));
    }
    let (seconds, hundredths) = (script.number(0..40), script.number(0..100));
    log.push(format!(
        "\ntest result: ok. {cases} passed; 0 failed; finished in {seconds}.{hundredths:02}s"
    ));
    let input = json!({"command": command.as_str()});
    call(&command, "execute", &input, &log.join("\n"), script);
    if script.chance(20) {
        judge(suite, cases, script);
    }
}

/// Somebody else runs the suite too, and does not always find the same.
fn judge(suite: &str, cases: u64, script: &mut Script<'_>) {
    let (kind, failed) = if script.chance(80) {
        ("agent.qa_test_passed", 0)
    } else {
        ("agent.qa_test_failed", script.number(1..4))
    };
    let data = json!({"suite": suite, "passed": cases.saturating_sub(failed), "failed": failed});
    script.say(kind, data);
}

/// The test in so many of a hundred cases, else the code.
fn a_file(part: Part, percent: u64, script: &mut Script<'_>) -> &'static str {
    if script.chance(percent) {
        part.test
    } else {
        part.file
    }
}

/// A call is told when it begins and when it ends, under one id.
fn call(title: &str, kind: &str, input: &OwnedValue, output: &str, script: &mut Script<'_>) {
    let id = format!("call-{:08x}", script.number(0..1 << 32));
    let id = id.as_str();
    let running = json!({
        "type": "tool_call", "id": id, "title": title, "kind": kind, "status": "running", "input": input.clone()
    });
    script.output("tool", vec![running]);
    script.wait(1..25);
    let (status, output) = if script.chance(FAILING) {
        ("failed", script.pick(&words::ERRORS))
    } else {
        ("completed", output)
    };
    let ended = json!({
        "type": "tool_call", "id": id, "title": title, "kind": kind, "status": status, "output": output
    });
    script.output("tool", vec![ended]);
    script.wait(1..6);
}
