//! Requests: their first line, their headers, the framing of their bodies, and one connection for several.

use super::row::{Input, Request, Row, Subject, emit_request, row};
use crate::harness::TOKEN;

pub(super) fn subjects() -> Vec<Subject> {
    [
        ("Request lines", request_lines()),
        ("Targets", targets()),
        ("Methods", methods()),
        ("Headers", headers()),
        ("Host", hosts()),
        ("Lengths of bodies", lengths()),
        ("Chunks", chunks()),
        ("Several requests, and half a connection", sequences()),
    ]
    .into_iter()
    .map(|(title, rows)| Subject { title, rows })
    .collect()
}

const LINE: &str = "RFC 9112 §3";
const TARGET: &str = "RFC 9112 §3.2";

fn lined(line: &str) -> String {
    format!("{line}\r\nHost: it\r\nConnection: close\r\n\r\n")
}

fn request_lines() -> Vec<Row> {
    let refused = [
        ("without a version", "GET /health", LINE),
        ("without a method", " /health HTTP/1.1", LINE),
        (
            "two spaces before the version",
            "GET /health  HTTP/1.1",
            LINE,
        ),
        ("a tab for a space", "GET\t/health HTTP/1.1", LINE),
        (
            "a method with a control character",
            "G\x01ET /health HTTP/1.1",
            "RFC 9110 §5.6.2",
        ),
        (
            "a version in lowercase",
            "GET /health http/1.1",
            "RFC 9112 §2.3",
        ),
        ("HTTP/0.9", "GET /health HTTP/0.9", "RFC 9112 §2.3"),
        (
            "HTTP/1.2",
            "GET /health HTTP/1.2",
            "only 1.0 and 1.1 are spoken",
        ),
        (
            "HTTP/3.0",
            "GET /health HTTP/3.0",
            "only 1.0 and 1.1 are spoken",
        ),
        (
            "a TLS greeting",
            "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03",
            LINE,
        ),
        ("a line of noise", "\\x00\\x01 hello? ^^", LINE),
        ("a status line", "HTTP/1.1 200 OK", LINE),
    ];
    let mut rows: Vec<_> = refused
        .into_iter()
        .map(|(name, line, why)| row(name, lined(line), "400", "", why))
        .collect();
    rows.extend([
        row(
            "the preface of HTTP/2",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "closed",
            "",
            "only 1.0 and 1.1 are spoken",
        ),
        row(
            "HTTP/1.0",
            lined("GET /health HTTP/1.0"),
            "200",
            "",
            "RFC 9112 §2.3",
        ),
        row(
            "an empty line first",
            lined("\r\nGET /health HTTP/1.1"),
            "200",
            "",
            "RFC 9112 §2.2",
        ),
        row(
            "bare line feeds",
            "GET /health HTTP/1.1\nHost: it\nConnection: close\n\n",
            "200",
            "",
            "RFC 9112 §2.2",
        ),
        row(
            "a method in lowercase",
            lined("get /health HTTP/1.1"),
            "405 method_not_allowed",
            "GET, HEAD",
            "RFC 9110 §9.1",
        ),
        row(
            "a method that nobody knows",
            lined("BREW /health HTTP/1.1"),
            "405 method_not_allowed",
            "GET, HEAD",
            "RFC 9110 §9.1",
        ),
    ]);
    rows
}

