//! A subscriber: the client side of `/ws/event-bus`.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use todoki_codec::frame::encode::masked;
use todoki_codec::frame::{Decoder, Incoming, Limits, Role};
use todoki_codec::limits::BODY_BYTES;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;
use crate::http::{Connection, READ_BYTES};
use crate::server::TOKEN;

/// No proxy is between us and the server, so the mask need not surprise anybody.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A subscription that the server has accepted.
#[derive(Debug)]
pub struct Subscription {
    stream: TcpStream,
    inbox: BytesMut,
    decoder: Decoder,
}

impl Subscription {
    /// Subscribes. The first message to come is `subscribed`.
    pub async fn open(address: SocketAddr, query: &str) -> Outcome<Self> {
        let mut connection = Connection::open(address).await?;
        let request = format!(
            "GET /ws/event-bus?{query} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let head = connection.head(request.as_bytes()).await?;
        if !head.starts_with("HTTP/1.1 101 ") {
            let status = head.lines().next().unwrap_or_default();
            return Err(format!("the subscription was refused: {status}").into());
        }
        let (stream, inbox) = connection.into_parts();
        let limits = Limits {
            frame_bytes: BODY_BYTES,
            message_bytes: BODY_BYTES,
            fragments: 1,
        };
        Ok(Self {
            stream,
            inbox,
            decoder: Decoder::new(Role::Client, limits),
        })
    }

    /// The next text message. Pings are answered on the way.
    pub async fn next(&mut self) -> Outcome<Bytes> {
        loop {
            match self.decoder.decode(&mut self.inbox)? {
                Some(Incoming::Text { bytes, .. }) => return Ok(bytes),
                Some(Incoming::Ping(payload)) => self.pong(&payload).await?,
                Some(Incoming::Close(close)) => {
                    return Err(format!("the server closed: {close:?}").into());
                }
                Some(Incoming::Binary { .. } | Incoming::Pong(_)) => {}
                None => self.read().await?,
            }
        }
    }

    async fn pong(&mut self, payload: &[u8]) -> Outcome<()> {
        let mut answer = Vec::new();
        masked::pong(payload, MASK, &mut answer);
        Ok(self.stream.write_all(&answer).await?)
    }

    async fn read(&mut self) -> Outcome<()> {
        self.inbox.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.inbox).await? {
            0 => Err("the server hung up".into()),
            _ => Ok(()),
        }
    }
}
