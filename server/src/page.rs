//! History over HTTP: a page around a cursor, the newest cursor, and a replay of any length, as one JSON array or as lines.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Incoming;
use hyper::{Request, Response, Version};
use todoki_codec::limits::{PAGE_BYTES, PAGE_EVENTS};
use todoki_codec::query::{self, Direction, PageQuery, ReplayQuery};
use todoki_codec::{Cursor, Event, Filter, encode};
use tokio::sync::Semaphore;

use crate::auth::{Admission, Auth, Principal};
use crate::log::{Log, PageRequest, ReadError};
use crate::negotiate;
use crate::reply::{self, Body, Refusal};
use crate::visible::{self, filled_page, settled_page};

/// Replays over HTTP that read the log at the same time: half of its readers, so that any number of them leaves the others to
/// pages and to whoever catches up.
pub const READING: usize = 2;

/// Chunks of a replay that may wait for the client: one on its way, one being read.
const REPLAY_CHUNKS: usize = 2;

/// What is sent for a page in which nothing was found, if there are more: white space between the tokens of an array, an
/// empty one of lines. That a client is gone shows when something is written to it and not before, since one that has
/// merely ended its own side of the connection is answered; a replay that picks next to nothing of a large log would go on
/// reading it for nobody.
const FOUND_NOTHING: &[u8] = b"\n";

/// `GET /api/event-bus`: `{"events":[…],"next_cursor":…,"has_more":…,"earliest":…}`.
pub async fn page<L: Log>(
    log: &L,
    principal: &Principal,
    query: &str,
) -> Result<Response<Body>, Refusal> {
    let PageQuery {
        filter,
        direction,
        limit,
    } = query::page(query)?;
    let filter = principal.stored(&filter)?;
    refuse_ahead(log, principal, direction).await?;
    let request = PageRequest {
        filter,
        direction,
        until: None,
        max_events: limit,
        max_bytes: PAGE_BYTES,
    };
    let mut page = filled_page(log, request.clone()).await?;
    if principal.is_restricted() {
        page = settled_page(log, request, page).await?;
    }
    let mut json = br#"{"events":["#.to_vec();
    json.reserve(bytes_of(&page.events) + 64);
    write_array(&page.events, &mut json);
    let tail = format!(
        "],\"next_cursor\":{},\"has_more\":{},\"earliest\":{}}}",
        page.reached, page.has_more, page.earliest
    );
    json.extend_from_slice(tail.as_bytes());
    Ok(reply::json(json))
}

/// Refuses a position beyond the head, for everyone: going on from there could miss what comes. Whoever tries learns where
/// the head is, as whoever emits does; where it is told, it is their own.
async fn refuse_ahead<L: Log>(
    log: &L,
    principal: &Principal,
    direction: Direction,
) -> Result<(), Refusal> {
    let bounds = log.bounds();
    match direction {
        Direction::After(cursor) if cursor > bounds.head => Err(Refusal::Ahead {
            cursor,
            bounds: visible::bounds(log, principal, bounds).await?,
        }),
        _ => Ok(()),
    }
}

/// `GET /api/event-bus/latest`: the newest cursor that they may see, 0 when there is none.
pub async fn latest<L: Log>(
    log: &L,
    principal: &Principal,
    query: &str,
) -> Result<Response<Body>, Refusal> {
    query::nothing(query)?;
    principal.stored(&Filter::default())?;
    let bounds = log.bounds();
    let newest = visible::newest(log, principal, bounds.head).await?;
    // The position before everything that is stored is no event of theirs.
    let is_event = !principal.is_restricted() || newest >= Some(bounds.earliest);
    let latest = newest.filter(|_| is_event).unwrap_or(Cursor::ORIGIN);
    Ok(reply::json(latest.to_string()))
}

/// How the events of a replay are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One JSON array.
    Array,
    /// An event a line, and nothing else.
    Lines,
}

impl Form {
    /// What a client would rather have: an array, unless it asks for lines. What lines say of their end is that of their
    /// chunks, which HTTP/1.0 has none of: a part would look like the whole.
    fn accepted<B>(request: &Request<B>) -> Self {
        let has_chunks = request.version() > Version::HTTP_10;
        if has_chunks && negotiate::prefers_lines(request.headers(), "application/json") {
            Self::Lines
        } else {
            Self::Array
        }
    }
}

