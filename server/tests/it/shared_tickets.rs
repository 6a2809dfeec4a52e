//! Tickets of several servers on one database: got from one, used at another.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use todoki::config::Serve;
use todoki::log::{Kept, KeptTicket, Postgres, TicketRoom};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::auth::jwks;
use crate::database::{Cluster, Database};
use crate::harness::{Client, TOKEN, TestServer, auth_entry, within};
use crate::log_contract::{Store, no_release};
use crate::stream::Streaming;
use crate::tickets::{LINES, issued, refused, ticket, unauthorised};

const ROUNDS: usize = 40;
const VIEWER: &str = "role = \"viewer\"";

fn on(database: &Database) -> impl FnOnce(&mut Serve) + use<> {
    let url = database.url().to_owned();
    move |config| config.log = Some(url)
}

/// A server on a database that takes this token for everything.
async fn serve_with(database: &Database, token: &str) -> TestServer {
    let on_it = on(database);
    TestServer::start_with(|config| {
        on_it(config);
        config.token = Some(token.into());
    })
    .await
}

async fn serve(database: &Database) -> TestServer {
    serve_with(database, TOKEN).await
}

/// A server on a database that lets in whom this `auth.toml` knows.
async fn serve_file(database: &Database, auth: &str) -> TestServer {
    TestServer::start_with_auth_and(auth, on(database)).await
}

/// A subscription by ticket, unless it is refused.
async fn by_socket(server: &TestServer, query: &str) -> Option<Client> {
    server.upgrade(query, "").await.ok()
}

/// A stream by ticket.
async fn by_stream(server: &TestServer, query: &str) -> Streaming {
    let opened = Streaming::open(server, query, LINES).await;
    opened.unwrap_or_else(|answer| panic!("{} {}", answer.status, answer.body))
}

