//! The receiving end: one thread that reads many connections, and holds each to the order of the log.
//!
//! It must not be what is measured, so a message costs it tens of nanoseconds: it is looked at where it was read, and
//! neither copied nor decoded further than its cursor and its due time. What speaks another protocol brings its own
//! [`Framing`]; the payloads are our events.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use memchr::memmem::Finder;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use slab::Slab;

use crate::Outcome;
use crate::pace::{self, Schedule};
use crate::quantiles::Times;
use crate::wire::{self, Order};

/// Read at once. A busy connection then costs a system call for some thousand events, and no more than this is in the
/// way of the next one.
const READ_BYTES: usize = 256 << 10;

/// The largest frame: one event and its envelope, or one of our lines frames. Twice that, so that other protocols fit.
const FRAME_BYTES: usize = 1 << 20;

/// Connections that one look at all of them may find ready.
const READY: usize = 256;

/// The name that an event's due time has in its data.
const DUE: &[u8] = br#""due_ns":"#;

/// How a protocol puts payloads into a byte stream.
pub trait Framing {
    /// Hands each whole payload in `bytes` to `take`, and says how many bytes are done with; the others come again, with
    /// more behind them.
    fn split(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(&[u8]) -> Outcome<()>,
    ) -> Outcome<usize>;

    /// What the protocol has us answer to what was split: a pong, say.
    fn owed(&mut self) -> Option<Vec<u8>> {
        None
    }
}

/// One subscriber's connection, after its handshake.
#[derive(Debug)]
pub struct Stream<F> {
    socket: TcpStream,
    framing: F,
    /// The beginning of a frame whose end is still to come.
    rest: Vec<u8>,
    order: Order,
    /// Whether it is a failure when the server hangs up.
    may_end: bool,
    /// Whether events may be missing, and the server may say what we do not understand before it hangs up.
    may_lose: bool,
    is_timed: bool,
    seen: Seen,
}

/// What a stream carried besides events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Bytes of everything.
    pub bytes: u64,
    /// Times that the server said that it lags.
    pub lags: u32,
    /// Whether the server said that the replay is complete.
    pub is_replayed: bool,
}

impl<F> Stream<F> {
    /// A stream whose next event is the one after cursor `after`. `early` was read behind the handshake.
    pub fn new(socket: TcpStream, framing: F, early: Vec<u8>, after: u64) -> Outcome<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            framing,
            rest: early,
            order: Order::new(after, 1),
            may_end: false,
            may_lose: false,
            is_timed: true,
            seen: Seen::default(),
        })
    }

    /// One whose delays are not counted.
    #[must_use]
    pub fn untimed(mut self) -> Self {
        self.is_timed = false;
        self
    }

    /// One that the server may hang up on; whoever reads it finds it in [`Receiver::take_ended`].
    #[must_use]
    pub fn that_may_end(mut self) -> Self {
        self.may_end = true;
        self
    }

    /// Hangs up, and waits until the server has too.
    pub fn leave(self) -> Outcome<()> {
        self.socket.set_nonblocking(false)?;
        self.socket.shutdown(Shutdown::Write)?;
        io::copy(&mut &self.socket, &mut io::sink())?;
        Ok(())
    }

    /// One that some events may be missing in, though none may come late or twice; the server may hang up on it, and what
    /// it says before is no failure.
    #[must_use]
    pub fn that_may_lose(mut self) -> Self {
        self.may_lose = true;
        self.that_may_end()
    }

    /// The cursor of its last event.
    pub fn last(&self) -> u64 {
        self.order.last()
    }

    /// Its events so far.
    pub fn count(&self) -> u64 {
        self.order.count()
    }

    /// What else came.
    pub fn seen(&self) -> Seen {
        self.seen
    }
}

/// Reads streams, and counts how late their events are by a schedule.
pub struct Receiver<F> {
    poll: OwnedFd,
    streams: Slab<Stream<F>>,
    scratch: Box<[u8]>,
    due: Finder<'static>,
    schedule: Option<Schedule>,
    times: Times,
    deliveries: u64,
    /// The cursor that each stream is to reach, and how many have not.
    goal: u64,
    behind: usize,
    ended: Vec<Stream<F>>,
}

impl<F> std::fmt::Debug for Receiver<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver")
            .field("streams", &self.streams.len())
            .field("deliveries", &self.deliveries)
            .field("goal", &self.goal)
            .field("behind", &self.behind)
            .finish_non_exhaustive()
    }
}

impl<F: Framing> Receiver<F> {
    /// One without streams. Without a schedule, delays are not counted.
    pub fn new(schedule: Option<Schedule>) -> Outcome<Self> {
        Ok(Self {
            poll: epoll::create(CreateFlags::CLOEXEC)?,
            streams: Slab::new(),
            scratch: vec![0; READ_BYTES + FRAME_BYTES].into_boxed_slice(),
            due: Finder::new(DUE),
            schedule,
            times: Times::new()?,
            deliveries: 0,
            goal: u64::MAX,
            behind: 0,
            ended: Vec::new(),
        })
    }

