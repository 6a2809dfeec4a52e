//! `todoki token`, as people use it.

use std::path::Path;
use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};

use super::key_file;
use crate::harness::{TestServer, within};
use crate::process::{fed, stderr, stdout, todoki};

const PROJECT: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";

async fn token(dir: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = todoki();
    fed(command.arg("token").args(arguments).current_dir(dir), input).await
}

#[tokio::test]
async fn a_new_token_lets_its_holder_in_once_it_is_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let add = [
        "--role",
        "agent",
        "--project",
        PROJECT,
        "--expires",
        "90d",
        "--add",
        "auth.toml",
    ];
    let new = token(
        dir.path(),
        &[&["new", "--label", "ci"], &add[..]].concat(),
        "",
    )
    .await;
    assert!(new.status.success(), "{}", stderr(&new));
    let secret = stdout(&new).trim();
    assert_eq!(secret.len(), 24);
    let file = std::fs::read_to_string(dir.path().join("auth.toml")).unwrap();
    assert!(!file.contains(secret) && !stderr(&new).contains(secret));
    assert!(file.contains(&todoki::auth::hash(secret)), "{file}");
    // Another one is put behind it.
    let other = token(
        dir.path(),
        &[
            "new",
            "--label",
            "eve",
            "--role",
            "viewer",
            "--add",
            "auth.toml",
        ],
        "",
    )
    .await;
    assert!(other.status.success(), "{}", stderr(&other));
    let both = std::fs::read_to_string(dir.path().join("auth.toml")).unwrap();
    assert!(
        both.starts_with(&file) && both.matches("[[tokens]]").count() == 2,
        "{both}"
    );
    let server = TestServer::start_with_auth(&both).await;
    assert_eq!(server.get_as(secret, "/api/event-bus").await.status, 200);
    let inspected = token(dir.path(), &["inspect", "--auth", "auth.toml"], secret).await;
    for line in [
        "a static token of 24 characters",
        "lets in token:ci",
        "until   ",
        &format!("emit    * where project_id is {PROJECT}"),
    ] {
        assert!(
            stdout(&inspected).contains(line),
            "{line}: {}{}",
            stdout(&inspected),
            stderr(&inspected)
        );
    }
    let checked = token(dir.path(), &["check", "auth.toml"], "").await;
    assert!(
        stdout(&checked).contains("4 roles, 2 tokens, 0 issuers of JWTs, 0 revocations"),
        "{}",
        stdout(&checked)
    );
}

