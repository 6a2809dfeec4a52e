//! One position in the one order, moving forward: replay, handover and live in a single loop.
//!
//! A feed asks the hub what comes after its position; when the hub no longer remembers, it pages the log. There is no
//! hand-over to get wrong: the position is the only state, so nothing can fall between history and live, or come twice.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use todoki_codec::limits::{PAGE_BYTES, PAGE_EVENTS};
use todoki_codec::message::GapReason;
use todoki_codec::query::{Direction, Start, Subscription};
use todoki_codec::{Cursor, Event, Filter};
use tokio::sync::watch;

use crate::hub::{After, Hub};
use crate::log::{Bounds, Log, Page, PageRequest, ReadError};

/// JSON bytes of one live step: one write of a busy subscriber.
const STEP_BYTES: usize = 64 << 10;

/// Events of a replay's first page: a selective filter looks up each by itself, and a client waits for the first.
const FIRST_PAGE_EVENTS: usize = 64;

/// What happens next to a feed.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Events to deliver; may be empty when only the position moved.
    Events(Vec<Event>),
    /// The history that there was at the start has been delivered.
    ReplayComplete {
        /// The head at the start.
        cursor: Cursor,
        /// Events delivered.
        count: u64,
    },
    /// A hole that cannot be filled; the feed goes on after it.
    Gap(Gap),
}

/// What is missing, and where the feed goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// The position that cannot be continued from.
    pub requested: Cursor,
    /// The position that the feed continues from.
    pub resume_at: Cursor,
    /// The log's bounds then.
    pub bounds: Bounds,
}

/// See the [module](self).
pub struct Feed<L> {
    log: Arc<L>,
    hub: Arc<Hub>,
    head: watch::Receiver<Cursor>,
    filter: Filter,
    /// Everything that matches up to here has been handed out.
    position: Cursor,
    replay: Option<Replay>,
    gap: Option<Gap>,
    /// A page being read; kept here so that [`Feed::next`] can be cancelled and called again.
    reading: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Page, ReadError>> + Send>>;

#[derive(Debug)]
struct Replay {
    through: Cursor,
    count: u64,
}

impl<L> std::fmt::Debug for Feed<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed")
            .field("filter", &self.filter)
            .field("position", &self.position)
            .field("replay", &self.replay)
            .finish_non_exhaustive()
    }
}

impl<L: Log> Feed<L> {
    /// A feed for this subscription, and the bounds of the log that it was placed in.
    pub async fn start(
        log: &Arc<L>,
        hub: &Arc<Hub>,
        subscription: Subscription,
    ) -> Result<(Self, Bounds), ReadError> {
        // The head is watched before the bounds are read: whatever is released in between wakes the feed.
        let head = hub.watch();
        let asked = match subscription.start {
            Start::After(cursor) => Some(cursor),
            Start::Earliest => Some(log.bounds().earliest.before()),
            Start::Time(time) => Some(log.seek(time).await?),
            Start::Head => None,
        };
        let bounds = log.bounds();
        let mut feed = Self {
            log: Arc::clone(log),
            hub: Arc::clone(hub),
            head,
            filter: subscription.filter,
            position: asked.unwrap_or(bounds.head),
            replay: asked.map(|_| Replay {
                through: bounds.head,
                count: 0,
            }),
            gap: None,
            reading: None,
        };
        if feed.position > bounds.head {
            feed.jump(GapReason::Ahead, bounds.head, bounds);
        } else {
            feed.step_over_what_is_gone(bounds);
        }
        Ok((feed, bounds))
    }

    /// The position as asked for, before any gap was stepped over.
    pub fn requested(&self) -> Cursor {
        self.gap.map_or(self.position, |gap| gap.requested)
    }

    /// The watermark: everything that matches up to here has been handed out.
    pub fn position(&self) -> Cursor {
        self.position
    }

    /// Which events.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Waits for the next step. Can be dropped and called again without losing anything.
    pub async fn next(&mut self) -> Result<Step, ReadError> {
        loop {
            if let Some(gap) = self.gap.take() {
                return Ok(Step::Gap(gap));
            }
            if let Some(replay) = self
                .replay
                .take_if(|replay| replay.through <= self.position)
            {
                return Ok(Step::ReplayComplete {
                    cursor: replay.through,
                    count: replay.count,
                });
            }
            if self.reading.is_none() {
                self.head.mark_unchanged();
                match self
                    .hub
                    .after(self.position, self.until(), &self.filter, STEP_BYTES)
                {
                    After::Recent { events, reached } if reached > self.position => {
                        return Ok(self.advance(events, reached));
                    }
                    After::Recent { .. } => {
                        self.wait_for_more().await;
                        continue;
                    }
                    After::Older => self.reading = Some(self.read_page()),
                }
            }
            if let Some(step) = self.finish_page().await? {
                return Ok(step);
            }
        }
    }

    async fn wait_for_more(&mut self) {
        if self.head.changed().await.is_err() {
            // The hub is part of this feed, so its head cannot close before the feed does.
            std::future::pending::<()>().await;
        }
    }

    /// A replay is handed out up to its end and no further, so that its count is exact.
    fn until(&self) -> Cursor {
        self.replay
            .as_ref()
            .map_or(Cursor::MAX, |replay| replay.through)
    }

    fn read_page(&self) -> Reading {
        let log = Arc::clone(&self.log);
        let request = PageRequest {
            filter: self.filter.clone(),
            direction: Direction::After(self.position),
            until: Some(self.until()),
            max_events: self.page_events(),
            max_bytes: PAGE_BYTES,
        };
        Box::pin(async move { log.page(request).await })
    }

    fn page_events(&self) -> usize {
        match &self.replay {
            Some(Replay { count: 0, .. }) => FIRST_PAGE_EVENTS,
            _ => PAGE_EVENTS,
        }
    }

    async fn finish_page(&mut self) -> Result<Option<Step>, ReadError> {
        let Some(reading) = &mut self.reading else {
            return Ok(None);
        };
        let page = reading.await;
        self.reading = None;
        let page = page?;
        // As the page found it, not as it is now: the log may have forgotten events since the page was asked for.
        let bounds = Bounds {
            earliest: page.earliest,
            ..self.log.bounds()
        };
        if self.step_over_what_is_gone(bounds) {
            return Ok(None);
        }
        if page.reached <= self.position {
            return Err(ReadError("a page did not advance".into()));
        }
        Ok(Some(self.advance(page.events, page.reached)))
    }

    fn advance(&mut self, events: Vec<Event>, reached: Cursor) -> Step {
        self.position = reached;
        if let Some(replay) = &mut self.replay {
            replay.count += events.len() as u64;
        }
        Step::Events(events)
    }

    fn step_over_what_is_gone(&mut self, bounds: Bounds) -> bool {
        let oldest = bounds.earliest.before();
        let is_gone = self.position < oldest;
        if is_gone {
            self.jump(GapReason::Retention, oldest, bounds);
        }
        is_gone
    }

    fn jump(&mut self, reason: GapReason, resume_at: Cursor, bounds: Bounds) {
        self.gap = Some(Gap {
            reason,
            requested: self.position,
            resume_at,
            bounds,
        });
        self.position = resume_at;
    }
}