/// `POST /api/event-bus/replay`: the events in `(from_cursor, to_cursor]`, read as the client takes them, for as long as they
/// may have them.
pub async fn replay<L: Log>(
    (log, reading): (&Arc<L>, &Arc<Semaphore>),
    auth: &Arc<Auth>,
    admission: &Admission,
    request: &Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let replay = query::replay(request.uri().query().unwrap_or_default())?;
    let principal = &admission.principal;
    principal.stored(&replay.filter)?;
    let bounds = log.bounds();
    let from = replay.from.unwrap_or(bounds.earliest.before());
    refuse_ahead(&**log, principal, Direction::After(from)).await?;
    if from < bounds.earliest.before() {
        return Err(Refusal::Gone {
            cursor: from,
            bounds: visible::bounds(&**log, principal, bounds).await?,
        });
    }
    let form = Form::accepted(request);
    let (sender, body) = Channel::new(REPLAY_CHUNKS);
    let access = (Arc::clone(auth), admission.clone());
    tokio::spawn(send_replay(
        (Arc::clone(log), Arc::clone(reading)),
        access,
        from,
        replay,
        form,
        sender,
    ));
    let body = body.boxed_unsync();
    Ok(match form {
        Form::Array => reply::json_body(body),
        Form::Lines => reply::lines_body(body),
    })
}

/// Writes the replay page by page, each by the grants of then. A client that leaves ends it; a log that fails or forgets, or a
/// token that no longer counts, cuts the body short of its end, so that a client cannot mistake a part for the whole.
async fn send_replay<L: Log>(
    (log, reading): (Arc<L>, Arc<Semaphore>),
    (auth, admission): (Arc<Auth>, Admission),
    mut from: Cursor,
    replay: ReplayQuery,
    form: Form,
    mut body: Sender<Bytes, ReadError>,
) {
    let until = replay.to.unwrap_or(Cursor::MAX).min(log.bounds().head);
    let mut is_first = true;
    while from < until {
        let turn = reading.acquire().await;
        // Behind the wait, which may be long.
        let filter = auth
            .readmit(&admission)
            .and_then(|admission| admission.principal.stored(&replay.filter));
        let Ok(filter) = filter else {
            return body.abort(ReadError("the token no longer allows it".into()));
        };
        let request = PageRequest {
            filter,
            direction: Direction::After(from),
            until: Some(until),
            max_events: PAGE_EVENTS,
            max_bytes: PAGE_BYTES,
        };
        let page = log.page(request).await;
        drop(turn);
        let page = match page {
            Ok(page) => page,
            Err(error) => return body.abort(error),
        };
        if from < page.earliest.before() {
            return body.abort(ReadError(
                "events were forgotten before they were sent".into(),
            ));
        }
        from = page.reached.max(from.next());
        let chunk = if !page.events.is_empty() {
            let chunk = chunk(&page.events, form, is_first);
            is_first = false;
            chunk.into()
        } else if from < until {
            Bytes::from_static(FOUND_NOTHING)
        } else {
            break;
        };
        if body.send_data(chunk).await.is_err() {
            return;
        }
    }
    let end = match form {
        Form::Array if is_first => "[]",
        Form::Array => "]",
        Form::Lines => return,
    };
    // A client that is gone by now misses nothing but the end.
    body.send_data(Bytes::from_static(end.as_bytes()))
        .await
        .ok();
}

fn chunk(events: &[Event], form: Form, is_first: bool) -> Vec<u8> {
    let mut chunk = Vec::with_capacity(bytes_of(events) + 1);
    match form {
        Form::Array => {
            chunk.push(if is_first { b'[' } else { b',' });
            write_array(events, &mut chunk);
        }
        Form::Lines => {
            for event in events {
                encode::line(&event.json, &mut chunk);
                chunk.push(b'\n');
            }
        }
    }
    chunk
}

/// Bytes of these events with one between each two.
fn bytes_of(events: &[Event]) -> usize {
    events.iter().map(|event| event.json.len() + 1).sum()
}

