//! Accepts connections, and bounds them: how many there are, how many come, and how many have said nothing yet.
//!
//! Whoever is turned away is told so where the socket takes it at once: a storm must not cost a task for each connection.
//! The loop never ends for a failure that may pass. When the process is out of descriptors it gives up the one that it
//! has kept for this, so that those who wait are told to come back, and goes on once others have left.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use governor::DefaultDirectRateLimiter;
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::limit::{self, Address, AddressSeat, Limiter, Name, PrincipalSeat};
use crate::listen;
use crate::log::Log;
use crate::route::App;

/// Connections that the kernel queues while we are busy: a storm of reconnects after a restart.
const BACKLOG: u32 = 4096;

/// A connection that has not sent a whole request for so long makes room when there is none: honest clients take a
/// few round trips.
const DAWDLE: Duration = Duration::from_secs(1);

/// Out of descriptors or memory: wait so long at first for some connection to end, and twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest of these waits: so long may it take to notice that there is room.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Connections that are turned away between two such waits.
const TOLD_AT_ONCE: usize = 64;

/// Seconds over which those who are turned away come back, so that they do not come together again.
const RETRY_AFTER_S: std::ops::RangeInclusive<u32> = 1..=10;

/// What is turned away is logged once in so long, with its count.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Why a connection is turned away before a request is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// Too many are accepted in a second.
    Accepts,
    /// Too many of this address.
    AddressConnections,
    /// Too many of this address that have not sent a whole request.
    AddressHandshakes,
    /// The process has no descriptor left.
    Descriptors,
    /// Too many that have not sent a whole request.
    Handshakes,
    /// Too many.
    MaxConnections,
}

/// What each [`TurnedAway`] is called, in their order.
pub const TURNED_AWAY: [&str; 6] = [
    "accepts",
    "address_connections",
    "address_handshakes",
    "descriptors",
    "handshakes",
    "max_connections",
];

impl TurnedAway {
    /// One address can do something about it; of the others, nobody is to blame.
    fn status(self) -> &'static str {
        match self {
            Self::AddressConnections | Self::AddressHandshakes => "429 Too Many Requests",
            _ => "503 Service Unavailable",
        }
    }
}

/// Counts a connection for as long as a clone of it lives.
pub type Permit = Arc<Admitted>;

/// A connection that was let in, and all that it takes up.
#[derive(Debug)]
pub struct Admitted {
    _permit: OwnedSemaphorePermit,
    _seat: AddressSeat,
    handshake: Mutex<Option<Box<Handshake>>>,
    seat: Mutex<PrincipalSeat>,
}

impl Admitted {
    /// A whole request has come: it no longer stands in the door.
    pub fn greet(&self) {
        let mut handshake = self
            .handshake
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        drop(handshake.take());
    }

    /// Keeps the seat of a stream for as long as the connection lives.
    pub fn keep(&self, seat: PrincipalSeat) {
        *self.seat.lock().unwrap_or_else(PoisonError::into_inner) = seat;
    }

    /// Cancelled when it must make room for others, which only one that was never greeted must.
    pub fn dawdled(&self) -> CancellationToken {
        let handshake = self
            .handshake
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let dawdled = handshake
            .as_ref()
            .map(|handshake| handshake.dawdled.clone());
        dawdled.unwrap_or_default()
    }
}

/// One connection that has not sent a whole request.
#[derive(Debug)]
struct Handshake {
    all: Arc<Mutex<BTreeMap<u64, Waiting>>>,
    number: u64,
    dawdled: CancellationToken,
    _seat: AddressSeat,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    dawdled: CancellationToken,
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.number);
    }
}

/// Decides who comes in.
struct Keeper {
    permits: Arc<Semaphore>,
    accepts: Option<DefaultDirectRateLimiter>,
    /// By the order in which they came.
    handshakes: Arc<Mutex<BTreeMap<u64, Waiting>>>,
    most_handshakes: usize,
    number: u64,
}

impl Keeper {
    fn new(limiter: &Limiter, max_connections: usize) -> Self {
        let accepts = limiter.get(Name::Accepts).and_then(NonZeroU32::new);
        let unit = Name::Accepts.limit().unit;
        let most = limiter.get(Name::Handshakes);
        Self {
            permits: Arc::new(Semaphore::new(max_connections)),
            accepts: accepts
                .map(|value| DefaultDirectRateLimiter::direct(limit::quota(unit, value))),
            handshakes: Arc::default(),
            most_handshakes: most.map_or(usize::MAX, |most| most as usize),
            number: 0,
        }
    }

