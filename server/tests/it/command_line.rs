//! The `todoki` program as people use it: a server, and commands that talk to it through pipes.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use simd_json::prelude::*;
use todoki::clock;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{TOKEN, within};
use crate::process::{ServerProcess, fed, stderr, stdout, todoki};

/// Runs a command against the server, with this on its standard input.
async fn run(url: &str, arguments: &[&str], input: &str) -> Output {
    let mut command = todoki();
    command
        .args(arguments)
        .args(["--url", url, "--token", TOKEN]);
    fed(&mut command, input).await
}

async fn server(data: &Path) -> ServerProcess {
    ServerProcess::start(data, "127.0.0.1:0").await
}

#[tokio::test]
async fn a_programs_output_is_emitted_and_followed() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path()).await;
    let mut tail = todoki()
        .args([
            "tail", "--kinds", "build.*", "--cursor", "0", "--json", "--count", "2",
        ])
        .args(["--url", &server.url, "--token", TOKEN])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = "{\"reason\":\"compiler-artifact\",\"n\":1e400}\n{\"reason\":\"build-finished\",\"success\":true}\n";
    let emit = run(
        &server.url,
        &["emit", "--kind-from", "reason", "--prefix", "build"],
        lines,
    )
    .await;
    assert!(emit.status.success(), "{}", stderr(&emit));
    assert!(
        stderr(&emit).contains("2 events emitted, cursors 1 to 2"),
        "{}",
        stderr(&emit)
    );
    let mut printed = BufReader::new(tail.stdout.take().unwrap()).lines();
    let first = within(printed.next_line()).await.unwrap().unwrap();
    assert!(
        first.contains(r#""kind":"build.compiler-artifact""#),
        "{first}"
    );
    assert!(
        first.ends_with(r#""data":{"reason":"compiler-artifact","n":1e400}}"#),
        "{first}"
    );
    assert!(within(tail.wait()).await.unwrap().success());
    let replay = run(&server.url, &["replay"], "").await;
    assert_eq!(stdout(&replay).lines().count(), 2);
    assert!(
        stdout(&replay)
            .contains("build.build-finished  {\"reason\":\"build-finished\",\"success\":true}")
    );
    server.kill().await;
}

#[tokio::test]
async fn one_event_from_flags_prints_its_cursor() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path()).await;
    let task = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";
    let one = [
        "emit",
        "--kind",
        "task.created",
        "--task-id",
        task,
        "--data",
        "{\"n\":1}",
    ];
    assert_eq!(stdout(&run(&server.url, &one, "").await), "1\n");
    let text = run(
        &server.url,
        &["emit", "--kind", "app.log", "--text"],
        "say \"hi\"\n\nbye",
    )
    .await;
    assert!(text.status.success(), "{}", stderr(&text));
    let events = run(
        &server.url,
        &["replay", "--json", "--from", "0", "--to", "2"],
        "",
    )
    .await;
    let events: Vec<_> = stdout(&events)
        .lines()
        .map(|line| simd_json::to_owned_value(&mut line.as_bytes().to_vec()).unwrap())
        .collect();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].get_str("task_id"), Some(task));
    assert_eq!(events[1]["data"].get_str("line"), Some("say \"hi\""));
    server.kill().await;
}

#[tokio::test]
async fn a_flood_of_lines_arrives_in_order() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path()).await;
    let lines: String = (1..=12_345)
        .flat_map(|n| {
            [
                "{\"kind\":\"a\",\"data\":{\"n\":".to_owned(),
                n.to_string(),
                "}}\n".into(),
            ]
        })
        .collect();
    let emit = run(&server.url, &["emit"], &lines).await;
    assert!(
        stderr(&emit).contains("12345 events emitted, cursors 1 to 12345"),
        "{}",
        stderr(&emit)
    );
    let replay = run(&server.url, &["replay", "--json"], "").await;
    let is_ordered = stdout(&replay).lines().zip(1..).all(|(line, n)| {
        line.contains(&format!("\"cursor\":{n},")) && line.contains(&format!("{{\"n\":{n}}}"))
    });
    assert!(is_ordered);
    server.kill().await;
}

