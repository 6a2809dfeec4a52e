//! Pages of other origins: what a browser is told of each answer (CORS).

use crate::harness::{Answer, TOKEN, TestServer};

const ALLOWED: &str = "https://allowed.example";

async fn asked(server: &TestServer, method: &str, path: &str, headers: &str) -> Answer {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n{headers}Content-Length: 0\r\n\r\n"
    );
    Answer::parse(&server.raw(request).await)
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.header(name).unwrap_or_default()
}

#[tokio::test]
async fn a_preflight_from_an_allowed_page_says_what_may_be_sent() {
    let server = TestServer::start().await;
    for (path, method, methods) in [
        ("/api/event-bus", "GET", "GET, HEAD, OPTIONS"),
        ("/api/event-bus/facets", "GET", "GET, HEAD, OPTIONS"),
        ("/api/event-bus/emit", "POST", "OPTIONS, POST"),
    ] {
        let headers = format!(
            "Origin: {ALLOWED}\r\nAccess-Control-Request-Method: {method}\r\n\
             Access-Control-Request-Headers: authorization,content-type\r\n"
        );
        let answer = asked(&server, "OPTIONS", path, &headers).await;
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(header(&answer, "access-control-allow-origin"), ALLOWED);
        assert_eq!(header(&answer, "access-control-allow-methods"), methods);
        assert_eq!(
            header(&answer, "access-control-allow-headers"),
            "Authorization, Content-Type, Idempotency-Key, Last-Event-ID"
        );
        assert_eq!(header(&answer, "access-control-max-age"), "600");
        assert_eq!(header(&answer, "vary"), "Origin");
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test]
async fn a_page_that_is_allowed_reads_every_answer_whatever_it_is() {
    let server = TestServer::start().await;
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    for (method, path, token, status) in [
        ("GET", "/api/event-bus", &*token, 200),
        ("GET", "/api/event-bus/latest", &token, 200),
        ("POST", "/api/event-bus/replay", &token, 200),
        ("GET", "/api/event-bus?limit=0", &token, 400),
        ("GET", "/api/event-bus", "", 401),
        ("GET", "/api/nothing", &token, 404),
        ("DELETE", "/api/event-bus", &token, 405),
        ("POST", "/api/event-bus/emit", &token, 415),
    ] {
        // Spelled as the browser spells it: it compares byte by byte.
        for origin in [ALLOWED, "https://ALLOWED.example", "http://it"] {
            let headers = format!("Origin: {origin}\r\n{token}");
            let answer = asked(&server, method, path, &headers).await;
            assert_eq!(answer.status, status, "{path}");
            assert_eq!(header(&answer, "access-control-allow-origin"), origin);
            assert_eq!(header(&answer, "vary"), "Origin");
            let shown = header(&answer, "access-control-expose-headers");
            assert_eq!(
                shown,
                "Allow, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate"
            );
        }
    }
}

#[tokio::test]
async fn a_page_that_is_not_allowed_is_told_nothing() {
    let server = TestServer::start().await;
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let preflight = "Access-Control-Request-Method: GET\r\n".to_owned();
    for origins in [
        "Origin: https://foreign.example\r\n",
        "Origin: null\r\n",
        "Origin: https://allowed.example.evil.example\r\n",
        "Origin: https://allowed.example:444\r\n",
        "Origin: http://allowed.example\r\n",
        "Origin: https://allowed.example\r\nOrigin: https://foreign.example\r\n",
        "",
    ] {
        for (method, more, status) in [("GET", &token, 200), ("OPTIONS", &preflight, 204)] {
            let headers = format!("{origins}{more}");
            let answer = asked(&server, method, "/api/event-bus", &headers).await;
            assert_eq!(answer.status, status, "{origins}");
            // A cache must not show this answer to a page that is allowed.
            assert_eq!(header(&answer, "vary"), "Origin");
            for name in ["origin", "methods", "headers"] {
                let name = format!("access-control-allow-{name}");
                assert_eq!(answer.header(&name), None, "{origins}");
            }
            assert_eq!(answer.header("access-control-expose-headers"), None);
        }
    }
}

#[tokio::test]
async fn what_is_not_the_api_is_not_for_pages_of_other_origins() {
    let server = TestServer::start().await;
    let headers = format!("Origin: {ALLOWED}\r\nAuthorization: Bearer {TOKEN}\r\n");
    for path in ["/metrics", "/health"] {
        let answer = asked(&server, "GET", path, &headers).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
}
