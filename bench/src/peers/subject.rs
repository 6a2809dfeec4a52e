//! A server under test, whichever it is: its process, its subscribers, its publishers.

use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;

use super::catalogue::Peer;
use super::framing::PeerFraming;
use super::installed::Installed;
use super::process::PeerProcess;
use super::publish::PeerEmitter;
use super::subscribe;
use crate::Outcome;
use crate::load::connect;
use crate::load::fan_out::PUBLISHERS;
use crate::load::receive::Stream;
use crate::load::slow::NETWORK;
use crate::pace::{self, Emitter, HttpEmitter, Published, Schedule};
use crate::settings::Settings;

/// Connections of our own server's publishers at saturation: a peer has as many batches in flight on its one.
const SATURATING: u32 = 8;

/// How many events publishers may be ahead of the slowest subscriber at saturation: more than any server here has under
/// way when it is busy, and less than the least of their queues holds, so that the measure is what arrives and not what
/// is thrown away.
pub const AHEAD_EVENTS: u64 = 2048;

/// A server that runs.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Who it is.
    pub peer: &'a Peer,
    /// Where it runs.
    pub process: PeerProcess,
}

impl<'a> Subject<'a> {
    /// Starts it.
    pub fn start(settings: &Settings, installed: &Installed, peer: &'a Peer) -> Outcome<Self> {
        let server = settings.server()?;
        let process = PeerProcess::start(settings.fresh_data()?, |place| {
            peer.command(installed, &server, place)
        })?;
        Ok(Self { peer, process })
    }

    /// Subscribes so many times to everything.
    pub fn subscribe(&self, count: u32) -> Outcome<Vec<Stream<PeerFraming>>> {
        let address = self.process.address();
        let streams = connect::subscribers(address, count, |_, socket| {
            self.peer.subscribe.begin(socket)
        })?;
        // Servers may lose events and hang up, and then that is the figure.
        Ok(streams.into_iter().map(Stream::that_may_lose).collect())
    }

    /// Subscribes as a client behind a network does.
    pub fn subscribe_slowly(&self, number: u32) -> Outcome<Stream<PeerFraming>> {
        let address = self.process.address();
        let stream = connect::subscriber(address, number, NETWORK, |socket| {
            self.peer.subscribe.begin(socket)
        });
        Ok(stream?.that_may_lose().untimed())
    }

    /// Comes back where a stream ended, if the server can do that; only our own is asked to.
    pub fn resume(&self, ended: &Stream<PeerFraming>) -> Option<Outcome<Stream<PeerFraming>>> {
        if self.peer.publish.is_some() {
            return None;
        }
        let stream = connect::subscriber(self.process.address(), 0, NETWORK, |socket| {
            subscribe::todoki(socket, &format!("cursor={}", ended.last()))
        });
        Some(stream.map(|stream| stream.that_may_lose().untimed()))
    }

    /// How many connections a steady publisher has.
    pub fn publishers(&self) -> u32 {
        if self.peer.publish.is_none() {
            PUBLISHERS
        } else {
            1
        }
    }

    /// A publisher that keeps to a schedule.
    pub fn publisher(&self, batch: u32, event_bytes: usize) -> Publisher {
        Publisher {
            peer: *self.peer,
            address: self.process.address(),
            batch,
            event_bytes,
        }
    }
}

/// What publishes. It is handed to a thread of its own.
#[derive(Clone, Copy, Debug)]
pub struct Publisher {
    peer: Peer,
    address: SocketAddr,
    batch: u32,
    event_bytes: usize,
}

impl Publisher {
    /// Publishes when it is due.
    pub fn follow(self, schedule: Schedule) -> Outcome<Published> {
        pace::publish(schedule, self.open(schedule.connections, false)?)
    }

    /// Publishes as fast as answers and subscribers allow, until then; says how many batches.
    pub fn saturate(self, window: &Window, until: Duration) -> Outcome<u64> {
        let connections = if self.peer.publish.is_none() {
            SATURATING
        } else {
            1
        };
        let emitters = self.open(connections, true)?;
        thread::scope(|scope| {
            let publishers: Vec<_> = emitters
                .into_iter()
                .map(|emitter| scope.spawn(|| self.saturate_on(emitter, window, until)))
                .collect();
            let mut batches = 0;
            for publisher in publishers {
                batches += publisher.join().map_err(|_| "a publisher panicked")??;
            }
            Ok(batches)
        })
    }

    fn saturate_on(
        self,
        mut emitter: AnyEmitter,
        window: &Window,
        until: Duration,
    ) -> Outcome<u64> {
        let mut batches = 0;
        while let Some(place) = window.place(u64::from(self.batch), until) {
            let emit = emitter.prepare(u32::try_from(place)?, Duration::ZERO);
            emitter.send(emit)?;
            batches += 1;
        }
        Ok(batches)
    }

    fn open(self, connections: u32, is_paced: bool) -> Outcome<Vec<AnyEmitter>> {
        let Self {
            peer,
            address,
            batch,
            event_bytes,
        } = self;
        let one = |_| match peer.publish {
            None => HttpEmitter::open(address, batch, event_bytes).map(AnyEmitter::Todoki),
            Some(publish) => PeerEmitter::open(address, publish, batch, event_bytes, is_paced)
                .map(AnyEmitter::Peer),
        };
        (0..connections).map(one).collect()
    }
}

enum AnyEmitter {
    Todoki(HttpEmitter),
    Peer(PeerEmitter),
}

impl Emitter for AnyEmitter {
    fn prepare(&mut self, place: u32, due: Duration) -> Bytes {
        match self {
            Self::Todoki(emitter) => emitter.prepare(place, due),
            Self::Peer(emitter) => emitter.prepare(place, due),
        }
    }

    fn send(&mut self, emit: Bytes) -> Outcome<()> {
        match self {
            Self::Todoki(emitter) => emitter.send(emit),
            Self::Peer(emitter) => emitter.send(emit),
        }
    }
}

/// How far publishers may go: [`AHEAD_EVENTS`] beyond what every subscriber has.
#[derive(Debug, Default)]
pub struct Window {
    state: Mutex<Reached>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Reached {
    /// Batches that were given out to publishers.
    places: u64,
    /// Events that every subscriber has.
    events: u64,
    is_closed: bool,
}

impl Window {
    /// The place of the next batch, once there is room for it; `None` when it is time to end.
    fn place(&self, batch: u64, until: Duration) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.is_closed || pace::monotonic() >= until {
                return None;
            }
            if (state.places + 1) * batch <= state.events + AHEAD_EVENTS {
                let place = state.places;
                state.places += 1;
                return Some(place);
            }
            let left = until.saturating_sub(pace::monotonic());
            let waited = self.moved.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Every subscriber has so many events.
    pub fn reach(&self, events: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if events > state.events {
            state.events = events;
            self.moved.notify_all();
        }
    }

    /// Nobody waits any longer.
    pub fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_closed = true;
        self.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_wait_for_the_slowest_subscriber() {
        let window = Window::default();
        let until = pace::monotonic() + Duration::from_secs(10);
        let soon = pace::monotonic() + Duration::from_millis(20);
        let batch = AHEAD_EVENTS / 2;
        assert_eq!(window.place(batch, until), Some(0));
        assert_eq!(window.place(batch, until), Some(1));
        assert_eq!(window.place(batch, soon), None);
        window.reach(batch);
        assert_eq!(window.place(batch, until), Some(2));
        window.close();
        assert_eq!(window.place(batch, until), None);
    }
}
