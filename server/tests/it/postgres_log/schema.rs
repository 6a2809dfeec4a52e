//! Tables, migrations, partitions, and databases that cannot keep the promise.

use std::path::PathBuf;

use todoki::log::{DatabaseError, DatabaseOptions, Log, PageRequest, Postgres};
use todoki_codec::query::Direction;
use tokio_postgres::Client;

use crate::database::{Cluster, Database};
use crate::log_contract::{Store, all, at, draft, keyed, no_release, numbers, request};

fn refusal(url: &str, options: &DatabaseOptions) -> DatabaseError {
    Postgres::open(url, options, no_release()).unwrap_err()
}

fn refusal_of(database: &Database) -> DatabaseError {
    refusal(database.url(), &DatabaseOptions::default())
}

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap();
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_together_make_the_tables_once() {
    let database = Database::new();
    let url = database.url().to_owned();
    let opening: Vec<_> = (0..4)
        .map(|_| {
            let url = url.clone();
            tokio::task::spawn_blocking(move || {
                Postgres::open(&url, &DatabaseOptions::default(), no_release()).unwrap()
            })
        })
        .collect();
    let mut epochs = Vec::new();
    for log in opening {
        epochs.push(log.await.unwrap().bounds().epoch);
    }
    assert!(epochs.iter().all(|epoch| *epoch == epochs[0]));
    let client = database.connect().await;
    assert_eq!(
        count(&client, "SELECT count(*) FROM todoki.migrations").await,
        2
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_a_later_version_is_left_alone() {
    let database = Database::new();
    drop(database.open(no_release()));
    let client = database.connect().await;
    run(
        &client,
        "INSERT INTO todoki.migrations (version) VALUES (99)",
    )
    .await;
    let error = refusal_of(&database);
    assert!(
        matches!(
            error,
            DatabaseError::Newer {
                found: 99,
                known: 2,
                ..
            }
        ),
        "{error}"
    );
    assert!(!error.to_string().contains('@'), "no password: {error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_an_earlier_version_is_brought_up_to_date() {
    let database = Database::new();
    let client = database.connect().await;
    run(
        &client,
        "CREATE SCHEMA todoki;
         CREATE TABLE todoki.migrations (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
    )
    .await;
    run(
        &client,
        include_str!("../../../src/log/postgres/migrations/0001_log.sql"),
    )
    .await;
    run(
        &client,
        "INSERT INTO todoki.migrations VALUES (1);
         SELECT todoki.intern(ARRAY['old'], 0);
         SELECT todoki.append('old', NULL, false, 0, '{}', false, '{1}', '{1}', ARRAY[NULL]::uuid[], ARRAY[NULL]::uuid[],
                              ARRAY[NULL]::uuid[], ARRAY[NULL]::uuid[], ARRAY[NULL]::text[], '{\"{}\"}')",
    )
    .await;
    let log = database.open(no_release());
    assert_eq!(numbers(&all(&log).await), [1]);
    run(&client, "SELECT todoki_emit('new', NULL, '{}')").await;
    assert_eq!(
        log.append(vec![draft("k", "{}")]).await.unwrap()[0].get(),
        3
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_that_cannot_keep_the_promise_are_refused_with_what_to_do() {
    let database = Database::new();
    let client = database.connect().await;
    run(
        &client,
        "CREATE DATABASE latin_of_it ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    )
    .await;
    let (server, _) = database.url().rsplit_once('/').unwrap();
    let error = refusal(
        &format!("{server}/latin_of_it"),
        &DatabaseOptions::default(),
    )
    .to_string();
    assert!(error.contains("UTF8"), "{error}");
    let error = refusal(
        &format!("{server}/missing_of_it"),
        &DatabaseOptions::default(),
    )
    .to_string();
    assert!(
        error.contains("missing_of_it") && error.contains("check that"),
        "{error}"
    );
    for url in ["mysql://x", "postgres://[", "postgres://h/d?nonsense=1"] {
        let error = refusal(url, &DatabaseOptions::default());
        assert!(matches!(error, DatabaseError::Url { .. }), "{url}: {error}");
    }
    let nobody = "postgres://u:secret@127.0.0.1:1/d";
    let error = refusal(nobody, &DatabaseOptions::default()).to_string();
    assert!(
        error.contains("127.0.0.1:1/d") && !error.contains("secret"),
        "{error}"
    );
    let unsafe_cluster = Cluster::start(&["fsync = off"]);
    let error = refusal_of(&unsafe_cluster.database()).to_string();
    assert!(error.contains("fsync = on"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_rights_is_told_which_it_needs() {
    let database = Database::new();
    let client = database.connect().await;
    run(&client, "CREATE ROLE weak_of_it LOGIN PASSWORD 'weak'").await;
    let (_, rest) = database.url().split_once('@').unwrap();
    let error = refusal(
        &format!("postgres://weak_of_it:weak@{rest}"),
        &DatabaseOptions::default(),
    );
    assert!(matches!(error, DatabaseError::Failed { .. }), "{error}");
    assert!(
        error.to_string().contains("must own the schema todoki"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_drops_whole_partitions_and_hides_the_rest() {
    let database = Database::new();
    drop(database.open(no_release()));
    let client = database.connect().await;
    run(&client, "UPDATE todoki.log SET partition_events = 100").await;
    let log = database.open(no_release());
    let drafts: Vec<_> = (0..1000).map(|n| keyed(&format!("k{n}"), "{}")).collect();
    for drafts in drafts.chunks(70) {
        log.append(drafts.to_vec()).await.unwrap();
    }
    // Dropped tables are gone from the catalogue, and what is left begins here.
    let lowest = "SELECT min(substr(relname, 13)::bigint) FROM pg_class
                  WHERE relkind = 'r' AND relname LIKE 'events_from_%'";
    assert_eq!(count(&client, lowest).await, 1);
    assert_eq!(numbers(&all(&log).await), (1..=1000).collect::<Vec<_>>());
    let sums = log
        .append(vec![drafts[5].clone(), drafts[995].clone()])
        .await;
    assert_eq!(
        sums,
        Ok(vec![at(6), at(996)]),
        "ids are found in every partition"
    );
    log.trim(at(550)).await.unwrap();
    assert_eq!(count(&client, lowest).await, 501);
    assert_eq!(
        count(&client, "SELECT min(cursor) FROM todoki.events").await,
        501
    );
    assert_eq!(
        count(&client, "SELECT min(cursor) FROM todoki.timeline").await,
        551
    );
    assert_eq!(numbers(&all(&log).await), (551..=1000).collect::<Vec<_>>());
    // Somebody reads a partition that is to go: it stays until the next time, and nothing else waits.
    run(&client, "BEGIN; SELECT * FROM todoki.events").await;
    log.trim(at(700)).await.unwrap();
    assert_eq!(log.bounds().earliest, at(701));
    let page = log.page(request(Direction::After(at(0)))).await.unwrap();
    assert_eq!((page.earliest, page.events[0].cursor), (at(701), at(701)));
    run(&client, "COMMIT").await;
    assert_eq!(count(&client, lowest).await, 501);
    log.trim(at(700)).await.unwrap();
    assert_eq!(count(&client, lowest).await, 701);
    log.trim(at(1000)).await.unwrap();
    assert_eq!(count(&client, lowest).await, 1001);
    assert_eq!(log.append(vec![draft("k", "{}")]).await, Ok(vec![at(1001)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_large_events_is_bounded_in_what_is_read() {
    let database = Database::new();
    let log = database.open(no_release());
    let data = format!("{{\"s\":\"{}\"}}", "x".repeat(200_000));
    for _ in 0..10 {
        log.append(vec![draft("large", &data); 10]).await.unwrap();
    }
    let page = PageRequest {
        max_bytes: 250_000,
        ..request(Direction::After(at(0)))
    };
    let page = log.page(page).await.unwrap();
    assert_eq!(
        (page.events.len(), page.reached, page.has_more),
        (2, at(2), true)
    );
    assert_eq!(all(&log).await.len(), 100);
}

const CLASSIC: &str = "CREATE TABLE events (
    cursor BIGSERIAL PRIMARY KEY, kind TEXT NOT NULL, time TIMESTAMPTZ NOT NULL DEFAULT now(), agent_id UUID NOT NULL,
    session_id UUID, task_id UUID, data JSONB NOT NULL)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_classic_table_is_imported_with_its_cursors() {
    let database = Database::new();
    let client = database.connect().await;
    run(&client, CLASSIC).await;
    run(
        &client,
        "INSERT INTO events (cursor, kind, agent_id, task_id, data)
         SELECT n * 3, 'task.k' || n % 5, '00000000-0000-0000-0000-000000000000', gen_random_uuid(), jsonb_build_object('n', n)
         FROM generate_series(4, 1003) n",
    )
    .await;
    let import = async || todoki::log::import(database.url(), None, "public.events").await;
    assert_eq!(import().await.unwrap(), 1000);
    let log = database.open(no_release());
    let events = all(&log).await;
    assert_eq!(
        numbers(&events),
        (4..=1003).map(|n| n * 3).collect::<Vec<_>>()
    );
    let json = std::str::from_utf8(&events[0].json).unwrap();
    assert!(
        json.starts_with(r#"{"type":"event","cursor":12,"kind":"task.k4","time":""#),
        "{json}"
    );
    assert!(json.ends_with(r#""data":{"n": 4}}"#), "{json}");
    assert_eq!(
        (log.bounds().earliest, log.bounds().head),
        (at(12), at(3009))
    );
    // Holes stay, and what comes is dense again.
    assert_eq!(
        log.append(vec![draft("new", "{}"); 2]).await,
        Ok(vec![at(3010), at(3011)])
    );
    for event in events.iter().step_by(100) {
        let found = log.seek(event.time).await.unwrap();
        assert_eq!(
            found,
            at(11),
            "all were stamped at once, so the first is it"
        );
    }
    let again = import().await.unwrap_err().to_string();
    assert!(again.contains("has events already"), "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_imported_is_named_and_nothing_is_imported() {
    let database = Database::new();
    let client = database.connect().await;
    let import = async || todoki::log::import(database.url(), None, "events").await;
    let missing = import().await.unwrap_err().to_string();
    assert!(missing.contains("\"events\" does not exist"), "{missing}");
    run(&client, CLASSIC).await;
    assert_eq!(import().await.unwrap(), 0);
    for (kind, data, says) in [
        ("a b", "{}", "its kind 'a b' is not one"),
        ("a", "[1]", "data must be a JSON object"),
    ] {
        run(&client, "TRUNCATE events").await;
        let insert = "INSERT INTO events (cursor, kind, agent_id, data) VALUES (1, 'ok', gen_random_uuid(), '{}'), (7, $1, gen_random_uuid(), $2::text::jsonb)";
        client.execute(insert, &[&kind, &data]).await.unwrap();
        let error = import().await.unwrap_err().to_string();
        assert!(error.contains("event 7") && error.contains(says), "{error}");
        assert_eq!(
            count(&client, "SELECT count(*) FROM todoki.events").await,
            0
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_tls_is_reached_when_its_certificate_is_trusted() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let client = database.connect().await;
    run(
        &client,
        "COPY (SELECT 1) TO PROGRAM 'openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout server.key -out server.crt 2>/dev/null && cat > /dev/null'",
    )
    .await;
    run(&client, "ALTER SYSTEM SET ssl = on").await;
    let certificate: String = {
        let row = client
            .query_one("SELECT pg_read_file('server.crt')", &[])
            .await
            .unwrap();
        row.get(0)
    };
    let folder = tempfile::tempdir().unwrap();
    let ca: PathBuf = folder.path().join("ca.pem");
    std::fs::write(&ca, certificate).unwrap();
    cluster.ctl("restart");
    let trusting = DatabaseOptions {
        ca: Some(ca),
        ..DatabaseOptions::default()
    };
    let url = format!("{}?sslmode=require", database.url());
    let log = Postgres::open(&url, &trusting, no_release()).unwrap();
    log.append(vec![draft("k", "{}")]).await.unwrap();
    let client = database.connect().await;
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                     WHERE ssl AND application_name LIKE 'todoki%'";
    assert!(count(&client, encrypted).await >= 1);
    drop(log);
    for url in [&url, database.url()] {
        let error = refusal(url, &DatabaseOptions::default()).to_string();
        assert!(error.contains("--log-ca"), "{error}");
    }
    let plain = format!("{}?sslmode=disable", database.url());
    assert!(Postgres::open(&plain, &DatabaseOptions::default(), no_release()).is_ok());
}
