//! Accepts connections, and bounds them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::listen;
use crate::log::Log;
use crate::route::App;

/// Connections that the kernel queues while we are busy: a storm of reconnects after a restart.
const BACKLOG: u32 = 4096;

/// Out of descriptors or memory: wait so long for some connection to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Counts a connection for as long as a clone of it lives.
pub type Permit = Arc<OwnedSemaphorePermit>;

/// Binds the address.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() {
        TcpSocket::new_v6()?
    } else {
        TcpSocket::new_v4()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts until the server stops; never ends for a failure that may pass.
pub async fn accept<L: Log>(listener: TcpListener, app: Arc<App<L>>, max_connections: usize) {
    let permits = Arc::new(Semaphore::new(max_connections));
    let stop = app.stop.clone();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => {
                if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
                    app.tasks.spawn(listen::serve(
                        Arc::clone(&app),
                        stream,
                        peer,
                        Arc::new(permit),
                    ));
                } else {
                    app.traffic.refused_connections.add(1);
                    turn_away(&stream, max_connections);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Says why, if the socket takes it at once; a storm must not cost a task for each connection.
fn turn_away(stream: &TcpStream, max_connections: usize) {
    tracing::warn!(max_connections, "too many connections");
    let refusal = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    // It is full or gone; either way the connection ends.
    stream.try_write(refusal.as_bytes()).ok();
}
