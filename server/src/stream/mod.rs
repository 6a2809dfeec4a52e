//! `GET /api/event-bus/stream`: a subscription over plain HTTP, for whatever has no WebSocket: `EventSource`, `curl`, a
//! shell script.
//!
//! A stream is a position in the log and nothing else. It reads page after page from there, as fast as its client takes
//! them; at the head it waits for news, and then reads the next page. History and what is new are read alike, so there is no
//! switch between them at which an event could be lost or come twice, and a client that is slow only finds more to read.
//!
//! What it costs is a page of the log for each stream and each news, where subscribers of a WebSocket share their bytes: it
//! is the way in for some hundreds of clients, not for thousands.

mod form;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming};
use hyper::{Method, Request, Response};
use todoki_codec::Cursor;
use todoki_codec::limits::{PAGE_BYTES, PAGE_EVENTS};
use todoki_codec::message::{GapReason, Message};
use todoki_codec::query::{self, Direction, Start};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::auth::{Admission, Auth};
use crate::clock;
use crate::log::{Log, Page, PageRequest, ReadError};
use crate::reply::{self, Body, Refusal};
use crate::route::App;
use crate::subscriber::place::{Gap, Place, View, missing};
use crate::subscriber::terms::{
    FIRST_PAGE_EVENTS, READ_RETRY, RECONNECT_AFTER_MS, reached, unavailable,
};
use form::{Form, LastEventId};

/// Pages that wait for the client: one, and the next is read once it has been taken. What a stream holds is that page, the
/// one that is being read and the one that is on its way.
const CHUNKS: usize = 1;

/// A stream that has read all there is rests for so many times what its last page took before it reads the next, so that
/// under load a page carries many events, and many streams leave the log to others. The first event after quiet finds it
/// rested.
const REST: u32 = 4;

/// The shortest rest: as long as an event of a WebSocket waits for company by default.
const REST_LEAST: Duration = Duration::from_millis(5);

/// The longest: what people still see as at once.
const REST_MOST: Duration = Duration::from_millis(100);

/// A client that is to be told its last message has so long to make room for it.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Answers with a stream, which goes on until its client leaves, its admission ends or the server stops.
pub async fn stream<L: Log>(
    app: &Arc<App<L>>,
    admission: Admission,
    request: &Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let mut subscription = query::stream(request.uri().query().unwrap_or_default())?;
    let last = LastEventId::of(request.headers())?;
    if let Some(id) = last {
        // A browser that reconnects repeats its address, cursor and all.
        subscription.start = Some(Start::After(id.cursor));
    }
    let form = Form::accepted(request.headers());
    let source = app.limiter.source(request);
    let mut place = app
        .place(source, &admission.principal, subscription)
        .await?;
    if last.is_some_and(|id| id.epoch != place.bounds.epoch) {
        leave_history(&mut place);
    }
    let (sender, chunks) = mpsc::channel(CHUNKS);
    if request.method() != Method::HEAD {
        let shared = Shared {
            log: Arc::clone(&app.log),
            news: app.hub.news(),
            heartbeat: app.heartbeat,
        };
        let stream = Stream::new(shared, admission, form, sender, &place);
        let app = Arc::clone(app);
        app.tasks
            .clone()
            .spawn(async move { stream.run(&place, &app.auth, &app.stop).await });
    }
    let body = Chunks(chunks).boxed_unsync();
    Ok(match form {
        Form::ServerSent => reply::events_body(body),
        Form::Lines => reply::messages_body(body),
    })
}

/// Begins at the head, since the position that was asked for is one in another history.
fn leave_history(place: &mut Place) {
    // Whoever names a position has a replay, which ends at the head.
    place.position = place.replay_through.unwrap_or(place.position);
    place.gap = Some(Gap {
        reason: GapReason::Ahead,
        requested: place.requested,
        resume_at: place.bounds.head,
    });
}

/// What a stream has to say, as its task hands it over; when the connection ends, the task learns of it.
struct Chunks(mpsc::Receiver<Bytes>);

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        let chunk = self.0.poll_recv(context);
        chunk.map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Why a stream ends.
enum Ending {
    /// The client has left.
    Gone,
    /// The server stops.
    Drain,
    /// The client may not go on.
    Refused(Refusal),
}

/// What streams of one server share.
struct Shared<L> {
    log: Arc<L>,
    /// The last cursor that the log has released.
    news: watch::Receiver<Cursor>,
    heartbeat: Duration,
}

struct Replay {
    through: Cursor,
    /// What is said instead.
    told: Cursor,
    count: u64,
}