    /// Lets a connection in, which counts for this address if for any.
    fn admit(&mut self, limiter: &Limiter, source: Option<Address>) -> Result<Permit, TurnedAway> {
        let seat = limiter.connection(source);
        let seat = seat.map_err(|_| TurnedAway::AddressConnections)?;
        if self
            .accepts
            .as_ref()
            .is_some_and(|accepts| accepts.check().is_err())
        {
            return Err(TurnedAway::Accepts);
        }
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        let permit = permit.map_err(|_| TurnedAway::MaxConnections)?;
        Ok(Arc::new(Admitted {
            _permit: permit,
            _seat: seat,
            handshake: Mutex::new(Some(Box::new(self.begin(limiter, source)?))),
            seat: Mutex::new(None),
        }))
    }

    /// A place for one more that has not sent a whole request, if need be that of the one that has had it longest.
    fn begin(
        &mut self,
        limiter: &Limiter,
        source: Option<Address>,
    ) -> Result<Handshake, TurnedAway> {
        let seat = limiter.handshake(source);
        let seat = seat.map_err(|_| TurnedAway::AddressHandshakes)?;
        let now = clock::instant();
        let mut all = self
            .handshakes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if all.len() >= self.most_handshakes {
            let oldest = all
                .first_entry()
                .filter(|oldest| now - oldest.get().since >= DAWDLE);
            oldest
                .ok_or(TurnedAway::Handshakes)?
                .remove()
                .dawdled
                .cancel();
        }
        self.number += 1;
        let dawdled = CancellationToken::new();
        let waiting = Waiting {
            since: now,
            dawdled: dawdled.clone(),
        };
        all.insert(self.number, waiting);
        Ok(Handshake {
            all: Arc::clone(&self.handshakes),
            number: self.number,
            dawdled,
            _seat: seat,
        })
    }
}

/// A descriptor that is kept for when there is no other.
struct Spare {
    domain: Domain,
    kept: Option<Socket>,
    pause: Duration,
}

impl Spare {
    fn new(listener: &TcpListener) -> Self {
        let is_v6 = listener.local_addr().is_ok_and(|address| address.is_ipv6());
        let domain = if is_v6 { Domain::IPV6 } else { Domain::IPV4 };
        let mut spare = Self {
            domain,
            kept: None,
            pause: FIRST_PAUSE,
        };
        spare.keep();
        spare
    }

    fn keep(&mut self) {
        if self.kept.is_none() {
            // Without one, those who wait are told nothing until there is one again.
            self.kept = Socket::new(self.domain, Type::STREAM, None).ok();
        }
    }

    /// Tells some of those who wait that there is no room, one after the other in the place of the spare descriptor.
    async fn turn_away(&mut self, listener: &TcpListener, is_tls: bool) -> usize {
        drop(self.kept.take());
        let mut told = 0;
        while told < TOLD_AT_ONCE {
            let accepted = poll_fn(|task| Poll::Ready(listener.poll_accept(task))).await;
            let Poll::Ready(Ok((stream, _))) = accepted else {
                break;
            };
            turn_away(stream, TurnedAway::Descriptors, is_tls);
            told += 1;
        }
        self.keep();
        told
    }

    fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }

    fn calm(&mut self) {
        self.pause = FIRST_PAUSE;
    }
}

/// Says once in a while what happens all the time.
struct Announcer {
    last: Option<Instant>,
    unsaid: usize,
}

impl Announcer {
    fn new() -> Self {
        Self {
            last: None,
            unsaid: 0,
        }
    }

    /// So many more; all that were not told yet, if it is time to tell.
    fn add(&mut self, count: usize) -> Option<usize> {
        self.unsaid += count;
        let now = clock::instant();
        let is_due = self.last.is_none_or(|last| now - last >= LOG_INTERVAL);
        is_due.then(|| {
            self.last = Some(now);
            std::mem::take(&mut self.unsaid)
        })
    }
}

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

/// Accepts until the server stops.
pub async fn accept<L: Log>(listener: TcpListener, app: Arc<App<L>>, max_connections: usize) {
    let mut keeper = Keeper::new(&app.limiter, max_connections);
    let mut spare = Spare::new(&listener);
    let (mut refusals, mut failures) = (Announcer::new(), Announcer::new());
    let refused = |why: TurnedAway, count: usize| {
        app.traffic.refused_connections[why as usize].add(count as u64);
    };
    let stop = app.stop.clone();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let error = match accepted {
            Ok((stream, peer)) => {
                spare.calm();
                // Behind a proxy are many, whom their requests tell apart.
                let source = (!app.proxies.trusts(peer.ip()))
                    .then(|| app.limiter.counted(peer.ip()))
                    .flatten();
                match keeper.admit(&app.limiter, source) {
                    Ok(permit) => {
                        app.tasks
                            .spawn(listen::serve(Arc::clone(&app), stream, peer, permit));
                    }
                    Err(why) => {
                        turn_away(stream, why, app.tls.is_some());
                        refused(why, 1);
                        if let Some(count) = refusals.add(1) {
                            let limit = TURNED_AWAY[why as usize];
                            tracing::warn!(limit, count, "connections are turned away");
                        }
                    }
                }
                continue;
            }
            // The client has left before its turn.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => error,
        };
        if matches!(
            Errno::from_io_error(&error),
            Some(Errno::MFILE | Errno::NFILE)
        ) {
            let told = spare.turn_away(&listener, app.tls.is_some()).await;
            refused(TurnedAway::Descriptors, told);
        }
        if let Some(times) = failures.add(1) {
            tracing::warn!(%error, times, "cannot accept a connection; those who wait are told to come later");
        }
        stop.run_until_cancelled(tokio::time::sleep(spare.next_pause()))
            .await;
    }
}