#[tokio::test]
async fn a_bad_line_is_named_and_what_came_before_it_is_kept() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path()).await;
    let lines = "{\"kind\":\"a\",\"data\":{}}\n{\"kind\":\"a..b\",\"data\":{}}\n{\"kind\":\"a\",\"data\":{}}\n";
    let emit = run(&server.url, &["emit"], lines).await;
    assert_eq!(emit.status.code(), Some(1));
    assert!(
        stderr(&emit).contains("line 2: kind has an empty segment at byte 2"),
        "{}",
        stderr(&emit)
    );
    assert_eq!(
        stdout(&run(&server.url, &["replay"], "").await)
            .lines()
            .count(),
        1
    );
    server.kill().await;
}

#[tokio::test]
async fn tail_and_emit_outlive_a_killed_server() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path()).await;
    let address = server.address().to_owned();
    let url = server.url.clone();
    let mut tail = todoki()
        .args([
            "tail", "--json", "--cursor", "0", "--count", "3", "--url", &url, "--token", TOKEN,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut emit = todoki()
        .args([
            "emit", "--kind", "app.log", "--text", "--url", &url, "--token", TOKEN,
        ])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut events = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut lines = emit.stdin.take().unwrap();
    lines.write_all(b"one\n").await.unwrap();
    assert!(
        within(events.next_line())
            .await
            .unwrap()
            .unwrap()
            .contains("\"one\"")
    );
    server.kill().await;
    lines.write_all(b"two\n").await.unwrap();
    let server = ServerProcess::start(data.path(), &address).await;
    assert!(
        within(events.next_line())
            .await
            .unwrap()
            .unwrap()
            .contains("\"two\"")
    );
    lines.write_all(b"three\n").await.unwrap();
    drop(lines);
    assert!(
        within(events.next_line())
            .await
            .unwrap()
            .unwrap()
            .contains("\"cursor\":3")
    );
    assert!(within(tail.wait()).await.unwrap().success());
    assert!(within(emit.wait()).await.unwrap().success());
    server.kill().await;
}

#[expect(clippy::too_many_lines, reason = "most of it is a table")]
#[tokio::test]
async fn exit_codes_tell_bad_usage_from_failure() {
    let data = tempfile::tempdir().unwrap();
    let nowhere = "http://127.0.0.1:1";
    for (arguments, code, said) in [
        (&["--help"][..], 0, ""),
        (&["emit", "--help"], 0, ""),
        (&["--version"], 0, ""),
        (&[], 64, "Usage"),
        (&["dance"], 64, "dance"),
        (&["tail", "--kind", "a"], 64, "--kind"),
        (&["tail", "--kinds", "a..b"], 64, "empty segment"),
        (&["tail", "--cursor", "x"], 64, "cursor must be"),
        (
            &["tail", "--url", "ftp://x"],
            64,
            "not the address of a server",
        ),
        (
            &["emit", "--kind", "a b", "--data", "{}"],
            64,
            "--kind has ' ' at byte 1",
        ),
        (
            &["emit", "--kind", "a", "--data", "[]"],
            64,
            "not a JSON object",
        ),
        (&["tail", "--url", nowhere], 1, "todoki serve"),
        (
            &["replay", "--from", "9", "--to", "3"],
            64,
            "--to must be after --from",
        ),
        (&["serve", "--listen", "0.0.0.0:0"], 64, "--token"),
        (&["serve", "--token", "a b"], 64, "visible ASCII"),
        (&["serve", "--listen", "3000"], 64, "such as 127.0.0.1:3000"),
        (
            &["serve", "--max-connections", "0"],
            64,
            "--max-connections",
        ),
        (&["serve", "--heartbeat", "1ns"], 64, "is not within"),
        (
            &["serve", "--retain-age", "5000000d"],
            64,
            "is not a duration",
        ),
        (
            &["serve", "--allow-origin", "app.example.org"],
            64,
            "is not an origin such as https://app.example.org",
        ),
        (&["serve", "--allow-origin", "*"], 64, "no wildcards"),
        (&["serve", "--retain-events", "0"], 64, "0 is not in 1.."),
        (&["serve", "--log", "mysql://h/d"], 1, "postgres:// URL"),
        (&["tail", "--count", "0"], 64, "--count"),
        (&["tail", "--kinds", "a&cursor=0"], 64, "has '&' at byte 1"),
        (
            &["emit", "--kind", "a", "--data", "{},\"id\":\"x\""],
            64,
            "more text after the value",
        ),
        (
            &[
                "serve",
                "--listen",
                "127.0.0.1:1",
                "--data-dir",
                "/dev/null/x",
            ],
            1,
            "/dev/null",
        ),
        (&["doctor", "--listen", "0.0.0.0:0"], 1, "found a problem"),
    ] {
        let output = todoki().args(arguments).current_dir(data.path()).output();
        let output = within(output).await.unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(said),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
}

/// Emits an event with the token that is found in this directory, and returns what that prints.
async fn hello(home: &Path, url: &str) -> String {
    let emit = todoki()
        .args([
            "emit",
            "--kind",
            "hello.world",
            "--data",
            "{}",
            "--url",
            url,
        ])
        .current_dir(home)
        .output();
    stdout(&within(emit).await.unwrap()).to_owned()
}

#[tokio::test]
async fn a_generated_token_is_found_by_the_commands_beside_it() {
    let home = tempfile::tempdir().unwrap();
    let mut server = todoki()
        .args(["serve", "--listen", "127.0.0.1:0"])
        .current_dir(home.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = within(lines.next_line()).await.unwrap().unwrap();
    let url = line.split_once("listens on ").unwrap().1;
    assert_eq!(hello(home.path(), url).await, "1\n");
    let elsewhere = todoki()
        .args(["tail", "--url", url])
        .current_dir("/")
        .output();
    let refused = within(elsewhere).await.unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("--token or TODOKI_TOKEN"),
        "{}",
        stderr(&refused)
    );
    let token = home.path().join("todoki-data/token");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(token).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "nobody else may read the token");
    server.kill().await.unwrap();
}

#[tokio::test]
async fn the_doctor_finds_what_a_server_would_meet() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path()).await;
    run(&server.url, &["emit", "--kind", "a", "--data", "{}"], "").await;
    let doctor = async |listen: &str| {
        let mut command = todoki();
        command
            .args(["doctor", "--listen", listen, "--data-dir"])
            .arg(data.path());
        within(command.output()).await.unwrap()
    };
    let address = server.address().to_owned();
    let running = doctor(&address).await;
    assert!(
        stdout(&running).contains("a Todoki server answers"),
        "{}",
        stdout(&running)
    );
    let other_port = doctor("127.0.0.1:0").await;
    assert_eq!(other_port.status.code(), Some(1));
    assert!(
        stdout(&other_port).contains("held by another process"),
        "{}",
        stdout(&other_port)
    );
    server.kill().await;
    let stopped = doctor(&address).await;
    assert!(stopped.status.success(), "{}", stdout(&stopped));
    assert!(
        stdout(&stopped).contains("1 events, and the database is sound"),
        "{}",
        stdout(&stopped)
    );
}

