//! What of the log's order somebody may be told from whom events are hidden.
//!
//! A cursor is a place in one order for all, so a position that is no event of theirs would tell them how much others
//! publish. Each is told as that of the nearest event that they may see: nothing that they may see is between the two, so
//! whoever goes on from there misses nothing and is given nothing twice. Knows no HTTP.

use todoki_codec::limits::PAGE_BYTES;
use todoki_codec::query::Direction;
use todoki_codec::{Cursor, Filter};

use crate::auth::Principal;
use crate::log::{Bounds, Log, Page, PageRequest, ReadError};

/// Times that one request has the log look further for its first event. Each is bounded by the log, some 50 ms of work: a
/// filter that picks next to nothing comes back empty-handed with where to go on, so that whoever walks through a long log
/// sees how far they are, and whoever gave up is not looked for any more.
pub const LOOKS: usize = 5;

/// Where no event of theirs is near, a position is told in whole multiples of this: all between are the same to them, and the
/// exact one would be that of somebody else's event.
const GRAIN: i64 = 1 << 19;

/// A page that has an event, if one is near. A selective filter may cross a long stretch of other events; the caller asked
/// for events, not for the stretch.
pub async fn filled_page<L: Log>(log: &L, mut request: PageRequest) -> Result<Page, ReadError> {
    let mut page = log.page(request.clone()).await?;
    for _ in 1..LOOKS {
        if !page.events.is_empty() || !page.has_more {
            break;
        }
        request.direction = onward(request.direction, page.reached);
        page = log.page(request.clone()).await?;
    }
    Ok(page)
}

/// The same page, for somebody from whom events are hidden: it ends where the last event is that they may see, whether or
/// not others are behind it.
pub async fn settled_page<L: Log>(
    log: &L,
    request: PageRequest,
    mut page: Page,
) -> Result<Page, ReadError> {
    let (given, outermost) = match request.direction {
        Direction::After(cursor) => (cursor, page.events.last()),
        Direction::Before(cursor) => (cursor, page.events.first()),
    };
    let outermost = outermost.map(|event| event.cursor);
    if page.has_more {
        let direction = onward(request.direction, page.reached);
        let further = PageRequest {
            direction,
            max_events: 1,
            ..request
        };
        let further = filled_page(log, further).await?;
        page.has_more = further.has_more || !further.events.is_empty();
    }
    // An empty page with more behind it must say how far it came, or its reader would never come further.
    if !page.has_more || outermost.is_some() {
        page.reached = outermost.unwrap_or(given);
    }
    Ok(page)
}

fn onward(direction: Direction, reached: Cursor) -> Direction {
    match direction {
        Direction::After(_) => Direction::After(reached),
        Direction::Before(_) => Direction::Before(reached),
    }
}

/// What a look back from a position found.
enum Found {
    /// The newest event that they may see. When there is none at all, the position before everything that is stored.
    Newest(Cursor),
    /// None from here on; it is further back than is looked.
    NoneAfter(Cursor),
}

async fn look_back<L: Log>(log: &L, principal: &Principal, at: Cursor) -> Result<Found, ReadError> {
    if !principal.is_restricted() {
        return Ok(Found::Newest(at));
    }
    let Ok(filter) = principal.stored(&Filter::default()) else {
        return Ok(Found::Newest(log.bounds().earliest.before().min(at)));
    };
    let page = filled_page(log, one(filter, Direction::Before(at.next()))).await?;
    Ok(match page.events.last() {
        Some(event) => Found::Newest(event.cursor),
        None if page.has_more => Found::NoneAfter(page.reached),
        None => Found::Newest(page.earliest.before().min(at)),
    })
}

/// The newest event that they may see, stored at this position or before it: `None` when it is further back than is looked.
/// When there is none at all, the position before everything that is stored.
pub async fn newest<L: Log>(
    log: &L,
    principal: &Principal,
    at: Cursor,
) -> Result<Option<Cursor>, ReadError> {
    Ok(match look_back(log, principal, at).await? {
        Found::Newest(cursor) => Some(cursor),
        Found::NoneAfter(_) => None,
    })
}

/// The bounds of a log, as they are told them: the head is their own. The oldest event that is stored is the same for all,
/// since whoever asks for what is before it must be told so.
pub async fn bounds<L: Log>(
    log: &L,
    principal: &Principal,
    bounds: Bounds,
) -> Result<Bounds, ReadError> {
    let floor = bounds.earliest.before();
    let newest = newest(log, principal, bounds.head).await?;
    Ok(Bounds {
        head: newest.map_or(floor, |newest| newest.max(floor)),
        ..bounds
    })
}

/// A position, for them. One with nothing of theirs for a long way back is told roughly.
pub async fn position<L: Log>(
    log: &L,
    principal: &Principal,
    at: Cursor,
) -> Result<Cursor, ReadError> {
    Ok(match look_back(log, principal, at).await? {
        Found::Newest(cursor) => cursor,
        Found::NoneAfter(reached) => reached.max(rounded(at.get())),
    })
}

/// From where on a filter's events were counted, for them: the oldest of those counted, or their head when none was.
pub async fn counted_from<L: Log>(
    log: &L,
    principal: &Principal,
    filter: Filter,
    from: Cursor,
) -> Result<Cursor, ReadError> {
    if !principal.is_restricted() {
        return Ok(from);
    }
    let page = filled_page(log, one(filter, Direction::After(from.before()))).await?;
    match page.events.first() {
        Some(event) => Ok(event.cursor),
        None if page.has_more => Ok(page.reached.min(rounded(from.get() + GRAIN - 1)).max(from)),
        None => Ok(bounds(log, principal, log.bounds()).await?.head),
    }
}

/// The last whole grain up to this number.
fn rounded(number: i64) -> Cursor {
    Cursor::new(number / GRAIN * GRAIN).unwrap_or_default()
}

fn one(filter: Filter, direction: Direction) -> PageRequest {
    PageRequest {
        filter,
        direction,
        until: None,
        max_events: 1,
        max_bytes: PAGE_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use todoki_codec::{Scope, Within};
    use uuid::Uuid;

    use super::*;
    use crate::auth::{Action, Grant};
    use crate::page::tests::Endless;

    #[tokio::test]
    async fn a_position_with_nothing_of_theirs_near_is_told_roughly() {
        let within = Within {
            project_id: Some(vec![Uuid::from_u128(1)]),
            ..Within::default()
        };
        let grant = Grant {
            actions: vec![Action::Read, Action::Replay],
            scope: Scope::new(Vec::new(), within),
        };
        let (own, log) = (Principal::new("own", &[grant]).unwrap(), Endless::default());
        let all = Principal::everything("all");
        for beyond in [0, 1, 4_000] {
            let at = Cursor::new(3 * GRAIN + beyond).unwrap();
            let told = position(&log, &own, at).await.unwrap();
            assert_eq!(told.get(), 3 * GRAIN);
            assert_eq!(position(&log, &all, at).await.unwrap(), at);
            let filter = own.stored(&Filter::default()).unwrap();
            let from = Cursor::new(3 * GRAIN - beyond).unwrap();
            let counted = counted_from(&log, &own, filter, from).await.unwrap();
            assert_eq!(counted.get(), 3 * GRAIN);
        }
    }
}
