//! What a timeline asks besides events: where a time is, how many events there were when, and what they were about.

use std::fmt::Display;

use hyper::Response;
use jiff::Timestamp;
use serde::Serialize;
use todoki_codec::query::{self, FacetsQuery, HistogramQuery};
use todoki_codec::{Cursor, Filter, time};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::auth::Principal;
use crate::log::{Frequent, Log};
use crate::reply::{self, Body, Refusal};
use crate::visible;

/// Counts that are under way or wait for their turn. A log may make them one after the other, with a rest between: so many
/// take some seconds, as long as anyone looks at a page that does not answer.
const COUNTS: usize = 16;

/// Room for counts.
#[derive(Debug)]
pub struct Counting(Semaphore);

impl Default for Counting {
    fn default() -> Self {
        Self(Semaphore::new(COUNTS))
    }
}

impl Counting {
    /// Room for one, until the permit is dropped.
    fn room(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        self.0.try_acquire().map_err(|_| Refusal::Counting)
    }
}

#[derive(Serialize)]
struct Position {
    cursor: Cursor,
}

/// `GET /api/event-bus/seek`: the position before the first event at a time or later.
pub async fn seek<L: Log>(
    log: &L,
    principal: &Principal,
    query: &str,
) -> Result<Response<Body>, Refusal> {
    let time = query::seek(query)?;
    principal.stored(&Filter::default())?;
    let cursor = visible::position(log, principal, log.seek(time).await?).await?;
    Ok(reply::json_of(&Position { cursor }))
}

#[derive(Serialize)]
struct HistogramAnswer<'a> {
    #[serde(with = "time")]
    from: Timestamp,
    #[serde(with = "time")]
    to: Timestamp,
    window_ms: i64,
    families: Vec<&'a str>,
    counts: Vec<&'a [u64]>,
    failures: &'a [u64],
    is_complete: bool,
    from_cursor: Cursor,
}

/// `GET /api/event-bus/histogram`: events and failures by window of time.
pub async fn histogram<L: Log>(
    log: &L,
    counting: &Counting,
    principal: &Principal,
    query: &str,
) -> Result<Response<Body>, Refusal> {
    let HistogramQuery { filter, windows } = query::histogram(query)?;
    let filter = principal.stored(&filter)?;
    let _room = counting.room()?;
    let histogram = log.histogram(filter.clone(), windows).await?;
    let from_cursor = histogram.reach.from_cursor;
    let from_cursor = visible::counted_from(log, principal, filter, from_cursor).await?;
    let families = &histogram.families;
    Ok(reply::json_of(&HistogramAnswer {
        from: windows.from(),
        to: windows.edge(windows.count()),
        window_ms: windows.width_ms(),
        families: families.iter().map(|family| &*family.name).collect(),
        counts: families.iter().map(|family| &*family.counts).collect(),
        failures: &histogram.failures,
        is_complete: histogram.reach.is_complete,
        from_cursor,
    }))
}

#[derive(Serialize)]
struct FacetsAnswer {
    kinds: Vec<Value>,
    agents: Vec<Value>,
    sessions: Vec<Value>,
    tasks: Vec<Value>,
    events: u64,
    is_complete: bool,
    from_cursor: Cursor,
}

#[derive(Serialize)]
struct Value {
    value: String,
    count: u64,
}

/// `GET /api/event-bus/facets`: the most frequent kinds, agents, sessions and tasks.
pub async fn facets<L: Log>(
    log: &L,
    counting: &Counting,
    principal: &Principal,
    query: &str,
) -> Result<Response<Body>, Refusal> {
    let FacetsQuery { filter, limit } = query::facets(query)?;
    let filter = principal.stored(&filter)?;
    let _room = counting.room()?;
    let facets = log.facets(filter.clone(), limit).await?;
    let from_cursor = facets.reach.from_cursor;
    let from_cursor = visible::counted_from(log, principal, filter, from_cursor).await?;
    Ok(reply::json_of(&FacetsAnswer {
        kinds: values(facets.kinds),
        agents: values(facets.agents),
        sessions: values(facets.sessions),
        tasks: values(facets.tasks),
        events: facets.events,
        is_complete: facets.reach.is_complete,
        from_cursor,
    }))
}

fn values<T: Display>(frequent: Frequent<T>) -> Vec<Value> {
    let value = |(value, count): (T, u64)| Value {
        value: value.to_string(),
        count,
    };
    frequent.into_iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_counts_and_again_when_one_is_done() {
        let counting = Counting::default();
        let mut counts: Vec<_> = (0..COUNTS).map(|_| counting.room().unwrap()).collect();
        assert!(matches!(counting.room(), Err(Refusal::Counting)));
        counts.pop();
        assert!(counting.room().is_ok());
    }
}
