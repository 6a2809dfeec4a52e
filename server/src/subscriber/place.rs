//! Where a subscription begins in the log, and what of it somebody may see.

use std::time::Duration;

use todoki_codec::message::{GapReason, Message};
use todoki_codec::query::{Encoding, Slow, Start, Subscription};
use todoki_codec::{Cursor, Filter};
use tokio::sync::Semaphore;

use super::terms::millis;
use crate::auth::Principal;
use crate::clock;
use crate::log::{Bounds, Log};
use crate::reply::Refusal;
use crate::visible;

/// Places that are looked for at the same time, of those who come in: as many as a log has readers, since more would only
/// stand between them and whoever is here.
const LOOKS: usize = 4;

/// How long somebody who comes in waits for their turn at that: as long as people wait for a page, and less than programs
/// wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A subscription that has its place.
#[derive(Clone, Debug)]
pub struct Place {
    /// What was asked for, and what of it is given.
    pub view: View,
    /// In which form.
    pub encoding: Encoding,
    /// What to do when it is too slow.
    pub slow: Slow,
    /// The position that was asked for, as the client is told it.
    pub requested: Cursor,
    /// The position to begin after.
    pub position: Cursor,
    /// The end of the replay; `None` when nothing is replayed.
    pub replay_through: Option<Cursor>,
    /// What cannot be delivered.
    pub gap: Option<Gap>,
    /// The log's bounds then, with the head as the client is told it.
    pub bounds: Bounds,
}

impl Place {
    /// Says where the subscription stands.
    pub fn subscribed(&self, heartbeat: Duration, reference: Option<String>) -> Message {
        let kinds = self.view.filter.patterns().iter();
        Message::Subscribed {
            kinds: kinds.map(ToString::to_string).collect(),
            cursor: self.requested,
            epoch: self.bounds.epoch,
            earliest: self.bounds.earliest,
            head: self.bounds.head,
            server_time: clock::now(),
            heartbeat_ms: millis(heartbeat),
            reference,
        }
    }
}

/// Which events somebody is given of those that they asked for.
#[derive(Clone, Debug)]
pub struct View {
    /// What they asked for.
    pub asked: Filter,
    /// What of it their grants let them have.
    pub filter: Filter,
    /// Whether it began with what is stored, which needs more than what only comes.
    pub is_resumed: bool,
}

impl View {
    /// What somebody is given of a subscription. One that does not say where it begins goes on as the one before it.
    pub fn of(
        subscription: &Subscription,
        was_resumed: bool,
        principal: &Principal,
    ) -> Result<Self, Refusal> {
        let is_resumed = match subscription.start {
            Some(Start::Head) => false,
            Some(_) => true,
            None => was_resumed,
        };
        Self::new(subscription.filter.clone(), is_resumed, principal)
    }

    /// What somebody is given of a filter: the only place that decides it for streams.
    pub fn new(asked: Filter, is_resumed: bool, principal: &Principal) -> Result<Self, Refusal> {
        let filter = if is_resumed {
            principal.resumed(&asked)?
        } else {
            principal.live(&asked)?
        };
        Ok(Self {
            asked,
            filter,
            is_resumed,
        })
    }
}

/// A hole that cannot be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// The position that cannot be continued from.
    pub requested: Cursor,
    /// The position to continue from.
    pub resume_at: Cursor,
}

impl Gap {
    /// Tells of it, in a log with these bounds as the client is told them.
    pub fn message(self, bounds: Bounds) -> Message {
        Message::Gap {
            reason: self.reason,
            requested: self.requested,
            resume_at: self.resume_at,
            earliest: bounds.earliest,
            head: bounds.head,
        }
    }
}

/// A subscription that is to be replaced: what is not said stays as it was.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Where it stands.
    pub position: Cursor,
    /// The same, as the client is told it.
    pub told: Cursor,
    /// Whether it began with what is stored.
    pub is_resumed: bool,
    /// Its form.
    pub encoding: Encoding,
    /// What to do when it is too slow.
    pub slow: Slow,
}

