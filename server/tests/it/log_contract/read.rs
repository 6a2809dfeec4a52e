//! Reading pages, and finding a time.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use todoki::log::{Log, PageRequest};
use todoki_codec::{Pattern, WantedIds};
use uuid::Uuid;

use super::*;

const KINDS: usize = 24;

/// Kinds and ids are skewed: a few are everywhere, most are rare.
pub(super) fn drafts() -> impl Strategy<Value = Draft> {
    let kind = prop_oneof![3 => 0..2_usize, 1 => 0..KINDS];
    let id = || prop_oneof![2 => Just(None), 2 => Just(Some(1)), 1 => (0..40_u128).prop_map(Some)];
    (kind, id(), id(), id(), id(), 0..200_usize).prop_map(
        |(kind, agent, session_id, task_id, project_id, pad)| Draft {
            kind: kind_of(kind),
            ids: Ids {
                agent_id: Uuid::from_u128(agent.unwrap_or(0)),
                session_id: session_id.map(Uuid::from_u128),
                task_id: task_id.map(Uuid::from_u128),
                project_id: project_id.map(Uuid::from_u128),
            },
            data: format!(r#"{{"pad":"{}"}}"#, "x".repeat(pad)).into(),
            id: None,
        },
    )
}

fn kind_of(number: usize) -> Kind {
    let ending = if number % 5 == 1 { "_failed" } else { "" };
    Kind::parse(&format!("family{}.kind{number}{ending}", number % 3)).unwrap()
}

pub(super) fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..KINDS + 2).prop_map(|number| kind_of(number).to_string()),
        (0..4).prop_map(|family| format!("family{family}.*")),
        Just("*".to_owned()),
    ]
}

pub(super) fn filters() -> impl Strategy<Value = Filter> {
    let patterns = prop::collection::vec(pattern(), 0..12);
    let id =
        || prop_oneof![4 => Just(None), 1 => (0..4_u128).prop_map(|n| Some(Uuid::from_u128(n)))];
    (patterns, id(), id(), id(), id()).prop_map(
        |(patterns, agent_id, session_id, task_id, project_id)| {
            let patterns = patterns.iter().map(|text| Pattern::parse(text).unwrap());
            let wanted = WantedIds {
                agent_id,
                session_id,
                task_id,
                project_id,
            };
            Filter::new(patterns.collect(), wanted)
        },
    )
}

pub(super) fn requests(head: i64) -> impl Strategy<Value = PageRequest> {
    let cursor = || prop_oneof![4 => 0..=head + 3, 1 => Just(Cursor::MAX.get())].prop_map(at);
    let direction = (cursor(), any::<bool>()).prop_map(|(cursor, is_forward)| {
        if is_forward {
            Direction::After(cursor)
        } else {
            Direction::Before(cursor)
        }
    });
    let max_events = prop_oneof![1..8_usize, 1..2000_usize];
    let max_bytes = prop_oneof![Just(usize::MAX), 0..20_000_usize];
    (
        filters(),
        direction,
        prop::option::of(cursor()),
        max_events,
        max_bytes,
    )
        .prop_map(
            |(filter, direction, until, max_events, max_bytes)| PageRequest {
                filter,
                direction,
                until,
                max_events,
                max_bytes,
            },
        )
}

/// Checks one page against a filter over the whole log, then that going on from it gives all there is.
pub(super) async fn check_page(
    log: &impl Log,
    events: &[Event],
    request: PageRequest,
    picks: impl Fn(&Event) -> bool,
) {
    let page = log.page(request.clone()).await.unwrap();
    let bounds = log.bounds();
    let is_forward = matches!(request.direction, Direction::After(_));
    let within = |cursor: Cursor| match request.direction {
        Direction::After(after) => {
            cursor > after && request.until.is_none_or(|until| cursor <= until)
        }
        Direction::Before(before) => cursor < before,
    };
    let mut expected: Vec<_> = events
        .iter()
        .filter(|event| within(event.cursor) && picks(event))
        .cloned()
        .collect();
    if !is_forward {
        expected.reverse();
    }
    let mut bytes = 0;
    let fitting = expected
        .iter()
        .take(request.max_events)
        .take_while(|event| {
            let fits = bytes < request.max_bytes || bytes == 0;
            bytes += event.json.len();
            fits
        })
        .count();
    let mut first: Vec<_> = expected.drain(..fitting).collect();
    let is_cut = !expected.is_empty();
    let last = first.last().map(|event| event.cursor);
    if !is_forward {
        first.reverse();
    }
    assert_eq!(page.events, first, "{request:?}");
    assert!(page.has_more || !is_cut, "{request:?}");
    let end = match request.direction {
        Direction::After(after) => {
            let until = request.until.unwrap_or(Cursor::MAX);
            until.min(bounds.head).max(after)
        }
        Direction::Before(before) => before.min(bounds.earliest),
    };
    if page.has_more {
        assert_eq!(Some(page.reached), last, "{request:?}");
        assert_ne!(page.reached, end, "{request:?}");
    } else {
        assert_eq!(page.reached, end, "{request:?}");
    }
    let mut everything: Vec<_> = first.into_iter().chain(expected).collect();
    everything.sort_by_key(|event| event.cursor);
    assert_eq!(collect(log, request).await, everything);
}

