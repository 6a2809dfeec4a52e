//! Trimming.

use todoki::log::Log;

use super::*;

pub(crate) async fn trimmed_events_are_gone_and_the_rest_is_there(store: &impl Store) {
    let log = store.open(no_release());
    let drafts: Vec<_> = (0..1000).map(|n| keyed(&format!("k{n}"), "{}")).collect();
    log.append(drafts.clone()).await.unwrap();
    for (through, earliest) in [(0, 1), (1, 2), (500, 501), (300, 501)] {
        log.trim(at(through)).await.unwrap();
        assert_eq!(log.bounds().earliest, at(earliest));
        assert_eq!(log.bounds().head, at(1000));
        assert_eq!(
            numbers(&all(&log).await),
            (earliest..=1000).collect::<Vec<_>>()
        );
    }
    let before = log.page(request(Direction::Before(at(510)))).await.unwrap();
    assert_eq!(numbers(&before.events), (501..510).collect::<Vec<_>>());
    assert_eq!((before.reached, before.has_more), (at(501), false));
    // What is forgotten is forgotten with its id.
    let retried = log
        .append(vec![drafts[0].clone(), drafts[999].clone()])
        .await;
    assert_eq!(retried, Ok(vec![at(1001), at(1000)]));
    let bounds = log.bounds();
    drop(log);
    assert_eq!(store.open(no_release()).bounds(), bounds);
}

pub(crate) async fn a_page_tells_what_it_has_missed(store: &impl Store) {
    let log = store.open(no_release());
    log.append(vec![draft("a", "{}"); 20]).await.unwrap();
    assert_eq!(page_after(&log, 3).await.earliest, at(1));
    log.trim(at(10)).await.unwrap();
    let page = page_after(&log, 3).await;
    assert_eq!(page.earliest, at(11));
    assert_eq!(numbers(&page.events), (11..=20).collect::<Vec<_>>());
}

pub(crate) async fn cursors_are_never_used_twice(store: &impl Store) {
    let log = store.open(no_release());
    log.append(vec![draft("a", "{}"); 5]).await.unwrap();
    log.trim(at(5)).await.unwrap();
    let empty = log.bounds();
    assert_eq!((empty.earliest, empty.head), (at(6), at(5)));
    assert_eq!(log.seek(jiff::Timestamp::UNIX_EPOCH).await, Ok(at(5)));
    let page = page_after(&log, 0).await;
    assert_eq!(
        (page.events.len(), page.reached, page.has_more),
        (0, at(5), false)
    );
    drop(log);
    let log = store.open(no_release());
    assert_eq!(log.bounds(), empty);
    assert_eq!(log.append(vec![draft("a", "{}")]).await, Ok(vec![at(6)]));
    assert_eq!(numbers(&all(&log).await), [6]);
}

pub(crate) async fn a_trim_beyond_the_head_takes_what_there_is(store: &impl Store) {
    let log = store.open(no_release());
    log.trim(Cursor::MAX).await.unwrap();
    assert_eq!(log.bounds().earliest, at(1));
    for _ in 0..5 {
        log.append(vec![draft("a", "{}"); 1000]).await.unwrap();
    }
    let appends = (0..16).map(|_| log.append(vec![draft("b", "{}")]));
    let (trimmed, appended) = tokio::join!(log.trim(Cursor::MAX), join_all(appends));
    trimmed.unwrap();
    assert!(
        appended.iter().all(Result::is_ok),
        "appends go on meanwhile"
    );
    assert!(log.bounds().earliest > at(5000));
    assert_eq!(log.bounds().head, at(5016));
}
