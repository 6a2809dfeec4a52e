//! TLS for clients: the handshake, and a certificate that is replaced while connections go on.
//!
//! A connection keeps the keys that it began with, so a new certificate needs no connection to end: it is shown to those
//! that come from then on. A pair of files that cannot be used is refused in one line of the log, and the one before stays
//! in force.

mod certificate;
mod error;
mod pinned;
mod trust;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert, ServerConnection};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use certificate::{Content, Pair};
pub use certificate::{Facts, Standing};
pub use error::TlsError;
pub use pinned::pinned_to;
pub use trust::{TrustError, roots, trusting};

use crate::clock;

/// The one protocol that is spoken inside (RFC 7301).
const ALPN: &[u8] = b"http/1.1";

/// How often the files are looked at: a new certificate is in force about a second after it was put there.
const LOOK: Duration = Duration::from_secs(1);

/// How often an operator is reminded of a certificate that ends soon, or has ended.
const REMINDER: Duration = Duration::from_hours(24);

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate in PEM, and behind it those that lead to one that clients trust.
    pub certificate: PathBuf,
    /// Its key in PEM, without a password.
    pub key: PathBuf,
}

/// See the [module](self).
pub struct Tls {
    files: Files,
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
    seen: Mutex<Seen>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// What whoever comes now is shown.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Nothing can panic between lock and unlock, and the pair inside is whole at any time.
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&shown))
    }
}

/// The last look at the files.
#[derive(Debug)]
struct Seen {
    /// What was there; nothing, when they could not be read.
    content: Option<[u8; 32]>,
    /// Whether it was taken, or the log says why not.
    is_settled: bool,
    /// Of the certificate in force.
    facts: Facts,
}

/// What a client began with.
#[derive(Debug)]
pub enum Began {
    /// A handshake, which is done.
    Tls(Box<TlsStream<TcpStream>>),
    /// HTTP in the clear: it is to be told so, in the clear.
    Plain(TcpStream),
}

impl Tls {
    /// Takes the certificate and the key of these files.
    pub fn open(files: Files) -> Result<Self, TlsError> {
        let content = Content::read(&files)?;
        let pair = Pair::parse(&files, &content)?;
        let shown = Arc::new(Shown(RwLock::new(pair.key)));
        let config = server_config(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>)?;
        Ok(Self {
            files,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            shown,
            seen: Mutex::new(Seen {
                content: Some(content.digest()),
                is_settled: true,
                facts: pair.facts,
            }),
        })
    }

    /// What the certificate in force says of itself.
    pub fn facts(&self) -> Facts {
        self.seen().facts.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Whatever panicked, what was seen was seen.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the handshake with a client, whose first byte says whether it means to have one.
    pub async fn shake(&self, stream: TcpStream, deadline: Duration) -> io::Result<Began> {
        let shaking = async {
            let mut first = [0];
            if stream.peek(&mut first).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // A method of HTTP begins with a letter; a record of TLS never does, and other garbage is told by an alert.
            if first[0].is_ascii_uppercase() {
                return Ok(Began::Plain(stream));
            }
            let stream = self.acceptor.accept(stream).await?;
            Ok(Began::Tls(Box::new(stream)))
        };
        tokio::time::timeout(deadline, shaking)
            .await
            .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Takes a new pair when there is one. A pair that cannot be used is looked at once more before it is refused: the two
    /// files are rarely written in the same instant. Who `asked` is told at once.
    fn look(&self, asked: bool) {
        let read = Content::read(&self.files);
        let content = read.as_ref().ok().map(Content::digest);
        let mut seen = self.seen();
        let is_new = seen.content != content;
        if !is_new && seen.is_settled && !asked {
            return;
        }
        seen.content = content;
        match read.and_then(|content| Pair::parse(&self.files, &content)) {
            Ok(pair) => {
                seen.is_settled = true;
                tracing::info!(certificate = %pair.facts, "the certificate is in force");
                pair.facts.warn(&self.files.certificate);
                *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = pair.key;
                seen.facts = pair.facts;
            }
            Err(error) => {
                seen.is_settled = asked || !is_new;
                if seen.is_settled {
                    tracing::warn!(%error, "the new certificate is refused; the one before stays in force");
                }
            }
        }
    }

    /// Looks at the files again and again, and at once on SIGHUP; for ever.
    pub async fn keep(self: Arc<Self>) {
        // Without signals, the files are still looked at.
        self.facts().warn(&self.files.certificate);
        let mut reminded = clock::instant();
        let mut hangup = signal(SignalKind::hangup()).ok();
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(LOOK) => false,
                Some(()) = async { hangup.as_mut()?.recv().await } => true,
            };
            let tls = Arc::clone(&self);
            // A panic in it has been reported, and the next look is another chance.
            tokio::task::spawn_blocking(move || tls.look(asked))
                .await
                .ok();
            if reminded.elapsed() >= REMINDER {
                reminded = clock::instant();
                self.facts().warn(&self.files.certificate);
            }
        }
    }
}

fn server_config(shown: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has what TLS 1.2 and 1.3 need")
        .with_no_client_auth()
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Clients that come back by the thousand after a restart of their network need no signature each, and nothing is
    // kept here for them.
    config.ticketer = ring::Ticketer::new().map_err(TlsError::Tickets)?;
    Ok(config)
}

/// What a connection is served on.
#[derive(Debug)]
pub enum Transport {
    /// As it is.
    Plain(TcpStream),
    /// Inside TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// The socket, and the TLS in it.
    pub fn into_parts(self) -> (TcpStream, Option<ServerConnection>) {
        match self {
            Self::Plain(stream) => (stream, None),
            Self::Tls(stream) => {
                let (stream, session) = stream.into_inner();
                (stream, Some(session))
            }
        }
    }

    /// The socket alone, past any TLS.
    pub fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_mut().0,
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
