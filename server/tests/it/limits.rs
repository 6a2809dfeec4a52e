//! Limits: whoever is over one is told which and for how long, and others notice nothing.

mod bodies;
mod hostile;
mod socket;

use simd_json::OwnedValue;
use simd_json::prelude::*;
use todoki::limit::setting;
use todoki_codec::frame::{CloseCode, Incoming};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Answer, Client, TOKEN, TestServer, auth_entry, within};
use crate::process::todoki;

/// Requests that are sent until one is refused: a bucket that fills while they are sent holds more than it says.
const TRIES: usize = 1_000;

const BEARER: &str = "Authorization: Bearer it-secret-token\r\n";

/// A server with these limits, for which loopback addresses are addresses like any other.
async fn limited(settings: &[&str]) -> TestServer {
    let settings = ["loopback-exempt=0"].iter().chain(settings);
    let settings = settings.map(|text| setting(text).unwrap()).collect();
    TestServer::start_with(|config| config.limit = settings).await
}

/// The same, which also lets in whom this `auth.toml` knows.
async fn limited_with_auth(settings: &[&str], auth: &str) -> TestServer {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("auth.toml");
    std::fs::write(&path, auth).unwrap();
    let settings = settings.iter().map(|text| setting(text).unwrap()).collect();
    TestServer::start_in(data, |config| {
        config.auth = Some(path);
        config.limit = settings;
    })
    .await
}

/// A request on this connection, which ends with its answer.
async fn ask(mut stream: TcpStream, line: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    Answer::parse(&answer)
}

/// Asks over and over, until it is refused.
async fn until_refused(mut ask: impl AsyncFnMut() -> Answer) -> Answer {
    for _ in 0..TRIES {
        let answer = ask().await;
        if answer.status != 200 {
            return answer;
        }
    }
    panic!("{TRIES} requests were answered");
}

fn assert_limited(answer: &Answer, name: &str, says: &str) {
    let wait = assert_limited_for_long(answer, name, says);
    // A minute, and the seconds that chance adds where many may come back together.
    assert!(wait <= 65, "{wait}");
}

/// The same, and for how long.
fn assert_limited_for_long(answer: &Answer, name: &str, says: &str) -> u64 {
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (429, "rate_limited")
    );
    let problem = answer.json();
    let detail = problem.get_str("detail").unwrap();
    assert!(detail.starts_with(says), "{detail}");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(
        detail.ends_with(&format!("try again in {wait} s")),
        "{detail}"
    );
    assert_ne!(wait, 0);
    let left = format!("\"{name}\";r=0;t={wait}");
    assert_eq!(answer.header("ratelimit"), Some(left.as_str()));
    wait
}

#[tokio::test]
async fn emits_of_an_address_are_limited_and_those_of_another_are_not() {
    let server = limited(&["address-emits=2"]).await;
    let draft = r#"{"kind":"a","data":{}}"#;
    let refused = until_refused(async || server.post("/api/event-bus/emit", draft).await).await;
    assert_limited(
        &refused,
        "address-emits",
        "over the limit address-emits of 2 per second",
    );
    let policy = refused.header("ratelimit-policy");
    assert_eq!(policy, Some("\"address-emits\";q=2;w=1"));
    let headers = format!("{BEARER}Content-Type: application/json\r\n");
    let other = server.connect_from(2).await;
    let answer = ask(other, "POST /api/event-bus/emit", &headers, draft).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(server.get("/livez").await.status, 200, "it costs nothing");
}

