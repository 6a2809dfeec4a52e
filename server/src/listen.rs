//! Serves each connection: the TLS handshake where there is one, then HTTP/1.1 until it ends, upgrades or the server drains.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConnection;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use crate::accept::Permit;
use crate::log::Log;
use crate::proxy;
use crate::reply::{Body, Refusal};
use crate::route::{self, App};
use crate::tls::{Began, Transport};

/// Request line and headers.
const HEAD_BYTES: usize = 16 << 10;

/// Headers in one request.
const HEADERS: usize = 64;

/// Bytes that may wait in the kernel unsent, so that a stalled client pins little memory and its lag shows here.
const NOT_SENT_BYTES: u32 = 16 << 10;

/// Sent but not acknowledged for so long: the peer is gone.
const USER_TIMEOUT: Duration = Duration::from_mins(1);

/// A client that still sends when we have said our last may go on for so long, see [`Socket::poll_linger`].
const LINGER: Duration = Duration::from_secs(2);

/// How long a client may take over what others wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// A TLS handshake is done within this: 5 s.
    pub handshake: Duration,
    /// A request head arrives within this, and an idle connection waits no longer for its next: 15 s.
    pub head: Duration,
    /// A body arrives within this, whatever its pace: 30 s, which is 35 KB/s for the largest.
    pub body: Duration,
    /// A client that takes no byte of what it is sent for so long is closed: 10 s. A stream can be resumed, the memory
    /// cannot wait.
    pub write_stall: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            head: Duration::from_secs(15),
            body: Duration::from_secs(30),
            write_stall: Duration::from_secs(10),
        }
    }
}

/// Serves one connection until it ends, upgrades or the server drains.
pub(crate) async fn serve<L: Log>(
    app: Arc<App<L>>,
    stream: TcpStream,
    peer: SocketAddr,
    permit: Permit,
) {
    if let Err(error) = tune(&stream) {
        tracing::debug!(%peer, %error, "socket options");
        return;
    }
    let dawdled = permit.dawdled();
    tokio::select! {
        () = serve_transport(app, stream, peer, permit) => {}
        // Others need its place more.
        () = dawdled.cancelled() => {}
    }
}

async fn serve_transport<L: Log>(
    app: Arc<App<L>>,
    stream: TcpStream,
    peer: SocketAddr,
    permit: Permit,
) {
    let Some(tls) = &app.tls else {
        return serve_requests(app, Transport::Plain(stream), peer, permit).await;
    };
    let shaking = tls.shake(stream, app.deadlines.handshake);
    match Box::pin(app.stop.run_until_cancelled(shaking)).await {
        Some(Ok(Began::Tls(stream))) => {
            serve_requests(app, Transport::Tls(stream), peer, permit).await;
        }
        Some(Ok(Began::Plain(stream))) => {
            refuse_requests(app, Transport::Plain(stream), peer).await;
        }
        Some(Err(error)) => tracing::debug!(%peer, %error, "no TLS handshake"),
        None => {}
    }
}

async fn serve_requests<L: Log>(
    app: Arc<App<L>>,
    transport: Transport,
    peer: SocketAddr,
    permit: Permit,
) {
    let is_secure = matches!(transport, Transport::Tls(_));
    let (stop, deadlines) = (app.stop.clone(), app.deadlines);
    let answer = move |mut request: Request<Incoming>| {
        permit.greet();
        let client = app.proxies.client(peer.ip(), is_secure, request.headers());
        let is_strict = proxy::is_strict(client, request.headers());
        let extensions = request.extensions_mut();
        extensions.insert(Arc::clone(&permit));
        extensions.insert(client);
        let answer = route::answer(Arc::clone(&app), request);
        async move {
            let mut response = answer.await?;
            if is_strict {
                proxy::insist(response.headers_mut());
            }
            Ok(response)
        }
    };
    serve_http(transport, peer, deadlines, stop, answer).await;
}

/// Whoever speaks HTTP in the clear where TLS is spoken is told so by the answer to the first request.
async fn refuse_requests<L: Log>(app: Arc<App<L>>, transport: Transport, peer: SocketAddr) {
    let (stop, deadlines) = (app.stop.clone(), app.deadlines);
    let answer = move |_| {
        app.traffic.refuse(&Refusal::TlsRequired);
        std::future::ready(Ok(Refusal::TlsRequired.response()))
    };
    serve_http(transport, peer, deadlines, stop, answer).await;
}

async fn serve_http<F>(
    transport: Transport,
    peer: SocketAddr,
    deadlines: Deadlines,
    stop: CancellationToken,
    answer: impl Fn(Request<Incoming>) -> F,
) where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(deadlines.head)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .half_close(true)
        .serve_connection(
            TokioIo::new(Socket::new(transport, deadlines.write_stall)),
            service_fn(answer),
        )
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

/// Sets what a client's socket needs: no delay, little unsent in the kernel, and an end when the peer is gone.
pub fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(USER_TIMEOUT))?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_notsent_lowat(NOT_SENT_BYTES)?;
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    }
    Ok(())
}

/// A stream whose writes fail once the peer has taken nothing for so long; hyper has no such deadline.
#[derive(Debug)]
pub struct Socket {
    stream: Transport,
    write_stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    /// Set once our side of the stream has ended.
    lingering: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    fn new(stream: Transport, write_stall: Duration) -> Self {
        Self {
            stream,
            write_stall,
            stalled: None,
            lingering: None,
        }
    }

    /// The socket underneath, and the TLS in it.
    pub fn into_parts(self) -> (TcpStream, Option<ServerConnection>) {
        self.stream.into_parts()
    }

    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(self.write_stall)));
        match stalled.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        }
    }

    /// Reads on until the client ends its side too: closing on unread bytes resets the connection, and most clients
    /// that are still sending would never see what they were answered (RFC 9112 §9.6).
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let lingering = self
            .lingering
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        let mut room = [0; 4 << 10];
        while lingering.as_mut().poll(context).is_pending() {
            let mut unread = ReadBuf::new(&mut room);
            match ready!(Pin::new(self.stream.socket()).poll_read(context, &mut unread)) {
                Ok(()) if !unread.filled().is_empty() => {}
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let ended = Pin::new(&mut self.stream).poll_shutdown(context);
            ready!(self.watch(context, ended))?;
        }
        self.poll_linger(context).map(Ok)
    }
}
