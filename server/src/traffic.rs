//! What comes in at the edge, counted: requests that were refused, emits, connections.
//!
//! Many threads count here, seldom enough that atomics cost nothing beside a request. Labels are places in tables of this
//! file, so that no request can make a new one.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::accept::TURNED_AWAY;
use crate::reply::Refusal;

/// A count that any thread may add to. Relaxed: counts order nothing.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A refusal's code, and what is known of it beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// The stable code that a client is given.
    pub name: &'static str,
    /// The class of the status beside it.
    pub status: &'static str,
    /// Whether an emit with the token can be refused for it, by its own handler.
    is_of_emit: bool,
}

const fn code(name: &'static str, status: &'static str, is_of_emit: bool) -> Code {
    Code {
        name,
        status,
        is_of_emit,
    }
}

/// Every code of [`reply`](crate::reply), by name; a test there holds the two together.
pub const CODES: [Code; 34] = [
    code("batch_too_long", "4xx", true),
    code("body_broken", "4xx", true),
    code("body_timeout", "4xx", true),
    code("body_too_large", "4xx", true),
    code("busy", "5xx", true),
    code("cursor_ahead", "4xx", false),
    code("cursor_gone", "4xx", false),
    code("cursors_exhausted", "5xx", true),
    code("draft_too_large", "4xx", true),
    code("empty_batch", "4xx", true),
    code("expectation_failed", "4xx", false),
    code("forbidden", "4xx", true),
    code("foreign_origin", "4xx", false),
    code("id_conflict", "4xx", true),
    code("invalid_draft", "4xx", true),
    code("invalid_header", "4xx", true),
    code("invalid_json", "4xx", true),
    code("invalid_parameter", "4xx", true),
    code("log_closed", "5xx", true),
    code("log_full", "5xx", true),
    code("log_unavailable", "5xx", false),
    code("malformed_request", "4xx", false),
    code("method_not_allowed", "4xx", false),
    code("metrics_unavailable", "5xx", false),
    code("not_found", "4xx", false),
    code("rate_limited", "4xx", true),
    code("target_too_long", "4xx", false),
    code("tls_required", "4xx", false),
    code("too_many_kinds", "5xx", true),
    code("transfer_coding", "5xx", false),
    code("unauthorised", "4xx", false),
    code("unsupported_media_type", "4xx", true),
    code("upgrade_required", "4xx", false),
    code("websocket_version", "4xx", false),
];

/// See the [module](self).
#[derive(Debug)]
pub struct Traffic {
    /// In the order of [`CODES`].
    refusals: [Count; CODES.len()],
    refused_emits: [Count; CODES.len()],
    refused_drafts: [Count; CODES.len()],
    accepted_emits: Count,
    accepted_drafts: Count,
    /// WebSocket connections that go on from a cursor of their own.
    pub resumed: Count,
    /// Connections that were turned away at the door, in the order of [`TurnedAway`](crate::accept::TurnedAway).
    pub refused_connections: [Count; TURNED_AWAY.len()],
    /// Browsers that were upgraded only to be told that they have no token.
    pub turned_away: Count,
    /// Browsers that were upgraded only to be told that their grants do not allow it.
    pub forbidden: Count,
    /// Browsers that were upgraded only to be told that they did too much.
    pub turned_away_limited: Count,
}

impl Default for Traffic {
    fn default() -> Self {
        let counts = || std::array::from_fn(|_| Count::default());
        Self {
            refusals: counts(),
            refused_emits: counts(),
            refused_drafts: counts(),
            accepted_emits: Count::default(),
            accepted_drafts: Count::default(),
            resumed: Count::default(),
            refused_connections: std::array::from_fn(|_| Count::default()),
            turned_away: Count::default(),
            forbidden: Count::default(),
            turned_away_limited: Count::default(),
        }
    }
}

/// A count and the values of its labels: the class of the status, and the code.
pub type Labelled = ([&'static str; 2], u64);

const ACCEPTED: [&str; 2] = ["2xx", "ok"];

impl Traffic {
    /// A request was refused, whatever it asked for.
    pub fn refuse(&self, refusal: &Refusal) {
        if let Some(place) = place(refusal) {
            self.refusals[place].add(1);
        }
    }

    /// A page was upgraded only to be told why it is refused.
    pub fn refuse_page(&self, refusal: &Refusal) {
        match refusal {
            Refusal::RateLimited(_) => self.turned_away_limited.add(1),
            Refusal::Forbidden => self.forbidden.add(1),
            _ => self.turned_away.add(1),
        }
    }

    /// Connections that were turned away at the door, by the limit.
    pub fn refused_connections(&self) -> [(&'static str, u64); TURNED_AWAY.len()] {
        std::array::from_fn(|place| (TURNED_AWAY[place], self.refused_connections[place].get()))
    }

    /// An emit of so many drafts, as far as they were read, was answered so.
    pub fn emit<T>(&self, drafts: u64, answer: &Result<T, Refusal>) {
        match answer {
            Ok(_) => {
                self.accepted_emits.add(1);
                self.accepted_drafts.add(drafts);
            }
            Err(refusal) => {
                if let Some(place) = place(refusal) {
                    self.refused_emits[place].add(1);
                    self.refused_drafts[place].add(drafts);
                }
            }
        }
    }

    /// Refused requests.
    pub fn refusals(&self) -> Vec<Labelled> {
        labelled(&self.refusals).map(|(_, count)| count).collect()
    }

    /// Emits by what they were answered.
    pub fn emits(&self) -> Vec<Labelled> {
        results(&self.accepted_emits, &self.refused_emits)
    }

    /// Drafts by what their emit was answered; of one that could not be read, none are known.
    pub fn drafts(&self) -> Vec<Labelled> {
        results(&self.accepted_drafts, &self.refused_drafts)
    }
}

fn place(refusal: &Refusal) -> Option<usize> {
    let (_, name) = refusal.status();
    CODES.binary_search_by_key(&name, |code| code.name).ok()
}

fn labelled(counts: &[Count; CODES.len()]) -> impl Iterator<Item = (Code, Labelled)> {
    let codes = CODES.into_iter().zip(counts);
    codes.map(|(code, count)| (code, ([code.status, code.name], count.get())))
}

fn results(accepted: &Count, refused: &[Count; CODES.len()]) -> Vec<Labelled> {
    let refused = labelled(refused).filter(|(code, _)| code.is_of_emit);
    let refused = refused.map(|(_, count)| count);
    [(ACCEPTED, accepted.get())]
        .into_iter()
        .chain(refused)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_so_that_they_are_found() {
        assert!(CODES.is_sorted_by_key(|code| code.name));
    }

    #[test]
    fn an_emit_counts_once_with_its_drafts() {
        let traffic = Traffic::default();
        traffic.emit(3, &Ok(()));
        traffic.emit::<()>(0, &Err(Refusal::BodyBroken));
        let emits = traffic.emits();
        assert_eq!(emits[0], (ACCEPTED, 1));
        assert!(emits.contains(&(["4xx", "body_broken"], 1)));
        assert_eq!(emits.iter().map(|(_, count)| count).sum::<u64>(), 2);
        assert_eq!(traffic.drafts()[0], (ACCEPTED, 3));
    }
}
