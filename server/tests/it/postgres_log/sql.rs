//! `todoki_emit`: by the same rules, and to the same bytes, as what producers post.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use todoki::log::{Embedded, Log, Options, Postgres};
use todoki_codec::decode::{self, Form};
use todoki_codec::{Cursor, Event};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::database::Database;
use crate::harness::within;
use crate::log_contract::{Released, Store, all, draft, keyed, no_release, numbers};

/// A database with a log in it that nobody has open, and an application's connection.
async fn fresh() -> (Database, Client) {
    let database = Database::new();
    drop(database.open(no_release()));
    let client = database.connect().await;
    (database, client)
}

/// What SQL says to an event's data: its code and message when it is refused.
async fn emit(client: &Client, data: &str) -> Result<(), (SqlState, String)> {
    let statement = "SELECT todoki_emit('a.b', NULL, $1::text::json)";
    let emitted = client.query_typed(statement, &[(&data, Type::TEXT)]).await;
    emitted.map(drop).map_err(|error| {
        let told = error.as_db_error().expect("the database answers");
        (told.code().clone(), told.message().to_owned())
    })
}

/// Whether the same data is accepted when a producer posts it.
fn is_accepted(data: &str) -> bool {
    let body = format!("{{\"kind\":\"a.b\",\"data\":{data}}}");
    decode::emit(&body.into(), Form::Json).is_ok()
}

/// JSON, good and bad, that tells readers apart.
fn texts() -> Vec<String> {
    let nested = |depth: usize| {
        let arrays = depth - 1;
        format!("{{\"a\":{}{}}}", "[".repeat(arrays), "]".repeat(arrays))
    };
    let mut texts = vec![nested(63), nested(64), nested(3000)];
    for size in [262_000, 262_145, 300_000] {
        texts.push(format!("{{\"s\":\"{}\"}}", "x".repeat(size)));
    }
    let written = [
        "{}",
        "[]",
        "1",
        "null",
        "\"x\"",
        "",
        "{",
        "{}}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "{\"a\":1e400,\"b\":1e131071}",
        "{\"a\":-0,\"b\":1.10,\"c\":1E2,\"d\":18446744073709551616}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":+1}",
        "{\"a\":NaN}",
        "{\"a\":tru}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u0000\"}",
        "{\"\\u0000\":1}",
        "{\"\\u0000\":1,\"\\u0000\":2}",
        "{\"\\u0000\":1,\"\\\\0\":2,\"\\\\u0000\":3}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"a\":{\"b\":1,\"b\":2}}",
        "{\"a\":{\"b\":1},\"b\":{\"a\":1}}",
        "{\"a\":[{\"b\":1},{\"b\":1}]}",
        "{\"\\n\":1,\"\\u000a\":2}",
        "{\"\\/\":1,\"/\":2}",
        "{\"\\\"\":1,\"\\u0022\":2}",
        "{\"\\\\\":1,\"\\u005c\":2}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\ud800\"}",
        "{\"a\":\"\\ud83d\\ude00\"}",
        "{\"\\ud83d\\ude00\":1,\"😀\":2}",
        "{\"a\":\"\\ud800x\"}",
        "{\"a\":\"\\ud800\\n\"}",
        "{\"a\":\"\\\\ud800\"}",
        "{\"a\":\"\\\\\\ud800\"}",
        "{\"a:b\":1,\"c\":\"d:\"}",
        "{\"a\":\"}\",\"b\":\"{\"}",
        "{\"a\" : 1 , \"b\" :[ ] }",
        "{\"\":1,\"\":2}",
        "{\"a\":1}{\"b\":2}",
        "{\"a\":1 \"b\":2}",
        "{\"e\u{301}\":1,\"é\":2}",
        "{\"a\":\"\u{7f}\"}",
        "{\"a\"\u{a0}:1}",
    ];
    texts.extend(written.map(str::to_owned));
    texts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_is_accepted_from_sql_exactly_when_it_is_accepted_from_a_producer() {
    let (_database, client) = fresh().await;
    let mut runner = TestRunner::deterministic();
    // Snippets put together at random are mostly wrong, each in its own way; objects of them are often right.
    let snippets = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\\u",
        "d800",
        "\\ud83d\\ude00",
        "\\u0000",
        "\"a\"",
        "\"\\u0061\"",
        "1",
        "-",
        "e9",
        "null",
        " ",
        "\"a\":1",
        "{\"b\":2}",
    ];
    let member = (
        "[a-c]|\\\\u006[1-3]|\\\\n|\\\\u0000",
        "[0-9]|\\{\\}|\\[1\\]|\"[a-z{}:,\\\\\\[]{0,3}\"",
    );
    let object = prop::collection::vec(member, 0..5).prop_map(|members| {
        let members: Vec<_> = members
            .iter()
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    });
    let soup = prop::collection::vec(prop::sample::select(snippets.to_vec()), 0..12)
        .prop_map(|snippets| format!("{{{}}}", snippets.concat()));
    let generated = prop_oneof![2 => object, 1 => soup];
    let mut texts = texts();
    texts.extend((0..1500).map(|_| generated.new_tree(&mut runner).unwrap().current()));
    let (mut accepted, mut refused) = (0, 0);
    for text in texts {
        let expected = is_accepted(&text);
        let found = emit(&client, &text).await;
        let short: String = text.chars().take(200).collect();
        assert_eq!(found.is_ok(), expected, "{short}: {found:?}");
        if let Err((code, message)) = found {
            refused += 1;
            assert!(
                code.code().starts_with("22") || code.code() == "54001",
                "{short}: {message}"
            );
        } else {
            accepted += 1;
        }
    }
    assert!(accepted > 200 && refused > 200, "{accepted} {refused}");
}

