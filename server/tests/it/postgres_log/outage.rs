//! The database goes away and comes back: nothing acknowledged is lost, nothing is there twice, subscribers stay.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use simd_json::prelude::*;
use todoki::log::{AppendError, Log};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::Client as Session;

use super::order::serve;
use crate::database::{Cluster, Database};
use crate::harness::{Client, TestServer, within};
use crate::log_contract::{Released, Store, all, at, draft, keyed, numbers};

/// More than a commit is waited for.
const PATIENCE: Duration = Duration::from_secs(40);

/// Emits until it is told to stop; what is refused is tried again, with the same ids or, without ids, as another draft.
/// Acknowledged numbers by cursor, and numbers of which it is not known.
async fn emit(
    server: Arc<TestServer>,
    number: i64,
    stop: Arc<AtomicBool>,
) -> (BTreeMap<i64, i64>, Vec<i64>) {
    let has_ids = number % 2 == 0;
    let (mut acknowledged, mut unknown) = (BTreeMap::new(), Vec::new());
    let mut n = number << 32;
    while !stop.load(Ordering::Relaxed) {
        let numbers: Vec<_> = (n..=n + n % 4).collect();
        n += 4;
        let drafts: Vec<_> = numbers
            .iter()
            .map(|n| {
                let id = if has_ids {
                    format!(",\"id\":\"{n}\"")
                } else {
                    String::new()
                };
                format!("{{\"kind\":\"k\",\"data\":{{\"n\":{n}}}{id}}}")
            })
            .collect();
        let body = format!("[{}]", drafts.join(","));
        loop {
            let answer = server.post("/api/event-bus/emit", &body).await;
            if answer.status == 200 {
                let json = answer.json();
                let cursors = json.as_array().unwrap().iter();
                let cursors = cursors.map(|cursor| cursor.as_i64().unwrap());
                acknowledged.extend(cursors.zip(numbers));
                break;
            }
            assert_eq!(answer.status, 503, "{}", answer.body);
            assert!(answer.header("retry-after").is_some());
            if !has_ids {
                unknown.extend(numbers);
                break;
            }
        }
    }
    (acknowledged, unknown)
}

/// Follows to the end, and checks that nothing is missing and nothing comes twice.
fn follow(mut client: Client) -> JoinHandle<Vec<(i64, i64)>> {
    tokio::spawn(async move {
        let mut seen = Vec::new();
        loop {
            let message = client.message().await;
            if message.get_str("type") != Some("event") {
                continue;
            }
            let cursor = message.get_i64("cursor").unwrap();
            assert_eq!(
                cursor,
                i64::try_from(seen.len()).unwrap() + 1,
                "in order, each once"
            );
            if message.get_str("kind") == Some("end") {
                return seen;
            }
            seen.push((cursor, message["data"].get_i64("n").unwrap()));
        }
    })
}

/// Emits the event that ends the followers, as soon as the database takes it.
async fn end(server: &TestServer) {
    within(async {
        let draft = r#"{"kind":"end","data":{},"id":"end"}"#;
        while server.post("/api/event-bus/emit", draft).await.status != 200 {}
    })
    .await;
}

/// Two servers under load while `disturb` does what it does to the database.
async fn disturbed(database: Database, disturb: impl AsyncFnOnce(&Database)) {
    let servers = [
        Arc::new(serve(&database).await),
        Arc::new(serve(&database).await),
    ];
    let mut followers = Vec::new();
    for server in &servers {
        for _ in 0..2 {
            followers.push(follow(server.subscribe("cursor=0").await));
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    let emitters: Vec<_> = (1..=6)
        .map(|number| {
            let server = Arc::clone(&servers[usize::try_from(number).unwrap() % 2]);
            tokio::spawn(emit(server, number, Arc::clone(&stop)))
        })
        .collect();
    disturb(&database).await;
    stop.store(true, Ordering::Relaxed);
    let (mut acknowledged, mut unknown) = (BTreeMap::new(), Vec::new());
    for emitter in emitters {
        let (some, others) = within(emitter).await.unwrap();
        acknowledged.extend(some);
        unknown.extend(others);
    }
    assert!(!acknowledged.is_empty());
    end(&servers[0]).await;
    let mut orders = Vec::new();
    for follower in followers {
        orders.push(within(follower).await.unwrap());
    }
    let stored = orders.pop().unwrap();
    assert!(
        orders.iter().all(|order| *order == stored),
        "one order everywhere"
    );
    let by_cursor: BTreeMap<_, _> = stored.iter().copied().collect();
    for (cursor, number) in &acknowledged {
        assert_eq!(
            by_cursor.get(cursor),
            Some(number),
            "{cursor} was acknowledged"
        );
    }
    let mut numbers: Vec<_> = stored.iter().map(|(_, number)| *number).collect();
    numbers.sort_unstable();
    let count = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), count, "nothing is there twice");
    let known: std::collections::BTreeSet<_> = acknowledged.values().chain(&unknown).collect();
    assert!(
        numbers.iter().all(|number| known.contains(number)),
        "nothing comes from nowhere"
    );
}

