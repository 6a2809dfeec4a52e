//! Tables, migrations, partitions, and databases that cannot keep the promise.

use std::path::PathBuf;

use todoki::log::{DatabaseError, DatabaseOptions, Log, PageRequest, Postgres, look};
use todoki_codec::query::Direction;
use tokio_postgres::Client;

use crate::database::{Cluster, Database};
use crate::harness::within;
use crate::log_contract::{Store, all, at, draft, join_all, keyed, no_release, numbers, request};

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
        3
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
                known: 3,
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
        error.contains("missing_of_it") && error.contains("CREATE DATABASE"),
        "{error}"
    );
    for url in ["mysql://x", "postgres://[", "postgres://h/d?nonsense=1"] {
        let error = refusal(url, &DatabaseOptions::default());
        assert!(matches!(error, DatabaseError::Url { .. }), "{url}: {error}");
    }
    let nobody = "postgres://u:secret@127.0.0.1:1/d";
    let error = refusal(nobody, &DatabaseOptions::default()).to_string();
    assert!(
        error.contains("127.0.0.1:1/d")
            && error.contains("PostgreSQL runs there")
            && !error.contains("secret"),
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
    let url = by(&database, "weak_of_it:weak");
    let told = is_refused_alike(&url).await;
    assert!(told.contains("must own the schema todoki"), "{told}");
    // A log that is there, and that it may read and not keep.
    drop(database.open(no_release()));
    run(
        &client,
        "GRANT USAGE ON SCHEMA todoki TO weak_of_it; GRANT SELECT ON ALL TABLES IN SCHEMA todoki TO weak_of_it",
    )
    .await;
    let told = is_refused_alike(&url).await;
    assert!(told.contains("belongs to postgres"), "{told}");
}

/// The URL of a database for another user, `NAME:PASSWORD`.
fn by(database: &Database, user: &str) -> String {
    let (_, rest) = database.url().split_once('@').unwrap();
    format!("postgres://{user}@{rest}")
}

