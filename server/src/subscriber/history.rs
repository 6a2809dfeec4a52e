//! What the log has for a client that is not live: read page by page, as fast as its socket takes it.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use todoki_codec::Cursor;
use todoki_codec::limits::{PAGE_BYTES, PAGE_EVENTS};
use todoki_codec::message::{GapReason, Message};
use todoki_codec::query::Direction;
use tokio::time::Instant;

use super::Subscriber;
use super::place::{Gap, Place, missing};
use super::terms::{FIRST_PAGE_EVENTS, READ_RETRY, unavailable};
use crate::hub::group;
use crate::log::{Log, Page, PageRequest, ReadError};

/// A page of the log on its way.
pub(super) type Reading = Pin<Box<dyn Future<Output = Result<Page, ReadError>>>>;

/// What was asked for of the past, until it has been given.
#[derive(Debug)]
pub(super) struct Replay {
    /// Where it ends.
    pub(super) through: Cursor,
    /// The same, as the client is told it.
    told: Cursor,
    /// Events given so far.
    count: u64,
}

impl Replay {
    /// What a subscription begins with, if with any of the past.
    pub(super) fn of(place: &Place) -> Option<Self> {
        place.replay_through.map(|through| Self {
            through,
            told: place.bounds.head,
            count: 0,
        })
    }
}

impl<L: Log> Subscriber<L> {
    /// Asks the log for what comes next, in its turn among those of the shard.
    pub(super) fn read_page(&self, after: Cursor, until: Cursor) -> Reading {
        let shard = Rc::clone(&self.shard);
        let request = PageRequest {
            filter: self.key.filter.clone(),
            direction: Direction::After(after),
            until: Some(until),
            max_events: self.page_events(),
            max_bytes: PAGE_BYTES,
        };
        Box::pin(async move {
            let _turn = shard.reads.acquire().await;
            shard.log.page(request).await
        })
    }

    fn page_events(&self) -> usize {
        match &self.replay {
            Some(Replay { count: 0, .. }) => FIRST_PAGE_EVENTS,
            _ => PAGE_EVENTS,
        }
    }

    /// Gives the client what a page has, or tells it what the log no longer has.
    pub(super) fn take_page(&mut self, page: Result<Page, ReadError>) {
        let page = match page {
            Ok(page) => page,
            Err(error) => return self.say_unreadable(&error),
        };
        let position = self.shard.floor.borrow().watermark(self.id);
        // As the page found it, not as it is now: the log may have forgotten events since the page was asked for.
        if let Some(resume_at) = missing(position, page.earliest) {
            self.shard.floor.borrow_mut().move_to(self.id, resume_at);
            let requested = self.line.told().unwrap_or(position);
            self.line.tell(resume_at);
            let bounds = self.told_bounds(self.shard.log.bounds());
            let gap = Gap {
                reason: GapReason::Retention,
                requested,
                resume_at,
            };
            return self.say_gap(gap, bounds);
        }
        if let Some(last) = page.events.last() {
            self.line.tell(last.cursor);
        }
        if let Some(replay) = &mut self.replay {
            replay.count += page.events.len() as u64;
        }
        let encoding = self.key.encoding;
        let count = page.events.len();
        let mut floor = self.shard.floor.borrow_mut();
        floor.refill(self.id, page.reached, count, |out| {
            group::frames(&page.events, encoding, out);
        });
    }

    fn say_unreadable(&mut self, error: &ReadError) {
        // Of a log that is away there was one word for all.
        if self.shard.log.is_away() {
            tracing::debug!(%error, "a subscriber waits for the log");
        } else {
            tracing::warn!(%error, "a subscriber waits for the log");
        }
        self.retry = Some(Instant::now() + READ_RETRY);
        self.say(&unavailable());
    }

    /// Says that the replay is complete, once it is.
    pub(super) fn finish_replay(&mut self) {
        let position = self.shard.floor.borrow().watermark(self.id);
        if let Some(replay) = self.replay.take_if(|replay| replay.through <= position) {
            self.line.tell(replay.told);
            self.say(&Message::ReplayComplete {
                cursor: replay.told,
                count: replay.count,
            });
        }
    }
}

/// The page that is on its way; never, without one.
pub(super) async fn next_page(reading: &mut Option<Reading>) -> Result<Page, ReadError> {
    let Some(page) = reading else {
        return std::future::pending().await;
    };
    let page = page.await;
    *reading = None;
    page
}
