//! A real server on a free port, and clients that speak bytes to it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use simd_json::OwnedValue;
use simd_json::prelude::*;
use tempfile::TempDir;
use todoki::Server;
use todoki::config::Serve;
use todoki::listen::Deadlines;
use todoki_codec::deflate::Inflater;
use todoki_codec::frame::encode::masked;
use todoki_codec::frame::{CloseFrame, Decoder, Incoming, Limits, Role};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const TOKEN: &str = "it-secret-token";

/// The name of `auth.toml` in a test server's data directory.
const AUTH_FILE: &str = "auth.toml";

/// Nothing in a test takes this long unless it never comes.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A server in this process.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    running: JoinHandle<()>,
    data: TempDir,
}

/// The configuration of a test server; change what the test is about.
pub(crate) fn config(data: &TempDir) -> Serve {
    Serve {
        listen: "127.0.0.1:0".parse().unwrap(),
        token: Some(TOKEN.into()),
        auth: None,
        allow_query_token: false,
        data: data.path().to_owned(),
        log: None,
        log_ca: None,
        tls_cert: None,
        tls_key: None,
        trusted_proxy: Vec::new(),
        allow_origin: vec!["https://allowed.example".into()],
        retain_age: None,
        retain_events: None,
        heartbeat: Duration::from_secs(30),
        max_connections: 2_000,
        limit: Vec::new(),
        coalesce_ms: 5,
        compression: true,
        open_metrics: false,
        new_epoch: false,
        deadlines: Deadlines::default(),
        assets: crate::assets::app(),
    }
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Serve)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), change).await
    }

    pub(crate) async fn start_in(data: TempDir, change: impl FnOnce(&mut Serve)) -> Self {
        let mut config = config(&data);
        change(&mut config);
        let server = Server::start(config).await.unwrap();
        let address = server.address();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let running = tokio::spawn(async move { server.run(stopped).await.unwrap() });
        Self {
            address,
            stop,
            running,
            data,
        }
    }

    /// A server that lets in whom this `auth.toml` knows, besides the holder of [`TOKEN`].
    pub(crate) async fn start_with_auth(auth: &str) -> Self {
        Self::start_with_auth_and(auth, |_| {}).await
    }

    /// The same, with other changes beside it.
    pub(crate) async fn start_with_auth_and(auth: &str, change: impl FnOnce(&mut Serve)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join(AUTH_FILE);
        std::fs::write(&path, auth).unwrap();
        Self::start_in(data, |config| {
            config.auth = Some(path);
            change(config);
        })
        .await
    }

    /// Replaces the server's `auth.toml`, as a careful editor does: whole, by a rename.
    pub(crate) fn write_auth(&self, auth: &str) {
        let path = self.data.path().join(AUTH_FILE);
        let new = path.with_extension("new");
        std::fs::write(&new, auth).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    /// Drains the server and hands back its data directory.
    pub(crate) async fn stop(self) -> TempDir {
        self.stop.cancel();
        within(self.running).await.unwrap();
        self.data
    }

    /// Starts to drain, without waiting for the end.
    pub(crate) fn drain(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection from another loopback address.
    pub(crate) async fn connect_from(&self, host: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind(SocketAddr::from(([127, 0, 0, host], 0)))
            .unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// Sends these bytes on a connection of their own and reads until the server closes it.
    pub(crate) async fn raw(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A request with the token, on a connection of its own.
    pub(crate) async fn request(
        &self,
        method: &str,
        target: &str,
        headers: &str,
        body: &str,
    ) -> Answer {
        self.request_as(TOKEN, method, target, headers, body).await
    }

    /// The same with this token.
    pub(crate) async fn request_as(
        &self,
        token: &str,
        method: &str,
        target: &str,
        headers: &str,
        body: &str,
    ) -> Answer {
        let length = body.len();
        let answer = self
            .raw(format!(
                "{method} {target} HTTP/1.1\r\nHost: it\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
                 {headers}Content-Length: {length}\r\n\r\n{body}"
            ))
            .await;
        Answer::parse(&answer)
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.request("GET", target, "", "").await
    }

    pub(crate) async fn get_as(&self, token: &str, target: &str) -> Answer {
        self.request_as(token, "GET", target, "", "").await
    }

    pub(crate) async fn post(&self, target: &str, body: &str) -> Answer {
        let json = "Content-Type: application/json\r\n";
        self.request("POST", target, json, body).await
    }

    /// Emits drafts that must be accepted, and returns their cursors.
    pub(crate) async fn emit(&self, drafts: &str) -> Vec<i64> {
        let answer = self.post("/api/event-bus/emit", drafts).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        match answer.json() {
            OwnedValue::Array(cursors) => cursors
                .iter()
                .map(|cursor| cursor.as_i64().unwrap())
                .collect(),
            cursor => vec![cursor.as_i64().unwrap()],
        }
    }

    /// A subscription that must be accepted.
    pub(crate) async fn subscribe(&self, query: &str) -> Client {
        self.subscribe_as(TOKEN, query).await
    }

    /// The same with this token.
    pub(crate) async fn subscribe_as(&self, token: &str, query: &str) -> Client {
        self.upgrade(query, &format!("Authorization: Bearer {token}\r\n"))
            .await
            .unwrap_or_else(|answer| panic!("{} {}", answer.status, answer.body))
    }

    /// A subscription that offers to read compressed messages.
    pub(crate) async fn subscribe_compressed(&self, query: &str) -> Client {
        let headers = format!(
            "Authorization: Bearer {TOKEN}\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        );
        let client = self.upgrade(query, &headers).await;
        client.unwrap_or_else(|answer| panic!("{} {}", answer.status, answer.body))
    }

    /// An upgrade with these headers, or the answer that refused it.
    pub(crate) async fn upgrade(&self, query: &str, headers: &str) -> Result<Client, Answer> {
        self.upgrade_on(self.connect().await, query, headers).await
    }

    /// The same, on a connection of the test's own.
    pub(crate) async fn upgrade_on<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
        query: &str,
        headers: &str,
    ) -> Result<Client<S>, Answer> {
        let request = format!(
            "GET /ws/event-bus?{query} HTTP/1.1\r\nHost: it\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut inbox = BytesMut::new();
        let head = loop {
            assert_ne!(
                within(stream.read_buf(&mut inbox)).await.unwrap(),
                0,
                "closed before an answer"
            );
            if let Some(end) = inbox.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break String::from_utf8(inbox.split_to(end + 4).to_vec()).unwrap();
            }
        };
        let answer = Answer::parse(&head);
        if answer.status == 101 {
            let limits = Limits {
                frame_bytes: 1 << 20,
                message_bytes: 1 << 20,
                fragments: 1,
            };
            return Ok(Client {
                stream,
                inbox,
                decoder: Decoder::new(Role::Client, limits)
                    .with_deflate(answer.header("sec-websocket-extensions").is_some()),
                inflater: Inflater::streaming(),
                compressed: 0,
                head: answer,
            });
        }
        let length: usize = answer.header("content-length").unwrap().parse().unwrap();
        while inbox.len() < length {
            assert_ne!(
                within(stream.read_buf(&mut inbox)).await.unwrap(),
                0,
                "cut short"
            );
        }
        Err(Answer {
            body: String::from_utf8_lossy(&inbox).into_owned(),
            ..answer
        })
    }
}

/// An entry of `auth.toml` for this token, with these lines behind it.
pub(crate) fn auth_entry(label: &str, token: &str, lines: &str) -> String {
    let hash = todoki::auth::hash(token);
    format!("\n[[tokens]]\nlabel = \"{label}\"\nhash = \"{hash}\"\n{lines}\n")
}

/// Awaits what must come.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it should have come by now")
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut answer = Self::parse_head(head);
        answer.body = match answer.header("transfer-encoding") {
            Some("chunked") => joined_chunks(body),
            _ => body.to_owned(),
        };
        answer
    }

    /// An answer whose body is read otherwise.
    pub(crate) fn parse_head(head: &str) -> Self {
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("no status in {head:?}")),
            head: head.to_owned(),
            body: String::new(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'));
        lines
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .next()
    }

    pub(crate) fn json(&self) -> OwnedValue {
        simd_json::to_owned_value(&mut self.body.clone().into_bytes())
            .unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The stable code of a problem.
    pub(crate) fn code(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            self.body
        );
        self.json().get_str("code").unwrap().to_owned()
    }
}

fn joined_chunks(body: &str) -> String {
    let (mut rest, mut whole) = (body, String::new());
    while let Some((size, behind)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        let (chunk, behind) = behind.split_at(size);
        whole.push_str(chunk);
        rest = behind
            .strip_prefix("\r\n")
            .expect("a line break behind a chunk");
        if size == 0 {
            return whole;
        }
    }
    panic!("the last chunk is missing: {rest:?}")
}

/// The client side of a subscription.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    inbox: BytesMut,
    decoder: Decoder,
    inflater: Inflater,
    /// Texts that came compressed, so far.
    pub(crate) compressed: usize,
    pub(crate) head: Answer,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// The next thing the server says, pings and all; `None` when it has hung up.
    pub(crate) async fn hear(&mut self) -> Option<Incoming> {
        loop {
            if let Some(incoming) = self.decoder.decode(&mut self.inbox).unwrap() {
                return Some(self.whole(incoming));
            }
            if within(self.stream.read_buf(&mut self.inbox))
                .await
                .unwrap_or(0)
                == 0
            {
                return None;
            }
        }
    }

    /// The next thing the server says, while what is left of these bytes is sent, as far as the server takes them.
    pub(crate) async fn hear_while_sending(&mut self, bytes: &mut &[u8]) -> Option<Incoming> {
        loop {
            if let Some(incoming) = self.decoder.decode(&mut self.inbox).unwrap() {
                return Some(self.whole(incoming));
            }
            let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
            tokio::select! {
                heard = within(reader.read_buf(&mut self.inbox)) => {
                    if heard.unwrap_or(0) == 0 {
                        return None;
                    }
                }
                sent = writer.write(bytes), if !bytes.is_empty() => {
                    // A server that has closed takes nothing more.
                    let sent = sent.unwrap_or(bytes.len());
                    *bytes = &bytes[sent..];
                }
            }
        }
    }

    /// Hears these bytes next, which the test has read itself.
    pub(crate) fn push_back(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
    }

    fn whole(&mut self, incoming: Incoming) -> Incoming {
        let Incoming::Text {
            bytes,
            compressed: true,
        } = incoming
        else {
            return incoming;
        };
        self.compressed += 1;
        Incoming::Text {
            bytes: self.inflater.inflate_text(&bytes, 1 << 20).unwrap().into(),
            compressed: true,
        }
    }

    /// The next text message, as its bytes.
    pub(crate) async fn text(&mut self) -> Bytes {
        loop {
            match self.hear().await.expect("the server hung up") {
                Incoming::Text { bytes, .. } => return bytes,
                Incoming::Ping(payload) => {
                    self.send_raw(|key, out| masked::pong(&payload, key, out))
                        .await;
                }
                Incoming::Pong(_) => {}
                other => panic!("expected a text message, got {other:?}"),
            }
        }
    }

    /// The next text message.
    pub(crate) async fn message(&mut self) -> OwnedValue {
        simd_json::to_owned_value(&mut self.text().await.to_vec()).unwrap()
    }

    /// The next message, which must be of this type.
    pub(crate) async fn expect(&mut self, name: &str) -> OwnedValue {
        let message = self.message().await;
        assert_eq!(message.get_str("type"), Some(name), "{message}");
        message
    }

    /// The cursors of the next events.
    pub(crate) async fn cursors(&mut self, count: usize) -> Vec<i64> {
        let mut cursors = Vec::new();
        while cursors.len() < count {
            cursors.push(self.expect("event").await.get_i64("cursor").unwrap());
        }
        cursors
    }

    /// The close frame that comes next, behind whatever else.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            match self.hear().await {
                Some(Incoming::Close(close)) => return close,
                Some(_) => {}
                None => panic!("hung up without a close frame"),
            }
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.send_raw(|key, out| masked::text(text.as_bytes(), key, out))
            .await;
    }

    pub(crate) async fn send_raw(&mut self, write: impl FnOnce([u8; 4], &mut Vec<u8>)) {
        let mut bytes = Vec::new();
        write([1, 2, 3, 4], &mut bytes);
        self.stream.write_all(&bytes).await.unwrap();
    }
}
