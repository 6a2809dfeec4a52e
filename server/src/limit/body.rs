//! What the bodies of emits hold while they come in and are stored: bounded for all together, and for each address and each
//! principal to a part of that, so that nobody can keep it full for the others.
//!
//! Counted is what a body holds, as it grows, and not what its head promises: whoever says much and sends nothing holds
//! nothing. What was taken is given back when it is dropped, however the request ends.

use std::hash::Hash;
use std::sync::Arc;

use super::seat::{Seat, Seats};
use super::{Address, AddressSeat, Limiter, Limits, Name, PrincipalSeat, SEAT_WAIT, spread};
use crate::auth::Principal;
use crate::reply::Refusal;

/// A body that holds no more than this is not counted: the number of connections bounds these well enough (40 MiB for
/// 10,000), so that lone emits cost no lock here, and come in whoever fills the rest.
const FREE_BYTES: usize = 4 << 10;

/// What bodies may hold, in KiB.
#[derive(Debug)]
pub(super) struct Bodies {
    all: Option<Seats<()>>,
    by_address: Option<Seats<Address>>,
    by_principal: Option<Seats<Arc<str>>>,
}

impl Bodies {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            all: limits.get(Name::Bodies).map(Seats::new),
            by_address: limits.get(Name::AddressBodies).map(Seats::new),
            by_principal: limits.get(Name::PrincipalBodies).map(Seats::new),
        }
    }

    fn begin(&self, source: Option<Address>, principal: &Principal) -> Held {
        let (by_address, by_principal) = (self.by_address.as_ref(), self.by_principal.as_ref());
        Held {
            all: self.all.as_ref().map(|seats| seats.begin(&())),
            of_address: by_address
                .zip(source)
                .map(|(seats, source)| seats.begin(&source)),
            of_principal: by_principal.map(|seats| seats.begin(principal.name())),
            kib: 0,
        }
    }
}

/// What is counted of one body.
#[derive(Debug)]
struct Held {
    all: Option<Seat<()>>,
    of_address: AddressSeat,
    of_principal: PrincipalSeat,
    kib: u32,
}

impl Held {
    /// Takes what is missing to so much, or says which limit has not that much left.
    fn grow(&mut self, kib: u32) -> Result<(), Name> {
        let more = kib.saturating_sub(self.kib);
        // Whoever is over a part of their own hears of that, and not that others have taken all.
        add(self.of_address.as_mut(), more, Name::AddressBodies)?;
        add(self.of_principal.as_mut(), more, Name::PrincipalBodies)?;
        add(self.all.as_mut(), more, Name::Bodies)?;
        self.kib += more;
        Ok(())
    }
}

fn add<K: Hash + Eq + Clone>(
    seat: Option<&mut Seat<K>>,
    more: u32,
    name: Name,
) -> Result<(), Name> {
    if seat.is_some_and(|seat| !seat.add(more)) {
        return Err(name);
    }
    Ok(())
}

/// Room of one body, for as long as it is there. One that was refused room is not to go on.
#[derive(Debug)]
pub struct BodyRoom<'a> {
    limiter: &'a Limiter,
    source: Option<Address>,
    principal: &'a Principal,
    /// None as long as the body is small enough not to be counted.
    held: Option<Held>,
}

impl<'a> BodyRoom<'a> {
    pub(super) fn new(
        limiter: &'a Limiter,
        source: Option<Address>,
        principal: &'a Principal,
    ) -> Self {
        Self {
            limiter,
            source,
            principal,
            held: None,
        }
    }

    /// The body is about to hold so many bytes in all, if there is room for them.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        if bytes <= FREE_BYTES {
            return Ok(());
        }
        let bodies = &self.limiter.bodies;
        let held = self
            .held
            .get_or_insert_with(|| bodies.begin(self.source, self.principal));
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        held.grow(kib).map_err(|name| match name {
            Name::Bodies => Refusal::Bodies,
            name => self.limiter.exceeded(name, SEAT_WAIT + spread()).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::setting;

    const MIB: usize = 1 << 20;

    fn limiter(settings: &[&str]) -> Limiter {
        let settings: Vec<_> = settings.iter().map(|text| setting(text).unwrap()).collect();
        Limiter::new(Limits::new(&settings))
    }

    fn code(grown: Result<(), Refusal>) -> Option<&'static str> {
        grown.err().map(|refusal| refusal.status().1)
    }

    #[test]
    fn what_bodies_hold_is_counted_as_they_grow_and_given_back_when_they_go() {
        let limiter = limiter(&["bodies-kib=2048"]);
        let ann = Principal::everything("ann");
        let mut one = limiter.body(None, &ann);
        let mut two = limiter.body(None, &ann);
        assert_eq!(code(one.grow(MIB)), None);
        assert_eq!(code(one.grow(MIB)), None, "what is held is not taken twice");
        assert_eq!(code(two.grow(MIB / 2)), None);
        assert_eq!(code(two.grow(MIB + 1)), Some("busy"));
        assert_eq!(code(two.grow(MIB)), None);
        assert_eq!(
            code(limiter.body(None, &ann).grow(FREE_BYTES + 1)),
            Some("busy")
        );
        assert_eq!(code(limiter.body(None, &ann).grow(FREE_BYTES)), None);
        drop((one, two));
        assert_eq!(code(limiter.body(None, &ann).grow(2 * MIB)), None);
        assert_eq!(code(limiter.body(None, &ann).grow(2 * MIB)), None);
    }

    #[test]
    fn an_address_and_a_principal_have_a_part_and_leave_the_rest_to_others() {
        let limiter = limiter(&[
            "bodies-kib=8192",
            "address-bodies-kib=2048",
            "principal-bodies-kib=3072",
        ]);
        let (ann, bob) = (Principal::everything("ann"), Principal::everything("bob"));
        let at = |address: &str| limiter.counted(address.parse().unwrap());
        let (here, there) = (at("192.0.2.1"), at("192.0.2.2"));
        let mut of_here = limiter.body(here, &ann);
        assert_eq!(code(of_here.grow(2 * MIB)), None);
        assert_eq!(
            code(limiter.body(here, &bob).grow(MIB)),
            Some("rate_limited")
        );
        let mut of_ann = limiter.body(there, &ann);
        assert_eq!(code(of_ann.grow(MIB)), None);
        assert_eq!(
            code(limiter.body(None, &ann).grow(MIB)),
            Some("rate_limited")
        );
        assert_eq!(code(limiter.body(there, &bob).grow(MIB)), None);
        drop((of_here, of_ann));
        assert_eq!(code(limiter.body(here, &ann).grow(2 * MIB)), None);
    }

    #[test]
    fn whoever_is_refused_gives_back_what_was_taken_on_the_way() {
        let limiter = limiter(&["bodies-kib=1024", "principal-bodies-kib=2048"]);
        let ann = Principal::everything("ann");
        assert_eq!(code(limiter.body(None, &ann).grow(2 * MIB)), Some("busy"));
        assert_eq!(code(limiter.body(None, &ann).grow(MIB)), None);
    }
}