/// What a server is told that cannot start, and the doctor alike.
async fn is_refused_alike(url: &str) -> String {
    let told = refusal(url, &DatabaseOptions::default()).to_string();
    let seen = look(url, None).await.unwrap_err().to_string();
    assert_eq!(seen, told);
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_needs_no_right_to_create_where_an_administrator_has_made_the_schema() {
    let database = Database::new();
    let client = database.connect().await;
    run(
        &client,
        "CREATE ROLE modest_of_it LOGIN PASSWORD 'modest';
         CREATE SCHEMA todoki AUTHORIZATION modest_of_it; GRANT CREATE ON SCHEMA public TO modest_of_it",
    )
    .await;
    let url = by(&database, "modest_of_it:modest");
    assert_eq!(look(&url, None).await.unwrap().head, None);
    let log = Postgres::open(&url, &DatabaseOptions::default(), no_release()).unwrap();
    assert_eq!(log.append(vec![draft("k", "{}")]).await, Ok(vec![at(1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_role_has_set_for_itself_does_not_matter() {
    let database = Database::new();
    let client = database.connect().await;
    run(
        &client,
        "CREATE ROLE peculiar_of_it LOGIN SUPERUSER PASSWORD 'own';
         ALTER ROLE peculiar_of_it SET default_transaction_isolation = 'serializable';
         ALTER ROLE peculiar_of_it SET standard_conforming_strings = off;
         ALTER ROLE peculiar_of_it SET idle_session_timeout = '300ms';
         ALTER ROLE peculiar_of_it SET synchronous_commit = local;
         ALTER ROLE peculiar_of_it SET DateStyle = 'German, DMY';
         ALTER ROLE peculiar_of_it SET search_path = pg_temp",
    )
    .await;
    let url = by(&database, "peculiar_of_it:own");
    let open = || Postgres::open(&url, &DatabaseOptions::default(), no_release()).unwrap();
    let (one, other) = (open(), open());
    // Both write at once, so that each waits for the other's commits.
    let appends = (0..60).map(|turn| {
        let log = if turn % 2 == 0 { &one } else { &other };
        let drafts = vec![keyed(&format!("{turn}"), r#"{"s":"\u0000"}"#)];
        async move { log.append(drafts).await }
    });
    for stored in join_all(appends).await {
        stored.unwrap();
    }
    let read =
        "SELECT count(*) FROM todoki.timeline WHERE todoki.as_jsonb(data) ->> 's' = U&'\\FFFD'";
    assert_eq!(count(&client, read).await, 60);
    // A session that waits for news for a second has been idle for longer than that role's may be.
    let sessions = async |condition: &str| {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'peculiar_of_it' AND {condition}"
        );
        count(&client, &sql).await
    };
    let begun = count(
        &client,
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
    )
    .await;
    let writers = sessions("application_name LIKE 'todoki writer%'").await;
    let looked = format!(
        "application_name NOT LIKE 'todoki writer%' AND query LIKE '%trimmed_through%'
         AND query_start > to_timestamp({begun} / 1000000.0) + interval '1 second'"
    );
    within(async { while sessions(&looked).await < 2 {} }).await;
    let since = format!(
        "application_name LIKE 'todoki writer%' AND backend_start < to_timestamp({begun} / 1000000.0)"
    );
    assert_eq!((writers, sessions(&since).await), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_says_what_it_misses_when_the_mark_was_lost() {
    let database = Database::new();
    let log = database.open(no_release());
    log.append(vec![draft("k", "{}"); 9]).await.unwrap();
    log.trim(at(5)).await.unwrap();
    // As a standby has it that took over before it heard of the trim.
    let client = database.connect().await;
    run(&client, "UPDATE todoki.log SET trimmed_through = 0").await;
    log.append(vec![draft("k", "{}")]).await.unwrap();
    let page = log.page(request(Direction::After(at(0)))).await.unwrap();
    assert_eq!((page.earliest, page.events[0].cursor), (at(6), at(6)));
    assert_eq!(log.bounds().earliest, at(6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_at_a_database_changes_nothing() {
    let database = Database::new();
    let client = database.connect().await;
    assert_eq!(look(database.url(), None).await.unwrap().head, None);
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'todoki'";
    assert_eq!(count(&client, schemas).await, 0);
    drop(database.open(no_release()));
    let sight = look(database.url(), None).await.unwrap();
    assert_eq!((sight.head, sight.caution), (Some(0), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_has_in_the_schema_is_left_alone() {
    for (foreign, says) in [
        ("CREATE TABLE todoki.events (id integer)", "already exists"),
        (
            "CREATE TABLE todoki.migrations (id integer)",
            "does not exist",
        ),
    ] {
        let database = Database::new();
        let client = database.connect().await;
        run(&client, &format!("CREATE SCHEMA todoki; {foreign}")).await;
        let told = is_refused_alike(database.url()).await;
        assert!(told.contains(says), "{told}");
        assert!(told.contains("have to be Todoki's own"), "{told}");
        assert!(!told.contains("must own"), "{told}");
        let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'todoki'::regnamespace";
        assert_eq!(count(&client, tables).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_path_that_leads_into_the_log_is_told_and_misleads_no_server() {
    let database = Database::new();
    let client = database.connect().await;
    let name = "SELECT current_database()::text";
    let name: String = client.query_one(name, &[]).await.unwrap().get(0);
    run(
        &client,
        &format!(
            "CREATE ROLE todoki LOGIN PASSWORD 'own'; ALTER DATABASE {name} OWNER TO todoki;
             GRANT CREATE ON SCHEMA public TO todoki; {CLASSIC};
             INSERT INTO events (kind, agent_id, data) VALUES ('a', gen_random_uuid(), '{{}}');
             GRANT ALL ON events TO todoki"
        ),
    )
    .await;
    let url = by(&database, "todoki:own");
    let sight = look(&url, None).await.unwrap();
    assert!(sight.caution.unwrap().contains("ALTER ROLE todoki"));
    // The classic table, though its name means the log's own to whoever logs in as this role.
    let imported = todoki::log::import(&url, None, "events").await.unwrap();
    assert_eq!((imported.events, imported.zone), (1, None));
    let log = Postgres::open(&url, &DatabaseOptions::default(), no_release()).unwrap();
    assert_eq!(numbers(&all(&log).await), [1]);
    // As it is advised.
    run(&client, "ALTER ROLE todoki SET search_path = public").await;
    assert_eq!(look(&url, None).await.unwrap().caution, None);
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
    let waiting =
        "SELECT count(*) FROM pg_locks WHERE relation = 'todoki.events'::regclass AND NOT granted";
    let trim = log.trim(at(700));
    tokio::pin!(trim);
    loop {
        tokio::select! {
            trimmed = &mut trim => break trimmed.unwrap(),
            waiting = count(&client, waiting) => assert_eq!(waiting, 0, "who waits here has everyone wait behind it"),
        }
    }
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
    assert_eq!(import().await.unwrap().events, 1000);
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

/// A classic table without a rule of its own that would keep wrong rows out.
const LENIENT: &str = "CREATE TABLE events (
    cursor BIGINT, kind TEXT, time TIMESTAMPTZ, agent_id TEXT, session_id UUID, task_id UUID, data TEXT)";

/// What is said to an import that fails, and makes nothing.
async fn refused_import(database: &Database, client: &Client, source: &str) -> String {
    let refused = todoki::log::import(database.url(), None, source).await;
    let told = refused.unwrap_err().to_string();
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'todoki'";
    assert_eq!(count(client, schemas).await, 0, "{told}");
    assert!(told.contains("nothing was imported"), "{told}");
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_table_to_import_from_is_refused() {
    let database = Database::new();
    let client = database.connect().await;
    for (source, says) in [
        ("events", "no table public.events"),
        ("todoki.events", "a table of the log itself"),
        ("a.b.c", "SCHEMA.TABLE"),
        ("a b", "not a valid identifier"),
    ] {
        let told = refused_import(&database, &client, source).await;
        assert!(told.contains(says), "{told}");
    }
    run(&client, LENIENT).await;
    for (change, says) in [
        (
            "ALTER TABLE events ALTER kind TYPE integer USING 1",
            "column kind must be text, and is integer",
        ),
        (
            "ALTER TABLE events DROP kind",
            "column kind must be text, and is missing",
        ),
        (
            "ALTER TABLE events ALTER time TYPE text",
            "is missing; its column time must be timestamptz, and is text",
        ),
    ] {
        run(&client, change).await;
        let told = refused_import(&database, &client, "events").await;
        let begins = "the table public.events cannot be imported: its";
        assert!(told.contains(begins) && told.contains(says), "{told}");
    }
}

/// Rows (cursor, kind, time, `agent_id`, data) that are no events, and what is wrong with them.
const WRONG_ROWS: [(&str, &str); 14] = [
    ("7, 'a b', now(), NULL, '{}'", "event 7: its kind 'a b'"),
    ("7, NULL, now(), NULL, '{}'", "event 7: its kind NULL"),
    (
        "7, 'a', now(), NULL, '[1]'",
        "event 7: data must be a JSON object",
    ),
    ("7, 'a', now(), NULL, NULL", "event 7: its data is NULL"),
    ("7, 'a', NULL, NULL, '{}'", "event 7: its time is NULL"),
    (
        "7, 'a', 'infinity', NULL, '{}'",
        "event 7: its time is out of range",
    ),
    (
        "7, 'a', '-infinity', NULL, '{}'",
        "event 7: its time is out of range",
    ),
    (
        "7, 'a', '12000-01-01', NULL, '{}'",
        "event 7: its time is out of range",
    ),
    (
        "7, 'a', '9999-12-30 22:00:00.000001Z', NULL, '{}'",
        "event 7: its time is out of range",
    ),
    (
        "7, 'a', '0044-03-15 BC', NULL, '{}'",
        "event 7: its time is out of range",
    ),
    (
        "7, 'a', now(), 'me', '{}'",
        "event 7: its agent_id is not a UUID",
    ),
    (
        "0, 'a', now(), NULL, '{}'",
        "event 0: its cursor is out of range",
    ),
    (
        "NULL, 'a', now(), NULL, '{}'",
        "an event: its cursor is NULL",
    ),
    (
        "1, 'a', now(), NULL, '{}'",
        "event 1 is 2 times in public.events",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_no_events_are_named_and_nothing_is_imported() {
    let database = Database::new();
    let client = database.connect().await;
    run(&client, LENIENT).await;
    for (row, says) in WRONG_ROWS {
        run(
            &client,
            &format!(
                "TRUNCATE events; INSERT INTO events (cursor, kind, time, agent_id, data)
                 VALUES (1, 'ok', now(), gen_random_uuid()::text, '{{}}'), ({row})"
            ),
        )
        .await;
        let told = refused_import(&database, &client, "events").await;
        let told = told.replace(" of public.events cannot be imported", "");
        assert!(told.contains(says), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_and_the_last_times_that_are_imported_can_be_read() {
    let database = Database::new();
    let client = database.connect().await;
    run(&client, LENIENT).await;
    run(
        &client,
        "INSERT INTO events (cursor, kind, time, data) VALUES
             (1, 'a', '0001-01-01 00:00:00Z', '{}'), (2, 'a', '9999-12-30 22:00:00Z', '{}')",
    )
    .await;
    let imported = todoki::log::import(database.url(), None, "events").await;
    assert_eq!(imported.unwrap().events, 2);
    let log = database.open(no_release());
    let times: Vec<_> = all(&log)
        .await
        .iter()
        .map(|event| event.time.to_string())
        .collect();
    assert_eq!(times, ["0001-01-01T00:00:00Z", "9999-12-30T22:00:00Z"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_zone_that_times_without_one_are_taken_to_be_in_is_told() {
    let database = Database::new();
    let client = database.connect().await;
    run(&client, LENIENT).await;
    run(
        &client,
        "ALTER TABLE events ALTER time TYPE timestamp;
         INSERT INTO events (cursor, kind, time, data) VALUES (1, 'a', '2026-01-02 03:04:05', '{}')",
    )
    .await;
    let url = format!("{}?options=-c%20TimeZone=Asia/Tokyo", database.url());
    let imported = todoki::log::import(&url, None, "events").await.unwrap();
    assert_eq!(imported.zone.as_deref(), Some("Asia/Tokyo"));
    let log = database.open(no_release());
    let time = all(&log).await[0].time.to_string();
    assert_eq!(time, "2026-01-01T18:04:05Z");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_table_makes_an_empty_log() {
    let database = Database::new();
    let client = database.connect().await;
    run(&client, CLASSIC).await;
    let imported = todoki::log::import(database.url(), None, "events").await;
    assert_eq!(imported.unwrap().events, 0);
    let log = database.open(no_release());
    assert_eq!(log.append(vec![draft("k", "{}")]).await, Ok(vec![at(1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_connection_says_what_to_do_about_it() {
    let database = Database::new();
    for (url, says) in [
        (by(&database, "postgres:wrong"), "%40"),
        (by(&database, "postgres"), "postgres://USER:PASSWORD@HOST"),
        (
            format!("{}?sslmode=verify-full", database.url()),
            "set ssl = on",
        ),
        (
            "postgres://u:p@no-such-host.invalid/d".to_owned(),
            "name of the host",
        ),
    ] {
        let told = refusal(&url, &DatabaseOptions::default()).to_string();
        assert!(told.contains(says), "{told}");
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
    // Clear text is no way round a certificate that was named: this database has no TLS yet.
    let bare = Cluster::start(&[]);
    let error = refusal(bare.database().url(), &trusting).to_string();
    assert!(error.contains("does not support TLS"), "{error}");
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
    // What openssl makes when it is not told otherwise.
    run(
        &client,
        "COPY (SELECT 1) TO PROGRAM 'openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout server.key -out server.crt 2>/dev/null && cat > /dev/null'",
    )
    .await;
    let certificate: String = client
        .query_one("SELECT pg_read_file('server.crt')", &[])
        .await
        .unwrap()
        .get(0);
    std::fs::write(trusting.ca.as_ref().unwrap(), certificate).unwrap();
    cluster.ctl("restart");
    let error = refusal(database.url(), &trusting).to_string();
    assert!(
        error.contains("CA:FALSE") && !error.contains("OtherError"),
        "{error}"
    );
}