/// Whether the log has to look for where somebody's subscription begins, which costs it as much as a page.
pub fn is_looked_for(subscription: &Subscription, principal: &Principal) -> bool {
    matches!(subscription.start, Some(Start::Time(_))) || principal.is_restricted()
}

/// Turns at the log of those who come in, first come first served.
#[derive(Debug)]
pub struct Looking {
    turns: Semaphore,
    patience: Duration,
}

impl Default for Looking {
    fn default() -> Self {
        Self::new(LOOKS, PATIENCE)
    }
}

impl Looking {
    /// So many at the same time, each after so long at most.
    pub(super) fn new(turns: usize, patience: Duration) -> Self {
        Self {
            turns: Semaphore::new(turns),
            patience,
        }
    }

    /// Finds the place of somebody who comes in, in their turn if the log has to look for it.
    pub async fn place<L: Log>(
        &self,
        log: &L,
        principal: &Principal,
        subscription: Subscription,
    ) -> Result<Place, Refusal> {
        let _turn = if is_looked_for(&subscription, principal) {
            let turn = tokio::time::timeout(self.patience, self.turns.acquire());
            Some(turn.await.map_err(|_| Refusal::Looking)?)
        } else {
            None
        };
        place(log, principal, subscription, None).await
    }
}

/// Finds the place of somebody's new subscription, or of one that replaces another.
pub async fn place<L: Log>(
    log: &L,
    principal: &Principal,
    subscription: Subscription,
    standing: Option<Standing>,
) -> Result<Place, Refusal> {
    let was_resumed = standing.is_some_and(|standing| standing.is_resumed);
    let view = View::of(&subscription, was_resumed, principal)?;
    let asked = match subscription.start {
        Some(Start::After(cursor)) => Some(cursor),
        Some(Start::Earliest) => Some(log.bounds().earliest.before()),
        Some(Start::Time(time)) => {
            let position = log.seek(time).await?;
            Some(visible::position(log, principal, position).await?)
        }
        Some(Start::Head) => None,
        None => standing.map(|standing| standing.position),
    };
    let real = log.bounds();
    let (head, position) = (real.head, asked.unwrap_or(real.head));
    let named = match (subscription.start, standing) {
        (None, Some(standing)) => {
            let newest = visible::newest(log, principal, standing.position).await?;
            Some(newest.map_or(standing.told, |newest| newest.max(standing.told)))
        }
        _ => asked,
    };
    // Whoever named a position knows it, unless there is no such position yet.
    let given = named.filter(|named| *named <= head);
    let mut bounds = visible::bounds(log, principal, real).await?;
    bounds.head = bounds.head.max(given.unwrap_or(Cursor::ORIGIN));
    let requested = named.unwrap_or(bounds.head);
    let hole = if position > head {
        Some((GapReason::Ahead, head, bounds.head))
    } else {
        missing(position, bounds.earliest)
            .map(|resume_at| (GapReason::Retention, resume_at, resume_at))
    };
    Ok(Place {
        view,
        encoding: subscription
            .encoding
            .or(standing.map(|standing| standing.encoding))
            .unwrap_or_default(),
        slow: subscription
            .slow
            .or(standing.map(|standing| standing.slow))
            .unwrap_or_default(),
        requested,
        position: hole.map_or(position, |(_, resume_at, _)| resume_at),
        replay_through: asked.map(|_| head),
        gap: hole.map(|(reason, _, told)| Gap {
            reason,
            requested,
            resume_at: told,
        }),
        bounds,
    })
}

/// Where a reader at `position` must go on, when the log no longer has what comes next.
pub fn missing(position: Cursor, earliest: Cursor) -> Option<Cursor> {
    let oldest = earliest.before();
    (position < oldest).then_some(oldest)
}
