//! No token or ticket is ever written anywhere: not at the finest level of the log, not in an answer, not in metrics.

use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use todoki_codec::frame::encode::masked;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{claims, key_file, signing_key};
use crate::harness::{auth_entry, within};
use crate::process::todoki;

const EVERYTHING: &str = "everything-c0ffee";
const STATIC: &str = "static-c0ffee";
const WRONG: &str = "wrong-c0ffee";

/// What a request that carries a token in each of the ways is.
fn requests(token: &str) -> Vec<String> {
    let carrier = format!(
        "base64url.bearer.authorization.todoki.{}",
        URL_SAFE_NO_PAD.encode(token)
    );
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let close = "Connection: close\r\n";
    let draft = r#"{"kind":"a.b","data":{}}"#;
    let mut requests = Vec::new();
    for path in [
        "/api/event-bus?cursor=0",
        "/metrics?",
        "/api/event-bus/latest?x=1",
        "/nothing?",
    ] {
        requests.push(format!(
            "GET {path} HTTP/1.1\r\nHost: it\r\nAuthorization: Bearer {token}\r\n{close}\r\n"
        ));
        requests.push(format!(
            "GET {path}&token={token} HTTP/1.1\r\nHost: it\r\n{close}\r\n"
        ));
        requests.push(format!(
            "GET {path}&token={token}&token={token} HTTP/1.1\r\nHost: it\r\n{close}\r\n"
        ));
    }
    for path in ["/ws/event-bus", "/ws/event-bus?x=1"] {
        requests.push(format!("GET {path} HTTP/1.1\r\nHost: it\r\nSec-WebSocket-Protocol: todoki.v1, {carrier}\r\n{upgrade}\r\n"));
        requests.push(format!("GET {path} HTTP/1.1\r\nHost: it\r\nOrigin: http://it\r\nAuthorization: Bearer {token}\r\n{upgrade}\r\n"));
    }
    requests.push(format!(
        "GET /ws/event-bus?token={token} HTTP/1.1\r\nHost: it\r\n{upgrade}\r\n"
    ));
    requests.push(format!("GET /ws/event-bus?token={token} HTTP/1.1\r\nHost: it\r\nOrigin: https://evil\r\n{upgrade}\r\n"));
    requests.push(format!(
        "POST /api/event-bus/emit HTTP/1.1\r\nHost: it\r\nAuthorization: Bearer {token}\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\n{close}\r\n{draft}",
        draft.len()
    ));
    requests.push(format!(
        "GET /api/event-bus HTTP/1.1\r\nHost: it\r\nAuthorization: Basic {token}\r\n{close}\r\n"
    ));
    requests.push(format!(
        "BREW /api/event-bus?token={token} HTTP/1.1\r\nHost: it\r\n{close}\r\n"
    ));
    // As a ticket it is worth nothing, and must be told by nobody either.
    for path in ["/api/event-bus/stream", "/api/event-bus"] {
        requests.push(format!(
            "GET {path}?ticket={token} HTTP/1.1\r\nHost: it\r\n{close}\r\n"
        ));
    }
    requests.push(format!(
        "HEAD /api/event-bus/stream HTTP/1.1\r\nHost: it\r\nAuthorization: Bearer {token}\r\n{close}\r\n"
    ));
    requests.push(format!(
        "POST /api/event-bus/tickets HTTP/1.1\r\nHost: it\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\
         {close}\r\n"
    ));
    requests.push(format!("GET /{token} HTTP/9.9\r\nHost: it\r\n{close}\r\n"));
    requests
}