/// What the doctor says in a directory, with these flags.
async fn doctor_says(home: &Path, flags: &[&str]) -> String {
    let mut command = todoki();
    command
        .args(["doctor", "--data-dir", "data"])
        .args(flags)
        .current_dir(home);
    stdout(&within(command.output()).await.unwrap()).to_owned()
}

fn allow(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn the_doctor_notes_what_other_users_of_the_machine_can_reach() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let file = "[[jwt]]\nissuer = \"i\"\naudience = \"a\"\nalgorithms = [\"HS256\"]\nsecret_file = \"secret\"\n";
    std::fs::write(path("auth.toml"), file).unwrap();
    std::fs::write(path("secret"), [b's'; 32]).unwrap();
    std::fs::create_dir(path("data")).unwrap();
    let flags = ["--listen", "127.0.0.1:0", "--auth", "auth.toml"];
    let notes = [
        "note  config  every user of this machine can read auth.toml; chmod o-r auth.toml",
        "note  config  every user of this machine can read secret; chmod o-r secret",
        "note  config  every user of this machine can change secret, and with it who may come in; chmod o-w secret",
        "note  disk    every user of this machine can look into data",
    ];
    for (name, mode) in [("auth.toml", 0o644), ("secret", 0o606), ("data", 0o755)] {
        allow(&path(name), mode);
    }
    let open = doctor_says(home.path(), &flags).await;
    for note in notes {
        assert!(open.contains(note), "{note}: {open}");
    }
    for (name, mode) in [("auth.toml", 0o640), ("secret", 0o600), ("data", 0o700)] {
        allow(&path(name), mode);
    }
    let closed = doctor_says(home.path(), &flags).await;
    assert!(!closed.contains("every user"), "{closed}");
}

