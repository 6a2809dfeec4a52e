//! How the command line talks to a server: one HTTP/1.1 connection, or a WebSocket on it.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    AUTHORIZATION, CONNECTION, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::http::request::Builder;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use todoki_codec::frame::encode::masked;
use todoki_codec::frame::{CloseFrame, Decoder, FrameError, Incoming, Limits, Role};
use todoki_codec::limits::{BODY_BYTES, DRAFT_BYTES};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config;

/// A server that does not answer the connection within this is not there.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Read at once: many events of a replay.
const READ_BYTES: usize = 64 << 10;

/// A refusal is a small JSON object.
const REFUSAL_BYTES: usize = 64 << 10;

/// Why the server could not be asked, or refused.
#[derive(Debug)]
pub(super) enum ClientError {
    Url(String),
    Unreachable {
        url: String,
        error: io::Error,
    },
    Broken(String),
    /// What answers does not speak HTTP, or what was asked cannot be said in it.
    Senseless(String),
    Refused {
        status: StatusCode,
        code: String,
        detail: String,
    },
}

impl ClientError {
    /// Whether the same request may succeed a little later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Url(_) | Self::Senseless(_) => false,
            Self::Unreachable { .. } | Self::Broken(_) => true,
            Self::Refused { status, .. } => {
                *status == StatusCode::SERVICE_UNAVAILABLE
                    || *status == StatusCode::TOO_MANY_REQUESTS
            }
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(
                f,
                "{url:?} is not the address of a server; it looks like http://127.0.0.1:3000"
            ),
            Self::Unreachable { url, error } => write!(
                f,
                "no server answers at {url} ({error}); start one with `todoki serve`, or name another with --url"
            ),
            Self::Broken(what) => write!(f, "the connection broke: {what}"),
            Self::Senseless(what) => write!(
                f,
                "{what}; check --url and --token: is it the address of a Todoki server?"
            ),
            Self::Refused {
                status,
                code,
                detail,
            } if *status == StatusCode::UNAUTHORIZED => write!(
                f,
                "the server refused the token ({code}): {detail}. Set --token or TODOKI_TOKEN, or run this where the \
                 server's data directory is"
            ),
            Self::Refused {
                status,
                code,
                detail,
            } => write!(f, "the server answered {status} ({code}): {detail}"),
        }
    }
}

impl std::error::Error for ClientError {}

fn broken(error: impl fmt::Display) -> ClientError {
    ClientError::Broken(error.to_string())
}

fn senseless(error: impl fmt::Display) -> ClientError {
    ClientError::Senseless(error.to_string())
}

/// Bytes that are no HTTP will not be next time either; everything else may pass.
fn http(error: hyper::Error) -> ClientError {
    if error.is_parse() {
        senseless(error)
    } else {
        broken(error)
    }
}

/// A server's address, and the token for it.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    url: String,
    authority: String,
    token: Option<String>,
}

pub(super) type Connection = SendRequest<Full<Bytes>>;

impl Remote {
    pub(super) fn new(client: &config::Client) -> Result<Self, ClientError> {
        let bad = || ClientError::Url(client.url.clone());
        let uri: Uri = client.url.parse().map_err(|_| bad())?;
        let is_plain =
            uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
        let authority = uri.authority().filter(|_| is_plain).ok_or_else(bad)?;
        Ok(Self {
            url: client.url.clone(),
            authority: authority.to_string(),
            token: client.token(),
        })
    }