fn targets() -> Vec<Row> {
    let malformed = "400 malformed_request";
    let long = |bytes: usize| lined(&format!("GET /{} HTTP/1.1", "x".repeat(bytes - 1)));
    let mut rows = vec![
        row(
            "* with GET",
            lined("GET * HTTP/1.1"),
            malformed,
            "OPTIONS alone",
            "RFC 9112 §3.2.4",
        ),
        row(
            "* with OPTIONS",
            lined("OPTIONS * HTTP/1.1"),
            "204",
            "",
            "RFC 9112 §3.2.4",
        ),
        row(
            "CONNECT",
            lined("CONNECT it:80 HTTP/1.1"),
            "405 method_not_allowed",
            "GET",
            "this is no proxy",
        ),
        row(
            "an authority with GET",
            lined("GET it:80 HTTP/1.1"),
            malformed,
            "must be a path",
            TARGET,
        ),
        row(
            "a whole URL",
            lined("GET http://it/health HTTP/1.1"),
            "200",
            "",
            "RFC 9112 §3.2.2",
        ),
        row(
            "a URL of another scheme",
            lined("GET ftp://it/health HTTP/1.1"),
            malformed,
            "http alone",
            "RFC 9110 §7.4",
        ),
        row(
            "a path without its slash",
            lined("GET health HTTP/1.1"),
            malformed,
            "must be a path",
            TARGET,
        ),
        row(
            "letters outside ASCII",
            lined("GET /h\u{e9}alth HTTP/1.1"),
            malformed,
            "visible ASCII",
            "RFC 3986 §2",
        ),
        row(
            "a query outside ASCII",
            lined("GET /api/event-bus?kinds=\u{e9} HTTP/1.1"),
            malformed,
            "visible ASCII",
            "RFC 3986 §2",
        ),
        row(
            "a space inside",
            lined("GET /he alth HTTP/1.1"),
            "400",
            "",
            LINE,
        ),
        row(
            "a control character inside",
            lined("GET /he\x01alth HTTP/1.1"),
            "400",
            "",
            "RFC 3986 §2",
        ),
        row(
            "the root",
            lined("GET / HTTP/1.1"),
            "307",
            "",
            "the page is all there is to look at",
        ),
        row(
            "anything below the page",
            lined("GET /events/..%2f..%2fetc/passwd?x HTTP/1.1"),
            "200",
            "",
            "the page reads its own URL, and no file has to do with it",
        ),
        row(
            "a target of 12288 bytes",
            long(12_288),
            "404 not_found",
            "",
            "within the limit",
        ),
        row(
            "a target of 12289 bytes",
            long(12_289),
            "414 target_too_long",
            "12288",
            "RFC 9110 §15.5.15",
        ),
    ];
    let unknown = [
        ("an unknown path", "/nothing"),
        ("a path with a slash too many at its end", "/health/"),
        ("a path with a slash too many at its start", "//health"),
        ("a path in capitals", "/HEALTH"),
        ("a path that climbs", "/api/../health"),
        ("an escaped path", "/%68ealth"),
        ("a path with NUL escaped", "/health%00"),
        ("a file that is not of the app", "/assets/gone.js"),
        ("the directory of the app's files", "/assets/"),
        ("a climb out of the app's files", "/assets/../../etc/passwd"),
        ("an escaped climb", "/assets/%2e%2e/%2e%2e/etc/passwd"),
        ("a compressed form by its name", "/assets/index-1a2b.js.br"),
        ("the name of the page, and more", "/eventsx"),
    ];
    let reason = "paths are compared byte by byte";
    rows.extend(unknown.map(|(name, path)| {
        row(
            name,
            Request::get(path),
            "404 not_found",
            "no such path",
            reason,
        )
    }));
    rows
}

const GETTERS: [&str; 11] = [
    "/events",
    "/assets/index-1a2b.js",
    "/api/event-bus",
    "/api/event-bus/latest",
    "/api/event-bus/seek?time=2026-01-01T00:00:00Z",
    "/api/event-bus/histogram?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z",
    "/api/event-bus/facets",
    "/health",
    "/livez",
    "/readyz",
    METRICS,
];
const METRICS: &str = "/metrics";
const POSTERS: [&str; 2] = ["/api/event-bus/emit", "/api/event-bus/replay"];
const SOCKET: &str = "/ws/event-bus";