fn write_array(events: &[Event], out: &mut Vec<u8>) {
    for (place, event) in events.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&event.json);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use jiff::Timestamp;
    use todoki_codec::{Draft, Windows};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::oneshot;
    use tokio::time::timeout;
    use uuid::Uuid;

    use super::*;
    use crate::log::{AppendError, Bounds, Facets, Histogram, Page};
    use crate::visible::LOOKS;

    /// A log that goes on for ever and has nothing that anyone looks for.
    #[derive(Default)]
    pub(crate) struct Endless {
        looks: AtomicUsize,
        /// Tells when nobody has the log any more.
        _last: Option<oneshot::Sender<()>>,
    }

    impl Log for Endless {
        async fn append(&self, _: Vec<Draft>) -> Result<Vec<Cursor>, AppendError> {
            Err(AppendError::Busy)
        }

        async fn page(&self, request: PageRequest) -> Result<Page, ReadError> {
            self.looks.fetch_add(1, Ordering::Relaxed);
            let reached = match request.direction {
                Direction::After(cursor) => cursor.forward(1000),
                Direction::Before(cursor) => cursor.back(1000),
            };
            Ok(Page {
                events: Vec::new(),
                reached,
                has_more: true,
                earliest: Cursor::ORIGIN.next(),
            })
        }

        fn new_kinds(&self, _: &[Draft]) -> usize {
            0
        }

        fn bounds(&self) -> Bounds {
            Bounds {
                epoch: Uuid::nil(),
                earliest: Cursor::ORIGIN.next(),
                head: Cursor::MAX,
            }
        }

        async fn seek(&self, _: Timestamp) -> Result<Cursor, ReadError> {
            Err(ReadError("nobody seeks".into()))
        }

        async fn histogram(&self, _: Filter, _: Windows) -> Result<Histogram, ReadError> {
            Err(ReadError("nobody counts".into()))
        }

        async fn facets(&self, _: Filter, _: usize) -> Result<Facets, ReadError> {
            Err(ReadError("nobody counts".into()))
        }

        async fn trim(&self, _: Cursor) -> Result<(), AppendError> {
            Err(AppendError::Busy)
        }
    }

    #[tokio::test]
    async fn a_replay_that_waited_for_its_turn_goes_on_by_the_grants_of_then() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("auth.toml");
        let entry = format!(
            "[[tokens]]\nlabel = \"ann\"\nhash = \"{}\"\nrole = \"viewer\"\n",
            crate::auth::hash("secret")
        );
        std::fs::write(&path, &entry).unwrap();
        let auth = Arc::new(Auth::open(&path, None).unwrap());
        let admission = auth.admit_token("secret").await.unwrap();
        let log = Arc::new(Endless::default());
        let reading = Arc::new(Semaphore::new(0));
        let (sender, mut body) = Channel::<Bytes, ReadError>::new(REPLAY_CHUNKS);
        let sending = send_replay(
            (Arc::clone(&log), Arc::clone(&reading)),
            (Arc::clone(&auth), admission),
            Cursor::ORIGIN,
            query::replay("").unwrap(),
            Form::Array,
            sender,
        );
        let mut sending = pin!(sending);
        tokio::select! {
            biased;
            () = &mut sending => unreachable!("it waits"),
            () = std::future::ready(()) => {}
        }
        let mut changes = auth.changes();
        std::fs::write(&path, format!("{entry}[revoked]\nlabels = [\"ann\"]\n")).unwrap();
        let stop = tokio_util::sync::CancellationToken::new();
        tokio::select! {
            () = auth.keep(stop) => unreachable!("nobody stops it"),
            changed = changes.changed() => changed.unwrap(),
        }
        reading.add_permits(1);
        sending.await;
        assert!(body.frame().await.unwrap().is_err(), "it is cut");
        assert_eq!(log.looks.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_page_that_finds_nothing_says_how_far_it_looked() {
        for (query, next_cursor) in [("cursor=0", 5000), ("before=900000", 895_000)] {
            let log = Endless::default();
            let answer = page(&log, &Principal::everything("test"), query)
                .await
                .unwrap();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let expected = format!(
                r#"{{"events":[],"next_cursor":{next_cursor},"has_more":true,"earliest":1}}"#
            );
            assert_eq!(body, expected);
            assert_eq!(log.looks.into_inner(), LOOKS);
        }
    }

    /// Nothing here takes this long unless it never comes.
    const PATIENCE: Duration = Duration::from_mins(1);

    /// The client of a replay that finds nothing, and what hears when that has ended.
    async fn searching() -> (TcpStream, oneshot::Receiver<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (last, ended) = oneshot::channel();
        let log = Arc::new(Endless {
            _last: Some(last),
            ..Endless::default()
        });
        tokio::spawn(async move {
            let (auth, reading) = (
                Arc::new(Auth::new("secret")),
                Arc::new(Semaphore::new(READING)),
            );
            let admission = auth.admit_token("secret").await.unwrap();
            let answer = service_fn(async |request| {
                let answer = replay((&log, &reading), &auth, &admission, &request).await;
                answer.map_err(|refusal| refusal.to_string())
            });
            // As the server has it.
            http1::Builder::new()
                .half_close(true)
                .serve_connection(TokioIo::new(stream), answer)
                .await
                .unwrap_err();
        });
        client
            .write_all(b"POST /?kinds=rare HTTP/1.1\r\nHost: it\r\n\r\n")
            .await
            .unwrap();
        let mut begun = [0; 12];
        let read = client.read_exact(&mut begun);
        timeout(PATIENCE, read).await.unwrap().unwrap();
        assert_eq!(&begun, b"HTTP/1.1 200");
        (client, ended)
    }

    #[tokio::test]
    async fn a_replay_that_finds_nothing_ends_when_its_client_has_left() {
        let (client, ended) = searching().await;
        drop(client);
        let ended = timeout(PATIENCE, ended).await.expect("it reads for nobody");
        ended.unwrap_err();
    }

    #[tokio::test]
    async fn a_replay_goes_on_for_a_client_that_has_only_ended_its_own_side() {
        let (mut client, ended) = searching().await;
        client.shutdown().await.unwrap();
        let mut signs = String::new();
        while signs.matches("1\r\n\n\r\n").count() < 3 {
            let mut bytes = [0; 1024];
            let read = timeout(PATIENCE, client.read(&mut bytes)).await.unwrap();
            let read = read.unwrap();
            assert!(read > 0, "cut off: {signs:?}");
            signs.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        drop(client);
        timeout(PATIENCE, ended).await.unwrap().unwrap_err();
    }
}