#[expect(clippy::too_many_lines, reason = "most of it is a table")]
#[tokio::test]
async fn a_token_that_the_file_would_not_take_is_not_added() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("auth.toml");
    let before = "# mine\n[roles.baker]\ngrants = []\n";
    std::fs::write(&path, before).unwrap();
    for (arguments, reason) in [
        (
            &[
                "new",
                "--label",
                "ci",
                "--role",
                "cook",
                "--add",
                "auth.toml",
            ][..],
            "no role is called that",
        ),
        (
            &[
                "new",
                "--label",
                "c i",
                "--role",
                "baker",
                "--add",
                "auth.toml",
            ],
            "label must be",
        ),
        (
            &["new", "--label", "c\"\ni", "--role", "baker"],
            "label must be",
        ),
        (
            &[
                "new",
                "--label",
                "ci",
                "--role",
                "baker",
                "--project",
                "one",
            ],
            "--project",
        ),
        (
            &[
                "new",
                "--label",
                "ci",
                "--role",
                "baker",
                "--expires",
                "soon",
            ],
            "is not a duration",
        ),
    ] {
        let output = token(dir.path(), arguments, "").await;
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(
            stderr(&output).contains(reason),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    // A role of a file that is not at hand may be meant.
    let pasted = token(dir.path(), &["new", "--label", "ci", "--role", "cook"], "").await;
    assert!(pasted.status.success(), "{}", stderr(&pasted));
    assert!(
        stderr(&pasted).contains("role = \"cook\""),
        "{}",
        stderr(&pasted)
    );
}

const AGENT: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e10";

/// `--kinds` and so many of them.
fn kinds(count: usize) -> [String; 2] {
    let kinds: Vec<_> = (0..count).map(|at| format!("k{at}")).collect();
    ["--kinds".to_owned(), kinds.join(",")]
}

#[tokio::test]
async fn a_token_with_a_grant_of_its_own_allows_that_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let new = [
        "new",
        "--label",
        "board",
        "--actions",
        "read,replay",
        "--kinds",
        "task.*,agent.error",
        "--project-id",
        PROJECT,
        "--agent-id",
        AGENT,
    ];
    let pasted = token(dir.path(), &new, "").await;
    assert!(pasted.status.success(), "{}", stderr(&pasted));
    let secret = stdout(&pasted).trim();
    let entry = stderr(&pasted).split_once("[[tokens]]").unwrap().1;
    let entry = format!("[[tokens]]{}", entry.split("\nThis is").next().unwrap());
    let grant = format!(
        "grants = [{{ actions = [\"read\", \"replay\"], kinds = [\"task.*\", \"agent.error\"], where = {{ project_id = \
         [\"{PROJECT}\"], agent_id = [\"{AGENT}\"] }} }}]"
    );
    assert!(entry.lines().any(|line| line == grant), "{entry}");
    let server = TestServer::start_with_auth(&entry).await;
    let ids = format!(r#""project_id":"{PROJECT}","agent_id":"{AGENT}","data":{{}}"#);
    let shown = format!(r#"{{"kind":"task.done",{ids}}}"#);
    let of_another_kind = format!(r#"{{"kind":"agent.started",{ids}}}"#);
    let of_nobody = r#"{"kind":"task.done","data":{}}"#;
    server
        .emit(&format!("[{of_another_kind},{shown},{of_nobody}]"))
        .await;
    let page = server.get_as(secret, "/api/event-bus?cursor=0").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(
        page.body
            .starts_with(r#"{"events":[{"type":"event","cursor":2,"#),
        "{}",
        page.body
    );
    assert_eq!(
        page.body.matches(r#""type":"event""#).count(),
        1,
        "{}",
        page.body
    );
    let json = "Content-Type: application/json\r\n";
    let emit = server.request_as(secret, "POST", "/api/event-bus/emit", json, &shown);
    assert_eq!(emit.await.status, 403);
    let url = format!("http://{}", server.address);
    let replay = ["replay", "--url", &url, "--token", secret, "--kinds", "a"];
    let refused = within(todoki().args(replay).output()).await.unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("`todoki token inspect --auth FILE` says what it is for"),
        "{}",
        stderr(&refused)
    );
    let added = token(
        dir.path(),
        &[&new[..], &["--add", "auth.toml"]].concat(),
        "",
    )
    .await;
    assert!(added.status.success(), "{}", stderr(&added));
    let file = std::fs::read_to_string(dir.path().join("auth.toml")).unwrap();
    assert!(file.lines().any(|line| line == grant), "{file}");
}

#[tokio::test]
async fn flags_that_make_no_grant_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let kinds = kinds(65);
    let many = kinds.each_ref().map(String::as_str);
    let two = format!("{PROJECT},{AGENT}");
    for (flags, reason) in [
        (&[][..], "<--role <ROLE>|--actions <ACTIONS>>"),
        (&["--kinds", "a"], "<--role <ROLE>|--actions <ACTIONS>>"),
        (
            &["--actions", "reed"],
            "[possible values: read, replay, emit, admin]",
        ),
        (
            &["--actions", "read", "--kinds", "a..b"],
            "'a..b' for '--kinds <PATTERNS>': the pattern has an empty segment",
        ),
        (
            &["--actions", "read", "--task-id", "x"],
            "'x' for '--task-id <UUIDS>'",
        ),
        (
            &["--actions", "read,admin", "--kinds", "a"],
            "give it a grant of its own",
        ),
        (
            &[&["--actions", "read"][..], &many].concat(),
            "kinds has 65 patterns; at most 64 are taken",
        ),
        (
            &["--actions", "read", "--role", "viewer"],
            "cannot be used with",
        ),
        (
            &["--role", "viewer", "--kinds", "a"],
            "--kinds narrows a grant, not a role",
        ),
        (
            &["--role", "viewer", "--project-id", &two],
            "a role is narrowed to one --project-id",
        ),
    ] {
        let new = [&["new", "--label", "ci"], flags].concat();
        let output = token(dir.path(), &new, "").await;
        assert_eq!(output.status.code(), Some(64), "{flags:?}");
        assert!(
            stderr(&output).contains(reason),
            "{flags:?}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "", "{flags:?}");
    }
}

/// Has the `auth.toml` of this directory take what [`signed`] signs.
fn take_signed(dir: &Path) {
    let keys = key_file("ec.pub.pem").display().to_string();
    let verifier = format!(
        "[[jwt]]\nissuer = \"https://id.example\"\naudience = \"todoki\"\nalgorithms = [\"ES256\"]\nkeys = [{keys:?}]\n"
    );
    std::fs::write(dir.join("auth.toml"), verifier).unwrap();
}

/// A JWT about Ann, made with these flags.
async fn signed(dir: &Path, more: &[&str]) -> String {
    let key = key_file("ec.pem").display().to_string();
    let sign = [
        "sign",
        "--key",
        &key,
        "--issuer",
        "https://id.example",
        "--audience",
        "todoki",
        "--subject",
        "ann",
    ];
    let output = token(dir, &[&sign[..], more].concat(), "").await;
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).trim().to_owned()
}

async fn inspected(dir: &Path, jwt: &str) -> Output {
    token(dir, &["inspect", "--auth", "auth.toml"], jwt).await
}

#[tokio::test]
async fn a_signed_token_is_inspected_and_refused_for_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    take_signed(dir.path());
    let sign = async |more: &[&str]| signed(dir.path(), more).await;
    let inspect = async |jwt: &str| inspected(dir.path(), jwt).await;
    let good = inspect(&sign(&["--role", "viewer"]).await).await;
    assert!(good.status.success(), "{}", stderr(&good));
    for line in [
        "a JWT",
        "\"alg\":\"ES256\"",
        "\"sub\":\"ann\"",
        "to come",
        "lets in jwt:https://id.example#ann",
        "replay  *",
    ] {
        assert!(stdout(&good).contains(line), "{line}: {}", stdout(&good));
    }
    let nothing = inspect(&sign(&[]).await).await;
    assert!(
        stdout(&nothing).contains("may do nothing"),
        "{}",
        stdout(&nothing)
    );
    let grants = r#"{"grants":[{"actions":["read"],"kinds":["task.*"]}]}"#;
    let granted = inspect(&sign(&["--claims", grants]).await).await;
    assert!(
        stdout(&granted).contains("read    task.*"),
        "{}",
        stdout(&granted)
    );
    let flags = [
        "--actions",
        "read,emit",
        "--kinds",
        "task.*",
        "--project-id",
        PROJECT,
    ];
    let narrow = inspect(&sign(&flags).await).await;
    for line in ["read    task.*", "emit    task.*"] {
        let line = format!("{line} where project_id is {PROJECT}");
        assert!(
            stdout(&narrow).contains(&line),
            "{line}: {}",
            stdout(&narrow)
        );
    }
    let unknown = inspect(&sign(&["--kid", "x"]).await).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        stderr(&unknown).contains("kid is \"x\""),
        "{}",
        stderr(&unknown)
    );
    let stranger = inspect("stranger").await;
    assert!(
        stderr(&stranger).contains("no [[tokens]] has its hash"),
        "{}",
        stderr(&stranger)
    );
}

#[tokio::test]
async fn a_bad_file_is_named_by_line_before_a_server_starts() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("auth.toml"),
        "[roles.x]\ngrants = [{ action = [] }]\n",
    )
    .unwrap();
    let checked = token(dir.path(), &["check", "auth.toml"], "").await;
    assert_eq!(checked.status.code(), Some(1));
    assert!(
        stderr(&checked).contains("auth.toml line 2: unknown field `action`"),
        "{}",
        stderr(&checked)
    );
    let serve = todoki()
        .args(["serve", "--auth", "auth.toml"])
        .current_dir(dir.path())
        .output();
    let serve = within(serve).await.unwrap();
    assert_eq!(serve.status.code(), Some(64));
    assert!(
        stderr(&serve).contains("auth.toml line 2"),
        "{}",
        stderr(&serve)
    );
}

