//! How events get into peers.
//!
//! The publisher writes our events itself, numbered from 1, so it has one connection: on several they would overtake
//! each other. A batch is written at once. What a peer answers is waited for only where the publisher is paced by it.

use std::collections::VecDeque;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use todoki::clock;
use todoki_codec::event::Ids;
use todoki_codec::{Cursor, Draft, Kind, encode};

use super::framing::contains;
use super::subscribe;
use crate::Outcome;
use crate::load::{PATIENCE, connect};
use crate::pace::Emitter;
use crate::sample;

/// How a peer is published to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// `POST /publish`, an event in each line of the body.
    HttpLines,
    /// `POST /publish` for each event, all of a batch written at once.
    HttpEach,
    /// `POST /api/batch`, a command for each event.
    Centrifugo,
    /// `PUB events`; a `PING` behind the batch asks for an answer.
    Nats,
    /// `PUBLISH` of quality 0; a `PINGREQ` behind the batch asks for an answer.
    Mqtt,
}

/// Batches that are sent before the first of them is answered: as many as our own server's publishers have connections,
/// so that no peer is idle while an answer is on its way.
const AHEAD: usize = 8;

/// MQTT's ping and its answer.
const PINGREQ: &[u8] = b"\xc0\x00";
const PINGRESP: &[u8] = b"\xd0\x00";

/// A publisher's connection.
#[derive(Debug)]
pub struct PeerEmitter {
    socket: TcpStream,
    publish: Publish,
    batch: u32,
    event_bytes: usize,
    kind: Kind,
    /// Whether it is paced by answers; otherwise they are asked for only where the protocol has it so.
    is_paced: bool,
    /// Answers still to come to each batch that was sent.
    waiting: VecDeque<u32>,
    inbox: Vec<u8>,
}

impl PeerEmitter {
    /// Connects, and says hello.
    pub fn open(
        address: SocketAddr,
        publish: Publish,
        batch: u32,
        event_bytes: usize,
        is_paced: bool,
    ) -> Outcome<Self> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        match publish {
            Publish::Nats => subscribe::hello_nats(&mut socket)?,
            Publish::Mqtt => subscribe::hello_mqtt(&mut socket)?,
            Publish::HttpLines | Publish::HttpEach | Publish::Centrifugo => {}
        }
        Ok(Self {
            socket,
            publish,
            batch,
            event_bytes,
            kind: Kind::parse(sample::COMMON_KIND)?,
            is_paced,
            waiting: VecDeque::new(),
            inbox: Vec::new(),
        })
    }

    /// Answers that a batch is given.
    fn answers(&self) -> u32 {
        match self.publish {
            Publish::HttpEach => self.batch,
            Publish::HttpLines | Publish::Centrifugo => 1,
            Publish::Nats | Publish::Mqtt => u32::from(self.is_paced),
        }
    }

    /// The events that our own server would make of the same drafts.
    fn events(&self, place: u32, due: Duration) -> Vec<Bytes> {
        let mut cursor = Cursor::ORIGIN.forward(place as usize * self.batch as usize);
        let draft = Draft {
            kind: self.kind.clone(),
            ids: Ids::default(),
            data: sample::timed_data(due, self.event_bytes).into(),
            id: None,
        };
        let events = (0..self.batch).map(|_| {
            cursor = cursor.next();
            encode::event(cursor, clock::now(), &draft).json
        });
        events.collect()
    }

    fn wait_for_one(&mut self) -> Outcome<()> {
        loop {
            if let Some(end) = self.answer()? {
                self.inbox.drain(..end);
                return Ok(());
            }
            connect::more(&mut self.socket, &mut self.inbox)?;
        }
    }

    /// Where the first answer in the inbox ends.
    fn answer(&mut self) -> Outcome<Option<usize>> {
        match self.publish {
            Publish::Mqtt => Ok(self.inbox.starts_with(PINGRESP).then_some(PINGRESP.len())),
            Publish::Nats => self.nats_pong(),
            Publish::HttpLines | Publish::HttpEach | Publish::Centrifugo => http_end(&self.inbox),
        }
    }

    /// Where the first `PONG` ends; the server's own `PING`s are answered on the way.
    fn nats_pong(&mut self) -> Outcome<Option<usize>> {
        let mut done = 0;
        while let Some(end) = memchr::memchr(b'\n', &self.inbox[done..]) {
            let line = self.inbox[done..done + end].trim_ascii_end();
            done += end + 1;
            match line {
                b"PONG" => return Ok(Some(done)),
                b"PING" => self.socket.write_all(b"PONG\r\n")?,
                _ if line.starts_with(b"INFO ") => {}
                _ => return Err(String::from_utf8_lossy(line).into()),
            }
        }
        self.inbox.drain(..done);
        Ok(None)
    }
}

