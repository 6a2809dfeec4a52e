//! Tickets: how a program that can send no header begins a stream, such as a browser's `EventSource`.
//!
//! Whoever has a token asks for one, and whoever shows it comes in as they would have: once, and soon. A ticket stands in
//! an address, which ends up in logs and histories, so what is left of it there must be worth nothing. The store keeps
//! digests alone. It lives in this process, or, where the log is a database, in a table there: then a ticket of one server
//! may be shown to any of them, and is worth there what its token would be (decision 10).

mod record;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use todoki_codec::{Filter, Scopes};

use super::{Admission, Auth, generate};
use crate::clock;
use crate::log::{AnyLog, Kept, KeptTicket, TicketRoom, TicketTable};
use crate::reply::Refusal;
use record::Record;

pub(super) use record::Shown;

/// How long a ticket may be used: a page asks for one just before it connects, and 30 s are a slow network's patience.
pub const LIFETIME: Duration = Duration::from_secs(30);

/// Tickets that wait to be used: as many as there may be connections by default, some 5 MB. In a table it is as much, or
/// 150 MB where each is of the largest JWT and for the longest filter that there may be.
const TICKETS: usize = 10_000;

/// Tickets of one principal that wait to be used, so that nobody takes the room of all others: more than a person has
/// pages, and for a back end that gets tickets for its pages, more than connect within one trip there and back.
const TICKETS_OF_ONE: usize = 100;

/// The same bounds for all servers on one database together.
const ROOM: TicketRoom = TicketRoom {
    lifetime: LIFETIME,
    most_of_one: TICKETS_OF_ONE,
    most: TICKETS,
};

const MANY_OF_ONE: Refusal = Refusal::TicketsOfOne {
    most: TICKETS_OF_ONE,
};

/// The tickets that a server takes.
#[derive(Debug)]
pub enum Tickets {
    /// Its own, in memory.
    Own(Mutex<Waiting>),
    /// Those of all servers on one database.
    Shared(Arc<TicketTable>),
}

/// What waits to be used at one server.
#[derive(Debug, Default)]
pub struct Waiting {
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

impl Default for Tickets {
    fn default() -> Self {
        Self::Own(Mutex::default())
    }
}

impl Tickets {
    /// The tickets that are taken by whoever serves this log.
    pub fn of(log: &AnyLog) -> Self {
        match log {
            AnyLog::Embedded(_) => Self::default(),
            AnyLog::Postgres(log) => Self::Shared(log.tickets()),
        }
    }

    /// A new ticket for whoever came in so, to see no more than `filter` picks.
    pub async fn issue(&self, admission: Admission, filter: &Filter) -> Result<String, Refusal> {
        let text = generate().map_err(|_| Refusal::Tickets)?;
        let digest = Sha256::digest(&text).into();
        match self {
            Self::Own(waiting) => {
                let ticket = Ticket {
                    digest,
                    admission,
                    bound: filter.as_scopes(),
                    until: clock::instant() + LIFETIME,
                };
                lock(waiting).put(ticket, clock::instant())?;
            }
            Self::Shared(table) => {
                let ticket = KeptTicket {
                    digest,
                    principal: Sha256::digest(&**admission.principal.name()).into(),
                    sealed: Record::new(&admission, filter).seal(&text),
                };
                match table.put(&ticket, ROOM).await? {
                    Kept::Yes => {}
                    Kept::ManyOfOne => return Err(MANY_OF_ONE),
                    Kept::Many => return Err(Refusal::Tickets),
                }
            }
        }
        Ok(text)
    }

    /// Who may come in with this ticket, with the grants of now. Whatever comes of it, it is used.
    pub async fn redeem(&self, auth: &Auth, text: &str) -> Result<Admission, Refusal> {
        let digest = Sha256::digest(text).into();
        match self {
            Self::Own(waiting) => {
                let taken = lock(waiting).take(&digest, clock::instant());
                let ticket = taken.ok_or(Refusal::Unauthorised)?;
                auth.readmit(&within(ticket.admission, ticket.bound)?)
            }
            Self::Shared(table) => {
                let sealed = table.take(&digest).await?;
                let record = sealed.and_then(|sealed| Record::open(text, sealed));
                let record = record.ok_or(Refusal::Unauthorised)?;
                let filter = record.filter().ok_or(Refusal::Unauthorised)?;
                within(auth.admit_shown(&record.shown).await?, filter.as_scopes())
            }
        }
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    // Nothing panics between two changes that belong together.
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same admission, to see no more than `bound`.
fn within(admission: Admission, bound: Scopes) -> Result<Admission, Refusal> {
    let principal = admission.principal.bounded(bound);
    Ok(Admission {
        principal: Arc::new(principal.map_err(|_| Refusal::Unauthorised)?),
        ..admission
    })
}

impl Waiting {
    fn put(&mut self, ticket: Ticket, now: Instant) -> Result<(), Refusal> {
        self.sweep(now);
        let name = Arc::clone(ticket.admission.principal.name());
        if self.counts.get(&name).copied().unwrap_or(0) >= TICKETS_OF_ONE {
            return Err(MANY_OF_ONE);
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
    use todoki_codec::{Pattern, WantedIds};

    use super::super::{Generation, Principal, Proof};
    use super::*;

    fn admission(name: &str) -> Admission {
        Admission {
            principal: Arc::new(Principal::everything(name)),
            expires: None,
            proof: Proof::Everything([0; 32]),
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
        let issue = async || {
            let admission = admitted(&auth).await;
            tickets.issue(admission, &Filter::default()).await.unwrap()
        };
        let (one, other) = (issue().await, issue().await);
        assert_ne!(one, other);
        assert_eq!(one.len(), 24, "144 bits in base64url");
        assert!(tickets.redeem(&auth, &one).await.is_ok());
        for worthless in [&one, "", "secret"] {
            let refused = tickets.redeem(&auth, worthless).await;
            assert!(matches!(refused, Err(Refusal::Unauthorised)));
        }
        assert!(tickets.redeem(&auth, &other).await.is_ok());
    }

    /// Also when the admission is looked at again, as it is whenever grants change.
    #[tokio::test]
    async fn whoever_came_with_a_ticket_stays_within_what_it_is_for() {
        let (auth, tickets) = (Auth::new("secret"), Tickets::default());
        let admission = admitted(&auth).await;
        let text = tickets.issue(admission, &filter("task.*")).await.unwrap();
        let admission = tickets.redeem(&auth, &text).await.unwrap();
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