    pub(super) async fn connect(&self) -> Result<Connection, ClientError> {
        let unreachable = |error| ClientError::Unreachable {
            url: self.url.clone(),
            error,
        };
        let has_port = self
            .authority
            .rsplit(':')
            .next()
            .is_some_and(|port| port.parse::<u16>().is_ok());
        let address = if has_port {
            self.authority.clone()
        } else {
            format!("{}:80", self.authority)
        };
        let stream = tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(address))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // Its failure shows at the request that it fails.
        tokio::spawn(async move { connection.with_upgrades().await.ok() });
        Ok(sender)
    }

    pub(super) fn request(&self, target: &str) -> Builder {
        let builder = Request::builder().uri(target).header(HOST, &self.authority);
        match &self.token {
            Some(token) => builder.header(AUTHORIZATION, format!("Bearer {token}")),
            None => builder,
        }
    }

    /// The body of a successful answer.
    pub(super) async fn fetch(
        &self,
        connection: &mut Connection,
        request: Request<Full<Bytes>>,
    ) -> Result<Bytes, ClientError> {
        connection.ready().await.map_err(broken)?;
        let response = connection.send_request(request).await.map_err(http)?;
        let response = refused_or(response, StatusCode::OK).await?;
        let body = http_body_util::Limited::new(response.into_body(), BODY_BYTES + DRAFT_BYTES);
        Ok(body.collect().await.map_err(broken)?.to_bytes())
    }

    /// A WebSocket on `/ws/event-bus`.
    pub(super) async fn subscribe(&self, query: &str) -> Result<WebSocket, ClientError> {
        let mut connection = self.connect().await?;
        let request = self
            .request(&format!("/ws/event-bus?{query}"))
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, fastwebsockets::handshake::generate_key())
            .body(Full::default())
            .map_err(senseless)?;
        let response = connection.send_request(request).await.map_err(http)?;
        let response = refused_or(response, StatusCode::SWITCHING_PROTOCOLS).await?;
        let upgraded = hyper::upgrade::on(response).await.map_err(broken)?;
        Ok(WebSocket {
            socket: TokioIo::new(upgraded),
            decoder: Decoder::new(
                Role::Client,
                Limits {
                    frame_bytes: BODY_BYTES,
                    message_bytes: BODY_BYTES,
                    fragments: 1,
                },
            ),
            inbox: BytesMut::new(),
            closed: None,
        })
    }
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

async fn refused_or(
    response: Response<hyper::body::Incoming>,
    expected: StatusCode,
) -> Result<Response<hyper::body::Incoming>, ClientError> {
    let status = response.status();
    if status == expected {
        return Ok(response);
    }
    let body = http_body_util::Limited::new(response.into_body(), REFUSAL_BYTES);
    let mut body = body.collect().await.map_err(broken)?.to_bytes().to_vec();
    let problem = simd_json::serde::from_slice::<Problem>(&mut body).unwrap_or_else(|_| Problem {
        code: "unknown".into(),
        detail: "it does not seem to be a Todoki server".into(),
    });
    Err(ClientError::Refused {
        status,
        code: problem.code,
        detail: problem.detail,
    })
}

/// The client side of a subscription.
pub(super) struct WebSocket {
    socket: TokioIo<Upgraded>,
    decoder: Decoder,
    inbox: BytesMut,
    /// Set once the server has closed; handed out behind the messages before it.
    closed: Option<Heard>,
}

/// What a read of the WebSocket gave.
pub(super) enum Heard {
    /// Text messages, in order; at least one.
    Texts(Vec<Bytes>),
    /// The server closed.
    Closed(Option<CloseFrame>),
}

impl WebSocket {
    /// Waits for the next messages. Pings are answered on the way.
    pub(super) async fn hear(&mut self) -> Result<Heard, ClientError> {
        loop {
            let (texts, answers) = self.decode().map_err(broken)?;
            if !answers.is_empty() {
                self.socket.write_all(&answers).await.map_err(broken)?;
            }
            if !texts.is_empty() {
                return Ok(Heard::Texts(texts));
            }
            if let Some(closed) = self.closed.take() {
                return Ok(closed);
            }
            self.inbox.reserve(READ_BYTES);
            if self
                .socket
                .read_buf(&mut self.inbox)
                .await
                .map_err(broken)?
                == 0
            {
                return Err(broken("the server went away"));
            }
        }
    }

    /// The texts that have arrived, and the frames that answer what else has.
    fn decode(&mut self) -> Result<(Vec<Bytes>, Vec<u8>), FrameError> {
        let (mut texts, mut answers) = (Vec::new(), Vec::new());
        while let Some(incoming) = self.decoder.decode(&mut self.inbox)? {
            match incoming {
                Incoming::Text { bytes, .. } => texts.push(bytes),
                Incoming::Ping(payload) => masked::pong(&payload, mask(), &mut answers),
                Incoming::Close(close) => self.closed = Some(Heard::Closed(close)),
                Incoming::Binary { .. } | Incoming::Pong(_) => {}
            }
        }
        Ok((texts, answers))
    }
}

/// RFC 6455 §5.3 wants masks that the other side cannot foresee.
fn mask() -> [u8; 4] {
    let mut key = [0; 4];
    // Without randomness the mask is merely foreseeable, which harms only broken proxies.
    getrandom::fill(&mut key).ok();
    key
}
