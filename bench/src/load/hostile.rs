//! One attack after the other beside a steady stream that must not notice.
//!
//! The attacker is one thread that does its worst from this machine, as fast as it is let: on a small machine it takes
//! processor time from the server too, which no server can help. What is refused, closed or cut off it begins anew.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use todoki_codec::deflate::Deflater;
use todoki_codec::frame::encode::masked;
use todoki_codec::limits::BODY_BYTES;

use super::fan_out::{Generator, PUBLISHERS};
use super::publish::{self, Pace};
use super::receive::{Receiver, Stream};
use super::{connect, receive_from};
use crate::Outcome;
use crate::pace::{self, Published, Schedule};
use crate::quantiles::{Quantiles, median};
use crate::report::Row;
use crate::server::{ServerProcess, TOKEN};
use crate::settings::Settings;

/// Connections that an attacker holds at the same time.
const HELD: usize = 2_000;

/// An attacker gives up on a server that takes nothing for so long, and begins anew.
const PATIENCE: Duration = Duration::from_secs(1);

/// Frames that are written at once.
const FRAMES: usize = 10_000;

/// What a bomb inflates to; compressed it is a message that the server's limit lets through.
const BOMB_BYTES: usize = 100_000_000;

/// The largest frame that a server takes.
const FRAME_BYTES: usize = 64 << 10;

/// The mask of all frames.
const KEY: [u8; 4] = [1, 2, 3, 4];

/// What is done to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Attack {
    /// Nothing
    None,
    /// Connections that send half a head and hold on to what they have
    HalfHeads,
    /// The largest bodies of emits, but for their last byte
    Bodies,
    /// Connections that come and go without a word
    Connects,
    /// Upgrades that leave at once
    Upgrades,
    /// Wrong tokens
    Guesses,
    /// Ping frames without an end
    Pings,
    /// Empty fragments without an end
    Fragments,
    /// Commands without an end
    Commands,
    /// One byte in each packet
    Bytes,
    /// Messages that inflate to a hundred megabytes
    Bombs,
    /// Filters of 6,000 patterns
    Patterns,
}

impl Attack {
    /// As it is called in the table.
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().replace('-', " "))
    }
}

/// Flags of attacks.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// Attacks, a row for each
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "none,half-heads,bodies,connects,upgrades,guesses,pings,fragments,commands,bytes,bombs,patterns",
        value_name = "NAMES"
    )]
    pub attacks: Vec<Attack>,

    /// Subscribers of the steady stream
    #[arg(long, default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub subscribers: u32,

    /// Emits a second of the steady stream
    #[arg(long, default_value_t = 500, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
}

/// A line of the table of attacks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostileRow {
    /// Who served.
    pub subject: String,
    /// What was done to it.
    pub attack: String,
    /// Subscribers of the steady stream.
    pub subscribers: u32,
    /// Emits a second of the steady stream.
    pub rate_per_s: u32,
    /// From when an emit was due until a subscriber had the event.
    pub to_subscriber: Quantiles,
    /// From when an emit was due until it was sent.
    pub sent_late: Quantiles,
    /// Times that the attacker began.
    pub attempts: u64,
    /// How much of a core the server used.
    pub server_cores: f64,
    /// Whether the generator held the schedule.
    pub generator: Generator,
    /// The server's, before the attack.
    pub resident_before_mib: u64,
    /// The server's, at the end.
    pub resident_after_mib: u64,
}

impl Row for HostileRow {
    const COLUMNS: &'static [&'static str] = &[
        "server",
        "attack",
        "subscribers",
        "emits/s",
        "due → subscriber, p50 / p99 / p99.9 / max ms",
        "due → sent, p50 / p99 / p99.9 / max ms",
        "attempts",
        "server cores",
        "generator",
        "server MiB resident, before → after",
    ];

    fn cells(&self) -> Vec<String> {
        let (before, after) = (self.resident_before_mib, self.resident_after_mib);
        vec![
            self.subject.clone(),
            self.attack.clone(),
            self.subscribers.to_string(),
            self.rate_per_s.to_string(),
            self.to_subscriber.to_string(),
            self.sent_late.to_string(),
            self.attempts.to_string(),
            format!("{:.2}", self.server_cores),
            self.generator.name().to_owned(),
            format!("{before} → {after}"),
        ]
    }
}