    /// Takes a stream in, and says by which number.
    pub fn add(&mut self, stream: Stream<F>) -> Outcome<usize> {
        let entry = self.streams.vacant_entry();
        let number = entry.key();
        let data = EventData::new_u64(number as u64);
        epoll::add(&self.poll, &stream.socket, data, EventFlags::IN)?;
        self.behind += usize::from(stream.last() < self.goal);
        let has_early = !stream.rest.is_empty();
        entry.insert(stream);
        if has_early {
            self.take(number, 0)?;
        }
        Ok(number)
    }

    /// Lets a stream go.
    pub fn remove(&mut self, number: usize) -> Outcome<Stream<F>> {
        let stream = self.streams.remove(number);
        epoll::delete(&self.poll, &stream.socket)?;
        self.behind -= usize::from(stream.last() < self.goal);
        Ok(stream)
    }

    /// The streams.
    pub fn streams(&self) -> impl Iterator<Item = (usize, &Stream<F>)> {
        self.streams.iter()
    }

    /// Streams that the server has hung up on since the last call.
    pub fn take_ended(&mut self) -> Vec<Stream<F>> {
        std::mem::take(&mut self.ended)
    }

    /// Sets when delays begin to count.
    pub fn set_schedule(&mut self, schedule: Schedule) {
        self.schedule = Some(schedule);
    }

    /// Sets the cursor that all streams are to reach.
    pub fn set_goal(&mut self, goal: u64) {
        self.goal = goal;
        let behind = self.streams.iter().filter(|(_, one)| one.last() < goal);
        self.behind = behind.count();
    }

    /// Whether all streams have reached it.
    pub fn is_done(&self) -> bool {
        self.behind == 0
    }

    /// The cursor that all streams have reached.
    pub fn least(&self) -> u64 {
        let last = self.streams.iter().map(|(_, one)| one.last());
        last.min().unwrap_or(u64::MAX)
    }

    /// Events so far, over all streams there were.
    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// How late they were.
    pub fn times(&self) -> &Times {
        &self.times
    }

    /// Reads whatever is there, each stream once, waiting for so long at most until there is something.
    pub fn turn(&mut self, longest: Duration) -> Outcome<()> {
        let timeout = Timespec::try_from(longest)?;
        let mut room = [const { MaybeUninit::<Event>::uninit() }; READY];
        let ready = match epoll::wait(&self.poll, &mut room, Some(&timeout)) {
            Ok((ready, _)) => ready,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in ready {
            self.read(usize::try_from(event.data.u64())?, READ_BYTES)?;
        }
        Ok(())
    }

    /// Reads until all streams have reached the goal, which must be within `patience`.
    pub fn run(&mut self, patience: Duration) -> Outcome<()> {
        let until = pace::monotonic() + patience;
        while !self.is_done() {
            self.turn(Duration::from_millis(100))?;
            if pace::monotonic() > until {
                let slowest = self.streams.iter().map(|(_, one)| one.last()).min();
                let (behind, goal) = (self.behind, self.goal);
                return Err(format!(
                    "{behind} subscribers had not reached event {goal} after {patience:?}; the last is at {slowest:?}"
                )
                .into());
            }
        }
        Ok(())
    }

    /// Reads a stream once, so many bytes at most, whether or not it was said to be ready.
    pub fn read(&mut self, number: usize, most: usize) -> Outcome<()> {
        let stream = &mut self.streams[number];
        let held = stream.rest.len();
        match (&stream.socket).read(&mut self.scratch[held..held + most]) {
            Ok(0) => self.end(number),
            Ok(bytes) => self.take(number, bytes),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(()),
                io::ErrorKind::ConnectionReset => self.end(number),
                _ => Err(error.into()),
            },
        }
    }

    fn end(&mut self, number: usize) -> Outcome<()> {
        let stream = self.remove(number)?;
        if !stream.may_end {
            let last = stream.last();
            return Err(format!("the server hung up on a subscriber after event {last}").into());
        }
        self.ended.push(stream);
        Ok(())
    }