#[tokio::test]
async fn an_emit_over_a_limit_has_stored_nothing() {
    let server = limited(&["principal-emit-kib=1024"]).await;
    let filler = "x".repeat(200 << 10);
    let draft = format!(r#"{{"kind":"a","data":{{"filler":"{filler}"}}}}"#);
    let body = format!("[{}]", [draft.as_str(); 5].join(","));
    let mut stored = 0;
    let refused = until_refused(async || {
        let answer = server.post("/api/event-bus/emit", &body).await;
        stored += if answer.status == 200 { 5 } else { 0 };
        answer
    })
    .await;
    assert_limited(
        &refused,
        "principal-emit-kib",
        "over the limit principal-emit-kib of 1024 per second",
    );
    assert_eq!(
        server.get("/api/event-bus/latest").await.body,
        stored.to_string()
    );
}

/// A body that emits these kinds, one draft each.
fn of_kinds(kinds: &[&str]) -> String {
    let drafts = kinds
        .iter()
        .map(|kind| format!(r#"{{"kind":"{kind}","data":{{}}}}"#));
    format!("[{}]", drafts.collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn kinds_that_the_log_does_not_have_are_limited_and_those_it_has_are_not() {
    const SAYS: &str = "over the limit principal-kinds of 3 per day";
    let auth = auth_entry(
        "other",
        "other",
        r#"grants = [{ actions = ["read", "replay", "emit"] }]"#,
    );
    let server = limited_with_auth(&["principal-kinds=3"], &auth).await;
    let emit = async |token: &str, kinds: &[&str]| {
        let json = "Content-Type: application/json\r\n";
        let target = "/api/event-bus/emit";
        let body = of_kinds(kinds);
        server.request_as(token, "POST", target, json, &body).await
    };
    for kinds in [&["a", "b", "a"], &["b", "a", "c"], &["c", "b", "a"]] {
        assert_eq!(emit(TOKEN, kinds).await.status, 200);
    }
    let refused = emit(TOKEN, &["a", "b", "d"]).await;
    let wait = assert_limited_for_long(&refused, "principal-kinds", SAYS);
    assert!(
        (1..=28_800).contains(&wait),
        "a third of a day, not {wait} s"
    );
    let policy = refused.header("ratelimit-policy");
    assert_eq!(policy, Some("\"principal-kinds\";q=3;w=86400"));
    let latest = server.get("/api/event-bus/latest").await;
    assert_eq!(latest.body, "9", "nothing of it is stored");
    assert_eq!(emit(TOKEN, &["a", "b", "c"]).await.status, 200);
    // Another principal's are others, and what they have brought is new to nobody who sees it.
    assert_eq!(emit("other", &["a", "d", "e"]).await.status, 200);
    assert_eq!(emit(TOKEN, &["d", "e"]).await.status, 200);
    assert_eq!(emit(TOKEN, &["f"]).await.status, 429);
    assert_eq!(emit("other", &["f"]).await.status, 200);
}

/// Or else whoever has used theirs up could try which kinds others have.
#[tokio::test]
async fn to_whom_events_are_hidden_the_kinds_of_others_are_as_new_as_any() {
    const OURS: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e01";
    let grants = format!(
        r#"grants = [{{ actions = ["read", "replay", "emit"], where = {{ project_id = ["{OURS}"] }} }}]"#
    );
    let auth = auth_entry("us", "us", &grants);
    let server = limited_with_auth(&["principal-kinds=3"], &auth).await;
    let emit = async |kind: &str| {
        let json = "Content-Type: application/json\r\n";
        let body = format!(r#"{{"kind":"{kind}","data":{{}},"project_id":"{OURS}"}}"#);
        let emitted = server.request_as("us", "POST", "/api/event-bus/emit", json, &body);
        emitted.await.status
    };
    server.emit(&of_kinds(&["theirs", "both"])).await;
    for (kind, status) in [
        ("both", 200),
        ("ours", 200),
        ("last", 200),
        ("both", 200),
        ("ours", 200),
        ("theirs", 429),
        ("nobodys", 429),
        ("both", 200),
    ] {
        assert_eq!(emit(kind).await, status, "{kind}");
    }
}

#[tokio::test]
async fn kinds_of_an_emit_that_the_log_refuses_cost_nothing() {
    let some = r#"grants = [{ actions = ["emit"], kinds = ["a", "b", "c"] }]"#;
    let auth = auth_entry("some", "some", some);
    for token in [TOKEN, "some"] {
        let server = limited_with_auth(&["principal-kinds=2"], &auth).await;
        let emit = async |draft: &str| {
            let json = "Content-Type: application/json\r\n";
            let emitted = server.request_as(token, "POST", "/api/event-bus/emit", json, draft);
            emitted.await.status
        };
        assert_eq!(emit(r#"{"kind":"a","data":{},"id":"x"}"#).await, 200);
        for _ in 0..5 {
            let status = emit(r#"{"kind":"b","data":{},"id":"x"}"#).await;
            assert_eq!(status, 409, "x is a's");
        }
        assert_eq!(emit(r#"{"kind":"b","data":{}}"#).await, 200);
        assert_eq!(emit(r#"{"kind":"c","data":{}}"#).await, 429);
    }
}

#[tokio::test]
async fn all_that_reads_what_is_stored_is_one_limit() {
    let server = limited(&["principal-reads=1"]).await;
    let paths = [
        "/api/event-bus",
        "/api/event-bus/latest",
        "/api/event-bus/facets",
    ];
    let mut turn = paths.iter().cycle();
    let refused = until_refused(async || server.get(turn.next().unwrap()).await).await;
    assert_limited(
        &refused,
        "principal-reads",
        "over the limit principal-reads of 1 per second",
    );
    let policy = refused.header("ratelimit-policy");
    assert_eq!(policy, Some("\"principal-reads\";q=10;w=10"));
}

/// Until its log says where it begins, a stream is a question like any other.
#[tokio::test]
async fn a_stream_whose_beginning_is_looked_for_is_a_read() {
    const SAYS: &str = "over the limit principal-reads of 1 per second";
    const BY_TIME: &str = "cursor=2020-01-01T00:00:00Z";
    let grants = r#"grants = [{ actions = ["read", "replay"], kinds = ["a.*"] }]"#;
    let auth = auth_entry("some", "some", grants);
    let server = limited_with_auth(&["principal-reads=1"], &auth).await;
    let until_limited = async |query: &str, headers: &str| {
        for _ in 0..TRIES {
            if let Err(refused) = server.upgrade(query, headers).await {
                return refused;
            }
        }
        panic!("{TRIES} streams have begun");
    };
    assert_limited(
        &until_limited(BY_TIME, BEARER).await,
        "principal-reads",
        SAYS,
    );
    let stream = format!("/api/event-bus/stream?{BY_TIME}");
    assert_limited(&server.get(&stream).await, "principal-reads", SAYS);
    let page = format!("{BEARER}Origin: https://allowed.example\r\n");
    let close = async {
        // A second fills the bucket for one of these.
        loop {
            let mut page = server.upgrade(BY_TIME, &page).await.unwrap();
            if let Incoming::Close(Some(close)) = page.hear().await.unwrap() {
                break close;
            }
        }
    };
    assert_eq!(within(close).await.code, CloseCode::RATE_LIMITED);
    for query in ["", "cursor=0", "cursor=earliest", "cursor=head"] {
        let mut client = server.subscribe(query).await;
        client.expect("subscribed").await;
    }
    // Of somebody from whom events are hidden every place is looked for.
    let refused = until_limited("", "Authorization: Bearer some\r\n").await;
    assert_limited(&refused, "principal-reads", SAYS);
    let forbidden = server
        .upgrade("kinds=b", "Authorization: Bearer some\r\n")
        .await;
    assert_eq!(forbidden.err().unwrap().status, 403);
}

#[tokio::test]
async fn guesses_of_an_address_are_limited_and_a_right_token_never_is() {
    let server = limited(&["address-failures=3"]).await;
    let wrong = "Authorization: Bearer guess\r\n";
    let guess = async |host| {
        let stream = server.connect_from(host).await;
        ask(stream, "GET /api/event-bus/latest", wrong, "").await
    };
    for _ in 0..3 {
        assert_eq!(guess(1).await.status, 401);
    }
    let refused = guess(1).await;
    assert_limited(
        &refused,
        "address-failures",
        "over the limit address-failures of 3 per minute",
    );
    assert_eq!(
        refused.header("ratelimit-policy"),
        Some("\"address-failures\";q=3;w=60")
    );
    assert_eq!(guess(2).await.status, 401, "another address is another");
    let stream = server.connect_from(1).await;
    let right = ask(stream, "GET /api/event-bus/latest", BEARER, "").await;
    assert_eq!(
        right.status, 200,
        "the right one passes, whoever guesses beside it"
    );
}

#[tokio::test]
async fn a_guess_on_an_open_stream_counts_as_one_of_a_request_does() {
    // Nothing ends the stream before its address is over the limit.
    let unending = ["socket-errors=0", "socket-messages=0"];
    let server = limited(&[&["address-failures=1"], &unending[..]].concat()).await;
    let mut one = server
        .upgrade_on(server.connect_from(1).await, "", BEARER)
        .await
        .unwrap();
    one.expect("subscribed").await;
    let says = "over the limit address-failures of 1 per minute";
    let over = guess_until_limited(&mut one).await;
    assert!(over.get_str("message").unwrap().starts_with(says), "{over}");
    assert_eq!(over.get_str("ref"), Some("g"));
    let wait = over.get_u64("retry_after_ms").unwrap();
    assert!((1..=60_001).contains(&wait), "{wait}");
    let wrong = "Authorization: Bearer guess\r\n";
    let guess = async |host| {
        let stream = server.connect_from(host).await;
        ask(stream, "GET /api/event-bus/latest", wrong, "").await
    };
    assert_limited(&guess(1).await, "address-failures", says);
    one.send(&format!(r#"{{"type":"auth","token":"{TOKEN}"}}"#))
        .await;
    one.expect("authorised").await;
    // And the other way round: what another address has guessed by requests counts on its stream.
    assert_eq!(guess(2).await.status, 401, "another address is another");
    let mut two = server
        .upgrade_on(server.connect_from(2).await, "", BEARER)
        .await
        .unwrap();
    two.expect("subscribed").await;
    assert_eq!(guess(2).await.status, 429);
    two.send(GUESS).await;
    let over = two.expect("error").await;
    assert_eq!(over.get_str("code"), Some("rate_limited"));
}

const GUESS: &str = r#"{"type":"auth","token":"guess","ref":"g"}"#;

/// Guesses tokens on a stream until that is over a limit; before, each is answered as any wrong token is.
async fn guess_until_limited(client: &mut Client) -> OwnedValue {
    for number in 0..TRIES {
        client.send(GUESS).await;
        let error = client.expect("error").await;
        if error.get_str("code") == Some("rate_limited") {
            assert_ne!(number, 0, "the first is within the limit");
            return error;
        }
        assert_eq!(error.get_str("code"), Some("unauthorised"));
    }
    panic!("{TRIES} guesses were answered");
}

#[tokio::test]
async fn a_page_is_told_in_the_websocket_and_others_before_it() {
    let server = limited(&["principal-connects=1"]).await;
    let mut first = server.subscribe("").await;
    first.expect("subscribed").await;
    let Err(refused) = server.upgrade("", BEARER).await else {
        panic!("one a minute")
    };
    assert_limited(
        &refused,
        "principal-connects",
        "over the limit principal-connects of 1 per minute",
    );
    let origin = format!("{BEARER}Origin: https://allowed.example\r\n");
    let mut page = server.upgrade("", &origin).await.unwrap();
    let close = page.closed().await.unwrap();
    assert_eq!(close.code, CloseCode::RATE_LIMITED);
    let says = "over the limit principal-connects of 1 per minute; try again in ";
    assert!(close.reason.starts_with(says), "{}", close.reason);
}

#[tokio::test]
async fn a_principal_has_so_many_streams_until_one_ends() {
    let server = limited(&["principal-streams=1"]).await;
    let mut first = server.subscribe("").await;
    first.expect("subscribed").await;
    let Err(refused) = server.upgrade("", BEARER).await else {
        panic!("one at once")
    };
    assert_limited(
        &refused,
        "principal-streams",
        "over the limit principal-streams of 1 at once",
    );
    assert_eq!(
        refused.header("ratelimit-policy"),
        Some("\"principal-streams\";q=1")
    );
    drop(first);
    within(async { while server.upgrade("", BEARER).await.is_err() {} }).await;
}

#[tokio::test]
async fn a_replay_counts_for_as_long_as_it_is_sent() {
    let server = limited(&["principal-replays=1"]).await;
    for _ in 0..20 {
        let filler = "x".repeat(200 << 10);
        server
            .emit(&format!(r#"{{"kind":"a","data":{{"filler":"{filler}"}}}}"#))
            .await;
    }
    let mut unread = server.connect().await;
    let request = format!("POST /api/event-bus/replay HTTP/1.1\r\nHost: it\r\n{BEARER}\r\n");
    unread.write_all(request.as_bytes()).await.unwrap();
    let mut begun = [0; 12];
    within(unread.read_exact(&mut begun)).await.unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200");
    let replay = async || {
        server
            .request("POST", "/api/event-bus/replay", "", "")
            .await
    };
    let refused = replay().await;
    assert_limited(
        &refused,
        "principal-replays",
        "over the limit principal-replays of 1 at once",
    );
    drop(unread);
    within(async { while replay().await.status != 200 {} }).await;
}

#[tokio::test]
async fn connections_of_an_address_are_limited_before_they_say_anything() {
    let server = limited(&["address-connections=2"]).await;
    let held = [server.connect_from(2).await, server.connect_from(2).await];
    let mut third = server.connect_from(2).await;
    let mut answer = String::new();
    within(third.read_to_string(&mut answer)).await.unwrap();
    let answer = Answer::parse(&answer);
    assert_eq!(answer.status, 429);
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    let other = ask(server.connect_from(3).await, "GET /livez", "", "").await;
    assert_eq!(other.status, 200);
    let refused = server.get("/metrics").await.body;
    let counted = "todoki_connections_refused_total{limit=\"address_connections\"} 1";
    assert!(refused.contains(counted), "{refused}");
    drop(held);
}

#[tokio::test]
async fn a_bad_limit_is_refused_with_what_is_wrong_and_help_lists_them() {
    let run = async |arguments: &[&str], limits: &str| {
        let mut command = todoki();
        command.args(arguments).env("TODOKI_LIMITS", limits);
        let output = within(command.output()).await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    for (limit, says) in [
        (
            "address-emit=5",
            "no limit is called \"address-emit\"; there are handshakes",
        ),
        (
            "address-emits=many",
            "address-emits must be a whole number from 1",
        ),
        ("address-emits", "is not NAME=VALUE"),
    ] {
        let (code, text) = run(&["serve", "--limit", limit], "accepts=1").await;
        assert_eq!(code, Some(64), "{text}");
        assert!(text.contains(says), "{text}");
        let (code, text) = run(&["serve"], &format!("accepts=1,{limit}")).await;
        assert_eq!(code, Some(64), "{text}");
        assert!(text.contains(says), "{text}");
    }
    let (code, help) = run(&["serve", "--help"], "accepts=1").await;
    assert_eq!(code, Some(0));
    assert!(help.contains("address-failures: 20 per minute"), "{help}");
}

#[tokio::test]
async fn the_server_is_as_it_was_for_those_who_meet_no_limit() {
    let server = TestServer::start().await;
    let draft = r#"{"kind":"a","data":{}}"#;
    for _ in 0..200 {
        assert_eq!(server.post("/api/event-bus/emit", draft).await.status, 200);
    }
    for _ in 0..30 {
        let wrong = format!("Authorization: Bearer not-{TOKEN}\r\n");
        let stream = server.connect().await;
        let answer = ask(stream, "GET /api/event-bus/latest", &wrong, "").await;
        assert_eq!(answer.status, 401, "loopback says nothing about who it is");
    }
}