impl Emitter for PeerEmitter {
    fn prepare(&mut self, place: u32, due: Duration) -> Bytes {
        let events = self.events(place, due);
        let mut out = Vec::new();
        match self.publish {
            Publish::HttpLines => post("/publish", &events.join(&b'\n'), &mut out),
            Publish::HttpEach => events
                .iter()
                .for_each(|event| post("/publish", event, &mut out)),
            Publish::Centrifugo => post("/api/batch", &commands(&events), &mut out),
            Publish::Nats => events
                .iter()
                .for_each(|event| nats_publish(event, &mut out)),
            Publish::Mqtt => events
                .iter()
                .for_each(|event| mqtt_publish(event, &mut out)),
        }
        match self.publish {
            Publish::Nats if self.is_paced => out.extend(b"PING\r\n"),
            Publish::Mqtt if self.is_paced => out.extend(PINGREQ),
            _ => {}
        }
        out.into()
    }

    fn send(&mut self, emit: Bytes) -> Outcome<()> {
        self.socket.write_all(&emit)?;
        self.waiting.push_back(self.answers());
        while self.waiting.len() >= AHEAD {
            for _ in 0..self.waiting.pop_front().unwrap_or(0) {
                self.wait_for_one()?;
            }
        }
        Ok(())
    }
}

impl Drop for PeerEmitter {
    fn drop(&mut self) {
        // To hang up before the last answers would have some servers forget the last requests.
        if let Publish::Nats | Publish::Mqtt = self.publish
            && !self.is_paced
        {
            let ping: &[u8] = if self.publish == Publish::Nats {
                b"PING\r\n"
            } else {
                PINGREQ
            };
            if self.socket.write_all(ping).is_err() {
                return;
            }
            self.waiting.push_back(1);
        }
        while let Some(answers) = self.waiting.pop_front() {
            for _ in 0..answers {
                // A server that has gone answers no more, and what it lost is counted where it is missing.
                if self.wait_for_one().is_err() {
                    return;
                }
            }
        }
    }
}

fn post(path: &str, body: &[u8], out: &mut Vec<u8>) {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    out.extend(head.as_bytes());
    out.extend(body);
}

fn commands(events: &[Bytes]) -> Vec<u8> {
    let mut body = br#"{"commands":["#.to_vec();
    for (place, event) in events.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        body.extend(br#"{"publish":{"channel":"events","data":"#);
        body.extend(event);
        body.extend(b"}}");
    }
    body.extend(b"]}");
    body
}

fn nats_publish(event: &[u8], out: &mut Vec<u8>) {
    out.extend(format!("PUB events {}\r\n", event.len()).as_bytes());
    out.extend(event);
    out.extend(b"\r\n");
}

