//! One order for everyone: servers that share a database, and applications that publish in their own transactions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use simd_json::prelude::*;
use todoki::log::{Log, Postgres};

use crate::database::Database;
use crate::harness::{Client, TestServer, within};
use crate::log_contract::{Released, Store, all, draft, keyed, numbers};

const TRANSACTIONS: u64 = 32;
const ROUNDS: u64 = 12;
const READERS: usize = 8;
const EMITTERS: u64 = 4;

/// A server on a database.
pub(super) async fn serve(database: &Database) -> TestServer {
    let url = database.url().to_owned();
    TestServer::start_with(|config| config.log = Some(url)).await
}

/// Numbers that are different each time, and the same in each run.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % below
    }
}

/// Transactions of random length, of which some are rolled back: the numbers of what was committed.
async fn transact(database: Arc<Database>, number: u64) -> Vec<i64> {
    let client = database.connect().await;
    let mut chance = Chance(number);
    let mut committed = Vec::new();
    for round in 0..ROUNDS {
        client.batch_execute("BEGIN").await.unwrap();
        let mut emitted = Vec::new();
        for turn in 0..=chance.next(4) {
            let n = i64::try_from(1_000_000 + number * 10_000 + round * 100 + turn).unwrap();
            let emit = format!("SELECT todoki_emit('sql.k{number}', NULL, '{{\"n\":{n}}}')");
            client.batch_execute(&emit).await.unwrap();
            emitted.push(n);
            // A transaction does other things too; how long they take is what the test is about.
            tokio::time::sleep(Duration::from_millis(chance.next(30))).await;
        }
        if chance.next(3) == 0 {
            client.batch_execute("ROLLBACK").await.unwrap();
        } else {
            client.batch_execute("COMMIT").await.unwrap();
            committed.extend(emitted);
        }
    }
    committed
}

/// Emits over HTTP, batch after batch: the numbers of what was acknowledged, by cursor.
async fn emit(server: Arc<TestServer>, number: u64) -> BTreeMap<i64, i64> {
    let mut acknowledged = BTreeMap::new();
    for round in 0..ROUNDS * 4 {
        let numbers: Vec<_> = (0..=round % 5)
            .map(|turn| i64::try_from(number * 10_000 + round * 10 + turn).unwrap())
            .collect();
        let drafts: Vec<_> = numbers
            .iter()
            .map(|n| format!("{{\"kind\":\"http.k{number}\",\"data\":{{\"n\":{n}}}}}"))
            .collect();
        let cursors = server.emit(&format!("[{}]", drafts.join(","))).await;
        acknowledged.extend(cursors.into_iter().zip(numbers));
    }
    acknowledged
}

/// Reads events until this many have come: cursors and numbers, in the order in which they came.
async fn read(mut client: Client, count: usize) -> Vec<(i64, i64)> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let message = client.message().await;
        if message.get_str("type") == Some("event") {
            let cursor = message.get_i64("cursor").unwrap();
            seen.push((cursor, message["data"].get_i64("n").unwrap()));
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_subscriber_of_every_server_sees_what_was_committed_in_one_order() {
    let database = Arc::new(Database::new());
    let servers = [
        Arc::new(serve(&database).await),
        Arc::new(serve(&database).await),
    ];
    let mut clients = Vec::new();
    for server in &servers {
        for reader in 0..READERS {
            // Half of them live, half of them from the beginning.
            let query = if reader % 2 == 0 { "" } else { "cursor=0" };
            clients.push(server.subscribe(query).await);
        }
    }
    let transactions: Vec<_> = (0..TRANSACTIONS)
        .map(|number| tokio::spawn(transact(Arc::clone(&database), number)))
        .collect();
    let emitters: Vec<_> = (0..EMITTERS)
        .map(|number| {
            let server = &servers[usize::try_from(number).unwrap() % 2];
            tokio::spawn(emit(Arc::clone(server), number))
        })
        .collect();
    let mut committed = Vec::new();
    for transaction in transactions {
        committed.extend(transaction.await.unwrap());
    }
    let mut acknowledged = BTreeMap::new();
    for emitter in emitters {
        acknowledged.extend(emitter.await.unwrap());
    }
    committed.extend(acknowledged.values());
    committed.sort_unstable();
    let readers: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(read(client, committed.len())))
        .collect();
    let mut orders = Vec::new();
    for reader in readers {
        orders.push(within(reader).await.unwrap());
    }
    let first = &orders[0];
    assert!(
        orders.iter().all(|order| order == first),
        "one order everywhere"
    );
    assert!(
        first
            .iter()
            .map(|(cursor, _)| *cursor)
            .eq(1..=i64::try_from(committed.len()).unwrap()),
        "cursors are dense, and come in their order"
    );
    let mut seen: Vec<_> = first.iter().map(|(_, number)| *number).collect();
    seen.sort_unstable();
    assert_eq!(seen, committed, "exactly what was committed");
    for (cursor, number) in acknowledged {
        assert!(
            first.contains(&(cursor, number)),
            "each where it was acknowledged"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_release_each_others_events_and_share_ids_and_kinds() {
    let database = Database::new();
    let (here, there) = (Released::default(), Released::default());
    let (one, other) = (database.open(here.hook()), database.open(there.hook()));
    assert_eq!(one.bounds().epoch, other.bounds().epoch);
    for turn in 0..20 {
        let kind = format!("kind.n{}", turn / 2);
        let log: &Postgres = if turn % 2 == 0 { &one } else { &other };
        log.append(vec![draft(&kind, "{}"), keyed(&format!("{turn}"), "{}")])
            .await
            .unwrap();
        let again = if turn % 2 == 0 { &other } else { &one };
        let cursors = again.append(vec![keyed(&format!("{turn}"), "{}")]).await;
        assert_eq!(cursors.unwrap()[0].get(), turn * 2 + 2);
    }
    // What the last one appended is with both, once the first has read it.
    let last = one.append(vec![draft("last", "{}")]).await.unwrap()[0];
    let events = all(&one).await;
    assert_eq!(numbers(&events), (1..=last.get()).collect::<Vec<_>>());
    assert_eq!(here.events(), events);
    assert_eq!(one.new_kinds(&[draft("kind.n9", "{}")]), 0, "the other's");
    other.append(vec![draft("last", "{}")]).await.unwrap();
    assert_eq!(there.events()[..events.len()], events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_depends_on_a_notification() {
    let database = Database::new();
    let released = Released::default();
    let log = database.open(released.hook());
    let client = database.connect().await;
    let rows = client
        .query_one("SELECT pg_get_functiondef('todoki.append'::regproc)", &[])
        .await
        .unwrap();
    let append: &str = rows.get(0);
    // As it is while the queue of notifications is full, with which a commit that has one would be undone.
    let mute = append.replace("pg_notification_queue_usage()", "1.0");
    assert_ne!(append, mute);
    client.batch_execute(&mute).await.unwrap();
    let emit = "SELECT todoki_emit('quiet', NULL, '{}')";
    client.batch_execute(emit).await.unwrap();
    within(async {
        while log.bounds().head.get() < 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    client.batch_execute(emit).await.unwrap();
    // Ours comes behind it, and takes it along.
    log.append(vec![draft("own", "{}")]).await.unwrap();
    assert_eq!(numbers(&released.events()), [1, 2, 3]);
}