#[tokio::test]
async fn the_doctor_notes_tokens_that_let_in_too_many_or_nobody() {
    let home = tempfile::tempdir().unwrap();
    let entry = |label: &str, expires: &str| {
        let hash = todoki::auth::hash(label);
        format!("[[tokens]]\nlabel = \"{label}\"\nhash = \"{hash}\"\nrole = \"agent\"\n{expires}\n")
    };
    let nobody = "auth.toml lets nobody in";
    let short = "the token is short";
    let beside = "a token is given beside auth.toml";
    let ends = "expires = 2120-01-01T00:00:00Z";
    let over = "expires = 2020-01-01T00:00:00Z";
    let endless = "note  config  2 tokens never expire: ann, bob; ";
    let three = [entry("ann", ""), entry("bob", ""), entry("eve", "")].concat();
    let with_eve_out = format!("{three}[revoked]\nlabels = [\"eve\"]\n");
    for (content, token, notes) in [
        (String::new(), None, &[nobody][..]),
        (entry("ann", ends), None, &[]),
        (entry("ann", over), None, &[nobody]),
        (with_eve_out, None, &[endless]),
        (
            entry("ann", ends),
            Some("a-token-that-is-long-enough"),
            &[beside],
        ),
        (entry("ann", ends), Some("short"), &[beside, short]),
    ] {
        std::fs::write(home.path().join("auth.toml"), &content).unwrap();
        let mut flags = vec!["--listen", "127.0.0.1:0", "--auth", "auth.toml"];
        flags.extend(token.iter().flat_map(|token| ["--token", token]));
        let said = doctor_says(home.path(), &flags).await;
        for note in [nobody, endless, beside, short] {
            assert_eq!(
                said.contains(note),
                notes.contains(&note),
                "{note}: {content}{said}"
            );
        }
    }
}

#[tokio::test]
async fn the_doctor_notes_what_is_open_where_others_come() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("auth.toml"), "").unwrap();
    let [query, metrics, limits, proxy] = [
        "note  config  --allow-query-token",
        "note  config  --open-metrics",
        "note  limits  nothing bounds what one token takes (principal-emits, principal-streams unset)",
        "note  proxy   --trusted-proxy 0.0.0.0/0",
    ];
    let open = [
        "--allow-query-token",
        "--open-metrics",
        "--auth",
        "auth.toml",
    ];
    let set = [
        "--limit",
        "principal-emits=5",
        "--limit",
        "principal-streams=5",
    ];
    for (flags, notes) in [
        ([&["--listen", "127.0.0.1:0"], &open[..]].concat(), &[][..]),
        (
            [&["--listen", "0.0.0.0:0"], &open[..]].concat(),
            &[query, metrics, limits],
        ),
        (
            [&["--listen", "0.0.0.0:0"], &open[..], &set].concat(),
            &[query, metrics],
        ),
        (
            [
                &["--trusted-proxy", "127.0.0.1", "--listen", "127.0.0.1:0"],
                &open[2..],
            ]
            .concat(),
            &[limits],
        ),
        (
            vec!["--trusted-proxy", "0.0.0.0/0", "--listen", "0.0.0.0:0"],
            &[proxy],
        ),
    ] {
        let said = doctor_says(home.path(), &flags).await;
        for note in [query, metrics, limits, proxy] {
            assert_eq!(
                said.contains(note),
                notes.contains(&note),
                "{note}: {flags:?}: {said}"
            );
        }
    }
}

#[tokio::test]
async fn a_second_server_on_the_same_log_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path()).await;
    let second = todoki()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data.path())
        .output();
    let second = within(second).await.unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        stderr(&second).contains("another server has this log open"),
        "{}",
        stderr(&second)
    );
    let second = todoki()
        .args([
            "serve",
            "--data-dir",
            "elsewhere",
            "--listen",
            server.address(),
        ])
        .current_dir(data.path())
        .output();
    let second = within(second).await.unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("is in use"), "{}", stderr(&second));
    server.kill().await;
}