fn methods() -> Vec<Row> {
    let why = "RFC 9110 §15.5.6";
    let wrong = |path: &str, methods: &[&str], allow| {
        let row = |method: &&str| {
            let request = Request::new(method, path).without_token();
            row(
                format!("{method} {path}"),
                request,
                "405 method_not_allowed",
                allow,
                why,
            )
        };
        methods.iter().map(row).collect::<Vec<_>>()
    };
    let mut rows = Vec::new();
    for path in GETTERS {
        rows.extend(wrong(
            path,
            &["POST", "PUT", "DELETE", "PATCH", "TRACE"],
            "GET, HEAD, OPTIONS",
        ));
        let head = Request::new("HEAD", path);
        rows.push(row(
            format!("HEAD {path}"),
            head,
            "200",
            "",
            "RFC 9110 §9.3.2",
        ));
    }
    for path in POSTERS {
        rows.extend(wrong(path, &["GET", "PUT", "DELETE"], "OPTIONS, POST"));
        let head = Request::new("HEAD", path);
        rows.push(row(format!("HEAD {path}"), head, "405", "", why));
    }
    rows.extend(wrong(SOCKET, &["POST", "PUT"], "GET, OPTIONS"));
    for path in GETTERS.into_iter().chain(POSTERS).chain([SOCKET]) {
        let options = Request::new("OPTIONS", path).without_token();
        rows.push(row(
            format!("OPTIONS {path}"),
            options,
            "204",
            "",
            "RFC 9110 §9.3.7",
        ));
    }
    rows
}

fn headers() -> Vec<Row> {
    let field = "RFC 9112 §5";
    let health = |line: &str| Request::get("/health").header(line);
    let many = |count| {
        (0..count).fold(Request::get("/health"), |request, n| {
            request.header(format!("X-{n}: y"))
        })
    };
    let refused = [
        ("a space before the colon", "X : y", "RFC 9112 §5.1"),
        ("a header without a colon", "nonsense", field),
        ("a header without a name", ": y", field),
        ("a space in a name", "X Y: z", field),
        ("a name outside ASCII", "\u{e9}: y", field),
        ("a folded header", "X: y\r\n folded", "RFC 9112 §5.2"),
        ("NUL in a value", "X: a\0b", "RFC 9110 §5.5"),
        ("a bare CR in a value", "X: a\rb", "RFC 9112 §2.2"),
    ];
    let mut rows: Vec<_> = refused
        .into_iter()
        .map(|(name, line, why)| row(name, health(line), "400", "", why))
        .collect();
    rows.extend([
        row(
            "a value outside ASCII",
            health("X: \u{e9}"),
            "200",
            "",
            "RFC 9110 §5.5",
        ),
        row("64 headers", many(61), "200", "", "within the limit"),
        row("65 headers", many(62), "431", "", "RFC 6585 §5"),
        row(
            "a head over 16 KiB",
            health(&format!("X: {}", "y".repeat(16 << 10))),
            "431",
            "",
            "RFC 6585 §5",
        ),
        row(
            "a head over 16 KiB without an end",
            format!("GET /health HTTP/1.1\r\nX: {}", "y".repeat(17 << 10)),
            "431",
            "",
            "RFC 6585 §5",
        ),
        row(
            "Expect: nonsense",
            emit_request().header("Expect: nonsense").body("{"),
            "417 expectation_failed",
            "100-continue",
            "RFC 9110 §10.1.1",
        ),
        row(
            "Expect: 100-continue",
            emit_request().header("Expect: 100-continue").body("{"),
            "100, 400 invalid_json",
            "",
            "RFC 9110 §10.1.1",
        ),
        row(
            "Expect: 100-continue before a body that is refused",
            emit_request()
                .header("Expect: 100-continue")
                .header("Content-Length: 1048577"),
            "413 body_too_large",
            "1048576",
            "RFC 9110 §10.1.1",
        ),
        row(
            "an Accept that is no list of types",
            Request::new("POST", "/api/event-bus/replay").header("Accept: ;;,=q/"),
            "200",
            "",
            "RFC 9110 §12.5.1: what is not understood is not preferred",
        ),
        row(
            "an Accept of nothing that there is",
            Request::new("POST", "/api/event-bus/replay").header("Accept: image/png"),
            "200",
            "",
            "RFC 9110 §12.5.1: an answer of another type may still be of use",
        ),
        row(
            "Upgrade: h2c",
            Request::get("/health").header("Upgrade: h2c"),
            "200",
            "",
            "RFC 9110 §7.8: an upgrade that is not spoken is ignored",
        ),
    ]);
    rows
}

