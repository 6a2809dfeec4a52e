//! Many connections from one machine: descriptors, addresses, handshakes.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use super::frames::Frames;
use super::receive::{Framing, Stream};
use crate::Outcome;
use crate::server::TOKEN;
use crate::wire;

/// Connections that leave from one loopback address: Linux gives out some 28,000 ports for each.
const PER_SOURCE: u32 = 20_000;

/// Descriptors besides connections: pipes, logs, the poll.
const OTHER_FILES: u64 = 256;

/// A handshake takes no longer than this, also beside ten thousand others.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest head of an answer to a handshake.
const HEAD_BYTES: usize = 16 << 10;

/// What a handshake comes to.
#[derive(Debug)]
pub struct Start<F> {
    /// How the stream is framed.
    pub framing: F,
    /// What was read behind the handshake.
    pub early: Vec<u8>,
    /// The stream's first event is the one after this cursor.
    pub after: u64,
}

/// How connections are made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tuning {
    /// For the whole receive buffer; the kernel's own choice when absent.
    pub receive_bytes: Option<usize>,
    /// Largest TCP segment; the interface's when absent.
    pub segment_bytes: Option<u32>,
}

/// Makes so many subscribers, one after the other. `handshake` is told which, and is done when nothing that is emitted
/// from then on can be missed.
pub fn subscribers<F: Framing>(
    address: SocketAddr,
    count: u32,
    mut handshake: impl FnMut(u32, &mut TcpStream) -> Outcome<Start<F>>,
) -> Outcome<Vec<Stream<F>>> {
    allow_files(count.into())?;
    (0..count)
        .map(|number| {
            subscriber(address, number, Tuning::default(), |socket| {
                handshake(number, socket)
            })
        })
        .collect()
}

/// Makes one.
pub fn subscriber<F: Framing>(
    address: SocketAddr,
    number: u32,
    tuning: Tuning,
    handshake: impl FnOnce(&mut TcpStream) -> Outcome<Start<F>>,
) -> Outcome<Stream<F>> {
    let mut socket = connect(address, number, tuning)
        .map_err(|error| format!("connection {number} to {address}: {error}"))?;
    let Start {
        framing,
        early,
        after,
    } = handshake(&mut socket)?;
    Stream::new(socket, framing, early, after)
}

/// Lets this process and those that it starts from now on have so many connections.
pub fn allow_files(connections: u64) -> Outcome<()> {
    let needed = connections + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let wanted = Rlimit {
        current: Some(needed),
        maximum: maximum.map(|maximum| maximum.max(needed)),
    };
    setrlimit(Resource::Nofile, wanted).map_err(|error| {
        format!("{connections} connections need {needed} open files: run `ulimit -n {needed}` as root first ({error})")
            .into()
    })
}

fn connect(address: SocketAddr, number: u32, tuning: Tuning) -> Outcome<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if let Some(bytes) = tuning.receive_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = tuning.segment_bytes {
        socket.set_tcp_mss(bytes)?;
    }
    let source = number / PER_SOURCE;
    if source > 0 && address.ip().is_loopback() && address.is_ipv4() {
        let last = u8::try_from(source + 1)?;
        socket.bind(&SocketAddr::from((IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0)).into())?;
    }
    socket.connect_timeout(&address.into(), PATIENCE)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket.into())
}

/// Subscribes at a Todoki server, and waits for `subscribed`.
pub fn subscribe(socket: &mut (impl Read + Write), query: &str) -> Outcome<Start<Frames>> {
    subscribe_as(socket, query, TOKEN)
}

/// The same for who holds this token.
pub fn subscribe_as(
    socket: &mut (impl Read + Write),
    query: &str,
    token: &str,
) -> Outcome<Start<Frames>> {
    let request = format!(
        "GET /ws/event-bus?{query} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let (head, mut early) = answer(socket)?;
    if !head.starts_with("HTTP/1.1 101 ") {
        let status = head.lines().next().unwrap_or_default();
        return Err(format!("the subscription was refused: {status}").into());
    }
    let mut framing = Frames::messages();
    loop {
        let mut after = None;
        // Only the first message is ours; what is behind it stays where it is.
        let done = framing.first(&early, &mut |message| {
            after = wire::member(message, "cursor");
            Ok(())
        })?;
        early.drain(..done);
        if let Some(after) = after {
            return Ok(Start {
                framing: Frames::for_query(query),
                early,
                after,
            });
        }
        more(socket, &mut early)?;
    }
}

/// The head of an answer to a request, and what came behind it.
pub fn answer(socket: &mut impl Read) -> Outcome<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            let early = bytes.split_off(end + 4);
            return Ok((String::from_utf8(bytes)?, early));
        }
        if bytes.len() > HEAD_BYTES {
            return Err(format!("an answer with a head of more than {HEAD_BYTES} bytes").into());
        }
        more(socket, &mut bytes)?;
    }
}

/// Reads some more of a handshake.
pub fn more(socket: &mut impl Read, bytes: &mut Vec<u8>) -> Outcome<()> {
    let mut room = [0; 4 << 10];
    match socket.read(&mut room)? {
        0 => Err("the server hung up during the handshake".into()),
        read => {
            bytes.extend_from_slice(&room[..read]);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn more_connections_than_an_address_has_ports_leave_from_several() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let source = |number| {
            let socket = connect(address, number, Tuning::default()).unwrap();
            socket.local_addr().unwrap().ip().to_string()
        };
        assert_eq!(source(0), "127.0.0.1");
        assert_eq!(source(PER_SOURCE), "127.0.0.2");
    }
}
