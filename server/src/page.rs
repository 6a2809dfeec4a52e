//! History over HTTP: a page around a cursor, the newest cursor, and a replay of any length as one JSON array.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::Response;
use todoki_codec::limits::{PAGE_BYTES, PAGE_EVENTS};
use todoki_codec::query::{self, Direction, PageQuery, ReplayQuery};
use todoki_codec::{Cursor, Event};

use crate::log::{Log, Page, PageRequest, ReadError};
use crate::reply::{self, Body, Refusal};

/// Chunks of a replay that may wait for the client: one on its way, one being read.
const REPLAY_CHUNKS: usize = 2;

/// `GET /api/event-bus`: `{"events":[…],"next_cursor":…,"has_more":…,"earliest":…}`.
pub async fn page<L: Log>(log: &L, query: &str) -> Result<Response<Body>, Refusal> {
    let PageQuery {
        filter,
        direction,
        limit,
    } = query::page(query)?;
    refuse_ahead(log, direction)?;
    let request = PageRequest {
        filter,
        direction,
        until: None,
        max_events: limit,
        max_bytes: PAGE_BYTES,
    };
    let page = filled_page(log, request).await?;
    let mut json = BytesMut::with_capacity(
        page.events
            .iter()
            .map(|event| event.json.len() + 1)
            .sum::<usize>()
            + 64,
    );
    json.put_slice(b"{\"events\":[");
    write_events(&page.events, &mut json);
    let tail = format!(
        "],\"next_cursor\":{},\"has_more\":{},\"earliest\":{}}}",
        page.reached, page.has_more, page.earliest
    );
    json.put_slice(tail.as_bytes());
    Ok(reply::json(json.freeze()))
}

/// A selective filter may cross a long stretch of other events; the caller asked for events, not for the stretch.
async fn filled_page<L: Log>(log: &L, mut request: PageRequest) -> Result<Page, ReadError> {
    loop {
        let page = log.page(request.clone()).await?;
        if !page.events.is_empty() || !page.has_more {
            return Ok(page);
        }
        request.direction = match request.direction {
            Direction::After(_) => Direction::After(page.reached),
            Direction::Before(_) => Direction::Before(page.reached),
        };
    }
}

fn refuse_ahead<L: Log>(log: &L, direction: Direction) -> Result<(), Refusal> {
    let bounds = log.bounds();
    match direction {
        Direction::After(cursor) if cursor > bounds.head => Err(Refusal::Ahead { cursor, bounds }),
        _ => Ok(()),
    }
}

/// `GET /api/event-bus/latest`: the newest cursor, 0 when there is none.
pub fn latest<L: Log>(log: &L, query: &str) -> Result<Response<Body>, Refusal> {
    query::nothing(query)?;
    Ok(reply::json(log.bounds().head.to_string()))
}

/// `POST /api/event-bus/replay`: the events in `(from_cursor, to_cursor]`, read as the client takes them.
pub fn replay<L: Log>(log: &Arc<L>, query: &str) -> Result<Response<Body>, Refusal> {
    let replay = query::replay(query)?;
    let bounds = log.bounds();
    let from = replay.from.unwrap_or(bounds.earliest.before());
    refuse_ahead(&**log, Direction::After(from))?;
    if from < bounds.earliest.before() {
        return Err(Refusal::Gone {
            cursor: from,
            bounds,
        });
    }
    let (sender, body) = Channel::new(REPLAY_CHUNKS);
    tokio::spawn(send_replay(Arc::clone(log), from, replay, sender));
    Ok(reply::json_body(body.boxed_unsync()))
}

/// Writes the array page by page. A client that leaves ends it; a log that fails or forgets cuts the body short of its end, so
/// that a client cannot mistake a part for the whole.
async fn send_replay<L: Log>(
    log: Arc<L>,
    mut from: Cursor,
    replay: ReplayQuery,
    mut body: Sender<Bytes, ReadError>,
) {
    let until = replay.to.unwrap_or(Cursor::MAX).min(log.bounds().head);
    let mut opening = "[";
    while from < until {
        let request = PageRequest {
            filter: replay.filter.clone(),
            direction: Direction::After(from),
            until: Some(until),
            max_events: PAGE_EVENTS,
            max_bytes: PAGE_BYTES,
        };
        let page = match log.page(request).await {
            Ok(page) => page,
            Err(error) => return body.abort(error),
        };
        if from < page.earliest.before() {
            return body.abort(ReadError(
                "events were forgotten before they were sent".into(),
            ));
        }
        if !page.events.is_empty() {
            let mut chunk = BytesMut::from(opening);
            write_events(&page.events, &mut chunk);
            opening = ",";
            if body.send_data(chunk.freeze()).await.is_err() {
                return;
            }
        }
        from = page.reached.max(from.next());
    }
    let end = if opening == "[" { "[]" } else { "]" };
    // A client that is gone by now misses nothing but the end.
    body.send_data(Bytes::from_static(end.as_bytes()))
        .await
        .ok();
}

fn write_events(events: &[Event], out: &mut BytesMut) {
    for (place, event) in events.iter().enumerate() {
        if place > 0 {
            out.put_u8(b',');
        }
        out.put_slice(&event.json);
    }
}
