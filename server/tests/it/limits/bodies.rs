//! Bodies of emits: what they hold together has a bound, nobody can keep it full for the others, and small ones pass.

use todoki::limit::setting;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{BEARER, ask, assert_limited, limited, limited_with_auth};
use crate::harness::{Answer, TOKEN, TestServer, auth_entry, within};

const EMIT: &str = "POST /api/event-bus/emit";

const JSON: &str = "Content-Type: application/json\r\n";

/// The largest body that there is.
const BODY_BYTES: usize = 1 << 20;

/// So much of a body is counted.
const COUNTED_BYTES: usize = 8 << 10;

const SMALL: &str = r#"{"kind":"a","data":{}}"#;

/// Of all bodies room for one of the largest, and no limits of anybody's own.
const ROOM_FOR_ONE: [&str; 3] = [
    "bodies-kib=1024",
    "address-bodies-kib=0",
    "principal-bodies-kib=0",
];

/// A body that is counted, which emits one event.
fn counted() -> String {
    format!(
        r#"{{"kind":"a","data":{{"filler":"{}"}}}}"#,
        "x".repeat(COUNTED_BYTES)
    )
}

/// A body that holds all that one may.
fn largest() -> String {
    let mut body = format!("[{}]", [counted().as_str(); 100].join(","));
    body.push_str(&" ".repeat(BODY_BYTES - body.len()));
    body
}

