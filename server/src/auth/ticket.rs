//! Tickets: how a program that can send no header begins a stream, such as a browser's `EventSource`.
//!
//! Whoever has a token asks for one, and whoever shows it comes in as they would have: once, and soon. A ticket stands in
//! an address, which ends up in logs and histories, so what is left of it there must be worth nothing. The store keeps
//! digests alone, and lives in this process: another server on the same database does not know its tickets.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use todoki_codec::Scopes;

use super::{Admission, Auth, generate};
use crate::clock;
use crate::reply::Refusal;

/// How long a ticket may be used: a page asks for one just before it connects, and 30 s are a slow network's patience.
pub const LIFETIME: Duration = Duration::from_secs(30);

/// Tickets that wait to be used: as many as there may be connections by default, some 5 MB.
const TICKETS: usize = 10_000;

/// Tickets of one principal that wait to be used, so that nobody takes the room of all others: more than a person has
/// pages, and for a back end that gets tickets for its pages, more than connect within one trip there and back.
const TICKETS_OF_ONE: usize = 100;

/// The tickets of a server.
#[derive(Debug, Default)]
pub struct Tickets(Mutex<Waiting>);

/// What waits to be used.
#[derive(Debug, Default)]
struct Waiting {
    /// By number, hence by when they expire, for all live equally long.
    tickets: BTreeMap<u64, Ticket>,
    /// Their numbers, by what their holders will show.
    numbers: HashMap<[u8; 32], u64>,
    /// How many each principal has; none has no entry.
    counts: HashMap<Arc<str>, usize>,
    next: u64,
}

#[derive(Debug)]
struct Ticket {
    digest: [u8; 32],
    admission: Admission,
    bound: Scopes,
    until: Instant,
}

impl Tickets {
    /// A new ticket for whoever came in so, to see no more than `bound`.
    pub fn issue(&self, admission: Admission, bound: Scopes) -> Result<String, Refusal> {
        let text = generate().map_err(|_| Refusal::Tickets)?;
        let ticket = Ticket {
            digest: Sha256::digest(&text).into(),
            admission,
            bound,
            until: clock::instant() + LIFETIME,
        };
        self.waiting().put(ticket, clock::instant())?;
        Ok(text)
    }

    /// Who may come in with this ticket, with the grants of now. Whatever comes of it, it is used.
    pub fn redeem(&self, auth: &Auth, text: &str) -> Result<Admission, Refusal> {
        let digest = Sha256::digest(text).into();
        let taken = self.waiting().take(&digest, clock::instant());
        let Ticket {
            admission, bound, ..
        } = taken.ok_or(Refusal::Unauthorised)?;
        let Admission { principal, .. } = &admission;
        let principal = principal.bounded(bound);
        let principal = Arc::new(principal.map_err(|_| Refusal::Unauthorised)?);
        auth.readmit(&Admission {
            principal,
            ..admission
        })
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        // Nothing panics between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn put(&mut self, ticket: Ticket, now: Instant) -> Result<(), Refusal> {
        self.sweep(now);
        let name = Arc::clone(ticket.admission.principal.name());
        if self.counts.get(&name).copied().unwrap_or(0) >= TICKETS_OF_ONE {
            return Err(Refusal::TicketsOfOne {
                most: TICKETS_OF_ONE,
            });
        }
        if self.tickets.len() >= TICKETS {
            return Err(Refusal::Tickets);
        }
        *self.counts.entry(name).or_default() += 1;
        self.numbers.insert(ticket.digest, self.next);
        self.tickets.insert(self.next, ticket);
        self.next += 1;
        Ok(())
    }

    fn take(&mut self, digest: &[u8; 32], now: Instant) -> Option<Ticket> {
        self.sweep(now);
        let number = *self.numbers.get(digest)?;
        self.remove(number)
    }

    fn sweep(&mut self, now: Instant) {
        while let Some((number, ticket)) = self.tickets.first_key_value()
            && ticket.until <= now
        {
            let number = *number;
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) -> Option<Ticket> {
        let ticket = self.tickets.remove(&number)?;
        self.numbers.remove(&ticket.digest);
        let name = ticket.admission.principal.name();
        if let Some(count) = self.counts.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(name);
            }
        }
        Some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use todoki_codec::{Filter, Pattern, WantedIds};

    use super::super::{Generation, Principal, Proof};
    use super::*;

    fn admission(name: &str) -> Admission {
        Admission {
            principal: Arc::new(Principal::everything(name)),
            expires: None,
            proof: Proof::Everything,
            generation: Generation::default(),
        }
    }

