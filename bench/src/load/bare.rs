//! The bare sender, a process of its own: frames written to sockets, and nothing else.
//!
//! It has no log, no HTTP, no filters, and knows beforehand what to send. What it reaches through the same receiver is
//! the most that the machine and the receiver allow, and how late its events arrive is how late the load program itself
//! makes them.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use todoki_codec::event::Ids;
use todoki_codec::frame::encode::text;
use todoki_codec::{Cursor, Draft, Kind, encode};

use super::child::{self, Part};
use super::publish::Pace;
use crate::Outcome;
use crate::pace::{self, Schedule};
use crate::quantiles::Times;
use crate::sample::{COMMON_KIND, timed_data};

/// The hidden subcommand that is this part.
pub const SUBCOMMAND: &str = "bare-sender";

/// Events in one write at saturation: about the 64 KiB that the server gives a subscriber in one turn.
const SATURATED_EVENTS: u32 = 256;

/// What to send.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Bytes of each event, about.
    pub event_bytes: usize,
    /// How fast.
    pub pace: Pace,
    /// How long an event may wait, so that one write carries many; with zero each is written by itself.
    pub gather: Duration,
}

/// What was sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sent {
    /// Events to each subscriber.
    pub events: u64,
    /// From when an event was due until it was about to be written, its wait for company included.
    pub late: Times,
}

/// A sender that waits for its subscribers.
#[derive(Debug)]
pub struct Sender {
    /// The process.
    pub part: Part,
    /// Where subscribers connect; there is no handshake.
    pub address: SocketAddr,
}

/// Starts one for so many subscribers. Once they have connected it is [told](Part::tell) its [`Job`], and answers with
/// what it has [`Sent`].
pub fn start(subscribers: u32) -> Outcome<Sender> {
    let mut part = Part::start(SUBCOMMAND)?;
    part.tell(&subscribers)?;
    let address = part.hear()?;
    Ok(Sender { part, address })
}

/// The part itself.
pub fn run() -> Outcome<()> {
    let subscribers: u32 = child::told()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    child::say(&listener.local_addr()?)?;
    let sockets = (0..subscribers).map(|_| {
        let (socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        Ok(socket)
    });
    let mut sender = Sending {
        sockets: sockets.collect::<Outcome<_>>()?,
        cursor: Cursor::ORIGIN,
        frames: Vec::new(),
        sent: Sent {
            events: 0,
            late: Times::new()?,
        },
    };
    let job: Job = child::told()?;
    match job.pace {
        Pace::Open(schedule) => sender.follow(&schedule, &job)?,
        Pace::Closed { lasts, .. } => sender.saturate(lasts, &job)?,
    }
    child::say(&sender.sent)?;
    // Its subscribers are still reading.
    child::wait_for_end()
}

struct Sending {
    sockets: Vec<TcpStream>,
    cursor: Cursor,
    frames: Vec<u8>,
    sent: Sent,
}

impl Sending {
    fn follow(&mut self, schedule: &Schedule, job: &Job) -> Outcome<()> {
        let mut place = 0;
        while place < schedule.count && !schedule.is_over() {
            schedule.wait_for(schedule.due(place) + job.gather);
            let now = schedule.now();
            loop {
                let due = schedule.due(place);
                if let Some(late) = schedule.late(due) {
                    self.sent.late.record(late);
                }
                self.add(due, job)?;
                place += 1;
                let has_more = place < schedule.count && schedule.due(place) <= now;
                if job.gather.is_zero() || !has_more {
                    break;
                }
            }
            self.write()?;
        }
        Ok(())
    }

    fn saturate(&mut self, lasts: Duration, job: &Job) -> Outcome<()> {
        let until = pace::monotonic() + lasts;
        while pace::monotonic() < until {
            for _ in 0..SATURATED_EVENTS {
                self.add(Duration::ZERO, job)?;
            }
            self.write()?;
        }
        Ok(())
    }

    fn add(&mut self, due: Duration, job: &Job) -> Outcome<()> {
        let draft = Draft {
            kind: Kind::parse(COMMON_KIND)?,
            ids: Ids::default(),
            data: timed_data(due, job.event_bytes).into(),
            id: None,
        };
        self.cursor = self.cursor.next();
        let event = encode::event(self.cursor, todoki::clock::now(), &draft);
        text(&event.json, &mut self.frames);
        self.sent.events += 1;
        Ok(())
    }

    fn write(&mut self) -> Outcome<()> {
        for socket in &mut self.sockets {
            socket.write_all(&self.frames)?;
        }
        self.frames.clear();
        Ok(())
    }
}
