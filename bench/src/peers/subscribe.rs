//! How a subscriber of a peer begins, and how its stream is framed from then on.

use std::io::Write;
use std::net::TcpStream;

use todoki_codec::frame::encode::masked;

use super::framing::{Centrifugo, MASK, Nats, PeerFraming, contains};
use crate::Outcome;
use crate::load::connect::{self, Start};
use crate::load::frames::Frames;

/// The longest that a peer says before what we wait for.
const GREETING_BYTES: usize = 64 << 10;

/// `CONNECT` of MQTT 3.1.1: a clean session, no keep-alive (a subscriber here says nothing), and no name, so that the
/// server gives it one.
const MQTT_CONNECT: &[u8] = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00";

/// `CONNACK` that accepts.
const MQTT_CONNACK: &[u8] = b"\x20\x02\x00\x00";

/// `SUBSCRIBE` to `events` at quality 0, as packet 1, and the `SUBACK` that grants it.
const MQTT_SUBSCRIBE: &[u8] = b"\x82\x0b\x00\x01\x00\x06events\x00";
const MQTT_SUBACK: &[u8] = b"\x90\x03\x00\x01\x00";

/// How a peer is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscribe {
    /// Our own server.
    Todoki,
    /// A WebSocket at this path, each event a message.
    WebSocket(&'static str),
    /// A WebSocket, and commands on it.
    Centrifugo,
    /// `SUB events`.
    Nats,
    /// `SUBSCRIBE` of quality 0.
    Mqtt,
}

impl Subscribe {
    /// Subscribes to everything that is published from now on. Events are numbered from 1.
    pub fn begin(self, socket: &mut TcpStream) -> Outcome<Start<PeerFraming>> {
        match self {
            Self::Todoki => todoki(socket, ""),
            Self::WebSocket(path) => {
                let early = upgrade(socket, path)?;
                Ok(from_the_first(
                    PeerFraming::Frames(Frames::messages()),
                    early,
                ))
            }
            Self::Centrifugo => centrifugo(socket),
            Self::Nats => {
                hello_nats(socket)?;
                socket.write_all(b"SUB events 1\r\nPING\r\n")?;
                let early = wait_for(socket, b"PONG\r\n")?;
                Ok(from_the_first(PeerFraming::Nats(Nats::default()), early))
            }
            Self::Mqtt => {
                hello_mqtt(socket)?;
                socket.write_all(MQTT_SUBSCRIBE)?;
                let early = wait_for(socket, MQTT_SUBACK)?;
                Ok(from_the_first(PeerFraming::Mqtt, early))
            }
        }
    }
}

/// Subscribes at our own server.
pub(super) fn todoki(socket: &mut TcpStream, query: &str) -> Outcome<Start<PeerFraming>> {
    let start = connect::subscribe(socket, query)?;
    Ok(Start {
        framing: PeerFraming::Frames(start.framing),
        early: start.early,
        after: start.after,
    })
}

fn from_the_first(framing: PeerFraming, early: Vec<u8>) -> Start<PeerFraming> {
    Start {
        framing,
        early,
        after: 0,
    }
}

/// Says hello to a NATS server. A `PING` shows that it took it.
pub(super) fn hello_nats(socket: &mut TcpStream) -> Outcome<()> {
    socket.write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"bench\",\"version\":\"1\",\"protocol\":1}\r\nPING\r\n")?;
    wait_for(socket, b"PONG\r\n")?;
    Ok(())
}

/// Says hello to an MQTT server.
pub(super) fn hello_mqtt(socket: &mut TcpStream) -> Outcome<()> {
    socket.write_all(MQTT_CONNECT)?;
    wait_for(socket, MQTT_CONNACK)?;
    Ok(())
}

/// What came behind the handshake of a WebSocket.
fn upgrade(socket: &mut TcpStream, path: &str) -> Outcome<Vec<u8>> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let (head, early) = connect::answer(socket)?;
    if head.starts_with("HTTP/1.1 101 ") {
        return Ok(early);
    }
    let status = head.lines().next().unwrap_or_default();
    Err(format!("the subscription was refused: {status}").into())
}

fn centrifugo(socket: &mut TcpStream) -> Outcome<Start<PeerFraming>> {
    let mut held = upgrade(socket, "/connection/websocket")?;
    let mut commands = Vec::new();
    let two = br#"{"id":1,"connect":{}}
{"id":2,"subscribe":{"channel":"events"}}"#;
    masked::text(two, MASK, &mut commands);
    socket.write_all(&commands)?;
    // The answers stay in the stream, where the framing looks for a refusal.
    while !contains(&held, br#"{"id":2,"#) {
        if held.len() > GREETING_BYTES {
            return Err("the subscription was not answered".into());
        }
        connect::more(socket, &mut held)?;
    }
    Ok(from_the_first(
        PeerFraming::Centrifugo(Centrifugo::default()),
        held,
    ))
}

/// Reads until `what` has come, and says what came behind it.
fn wait_for(socket: &mut TcpStream, what: &[u8]) -> Outcome<Vec<u8>> {
    let mut held = Vec::new();
    loop {
        if let Some(at) = memchr::memmem::find(&held, what) {
            return Ok(held.split_off(at + what.len()));
        }
        if held.len() > GREETING_BYTES {
            let said = String::from_utf8_lossy(&held);
            return Err(format!("an unexpected greeting: {said}").into());
        }
        connect::more(socket, &mut held)?;
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that says each of these when something was said to it, the first at once if nothing is expected of us.
    fn say(lines: &'static [&'static [u8]]) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            for line in lines {
                let mut heard = Vec::new();
                connect::more(&mut socket, &mut heard).unwrap();
                socket.write_all(line).unwrap();
            }
        });
        TcpStream::connect(address).unwrap()
    }

    #[test]
    fn nats_subscribers_keep_what_came_behind_the_greeting() {
        let mut socket = say(&[b"INFO {}\r\nPONG\r\n", b"PONG\r\nMSG events 1 0\r\n"]);
        let start = Subscribe::Nats.begin(&mut socket).unwrap();
        assert_eq!(
            (start.early.as_slice(), start.after),
            (&b"MSG events 1 0\r\n"[..], 0)
        );
    }

    #[test]
    fn mqtt_subscribers_wait_until_they_are_granted() {
        let mut socket = say(&[MQTT_CONNACK, b"\x90\x03\x00\x01\x00\x30"]);
        let start = Subscribe::Mqtt.begin(&mut socket).unwrap();
        assert_eq!(start.early, b"\x30");
        let mut socket = say(&[MQTT_CONNACK, b"\x90\x03\x00\x01\x80"]);
        assert!(Subscribe::Mqtt.begin(&mut socket).is_err());
    }

    #[test]
    fn websocket_subscribers_tell_why_they_were_refused() {
        let mut socket = say(&[b"HTTP/1.1 404 Not Found\r\n\r\n"]);
        let error = Subscribe::WebSocket("/").begin(&mut socket).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the subscription was refused: HTTP/1.1 404 Not Found"
        );
    }
}