pub(crate) async fn a_page_is_what_a_naive_filter_picks(store: &impl Store) {
    let mut runner = TestRunner::deterministic();
    let log = store.open(no_release());
    for _ in 0..6 {
        let batch = prop::collection::vec(drafts(), 300);
        let batch = batch.new_tree(&mut runner).unwrap().current();
        log.append(batch).await.unwrap();
    }
    for round in 0..2 {
        let events = all(&log).await;
        for _ in 0..150 {
            let request = requests(1800).new_tree(&mut runner).unwrap().current();
            let filter = request.filter.clone();
            check_page(&log, &events, request, |event| filter.matches(event)).await;
        }
        if round == 0 {
            log.trim(at(700)).await.unwrap();
        }
    }
}

pub(crate) async fn a_page_ends_with_the_event_that_fills_it(store: &impl Store) {
    let log = store.open(no_release());
    log.append(vec![draft("a", r#"{"n":1}"#); 10])
        .await
        .unwrap();
    let bytes = page_after(&log, 0).await.events[0].json.len();
    for (max_bytes, expected) in [(0, 1), (1, 1), (bytes, 1), (bytes + 1, 2), (3 * bytes, 3)] {
        let page = log
            .page(PageRequest {
                max_bytes,
                ..request(Direction::After(at(2)))
            })
            .await
            .unwrap();
        assert_eq!(page.events.len(), expected, "{max_bytes}");
        assert_eq!(page.reached, at(2).forward(expected));
        assert!(page.has_more);
    }
}

pub(crate) async fn a_page_goes_no_further_than_until(store: &impl Store) {
    let log = store.open(no_release());
    log.append(vec![draft("a", "{}"); 10]).await.unwrap();
    let until = |until, max_events| PageRequest {
        until: Some(at(until)),
        max_events,
        ..request(Direction::After(at(2)))
    };
    let page = log.page(until(5, 3)).await.unwrap();
    assert_eq!(numbers(&page.events), [3, 4, 5]);
    assert_eq!((page.reached, page.has_more), (at(5), false));
    let page = log.page(until(5, 2)).await.unwrap();
    assert_eq!((page.reached, page.has_more), (at(4), true));
    let page = log.page(until(99, 100)).await.unwrap();
    assert_eq!((page.reached, page.has_more), (at(10), false));
    let page = log.page(until(1, 100)).await.unwrap();
    assert_eq!(
        (page.events.len(), page.reached, page.has_more),
        (0, at(2), false)
    );
}

pub(crate) async fn an_event_of_a_kind_that_is_new_is_found_at_once(store: &impl Store) {
    let log = store.open(no_release());
    for number in 1..=30 {
        let kind = format!("kind.n{number}");
        log.append(vec![draft(&kind, "{}")]).await.unwrap();
        let filter = Filter::new(vec![Pattern::parse(&kind).unwrap()], WantedIds::default());
        let page = log
            .page(PageRequest {
                filter,
                ..request(Direction::After(Cursor::ORIGIN))
            })
            .await
            .unwrap();
        assert_eq!(numbers(&page.events), [number]);
    }
}

pub(crate) async fn a_page_from_beyond_the_head_stays_there(store: &impl Store) {
    let log = store.open(no_release());
    for head in [0, 3] {
        let page = page_after(&log, 7).await;
        assert_eq!(
            (page.events.len(), page.reached, page.has_more),
            (0, at(7), false)
        );
        let page = log
            .page(request(Direction::Before(Cursor::MAX)))
            .await
            .unwrap();
        assert_eq!(page.events.len(), head);
        assert_eq!((page.reached, page.has_more), (at(1), false));
        log.append(vec![draft("a", "{}"); 3]).await.unwrap();
    }
}

pub(crate) async fn a_kind_that_never_was_is_looked_for_in_one_page(store: &impl Store) {
    let log = store.open(no_release());
    log.append(vec![draft("a", "{}"); 100]).await.unwrap();
    let never = Filter::new(vec![Pattern::parse("b.*").unwrap()], WantedIds::default());
    for (direction, reached) in [
        (Direction::After(at(0)), at(100)),
        (Direction::Before(at(50)), at(1)),
    ] {
        let page = log
            .page(PageRequest {
                filter: never.clone(),
                max_events: 1,
                ..request(direction)
            })
            .await
            .unwrap();
        assert_eq!(
            (page.events.len(), page.reached, page.has_more),
            (0, reached, false)
        );
    }
}

pub(crate) async fn a_time_is_found(store: &impl Store) {
    let log = store.open(no_release());
    let epoch = jiff::Timestamp::UNIX_EPOCH;
    assert_eq!(log.seek(epoch).await, Ok(Cursor::ORIGIN));
    for _ in 0..20 {
        log.append(vec![draft("a", "{}"); 3]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    log.trim(at(7)).await.unwrap();
    let events = all(&log).await;
    let nanosecond = Duration::from_nanos(1);
    for event in &events {
        for time in [event.time, event.time - nanosecond, event.time + nanosecond] {
            let naive = events.iter().find(|event| event.time >= time);
            let naive = naive.map_or(log.bounds().head, |event| event.cursor.before());
            assert_eq!(log.seek(time).await, Ok(naive), "{time}");
        }
    }
    assert_eq!(log.seek(epoch).await, Ok(at(7)));
    assert_eq!(log.seek(jiff::Timestamp::MAX).await, Ok(log.bounds().head));
}
