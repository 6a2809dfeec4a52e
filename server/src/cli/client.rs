//! How the command line talks to a server: one HTTP/1.1 connection, over TLS or not, or a WebSocket on it.

use std::fmt;
use std::io;
use std::mem::{self, Discriminant};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    AUTHORIZATION, CONNECTION, HOST, HeaderMap, RETRY_AFTER, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::http::request::Builder;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use todoki_codec::frame::encode::masked;
use todoki_codec::frame::{CloseFrame, Decoder, FrameError, Incoming, Limits, Role};
use todoki_codec::limits::{BODY_BYTES, DRAFT_BYTES};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config;
use crate::reply::RATE_LIMIT_POLICY;
use crate::tls::{self, TrustError};

/// A server that does not answer the connection within this is not there.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Read at once: many events of a replay.
const READ_BYTES: usize = 64 << 10;

/// A refusal is a small JSON object.
const REFUSAL_BYTES: usize = 64 << 10;

/// A server that asks for a longer wait is not asked again: limits per minute are over within this, those per day are not,
/// and whoever looks at the terminal would take the silence for a program that hangs.
const WAIT_LONGEST: Duration = Duration::from_mins(5);

/// Why the server could not be asked, or refused.
#[derive(Debug)]
pub(super) enum ClientError {
    Url(String),
    Unreachable {
        url: String,
        error: io::Error,
    },
    /// There is nobody to trust.
    Trust(TrustError),
    /// What the server shows is not trusted, or it does not speak TLS.
    Insecure {
        url: String,
        cause: String,
    },
    Broken(String),
    /// What answers does not speak HTTP, or what was asked cannot be said in it.
    Senseless(String),
    Refused {
        status: StatusCode,
        code: String,
        detail: String,
        /// The limit that it is over, if it is one.
        limit: Option<String>,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
    },
}

impl ClientError {
    /// How long to wait before the same request is made again: as long as the server asks, but never less than `backoff`.
    /// The error itself if it stays, or if the server asks for longer than anybody should wait unasked.
    pub(super) fn wait(self, backoff: Duration) -> Result<(Duration, Self), Self> {
        if !self.is_transient() || self.is_too_long() {
            return Err(self);
        }
        let wait = self.retry_after().unwrap_or_default().max(backoff);
        Ok((wait, self))
    }

    /// What tells it from other reasons, whatever figures are in its text.
    pub(super) fn reason(&self) -> Reason {
        let (code, limit) = match self {
            Self::Refused { code, limit, .. } => (code.clone(), limit.clone()),
            _ => Default::default(),
        };
        (mem::discriminant(self), code, limit)
    }

    /// Whether there is a limit that it is over: the server is there, and takes only so much.
    pub(super) fn is_limited(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::TOO_MANY_REQUESTS)
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    fn is_too_long(&self) -> bool {
        self.retry_after().is_some_and(|wait| wait > WAIT_LONGEST)
    }

    /// Whether the same request may succeed a little later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Url(_) | Self::Senseless(_) | Self::Trust(_) | Self::Insecure { .. } => false,
            Self::Unreachable { .. } | Self::Broken(_) => true,
            Self::Refused { status, .. } => {
                *status == StatusCode::SERVICE_UNAVAILABLE
                    || *status == StatusCode::TOO_MANY_REQUESTS
            }
        }
    }
}

/// What errors of the same cause have in common: their variant, and of a refusal its code and the limit.
pub(super) type Reason = (Discriminant<ClientError>, String, Option<String>);

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(
                f,
                "{url:?} is not the address of a server; it looks like http://127.0.0.1:3000 or \
                 https://todoki.example.org"
            ),
            Self::Unreachable { url, error } => write!(
                f,
                "no server answers at {url} ({error}); start one with `todoki serve`, or name another with --url"
            ),
            Self::Trust(error) => error.fmt(f),
            Self::Insecure { url, cause } => write!(f, "no secure connection to {url}: {cause}"),
            Self::Broken(what) => write!(f, "the connection broke: {what}"),
            Self::Senseless(what) => write!(
                f,
                "{what}; check --url and --token: is it the address of a Todoki server?"
            ),
            Self::Refused {
                status,
                code,
                detail,
                ..
            } if *status == StatusCode::UNAUTHORIZED => write!(
                f,
                "the server does not take the token ({code}): {detail}. It may be mistyped, expired or revoked: name \
                 another with --token or TODOKI_TOKEN. Without them the one that the server generated is sent, if this \
                 runs where its data directory is"
            ),
            Self::Refused { code, detail, .. } if code == "forbidden" => write!(
                f,
                "the server takes the token, but not for this ({code}): {detail}. `todoki token inspect --auth FILE` says \
                 what it is for; to read what is stored, `tail --cursor` and `replay` need both read and replay"
            ),
            Self::Refused {
                status,
                code,
                detail,
                limit,
                ..
            } => {
                write!(f, "the server answered {status} ({code}): {detail}")?;
                if !self.is_too_long() {
                    return Ok(());
                }
                f.write_str(". That is too long to wait for: run it again then")?;
                match limit {
                    Some(limit) => write!(
                        f,
                        ", or ask whoever runs the server to raise the limit, with `todoki serve --limit {limit}=…`"
                    ),
                    None => Ok(()),
                }
            }
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
#[derive(Clone)]
pub(super) struct Remote {
    url: String,
    authority: String,
    /// Where to connect.
    address: String,
    /// With TLS, whom to trust, and the name that the certificate must have.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    token: Option<String>,
}

pub(super) type Connection = SendRequest<Full<Bytes>>;

