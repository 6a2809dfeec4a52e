//! Appending: order, release, wholeness.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use todoki::log::{AppendError, KINDS, Log};
use todoki_codec::encode;

use super::*;

pub(crate) async fn cursors_are_dense_and_every_event_is_released_once_in_their_order(
    store: &impl Store,
) {
    const PUBLISHERS: usize = 64;
    const APPENDS: usize = 10;
    let released = Released::default();
    let log = Arc::new(store.open(released.hook()));
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for turn in 0..APPENDS {
                    let data = format!(r#"{{"publisher":{publisher},"turn":{turn}}}"#);
                    let drafts = vec![draft("a.b", &data); 1 + turn % 3];
                    let count = drafts.len();
                    let cursors = log.append(drafts).await.unwrap();
                    assert_eq!(cursors.len(), count);
                    answers.extend(cursors);
                }
                assert!(answers.is_sorted(), "a publisher's own order is kept");
                answers
            })
        })
        .collect();
    let mut answered = Vec::new();
    for publisher in publishers {
        answered.extend(publisher.await.unwrap());
    }
    answered.sort_unstable();
    let dense: Vec<_> = (1..=i64::try_from(answered.len()).unwrap())
        .map(at)
        .collect();
    assert_eq!(answered, dense);
    let released = released.events();
    assert_eq!(numbers(&released), numbers(&all(&*log).await));
    assert_eq!(released.len(), answered.len());
    assert_eq!(log.bounds().head, *dense.last().unwrap());
}

pub(crate) async fn an_event_is_released_before_its_append_is_answered(store: &impl Store) {
    let released = Released::default();
    let log = store.open(released.hook());
    for turn in 1..=50 {
        let cursors = log.append(vec![draft("a", "{}")]).await.unwrap();
        assert_eq!(cursors, [at(turn)]);
        assert_eq!(released.events().last().unwrap().cursor, at(turn));
        assert!(log.bounds().head >= at(turn));
    }
}

pub(crate) async fn nothing_beyond_the_head_is_ever_read(store: &impl Store) {
    let released = Released::default();
    let log = Arc::new(store.open(released.hook()));
    let is_done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (log, released, is_done) =
                (Arc::clone(&log), released.clone(), Arc::clone(&is_done));
            tokio::spawn(async move {
                let mut after = 0;
                while !is_done.load(Ordering::Relaxed) {
                    let head_before = log.bounds().head;
                    let page = page_after(&*log, after).await;
                    let head_after = log.bounds().head;
                    assert!(page.reached >= head_before || page.has_more);
                    assert!(page.reached <= head_after);
                    let read = numbers(&page.events);
                    let expected: Vec<_> = (after + 1..=page.reached.get()).collect();
                    assert_eq!(read, expected, "no hole, and nothing twice");
                    after = page.reached.get();
                    // The head may be a moment ahead of the hook, and only that.
                    if let Some(released) = released.events().last() {
                        assert!(head_before <= released.cursor.forward(64));
                    }
                }
                after
            })
        })
        .collect();
    for _ in 0..40 {
        let appends = (0..32).map(|_| log.append(vec![draft("a", "{}"); 2]));
        for cursors in join_all(appends).await {
            cursors.unwrap();
        }
    }
    is_done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}

/// Polls all of them, each as it becomes ready; the answers are in the order of the futures.
pub(crate) async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.into_iter().map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(|context| {
        let mut is_done = true;
        for (future, output) in &mut pending {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => is_done = false,
                }
            }
        }
        if is_done {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    pending
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}