/// Measures each attack in each round, at a server of its own, and reports the rounds whose p99 is the median.
pub fn run(settings: &Settings, flags: &Flags) -> Outcome<Vec<HostileRow>> {
    let mut rounds: Vec<Vec<HostileRow>> = flags.attacks.iter().map(|_| Vec::new()).collect();
    for round in 1..=settings.rounds() {
        for (attack, rows) in flags.attacks.iter().zip(&mut rounds) {
            settings.note(&format!("hostile: round {round}, {}", attack.name()));
            rows.push(measure(settings, flags, *attack)?);
        }
    }
    let medians = rounds
        .into_iter()
        .map(|rows| median(rows, |row| row.to_subscriber.p99_ms));
    Ok(medians.collect())
}

fn measure(settings: &Settings, flags: &Flags, attack: Attack) -> Outcome<HostileRow> {
    connect::allow_files(HELD as u64)?;
    let server = ServerProcess::start(settings)?;
    let address = server.address();
    let weapon = Weapon::new(attack);
    let streams = connect::subscribers(address, flags.subscribers, |_, socket| {
        connect::subscribe(socket, "")
    })?;
    let head = streams.iter().map(Stream::last).max().unwrap_or(0);
    let (warm_up, counted) = (settings.warm_up(), settings.duration());
    let schedule = Schedule::new(flags.rate, PUBLISHERS, warm_up, counted)?;
    let mut live = Receiver::new(Some(schedule))?;
    for stream in streams {
        live.add(stream)?;
    }
    let (before, began, receiver_before) = (server.usage()?, pace::monotonic(), pace::thread_cpu());
    let mut publisher = publish::start(&publish::Job {
        project: None,
        address,
        authority: None,
        drafts: 1,
        event_bytes: 200,
        pace: Pace::Open(schedule),
    })?;
    let is_over = AtomicBool::new(false);
    let (published, attempts) = thread::scope(|scope| {
        let attacking = scope.spawn(|| weapon.fire(address, &is_over));
        let goal = |published: &Published| head + published.emits;
        let published = receive_from(&mut live, &mut publisher, goal);
        // Nothing but its own value is passed on by it.
        is_over.store(true, Ordering::Relaxed);
        let attempts = attacking.join().map_err(|_| "the attacker panicked")?;
        Outcome::Ok((published?, attempts))
    })?;
    let (after, took) = (server.usage()?, pace::monotonic().saturating_sub(began));
    let took_s = took.as_secs_f64();
    let receiver_cpu = pace::thread_cpu().saturating_sub(receiver_before);
    Ok(HostileRow {
        subject: "todoki".to_owned(),
        attack: attack.name(),
        subscribers: flags.subscribers,
        rate_per_s: flags.rate,
        to_subscriber: live.times().quantiles(),
        sent_late: published.sent_late.quantiles(),
        attempts,
        server_cores: after.cpu.saturating_sub(before.cpu).as_secs_f64() / took_s,
        generator: Generator::judged(
            Some(&published.own_late),
            receiver_cpu.as_secs_f64() / took_s,
        ),
        resident_before_mib: before.resident_bytes >> 20,
        resident_after_mib: after.resident_bytes >> 20,
    })
}

/// What an attacker sends on each connection, and what it does then.
struct Weapon {
    upgrade: bool,
    bytes: Vec<u8>,
    then: Then,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It never began.
    Nothing,
    /// It leaves.
    Leave,
    /// It waits for an answer, and leaves.
    Read,
    /// It stays, until it has too many such connections.
    Stay,
    /// It sends the same again, for as long as it is let.
    Repeat,
    /// The same byte by byte.
    Drip,
}

