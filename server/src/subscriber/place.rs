//! Where a subscription begins in the log.

use std::sync::Arc;

use todoki_codec::message::GapReason;
use todoki_codec::query::{Encoding, Slow, Start, Subscription};
use todoki_codec::{Cursor, Filter};

use crate::log::{Bounds, Log, ReadError};

/// A subscription that has its place.
#[derive(Clone, Debug)]
pub struct Place {
    /// Which events.
    pub filter: Filter,
    /// In which form.
    pub encoding: Encoding,
    /// What to do when it is too slow.
    pub slow: Slow,
    /// The position that was asked for.
    pub requested: Cursor,
    /// The position to begin after.
    pub position: Cursor,
    /// The end of the replay; `None` when nothing is replayed.
    pub replay_through: Option<Cursor>,
    /// What cannot be delivered.
    pub gap: Option<Gap>,
    /// The log's bounds then.
    pub bounds: Bounds,
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

/// A subscription that is to be replaced: what is not said stays as it was.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Where it stands.
    pub position: Cursor,
    /// Its form.
    pub encoding: Encoding,
    /// What to do when it is too slow.
    pub slow: Slow,
}

/// Finds the place of a new subscription, or of one that replaces another.
pub async fn place<L: Log>(
    log: &Arc<L>,
    subscription: Subscription,
    standing: Option<Standing>,
) -> Result<Place, ReadError> {
    let asked = match subscription.start {
        Some(Start::After(cursor)) => Some(cursor),
        Some(Start::Earliest) => Some(log.bounds().earliest.before()),
        Some(Start::Time(time)) => Some(log.seek(time).await?),
        Some(Start::Head) => None,
        None => standing.map(|standing| standing.position),
    };
    let bounds = log.bounds();
    let requested = asked.unwrap_or(bounds.head);
    let gap = if requested > bounds.head {
        Some((GapReason::Ahead, bounds.head))
    } else {
        missing(requested, bounds.earliest).map(|resume_at| (GapReason::Retention, resume_at))
    };
    let gap = gap.map(|(reason, resume_at)| Gap {
        reason,
        requested,
        resume_at,
    });
    Ok(Place {
        filter: subscription.filter,
        encoding: subscription
            .encoding
            .or(standing.map(|standing| standing.encoding))
            .unwrap_or_default(),
        slow: subscription
            .slow
            .or(standing.map(|standing| standing.slow))
            .unwrap_or_default(),
        requested,
        position: gap.map_or(requested, |gap| gap.resume_at),
        replay_through: asked.map(|_| bounds.head),
        gap,
        bounds,
    })
}

/// Where a reader at `position` must go on, when the log no longer has what comes next.
pub fn missing(position: Cursor, earliest: Cursor) -> Option<Cursor> {
    let oldest = earliest.before();
    (position < oldest).then_some(oldest)
}