fn hosts() -> Vec<Row> {
    let why = "RFC 9112 §3.2";
    let health = || Request::get("/health").without_host();
    let answer = "400 malformed_request";
    let mut rows = vec![
        row("no Host", health(), answer, "exactly one Host", why),
        row(
            "no Host with HTTP/1.0",
            "GET /health HTTP/1.0\r\n\r\n",
            answer,
            "exactly one Host",
            "one rule for both versions",
        ),
        row(
            "no Host with a whole URL",
            Request::get("http://it/health").without_host(),
            answer,
            "exactly one Host",
            why,
        ),
        row(
            "two Hosts",
            health().header("Host: it").header("Host: other"),
            answer,
            "exactly one Host",
            why,
        ),
        row(
            "the same Host twice",
            health().header("Host: it").header("Host: it"),
            answer,
            "exactly one Host",
            why,
        ),
        row(
            "an IPv6 host",
            health().header("Host: [::1]:80"),
            "200",
            "",
            why,
        ),
    ];
    let bad = [
        "", "a b", "a:", "a:x", "a:99999", "user@a", "a/b", "a,b", "[::1", "\u{e9}",
    ];
    rows.extend(bad.map(|host| {
        let request = health().header(format!("Host: {host}"));
        row(
            format!("Host: {host:?}"),
            request,
            answer,
            "not a host and port",
            "RFC 9110 §7.2",
        )
    }));
    rows
}

fn lengths() -> Vec<Row> {
    let why = "RFC 9112 §6.3";
    let sent = |lines: &[&str]| emit_request().headers(lines).tail("{garbage");
    let unparsed = [
        ("a length with a sign", "Content-Length: +8"),
        ("a negative length", "Content-Length: -8"),
        ("a list of lengths", "Content-Length: 8, 8"),
        ("an empty length", "Content-Length: "),
        ("a hexadecimal length", "Content-Length: 0x8"),
        ("a length with a fraction", "Content-Length: 8.0"),
        ("two numbers for a length", "Content-Length: 8 8"),
        (
            "a length beyond 64 bits",
            "Content-Length: 18446744073709551616",
        ),
    ];
    let mut rows: Vec<_> = unparsed
        .into_iter()
        .map(|(name, line)| row(name, sent(&[line]), "400", "", why))
        .collect();
    rows.extend([
        row(
            "a length with a leading zero",
            sent(&["Content-Length: 08"]),
            "400 malformed_request",
            "plain decimal",
            why,
        ),
        row(
            "two lengths",
            sent(&["Content-Length: 8", "Content-Length: 7"]),
            "400",
            "",
            why,
        ),
        row(
            "the same length twice",
            sent(&["Content-Length: 8", "Content-Length: 8"]),
            "400 invalid_json",
            "",
            "RFC 9110 §8.6 lets them be one",
        ),
        row(
            "a body over 1 MiB, declared",
            emit_request().header("Content-Length: 1048577"),
            "413 body_too_large",
            "1048576",
            "RFC 9110 §15.5.14",
        ),
        row(
            "a body over 1 MiB, declared and sent",
            emit_request().body(vec![b' '; (1 << 20) + 1]),
            "413 body_too_large",
            "1048576",
            "RFC 9110 §15.5.14",
        ),
        row(
            "a body of a terabyte, declared",
            emit_request().header("Content-Length: 1099511627776"),
            "413 body_too_large",
            "1048576",
            "RFC 9110 §15.5.14",
        ),
        row(
            "a body that is shorter than its length",
            Input::HalfClosed(emit_request().header("Content-Length: 9").tail("{").bytes()),
            "400 body_broken",
            "broke off",
            why,
        ),
    ]);
    rows
}