/// A packet of quality 0: the length in groups of seven bits, lowest first, the topic with its length, the payload.
fn mqtt_publish(event: &[u8], out: &mut Vec<u8>) {
    const TOPIC: &[u8] = b"\x00\x06events";
    out.push(0x30);
    let mut left = TOPIC.len() + event.len();
    while left >= 0x80 {
        out.push(u8::try_from(left & 0x7f).unwrap_or(0) | 0x80);
        left >>= 7;
    }
    out.push(u8::try_from(left).unwrap_or(0));
    out.extend(TOPIC);
    out.extend(event);
}

/// Where an answer ends that is whole. One that refuses is a failure.
fn http_end(bytes: &[u8]) -> Outcome<Option<usize>> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = str::from_utf8(&bytes[..end])?;
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Ok(0), |(_, length)| length.trim().parse::<usize>())?;
    let Some(body) = bytes[end + 4..].get(..length) else {
        return Ok(None);
    };
    if !head.starts_with("HTTP/1.1 2") || contains(body, b"\"error\"") {
        let body = String::from_utf8_lossy(body);
        return Err(format!("publishing was refused: {head} {body}").into());
    }
    Ok(Some(end + 4 + length))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const EVENT: &str = r#"{"type":"event","cursor":1}"#;

    #[test]
    fn mqtt_packets_have_their_length_in_sevens() {
        let mut bytes = Vec::new();
        mqtt_publish(br#"{"a":1}"#, &mut bytes);
        assert_eq!(bytes, b"\x30\x0f\x00\x06events{\"a\":1}");
        bytes.clear();
        mqtt_publish(&[b'x'; 200], &mut bytes);
        assert!(bytes.starts_with(b"\x30\xd0\x01\x00\x06eventsxxx"));
    }

    #[test]
    fn centrifugo_is_given_a_command_for_each_event() {
        let two = commands(&[Bytes::from(EVENT), Bytes::from(EVENT)]);
        let one = format!(r#"{{"publish":{{"channel":"events","data":{EVENT}}}}}"#);
        let expected = format!(r#"{{"commands":[{one},{one}]}}"#);
        assert_eq!(String::from_utf8(two).unwrap(), expected);
    }

    #[test]
    fn answers_end_where_their_length_says_and_refusals_are_failures() {
        let answer = b"HTTP/1.1 202 Accepted\r\ncontent-length: 3\r\n\r\nabcHTTP";
        assert_eq!(http_end(answer).unwrap(), Some(answer.len() - 4));
        assert_eq!(http_end(&answer[..answer.len() - 5]).unwrap(), None);
        assert_eq!(http_end(&answer[..20]).unwrap(), None);
        assert!(http_end(b"HTTP/1.1 404 Not Found\r\n\r\n").is_err());
        let error = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"error\":{}}";
        assert!(http_end(error).is_err());
    }

    #[test]
    fn a_nats_publisher_answers_pings_and_asks_for_an_answer_to_each_batch() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            socket.write_all(b"INFO {}\r\n").unwrap();
            let (mut heard, mut answered) = (Vec::new(), 0);
            while connect::more(&mut socket, &mut heard).is_ok() {
                let text = String::from_utf8_lossy(&heard);
                let asked = text.matches("PING").count();
                let answers = b"PING\r\nPONG\r\n".repeat(asked - answered);
                socket.write_all(&answers).unwrap();
                answered = asked;
            }
            String::from_utf8(heard).unwrap()
        });
        let mut emitter = PeerEmitter::open(address, Publish::Nats, 2, 300, true).unwrap();
        for place in 0..u32::try_from(AHEAD).unwrap() {
            let emit = emitter.prepare(place, Duration::ZERO);
            emitter.send(emit).unwrap();
        }
        drop(emitter);
        let heard = server.join().unwrap();
        assert!(heard.contains("PONG\r\n"), "{heard}");
        // A cursor of one digit where the envelope is reckoned with five.
        assert!(
            heard.contains("PUB events 296\r\n{\"type\":\"event\",\"cursor\":1,"),
            "{heard}"
        );
        assert!(heard.contains("\"cursor\":4,"), "{heard}");
    }
}