#[tokio::test]
async fn a_server_whose_log_nobody_reads_serves_and_drains() {
    let home = tempfile::tempdir().unwrap();
    let mut server = todoki()
        .args(["serve", "--listen", "127.0.0.1:0", "--max-connections", "1"])
        .env("TODOKI_LOG", "debug")
        .current_dir(home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(server.stderr.take());
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = within(lines.next_line()).await.unwrap().unwrap();
    let url = line.split_once("listens on ").unwrap().1;
    for cursor in ["1\n", "2\n"] {
        assert_eq!(hello(home.path(), url).await, cursor);
    }
    let id = rustix::process::Pid::from_raw(server.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert!(within(server.wait()).await.unwrap().success());
}

/// Reads a request to its end, and gives its body.
async fn heard(stream: &mut BufReader<TcpStream>) -> String {
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        assert_ne!(within(stream.read_line(&mut line)).await.unwrap(), 0);
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    within(stream.read_exact(&mut body)).await.unwrap();
    String::from_utf8(body).unwrap()
}

#[tokio::test]
async fn a_limit_is_waited_for_as_long_as_the_server_asks_and_told_once() {
    let limited = |seconds: u32| {
        format!(
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: {seconds}\r\n\
             RateLimit-Policy: \"principal-emits\";q=1;w=1\r\nConnection: close\r\n",
        )
    };
    let problem = |left: &str| format!(r#"{{"code":"rate_limited","detail":"{left} left"}}"#);
    let answers = [
        (limited(1), problem("1 s")),
        (limited(0), problem("0 s")),
        ("HTTP/1.1 200 OK\r\n".to_owned(), "[7]".to_owned()),
    ];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let command = tokio::spawn(async move { run(&url, &["emit"], DRAFT).await });
    let mut came = Vec::new();
    for (head, body) in answers {
        let mut stream = BufReader::new(within(listener.accept()).await.unwrap().0);
        came.push((heard(&mut stream).await, clock::instant()));
        let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    let emit = command.await.unwrap();
    let said = stderr(&emit);
    assert!(emit.status.success(), "{said}");
    assert!(said.contains("1 events emitted, cursors 7 to 7"), "{said}");
    assert_eq!(said.matches("rate_limited").count(), 1, "{said}");
    assert!(came.iter().all(|(body, _)| *body == came[0].0), "{came:?}");
    assert!(came[1].1 - came[0].1 >= Duration::from_secs(1), "{came:?}");
}

const DRAFT: &str = "{\"kind\":\"a\",\"data\":{}}\n";

#[tokio::test]
async fn a_limit_that_is_over_in_hours_ends_it_and_says_which_and_what_is_emitted() {
    let data = tempfile::tempdir().unwrap();
    let flags = ["--limit", "principal-kinds=1"];
    let server = ServerProcess::start_with(data.path(), "127.0.0.1:0", &flags).await;
    let mut emit = todoki()
        .args(["emit", "--url", &server.url, "--token", TOKEN])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = emit.stdin.take().unwrap();
    lines.write_all(DRAFT.as_bytes()).await.unwrap();
    let first = run(&server.url, &["tail", "--cursor", "0", "--count", "1"], "").await;
    assert!(first.status.success(), "{}", stderr(&first));
    lines
        .write_all(DRAFT.replace("\"a\"", "\"b\"").as_bytes())
        .await
        .unwrap();
    let emit = within(emit.wait_with_output()).await.unwrap();
    let said = stderr(&emit);
    assert_eq!(emit.status.code(), Some(1), "{said}");
    for what in [
        "1 events emitted, cursors 1 to 1",
        "over the limit principal-kinds of 1 per day",
        "todoki serve --limit principal-kinds=",
        "(from line 2 on; those before it are emitted)",
    ] {
        assert!(said.contains(what), "{what}: {said}");
    }
    server.kill().await;
}

#[tokio::test]
async fn text_that_is_no_utf8_or_too_long_is_kept_as_far_as_it_can_be() {
    let data = tempfile::tempdir().unwrap();
    let server = server(data.path()).await;
    let mut child = todoki()
        .args([
            "emit",
            "--kind",
            "app.log",
            "--text",
            "--url",
            &server.url,
            "--token",
            TOKEN,
        ])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = b"one \xff\n".to_vec();
    input.extend(std::iter::repeat_n(b'x', 1 << 20));
    input.extend(b"\nthree\n");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&input).await.unwrap();
    drop(stdin);
    let emit = within(child.wait_with_output()).await.unwrap();
    assert!(
        stderr(&emit).contains("3 events emitted"),
        "{}",
        stderr(&emit)
    );
    let replay = run(&server.url, &["replay", "--json"], "").await;
    let lines: Vec<_> = stdout(&replay).lines().collect();
    assert!(lines[0].contains("one \u{fffd}"), "{}", lines[0]);
    assert!(lines[1].contains("\"cut_bytes\":"), "the rest is counted");
    assert!(lines[2].contains("three"), "{}", lines[2]);
    server.kill().await;
}