fn chunked(body: impl Into<Vec<u8>>) -> Request {
    emit_request()
        .header("Transfer-Encoding: chunked")
        .tail(body)
}

/// An emit of no draft, in chunks, and a second request behind it.
fn with_smuggled(headers: &[&str]) -> Vec<u8> {
    let request = emit_request().headers(headers);
    let hidden = format!(
        "GET /api/event-bus HTTP/1.1\r\nHost: it\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    );
    request.tail(format!("0\r\n\r\n{hidden}")).kept_alive()
}

fn chunks() -> Vec<Row> {
    let why = "RFC 9112 §7.1";
    let broken = "400 body_broken";
    let coding = |value: &str| {
        emit_request()
            .header(format!("Transfer-Encoding: {value}"))
            .tail("1\r\n{\r\n0\r\n\r\n")
    };
    let large = [
        b"100001\r\n".to_vec(),
        vec![b' '; (1 << 20) + 1],
        b"\r\n0\r\n\r\n".to_vec(),
    ]
    .concat();
    let smuggling = "RFC 9112 §6.3: chunks count, and the connection ends";
    let (chunks, length) = ("Transfer-Encoding: chunked", "Content-Length: 4");
    vec![
        row(
            "chunks of good form",
            chunked("1\r\n{\r\n0\r\n\r\n"),
            "400 invalid_json",
            "",
            why,
        ),
        row(
            "a chunk extension and a trailer",
            chunked("1;x=y\r\n{\r\n0\r\nX: y\r\n\r\n"),
            "400 invalid_json",
            "",
            "RFC 9112 §7.1.1 and §7.1.2",
        ),
        row(
            "a chunk size that is no number",
            chunked("zz\r\n{\r\n0\r\n\r\n"),
            broken,
            "",
            why,
        ),
        row(
            "a chunk size with a sign",
            chunked("+1\r\n{\r\n0\r\n\r\n"),
            broken,
            "",
            why,
        ),
        row(
            "a chunk size in C's hexadecimal",
            chunked("0x1\r\n{\r\n0\r\n\r\n"),
            broken,
            "",
            why,
        ),
        row(
            "a chunk size beyond 64 bits",
            chunked("10000000000000001\r\n{\r\n0\r\n\r\n"),
            broken,
            "",
            why,
        ),
        row(
            "an empty chunk size",
            chunked("\r\n{\r\n0\r\n\r\n"),
            broken,
            "",
            why,
        ),
        row(
            "a chunk longer than its size",
            chunked("1\r\n{{\r\n0\r\n\r\n"),
            broken,
            "",
            why,
        ),
        row(
            "a chunk size that ends in a bare line feed",
            chunked("1\n{\r\n0\r\n\r\n"),
            broken,
            "",
            why,
        ),
        row(
            "chunks without an end",
            Input::HalfClosed(chunked("1\r\n{\r\n").bytes()),
            broken,
            "",
            "RFC 9112 §8",
        ),
        row(
            "a body over 1 MiB, in chunks",
            chunked(large),
            "413 body_too_large",
            "1048576",
            "RFC 9110 §15.5.14",
        ),
        row(
            "Transfer-Encoding: gzip, chunked",
            coding("gzip, chunked"),
            "501 transfer_coding",
            "chunked",
            "RFC 9112 §6.1",
        ),
        row(
            "Transfer-Encoding: chunked, chunked",
            coding("chunked, chunked"),
            "501 transfer_coding",
            "chunked",
            "RFC 9112 §6.1",
        ),
        row(
            "Transfer-Encoding: chunked, gzip",
            coding("chunked, gzip"),
            "400",
            "",
            "RFC 9112 §6.3",
        ),
        row(
            "Transfer-Encoding: identity",
            coding("identity"),
            "400",
            "",
            "RFC 9112 §6.3",
        ),
        row(
            "Transfer-Encoding: xchunked",
            coding("xchunked"),
            "400",
            "",
            "RFC 9112 §6.3",
        ),
        row(
            "Transfer-Encoding: CHUNKED",
            coding("CHUNKED"),
            "400 invalid_json",
            "",
            "RFC 9112 §7: codings have no case",
        ),
        row(
            "two Transfer-Encodings",
            emit_request()
                .header(chunks)
                .header(chunks)
                .tail("1\r\n{\r\n0\r\n\r\n"),
            "501 transfer_coding",
            "chunked",
            "RFC 9112 §6.1",
        ),
        row(
            "chunks with HTTP/1.0",
            "POST /api/event-bus/emit HTTP/1.0\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
            "",
            "RFC 9112 §6.1",
        ),
        row(
            "a length, then chunks, then a hidden request",
            with_smuggled(&[length, chunks]),
            "400 empty_batch",
            "",
            smuggling,
        ),
        row(
            "chunks, then a length, then a hidden request",
            with_smuggled(&[chunks, length]),
            "400 empty_batch",
            "",
            smuggling,
        ),
        row(
            "chunks alone, then a second request",
            with_smuggled(&[chunks]),
            "400 empty_batch, 200",
            "",
            "RFC 9112 §9.3",
        ),
    ]
}

fn sequences() -> Vec<Row> {
    let health = || Request::get("/health");
    let alive = |request: Request| request.kept_alive();
    let then = |requests: &[Vec<u8>]| requests.concat();
    let bad_emit = || alive(emit_request().body("{"));
    vec![
        row(
            "three requests at once",
            then(&[
                alive(health()),
                alive(Request::get("/nothing")),
                health().bytes(),
            ]),
            "200, 404 not_found, 200",
            "",
            "RFC 9112 §9.3.2: in order",
        ),
        row(
            "a request behind a refused body",
            then(&[bad_emit(), health().bytes()]),
            "400 invalid_json, 200",
            "",
            "RFC 9112 §9.3",
        ),
        row(
            "a request behind a body that nobody reads",
            then(&[
                alive(emit_request().without_token().body("{}")),
                health().bytes(),
            ]),
            "401 unauthorised, 200",
            "",
            "RFC 9112 §9.3",
        ),
        row(
            "a request behind a malformed one",
            then(&[alive(health().header("Host: two")), health().bytes()]),
            "400 malformed_request",
            "",
            "what follows cannot be trusted",
        ),
        row(
            "a request behind garbage",
            then(&[b"garbage\r\n\r\n".to_vec(), health().bytes()]),
            "400",
            "",
            "what follows cannot be trusted",
        ),
        row(
            "a request behind Connection: close",
            then(&[health().bytes(), health().bytes()]),
            "200",
            "",
            "RFC 9112 §9.6",
        ),
        row(
            "a request, and no more in this direction",
            Input::HalfClosed(alive(health())),
            "200",
            "",
            "RFC 9112 §9.6: a half-closed client is answered",
        ),
        row(
            "half a request line, and no more",
            Input::HalfClosed(b"GET /hea".to_vec()),
            "closed",
            "",
            "RFC 9112 §8",
        ),
        row(
            "half a head, and no more",
            Input::HalfClosed(b"GET /health HTTP/1.1\r\nHost".to_vec()),
            "closed",
            "",
            "RFC 9112 §8",
        ),
        row(
            "nothing at all",
            Input::HalfClosed(Vec::new()),
            "closed",
            "",
            "RFC 9112 §9.5",
        ),
    ]
}