/// See the [module](self).
struct Stream<L> {
    log: Arc<L>,
    admission: Admission,
    /// What was asked for, and what of it they may see.
    view: View,
    form: Form,
    epoch: Uuid,
    /// Everything up to here was delivered, or is not for this stream.
    position: Cursor,
    /// The position that they know of, to whom some events are hidden: of an event that they were given, or one that they named.
    /// `None` when no event is, so that they may be told where the log stands.
    told: Option<Cursor>,
    replay: Option<Replay>,
    sender: mpsc::Sender<Bytes>,
    news: watch::Receiver<Cursor>,
    heartbeat: Duration,
    /// When the next heartbeat is due.
    beat_at: Instant,
    /// When the log may be read again: it rests, or it has failed.
    read_at: Instant,
}

impl<L: Log> Stream<L> {
    /// A stream from this place on. The hub's `news` moves after the log's head does.
    fn new(
        shared: Shared<L>,
        admission: Admission,
        form: Form,
        sender: mpsc::Sender<Bytes>,
        place: &Place,
    ) -> Self {
        let Shared {
            log,
            news,
            heartbeat,
        } = shared;
        let known = place.gap.map_or(place.requested, |gap| gap.resume_at);
        let is_restricted = admission.principal.is_restricted();
        Self {
            log,
            admission,
            view: place.view.clone(),
            form,
            epoch: place.bounds.epoch,
            position: place.position,
            told: is_restricted.then_some(known),
            replay: place.replay_through.map(|through| Replay {
                through,
                told: place.bounds.head,
                count: 0,
            }),
            sender,
            news,
            heartbeat,
            beat_at: Instant::now() + heartbeat,
            read_at: Instant::now(),
        }
    }

    /// Says where the stream stands, and what it cannot have.
    fn opening(&self, place: &Place) -> Vec<u8> {
        let mut out = Vec::new();
        self.form.retry(RECONNECT_AFTER_MS, &mut out);
        self.say(&place.subscribed(self.heartbeat, None), &mut out);
        if let Some(gap) = place.gap {
            self.say(&gap.message(place.bounds), &mut out);
        }
        out
    }

    async fn run(mut self, place: &Place, auth: &Auth, stop: &CancellationToken) {
        let mut opening = self.opening(place);
        self.finish_replay(&mut opening);
        if self.sender.send(opening.into()).await.is_err() {
            return;
        }
        let mut last = Vec::new();
        match self.follow(auth, stop).await {
            Ending::Gone => return,
            Ending::Drain => self.say(
                &Message::Drain {
                    reconnect_after_ms: RECONNECT_AFTER_MS,
                },
                &mut last,
            ),
            Ending::Refused(refusal) => self.say(&last_error(&refusal), &mut last),
        }
        // One that takes nothing any more ends without it.
        self.sender.send_timeout(last.into(), LAST_WORD).await.ok();
    }