impl Remote {
    pub(super) fn new(client: &config::Client) -> Result<Self, ClientError> {
        let bad = || ClientError::Url(client.url.clone());
        let uri: Uri = client.url.parse().map_err(|_| bad())?;
        let port = match uri.scheme_str() {
            Some("http") => 80,
            Some("https") => 443,
            _ => return Err(bad()),
        };
        let is_root = uri.path() == "/" && uri.query().is_none();
        let authority = uri.authority().filter(|_| is_root).ok_or_else(bad)?;
        let port = authority.port_u16().unwrap_or(port);
        let tls = match uri.scheme_str() {
            Some("https") => {
                let host = authority.host().trim_matches(['[', ']']).to_owned();
                let name = ServerName::try_from(host).map_err(|_| bad())?;
                let roots = tls::roots(client.ca.as_deref()).map_err(ClientError::Trust)?;
                Some((TlsConnector::from(Arc::new(tls::trusting(roots))), name))
            }
            _ => None,
        };
        Ok(Self {
            url: client.url.clone(),
            authority: authority.to_string(),
            address: format!("{}:{port}", authority.host()),
            tls,
            token: client.token(),
        })
    }

    /// Believes a server of this machine if it shows the certificate of this file, whatever the name.
    pub(super) fn pinned(client: &config::Client, certificate: &Path) -> Result<Self, ClientError> {
        let plain = Self::new(client)?;
        let config = tls::pinned_to(certificate).map_err(ClientError::Trust)?;
        let name = ServerName::try_from("localhost").map_err(senseless)?;
        Ok(Self {
            url: plain.url.replacen("http://", "https://", 1),
            tls: Some((TlsConnector::from(Arc::new(config)), name)),
            ..plain
        })
    }

    pub(super) async fn connect(&self) -> Result<Connection, ClientError> {
        let unreachable = |error| ClientError::Unreachable {
            url: self.url.clone(),
            error,
        };
        let stream = in_time(TcpStream::connect(&self.address))
            .await
            .map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let Some((tls, name)) = &self.tls else {
            return speak(stream).await;
        };
        let stream = in_time(tls.connect(name.clone(), stream))
            .await
            .map_err(|error| self.insecure(error))?;
        speak(stream).await
    }

    /// What became of the handshake: what is wrong with a certificate stays wrong, everything else may pass.
    fn insecure(&self, error: io::Error) -> ClientError {
        let url = self.url.clone();
        let tls_error = error
            .get_ref()
            .and_then(|cause| cause.downcast_ref::<rustls::Error>());
        match tls_error {
            Some(cause) => ClientError::Insecure {
                cause: explained(cause),
                url,
            },
            None => ClientError::Unreachable { url, error },
        }
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

async fn in_time<T>(connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(CONNECT_DEADLINE, connecting)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// HTTP on this stream.
async fn speak<S>(stream: S) -> Result<Connection, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // Its failure shows at the request that it fails.
    tokio::spawn(async move { connection.with_upgrades().await.ok() });
    Ok(sender)
}

/// What is wrong with the other side, and what to do about it.
fn explained(error: &rustls::Error) -> String {
    use rustls::CertificateError as Certificate;
    use rustls::Error::{InvalidCertificate, InvalidMessage};
    match error {
        InvalidCertificate(cause) => match cause {
            // A signature that fails is that of a namesake.
            Certificate::UnknownIssuer
            | Certificate::BadSignature
            | Certificate::UnsupportedSignatureAlgorithmContext { .. }
            | Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                "nobody that is trusted here has signed its certificate; name the one who has with --ca or TODOKI_CA".into()
            }
            Certificate::Other(_) if error.to_string().contains("CaUsedAsEndEntity") => {
                "its certificate is one for signing others; make one for a server, with basicConstraints=critical,CA:FALSE"
                    .into()
            }
            Certificate::Expired | Certificate::ExpiredContext { .. } => {
                format!("its certificate has expired, or the clock here is ahead ({cause}); renew it on the server")
            }
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                format!("its certificate is not valid yet, or the clock here is behind ({cause})")
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                format!("its certificate is for other names ({cause}); call the server by one of them in --url")
            }
            Certificate::ApplicationVerificationFailure => {
                "it shows another certificate than the file has".into()
            }
            cause => format!("its certificate is not valid: {cause}"),
        },
        InvalidMessage(_) => "what answers there does not speak TLS; does --url begin with http:// instead?".into(),
        error => error.to_string(),
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
    let (limit, retry_after) = (limit(response.headers()), retry_after(response.headers()));
    let body = http_body_util::Limited::new(response.into_body(), REFUSAL_BYTES);
    let mut body = body.collect().await.map_err(broken)?.to_bytes().to_vec();
    let problem = simd_json::serde::from_slice::<Problem>(&mut body).unwrap_or_else(|_| Problem {
        code: "unknown".into(),
        detail: match status {
            // Who is turned away before a request is read is given no body.
            StatusCode::TOO_MANY_REQUESTS => "too many connections come from here",
            StatusCode::SERVICE_UNAVAILABLE => "it has more connections than it can serve",
            _ => "it does not seem to be a Todoki server",
        }
        .into(),
    });
    Err(ClientError::Refused {
        status,
        code: problem.code,
        detail: problem.detail,
        limit,
        retry_after,
    })
}

/// Of the two forms only that in seconds, which is the one that Todoki uses (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The name of the policy that the request is over.
fn limit(headers: &HeaderMap) -> Option<String> {
    let policy = headers.get(RATE_LIMIT_POLICY)?.to_str().ok()?;
    Some(policy.split('"').nth(1)?.to_owned())
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
