//! Idempotency keys.

use todoki::log::{AppendError, Log};

use super::*;

pub(crate) async fn a_retry_gets_the_first_cursor_and_stores_nothing(store: &impl Store) {
    let released = Released::default();
    let log = store.open(released.hook());
    let first = vec![
        keyed("a", r#"{"n":1}"#),
        draft("plain", "{}"),
        keyed("b", "{}"),
    ];
    assert_eq!(
        log.append(first.clone()).await,
        Ok(vec![at(1), at(2), at(3)])
    );
    // What has no key cannot be known again.
    assert_eq!(
        log.append(first.clone()).await,
        Ok(vec![at(1), at(4), at(3)])
    );
    assert_eq!(log.append(vec![first[0].clone()]).await, Ok(vec![at(1)]));
    assert_eq!(numbers(&released.events()), [1, 2, 3, 4]);
    drop(log);
    let log = store.open(no_release());
    assert_eq!(log.append(first).await, Ok(vec![at(1), at(5), at(3)]));
    assert_eq!(log.bounds().head, at(5));
}

pub(crate) async fn another_draft_with_a_stored_id_is_a_conflict_and_stores_nothing(
    store: &impl Store,
) {
    let log = store.open(no_release());
    log.append(vec![draft("plain", "{}"), keyed("a", r#"{"n":1}"#)])
        .await
        .unwrap();
    let mut other_kind = keyed("a", r#"{"n":1}"#);
    other_kind.kind = Kind::parse("other").unwrap();
    let mut other_task = keyed("a", r#"{"n":1}"#);
    other_task.ids.task_id = Some(uuid::Uuid::max());
    for other in [
        keyed("a", r#"{"n":2}"#),
        keyed("a", r#"{"n": 1}"#),
        other_kind,
        other_task,
    ] {
        let conflict = AppendError::Conflict {
            index: 1,
            cursor: at(2),
        };
        let drafts = vec![keyed("fresh", "{}"), other];
        let others = (0..4).map(|_| log.append(vec![draft("bystander", "{}")]));
        let (refused, stored) = tokio::join!(log.append(drafts), join_all(others));
        assert_eq!(refused, Err(conflict));
        assert!(stored.iter().all(Result::is_ok), "others are not affected");
    }
    assert_eq!(all(&log).await.len(), 2 + 4 * 4);
    // The key of the refused append is still free.
    let free = log.append(vec![keyed("fresh", r#"{"now":true}"#)]).await;
    assert_eq!(free, Ok(vec![at(19)]));
}

pub(crate) async fn ids_count_within_one_append_too(store: &impl Store) {
    let log = store.open(no_release());
    let twins = vec![keyed("a", "{}"), draft("plain", "{}"), keyed("a", "{}")];
    assert_eq!(log.append(twins).await, Ok(vec![at(1), at(2), at(1)]));
    let rivals = vec![
        draft("plain", "{}"),
        keyed("b", "{}"),
        keyed("b", r#"{"n":1}"#),
    ];
    let refused = log.append(rivals).await;
    assert_eq!(refused, Err(AppendError::Rivals { index: 2 }));
    assert_eq!(log.bounds().head, at(2));
    assert_eq!(
        log.append(vec![keyed("b", r#"{"n":1}"#)]).await,
        Ok(vec![at(3)])
    );
}

pub(crate) async fn twins_that_race_are_stored_once(store: &impl Store) {
    let log = store.open(no_release());
    for turn in 0..20 {
        let id = format!("turn-{turn}");
        let answers = join_all((0..16).map(|_| log.append(vec![keyed(&id, "{}")]))).await;
        let expected = Ok(vec![at(turn + 1)]);
        assert!(
            answers.iter().all(|answer| *answer == expected),
            "{answers:?}"
        );
    }
    assert_eq!(all(&log).await.len(), 20);
}

pub(crate) async fn rivals_that_race_leave_one_winner(store: &impl Store) {
    let log = store.open(no_release());
    for turn in 0..20 {
        let id = format!("turn-{turn}");
        let appends = (0..16).map(|rival| {
            let data = format!(r#"{{"rival":{rival}}}"#);
            log.append(vec![draft("plain", "{}"), keyed(&id, &data)])
        });
        let answers = join_all(appends).await;
        let winner = at((turn + 1) * 2);
        let won = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(won, 1);
        for answer in answers {
            match answer {
                Ok(cursors) => assert_eq!(cursors, [winner.before(), winner]),
                Err(error) => assert_eq!(
                    error,
                    AppendError::Conflict {
                        index: 1,
                        cursor: winner
                    }
                ),
            }
        }
    }
    assert_eq!(all(&log).await.len(), 40);
}