/// Begins an emit of the largest body and sends so much of it.
async fn begin(mut stream: TcpStream, bytes: usize) -> TcpStream {
    let head = format!(
        "{EMIT} HTTP/1.1\r\nHost: it\r\n{BEARER}{JSON}Content-Length: {BODY_BYTES}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    within(stream.write_all(&vec![b' '; bytes])).await.unwrap();
    stream
}

/// The same, of all but the last byte.
async fn withhold_the_last_byte(stream: TcpStream) -> TcpStream {
    begin(stream, BODY_BYTES - 1).await
}

/// The answer to whoever waits for one that ends the connection.
async fn answer(mut stream: TcpStream) -> Answer {
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    Answer::parse(&answer)
}

async fn emit_from(server: &TestServer, host: u8, body: &str) -> Answer {
    let headers = format!("{BEARER}{JSON}");
    ask(server.connect_from(host).await, EMIT, &headers, body).await
}

async fn emit_as(server: &TestServer, token: &str, body: &str) -> Answer {
    let target = "/api/event-bus/emit";
    server.request_as(token, "POST", target, JSON, body).await
}

/// Somebody who holds the largest body that never ends, and what others are answered from then on.
async fn hold(
    mut connect: impl AsyncFnMut() -> TcpStream,
    mut emit: impl AsyncFnMut() -> Answer,
) -> (TcpStream, Answer) {
    let held = async {
        loop {
            let held = withhold_the_last_byte(connect().await).await;
            // One that met an emit of ours on its way was refused, and begins anew.
            while held.try_read(&mut [0]).is_err() {
                let answer = emit().await;
                if answer.status != 200 {
                    return (held, answer);
                }
            }
        }
    };
    within(held).await
}

fn assert_busy(answer: &Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (503, "busy"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("connection"), Some("close"));
}

/// All of the room is free: a body that needs all of it is taken.
async fn until_all_is_given_back(server: &TestServer) {
    let largest = largest();
    within(async { while emit_as(server, TOKEN, &largest).await.status != 200 {} }).await;
}

#[tokio::test]
async fn bodies_that_never_end_fill_a_bounded_room_and_small_ones_pass_beside_them() {
    let settings = ROOM_FOR_ONE.map(|text| setting(text).unwrap()).to_vec();
    let server = TestServer::start_with(|config| config.limit = settings).await;
    let counted = counted();
    let emit = async || emit_as(&server, TOKEN, &counted).await;
    let (held, refused) = hold(async || server.connect().await, emit).await;
    assert_busy(&refused);
    for _ in 0..16 {
        let late = begin(server.connect().await, COUNTED_BYTES).await;
        assert_busy(&answer(late).await);
        let small = emit_as(&server, TOKEN, SMALL).await;
        assert_eq!(small.status, 200, "{}", small.body);
    }
    drop(held);
    until_all_is_given_back(&server).await;
}

#[tokio::test]
async fn a_body_that_is_refused_or_stored_holds_nothing_any_more() {
    let settings = ROOM_FOR_ONE.map(|text| setting(text).unwrap()).to_vec();
    let server = TestServer::start_with(|config| config.limit = settings).await;
    let good = largest();
    let broken = good.replace(r#""kind""#, r#""knid""#);
    for _ in 0..3 {
        assert_eq!(emit_as(&server, TOKEN, &good).await.status, 200);
        assert_eq!(emit_as(&server, TOKEN, &broken).await.status, 400);
    }
    let pieces = good.as_bytes().chunks(10_000).map(|piece| {
        let text = str::from_utf8(piece).unwrap();
        format!("{:x}\r\n{text}\r\n", piece.len())
    });
    let chunked = format!(
        "{EMIT} HTTP/1.1\r\nHost: it\r\n{BEARER}{JSON}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        pieces.collect::<String>()
    );
    for _ in 0..3 {
        let stored = Answer::parse(&server.raw(&chunked).await);
        assert_eq!(stored.status, 200, "{}", stored.body);
    }
}

#[tokio::test]
async fn an_address_that_withholds_its_bodies_leaves_room_to_others() {
    let server = limited(&[
        "bodies-kib=2048",
        "address-bodies-kib=1024",
        "principal-bodies-kib=0",
    ])
    .await;
    let counted = counted();
    let emit = async || emit_from(&server, 2, &counted).await;
    let (held, over) = hold(async || server.connect_from(2).await, emit).await;
    let says = "over the limit address-bodies-kib of 1024 at once";
    assert_limited(&over, "address-bodies-kib", says);
    assert_eq!(over.header("connection"), Some("close"));
    let policy = over.header("ratelimit-policy");
    assert_eq!(policy, Some("\"address-bodies-kib\";q=1024"));
    let late = begin(server.connect_from(2).await, COUNTED_BYTES).await;
    assert_limited(&answer(late).await, "address-bodies-kib", says);
    assert_eq!(emit_from(&server, 2, SMALL).await.status, 200);
    assert_eq!(emit_from(&server, 3, &largest()).await.status, 200);
    drop(held);
    within(async { while emit_from(&server, 2, &largest()).await.status != 200 {} }).await;
}

#[tokio::test]
async fn a_principal_that_withholds_its_bodies_leaves_room_to_others() {
    let auth = auth_entry("other", "other", r#"grants = [{ actions = ["emit"] }]"#);
    let settings = ["bodies-kib=2048", "principal-bodies-kib=1024"];
    let server = limited_with_auth(&settings, &auth).await;
    let counted = counted();
    let emit = async || emit_as(&server, TOKEN, &counted).await;
    let (held, over) = hold(async || server.connect().await, emit).await;
    let says = "over the limit principal-bodies-kib of 1024 at once";
    assert_limited(&over, "principal-bodies-kib", says);
    assert_eq!(emit_as(&server, TOKEN, SMALL).await.status, 200);
    assert_eq!(emit_as(&server, "other", &largest()).await.status, 200);
    drop(held);
    until_all_is_given_back(&server).await;
}

/// A head that promises the largest body, on a connection of its own; the server says when it begins to read that.
async fn promise(server: &TestServer, token: &str) -> TcpStream {
    let mut stream = server.connect().await;
    let head = format!(
        "{EMIT} HTTP/1.1\r\nHost: it\r\nAuthorization: Bearer {token}\r\n{JSON}Expect: 100-continue\r\n\
         Content-Length: {BODY_BYTES}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn whoever_promises_much_and_sends_little_holds_nothing() {
    let settings = ROOM_FOR_ONE.map(|text| setting(text).unwrap()).to_vec();
    let server = TestServer::start_with(|config| config.limit = settings).await;
    let mut promising = Vec::new();
    for _ in 0..32 {
        let mut stream = promise(&server, TOKEN).await;
        let mut going_on = [0; 12];
        within(stream.read_exact(&mut going_on)).await.unwrap();
        assert_eq!(&going_on, b"HTTP/1.1 100");
        stream.write_all(&[b' '; 4 << 10]).await.unwrap();
        promising.push(stream);
    }
    assert_eq!(emit_as(&server, TOKEN, &largest()).await.status, 200);
}

#[tokio::test]
async fn a_body_is_not_read_before_its_token_counts() {
    let server = TestServer::start().await;
    let mut stream = promise(&server, "wrong").await;
    let mut status = [0; 12];
    within(stream.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 401", "and no 100 before it");
}
