//! A client's stream: a socket, plain or with TLS in it.
//!
//! On its shard nothing ever waits for one client, so TLS is done here by hand, without a task of its own: what is said is
//! encrypted at once and sent as far as the socket takes it. What it does not take stays here, one write's worth at most,
//! and nothing more is taken until it has left.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

use rustls::ServerConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Taken and encrypted at once: two records, so that a system call carries about as much as the kernel may hold unsent,
/// and a client that takes nothing keeps no more than this of our memory.
const WRITE_BYTES: usize = 32 << 10;

/// After our side has ended, read so much in search of the client's end, and no more: what clients have on their way.
pub(super) const CLOSE_BYTES: usize = 1 << 20;

/// Read at once of what nobody looks at any more.
const FAREWELL_BYTES: usize = 16 << 10;

/// See the [module](self).
#[derive(Debug)]
pub enum Stream {
    /// The socket as it is.
    Plain(TcpStream),
    /// TLS in it. In a box: most streams are plain, and have no use for its size.
    Tls(Box<TlsStream>),
}

/// A socket with TLS in it.
#[derive(Debug)]
pub struct TlsStream {
    socket: TcpStream,
    session: RefCell<ServerConnection>,
    /// Whether there may be something to read that the socket does not know of: it was read and is not handed out yet.
    has_more: Cell<bool>,
}

/// A stream between two runtimes.
#[derive(Debug)]
pub struct Detached {
    socket: std::net::TcpStream,
    session: Option<Box<ServerConnection>>,
}

impl From<std::net::TcpStream> for Detached {
    fn from(socket: std::net::TcpStream) -> Self {
        Self {
            socket,
            session: None,
        }
    }
}

impl Detached {
    /// The stream, on the runtime of this thread from now on.
    pub fn attach(self) -> io::Result<Stream> {
        let socket = TcpStream::from_std(self.socket)?;
        Ok(Stream::new(socket, self.session.map(|session| *session)))
    }
}

impl Stream {
    /// A stream over this socket, whose handshake is done if it has TLS in it.
    pub fn new(socket: TcpStream, session: Option<ServerConnection>) -> Self {
        match session {
            None => Self::Plain(socket),
            Some(session) => Self::Tls(Box::new(TlsStream {
                socket,
                session: RefCell::new(session),
                has_more: Cell::new(true),
            })),
        }
    }

    /// Takes it off this thread's runtime.
    pub fn detach(self) -> io::Result<Detached> {
        let (socket, session) = match self {
            Self::Plain(socket) => (socket, None),
            Self::Tls(stream) => (stream.socket, Some(Box::new(stream.session.into_inner()))),
        };
        Ok(Detached {
            socket: socket.into_std()?,
            session,
        })
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.socket,
        }
    }

    /// The socket, if what is written to it is what the client gets.
    pub(super) fn plain(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Plain(socket) => Some(socket.as_fd()),
            Self::Tls(_) => None,
        }
    }

    /// Writes some, or fails with `WouldBlock`. What was taken may be on its way still, see [`Stream::has_unsent`].
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.try_write(bytes),
            Self::Tls(stream) => stream.try_write(bytes),
        }
    }

    /// Reads some, or fails with `WouldBlock`; 0 is the end.
    pub(super) fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.try_read(room),
            Self::Tls(stream) => stream.try_read(room),
        }
    }

    /// Whether something that was taken waits for room in the socket.
    pub(super) fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.session.borrow().wants_write(),
        }
    }

    /// Sends some of what waits, or fails with `WouldBlock`.
    pub(super) fn try_send(&self) -> io::Result<usize> {
        match self {
            Self::Plain(_) => Ok(0),
            Self::Tls(stream) => stream.send(&mut stream.session.borrow_mut()),
        }
    }

    /// Whether there is more to read at once, beyond what one reading takes.
    pub(super) fn has_more(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.has_more.get(),
        }
    }

    /// Ready when reading makes sense.
    pub(super) fn poll_read_ready(&self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tls(stream) if stream.has_more.get() => Poll::Ready(Ok(())),
            _ => self.socket().poll_read_ready(task),
        }
    }

    /// Ready when writing, or sending what waits, makes sense.
    pub(super) fn poll_write_ready(&self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_write_ready(task)
    }

    /// Writes all of it, and waits until the socket has taken it.
    pub(super) async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.room().await?,
                Err(error) => return Err(error),
            }
        }
        self.flush().await
    }

    /// Ends our side and reads until the client has ended its own: closing on unread bytes would reset the connection,
    /// and what was said last with it (RFC 9112 §9.6 describes the same for HTTP).
    pub(super) async fn leave(&mut self) -> io::Result<()> {
        if let Self::Tls(stream) = self {
            stream.session.get_mut().send_close_notify();
        }
        self.flush().await?;
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &mut stream.socket,
        };
        socket.shutdown().await?;
        // Whatever it is, it comes too late to be understood.
        let mut unread = vec![0; FAREWELL_BYTES];
        let mut unwanted = socket.take(CLOSE_BYTES as u64);
        while unwanted.read(&mut unread).await? > 0 {}
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        while self.has_unsent() {
            match self.try_send() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.room().await?,
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    async fn room(&mut self) -> io::Result<()> {
        // Moved in, since a shared stream could not wait on a runtime of several threads.
        poll_fn(move |task| self.poll_write_ready(task)).await
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
    }
}