    /// Goes on until there is a reason not to. Whatever it is interrupted in, nothing is lost: where the stream stands moves
    /// with what is handed over, in one go.
    async fn follow(&mut self, auth: &Auth, stop: &CancellationToken) -> Ending {
        let sender = self.sender.clone();
        let mut changes = auth.changes();
        // Something may have changed since they came in.
        changes.mark_changed();
        loop {
            let ends_at = self.ends_at();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ending::Drain,
                () = sender.closed() => return Ending::Gone,
                () = reached(ends_at) => return Ending::Refused(Refusal::Unauthorised),
                Ok(()) = changes.changed() => {
                    if let Err(refusal) = self.readmit(auth) {
                        return Ending::Refused(refusal);
                    }
                }
                () = self.go_on() => {}
            }
        }
    }

    fn ends_at(&self) -> Option<Instant> {
        // Of the moment itself, whenever it is asked for: once it is over, it stays so.
        let left = self.admission.ends()?.duration_since(clock::now());
        let left = Duration::try_from(left).unwrap_or_default();
        Some(Instant::now() + left)
    }

    /// Goes on with the grants of now.
    fn readmit(&mut self, auth: &Auth) -> Result<(), Refusal> {
        self.admission = auth.readmit(&self.admission)?;
        let principal = &self.admission.principal;
        let View {
            asked, is_resumed, ..
        } = self.view.clone();
        self.view = View::new(asked, is_resumed, principal)?;
        // So far they may have been told of every position.
        let is_restricted = principal.is_restricted();
        self.told = is_restricted.then(|| self.told.unwrap_or(self.position));
        Ok(())
    }

    /// Hands over what there is, once there is something and the client has room for it.
    async fn go_on(&mut self) {
        let Ok(room) = self.sender.clone().reserve_owned().await else {
            // The client has left, which is looked at elsewhere.
            return std::future::pending().await;
        };
        self.wait().await;
        let page = if self.has_unread() && self.read_at <= Instant::now() {
            Some(self.read().await)
        } else {
            None
        };
        let mut chunk = Vec::new();
        match page {
            Some(Ok(page)) => self.take(&page, &mut chunk),
            Some(Err(error)) => self.say_unreadable(&error, &mut chunk),
            None => {}
        }
        self.beat(&mut chunk);
        if !chunk.is_empty() {
            room.send(chunk.into());
        }
    }

    fn has_unread(&self) -> bool {
        self.position < self.log.bounds().head
    }

    /// Returns when the log is to be read, or a heartbeat is due.
    async fn wait(&mut self) {
        let position = self.position;
        let readable = async {
            if position >= self.log.bounds().head {
                // The hub lives as long as the server.
                self.news.wait_for(|head| *head > position).await.ok();
            }
            sleep_until(self.read_at).await;
        };
        tokio::select! {
            () = readable => {}
            () = sleep_until(self.beat_at) => {}
        }
    }

    /// The next page, and when the one after it may be read.
    async fn read(&mut self) -> Result<Page, ReadError> {
        let is_first = matches!(self.replay, Some(Replay { count: 0, .. }));
        let head = self.log.bounds().head;
        // So that the end of the replay is said right behind it.
        let until = self.replay.as_ref().map_or(head, |replay| replay.through);
        let request = PageRequest {
            filter: self.view.filter.clone(),
            direction: Direction::After(self.position),
            until: Some(until),
            max_events: if is_first {
                FIRST_PAGE_EVENTS
            } else {
                PAGE_EVENTS
            },
            max_bytes: PAGE_BYTES,
        };
        let begin = Instant::now();
        let page = self.log.page(request).await;
        let end = Instant::now();
        self.read_at = match &page {
            Ok(page) if page.has_more || until < head => end,
            Ok(_) => end + ((end - begin) * REST).clamp(REST_LEAST, REST_MOST),
            Err(_) => end + READ_RETRY,
        };
        page
    }

    fn take(&mut self, page: &Page, out: &mut Vec<u8>) {
        // As the page found it, not as it is now: the log may have forgotten events since the page was asked for.
        if let Some(resume_at) = missing(self.position, page.earliest) {
            let gap = Gap {
                reason: GapReason::Retention,
                requested: self.told.unwrap_or(self.position),
                resume_at,
            };
            self.position = resume_at;
            self.tell(resume_at);
            let mut bounds = self.log.bounds();
            bounds.head = self.told.unwrap_or(bounds.head);
            self.say(&gap.message(bounds), out);
            return self.finish_replay(out);
        }
        if let Some(replay) = &mut self.replay {
            replay.count += page.events.len() as u64;
        }
        out.reserve(page.events.iter().map(|event| event.json.len() + 80).sum());
        for event in &page.events {
            self.form.event(&self.epoch, event, out);
        }
        if let Some(event) = page.events.last() {
            self.tell(event.cursor);
        }
        self.position = page.reached;
        self.finish_replay(out);
        if self.replay.is_some() && page.events.is_empty() {
            // That a client is gone shows when something is written to it, and this may go on for long.
            self.beat_at = Instant::now();
        }
    }

    fn finish_replay(&mut self, out: &mut Vec<u8>) {
        let position = self.position;
        let complete = self.replay.take_if(|replay| replay.through <= position);
        if let Some(Replay { told, count, .. }) = complete {
            self.tell(told);
            self.say(
                &Message::ReplayComplete {
                    cursor: told,
                    count,
                },
                out,
            );
        }
    }

    /// A sign of life, if it is time for one. Proxies and clients give up a stream that is silent.
    fn beat(&mut self, out: &mut Vec<u8>) {
        let now = Instant::now();
        if now < self.beat_at {
            return;
        }
        self.beat_at = now + self.heartbeat;
        if self.log.is_away() {
            self.say(&unavailable(), out);
        }
        let ping = Message::Ping {
            time: clock::now(),
            cursor: self.told.unwrap_or(self.position),
        };
        self.say(&ping, out);
    }

    fn say(&self, message: &Message, out: &mut Vec<u8>) {
        self.form.message(message, out);
    }

    /// Notes that they know of a later position.
    fn tell(&mut self, position: Cursor) {
        self.told = self.told.map(|told| told.max(position));
    }

    fn say_unreadable(&self, error: &ReadError, out: &mut Vec<u8>) {
        tracing::warn!(%error, "a stream waits for the log");
        self.say(&unavailable(), out);
    }
}

/// Tells a client why its stream ends.
fn last_error(refusal: &Refusal) -> Message {
    let (_, code) = refusal.status();
    let message = match refusal {
        Refusal::Unauthorised => {
            "the token has expired or was revoked: come back with another".into()
        }
        _ => refusal.to_string(),
    };
    Message::Error {
        code: code.into(),
        message,
        retry_after_ms: None,
        reference: None,
    }
}
