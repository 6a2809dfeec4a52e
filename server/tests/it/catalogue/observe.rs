//! Runs one input and writes down the answer, in the words of [`Row::answer`](super::row::Row::answer).

use std::time::Duration;

use simd_json::prelude::*;
use todoki_codec::frame::{Decoder, Incoming, Limits, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::row::Input;
use crate::harness::{Answer, Client, TOKEN, TestServer};

/// Every answer of the catalogue comes at once; what takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) answer: String,
    /// The detail, reason or message that came with it.
    pub(super) says: String,
    /// What no answer may do, whatever the row says.
    pub(super) faults: Vec<String>,
}

impl Observed {
    fn add(&mut self, answer: &str) {
        if !self.answer.is_empty() {
            self.answer += ", ";
        }
        self.answer += answer;
    }

    fn fault(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
    }
}

pub(super) async fn observe(server: &TestServer, input: &Input) -> Observed {
    let observing = async {
        match input {
            Input::Http(bytes) => over_http(server, bytes, false).await,
            Input::HalfClosed(bytes) => over_http(server, bytes, true).await,
            Input::Frames(bytes) => behind_an_upgrade(server, bytes).await,
            Input::Flood(bytes) => until_the_end(server, bytes).await,
        }
    };
    tokio::time::timeout(PATIENCE, observing)
        .await
        .unwrap_or_else(|_| Observed {
            answer: "no end".into(),
            ..Observed::default()
        })
}

async fn over_http(server: &TestServer, bytes: &[u8], is_half_closed: bool) -> Observed {
    let (mut reader, mut writer) = server.connect().await.into_split();
    let bytes_sent = bytes.to_vec();
    // A server that has refused takes no more, so what cannot be written does not matter.
    let writing = tokio::spawn(async move {
        writer.write_all(&bytes_sent).await.ok();
        if is_half_closed {
            writer.shutdown().await.ok();
        }
        writer
    });
    let mut seen = Vec::new();
    let mut is_reset = false;
    while !holds_an_upgrade(&seen) {
        match reader.read_buf(&mut seen).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(_) => {
                is_reset = true;
                break;
            }
        }
    }
    writing.abort();
    let mut observed = read_answers(&seen, bytes.starts_with(b"HEAD "));
    if is_reset && observed.answer.is_empty() {
        observed.add("reset");
    } else if observed.answer.is_empty() {
        observed.add("closed");
    }
    if String::from_utf8_lossy(&seen).contains(TOKEN) {
        observed.fault("the token is in the answer");
    }
    observed
}

/// Whether this ends in an accepted upgrade and the first message behind it.
fn holds_an_upgrade(seen: &[u8]) -> bool {
    let Some(start) = find(seen, b"HTTP/1.1 101 ") else {
        return false;
    };
    find(&seen[start..], b"\r\n\r\n")
        .is_some_and(|end| first_message(&seen[start + end + 4..]).is_some())
}

fn find(within: &[u8], wanted: &[u8]) -> Option<usize> {
    within
        .windows(wanted.len())
        .position(|bytes| bytes == wanted)
}

fn first_message(mut bytes: &[u8]) -> Option<Incoming> {
    let limits = Limits {
        frame_bytes: 1 << 20,
        message_bytes: 1 << 20,
        fragments: 1,
    };
    Decoder::new(Role::Client, limits)
        .decode(&mut bytes)
        .unwrap()
}

fn read_answers(mut seen: &[u8], is_head: bool) -> Observed {
    let mut observed = Observed::default();
    while !seen.is_empty() {
        let Some(end) = find(seen, b"\r\n\r\n").map(|end| end + 4) else {
            observed.fault(format!("no answer: {:?}", String::from_utf8_lossy(seen)));
            break;
        };
        let head = Answer::parse_head(&String::from_utf8_lossy(&seen[..end]));
        seen = &seen[end..];
        if head.status == 101 {
            observed.add("101");
            if let Some(message) = first_message(seen) {
                read_message(&message, &mut observed);
            }
            break;
        }
        let has_body = !is_head && head.status >= 200 && head.status != 204;
        let length = if has_body {
            body_length(&head, seen)
        } else {
            0
        };
        if length > seen.len() {
            observed.fault("the answer is cut short");
        }
        let (body, rest) = seen.split_at(length.min(seen.len()));
        seen = rest;
        read_answer(&head, body, &mut observed);
    }
    observed
}

