//! Who asks, and what a request carries to prove it.

use super::row::{Request, Row, Subject, row};
use crate::harness::TOKEN;

pub(super) fn subjects() -> Vec<Subject> {
    vec![
        Subject {
            title: "Tokens",
            rows: [missing(), carried()].into_iter().flatten().collect(),
        },
        Subject {
            title: "Pages of other origins, over HTTP",
            rows: pages(),
        },
    ]
}

const REFUSED: &str = "401 unauthorised";
const BEARER: &str = "RFC 6750 §2.1";

fn missing() -> Vec<Row> {
    let protected = [
        ("GET", "/api/event-bus"),
        ("GET", "/api/event-bus/latest"),
        ("GET", "/api/event-bus/seek"),
        ("GET", "/api/event-bus/histogram"),
        ("GET", "/api/event-bus/facets"),
        ("GET", "/metrics"),
        ("POST", "/api/event-bus/emit"),
        ("POST", "/api/event-bus/replay"),
    ];
    let mut rows: Vec<_> = protected
        .into_iter()
        .map(|(method, path)| {
            let request = Request::new(method, path).without_token();
            row(
                format!("no token for {method} {path}"),
                request,
                REFUSED,
                "Authorization: Bearer",
                "RFC 9110 §15.5.2",
            )
        })
        .collect();
    rows.extend(["/health", "/livez", "/readyz"].map(|path| {
        let request = Request::get(path).without_token();
        row(
            format!("no token for {path}"),
            request,
            "200",
            "",
            "probes need none",
        )
    }));
    rows.extend(["/events", "/assets/index-1a2b.js"].map(|path| {
        let request = Request::get(path).without_token();
        row(
            format!("no token for {path}"),
            request,
            "200",
            "",
            "the page holds no data",
        )
    }));
    rows.push(row(
        "no token and a bad parameter",
        Request::get("/api/event-bus?nonsense=1").without_token(),
        REFUSED,
        "",
        "who may not ask learns nothing of the question",
    ));
    rows
}

fn carried() -> Vec<Row> {
    let latest = |headers: &[String]| {
        let bare = Request::get("/api/event-bus/latest").without_token();
        headers.iter().fold(bare, |request, line| {
            request.header(format!("Authorization: {line}"))
        })
    };
    let one = |value: &str| latest(&[value.replace("TOKEN", TOKEN)]);
    let right = format!("Bearer {TOKEN}");
    let queried = |query: &str, headers: &[String]| {
        let target = format!("/api/event-bus/latest?{}", query.replace("TOKEN", TOKEN));
        let bare = Request::get(&target).without_token();
        headers.iter().fold(bare, |request, line| {
            request.header(format!("Authorization: {line}"))
        })
    };
    let wrong = "Bearer wrong".to_owned();
    let single = "a request carries one token";
    vec![
        row("a wrong token", one("Bearer wrong"), REFUSED, "", BEARER),
        row(
            "the token in other letters",
            latest(&[right.to_uppercase()]),
            REFUSED,
            "",
            "tokens have case",
        ),
        row(
            "the token and more",
            one("Bearer TOKENx"),
            REFUSED,
            "",
            BEARER,
        ),
        row(
            "the token of another scheme",
            one("Basic TOKEN"),
            REFUSED,
            "",
            BEARER,
        ),
        row(
            "the scheme in lowercase",
            one("bearer TOKEN"),
            "200",
            "",
            "RFC 9110 §11.1: schemes have no case",
        ),
        row(
            "the token without a scheme",
            one("TOKEN"),
            REFUSED,
            "",
            BEARER,
        ),
        row(
            "a scheme without a token",
            one("Bearer"),
            REFUSED,
            "",
            BEARER,
        ),
        row("a scheme and a space", one("Bearer "), REFUSED, "", BEARER),
        row(
            "a token outside ASCII",
            one("Bearer \u{e9}"),
            REFUSED,
            "",
            BEARER,
        ),
        row(
            "two tokens, the right one first",
            latest(&[right.clone(), wrong.clone()]),
            REFUSED,
            "",
            single,
        ),
        row(
            "two tokens, the right one last",
            latest(&[wrong.clone(), right.clone()]),
            REFUSED,
            "",
            single,
        ),
        row(
            "the right token twice",
            latest(&[right.clone(), right.clone()]),
            REFUSED,
            "",
            single,
        ),
        row(
            "two tokens beside a right one in the query",
            queried("token=TOKEN", &[wrong.clone(), wrong.clone()]),
            REFUSED,
            "",
            single,
        ),
        row(
            "the token in the query",
            queried("token=TOKEN", &[]),
            "200",
            "",
            "for clients that cannot send headers",
        ),
        row(
            "a wrong token in the query",
            queried("token=wrong", &[]),
            REFUSED,
            "",
            BEARER,
        ),
        row(
            "an empty token in the query",
            queried("token=", &[]),
            REFUSED,
            "",
            BEARER,
        ),
        row(
            "a token in the query, badly encoded",
            queried("token=%zz", &[]),
            REFUSED,
            "",
            "RFC 3986 §2.1",
        ),
        row(
            "two tokens in the query, the wrong one first",
            queried("token=wrong&token=TOKEN", &[]),
            REFUSED,
            "",
            single,
        ),
        row(
            "two tokens in the query, the right one first",
            queried("token=TOKEN&token=wrong", &[]),
            "400 invalid_parameter",
            "token is given more than once",
            single,
        ),
        row(
            "a wrong token beside a right one in the query",
            queried("token=TOKEN", &[wrong]),
            REFUSED,
            "",
            single,
        ),
    ]
}

fn pages() -> Vec<Row> {
    let why = "Fetch §3.3: the browser keeps what is not said to be for the page";
    let read = "pages of https://allowed.example may read this";
    let latest = |lines: &[&str]| Request::get("/api/event-bus/latest").headers(lines);
    let preflight = |path: &str, lines: &[&str]| {
        Request::new("OPTIONS", path)
            .without_token()
            .header("Access-Control-Request-Method: GET")
            .headers(lines)
    };
    let (page, allowed) = ("/api/event-bus", "Origin: https://allowed.example");
    let foreign = "Origin: https://evil.example";
    vec![
        row("an allowed page", latest(&[allowed]), "200", read, why),
        row(
            "a page of our own host",
            latest(&["Origin: http://it"]),
            "200",
            "pages of http://it may read this",
            why,
        ),
        row("a foreign page", latest(&[foreign]), "200", "", why),
        row(
            "a page without an origin",
            latest(&["Origin: null"]),
            "200",
            "",
            why,
        ),
        row(
            "two pages at once",
            latest(&[allowed, foreign]),
            "200",
            "",
            why,
        ),
        row(
            "an allowed page without the token",
            latest(&[allowed]).without_token(),
            REFUSED,
            "Authorization: Bearer",
            "an origin is no token",
        ),
        row(
            "a preflight of an allowed page",
            preflight(page, &[allowed]),
            "204",
            read,
            "Fetch §4.8: it carries no token",
        ),
        row(
            "a preflight of a foreign page",
            preflight(page, &[foreign]),
            "204",
            "",
            why,
        ),
        row(
            "a preflight of nobody",
            preflight(page, &[]),
            "204",
            "",
            why,
        ),
        row(
            "a preflight for what is not there",
            preflight("/api/nothing", &[allowed]),
            "404 not_found",
            "no such path",
            why,
        ),
        row(
            "a preflight for what is no page's",
            preflight("/metrics", &[allowed]),
            "204",
            "",
            "our rule: the API alone",
        ),
    ]
}