/// Without what differs from log to log.
fn apart_from_time(event: &Event) -> Vec<u8> {
    let mut time = Vec::new();
    todoki_codec::time::write(event.time, &mut time);
    let json = String::from_utf8(event.json.to_vec()).unwrap();
    let time = String::from_utf8(time).unwrap();
    json.replace(&time, "TIME").into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_has_the_same_bytes_whoever_wrote_it_and_wherever_it_is() {
    let (database, client) = fresh().await;
    let folder = tempfile::tempdir().unwrap();
    let embedded = Embedded::open(folder.path(), &Options::default(), no_release()).unwrap();
    let released = Released::default();
    let log = database.open(released.hook());
    let uuid = |n| Some(Uuid::from_u128(n));
    let datas = [
        "{}",
        r#"{ "n" : 1e400, "z":"\u0000é", "a":[1.0,-0] }"#,
        "{\n\"b\":1,\r\n\t\"a\":\"\\\"\"}",
    ];
    let all_ids = [None, uuid(0), uuid(7), Some(Uuid::max())];
    for (turn, id) in all_ids.into_iter().enumerate() {
        let mut posted = draft("a.b-C_9", datas[turn % datas.len()]);
        posted.ids = todoki_codec::Ids {
            agent_id: id.unwrap_or_default(),
            session_id: id,
            task_id: id,
            project_id: id,
        };
        let data = std::str::from_utf8(&posted.data).unwrap().to_owned();
        embedded
            .append(vec![posted.clone(), posted.clone()])
            .await
            .unwrap();
        log.append(vec![posted]).await.unwrap();
        let emit = "SELECT todoki_emit('a.b-C_9', $1, $2::text::json, session_id => $1, task_id => $1, project_id => $1)";
        client
            .query_typed(emit, &[(&id, Type::UUID), (&data, Type::TEXT)])
            .await
            .unwrap();
    }
    let expected: Vec<_> = all(&embedded).await.iter().map(apart_from_time).collect();
    caught_up(&log, expected.len()).await;
    let found: Vec<_> = all(&log).await.iter().map(apart_from_time).collect();
    assert_eq!(found, expected);
    let live: Vec<_> = released.events().iter().map(apart_from_time).collect();
    assert_eq!(live, expected);
}

/// Waits until a log has read so many events.
async fn caught_up(log: &Postgres, head: usize) {
    let head = Cursor::ORIGIN.forward(head);
    within(async {
        while log.bounds().head < head {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn refusal(client: &Client, sql: &str) -> (SqlState, String) {
    let error = client.batch_execute(sql).await.unwrap_err();
    let told = error.as_db_error().unwrap();
    (told.code().clone(), told.message().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_else_is_wrong_with_an_emit_is_said() {
    let (_database, client) = fresh().await;
    for (arguments, says) in [
        ("'a b', NULL, '{}'", "is not a kind"),
        ("'a..b', NULL, '{}'", "is not a kind"),
        ("'', NULL, '{}'", "is not a kind"),
        ("NULL, NULL, '{}'", "is not a kind"),
        ("repeat('k', 129), NULL, '{}'", "is not a kind"),
        ("E'a\\n', NULL, '{}'", "is not a kind"),
        ("'a', NULL, NULL", "data is NULL"),
        ("'a', NULL, '{}', id => ''", "an id is 1 to 128"),
        ("'a', NULL, '{}', id => 'a b'", "an id is 1 to 128"),
        (
            "'a', NULL, '{}', id => repeat('i', 129)",
            "an id is 1 to 128",
        ),
    ] {
        let (code, message) = refusal(&client, &format!("SELECT todoki_emit({arguments})")).await;
        assert_eq!(code, SqlState::INVALID_PARAMETER_VALUE, "{arguments}");
        assert!(message.contains(says), "{arguments}: {message}");
    }
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let sql = format!("BEGIN ISOLATION LEVEL {level}; SELECT todoki_emit('a', NULL, '{{}}')");
        assert_eq!(
            refusal(&client, &sql).await.0,
            SqlState::FEATURE_NOT_SUPPORTED
        );
        client.batch_execute("ROLLBACK").await.unwrap();
    }
    let too_many = "SELECT todoki_emit('a', NULL, '{}') FROM generate_series(1, 10001)";
    let (code, message) = refusal(&client, too_many).await;
    assert_eq!(
        (code, message.contains("10001")),
        (SqlState::PROGRAM_LIMIT_EXCEEDED, true)
    );
    let too_large = "SELECT todoki_emit('a', NULL, json_build_object('s', repeat('x', 262000))) FROM generate_series(1, 257)";
    let (code, message) = refusal(&client, too_large).await;
    assert_eq!(
        (code, message.contains("67108864")),
        (SqlState::PROGRAM_LIMIT_EXCEEDED, true)
    );
    let kinds =
        "INSERT INTO todoki.kinds SELECT 10001 - n, 'k' || n FROM generate_series(1, 10000) n";
    client.batch_execute(kinds).await.unwrap();
    let (code, message) = refusal(&client, "SELECT todoki_emit('new', NULL, '{}')").await;
    assert_eq!(code, SqlState::PROGRAM_LIMIT_EXCEEDED, "{message}");
    client
        .batch_execute("SELECT todoki_emit('k7', NULL, '{}')")
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_are_the_same_from_sql_and_from_producers() {
    let (database, client) = fresh().await;
    let log = database.open(no_release());
    let emit =
        |id: &str, data: &str| format!("SELECT todoki_emit('keyed', NULL, '{data}', id => '{id}')");
    client.batch_execute(&emit("sql", "{}")).await.unwrap();
    caught_up(&log, 1).await;
    assert_eq!(numbers(&all(&log).await), [1]);
    assert_eq!(
        log.append(vec![keyed("sql", "{}")]).await.unwrap()[0].get(),
        1
    );
    log.append(vec![keyed("http", "{}")]).await.unwrap();
    client.batch_execute(&emit("http", "{}")).await.unwrap();
    for id in ["sql", "http"] {
        let (code, message) = refusal(&client, &emit(id, "{\"other\":1}")).await;
        assert_eq!(code, SqlState::UNIQUE_VIOLATION);
        assert!(
            message.contains("was used for another draft, which is event"),
            "{message}"
        );
    }
    let twice = format!("BEGIN; {}; {}; COMMIT", emit("t", "{}"), emit("t", "{}"));
    client.batch_execute(&twice).await.unwrap();
    let rivals = format!(
        "BEGIN; {}; {}; COMMIT",
        emit("r", "{}"),
        emit("r", "{\"n\":1}")
    );
    assert_eq!(
        refusal(&client, &rivals).await.0,
        SqlState::UNIQUE_VIOLATION
    );
    client.batch_execute("ROLLBACK").await.unwrap();
    caught_up(&log, 3).await;
    assert_eq!(numbers(&all(&log).await), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_publishes_when_it_commits_and_keeps_nobody_waiting_before() {
    let (database, client) = fresh().await;
    let log = database.open(no_release());
    client
        .batch_execute(
            "BEGIN; SELECT todoki_emit('a', NULL, '{}'); SAVEPOINT s; SELECT todoki_emit('b', NULL, '{}');
             ROLLBACK TO s; SELECT todoki_emit('c', NULL, '{}')",
        )
        .await
        .unwrap();
    // While it is open others go on, and come before it.
    log.append(vec![draft("d", "{}")]).await.unwrap();
    client.batch_execute("COMMIT").await.unwrap();
    caught_up(&log, 3).await;
    let kinds: Vec<_> = all(&log)
        .await
        .iter()
        .map(|event| event.kind.to_string())
        .collect();
    assert_eq!(kinds, ["d", "a", "c"]);
    client
        .batch_execute("BEGIN; SELECT todoki_emit('e', NULL, '{}'); ROLLBACK")
        .await
        .unwrap();
    let row = client
        .query_one("SELECT count(*) FROM todoki.outbox", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
    assert_eq!(
        log.append(vec![draft("f", "{}")]).await.unwrap()[0].get(),
        4
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_transaction_has_emitted_is_numbered_at_once_however_much_it_is() {
    let (_database, client) = fresh().await;
    client
        .batch_execute(
            "SET track_functions = 'all';
             BEGIN; SELECT todoki_emit('a', NULL, '{}') FROM generate_series(1, 300); SET CONSTRAINTS ALL IMMEDIATE",
        )
        .await
        .unwrap();
    let calls = "SELECT pg_stat_get_xact_function_calls('todoki.publish'::regproc)";
    let row = client.query_one(calls, &[]).await.unwrap();
    // Once to be put behind what else waits for the commit, and once to number: not once for each event.
    assert_eq!(row.get::<_, i64>(0), 2);
    // What it emits from now on is numbered as it comes.
    client
        .batch_execute(
            "SELECT todoki_emit('b', NULL, '{}'); SET CONSTRAINTS ALL DEFERRED;
             SAVEPOINT s; SELECT todoki_emit('c', NULL, '{}'); SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK TO s;
             SELECT todoki_emit('d', NULL, '{}'); COMMIT",
        )
        .await
        .unwrap();
    let last =
        "SELECT string_agg(kind, ' ' ORDER BY cursor) FROM todoki.timeline WHERE cursor > 299";
    let row = client.query_one(last, &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "a b d");
    for table in ["outbox", "emitting"] {
        let left = format!("SELECT count(*) FROM todoki.{table}");
        let row = client.query_one(&left, &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_waits_at_its_commit_keeps_nobody_waiting() {
    let (database, client) = fresh().await;
    let log = database.open(no_release());
    client
        .batch_execute(
            "CREATE TABLE parents (id integer PRIMARY KEY); INSERT INTO parents VALUES (1);
             CREATE TABLE children (id integer REFERENCES parents DEFERRABLE INITIALLY DEFERRED)",
        )
        .await
        .unwrap();
    client
        .batch_execute(
            "BEGIN; SELECT todoki_emit('a', NULL, '{}'); INSERT INTO children VALUES (1)",
        )
        .await
        .unwrap();
    let other = database.connect().await;
    other
        .batch_execute("BEGIN; DELETE FROM parents; SELECT todoki_emit('b', NULL, '{}')")
        .await
        .unwrap();
    let row = client
        .query_one("SELECT pg_backend_pid()", &[])
        .await
        .unwrap();
    let pid: i32 = row.get(0);
    // Its foreign key is looked at now, which the other has deleted, perhaps.
    let committing = tokio::spawn(async move { client.batch_execute("COMMIT").await });
    let waits = "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'transactionid'";
    within(async { while other.query(waits, &[&pid]).await.unwrap().is_empty() {} }).await;
    log.append(vec![draft("c", "{}")]).await.unwrap();
    // Nor do the two wait for each other.
    other.batch_execute("COMMIT").await.unwrap();
    let error = within(committing).await.unwrap().unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::FOREIGN_KEY_VIOLATION));
    caught_up(&log, 2).await;
    let kinds: Vec<_> = all(&log)
        .await
        .iter()
        .map(|event| event.kind.to_string())
        .collect();
    assert_eq!(kinds, ["c", "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_application_sets_for_itself_does_not_reach_into_the_log() {
    let (_database, client) = fresh().await;
    client
        .batch_execute("UPDATE todoki.log SET partition_events = 4")
        .await
        .unwrap();
    client
        .batch_execute(
            "SET session_replication_role = replica; SET default_tablespace = pg_global; SET enable_partition_pruning = off;
             SET standard_conforming_strings = off; SET backslash_quote = off; SET escape_string_warning = off;
             SET \"DateStyle\" = 'German, DMY'; SET \"TimeZone\" = 'Asia/Kathmandu'; SET bytea_output = escape;
             SET search_path = pg_temp; SET client_encoding = LATIN1;
             CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz';
             CREATE TABLE pg_temp.events (cursor bigint); CREATE TABLE pg_temp.outbox (tx bigint)",
        )
        .await
        .unwrap();
    client
        .batch_execute("SELECT public.todoki_emit('a', NULL, '{}') FROM generate_series(1, 10)")
        .await
        .unwrap();
    let row = client
        .query_one(
            "SELECT count(*), min(cursor), max(cursor), now() - min(time) < interval '1 minute' FROM todoki.timeline",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(
        (
            row.get::<_, i64>(0),
            row.get::<_, i64>(1),
            row.get::<_, i64>(2),
            row.get::<_, bool>(3)
        ),
        (10, 1, 10, true)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_may_emit_may_nothing_else() {
    let (database, client) = fresh().await;
    client
        .batch_execute(
            "CREATE ROLE stranger_of_it; CREATE ROLE application_of_it;
             GRANT EXECUTE ON FUNCTION todoki_emit TO application_of_it",
        )
        .await
        .unwrap();
    let emit = "SELECT todoki_emit('a', NULL, '{}')";
    client
        .batch_execute("SET ROLE stranger_of_it")
        .await
        .unwrap();
    assert_eq!(
        refusal(&client, emit).await.0,
        SqlState::INSUFFICIENT_PRIVILEGE
    );
    client
        .batch_execute("SET ROLE application_of_it")
        .await
        .unwrap();
    client.batch_execute(emit).await.unwrap();
    for sql in [
        "SELECT * FROM todoki.events",
        "SELECT todoki.take_turn()",
        "DELETE FROM todoki.outbox",
    ] {
        assert_eq!(
            refusal(&client, sql).await.0,
            SqlState::INSUFFICIENT_PRIVILEGE,
            "{sql}"
        );
    }
    // Nobody sees an event before it is durable, here and where there are standbys.
    for (own, taken) in [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        let publish = format!(
            "SET synchronous_commit = {own}; BEGIN; SELECT todoki_emit('a', NULL, '{{}}'); SET CONSTRAINTS ALL IMMEDIATE"
        );
        client.batch_execute(&publish).await.unwrap();
        let row = client
            .query_one("SHOW synchronous_commit", &[])
            .await
            .unwrap();
        assert_eq!(row.get::<_, &str>(0), taken, "{own}");
        client.batch_execute("COMMIT").await.unwrap();
    }
    client.batch_execute("RESET ROLE").await.unwrap();
    let log = database.open(no_release());
    assert_eq!(log.bounds().head.get(), 6);
    drop(log);
    client
        .batch_execute(
            "DROP OWNED BY application_of_it; DROP ROLE application_of_it, stranger_of_it",
        )
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_data_is_read_as_jsonb_with_another_character_in_place_of_nul() {
    let (_database, client) = fresh().await;
    for (data, read) in [
        (r#"{"a":1,"s":"x"}"#, r#"{"a": 1, "s": "x"}"#),
        (r#"{"s":"\u0000"}"#, "{\"s\": \"\u{fffd}\"}"),
        (
            r#"{"s":"\u0000\u0000x\u0000"}"#,
            "{\"s\": \"\u{fffd}\u{fffd}x\u{fffd}\"}",
        ),
        (
            r#"{"\u0000":"\\\u0000"}"#,
            "{\"\u{fffd}\": \"\\\\\u{fffd}\"}",
        ),
        // A backslash of its own, and then letters.
        (r#"{"s":"\\u0000"}"#, r#"{"s": "\\u0000"}"#),
        (
            r#"{"s":"\\\\u0000\n\u0000"}"#,
            "{\"s\": \"\\\\\\\\u0000\\n\u{fffd}\"}",
        ),
    ] {
        emit(&client, data).await.unwrap();
        let row = client
            .query_one(
                "SELECT data, todoki.as_jsonb(data)::text FROM todoki.timeline ORDER BY cursor DESC LIMIT 1",
                &[],
            )
            .await
            .unwrap();
        assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), (data, read));
    }
    // What the document says of the casts of PostgreSQL itself.
    for (expression, data, is_read) in [
        ("data::json", r#"{"s":"\u0000","n":1}"#, true),
        ("data::json ->> 'n'", r#"{"s":"\u0000","n":1}"#, false),
        ("data::jsonb", r#"{"s":"\u0000","n":1}"#, false),
        ("data::jsonb", r#"{"n":1e200000}"#, false),
        ("todoki.as_jsonb(data)", r#"{"n":1e200000}"#, false),
    ] {
        emit(&client, data).await.unwrap();
        let read = format!(
            "SELECT ({expression})::text FROM todoki.timeline ORDER BY cursor DESC LIMIT 1"
        );
        let read = client.query(&read, &[]).await;
        assert_eq!(read.is_ok(), is_read, "{expression} of {data}");
    }
    // Data that an application has as jsonb.
    let cast = "SELECT todoki_emit('a.b', NULL, '{\"b\": 1}'::jsonb::json)";
    client.batch_execute(cast).await.unwrap();
}
