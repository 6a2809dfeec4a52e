//! How much anybody may do: buckets for what comes in time, seats for what is there at the same time, both by address
//! and by principal.
//!
//! Nothing here waits: whoever is over a limit is told which, and for how long. Knows what is asked for only as a [`Use`].

mod body;
mod bucket;
mod held;
mod kinds;
mod seat;
mod table;

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use todoki_codec::Draft;

use crate::auth::Principal;
use crate::proxy::{self, ClientAddress};
use crate::reply::Refusal;
use body::Bodies;
use bucket::Buckets;
use kinds::Kinds;
use seat::Seats;

pub use body::BodyRoom;
pub(crate) use bucket::quota;
pub use held::hold;
pub use kinds::NewKinds;
pub use seat::Seat;
pub use table::{LIMITS, Limit, Limits, Name, Setting, Unit, help, setting};

/// Clients that were turned away together come back over so many seconds, not all at once.
const SPREAD_S: u64 = 5;

/// What a seat that is taken is asked for again after: connections and replays end, but nobody knows when.
const SEAT_WAIT: Duration = Duration::from_secs(5);

/// Whose limits of addresses count: an IPv4 address, or an IPv6 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address(IpAddr);

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        Self(proxy::group(address))
    }
}

/// Where a request comes from.
fn client<B>(request: &Request<B>) -> Option<IpAddr> {
    ClientAddress::of(request).map(|client| client.ip)
}

/// What requests use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A stream begins.
    Connect,
    /// An emit.
    Emit,
    /// KiB of an emit.
    EmitKib,
    /// What is stored is read.
    Read,
}

const USES: [(Name, Name); 4] = [
    (Name::AddressConnects, Name::PrincipalConnects),
    (Name::AddressEmits, Name::PrincipalEmits),
    (Name::AddressEmitKib, Name::PrincipalEmitKib),
    (Name::AddressReads, Name::PrincipalReads),
];

/// Somebody is over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Which.
    pub name: Name,
    /// Its value.
    pub value: u32,
    /// Until they may try again.
    pub wait: Duration,
}

impl Exceeded {
    /// Whole seconds, rounded up: whoever comes back after them is not too early.
    pub fn wait_s(&self) -> u64 {
        self.wait.as_secs() + u64::from(self.wait.subsec_nanos() > 0)
    }
}

impl From<Exceeded> for Refusal {
    fn from(exceeded: Exceeded) -> Self {
        Self::RateLimited(exceeded)
    }
}

/// Keeps count of everybody. See the [module](self).
#[derive(Debug)]
pub struct Limiter {
    limits: Limits,
    by_address: [Option<Buckets<Address>>; USES.len()],
    by_principal: [Option<Buckets<Arc<str>>>; USES.len()],
    failures: Option<Buckets<Address>>,
    kinds: Option<Kinds>,
    bodies: Bodies,
    connections: Option<Seats<Address>>,
    handshakes: Option<Seats<Address>>,
    streams: Option<Seats<Arc<str>>>,
    replays: Option<Seats<Arc<str>>>,
}

/// Counts what a client does on a stream that is open among what its address and its principal do elsewhere.
#[derive(Clone, Debug)]
pub struct Account {
    limiter: Arc<Limiter>,
    source: Option<Address>,
}

impl Account {
    /// See [`Limiter::refused`].
    pub fn refused(&self, refusal: Refusal) -> Refusal {
        self.limiter.refused(self.source, refusal)
    }

    /// What is stored is read for the client.
    pub fn spend_read(&self, principal: &Principal) -> Result<(), Exceeded> {
        self.limiter.spend(Use::Read, self.source, principal, 1)
    }
}

/// A seat of an address, if its limit is on.
pub type AddressSeat = Option<Seat<Address>>;

/// A seat of a principal, if its limit is on.
pub type PrincipalSeat = Option<Seat<Arc<str>>>;

impl Limiter {
    /// With these values.
    pub fn new(limits: Limits) -> Self {
        let seats_of_address = |name| limits.get(name).map(Seats::new);
        let seats_of_principal = |name| limits.get(name).map(Seats::new);
        Self {
            by_address: USES.map(|(name, _)| buckets(&limits, name)),
            by_principal: USES.map(|(_, name)| buckets(&limits, name)),
            failures: buckets(&limits, Name::AddressFailures),
            kinds: rate(&limits, Name::PrincipalKinds).map(|(unit, value)| Kinds::new(unit, value)),
            bodies: Bodies::new(&limits),
            connections: seats_of_address(Name::AddressConnections),
            handshakes: seats_of_address(Name::AddressHandshakes),
            streams: seats_of_principal(Name::PrincipalStreams),
            replays: seats_of_principal(Name::PrincipalReplays),
            limits,
        }
    }