/// How many tickets the table has.
async fn kept(client: &tokio_postgres::Client) -> i64 {
    let count = "SELECT count(*) FROM todoki.tickets";
    client.query_one(count, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_of_one_server_begins_a_stream_of_another_once() {
    let database = Database::new();
    let (one, other) = (serve(&database).await, serve(&database).await);
    let query = format!("ticket={}", ticket(&one, TOKEN, "kinds=a").await);
    let mut stream = by_stream(&other, &query).await;
    stream.expect("subscribed").await;
    one.emit(r#"[{"kind":"b","data":{}},{"kind":"a","data":{}}]"#)
        .await;
    assert_eq!(stream.cursors(1).await, [2], "what the ticket is for");
    let query_back = format!("cursor=0&ticket={}", ticket(&other, TOKEN, "").await);
    let mut socket = by_socket(&one, &query_back).await.unwrap();
    socket.expect("subscribed").await;
    assert_eq!(socket.cursors(2).await, [1, 2]);
    for server in [&one, &other] {
        for query in [&query, &query_back, "ticket=AAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(refused(server, query, "").await, unauthorised());
        }
    }
    assert_eq!(kept(&database.connect().await).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_that_are_shown_a_ticket_at_once_one_lets_in() {
    let database = Database::new();
    let servers = [serve(&database).await, serve(&database).await];
    let mut let_in = [0, 0];
    for round in 0..ROUNDS {
        let query = format!("ticket={}", ticket(&servers[round % 2], TOKEN, "").await);
        let (one, other) = tokio::join!(
            by_socket(&servers[0], &query),
            by_socket(&servers[1], &query)
        );
        assert_ne!(one.is_some(), other.is_some(), "round {round}");
        let_in[usize::from(other.is_some())] += 1;
    }
    assert_eq!(let_in[0] + let_in[1], ROUNDS);
}

/// Whatever has become of the token between issue and use, the server that is shown the ticket goes by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_is_worth_at_another_server_what_its_token_is_worth_there() {
    let database = Database::new();
    let grants = |kinds: &str| {
        format!("grants = [{{ actions = [\"read\", \"replay\"], kinds = [\"{kinds}\"] }}]")
    };
    let file = [
        auth_entry("kept", "kept-secret", VIEWER),
        auth_entry("narrowed", "narrowed-secret", VIEWER),
        auth_entry("revoked", "revoked-secret", VIEWER),
        auth_entry("rotated", "rotated-secret", VIEWER),
        auth_entry("over", "over-secret", VIEWER),
    ]
    .concat();
    let one = serve_file(&database, &file).await;
    let there = [
        auth_entry("kept", "kept-secret", VIEWER),
        auth_entry("narrowed", "narrowed-secret", &grants("task.*")),
        auth_entry("revoked", "revoked-secret", VIEWER),
        // The label is still somebody's, and the token is not.
        auth_entry("rotated", "another-secret", VIEWER),
        auth_entry(
            "over",
            "over-secret",
            &format!("{VIEWER}\nexpires = 2020-01-01T00:00:00Z"),
        ),
        "\n[revoked]\nlabels = [\"revoked\"]\n".to_owned(),
    ]
    .concat();
    let other = serve_file(&database, &there).await;
    other
        .emit(r#"[{"kind":"agent.a","data":{}},{"kind":"task.a","data":{}}]"#)
        .await;
    for (token, sees) in [("kept-secret", vec![1, 2]), ("narrowed-secret", vec![2])] {
        let query = format!("cursor=0&ticket={}", ticket(&one, token, "").await);
        let mut stream = by_stream(&other, &query).await;
        stream.expect("subscribed").await;
        assert_eq!(stream.cursors(sees.len()).await, sees, "{token}");
        stream.expect("replay_complete").await;
    }
    for token in ["revoked-secret", "rotated-secret", "over-secret"] {
        let query = format!("ticket={}", ticket(&one, token, "").await);
        assert_eq!(by_socket(&other, &query).await.map(drop), None, "{token}");
        assert_eq!(
            refused(&one, &query, "").await,
            unauthorised(),
            "it is used"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_came_with_a_ticket_of_another_server_goes_when_their_token_is_revoked_here() {
    let database = Database::new();
    let file = auth_entry("ci", "secret", VIEWER);
    let one = serve_file(&database, &file).await;
    let other = serve_file(&database, &file).await;
    let query = format!("ticket={}", ticket(&one, "secret", "kinds=a").await);
    let mut stream = by_stream(&other, &query).await;
    stream.expect("subscribed").await;
    let unused = format!("ticket={}", ticket(&one, "secret", "").await);
    other.write_auth(&auth_entry("next", "next", VIEWER));
    stream.expect("error").await;
    assert_eq!(stream.line().await, None);
    assert_eq!(refused(&other, &unused, "").await, unauthorised());
}

/// Grants that grow do not widen what a ticket is for, wherever it is used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_bounds_its_stream_at_another_server() {
    let database = Database::new();
    let grants = |kinds: &str| {
        let grants =
            format!("grants = [{{ actions = [\"read\", \"replay\"], kinds = [{kinds}] }}]");
        auth_entry("ci", "secret", &grants)
    };
    let one = serve_file(&database, &grants("\"a\"")).await;
    let other = serve_file(&database, &grants("\"a\", \"b\", \"c\"")).await;
    let query = format!(
        "cursor=0&ticket={}",
        ticket(&one, "secret", "kinds=a,b").await
    );
    other
        .emit(r#"[{"kind":"c","data":{}},{"kind":"b","data":{}},{"kind":"a","data":{}}]"#)
        .await;
    let mut stream = by_stream(&other, &query).await;
    stream.expect("subscribed").await;
    assert_eq!(stream.cursors(2).await, [2, 3]);
    stream.expect("replay_complete").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_of_the_token_for_everything_counts_where_that_token_does() {
    let database = Database::new();
    let one = serve_with(&database, "first-token").await;
    let twin = serve_with(&database, "first-token").await;
    let other = serve_with(&database, "second-token").await;
    // Here it is no token for everything, and may do less.
    let grants = "grants = [{ actions = [\"read\"], kinds = [\"a\"] }]";
    let named = serve_file(&database, &auth_entry("ci", "first-token", grants)).await;
    let query =
        async |query: &str| format!("{query}ticket={}", ticket(&one, "first-token", "").await);
    assert!(by_socket(&twin, &query("cursor=0&").await).await.is_some());
    assert_eq!(by_socket(&other, &query("").await).await.map(drop), None);
    assert!(by_socket(&named, &query("kinds=a&").await).await.is_some());
    let forbidden = named.upgrade(&query("kinds=b&").await, "").await.err();
    assert_eq!(forbidden.unwrap().status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_of_a_jwt_is_judged_by_its_claims_wherever_it_is_used() {
    let database = Database::new();
    let url = jwks::serve(jwks::key_set("ed.pub.pem", "a")).await;
    let other_key = jwks::serve(jwks::key_set("ed-other.pub.pem", "a")).await;
    let verifier = jwks::verifier(&url);
    let one = serve_file(&database, &verifier).await;
    let twin = serve_file(&database, &verifier).await;
    let narrow = "[roles.viewer]\ngrants = [{ actions = [\"read\"], kinds = [\"task.*\"] }]\n";
    let narrow = serve_file(&database, &[narrow, &verifier].concat()).await;
    let revoking = [&*verifier, "[revoked]\nsubjects = [\"ann\"]\n"].concat();
    let revoking = serve_file(&database, &revoking).await;
    let elsewhere = verifier.replace("\"todoki\"", "\"others\"");
    let elsewhere = serve_file(&database, &elsewhere).await;
    let rotated = serve_file(&database, &jwks::verifier(&other_key)).await;
    let unknown = serve_file(&database, "").await;
    let token = jwks::token("ed.pem", "a");
    let query = async |query: &str| format!("{query}ticket={}", ticket(&one, &token, "").await);
    assert!(by_socket(&twin, &query("cursor=0&").await).await.is_some());
    assert!(
        by_socket(&narrow, &query("kinds=task.a&").await)
            .await
            .is_some()
    );
    let forbidden = narrow
        .upgrade(&query("kinds=agent.a&").await, "")
        .await
        .err();
    assert_eq!(forbidden.unwrap().status, 403);
    for server in [&revoking, &elsewhere, &rotated, &unknown] {
        let refused = server.upgrade(&query("").await, "").await.err();
        assert_eq!(refused.unwrap().status, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_waits_for_the_keys_that_its_jwt_was_signed_with() {
    let database = Database::new();
    let keys = jwks::key_set("ed.pub.pem", "a");
    let one = serve_file(&database, &jwks::verifier(&jwks::serve(keys.clone()).await)).await;
    // The other server asks for them as it starts, and is answered when it is told to be.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let go = Arc::new(Notify::new());
    let going = Arc::clone(&go);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        going.notified().await;
        jwks::answer(stream, &keys).await.unwrap();
    });
    let other = serve_file(&database, &jwks::verifier(&url)).await;
    let token = jwks::token("ed.pem", "a");
    let query = format!("ticket={}", ticket(&one, &token, "").await);
    let client = database.connect().await;
    let answered_when_taken = async {
        while kept(&client).await > 0 {}
        go.notify_one();
    };
    let (socket, ()) = tokio::join!(by_socket(&other, &query), within(answered_when_taken));
    socket.unwrap().expect("subscribed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_that_has_expired_is_worth_nothing_and_is_cleared_away() {
    let database = Database::new();
    let one = serve(&database).await;
    let client = database.connect().await;
    let query = format!("ticket={}", ticket(&one, TOKEN, "").await);
    ticket(&one, TOKEN, "").await;
    let lifetime = "SELECT bool_and(expires_at - now() BETWEEN interval '10 s' AND interval '30 s') FROM todoki.tickets";
    let row = client.query_one(lifetime, &[]).await.unwrap();
    assert!(row.get::<_, bool>(0), "30 seconds by the database's clock");
    let age = "UPDATE todoki.tickets SET expires_at = expires_at - interval '30 s'";
    assert_eq!(client.execute(age, &[]).await.unwrap(), 2);
    assert_eq!(refused(&one, &query, "").await, unauthorised());
    assert_eq!(kept(&client).await, 1, "what was shown is gone");
    // A server that has not looked yet clears the rest away with the next ticket.
    let other = serve(&database).await;
    ticket(&other, TOKEN, "").await;
    assert_eq!(kept(&client).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_keep_no_more_tickets_together_than_one_would_alone() {
    let database = Database::new();
    let file = auth_entry("ci", "secret", VIEWER);
    let servers = [
        Arc::new(serve_file(&database, &file).await),
        Arc::new(serve_file(&database, &file).await),
    ];
    let asking: Vec<_> = (0..120)
        .map(|n| {
            let server = Arc::clone(&servers[n % 2]);
            tokio::spawn(async move { issued(&server, "secret", "").await })
        })
        .collect();
    let mut many = 0;
    for answer in asking {
        let answer = within(answer).await.unwrap();
        if answer.status != 200 {
            assert_eq!((answer.status, &*answer.code()), (429, "rate_limited"));
            assert!(answer.header("retry-after").is_some());
            many += 1;
        }
    }
    let client = database.connect().await;
    assert_eq!((many, kept(&client).await), (20, 100));
    // Another principal has room, as long as there is any.
    client
        .batch_execute(
            "UPDATE todoki.tickets SET expires_at = now() + interval '1 hour';
             INSERT INTO todoki.tickets
             SELECT sha256(n::text::bytea), sha256((n / 100)::text::bytea), '', now() + interval '1 hour'
             FROM generate_series(1, 9899) n",
        )
        .await
        .unwrap();
    ticket(&servers[0], TOKEN, "").await;
    let refused = issued(&servers[1], TOKEN, "").await;
    assert_eq!((refused.status, &*refused.code()), (503, "busy"));
    assert_eq!(kept(&client).await, 10_000);
    // One that is used makes room.
    client
        .execute("DELETE FROM todoki.tickets WHERE digest = sha256('1')", &[])
        .await
        .unwrap();
    ticket(&servers[1], TOKEN, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_room_for_a_ticket_is_given_once_however_many_ask_at_the_same_time() {
    let database = Database::new();
    let logs = [database.open(no_release()), database.open(no_release())];
    let tables = logs.each_ref().map(Postgres::tickets);
    for round in 0..ROUNDS {
        let put = async |number: usize| {
            let ticket = KeptTicket {
                digest: Sha256::digest([round, number].map(usize::to_be_bytes).concat()).into(),
                principal: Sha256::digest(round.to_be_bytes()).into(),
                sealed: vec![1],
            };
            let room = TicketRoom {
                lifetime: Duration::from_hours(1),
                most_of_one: 1,
                most: 10_000,
            };
            tables[number % 2].put(&ticket, room).await.unwrap()
        };
        let kept = tokio::join!(put(0), put(1), put(2), put(3));
        let kept = <[Kept; 4]>::from(kept).map(|kept| kept == Kept::Yes);
        assert_eq!(
            kept.into_iter().filter(|kept| *kept).count(),
            1,
            "round {round}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_the_table_has_nothing_to_come_in_with_and_learns_nothing() {
    let database = Database::new();
    let url = jwks::serve(jwks::key_set("ed.pub.pem", "a")).await;
    let file = [auth_entry("ci", "secret", VIEWER), jwks::verifier(&url)].concat();
    let server = serve_file(&database, &file).await;
    let jwt = jwks::token("ed.pem", "a");
    let mut given = Vec::new();
    for token in [TOKEN, "secret", &jwt] {
        given.push(ticket(&server, token, "kinds=secret.kind").await);
    }
    let client = database.connect().await;
    let rows =
        "SELECT t::text, encode(digest, 'hex'), encode(sealed, 'escape') FROM todoki.tickets t";
    let rows = client.query(rows, &[]).await.unwrap();
    assert_eq!(rows.len(), 3);
    let hex = |bytes: &[u8]| {
        let bytes = bytes.iter().map(|byte| format!("{byte:02x}"));
        bytes.collect::<String>()
    };
    for row in &rows {
        let text: String = (0..3).map(|place| row.get::<_, &str>(place)).collect();
        for token in given
            .iter()
            .map(|given| &**given)
            .chain([TOKEN, "secret", &jwt])
        {
            assert!(!text.contains(token), "{text}");
            assert!(!text.contains(&hex(token.as_bytes())), "{text}");
        }
        for token in [TOKEN, "secret", &jwt] {
            assert!(!text.contains(&hex(&Sha256::digest(token))), "{text}");
        }
        for said in ["ann", "id.example", "secret.kind", "viewer"] {
            assert!(!text.contains(said), "{text}");
        }
        // The digest of a ticket is no ticket.
        let query = format!("ticket={}", row.get::<_, &str>(1));
        assert_eq!(refused(&server, &query, "").await, unauthorised());
    }
    assert_eq!(kept(&client).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_tickets_are_told_to_come_later_and_none_outlives_a_crash() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let server = serve(&database).await;
    let before = format!("ticket={}", ticket(&server, TOKEN, "").await);
    cluster.ctl("stop -m immediate");
    let asked = issued(&server, TOKEN, "").await;
    assert_eq!((asked.status, &*asked.code()), (503, "log_unavailable"));
    let shown = server.upgrade(&before, "").await.err().unwrap();
    for answer in [asked, shown] {
        assert_eq!((answer.status, &*answer.code()), (503, "log_unavailable"));
        assert!(answer.header("retry-after").is_some());
        // Whoever shows a ticket may be anybody, and is not told where the database is.
        assert!(!answer.body.contains("127.0.0.1"), "{}", answer.body);
    }
    cluster.ctl("start");
    let after = within(async {
        loop {
            let answer = issued(&server, TOKEN, "").await;
            if answer.status == 200 {
                return answer;
            }
        }
    })
    .await;
    assert_eq!(refused(&server, &before, "").await, unauthorised());
    let after = after.json();
    let after = simd_json::prelude::ValueObjectAccessAsScalar::get_str(&after, "ticket");
    let query = format!("ticket={}", after.unwrap());
    assert!(by_socket(&server, &query).await.is_some());
}

/// More of them than a server has sessions for anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tickets_that_have_to_wait_keep_no_page_waiting() {
    let database = Database::new();
    let server = Arc::new(serve(&database).await);
    server.emit(r#"{"kind":"a","data":{}}"#).await;
    let client = database.connect().await;
    let lock = "BEGIN; LOCK TABLE todoki.tickets";
    client.batch_execute(lock).await.unwrap();
    let showing: Vec<_> = (0..20)
        .map(|n| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                server
                    .upgrade(&format!("ticket=made-up-{n}"), "")
                    .await
                    .err()
            })
        })
        .collect();
    let waiting =
        "SELECT count(*) FROM pg_locks WHERE relation = 'todoki.tickets'::regclass AND NOT granted";
    within(async {
        while client
            .query_one(waiting, &[])
            .await
            .unwrap()
            .get::<_, i64>(0)
            < 2
        {}
    })
    .await;
    let page = server.get("/api/event-bus?cursor=0").await;
    assert_eq!(page.status, 200, "{}", page.body);
    let row = client.query_one(waiting, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 2, "those of tickets alone");
    client.batch_execute("COMMIT").await.unwrap();
    for answer in showing {
        let answer = within(answer).await.unwrap().unwrap();
        // Those that have waited for too long were sent away before.
        assert!(matches!(answer.status, 401 | 503), "{}", answer.body);
    }
    let query = format!("ticket={}", ticket(&server, TOKEN, "").await);
    assert!(by_socket(&server, &query).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_is_never_told_to_be_wrong_because_a_session_has_ended() {
    let database = Database::new();
    let server = serve(&database).await;
    let client = database.connect().await;
    for _ in 0..5 {
        let query = format!("ticket={}", ticket(&server, TOKEN, "").await);
        let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                   WHERE application_name LIKE 'todoki%' AND datname = current_database()
                       AND query LIKE '%put_ticket%'";
        assert!(!client.query(end, &[]).await.unwrap().is_empty());
        // If the server has not noticed yet, its question is lost, and it is not known what became of the ticket.
        if let Err(answer) = server.upgrade(&query, "").await {
            assert_eq!((answer.status, &*answer.code()), (503, "log_unavailable"));
        }
    }
}