#[tokio::test]
async fn a_role_that_the_file_does_not_know_is_named() {
    let dir = tempfile::tempdir().unwrap();
    take_signed(dir.path());
    let unknown = "no role is called boss in auth.toml";
    for (flags, allowed, is_named) in [
        (["--role", "boss"], "may do nothing", true),
        (
            ["--claims", r#"{"role":["viewer","boss"]}"#],
            "replay  *",
            true,
        ),
        (["--role", "viewer"], "replay  *", false),
    ] {
        let jwt = signed(dir.path(), &flags).await;
        let output = inspected(dir.path(), &jwt).await;
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(
            stdout(&output).contains(allowed),
            "{flags:?}: {}",
            stdout(&output)
        );
        assert_eq!(
            stdout(&output).contains(unknown),
            is_named,
            "{}",
            stdout(&output)
        );
    }
}

#[tokio::test]
async fn a_file_that_is_taken_as_a_secret_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "s".repeat(32)).unwrap();
    let pem = key_file("ec.pem").display().to_string();
    for (key, is_secret) in [("secret", true), (&pem, false)] {
        let sign = ["sign", "--key", key, "--issuer", "i", "--audience", "a"];
        let output = token(dir.path(), &[&sign[..], &["--subject", "s"]].concat(), "").await;
        assert!(output.status.success(), "{}", stderr(&output));
        let note = "secret is no PEM, so it was taken as the secret of HS256";
        assert_eq!(stderr(&output).contains(note), is_secret, "{key}");
    }
}