    fn ticket(name: &str, digest: u8, until: Instant) -> Ticket {
        Ticket {
            digest: [digest; 32],
            admission: admission(name),
            bound: Scopes::all(),
            until,
        }
    }

    fn filter(pattern: &str) -> Filter {
        let pattern = Pattern::parse(pattern).unwrap();
        Filter::new(vec![pattern], WantedIds::default())
    }

    async fn admitted(auth: &Auth) -> Admission {
        auth.admit_token("secret").await.unwrap()
    }

    #[tokio::test]
    async fn a_ticket_lets_in_once() {
        let (auth, tickets) = (Auth::new("secret"), Tickets::default());
        let issue = async || tickets.issue(admitted(&auth).await, Scopes::all()).unwrap();
        let (one, other) = (issue().await, issue().await);
        assert_ne!(one, other);
        assert_eq!(one.len(), 24, "144 bits in base64url");
        assert!(tickets.redeem(&auth, &one).is_ok());
        for worthless in [&one, "", "secret"] {
            let refused = tickets.redeem(&auth, worthless);
            assert!(matches!(refused, Err(Refusal::Unauthorised)));
        }
        assert!(tickets.redeem(&auth, &other).is_ok());
    }

    /// Also when the admission is looked at again, as it is whenever grants change.
    #[tokio::test]
    async fn whoever_came_with_a_ticket_stays_within_what_it_is_for() {
        let (auth, tickets) = (Auth::new("secret"), Tickets::default());
        let bound = filter("task.*").as_scopes();
        let text = tickets.issue(admitted(&auth).await, bound).unwrap();
        let admission = tickets.redeem(&auth, &text).unwrap();
        for admission in [auth.readmit(&admission).unwrap(), admission] {
            let principal = admission.principal;
            assert_eq!(
                principal.live(&Filter::default()).unwrap(),
                filter("task.*")
            );
            assert_eq!(
                principal.resumed(&filter("task.a")).unwrap(),
                filter("task.a")
            );
            assert!(principal.stored(&filter("agent.*")).is_err());
            assert!(principal.is_restricted());
            assert!(principal.check_emits().is_err() && principal.check_admin().is_err());
        }
    }

    #[test]
    fn a_ticket_is_worth_nothing_after_its_time() {
        let (mut waiting, now) = (Waiting::default(), clock::instant());
        let soon = now + LIFETIME;
        waiting.put(ticket("a", 1, soon), now).unwrap();
        waiting.put(ticket("a", 2, soon), now).unwrap();
        let just_before = soon.checked_sub(Duration::from_nanos(1)).unwrap();
        assert!(waiting.take(&[1; 32], just_before).is_some());
        assert!(waiting.take(&[2; 32], soon).is_none());
        let Waiting {
            tickets,
            numbers,
            counts,
            ..
        } = waiting;
        assert!(tickets.is_empty() && numbers.is_empty() && counts.is_empty());
    }

    #[test]
    fn one_principal_does_not_take_the_room_of_others() {
        let (mut waiting, now) = (Waiting::default(), clock::instant());
        let until = now + LIFETIME;
        for number in 0..TICKETS_OF_ONE {
            let digest = u8::try_from(number).unwrap();
            waiting.put(ticket("a", digest, until), now).unwrap();
        }
        let refused = waiting.put(ticket("a", 200, until), now);
        assert!(matches!(refused, Err(Refusal::TicketsOfOne { most: 100 })));
        assert!(waiting.put(ticket("b", 201, until), now).is_ok());
        // One that is used makes room, and so does one that has expired.
        assert!(waiting.take(&[0; 32], now).is_some());
        assert!(waiting.put(ticket("a", 200, until), now).is_ok());
        assert!(waiting.put(ticket("a", 202, until), now).is_err());
        assert!(
            waiting
                .put(ticket("a", 202, until + LIFETIME), until)
                .is_ok()
        );
        assert_eq!(waiting.tickets.len(), 1);
    }

    #[test]
    fn there_is_room_for_so_many_tickets_of_all() {
        let (mut waiting, now) = (Waiting::default(), clock::instant());
        let until = now + LIFETIME;
        for number in 0..TICKETS {
            let mut ticket = ticket(&format!("p{}", number % 500), 0, until);
            ticket.digest[..8].copy_from_slice(&number.to_be_bytes());
            waiting.put(ticket, now).unwrap();
        }
        let refused = waiting.put(ticket("another", 255, until), now);
        assert!(matches!(refused, Err(Refusal::Tickets)));
    }
}
