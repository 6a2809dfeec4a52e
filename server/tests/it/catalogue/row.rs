//! What a row is, and words to write one with.

use crate::harness::TOKEN;

/// Rows about one thing.
pub(super) struct Subject {
    pub(super) title: &'static str,
    pub(super) rows: Vec<Row>,
}

/// One input and its answer.
pub(super) struct Row {
    /// What the client does, as a fragment of a sentence.
    pub(super) name: String,
    pub(super) input: Input,
    /// As [`observe`](super::observe) writes answers: `400 invalid_json`, `101, subscribed`, `close 1002`.
    pub(super) answer: &'static str,
    /// A part of the explanation that comes with the answer.
    pub(super) says: &'static str,
    /// The standard's section, or our own rule.
    pub(super) why: &'static str,
}

#[derive(Clone)]
pub(super) enum Input {
    /// Sent on a connection that the server is to end.
    Http(Vec<u8>),
    /// Sent on a connection that the client ends behind it, in its own direction.
    HalfClosed(Vec<u8>),
    /// Sent behind an upgrade, once `subscribed` has come.
    Frames(Vec<u8>),
    /// The same, and all that the server says until it ends the connection; what it repeats is said once.
    Flood(Vec<u8>),
}

pub(super) fn row(
    name: impl Into<String>,
    input: impl Into<Input>,
    answer: &'static str,
    says: &'static str,
    why: &'static str,
) -> Row {
    Row {
        name: name.into(),
        input: input.into(),
        answer,
        says,
        why,
    }
}

impl From<Request> for Input {
    fn from(request: Request) -> Self {
        Self::Http(request.bytes())
    }
}

impl From<&str> for Input {
    fn from(raw: &str) -> Self {
        Self::Http(raw.into())
    }
}

impl From<String> for Input {
    fn from(raw: String) -> Self {
        Self::Http(raw.into())
    }
}

impl From<Vec<u8>> for Input {
    fn from(raw: Vec<u8>) -> Self {
        Self::Http(raw)
    }
}

/// A request that is right but for what the row is about: one Host, one token, one connection.
pub(super) struct Request {
    line: String,
    host: &'static str,
    token: String,
    headers: String,
    body: Vec<u8>,
}

impl Request {
    pub(super) fn new(method: &str, target: &str) -> Self {
        Self {
            line: format!("{method} {target} HTTP/1.1\r\n"),
            host: "Host: it\r\n",
            token: format!("Authorization: Bearer {TOKEN}\r\n"),
            headers: String::new(),
            body: Vec::new(),
        }
    }

    pub(super) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(super) fn without_host(mut self) -> Self {
        self.host = "";
        self
    }

    pub(super) fn without_token(mut self) -> Self {
        self.token.clear();
        self
    }

    pub(super) fn header(mut self, line: impl AsRef<str>) -> Self {
        self.headers += line.as_ref();
        self.headers += "\r\n";
        self
    }

    pub(super) fn headers(self, lines: &[&str]) -> Self {
        lines.iter().fold(self, Self::header)
    }

    /// A body, and its length.
    pub(super) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = format!("Content-Length: {}", self.body.len());
        self.header(length)
    }

    /// Bytes behind the head whose length is for the row to say.
    pub(super) fn tail(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self
    }

    /// Without `Connection: close`.
    pub(super) fn kept_alive(self) -> Vec<u8> {
        let head = [&self.line, self.host, &self.token, &self.headers, "\r\n"].concat();
        [head.into_bytes(), self.body].concat()
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.header("Connection: close").kept_alive()
    }
}

/// An emit with its headers, without a body yet.
pub(super) fn emit_request() -> Request {
    Request::new("POST", "/api/event-bus/emit").header("Content-Type: application/json")
}