impl Weapon {
    fn new(attack: Attack) -> Self {
        let command = text(br#"{"type":"ping"}"#);
        let request = |target: &str, token: &str| {
            let head = format!(
                "GET {target} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
            );
            head.into_bytes()
        };
        let (upgrade, bytes, then) = match attack {
            Attack::None => (false, Vec::new(), Then::Nothing),
            Attack::HalfHeads => (
                false,
                b"GET /livez HTTP/1.1\r\nX-Slow: ".to_vec(),
                Then::Stay,
            ),
            Attack::Bodies => (false, endless_body(), Then::Stay),
            Attack::Connects => (false, Vec::new(), Then::Leave),
            Attack::Upgrades => (true, Vec::new(), Then::Leave),
            Attack::Guesses => (false, request("/api/event-bus", "guess"), Then::Read),
            Attack::Pings => (true, [0x89, 0x80, 1, 2, 3, 4].repeat(FRAMES), Then::Repeat),
            Attack::Fragments => (true, fragments(), Then::Repeat),
            Attack::Commands => (true, command.repeat(FRAMES), Then::Repeat),
            Attack::Bytes => (true, command, Then::Drip),
            Attack::Bombs => (true, bomb(), Then::Read),
            Attack::Patterns => {
                let patterns = ["a"].repeat(6_000).join(",");
                let target = format!("/api/event-bus?kinds={patterns}");
                (false, request(&target, TOKEN), Then::Read)
            }
        };
        Self {
            upgrade,
            bytes,
            then,
        }
    }

    /// Attacks until it is over; says how often it began.
    fn fire(&self, address: SocketAddr, is_over: &AtomicBool) -> u64 {
        let (mut attempts, mut held) = (0, VecDeque::new());
        while self.then != Then::Nothing && !is_over.load(Ordering::Relaxed) {
            attempts += 1;
            // Whatever ends a connection, the next one begins.
            if let Ok(Some(socket)) = self.fire_once(address, is_over) {
                held.push_back(socket);
                if held.len() > HELD {
                    held.pop_front();
                }
            }
        }
        attempts
    }

    fn fire_once(&self, address: SocketAddr, is_over: &AtomicBool) -> Outcome<Option<TcpStream>> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        if self.upgrade {
            upgrade(&mut socket)?;
        }
        match self.then {
            Then::Nothing | Then::Leave => {}
            Then::Stay => {
                socket.write_all(&self.bytes)?;
                return Ok(Some(socket));
            }
            Then::Read => {
                socket.write_all(&self.bytes)?;
                socket.read_to_end(&mut Vec::new())?;
            }
            Then::Repeat => {
                while !is_over.load(Ordering::Relaxed) {
                    socket.write_all(&self.bytes)?;
                }
            }
            Then::Drip => {
                for byte in self.bytes.iter().cycle() {
                    socket.write_all(&[*byte])?;
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                }
            }
        }
        Ok(None)
    }
}

fn upgrade(socket: &mut TcpStream) -> Outcome<()> {
    let request = format!(
        "GET /ws/event-bus HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let (head, _) = connect::answer(socket)?;
    if head.starts_with("HTTP/1.1 101 ") {
        Ok(())
    } else {
        Err("turned away".into())
    }
}

fn text(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    masked::text(payload, KEY, &mut bytes);
    bytes
}

/// An emit of the largest body, without its last byte.
fn endless_body() -> Vec<u8> {
    let head = format!(
        "POST /api/event-bus/emit HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
    );
    let mut bytes = head.into_bytes();
    bytes.resize(bytes.len() + BODY_BYTES - 1, b' ');
    bytes
}

/// The beginning of a text, and empty pieces of it.
fn fragments() -> Vec<u8> {
    let empty = |opcode: u8| [opcode, 0x80, KEY[0], KEY[1], KEY[2], KEY[3]];
    let mut bytes = empty(1).to_vec();
    bytes.extend(empty(0).repeat(FRAMES));
    bytes
}

/// A compressed text in as few frames as are let through.
fn bomb() -> Vec<u8> {
    let mut payload = Vec::new();
    Deflater::default().deflate(&vec![b' '; BOMB_BYTES], &mut payload);
    let pieces: Vec<_> = payload.chunks(FRAME_BYTES).map(text).collect();
    let last = pieces.len() - 1;
    let mut bytes = Vec::new();
    for (place, mut piece) in pieces.into_iter().enumerate() {
        let compressed = if place == 0 { 0x41 } else { 0 };
        let fin = if place == last { 0x80 } else { 0 };
        piece[0] = compressed | fin;
        bytes.extend(piece);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_within_what_a_server_lets_through() {
        let bytes = bomb();
        assert!(bytes.len() <= 1 << 20, "{} bytes", bytes.len());
        assert_eq!(bytes[0], 0x41, "the first piece of a compressed text");
    }

    #[test]
    fn attacks_have_names_of_words() {
        assert_eq!(Attack::HalfHeads.name(), "half heads");
    }
}