    /// The value of a limit; none for 0.
    pub fn get(&self, name: Name) -> Option<u32> {
        self.limits.get(name)
    }

    /// Whose limits count for a request; none if the address says nothing about who it is.
    pub fn source<B>(&self, request: &Request<B>) -> Option<Address> {
        self.counted(client(request)?)
    }

    /// The address, unless it is exempt.
    pub fn counted(&self, address: IpAddr) -> Option<Address> {
        let is_exempt =
            self.get(Name::LoopbackExempt).is_some() && address.to_canonical().is_loopback();
        (!is_exempt).then(|| address.into())
    }

    /// So much is used by a principal at an address.
    pub fn spend(
        &self,
        what: Use,
        source: Option<Address>,
        principal: &Principal,
        count: u32,
    ) -> Result<(), Exceeded> {
        let (address, name) = USES[what as usize];
        if let (Some(buckets), Some(source)) = (&self.by_address[what as usize], source) {
            self.judged(address, buckets.take(&source, count))?;
        }
        if let Some(buckets) = &self.by_principal[what as usize] {
            self.judged(name, buckets.take(principal.name(), count))?;
        }
        Ok(())
    }

    /// A body of so many bytes was sent to be emitted.
    pub fn spend_body(
        &self,
        source: Option<Address>,
        principal: &Principal,
        bytes: usize,
    ) -> Result<(), Exceeded> {
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        self.spend(Use::EmitKib, source, principal, kib)
    }

    /// Room for a body that a principal begins to send.
    pub fn body<'a>(&'a self, source: Option<Address>, principal: &'a Principal) -> BodyRoom<'a> {
        BodyRoom::new(self, source, principal)
    }

    /// A principal emits these drafts, which have so many kinds that the log does not.
    pub fn spend_kinds(
        &self,
        principal: &Principal,
        drafts: &[Draft],
        new: impl FnOnce() -> usize,
    ) -> Result<NewKinds, Exceeded> {
        let Some(kinds) = &self.kinds else {
            return Ok(NewKinds::default());
        };
        let taken = if principal.is_restricted() {
            kinds.take_own(principal.name(), drafts)
        } else {
            kinds.take(principal.name(), new())
        };
        self.judged(Name::PrincipalKinds, taken)
    }

    /// Drafts were not stored, nor will be.
    pub fn give_back_kinds(&self, principal: &Principal, taken: &NewKinds) {
        if let Some(kinds) = &self.kinds {
            kinds.give_back(principal.name(), taken);
        }
    }

    /// Somebody at an address had no token, or a wrong one; too many of these are no longer told so.
    pub fn fail(&self, source: Option<Address>) -> Result<(), Exceeded> {
        match (&self.failures, source) {
            (Some(buckets), Some(source)) => {
                self.judged(Name::AddressFailures, buckets.take(&source, 1))
            }
            _ => Ok(()),
        }
    }

    /// What a refused admission is answered: as it was, or that these were too many.
    pub fn refused(&self, source: Option<Address>, refusal: Refusal) -> Refusal {
        match refusal {
            Refusal::Unauthorised => match self.fail(source) {
                Ok(()) => refusal,
                Err(exceeded) => exceeded.into(),
            },
            _ => refusal,
        }
    }

    /// What counts for a client for as long as its stream is open.
    pub fn account(self: &Arc<Self>, source: Option<Address>) -> Account {
        Account {
            limiter: Arc::clone(self),
            source,
        }
    }

    /// A connection of an address.
    pub fn connection(&self, address: Option<Address>) -> Result<AddressSeat, Exceeded> {
        self.seat(
            self.connections.as_ref(),
            address.as_ref(),
            Name::AddressConnections,
        )
    }

    /// A connection of an address that has not sent a whole request.
    pub fn handshake(&self, address: Option<Address>) -> Result<AddressSeat, Exceeded> {
        self.seat(
            self.handshakes.as_ref(),
            address.as_ref(),
            Name::AddressHandshakes,
        )
    }

    /// A principal begins a stream, and has a seat for as long as it lasts.
    pub fn stream(
        &self,
        source: Option<Address>,
        principal: &Principal,
    ) -> Result<PrincipalSeat, Exceeded> {
        self.spend(Use::Connect, source, principal, 1)?;
        self.seat(
            self.streams.as_ref(),
            Some(principal.name()),
            Name::PrincipalStreams,
        )
    }

