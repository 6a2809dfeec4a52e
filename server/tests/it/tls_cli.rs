//! The command line over https: what works, and what is said when a certificate is the problem.

use std::path::Path;
use std::process::{Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr};

use crate::harness::{TOKEN, TestServer, within};
use crate::process::todoki;
use crate::tls::authority::{Authority, Issued};

/// A server process that speaks TLS.
struct Secure {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    port: String,
}

impl Secure {
    async fn start(dir: &Path) -> Self {
        let mut child = todoki()
            .args(["serve", "--listen", "127.0.0.1:0", "--token", TOKEN])
            .args([
                "--data-dir",
                "data",
                "--tls-cert",
                "cert.pem",
                "--tls-key",
                "key.pem",
            ])
            .current_dir(dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = within(said.next_line()).await.unwrap().unwrap();
        let port = line.split_once("https://127.0.0.1:").unwrap().1.to_owned();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, log, port }
    }

    /// The next line of its log that has these words.
    async fn logged(&mut self, words: &str) -> String {
        loop {
            let line = within(self.log.next_line()).await.unwrap();
            let line = line.expect("it still runs");
            if line.contains(words) {
                return line;
            }
        }
    }
}

async fn run(dir: &Path, url: &str, arguments: &[&str]) -> Output {
    let command = todoki()
        .args(arguments)
        .args(["--url", url, "--token", TOKEN])
        .current_dir(dir)
        .stdin(Stdio::null())
        .output();
    within(command).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn authority(dir: &Path) -> Authority {
    let authority = Authority::new("it");
    std::fs::write(dir.join("ca.pem"), authority.pem()).unwrap();
    authority
}

const EMIT: [&str; 5] = ["emit", "--kind", "a.b", "--data", "{}"];

#[tokio::test]
async fn the_commands_speak_https_to_whom_they_trust() {
    let dir = tempfile::tempdir().unwrap();
    Issued::good(&authority(dir.path())).put(dir.path());
    let server = Secure::start(dir.path()).await;
    for (host, cursor) in [("127.0.0.1", "1\n"), ("localhost", "2\n")] {
        let url = format!("https://{host}:{}", server.port);
        let emit = run(dir.path(), &url, &[&EMIT[..], &["--ca", "ca.pem"]].concat()).await;
        assert_eq!(text(&emit.stdout), cursor, "{}", text(&emit.stderr));
    }
    let url = format!("https://localhost:{}", server.port);
    for command in [&["tail", "--cursor", "0", "--count", "2"][..], &["replay"]] {
        let read = run(dir.path(), &url, &[command, &["--ca", "ca.pem"]].concat()).await;
        assert!(read.status.success(), "{}", text(&read.stderr));
        assert_eq!(text(&read.stdout).lines().count(), 2);
    }
    let said = doctor(dir.path(), &server.port).await;
    assert!(
        said.contains("ok    port    a Todoki server answers"),
        "{said}"
    );
    let fine = "ok    tls     the certificate is for localhost, 127.0.0.1 until 2120";
    assert!(said.contains(fine), "{said}");
}

async fn doctor(dir: &Path, port: &str) -> String {
    let doctor = todoki()
        .args(["doctor", "--token", TOKEN, "--data-dir", "data"])
        .args(["--tls-cert", "cert.pem", "--tls-key", "key.pem"])
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .current_dir(dir)
        .output();
    text(&within(doctor).await.unwrap().stdout)
}

#[tokio::test]
async fn the_doctor_sees_what_clients_would_refuse() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority(dir.path());
    let localhost = &["localhost"][..];
    Issued::good(&authority).put(dir.path());
    let server = Secure::start(dir.path()).await;
    for (issued, words) in [
        (
            authority.issue(localhost, [2020, 2021]),
            "BAD   tls     the certificate holds from 2020",
        ),
        (
            authority.issue(localhost, [2110, 2120]),
            "BAD   tls     the certificate holds from 2110",
        ),
        (
            authority.issue(&[], [2020, 2120]),
            "BAD   tls     the certificate names no host",
        ),
    ] {
        issued.put(dir.path());
        let said = doctor(dir.path(), "0").await;
        assert!(said.contains(words), "{words}: {said}");
    }
    let key = dir.path().join("key.pem");
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    Issued::good(&authority).put(dir.path());
    std::fs::set_permissions(&key, readable).unwrap();
    let said = doctor(dir.path(), "0").await;
    assert!(
        said.contains("note  tls     every user of this machine can read the key"),
        "{said}"
    );
    // A server whose files are not those that the doctor is asked about is another one.
    let other = tempfile::tempdir().unwrap();
    Issued::good(&authority).put(other.path());
    let said = doctor(other.path(), &server.port).await;
    assert!(
        said.contains("it shows another certificate than the file has"),
        "{said}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority(dir.path());
    let stranger = Authority::new("stranger");
    let localhost = &["localhost"][..];
    for (issued, words) in [
        (
            stranger.issue(localhost, [2020, 2120]),
            "nobody that is trusted here has signed",
        ),
        (
            authority.issue(localhost, [2020, 2021]),
            "its certificate has expired",
        ),
        (
            authority.issue(localhost, [2110, 2120]),
            "its certificate is not valid yet",
        ),
        (
            authority.issue(&["example.org"], [2020, 2120]),
            "its certificate is for other names",
        ),
    ] {
        issued.put(dir.path());
        let mut server = Secure::start(dir.path()).await;
        let url = format!("https://localhost:{}", server.port);
        let emit = run(dir.path(), &url, &[&EMIT[..], &["--ca", "ca.pem"]].concat()).await;
        let said = text(&emit.stderr);
        assert_eq!(emit.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "{words}: {said}");
        // The next one serves the same data.
        within(server.child.kill()).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_there_to_trust_or_speaks_something_else_is_said() {
    let dir = tempfile::tempdir().unwrap();
    Issued::good(&authority(dir.path())).put(dir.path());
    let server = Secure::start(dir.path()).await;
    let clear = format!("http://localhost:{}", server.port);
    let said = text(&run(dir.path(), &clear, &EMIT).await.stderr);
    assert!(
        said.contains("this port speaks TLS: use https://"),
        "{said}"
    );
    let plain = TestServer::start().await;
    let url = format!("https://localhost:{}", plain.address.port());
    let trusting = [&EMIT[..], &["--ca", "ca.pem"]].concat();
    let said = text(&run(dir.path(), &url, &trusting).await.stderr);
    assert!(said.contains("does not speak TLS"), "{said}");
    let nobody = [&EMIT[..], &["--ca", "key.pem"]].concat();
    let said = text(&run(dir.path(), &url, &nobody).await.stderr);
    assert!(
        said.contains("key.pem") && said.contains("no certificate"),
        "{said}"
    );
}

#[tokio::test]
async fn a_hangup_takes_a_new_certificate_and_says_why_it_refuses_one() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority(dir.path());
    Issued::good(&authority).put(dir.path());
    let mut server = Secure::start(dir.path()).await;
    let pid = Pid::from_raw(server.child.id().unwrap().cast_signed()).unwrap();
    // It answers, so it is past its start and listens for signals.
    let url = format!("https://localhost:{}", server.port);
    let trusting = [&EMIT[..], &["--ca", "ca.pem"]].concat();
    assert!(run(dir.path(), &url, &trusting).await.status.success());
    std::fs::write(dir.path().join("cert.pem"), "nonsense").unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    let line = server.logged("the new certificate is refused").await;
    assert!(line.contains("cert.pem has no certificate in it"), "{line}");
    assert!(run(dir.path(), &url, &trusting).await.status.success());
    authority
        .issue(&["localhost"], [2020, 2121])
        .put(dir.path());
    kill_process(pid, Signal::HUP).unwrap();
    let line = server.logged("the certificate is in force").await;
    assert!(line.contains("for localhost until 2121-01-01"), "{line}");
    assert!(run(dir.path(), &url, &trusting).await.status.success());
}

#[tokio::test]
async fn one_of_certificate_and_key_is_not_enough() {
    let dir = tempfile::tempdir().unwrap();
    Issued::good(&authority(dir.path())).put(dir.path());
    for arguments in [["--tls-cert", "cert.pem"], ["--tls-key", "key.pem"]] {
        let serve = todoki()
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .current_dir(dir.path())
            .output();
        let serve = within(serve).await.unwrap();
        assert_eq!(serve.status.code(), Some(64));
        let said = text(&serve.stderr);
        assert!(said.contains("--tls-"), "{said}");
    }
}