/// What the server says to it. In a WebSocket the token is shown once more, to go on with; it is left after the answer.
async fn ask(address: &str, request: &str, token: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    if !request.contains("Upgrade: websocket") {
        within(stream.read_to_end(&mut answer)).await.unwrap();
        return String::from_utf8_lossy(&answer).into_owned();
    }
    let mut renewal = Vec::new();
    let command = format!(r#"{{"type":"auth","token":"{token}","ref":"again"}}"#);
    masked::text(command.as_bytes(), [1, 2, 3, 4], &mut renewal);
    // Whoever was refused is not heard.
    stream.write_all(&renewal).await.ok();
    while !String::from_utf8_lossy(&answer).contains(r#""ref":"again""#)
        && within(stream.read_buf(&mut answer)).await.unwrap_or(0) > 0
    {}
    String::from_utf8_lossy(&answer).into_owned()
}

/// The ticket that an answer has.
fn ticket(answer: &str) -> Option<&str> {
    let (_, behind) = answer.split_once(r#"{"ticket":""#)?;
    behind.split('"').next()
}

#[expect(clippy::too_many_lines, reason = "it is one story")]
#[tokio::test]
async fn no_token_is_in_the_log_an_answer_or_metrics() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("auth.toml");
    let verifier = format!(
        "[[jwt]]\nissuer = \"https://id.example\"\naudience = \"todoki\"\nalgorithms = [\"EdDSA\"]\nkeys = [{:?}]\n",
        key_file("ed.pub.pem")
    );
    let entry = auth_entry("ci", STATIC, "role = \"admin\"");
    std::fs::write(&file, format!("{entry}{verifier}")).unwrap();
    let signed = |key| {
        let claims = claims(r#","role":"admin""#);
        signing_key(key)
            .sign(r#"{"alg":"EdDSA"}"#, &claims)
            .unwrap()
    };
    let tokens = [
        EVERYTHING.to_owned(),
        STATIC.into(),
        WRONG.into(),
        signed("ed.pem"),
        signed("ed-other.pem"),
    ];
    let mut server = todoki()
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--allow-query-token",
            "--data-dir",
        ])
        .arg(data.path())
        .arg("--auth")
        .arg(&file)
        .env("TODOKI_TOKEN", EVERYTHING)
        .env("TODOKI_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    within(out.read_line(&mut line)).await.unwrap();
    let address = line.split_once("http://").unwrap().1.trim().to_owned();
    let mut log = BufReader::new(server.stderr.take().unwrap());
    let reading = tokio::spawn(async move {
        let mut text = String::new();
        log.read_to_string(&mut text).await.unwrap();
        text
    });
    let mut written = line;
    let mut statuses = std::collections::BTreeSet::new();
    let mut tickets = Vec::new();
    for token in &tokens {
        for request in requests(token) {
            let answer = ask(&address, &request, token).await;
            statuses.insert(answer.chars().skip(9).take(3).collect::<String>());
            if let Some(ticket) = ticket(&answer) {
                for _ in 0..2 {
                    let close = "Host: it\r\nConnection: close\r\n\r\n";
                    let begin =
                        format!("HEAD /api/event-bus/stream?ticket={ticket} HTTP/1.1\r\n{close}");
                    written.push_str(&ask(&address, &begin, token).await);
                }
                tickets.push(ticket.to_owned());
                continue;
            }
            written.push_str(&answer);
        }
    }
    assert_eq!(tickets.len(), 3, "one for each token that counts");
    // What must not be written was really sent, and taken or refused.
    for status in ["200", "101", "400", "401", "403", "404", "405"] {
        assert!(statuses.contains(status), "{status}: {statuses:?}");
    }
    server.start_kill().unwrap();
    within(server.wait()).await.unwrap();
    let log = within(reading).await.unwrap();
    assert!(log.contains("refused a token"), "{log}");
    assert!(log.contains("--allow-query-token"), "{log}");
    within(out.read_to_string(&mut written)).await.unwrap();
    written.push_str(&log);
    for token in tokens.iter().chain(&tickets) {
        let mut secrets = vec![token.clone(), URL_SAFE_NO_PAD.encode(token)];
        secrets.extend(token.split('.').skip(1).map(str::to_owned));
        for secret in secrets {
            let found = written.lines().find(|line| line.contains(&secret));
            assert_eq!(found, None, "{secret}");
        }
    }
}