/// Chunked answers are the last on their connection in this catalogue.
fn body_length(head: &Answer, seen: &[u8]) -> usize {
    match head.header("content-length") {
        Some(length) => length.parse().unwrap(),
        None => seen.len(),
    }
}

fn read_answer(head: &Answer, body: &[u8], observed: &mut Observed) {
    let status = head.status;
    require_headers(head, observed);
    if status < 400 || body.is_empty() {
        if let Some(origin) = head.header("access-control-allow-origin") {
            observed.says = format!("pages of {origin} may read this");
        }
        return observed.add(&status.to_string());
    }
    if head.header("content-type") != Some("application/problem+json") {
        observed.fault(format!(
            "a refusal of type {:?}",
            head.header("content-type")
        ));
    }
    let problem = simd_json::to_owned_value(&mut body.to_vec()).unwrap_or_default();
    let text = |name: &str| problem.get_str(name).unwrap_or_default();
    if problem.get_u64("status") != Some(u64::from(status))
        || ["title", "code", "detail"]
            .iter()
            .any(|name| text(name).is_empty())
    {
        observed.fault(format!("not a problem: {}", String::from_utf8_lossy(body)));
    }
    if text("code") == "malformed_request" && head.header("connection") != Some("close") {
        observed.fault("the connection goes on behind what two hops could read differently");
    }
    observed.add(&format!("{status} {}", text("code")));
    observed.says = match problem.get_u64("index") {
        Some(index) => format!("{} (index {index})", text("detail")),
        None => text("detail").to_owned(),
    };
}

/// RFC 9110 §15.5.2, §15.5.6 and §15.5.22, RFC 6455 §4.4.
fn require_headers(head: &Answer, observed: &mut Observed) {
    let required: &[(&str, &str)] = match head.status {
        401 => &[("www-authenticate", "Bearer")],
        405 => &[("allow", "OPTIONS")],
        426 => &[
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("connection", "upgrade"),
        ],
        503 => &[("retry-after", "")],
        _ => &[],
    };
    for (name, part) in required {
        if !head.header(name).is_some_and(|value| value.contains(part)) {
            observed.fault(format!("{} without {name}: {part}", head.status));
        }
    }
}

fn read_message(message: &Incoming, observed: &mut Observed) {
    match message {
        Incoming::Close(None) => observed.add("close without a code"),
        Incoming::Close(Some(close)) => {
            observed.add(&format!("close {}", close.code));
            observed.says.clone_from(&close.reason);
        }
        Incoming::Pong(_) => observed.add("pong frame"),
        Incoming::Text { bytes, .. } => {
            let message = simd_json::to_owned_value(&mut bytes.to_vec()).unwrap();
            let text = |name: &str| message.get_str(name).unwrap_or_default();
            if text("type") != "error" {
                return observed.add(text("type"));
            }
            observed.add(&format!("error {}", text("code")));
            text("message").clone_into(&mut observed.says);
        }
        other => observed.add(&format!("{other:?}")),
    }
}

async fn behind_an_upgrade(server: &TestServer, bytes: &[u8]) -> Observed {
    let mut client = server.subscribe("").await;
    client.expect("subscribed").await;
    client.stream.write_all(bytes).await.ok();
    let mut observed = Observed::default();
    match client.hear().await {
        Some(message) => read_message(&message, &mut observed),
        None => observed.add("hung up"),
    }
    if observed.answer.starts_with("error") {
        require_that_it_goes_on(&mut client, &mut observed).await;
    }
    observed
}

/// Sends while it hears: a server that has had enough reads no more, and says so.
async fn until_the_end(server: &TestServer, bytes: &[u8]) -> Observed {
    let mut client = server.subscribe("").await;
    client.expect("subscribed").await;
    let mut observed = Observed::default();
    let mut last = String::new();
    let (mut told, mut rest) = (false, bytes);
    while !told {
        let Some(message) = client.hear_while_sending(&mut rest).await else {
            observed.add("hung up");
            break;
        };
        told = matches!(message, Incoming::Close(_));
        let mut one = Observed::default();
        read_message(&message, &mut one);
        if one.answer != last {
            observed.add(&one.answer);
            observed.says = one.says;
        }
        last = one.answer;
    }
    observed
}

async fn require_that_it_goes_on(client: &mut Client, observed: &mut Observed) {
    client.send(r#"{"type":"ping","ref":"after"}"#).await;
    if client.message().await.get_str("ref") != Some("after") {
        observed.fault("after an error the stream does not go on");
    }
}