#[tokio::test]
async fn a_claim_that_a_flag_sets_is_not_signed_twice() {
    let dir = tempfile::tempdir().unwrap();
    let key = key_file("ec.pem").display().to_string();
    let flags = [
        "sign",
        "--key",
        &key,
        "--issuer",
        "i",
        "--audience",
        "a",
        "--subject",
        "s",
        "--role",
        "viewer",
        "--actions",
        "read",
        "--claims",
    ];
    for (claim, by) in [
        ("iss", "--issuer"),
        ("aud", "--audience"),
        ("sub", "--subject"),
        ("iat", "the time of signing"),
        ("exp", "--expires"),
        ("role", "--role"),
        ("grants", "--actions"),
    ] {
        let claims = format!("{{\"tenant\":\"t\",\"{claim}\":1}}");
        let output = token(dir.path(), &[&flags[..], &[claims.as_str()]].concat(), "").await;
        assert_eq!(output.status.code(), Some(64), "{claim}");
        let expected = format!("--claims has \"{claim}\", which {by}");
        assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
        assert_eq!(stdout(&output), "", "{claim}");
    }
    let other = [&flags[..], &["{\"tenant\":\"t\"}"]].concat();
    let output = token(dir.path(), &other, "").await;
    assert!(output.status.success(), "{}", stderr(&output));
}

/// What a server with an empty `auth.toml` says of tokens as it starts, and what it has logged until then.
async fn start_beside_a_file(name: &str, value: &str) -> (String, String) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("auth.toml"), "").unwrap();
    let mut server = todoki()
        .args(["serve", "--listen", "127.0.0.1:0", "--auth", "auth.toml"])
        .current_dir(dir.path())
        .env(name, value)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let banner = loop {
        let line = within(lines.next_line()).await.unwrap();
        let line = line.expect("it says which tokens it takes");
        if line.starts_with("  token") {
            break line;
        }
    };
    server.start_kill().unwrap();
    let output = within(server.wait_with_output()).await.unwrap();
    (banner, stderr(&output).to_owned())
}

#[tokio::test]
async fn a_token_beside_the_file_is_not_hidden() {
    for name in ["TODOKI_TOKEN", "USER_TOKEN"] {
        let (banner, log) = start_beside_a_file(name, "a-token-beside-the-file").await;
        assert_eq!(
            banner, "  token  as given, which may do everything, and those in auth.toml",
            "{name}"
        );
        assert!(
            log.contains("whoever has it may do everything") && log.contains("WARN"),
            "{name}: {log}"
        );
        assert!(!log.contains("a-token-beside-the-file"), "{name}: {log}");
    }
    let (banner, log) = start_beside_a_file("TODOKI_TOKEN", "").await;
    assert_eq!(banner, "  token  those in auth.toml");
    assert!(!log.contains("everything"), "{log}");
}
