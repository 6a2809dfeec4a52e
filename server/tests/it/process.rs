//! The `todoki` program as a process of its own, to be killed.

use std::io;
use std::path::Path;
use std::process::{Output, Stdio};

use bytes::{Bytes, BytesMut};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use todoki_codec::frame::{CloseFrame, Decoder, Incoming, Limits, Role};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::harness::{TOKEN, within};

/// A server process.
pub(crate) struct ServerProcess {
    child: Child,
    pub(crate) url: String,
}

/// The program, with no configuration from the environment.
pub(crate) fn todoki() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_todoki"));
    command.env_clear().kill_on_drop(true);
    command
}

/// Runs a command to its end, with this on its standard input.
pub(crate) async fn fed(command: &mut Command, input: &str) -> Output {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that takes no input, or refuses its flags, does not read.
    stdin.write_all(input.as_bytes()).await.ok();
    drop(stdin);
    within(child.wait_with_output()).await.unwrap()
}

/// What a command has printed.
pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// What a command has said besides.
pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

impl ServerProcess {
    /// Starts a server, and waits until it listens.
    pub(crate) async fn start(data: &Path, listen: &str) -> Self {
        Self::start_with(data, listen, &["--heartbeat", "1s"]).await
    }

    /// The same, with these flags.
    pub(crate) async fn start_with(data: &Path, listen: &str, flags: &[&str]) -> Self {
        let mut child = todoki()
            .args(["serve", "--listen", listen, "--token", TOKEN, "--data-dir"])
            .arg(data)
            .args(flags)
            .env("TODOKI_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = within(lines.next_line())
            .await
            .unwrap()
            .expect("it says where it listens");
        let url = line
            .split_once("listens on ")
            .expect("an address")
            .1
            .to_owned();
        Self { child, url }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Allows the process so many open files from now on.
    pub(crate) fn limit_files(&self, files: u64) {
        let files = Rlimit {
            current: Some(files),
            maximum: Some(files),
        };
        prlimit(Some(self.pid()), Resource::Nofile, files).unwrap();
    }

    /// The most memory that it ever had, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid().as_raw_nonzero());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.unwrap().parse().unwrap()
    }

    fn pid(&self) -> Pid {
        let pid = self.child.id().expect("it runs");
        Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
    }

    /// Kill −9.
    pub(crate) async fn kill(mut self) {
        self.child.start_kill().unwrap();
        within(self.child.wait()).await.unwrap();
    }
}

/// A connection to a server that may be killed at any moment: whatever it breaks is an answer, not a failure.
pub(crate) struct Wire {
    stream: TcpStream,
    inbox: BytesMut,
    decoder: Decoder,
}

impl Wire {
    pub(crate) async fn connect(address: &str) -> io::Result<Self> {
        let limits = Limits {
            frame_bytes: 1 << 20,
            message_bytes: 1 << 20,
            fragments: 1,
        };
        Ok(Self {
            stream: TcpStream::connect(address).await?,
            inbox: BytesMut::new(),
            decoder: Decoder::new(Role::Client, limits),
        })
    }

    /// Emits; the cursors if the whole answer came.
    pub(crate) async fn emit(&mut self, drafts: &str) -> Option<Vec<i64>> {
        let request = format!(
            "POST /api/event-bus/emit HTTP/1.1\r\nHost: it\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{drafts}",
            drafts.len()
        );
        let head = self.ask(&request).await?;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head
            .to_ascii_lowercase()
            .split_once("content-length: ")?
            .1
            .split_once('\r')?
            .0
            .parse()
            .ok()?;
        while self.inbox.len() < length {
            self.read().await?;
        }
        let mut answer = self.inbox.split_to(length).to_vec();
        Some(simd_json::serde::from_slice(&mut answer).unwrap())
    }

    /// Becomes a subscription; the answers are in [`Wire::text`]. The head of the answer, if one came.
    pub(crate) async fn upgrade(&mut self, query: &str) -> Option<String> {
        self.upgrade_with(query, "").await
    }

    /// The same, with an offer of compression.
    pub(crate) async fn upgrade_compressed(&mut self) -> Option<String> {
        self.upgrade_with("", "Sec-WebSocket-Extensions: permessage-deflate\r\n")
            .await
    }

    async fn upgrade_with(&mut self, query: &str, headers: &str) -> Option<String> {
        let request = format!(
            "GET /ws/event-bus?{query} HTTP/1.1\r\nHost: it\r\nAuthorization: Bearer {TOKEN}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        self.ask(&request).await
    }

    /// Sends these bytes, if the server still takes them.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.ok();
    }

    /// What the server closes with, behind whatever else it says; `None` if it hangs up without a word.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            match self.decoder.decode(&mut self.inbox).unwrap() {
                Some(Incoming::Close(close)) => return close,
                Some(_) => {}
                None => self.read().await?,
            }
        }
    }

    /// The next text message, until the server is gone.
    pub(crate) async fn text(&mut self) -> Option<Bytes> {
        loop {
            match self.decoder.decode(&mut self.inbox).unwrap() {
                Some(Incoming::Text { bytes, .. }) => return Some(bytes),
                Some(_) => {}
                None => self.read().await?,
            }
        }
    }

    /// Sends a request; the head of its answer.
    async fn ask(&mut self, request: &str) -> Option<String> {
        self.stream.write_all(request.as_bytes()).await.ok()?;
        loop {
            if let Some(end) = self.inbox.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                return String::from_utf8(self.inbox.split_to(end + 4).to_vec()).ok();
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Option<()> {
        let read = within(self.stream.read_buf(&mut self.inbox)).await.ok()?;
        (read > 0).then_some(())
    }
}
