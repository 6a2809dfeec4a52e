//! Flags and variables, as operators set them.

use std::path::Path;
use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::harness::within;
use crate::process::{stderr, stdout, todoki};

/// The variables that the help of a command names, and those that it reads besides.
async fn variables(command: &str) -> Vec<String> {
    let help = within(todoki().args([command, "--help"]).output()).await;
    let help = stdout(&help.unwrap()).to_owned();
    let named = help.split("[env: ").skip(1).map(|rest| {
        let name: String = rest
            .chars()
            .take_while(|c| c.is_ascii_uppercase() || *c == '_')
            .collect();
        name
    });
    let mut names: Vec<_> = named.filter(|name| !name.is_empty()).collect();
    names.extend(["TODOKI_TOKEN", "USER_TOKEN", "TODOKI_LOG"].map(str::to_owned));
    names
}

/// A command in this directory, all of whose variables are set to nothing.
async fn with_empty_variables(home: &Path, command: &str, flags: &[&str]) -> Command {
    let names = variables(command).await;
    let mut program = todoki();
    program
        .arg(command)
        .args(flags)
        .current_dir(home)
        .envs(names.iter().map(|name| (name, "")));
    program
}

async fn doctor(home: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = todoki();
    command
        .arg("doctor")
        .args(flags)
        .current_dir(home)
        .envs(variables.iter().copied());
    within(command.output()).await.unwrap()
}

#[tokio::test]
async fn a_variable_that_is_set_to_nothing_is_as_good_as_unset() {
    let named = variables("serve").await;
    for name in [
        "TODOKI_ALLOW_ORIGIN",
        "TODOKI_LISTEN",
        "TODOKI_OPEN_METRICS",
    ] {
        assert!(named.iter().any(|named| named == name), "{named:?}");
    }
    let home = tempfile::tempdir().unwrap();
    let mut serve = with_empty_variables(home.path(), "serve", &["--listen", "127.0.0.1:0"]).await;
    let mut server = serve.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut line = async || within(lines.next_line()).await.unwrap().expect("it serves");
    let first = line().await;
    let url = first.split_once("listens on ").unwrap().1;
    let log = line().await;
    assert!(log.starts_with("  log    todoki-data, empty"), "{log}");
    // Its token is where the other commands look for it, if they are not told otherwise.
    let mut replay = with_empty_variables(home.path(), "replay", &["--url", url]).await;
    let replay = within(replay.output()).await.unwrap();
    assert!(replay.status.success(), "{}", stderr(&replay));
    server.kill().await.unwrap();
    let mut doctor = with_empty_variables(home.path(), "doctor", &[]).await;
    let doctor = within(doctor.output()).await.unwrap();
    let said = stdout(&doctor);
    assert!(said.contains("127.0.0.1:3000"), "{said}");
}

#[tokio::test]
async fn the_file_of_a_server_is_checked_without_naming_it_again() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("auth.toml"), "").unwrap();
    let mut check = todoki();
    check
        .args(["token", "check"])
        .env("TODOKI_AUTH", "auth.toml")
        .current_dir(home.path());
    let output = within(check.output()).await.unwrap();
    assert!(
        stdout(&output).starts_with("auth.toml is right"),
        "{}",
        stderr(&output)
    );
}

#[tokio::test]
async fn a_switch_takes_the_words_that_people_use() {
    let home = tempfile::tempdir().unwrap();
    let open = [
        "--listen",
        "0.0.0.0:0",
        "--token",
        "a-token-that-is-long-enough",
    ];
    for (value, is_on) in [
        ("1", true),
        ("true", true),
        ("yes", true),
        ("on", true),
        ("0", false),
        ("false", false),
        ("no", false),
        ("off", false),
        ("", false),
    ] {
        let output = doctor(home.path(), &open, &[("TODOKI_OPEN_METRICS", value)]).await;
        assert!(output.status.success(), "{value}: {}", stderr(&output));
        let said = stdout(&output);
        let is_noted = said.contains("note  config  --open-metrics");
        assert_eq!(is_noted, is_on, "{value}: {said}");
    }
    let output = doctor(home.path(), &open, &[("TODOKI_OPEN_METRICS", "maybe")]).await;
    assert_eq!(output.status.code(), Some(64));
    assert!(
        stderr(&output).contains("--open-metrics"),
        "{}",
        stderr(&output)
    );
}

#[tokio::test]
async fn the_data_directory_goes_by_its_name_of_before_too() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("file"), "").unwrap();
    for flag in ["--data-dir", "--data"] {
        let output = doctor(home.path(), &[flag, "file"], &[]).await;
        let said = stdout(&output);
        assert!(
            said.contains("file is not a directory; choose another with --data-dir"),
            "{flag}: {said}"
        );
    }
}

#[tokio::test]
async fn the_doctor_says_which_pages_may_connect_and_how_more_can() {
    let home = tempfile::tempdir().unwrap();
    let listen = ["--listen", "127.0.0.1:0"];
    let none = doctor(home.path(), &listen, &[]).await;
    let said = stdout(&none);
    assert!(
        said.contains("--allow-origin or TODOKI_ALLOW_ORIGIN"),
        "{said}"
    );
    let two = "https://a.example,http://localhost:5173";
    let named = doctor(home.path(), &listen, &[("TODOKI_ALLOW_ORIGIN", two)]).await;
    let said = stdout(&named);
    assert!(
        said.contains("those of https://a.example, http://localhost:5173"),
        "{said}"
    );
}