/// Waits until so many more events are there.
async fn grown(database: &Database, by: i64) {
    within(async {
        let client = database.connect().await;
        let count = async || -> i64 {
            let count = "SELECT coalesce(max(cursor), 0) FROM todoki.events";
            client.query_one(count, &[]).await.unwrap().get(0)
        };
        let goal = count().await + by;
        while count().await < goal {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_restarts_and_crashes_of_the_database() {
    let cluster = Arc::new(Cluster::start(&[]));
    let database = cluster.database();
    disturbed(database, async |database| {
        for round in 0..6 {
            grown(database, 50).await;
            let cluster = Arc::clone(&cluster);
            tokio::task::spawn_blocking(move || match round % 3 {
                0 => cluster.ctl("restart"),
                1 => cluster.ctl("restart -m immediate"),
                _ => {
                    cluster.ctl("stop -m immediate");
                    cluster.ctl("start");
                }
            })
            .await
            .unwrap();
        }
        grown(database, 50).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_a_standby_takes_over() {
    let primary = Arc::new(Cluster::start(&[]));
    let database = primary.database();
    let standby = Arc::new(primary.standby().await);
    let database = database.or_on(&standby);
    disturbed(database, async |database| {
        grown(database, 200).await;
        let (primary, standby) = (Arc::clone(&primary), Arc::clone(&standby));
        tokio::task::spawn_blocking(move || {
            primary.ctl("stop -m immediate");
            standby.ctl("promote");
        })
        .await
        .unwrap();
        grown(database, 200).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_sessions_are_ended_again_and_again() {
    disturbed(Database::new(), async |database| {
        let client = database.connect().await;
        for _ in 0..60 {
            grown(database, 5).await;
            client
                .execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE application_name LIKE 'todoki%' AND datname = current_database()
                         AND random() < 0.5",
                    &[],
                )
                .await
                .unwrap();
        }
        grown(database, 50).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_emits_are_refused_and_subscribers_stay() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let url = database.url().to_owned();
    let server = TestServer::start_with(|config| {
        config.log = Some(url);
        config.heartbeat = Duration::from_secs(5);
    })
    .await;
    let mut live = server.subscribe("").await;
    live.expect("subscribed").await;
    server.emit(r#"{"kind":"before","data":{}}"#).await;
    assert_eq!(live.cursors(1).await, [1]);
    cluster.ctl("stop -m immediate");
    let refused = server
        .post(
            "/api/event-bus/emit",
            r#"{"kind":"during","data":{},"id":"1"}"#,
        )
        .await;
    assert_eq!(
        (refused.status, refused.code()),
        (503, "log_unavailable".into())
    );
    assert!(refused.header("retry-after").is_some());
    let unread = server.get("/api/event-bus?cursor=0").await;
    assert_eq!(
        (unread.status, unread.code()),
        (503, "log_unavailable".into())
    );
    // It is ready all the same: whoever comes is served as far as that goes. How the log is, the metric says.
    assert_eq!(server.get("/readyz").await.status, 200);
    let scrape = async || server.get("/metrics").await.body;
    within(async { while !scrape().await.contains("\ntodoki_log_available 0\n") {} }).await;
    // Whoever is live is told with a heartbeat that there will be no news.
    while live.message().await.get_str("code") != Some("log_unavailable") {}
    // Whoever comes now is told that history has to wait, and is given it later.
    let mut late = server.subscribe("cursor=0").await;
    late.expect("subscribed").await;
    let told = late.expect("error").await;
    assert_eq!(told.get_str("code"), Some("log_unavailable"));
    cluster.ctl("start");
    within(async {
        let retry = r#"{"kind":"during","data":{},"id":"1"}"#;
        while server.post("/api/event-bus/emit", retry).await.status != 200 {}
    })
    .await;
    let news = loop {
        let message = live.message().await;
        if message.get_str("type") == Some("event") {
            break message.get_i64("cursor").unwrap();
        }
    };
    assert_eq!(news, 2, "the same connection goes on");
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let message = late.message().await;
        if message.get_str("type") == Some("event") {
            seen.push(message.get_i64("cursor").unwrap());
        }
    }
    assert_eq!(seen, [1, 2]);
    within(async { while !scrape().await.contains("\ntodoki_log_available 1\n") {} }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_whose_answer_was_lost_is_stored_once() {
    let database = Database::new();
    let released = Released::default();
    let log = Arc::new(database.open(released.hook()));
    log.append(vec![draft("k", "{}")]).await.unwrap();
    let client = database.connect().await;
    for turn in 0..20 {
        // Whoever holds the turn keeps the group waiting in the database.
        client
            .batch_execute("BEGIN; SELECT todoki.take_turn()")
            .await
            .unwrap();
        let appending = tokio::spawn({
            let log = Arc::clone(&log);
            async move {
                let drafts = vec![draft("plain", "{}"), keyed(&format!("{turn}"), "{}")];
                // The connection that the last turn ended may not be back yet, of which nothing is stored.
                let away = Err(AppendError::Unavailable { is_unknown: false });
                loop {
                    let answer = log.append(drafts.clone()).await;
                    if answer != away {
                        return answer;
                    }
                }
            }
        });
        let waiting = "SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database
                       WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()";
        let pid: i32 = within(async {
            loop {
                if let Some(row) = client.query_opt(waiting, &[]).await.unwrap() {
                    return row.get(0);
                }
            }
        })
        .await;
        client.batch_execute("COMMIT").await.unwrap();
        // Before, while or after it commits.
        client
            .execute("SELECT pg_terminate_backend($1)", &[&pid])
            .await
            .unwrap();
        within(appending).await.unwrap().unwrap();
    }
    let events = all(&*log).await;
    assert_eq!(events.len(), 1 + 20 * 2);
    assert_eq!(numbers(&events), (1..=41).collect::<Vec<_>>());
    assert_eq!(released.events(), events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_not_given_back_makes_emits_busy_and_nothing_else() {
    let database = Database::new();
    let log = database.open(Released::default().hook());
    let client = database.connect().await;
    client
        .batch_execute("BEGIN; SELECT todoki.take_turn()")
        .await
        .unwrap();
    let refused = log.append(vec![draft("k", "{}")]).await;
    assert_eq!(refused, Err(AppendError::Locked));
    // The document says how to find out who it is: this session, and no other of this database.
    let operations = include_str!("../../../../docs/OPERATIONS.md");
    let mut statements = operations
        .split("```sql\n")
        .filter_map(|text| text.split("```").next());
    let who = statements.find(|sql| sql.contains("1415867241")).unwrap();
    let found = client.query(who, &[]).await.unwrap();
    let found: Vec<i32> = found.iter().map(|row| row.get("pid")).collect();
    let own = client
        .query_one("SELECT pg_backend_pid()", &[])
        .await
        .unwrap();
    assert_eq!(found, [own.get::<_, i32>(0)]);
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(
        log.append(vec![draft("k", "{}")]).await.unwrap()[0].get(),
        1
    );
}

/// Has commits of the whole cluster wait for a standby that is not there.
async fn let_commits_wait(cluster: &Cluster, client: &Session) {
    let probe = cluster.database().connect().await;
    let own = "SELECT pg_backend_pid()";
    let pid: i32 = probe.query_one(own, &[]).await.unwrap().get(0);
    set_standby(client, "nobody").await;
    // It is in force once a commit waits, of a session that does nothing else.
    let write = "SELECT pg_logical_emit_message(true, 'probe', '')";
    let probing = tokio::spawn(async move { while probe.execute(write, &[]).await.is_ok() {} });
    let waits = "SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND pid = $1";
    within(async { while client.query(waits, &[&pid]).await.unwrap().is_empty() {} }).await;
    probing.abort();
}

/// Says for which standby commits of the whole cluster wait.
async fn set_standby(client: &Session, name: &str) {
    let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'");
    // Not for this one, at any rate.
    for sql in [
        "SET synchronous_commit = local",
        &set,
        "SELECT pg_reload_conf()",
    ] {
        client.batch_execute(sql).await.unwrap();
    }
}

/// Waits for a session that has committed and waits for a standby; another than this one.
async fn waiting_for_a_standby(client: &Session, other_than: i32) -> i32 {
    let waits = "SELECT pid FROM pg_stat_activity
                 WHERE wait_event = 'SyncRep' AND pid <> $1 AND datname = current_database()";
    within(async {
        loop {
            if let Some(row) = client.query_opt(waits, &[&other_than]).await.unwrap() {
                return row.get(0);
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_comes_again_waits_for_the_standby_as_it_did_at_first() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let log = Arc::new(database.open(Released::default().hook()));
    // Kinds that are known need no commit of their own.
    let known = vec![draft("k", "{}"), keyed("0", "{}")];
    log.append(known).await.unwrap();
    let client = database.connect().await;
    let mut drafts = vec![draft("k", "{}"), keyed("a", "{}")];
    // The second time all of it is known by its id.
    for _ in 0..2 {
        let_commits_wait(&cluster, &client).await;
        let appending = tokio::spawn({
            let (log, drafts) = (Arc::clone(&log), drafts.clone());
            async move { log.append(drafts).await }
        });
        let first = waiting_for_a_standby(&client, 0).await;
        // It has committed, and nobody but this server has it.
        client
            .execute("SELECT pg_terminate_backend($1)", &[&first])
            .await
            .unwrap();
        waiting_for_a_standby(&client, first).await;
        assert!(!appending.is_finished());
        set_standby(&client, "").await;
        let cursors = within(appending).await.unwrap();
        assert_eq!(cursors.unwrap().last(), Some(&at(4)));
        assert_eq!(numbers(&all(&*log).await), [1, 2, 3, 4]);
        drafts = vec![keyed("a", "{}")];
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_commit_waits_for_ever_nobody_else_does() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let released = Released::default();
    let log = Arc::new(database.open(released.hook()));
    let client = database.connect().await;
    log.append(vec![draft("k", "{}")]).await.unwrap();
    let_commits_wait(&cluster, &client).await;
    let append = |kind: &'static str| {
        let log = Arc::clone(&log);
        tokio::spawn(async move { log.append(vec![draft(kind, "{}")]).await })
    };
    let first = append("k");
    waiting_for_a_standby(&client, 0).await;
    let others = [append("k"), append("new")];
    let away = |is_unknown| Err(AppendError::Unavailable { is_unknown });
    let told = timeout(PATIENCE, first).await.unwrap().unwrap();
    assert_eq!(told, away(true));
    for other in others {
        let told = timeout(PATIENCE, other).await.unwrap().unwrap();
        assert!(
            matches!(told, Err(AppendError::Unavailable { .. })),
            "{told:?}"
        );
    }
    // Whoever comes now is refused at once.
    assert_eq!(log.append(vec![draft("k", "{}")]).await, away(false));
    set_standby(&client, "").await;
    let stored = within(async {
        loop {
            if let Ok(cursors) = log.append(vec![draft("end", "{}")]).await {
                return cursors[0];
            }
        }
    })
    .await;
    // What was stored meanwhile was released before it.
    let events = all(&*log).await;
    assert_eq!(numbers(&events), (1..=stored.get()).collect::<Vec<_>>());
    assert!(stored > at(2), "what was given up was stored");
    assert_eq!(released.events(), events);
    // A kind that is new is numbered in a commit of its own, which may wait as well.
    let_commits_wait(&cluster, &client).await;
    let numbering = log.append(vec![draft("newer", "{}")]);
    assert_eq!(timeout(PATIENCE, numbering).await.unwrap(), away(false));
    // And the log ends, whatever the database does.
    let log = Arc::into_inner(log).unwrap();
    within(tokio::task::spawn_blocking(move || log.close()))
        .await
        .unwrap();
    set_standby(&client, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_takes_over_without_the_last_events_begins_a_new_epoch() {
    let primary = Cluster::start(&[]);
    let database = primary.database();
    let standby = primary.standby().await;
    let both = database.or_on(&standby);
    let log = both.open(Released::default().hook());
    let epoch = log.bounds().epoch;
    log.append(vec![draft("k", "{}")]).await.unwrap();
    // From here on it waits for no standby, and the standby hears of nothing.
    standby.detach().await;
    set_standby(&database.connect().await, "").await;
    assert_eq!(log.append(vec![draft("lost", "{}")]).await, Ok(vec![at(2)]));
    primary.ctl("stop -m immediate");
    standby.ctl("promote");
    let cause = within(log.failed()).await;
    assert!(cause.contains("no longer has event 2"), "{cause}");
    drop(log);
    // Whoever starts it again need not know what happened.
    let log = both.open(Released::default().hook());
    assert_ne!(log.bounds().epoch, epoch);
    assert_eq!(
        log.append(vec![draft("other", "{}")]).await,
        Ok(vec![at(2)])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinds_whose_numbers_were_lost_are_not_used() {
    let database = Database::new();
    let log = database.open(Released::default().hook());
    log.append(vec![draft("k", "{}")]).await.unwrap();
    let client = database.connect().await;
    // As if a standby had taken over between the commit of the kind and that of its first event.
    client
        .batch_execute("SELECT todoki.intern('{lost}', 0); SELECT todoki_emit('lost', NULL, '{}')")
        .await
        .unwrap();
    within(async { while log.bounds().head < at(2) {} }).await;
    client
        .batch_execute(
            "BEGIN; UPDATE todoki.log SET trimmed_through = 2; DELETE FROM todoki.kinds WHERE name = 'lost';
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name LIKE 'todoki%' AND datname = current_database(); COMMIT",
        )
        .await
        .unwrap();
    let cause = within(log.failed()).await;
    assert!(cause.contains("the kinds of events"), "{cause}");
    drop(log);
    let log = database.open(Released::default().hook());
    log.append(vec![draft("found", "{}")]).await.unwrap();
    assert_eq!(&*all(&log).await[0].kind.to_string(), "found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_that_was_put_back_stops_the_log() {
    let database = Database::new();
    let log = database.open(Released::default().hook());
    log.append(vec![draft("k", "{}"); 3]).await.unwrap();
    let client = database.connect().await;
    client
        .batch_execute(
            "DELETE FROM todoki.events WHERE cursor = 3;
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name LIKE 'todoki%' AND datname = current_database()",
        )
        .await
        .unwrap();
    let cause = within(log.failed()).await;
    assert!(cause.contains("new epoch"), "{cause}");
    let refused = log.append(vec![draft("k", "{}")]).await;
    assert!(
        matches!(refused, Err(AppendError::Closed(_))),
        "{refused:?}"
    );
    let epoch = log.bounds().epoch;
    drop(log);
    // What is there is served again, and nobody takes it for what was there.
    let log = database.open(Released::default().hook());
    assert_eq!(log.bounds().head.get(), 2);
    assert_ne!(log.bounds().epoch, epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_epoch_stops_the_servers_of_the_old_one() {
    let database = Database::new();
    let old = database.open(Released::default().hook());
    old.append(vec![draft("k", "{}")]).await.unwrap();
    let new = database.open_renewed(Released::default().hook());
    new.append(vec![draft("k", "{}")]).await.unwrap();
    // It keeps its connections, and looks all the same.
    let cause = within(old.failed()).await;
    assert!(cause.contains("epoch"), "{cause}");
    within(async { while new.append(vec![draft("k", "{}")]).await.is_err() {} }).await;
}