pub(crate) async fn an_append_is_stored_whole_and_in_order(store: &impl Store) {
    let log = store.open(no_release());
    let drafts: Vec<_> = (0..1000)
        .map(|place| draft("batch.part", &format!(r#"{{"place":{place}}}"#)))
        .collect();
    let batches = join_all((0..4).map(|_| log.append(drafts.clone()))).await;
    for cursors in batches {
        let cursors = cursors.unwrap();
        let first = cursors[0];
        let page = page_after(&log, first.before().get()).await;
        assert_eq!(page.events.len(), drafts.len());
        for (place, (event, draft)) in page.events.iter().zip(&drafts).enumerate() {
            assert_eq!(event.cursor, first.forward(place), "consecutive");
            assert_eq!(*event, encode::event(event.cursor, event.time, draft));
        }
    }
}

pub(crate) async fn an_append_of_nothing_is_answered(store: &impl Store) {
    let log = store.open(no_release());
    assert_eq!(log.append(Vec::new()).await, Ok(Vec::new()));
    assert_eq!(log.bounds().head, Cursor::ORIGIN);
    assert_eq!(log.bounds().earliest, at(1));
}

pub(crate) async fn an_append_that_nobody_waits_for_is_stored_whole(store: &impl Store) {
    let released = Released::default();
    let log = store.open(released.hook());
    for turn in 0..50_u64 {
        let append = log.append(vec![draft("left", "{}"); 3]);
        let patience = Duration::from_micros(turn * 40);
        // Whether it was answered in time is what this test leaves to chance.
        drop(tokio::time::timeout(patience, append).await);
    }
    let last = log.append(vec![draft("last", "{}")]).await.unwrap()[0];
    let events = all(&log).await;
    assert_eq!(events.len() % 3, 1, "three at a time, and the last");
    assert!(events.len() > 1, "some were stored");
    assert_eq!(numbers(&events), (1..=last.get()).collect::<Vec<_>>());
    assert_eq!(released.events(), events);
}

pub(crate) async fn what_is_read_is_what_was_released_also_after_reopening(store: &impl Store) {
    let released = Released::default();
    let log = store.open(released.hook());
    let uuid = |n| Some(uuid::Uuid::from_u128(n));
    let mut full = draft("ids.all", r#"{ "n" : 1e400, "z":"\u0000é", "a":[1.0,-0] }"#);
    full.ids = Ids {
        agent_id: uuid::Uuid::max(),
        session_id: uuid(1),
        task_id: uuid(2),
        project_id: uuid(3),
    };
    let mut nil = draft("ids.nil", "{}");
    nil.ids.task_id = uuid(0);
    log.append(vec![full, nil, draft("ids.none", "{}")])
        .await
        .unwrap();
    log.append(vec![keyed("k", "{}")]).await.unwrap();
    let released = released.events();
    assert_eq!(all(&log).await, released);
    drop(log);
    let log = store.open(no_release());
    assert_eq!(all(&log).await, released);
    assert_eq!(log.append(vec![draft("next", "{}")]).await, Ok(vec![at(5)]));
}

pub(crate) async fn the_epoch_stays_until_it_is_renewed(store: &impl Store) {
    let log = store.open(no_release());
    let epoch = log.bounds().epoch;
    assert!(!epoch.is_nil());
    log.append(vec![draft("a", "{}")]).await.unwrap();
    drop(log);
    let log = store.open(no_release());
    assert_eq!(log.bounds().epoch, epoch);
    drop(log);
    let log = store.open_renewed(no_release());
    let renewed = log.bounds().epoch;
    assert_ne!(renewed, epoch);
    assert_eq!(log.bounds().head, at(1), "the events are still there");
    drop(log);
    assert_eq!(store.open(no_release()).bounds().epoch, renewed);
}

pub(crate) async fn a_kind_is_new_until_it_is_stored(store: &impl Store) {
    let log = store.open(no_release());
    let three = ["a", "b", "a", "c", "b"].map(|kind| draft(kind, "{}"));
    assert_eq!((log.new_kinds(&three), log.new_kinds(&[])), (3, 0));
    log.append(vec![draft("b", "{}")]).await.unwrap();
    assert_eq!(log.new_kinds(&three), 2);
    log.append(three.to_vec()).await.unwrap();
    assert_eq!(log.new_kinds(&three), 0);
    drop(log);
    let log = store.open(no_release());
    assert_eq!(log.new_kinds(&three), 0);
    assert_eq!(log.new_kinds(&[draft("a.b", "{}")]), 1);
}

pub(crate) async fn a_kind_too_many_is_refused_and_known_kinds_go_on(store: &impl Store) {
    let log = store.open(Released::default().hook());
    let kinds: Vec<_> = (1..KINDS)
        .map(|number| draft(&format!("k{number}"), "{}"))
        .collect();
    for some in kinds.chunks(1000) {
        log.append(some.to_vec()).await.unwrap();
    }
    // One place is left: the append that needs two of them is refused whole.
    let two = vec![draft("known", "{}"), draft("unknown", "{}")];
    let refused = log.append(two).await;
    assert_eq!(refused, Err(AppendError::TooManyKinds { index: 1 }));
    log.append(vec![draft("k1", "{}"), draft("last", "{}")])
        .await
        .unwrap();
    let refused = log.append(vec![draft("one.more", "{}")]).await;
    assert_eq!(refused, Err(AppendError::TooManyKinds { index: 0 }));
    log.append(vec![draft("last", "{}")]).await.unwrap();
}
