//! The handshake of a WebSocket.

use super::row::{Request, Row, Subject, row};
use crate::harness::TOKEN;

pub(super) fn subjects() -> Vec<Subject> {
    [
        ("Upgrades", handshakes()),
        ("Keys and versions of an upgrade", keys()),
        ("Origins and tokens of an upgrade", callers()),
    ]
    .into_iter()
    .map(|(title, rows)| Subject { title, rows })
    .collect()
}

const PATH: &str = "/ws/event-bus";
const CONNECTION: &str = "Connection: Upgrade";
const UPGRADE: &str = "Upgrade: websocket";
const VERSION: &str = "Sec-WebSocket-Version: 13";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPTED: &str = "101, subscribed";

/// An upgrade that is right; `Connection` is said once more by the row's end.
pub(super) fn handshake(target: &str) -> Request {
    Request::get(target).headers(&[CONNECTION, UPGRADE, VERSION, KEY])
}

/// An upgrade of exactly these headers.
fn of(lines: &[&str]) -> Request {
    Request::get(PATH).headers(lines)
}

fn handshakes() -> Vec<Row> {
    let (answer, says) = ("426 upgrade_required", "this path speaks WebSocket");
    let why = "RFC 6455 §4.2.1";
    let bare = format!(
        "Host: it\r\nAuthorization: Bearer {TOKEN}\r\n{CONNECTION}\r\n{UPGRADE}\r\n{VERSION}\r\n{KEY}\r\n\r\n"
    );
    vec![
        row(
            "an ordinary request",
            of(&[]),
            answer,
            says,
            "RFC 9110 §15.5.22",
        ),
        row(
            "no Upgrade",
            of(&[CONNECTION, VERSION, KEY]),
            answer,
            says,
            why,
        ),
        row(
            "no upgrade in Connection",
            of(&[UPGRADE, VERSION, KEY]),
            answer,
            says,
            why,
        ),
        row(
            "Connection: keep-alive alone",
            of(&["Connection: keep-alive", UPGRADE, VERSION, KEY]),
            answer,
            says,
            why,
        ),
        row(
            "a word in Connection that only looks like upgrade",
            of(&["Connection: upgraded", UPGRADE, VERSION, KEY]),
            answer,
            says,
            why,
        ),
        row(
            "Upgrade: h2c for a WebSocket",
            of(&[CONNECTION, "Upgrade: h2c", VERSION, KEY]),
            answer,
            says,
            why,
        ),
        row(
            "HTTP/1.0",
            format!("GET {PATH} HTTP/1.0\r\n{bare}"),
            answer,
            says,
            why,
        ),
        row(
            "POST",
            format!("POST {PATH} HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n{bare}"),
            "405 method_not_allowed",
            "GET",
            why,
        ),
        row(
            "HEAD",
            format!("HEAD {PATH} HTTP/1.1\r\nConnection: close\r\n{bare}"),
            "405",
            "",
            why,
        ),
        row(
            "a body",
            handshake(PATH).body("hello"),
            "400 malformed_request",
            "no body",
            "it would be read as frames",
        ),
        row(
            "a body in chunks",
            handshake(PATH)
                .header("Transfer-Encoding: chunked")
                .tail("5\r\nhello\r\n0\r\n\r\n"),
            "400 malformed_request",
            "no body",
            "it would be read as frames",
        ),
        row(
            "a body of no bytes",
            handshake(PATH).header("Content-Length: 0"),
            ACCEPTED,
            "",
            "nothing is in the way",
        ),
        row(
            "Upgrade in capitals",
            of(&["Connection: UPGRADE", "Upgrade: WebSocket", VERSION, KEY]),
            ACCEPTED,
            "",
            "RFC 6455 §4.2.1: these have no case",
        ),
        row(
            "keep-alive beside upgrade",
            of(&["Connection: keep-alive, Upgrade", UPGRADE, VERSION, KEY]),
            ACCEPTED,
            "",
            "browsers send it",
        ),
        row(
            "an extension",
            handshake(PATH)
                .header("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
            ACCEPTED,
            "",
            "RFC 7692 §7.1: messages may then be compressed",
        ),
        row(
            "an extension with a parameter that is not served",
            handshake(PATH)
                .header("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9"),
            ACCEPTED,
            "",
            "RFC 7692 §7.1: an offer may be declined",
        ),
        row(
            "an extension that is malformed",
            handshake(PATH).header("Sec-WebSocket-Extensions: ;;=,"),
            ACCEPTED,
            "",
            "RFC 6455 §9.1: an offer may be left",
        ),
        row(
            "the handshake on another path",
            Request::get("/health").headers(&[UPGRADE, VERSION, KEY]),
            "200",
            "",
            "RFC 9110 §7.8",
        ),
        row(
            "the handshake on an unknown path",
            Request::get("/ws").headers(&[UPGRADE, VERSION, KEY]),
            "404 not_found",
            "",
            "RFC 9110 §15.5.5",
        ),
    ]
}

fn keys() -> Vec<Row> {
    let version = |lines: &[&str]| of(&[CONNECTION, UPGRADE, KEY]).headers(lines);
    let key = |lines: &[&str]| of(&[CONNECTION, UPGRADE, VERSION]).headers(lines);
    let mut rows: Vec<_> = [
        ("no version", &[][..]),
        ("version 8", &["Sec-WebSocket-Version: 8"]),
        ("version 12", &["Sec-WebSocket-Version: 12"]),
        ("version 14", &["Sec-WebSocket-Version: 14"]),
        ("version 013", &["Sec-WebSocket-Version: 013"]),
        ("a list of versions", &["Sec-WebSocket-Version: 13, 8"]),
        (
            "two versions",
            &["Sec-WebSocket-Version: 8", "Sec-WebSocket-Version: 13"],
        ),
        ("version 13 twice", &[VERSION, VERSION]),
    ]
    .into_iter()
    .map(|(name, lines)| {
        row(
            name,
            version(lines),
            "426 websocket_version",
            "must be 13",
            "RFC 6455 §4.4",
        )
    })
    .collect();
    rows.extend(
        [
            ("no key", &[][..]),
            ("an empty key", &["Sec-WebSocket-Key: "]),
            (
                "a key of 15 bytes",
                &["Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1"],
            ),
            (
                "a key of 17 bytes",
                &["Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Njc="],
            ),
            (
                "a key that is not base64",
                &["Sec-WebSocket-Key: dGhl!HNhbXBsZSBub25jZQ=="],
            ),
            (
                "a key without padding",
                &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"],
            ),
            (
                "a key with bits left over",
                &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="],
            ),
            (
                "two keys",
                &[KEY, "Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng=="],
            ),
            ("the same key twice", &[KEY, KEY]),
        ]
        .into_iter()
        .map(|(name, lines)| {
            row(
                name,
                key(lines),
                "400 invalid_header",
                "Sec-WebSocket-Key must be 16 bytes",
                "RFC 6455 §4.2.1",
            )
        }),
    );
    rows
}

fn callers() -> Vec<Row> {
    let origin = |lines: &[&str]| handshake(PATH).headers(lines);
    let stranger = |lines: &[&str]| handshake(PATH).without_token().headers(lines);
    let queried = |query: &str| {
        handshake(&format!("{PATH}?{}", query.replace("TOKEN", TOKEN))).without_token()
    };
    let (foreign, says) = ("403 foreign_origin", "--allow-origin");
    let why = "RFC 6455 §10.2: a foreign page rides on nobody's rights";
    let told = "a browser sees no status, so it is told inside";
    let mut rows: Vec<_> = [
        ("a foreign Origin", &["Origin: https://evil.example"][..]),
        ("Origin: null", &["Origin: null"]),
        ("an empty Origin", &["Origin: "]),
        (
            "an Origin outside ASCII",
            &["Origin: https://\u{e9}.example"],
        ),
        (
            "an Origin that begins like an allowed one",
            &["Origin: https://allowed.example.evil.example"],
        ),
        (
            "an allowed Origin of another scheme",
            &["Origin: http://allowed.example"],
        ),
        (
            "an allowed Origin on another port",
            &["Origin: https://allowed.example:444"],
        ),
        ("our host on another port", &["Origin: http://it:81"]),
        ("our host without a scheme", &["Origin: it"]),
        (
            "two Origins",
            &[
                "Origin: https://allowed.example",
                "Origin: https://evil.example",
            ],
        ),
    ]
    .into_iter()
    .map(|(name, lines)| row(name, origin(lines), foreign, says, why))
    .collect();
    rows.extend([
        row(
            "an allowed Origin",
            origin(&["Origin: https://allowed.example"]),
            ACCEPTED,
            "",
            why,
        ),
        row(
            "our own Origin",
            origin(&["Origin: http://it"]),
            ACCEPTED,
            "",
            why,
        ),
        row(
            "a foreign Origin without a token",
            stranger(&["Origin: https://evil.example"]),
            foreign,
            says,
            why,
        ),
        row(
            "no token",
            stranger(&[]),
            "401 unauthorised",
            "Authorization: Bearer",
            "RFC 9110 §15.5.2",
        ),
        row(
            "a wrong token",
            stranger(&["Authorization: Bearer wrong"]),
            "401 unauthorised",
            "",
            "RFC 6750 §3.1",
        ),
        row(
            "no token from a page",
            stranger(&["Origin: http://it"]),
            "101, close 3000",
            "no token, or a wrong one",
            told,
        ),
        row(
            "no token and a bad parameter from a page",
            handshake("/ws/event-bus?x=1")
                .without_token()
                .headers(&["Origin: http://it"]),
            "101, close 3000",
            "",
            told,
        ),
        row(
            "the token in the query",
            queried("token=TOKEN"),
            ACCEPTED,
            "",
            "for clients that cannot send headers",
        ),
        row(
            "a wrong token in the query",
            queried("token=wrong"),
            "401 unauthorised",
            "",
            "RFC 6750 §2.3",
        ),
    ]);
    rows.extend(subprotocols());
    rows
}

fn subprotocols() -> Vec<Row> {
    let offered = |target: &str, list: &str| {
        handshake(target)
            .without_token()
            .header(format!("Sec-WebSocket-Protocol: {list}"))
    };
    let carrier = "base64url.bearer.authorization.todoki.";
    let right = "aXQtc2VjcmV0LXRva2Vu";
    let why = "our rule: the token in base64url behind the name";
    let refused = "401 unauthorised";
    let queried = format!("{PATH}?token={TOKEN}");
    vec![
        row(
            "the token as a subprotocol",
            offered(PATH, &format!("todoki.v1, {carrier}{right}")),
            ACCEPTED,
            "",
            why,
        ),
        row(
            "a wrong token as a subprotocol",
            offered(PATH, &format!("todoki.v1, {carrier}d3Jvbmc")),
            refused,
            "",
            why,
        ),
        row(
            "a subprotocol's token that is not base64url",
            offered(PATH, &format!("todoki.v1, {carrier}!!!")),
            refused,
            "",
            why,
        ),
        row(
            "a subprotocol's token that is not UTF-8",
            offered(PATH, &format!("todoki.v1, {carrier}_w")),
            refused,
            "",
            why,
        ),
        row(
            "an empty subprotocol's token",
            offered(PATH, &format!("todoki.v1, {carrier}")),
            refused,
            "",
            why,
        ),
        row(
            "two subprotocols' tokens",
            offered(PATH, &format!("{carrier}d3Jvbmc, {carrier}{right}")),
            refused,
            "",
            "a request carries one token",
        ),
        row(
            "a broken subprotocol's token beside a right one in the query",
            offered(&queried, &format!("{carrier}!!!")),
            refused,
            "",
            "a request carries one token",
        ),
        row(
            "a subprotocol that is not ours",
            offered(&queried, "chat"),
            ACCEPTED,
            "",
            "RFC 6455 §4.2.2: none is agreed on",
        ),
    ]
}
