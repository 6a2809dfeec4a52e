//! Counting: histograms and facets against a naive count of the same events.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use todoki::log::{Family, Frequent, Log, Reach};
use todoki_codec::Windows;
use uuid::Uuid;

use super::*;

/// Appends events over some time.
pub(super) async fn fill(log: &impl Log, runner: &mut TestRunner) {
    for _ in 0..30 {
        let batch = prop::collection::vec(drafts(), 60);
        let batch = batch.new_tree(runner).unwrap().current();
        log.append(batch).await.unwrap();
        // Times are the log's own, and windows are milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Some of time, in windows, around the events of a log.
pub(super) fn windows(events: &[Event]) -> impl Strategy<Value = Windows> + use<> {
    let times: Vec<_> = events.iter().map(|event| event.time).collect();
    let from = (prop::sample::select(times), -5000..5000_i64);
    let span_us = prop_oneof![1..2000_i64, 1..100_000_i64, Just(3_600_000_000)];
    let count = prop_oneof![1..4_usize, 1..40_usize, 1..500_usize];
    (from, span_us, count).prop_map(|((time, away_us), span_us, count)| {
        let time_of = |us| Timestamp::from_microsecond(us).unwrap();
        let from_us = time.as_microsecond() + away_us;
        Windows::new(time_of(from_us), time_of(from_us + span_us), count).unwrap()
    })
}

/// These events in each window, by family, and the failures.
fn naive_histogram<'a>(
    picked: impl Iterator<Item = &'a Event>,
    windows: Windows,
) -> (Vec<Family>, Vec<u64>) {
    let mut families = BTreeMap::new();
    let mut failures = vec![0; windows.count()];
    for event in picked {
        let kind = event.kind.as_str();
        for window in 0..windows.count() {
            if event.time < windows.edge(window) || event.time >= windows.edge(window + 1) {
                continue;
            }
            let family = kind.split('.').next().unwrap();
            let counts = families
                .entry(family)
                .or_insert_with(|| vec![0; windows.count()]);
            counts[window] += 1;
            failures[window] += u64::from(kind.ends_with("_failed"));
        }
    }
    let families = families.into_iter().map(|(name, counts)| Family {
        name: name.into(),
        counts,
    });
    (families.collect(), failures)
}

/// Checks a histogram against a count of the events that the filter picks.
pub(super) async fn check_histogram<'a>(
    log: &impl Log,
    filter: &Filter,
    windows: Windows,
    picked: impl Iterator<Item = &'a Event>,
) {
    let histogram = log.histogram(filter.clone(), windows).await.unwrap();
    let naive = naive_histogram(picked, windows);
    let context = format!("{filter:?} {windows:?}");
    assert_eq!((histogram.families, histogram.failures), naive, "{context}");
    let reach = Reach {
        from_cursor: log.seek(windows.from()).await.unwrap().next(),
        is_complete: true,
    };
    assert_eq!(histogram.reach, reach, "{context}");
}

pub(crate) async fn a_histogram_is_what_a_naive_count_gives(store: &impl Store) {
    let mut runner = TestRunner::deterministic();
    let log = store.open(no_release());
    fill(&log, &mut runner).await;
    for round in 0..2 {
        let events = all(&log).await;
        for _ in 0..100 {
            let request = (filters(), windows(&events));
            let (filter, windows) = request.new_tree(&mut runner).unwrap().current();
            let picked = events.iter().filter(|event| filter.matches(event));
            check_histogram(&log, &filter, windows, picked).await;
        }
        if round == 0 {
            log.trim(at(700)).await.unwrap();
        }
    }
}

/// The most frequent of these values, the first of equal ones.
fn naive_frequent<T: Ord>(values: impl Iterator<Item = T>, limit: usize) -> Frequent<T> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    // A stable sort keeps the order of values.
    counts.sort_by_key(|(_, count): &(T, u64)| std::cmp::Reverse(*count));
    counts.truncate(limit);
    counts
}

/// Checks facets against a count of the events that the filter picks.
pub(super) async fn check_facets<'a>(
    log: &impl Log,
    filter: &Filter,
    limit: usize,
    picked: impl Iterator<Item = &'a Event>,
) {
    let facets = log.facets(filter.clone(), limit).await.unwrap();
    let picked: Vec<_> = picked.collect();
    let ids = |id: fn(&Ids) -> Option<Uuid>| {
        let ids = picked.iter().filter_map(|event| id(&event.ids));
        naive_frequent(ids, limit)
    };
    let kinds = picked.iter().map(|event| event.kind.clone());
    assert_eq!(facets.kinds, naive_frequent(kinds, limit), "{filter:?}");
    let agents = ids(|ids| Some(ids.agent_id).filter(|id| !id.is_nil()));
    assert_eq!(facets.agents, agents, "{filter:?}");
    assert_eq!(facets.sessions, ids(|ids| ids.session_id), "{filter:?}");
    assert_eq!(facets.tasks, ids(|ids| ids.task_id), "{filter:?}");
    assert_eq!(facets.events, picked.len() as u64, "{filter:?}");
    let reach = Reach {
        from_cursor: log.bounds().earliest,
        is_complete: true,
    };
    assert_eq!(facets.reach, reach, "{filter:?}");
}

pub(crate) async fn facets_are_what_a_naive_count_gives(store: &impl Store) {
    let mut runner = TestRunner::deterministic();
    let log = store.open(no_release());
    fill(&log, &mut runner).await;
    for round in 0..2 {
        let events = all(&log).await;
        let filter = || prop_oneof![1 => Just(Filter::default()), 8 => filters()];
        for _ in 0..100 {
            let request = (filter(), prop_oneof![1..5_usize, 1..50_usize]);
            let (filter, limit) = request.new_tree(&mut runner).unwrap().current();
            let picked = events.iter().filter(|event| filter.matches(event));
            check_facets(&log, &filter, limit, picked).await;
        }
        if round == 0 {
            log.trim(at(700)).await.unwrap();
        }
    }
}

pub(crate) async fn counts_of_nothing_are_complete(store: &impl Store) {
    let log = store.open(no_release());
    let all_time = Windows::new(Timestamp::UNIX_EPOCH, Timestamp::MAX, 3).unwrap();
    let never = Windows::new(Timestamp::MIN, Timestamp::UNIX_EPOCH, 3).unwrap();
    let whole = |number| Reach {
        from_cursor: at(number),
        is_complete: true,
    };
    for beginning in [1, 11] {
        for windows in [all_time, never] {
            let histogram = log.histogram(Filter::default(), windows).await.unwrap();
            assert_eq!(histogram.families, []);
            assert_eq!(histogram.failures, [0, 0, 0]);
            assert_eq!(histogram.reach, whole(beginning));
        }
        let facets = log.facets(Filter::default(), 5).await.unwrap();
        assert_eq!((facets.events, facets.kinds.len()), (0, 0));
        assert_eq!(facets.reach, whole(beginning));
        log.append(vec![draft("a", "{}"); 10]).await.unwrap();
        log.trim(at(10)).await.unwrap();
    }
}
