//! The contract of `todoki::log`, as tests that every implementation passes.
//!
//! An implementation gives a [`Store`] and lists the suite with [`log_contract!`](crate::log_contract).

mod append;
mod count;
mod grants;
mod keys;
mod read;
mod retention;

pub(crate) use append::*;
pub(crate) use count::*;
pub(crate) use grants::*;
pub(crate) use keys::*;
pub(crate) use read::*;
pub(crate) use retention::*;

use std::sync::{Arc, Mutex};

use todoki::log::{Batch, Log, Page, PageRequest, Release};
use todoki_codec::query::Direction;
use todoki_codec::{Cursor, Draft, Event, Filter, Ids, Kind};

/// Where a log lives: the same one each time it is opened.
pub(crate) trait Store: Sync {
    type Log: Log;

    /// Opens the log, which no one has open.
    fn open(&self, release: Release) -> Self::Log;

    /// Opens it as one restored from a backup.
    fn open_renewed(&self, release: Release) -> Self::Log;
}

/// Runs the suite on a store, made afresh for each test.
#[macro_export]
macro_rules! log_contract {
    ($store:expr) => {
        $crate::log_contract!(@tests $store,
            cursors_are_dense_and_every_event_is_released_once_in_their_order,
            an_event_is_released_before_its_append_is_answered,
            nothing_beyond_the_head_is_ever_read,
            an_append_is_stored_whole_and_in_order,
            an_append_of_nothing_is_answered,
            an_append_that_nobody_waits_for_is_stored_whole,
            a_kind_too_many_is_refused_and_known_kinds_go_on,
            a_kind_is_new_until_it_is_stored,
            what_is_read_is_what_was_released_also_after_reopening,
            the_epoch_stays_until_it_is_renewed,
            a_retry_gets_the_first_cursor_and_stores_nothing,
            another_draft_with_a_stored_id_is_a_conflict_and_stores_nothing,
            ids_count_within_one_append_too,
            twins_that_race_are_stored_once,
            rivals_that_race_leave_one_winner,
            a_page_is_what_a_naive_filter_picks,
            a_page_ends_with_the_event_that_fills_it,
            a_page_goes_no_further_than_until,
            an_event_of_a_kind_that_is_new_is_found_at_once,
            a_page_from_beyond_the_head_stays_there,
            a_kind_that_never_was_is_looked_for_in_one_page,
            a_time_is_found,
            a_histogram_is_what_a_naive_count_gives,
            facets_are_what_a_naive_count_gives,
            counts_of_nothing_are_complete,
            a_page_has_what_grants_let_through,
            a_histogram_counts_what_grants_let_through,
            facets_are_of_what_grants_let_through,
            trimmed_events_are_gone_and_the_rest_is_there,
            a_page_tells_what_it_has_missed,
            cursors_are_never_used_twice,
            a_trim_beyond_the_head_takes_what_there_is,
        );
    };
    (@tests $store:expr, $($name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::log_contract::$name(&$store).await;
            }
        )*
    };
}

/// Keeps what is released.
#[derive(Clone, Default)]
pub(crate) struct Released(Arc<Mutex<Vec<Event>>>);

impl Released {
    pub(crate) fn hook(&self) -> Release {
        let released = self.clone();
        Box::new(move |batch: Batch| {
            assert!(!batch.is_empty());
            released.0.lock().unwrap().extend_from_slice(&batch);
        })
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) fn no_release() -> Release {
    Box::new(|_| {})
}

pub(crate) fn at(number: i64) -> Cursor {
    Cursor::new(number).unwrap()
}

pub(crate) fn draft(kind: &str, data: &str) -> Draft {
    Draft {
        kind: Kind::parse(kind).unwrap(),
        ids: Ids::default(),
        data: data.to_owned().into(),
        id: None,
    }
}

pub(crate) fn keyed(id: &str, data: &str) -> Draft {
    Draft {
        id: Some(id.into()),
        ..draft("keyed", data)
    }
}

pub(crate) fn request(direction: Direction) -> PageRequest {
    PageRequest {
        filter: Filter::default(),
        direction,
        until: None,
        max_events: 1000,
        max_bytes: usize::MAX,
    }
}

pub(crate) async fn page_after(log: &impl Log, cursor: i64) -> Page {
    log.page(request(Direction::After(at(cursor))))
        .await
        .unwrap()
}

/// The whole log, page by page.
pub(crate) async fn all(log: &impl Log) -> Vec<Event> {
    collect(log, request(Direction::After(Cursor::ORIGIN))).await
}

/// Everything that a request is after, page by page, whichever way it reads; in cursor order.
pub(crate) async fn collect(log: &impl Log, mut request: PageRequest) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let page = log.page(request.clone()).await.unwrap();
        match &mut request.direction {
            Direction::After(after) => {
                assert!(!page.has_more || page.reached > *after, "a page advances");
                *after = page.reached;
                events.extend(page.events);
            }
            Direction::Before(before) => {
                assert!(!page.has_more || page.reached < *before, "a page advances");
                *before = page.reached;
                events.splice(0..0, page.events);
            }
        }
        if !page.has_more {
            return events;
        }
    }
}

pub(crate) fn numbers(events: &[Event]) -> Vec<i64> {
    events.iter().map(|event| event.cursor.get()).collect()
}
