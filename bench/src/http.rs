//! Just enough of an HTTP/1.1 client: it costs next to nothing, so that the server gets the machine.
//!
//! One request at a time on one connection. Answers must be what our server sends: a status of 200, and a body with a
//! length or in chunks.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Outcome;
use crate::authority::NAME;
use crate::server::TOKEN;

/// Read at once: a large part of a page.
pub(crate) const READ_BYTES: usize = 256 << 10;

/// A connection between requests, on a socket or on what is around one.
#[derive(Debug)]
pub struct Connection<S = TcpStream> {
    stream: S,
    inbox: BytesMut,
}

/// An emit request, to be sent as often as needed.
pub fn emit(content_type: &str, body: &str) -> Bytes {
    let length = body.len();
    format!(
        "POST /api/event-bus/emit HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into()
}

/// A replay request.
pub fn replay(query: &str) -> Bytes {
    format!(
        "POST /api/event-bus/replay?{query} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into()
}

/// A request of what is there.
pub fn get(path: &str) -> Bytes {
    format!("GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\n\r\n").into()
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::on(stream))
    }

    /// The socket, and what was read beyond the last answer.
    pub(crate) fn into_parts(self) -> (TcpStream, BytesMut) {
        (self.stream, self.inbox)
    }
}

impl Connection<TlsStream<TcpStream>> {
    /// Connects inside TLS.
    pub async fn open_secure(address: SocketAddr, config: Arc<ClientConfig>) -> Outcome<Self> {
        let (stream, _) = Connection::open(address).await?.into_parts();
        let name = ServerName::try_from(NAME)?;
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        Ok(Self::on(stream))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn on(stream: S) -> Self {
        Self {
            stream,
            inbox: BytesMut::new(),
        }
    }

    /// Sends a request and returns the body of its answer, which has a length.
    pub async fn send(&mut self, request: &[u8]) -> Outcome<Bytes> {
        let head = self.head(request).await?;
        let length = header(&head, "content-length")
            .and_then(|length| length.parse().ok())
            .ok_or("an answer without a length")?;
        while self.inbox.len() < length {
            self.read().await?;
        }
        let body = self.inbox.split_to(length).freeze();
        succeeded(&head, &body)?;
        Ok(body)
    }

    /// Sends a request and hands the chunks of its answer's body to `take`, in pieces as they come.
    pub async fn stream(
        &mut self,
        request: &[u8],
        mut take: impl FnMut(&[u8]) -> Outcome<()>,
    ) -> Outcome<()> {
        let head = self.head(request).await?;
        succeeded(&head, &self.inbox)?;
        if header(&head, "transfer-encoding") != Some("chunked") {
            return Err("an answer without chunks".into());
        }
        loop {
            let mut left = self.chunk_size().await?;
            if left == 0 {
                self.line().await?;
                return Ok(());
            }
            while left > 0 {
                if self.inbox.is_empty() {
                    self.read().await?;
                }
                let piece = self.inbox.split_to(left.min(self.inbox.len()));
                left -= piece.len();
                take(&piece)?;
            }
            self.line().await?;
        }
    }

    /// Sends a request and reads the head of its answer.
    pub(crate) async fn head(&mut self, request: &[u8]) -> Outcome<String> {
        self.stream.write_all(request).await?;
        loop {
            if let Some(end) = memchr::memmem::find(&self.inbox, b"\r\n\r\n") {
                let head = self.inbox.split_to(end + 4);
                return Ok(String::from_utf8(head.to_vec())?);
            }
            self.read().await?;
        }
    }

    async fn chunk_size(&mut self) -> Outcome<usize> {
        let line = self.line().await?;
        Ok(usize::from_str_radix(&line, 16)?)
    }

    async fn line(&mut self) -> Outcome<String> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.inbox, b"\r\n") {
                let line = self.inbox.split_to(end);
                self.inbox.advance(2);
                return Ok(String::from_utf8(line.to_vec())?);
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Outcome<()> {
        self.inbox.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.inbox).await? {
            0 => Err("the server hung up".into()),
            _ => Ok(()),
        }
    }
}

fn succeeded(head: &str, body: &[u8]) -> Outcome<()> {
    if head.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    let status = head.lines().next().unwrap_or_default();
    Err(format!("{status}: {}", String::from_utf8_lossy(body)).into())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}