    /// A replay over HTTP, for as long as it lasts.
    pub fn replay(&self, principal: &Principal) -> Result<PrincipalSeat, Exceeded> {
        self.seat(
            self.replays.as_ref(),
            Some(principal.name()),
            Name::PrincipalReplays,
        )
    }

    fn seat<K: Hash + Eq + Clone>(
        &self,
        seats: Option<&Seats<K>>,
        key: Option<&K>,
        name: Name,
    ) -> Result<Option<Seat<K>>, Exceeded> {
        let (Some(seats), Some(key)) = (seats, key) else {
            return Ok(None);
        };
        let seat = seats.take(key);
        seat.map(Some)
            .ok_or_else(|| self.exceeded(name, SEAT_WAIT + spread()))
    }

    fn judged<T>(&self, name: Name, taken: Result<T, Duration>) -> Result<T, Exceeded> {
        let is_storm = matches!(name, Name::AddressConnects | Name::PrincipalConnects);
        let spread = if is_storm { spread() } else { Duration::ZERO };
        taken.map_err(|wait| self.exceeded(name, wait + spread))
    }

    fn exceeded(&self, name: Name, wait: Duration) -> Exceeded {
        Exceeded {
            name,
            value: self.get(name).unwrap_or_default(),
            wait,
        }
    }
}

fn buckets<K: Hash + Eq + Clone>(limits: &Limits, name: Name) -> Option<Buckets<K>> {
    rate(limits, name).map(|(unit, value)| Buckets::new(unit, value))
}

fn rate(limits: &Limits, name: Name) -> Option<(Unit, NonZeroU32)> {
    let value = NonZeroU32::new(limits.get(name)?)?;
    Some((name.limit().unit, value))
}

/// A random part of what a wait is: clients that were turned away together must not come back together.
fn spread() -> Duration {
    Duration::from_millis(fastrand::u64(..SPREAD_S * 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(settings: &[&str]) -> Limiter {
        let settings: Vec<_> = settings.iter().map(|text| setting(text).unwrap()).collect();
        Limiter::new(Limits::new(&settings))
    }

    fn at(limiter: &Limiter, address: &str) -> Option<Address> {
        limiter.counted(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_all_of_an_ipv6_network_and_one_of_ipv4_however_it_is_written() {
        let limiter = limiter(&[]);
        let at = |address| at(&limiter, address);
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }

    #[test]
    fn loopback_is_exempt_unless_it_is_said_not_to_be() {
        let lenient = limiter(&[]);
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(at(&lenient, address), None, "{address}");
        }
        let strict = limiter(&["loopback-exempt=0"]);
        assert!(at(&strict, "127.0.0.1").is_some());
        assert_ne!(at(&strict, "127.0.0.1"), at(&strict, "127.0.0.2"));
    }

    #[test]
    fn failures_of_an_address_are_its_own() {
        let limiter = limiter(&["address-failures=2"]);
        let (one, other) = (at(&limiter, "192.0.2.1"), at(&limiter, "192.0.2.2"));
        let refused = |source| limiter.refused(source, Refusal::Unauthorised).status().1;
        assert_eq!([refused(one), refused(one)], ["unauthorised"; 2]);
        assert_eq!(refused(one), "rate_limited");
        assert_eq!(refused(other), "unauthorised");
        assert_eq!(
            limiter.refused(one, Refusal::Forbidden).status().1,
            "forbidden"
        );
    }

    #[test]
    fn addresses_and_principals_are_counted_apart_and_nothing_is_counted_by_nobody() {
        let limiter = limiter(&["address-emits=3", "principal-emits=2"]);
        let (ann, bob) = (Principal::everything("ann"), Principal::everything("bob"));
        let source = at(&limiter, "192.0.2.1");
        let spend = |source, who| {
            limiter
                .spend(Use::Emit, source, who, 1)
                .map_err(|over| over.name)
        };
        assert_eq!(spend(source, &ann), Ok(()));
        assert_eq!(spend(None, &ann), Ok(()), "an exempt address");
        assert_eq!(spend(None, &ann), Err(Name::PrincipalEmits));
        assert_eq!(spend(source, &bob), Ok(()));
        assert_eq!(spend(source, &bob), Ok(()));
        assert_eq!(spend(source, &bob), Err(Name::AddressEmits));
        assert_eq!(limiter.spend(Use::Read, source, &ann, 1), Ok(()));
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_too_short() {
        let wait = |wait| {
            Exceeded {
                name: Name::Accepts,
                value: 1,
                wait,
            }
            .wait_s()
        };
        assert_eq!(wait(Duration::from_millis(1)), 1);
        assert_eq!(wait(Duration::from_secs(2)), 2);
        assert_eq!(wait(Duration::from_millis(2_001)), 3);
    }
}