/// Says why, if the socket takes it at once, and reads what has come: closing on unread bytes would reset the connection,
/// and the answer with it. Where TLS is spoken nobody could read it, and the end alone has to say it.
fn turn_away(stream: TcpStream, why: TurnedAway, is_tls: bool) {
    if is_tls {
        return;
    }
    let refusal = format!(
        "HTTP/1.1 {}\r\nRetry-After: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        why.status(),
        fastrand::u32(RETRY_AFTER_S)
    );
    let Ok(mut stream) = stream.into_std() else {
        return;
    };
    // It is full or gone; either way the connection ends.
    stream.write_all(refusal.as_bytes()).ok();
    stream.shutdown(Shutdown::Write).ok();
    let mut unread = [0; 4 << 10];
    drop(stream.read(&mut unread));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{Limits, setting};

    fn keeper(settings: &[&str]) -> (Keeper, Limiter) {
        let settings: Vec<_> = settings.iter().map(|text| setting(text).unwrap()).collect();
        let limiter = Limiter::new(Limits::new(&settings));
        (Keeper::new(&limiter, 4), limiter)
    }

    fn door(admitted: Result<Permit, TurnedAway>) -> Option<TurnedAway> {
        admitted.err()
    }

    fn at(limiter: &Limiter, host: u8) -> Option<Address> {
        limiter.counted([192, 0, 2, host].into())
    }

    #[test]
    fn only_those_who_were_never_greeted_stand_in_the_door() {
        let (mut keeper, limiter) = keeper(&["handshakes=1"]);
        let first = keeper.admit(&limiter, at(&limiter, 1)).unwrap();
        assert_eq!(
            door(keeper.admit(&limiter, at(&limiter, 2))),
            Some(TurnedAway::Handshakes)
        );
        first.greet();
        let second = keeper.admit(&limiter, at(&limiter, 2)).unwrap();
        assert!(!first.dawdled().is_cancelled() && !second.dawdled().is_cancelled());
    }

    #[test]
    fn the_one_that_has_dawdled_longest_makes_room() {
        let (mut keeper, limiter) = keeper(&["handshakes=2"]);
        let [first, second] =
            [1, 2].map(|host| keeper.admit(&limiter, at(&limiter, host)).unwrap());
        let (first, second) = (first.dawdled(), (second.dawdled(), second));
        for waiting in keeper.handshakes.lock().unwrap().values_mut() {
            waiting.since -= DAWDLE;
        }
        let third = keeper.admit(&limiter, at(&limiter, 3)).unwrap();
        assert!(first.is_cancelled());
        assert!(!second.0.is_cancelled() && !third.dawdled().is_cancelled());
    }

    #[test]
    fn an_address_has_a_share_of_the_door_and_of_the_house() {
        let settings = ["address-handshakes=1", "address-connections=2"];
        let (mut keeper, limiter) = keeper(&settings);
        let first = keeper.admit(&limiter, at(&limiter, 1)).unwrap();
        assert_eq!(
            door(keeper.admit(&limiter, at(&limiter, 1))),
            Some(TurnedAway::AddressHandshakes)
        );
        first.greet();
        let second = keeper.admit(&limiter, at(&limiter, 1)).unwrap();
        second.greet();
        assert_eq!(
            door(keeper.admit(&limiter, at(&limiter, 1))),
            Some(TurnedAway::AddressConnections)
        );
        let others = [2, 3].map(|host| keeper.admit(&limiter, at(&limiter, host)).unwrap());
        assert_eq!(
            door(keeper.admit(&limiter, at(&limiter, 4))),
            Some(TurnedAway::MaxConnections)
        );
        drop((first, second, others));
        assert_eq!(
            door(keeper.admit(&limiter, at(&limiter, 1))),
            None,
            "all is given back"
        );
    }

    #[test]
    fn what_a_connection_keeps_is_small() {
        assert!(
            size_of::<Admitted>() <= 112,
            "{} bytes",
            size_of::<Admitted>()
        );
    }

    #[test]
    fn so_many_are_accepted_in_a_second() {
        let (mut keeper, limiter) = keeper(&["accepts=2"]);
        let taken = [1, 2].map(|host| keeper.admit(&limiter, at(&limiter, host)).unwrap());
        assert_eq!(
            door(keeper.admit(&limiter, at(&limiter, 3))),
            Some(TurnedAway::Accepts)
        );
        drop(taken);
    }
}