    /// Takes the messages out of what is held of a stream and the bytes just read behind that.
    fn take(&mut self, number: usize, bytes: usize) -> Outcome<()> {
        let stream = &mut self.streams[number];
        let held = stream.rest.len();
        self.scratch[..held].copy_from_slice(&stream.rest);
        let read = &self.scratch[..held + bytes];
        let now = self.schedule.map(|schedule| (schedule, schedule.now()));
        let now = now.filter(|_| stream.is_timed);
        let (order, seen, due, times) = (
            &mut stream.order,
            &mut stream.seen,
            &self.due,
            &mut self.times,
        );
        seen.bytes += bytes as u64;
        let (may_lose, mut is_disordered) = (stream.may_lose, false);
        let (count, was_behind) = (order.count(), order.last() < self.goal);
        let done = stream.framing.split(read, &mut |payload| {
            let Some(cursor) = wire::cursor(payload) else {
                return seen.notice(payload);
            };
            if may_lose {
                order.skip_to(cursor)
            } else {
                order.check(cursor)
            }
            .inspect_err(|_| is_disordered = true)?;
            if let Some((schedule, now)) = &now {
                let due = due_time(due, payload)?;
                if due >= schedule.warm_up {
                    times.record(now.saturating_sub(due));
                }
            }
            Ok(())
        });
        self.deliveries += order.count() - count;
        self.behind -= usize::from(was_behind && order.last() >= self.goal);
        let done = match done {
            Ok(done) => done,
            // Its last word, then; but an event that comes late or twice is a failure of any server.
            Err(_) if may_lose && !is_disordered => return self.end(number),
            Err(error) => return Err(error),
        };
        let rest = &read[done..];
        if rest.len() > FRAME_BYTES {
            return Err(format!("a frame of more than {FRAME_BYTES} bytes").into());
        }
        stream.rest.clear();
        stream.rest.extend_from_slice(rest);
        if let Some(answer) = stream.framing.owed() {
            match (&stream.socket).write_all(&answer) {
                // It has hung up, and what it said before is read.
                Err(error) if may_lose && error.kind() == io::ErrorKind::BrokenPipe => {
                    return self.end(number);
                }
                written => written?,
            }
        }
        Ok(())
    }
}

fn due_time(finder: &Finder<'_>, event: &[u8]) -> Outcome<Duration> {
    let found = finder.find(event).map(|at| &event[at + DUE.len()..]);
    let nanos = found.and_then(wire::number);
    Ok(Duration::from_nanos(
        nanos.ok_or("an event without its due time")?,
    ))
}

impl Seen {
    fn notice(&mut self, message: &[u8]) -> Outcome<()> {
        if message.starts_with(br#"{"type":"lag","state":"catching_up""#) {
            self.lags += 1;
        } else if message.starts_with(br#"{"type":"replay_complete""#) {
            self.is_replayed = true;
        } else if message.starts_with(br#"{"type":"gap""#) {
            let gap = String::from_utf8_lossy(message);
            return Err(format!("the server told of a gap: {gap}").into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use todoki_codec::frame::encode::text;

    use super::*;
    use crate::load::frames::Frames;

    /// A receiver that expects events from 1 on, and the sender's end.
    fn pair() -> (Receiver<Frames>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let schedule = Schedule {
            begin: pace::monotonic(),
            interval: Duration::from_millis(1),
            connections: 1,
            count: 3,
            warm_up: Duration::from_nanos(2),
        };
        let mut receiver = Receiver::new(Some(schedule)).unwrap();
        let stream = Stream::new(socket, Frames::messages(), Vec::new(), 0).unwrap();
        receiver.add(stream).unwrap();
        (receiver, listener.accept().unwrap().0)
    }

    fn frames(cursors: &[u64]) -> Vec<u8> {
        let mut frames = Vec::new();
        for cursor in cursors {
            let event = format!(
                r#"{{"type":"event","cursor":{cursor},"kind":"a","data":{{"due_ns":{cursor}}}}}"#
            );
            text(event.as_bytes(), &mut frames);
        }
        frames
    }

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn events_are_counted_and_timed_however_they_are_cut() {
        let (mut receiver, mut sender) = pair();
        receiver.set_goal(3);
        for piece in frames(&[1, 2, 3]).chunks(7) {
            sender.write_all(piece).unwrap();
            receiver.turn(SOON).unwrap();
        }
        receiver.run(SOON).unwrap();
        assert_eq!(receiver.deliveries(), 3);
        assert_eq!(
            receiver.times().count(),
            2,
            "the first was due in the warm-up"
        );
    }

    #[test]
    fn a_hole_a_repetition_and_a_gap_are_failures() {
        let mut gap = Vec::new();
        text(br#"{"type":"gap","reason":"slow"}"#, &mut gap);
        for wrong in [frames(&[1, 3]), frames(&[1, 1]), gap] {
            let (mut receiver, mut sender) = pair();
            sender.write_all(&wrong).unwrap();
            assert!(receiver.turn(SOON).is_err());
        }
    }

    #[test]
    fn a_server_that_hangs_up_is_a_failure_unless_it_may() {
        let (mut receiver, sender) = pair();
        let mut lenient = Receiver::new(None).unwrap();
        let stream = receiver.remove(0).unwrap();
        lenient.add(stream.that_may_end()).unwrap();
        drop(sender);
        lenient.turn(SOON).unwrap();
        assert_eq!(lenient.take_ended().len(), 1);
        let (mut strict, sender) = pair();
        drop(sender);
        assert!(strict.turn(SOON).is_err());
    }
}