impl TlsStream {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut session = self.session.borrow_mut();
        if session.wants_write() {
            self.send(&mut session)?;
            if session.wants_write() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        let most = bytes.len().min(WRITE_BYTES);
        let taken = session.writer().write(&bytes[..most])?;
        match self.send(&mut session) {
            // It is ours now, and leaves when there is room.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    /// Sends what is encrypted as far as the socket takes it; `WouldBlock` when it takes nothing.
    fn send(&self, session: &mut ServerConnection) -> io::Result<usize> {
        let mut sent = 0;
        while session.wants_write() {
            match session.write_tls(&mut Socket(&self.socket)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && sent > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
        let mut session = self.session.borrow_mut();
        let (mut filled, mut received) = (0, 0);
        self.has_more.set(true);
        while filled < room.len() {
            match session.reader().read(&mut room[filled..]) {
                // Said to be the end, or cut off: to whoever reads frames, the same.
                Ok(0) => break,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Ok(bytes) => {
                    filled += bytes;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            // A record may hold a single byte, and costs as much as one that is full: others wait for no more of them.
            if filled > 0 && received >= room.len() {
                break;
            }
            match self.receive(&mut session) {
                Ok(bytes) => received += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.has_more.set(false);
                    return if filled > 0 { Ok(filled) } else { Err(error) };
                }
                // It is found again by the next read.
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Takes in some of what the socket has, and says how many bytes that was.
    fn receive(&self, session: &mut ServerConnection) -> io::Result<usize> {
        let received = session.read_tls(&mut Socket(&self.socket))?;
        let processed = session.process_new_packets();
        if session.wants_write() {
            // An alert that says what is wrong, or the answer to a change of keys: what does not leave now leaves before
            // the next write.
            self.send(session).ok();
        }
        match processed {
            Ok(_) => Ok(received),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
}

/// The socket as rustls wants it.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(room)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ClientConnection, ServerConfig};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A stream with TLS in it, and its client's side.
    async fn secure() -> (Stream, std::net::TcpStream, ClientConnection) {
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/keys");
        let certificate = keys.join("localhost.cert.pem");
        let shown = CertificateDer::from_pem_file(&certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(keys.join("localhost.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![shown], key);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shaking = tokio::task::spawn_blocking(move || {
            let config = Arc::new(crate::tls::pinned_to(&certificate).unwrap());
            let name = "localhost".try_into().unwrap();
            let mut session = ClientConnection::new(config, name).unwrap();
            let mut socket = std::net::TcpStream::connect(address).unwrap();
            while session.is_handshaking() || session.wants_write() {
                session.complete_io(&mut socket).unwrap();
            }
            (socket, session)
        });
        let (socket, _) = listener.accept().await.unwrap();
        let accepted = TlsAcceptor::from(Arc::new(config.unwrap())).accept(socket);
        let (socket, session) = accepted.await.unwrap().into_inner();
        let (client, client_session) = shaking.await.unwrap();
        (Stream::new(socket, Some(session)), client, client_session)
    }

    #[tokio::test]
    async fn one_reading_takes_in_no_more_than_it_has_room_for_however_little_is_in_it() {
        const RECORDS: usize = 4_000;
        /// A header, a byte, its type and a tag (RFC 8446 §5.2).
        const RECORD_BYTES: usize = 5 + 1 + 1 + 16;
        /// What is taken in at once of a socket.
        const PIECE: usize = 4 << 10;
        let (stream, mut socket, mut session) = secure().await;
        let sending = tokio::task::spawn_blocking(move || {
            let mut records = Vec::new();
            for _ in 0..RECORDS {
                session.writer().write_all(b"x").unwrap();
                session.write_tls(&mut records).unwrap();
            }
            socket.write_all(&records).unwrap();
            socket
        });
        let _open = sending.await.unwrap();
        let mut room = vec![0; 16 << 10];
        let (mut read, mut most) = (0, 0);
        while read < RECORDS {
            poll_fn(|task| stream.poll_read_ready(task)).await.unwrap();
            match stream.try_read(&mut room) {
                Ok(bytes) => {
                    assert_ne!(bytes, 0, "the client is still there");
                    (read, most) = (read + bytes, most.max(bytes));
                }
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert!(most <= (room.len() + PIECE) / RECORD_BYTES, "{most}");
    }

    #[test]
    fn a_plain_stream_is_no_larger_for_what_tls_would_need() {
        assert_eq!(size_of::<Stream>(), size_of::<TcpStream>());
    }
}
