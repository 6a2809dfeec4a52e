//! The web app over sockets: the page, its files, their forms, and what browsers and caches are told.

use std::io::Read;

use todoki::assets::{Assets, File};

use crate::harness::{Answer, TestServer, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PAGE: &str = "<!doctype html><title>Todoki</title>";
const SCRIPT: &str = "/assets/index-1a2b.js";
const PICTURE: &str = "/assets/empty-3c4d.svg";
const ICON: &str = "/icon.svg";

/// A small app, so that tests do not hang on whether the real one was built. Its compressed forms are words that tell which
/// form it was.
pub(crate) fn app() -> Assets {
    let file = |path, plain: &'static str, brotli, gzip| File {
        path,
        plain: plain.as_bytes(),
        brotli,
        gzip,
    };
    Assets::new(&[
        file(
            "/index.html",
            PAGE,
            Some(b"page in br"),
            Some(b"page in gzip"),
        ),
        file(
            SCRIPT,
            "let it",
            Some(b"script in br"),
            Some(b"script in gzip"),
        ),
        file(PICTURE, "<svg/>", None, None),
        file(ICON, "<svg></svg>", None, Some(b"icon in gzip")),
    ])
}

/// Without the token: none of this needs it.
async fn ask(server: &TestServer, method: &str, target: &str, headers: &str) -> Answer {
    let request =
        format!("{method} {target} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n{headers}\r\n");
    Answer::parse(&server.raw(request).await)
}

async fn get(server: &TestServer, target: &str, headers: &str) -> Answer {
    ask(server, "GET", target, headers).await
}

#[tokio::test]
async fn the_page_is_at_events_and_everything_below() {
    let server = TestServer::start().await;
    let below = [
        "/events",
        "/events/",
        "/events/101",
        "/events/a/b?at=7&q=%2e%2e",
        "/events?token=x",
    ];
    for target in below {
        let page = get(&server, target, "").await;
        assert_eq!((page.status, page.body.as_str()), (200, PAGE), "{target}");
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(page.header("cache-control"), Some("no-cache"), "{target}");
    }
    for target in ["/event", "/eventsx", "/Events", "/events%2f1"] {
        let answer = get(&server, target, "").await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "not_found"),
            "{target}"
        );
    }
}

#[tokio::test]
async fn the_root_leads_to_the_page() {
    let server = TestServer::start().await;
    for method in ["GET", "HEAD"] {
        let answer = ask(&server, method, "/", "").await;
        assert_eq!(answer.status, 307, "{method}");
        assert_eq!(answer.header("location"), Some("/events"), "{method}");
    }
    let answer = ask(&server, "POST", "/", "").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (405, "method_not_allowed")
    );
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
}

#[tokio::test]
async fn hashed_files_are_kept_for_ever_and_others_are_asked_about() {
    let server = TestServer::start().await;
    let script = get(&server, SCRIPT, "").await;
    assert_eq!((script.status, script.body.as_str()), (200, "let it"));
    assert_eq!(
        script.header("content-type"),
        Some("text/javascript; charset=utf-8")
    );
    let kept = Some("public, max-age=31536000, immutable");
    assert_eq!(script.header("cache-control"), kept);
    let picture = get(&server, PICTURE, "").await;
    assert_eq!(picture.header("content-type"), Some("image/svg+xml"));
    assert_eq!(picture.header("cache-control"), kept);
    let icon = get(&server, ICON, "").await;
    assert_eq!(icon.header("cache-control"), Some("no-cache"));
}

#[tokio::test]
async fn the_form_is_the_best_that_the_client_accepts() {
    let server = TestServer::start().await;
    for (accepted, coding, body) in [
        ("gzip, deflate, br, zstd", Some("br"), "script in br"),
        ("br;q=0.1, gzip", Some("gzip"), "script in gzip"),
        ("gzip;q=0, br;q=0", None, "let it"),
        ("deflate", None, "let it"),
        ("gzip\r\nAccept-Encoding: br", Some("br"), "script in br"),
        ("br;q=nonsense", None, "let it"),
    ] {
        let header = format!("Accept-Encoding: {accepted}\r\n");
        let answer = get(&server, SCRIPT, &header).await;
        assert_eq!(answer.header("content-encoding"), coding, "{accepted}");
        assert_eq!(answer.body, body, "{accepted}");
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "{accepted}");
        assert_eq!(
            answer.header("content-length"),
            Some(body.len().to_string().as_str())
        );
    }
    let icon = get(&server, ICON, "Accept-Encoding: br, gzip\r\n").await;
    assert_eq!(icon.body, "icon in gzip", "where there is no better form");
}

#[tokio::test]
async fn a_head_is_answered_like_a_get_without_its_body() {
    let server = TestServer::start().await;
    for target in ["/events/7", SCRIPT] {
        let headers = "Accept-Encoding: br\r\n";
        let (get, head) = (
            ask(&server, "GET", target, headers).await,
            ask(&server, "HEAD", target, headers).await,
        );
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        for name in [
            "content-length",
            "content-type",
            "content-encoding",
            "etag",
            "cache-control",
            "vary",
        ] {
            assert!(head.header(name).is_some(), "{name}");
            assert_eq!(head.header(name), get.header(name), "{target} {name}");
        }
    }
}

#[tokio::test]
async fn a_client_that_has_the_form_is_told_so() {
    let server = TestServer::start().await;
    let etag = async |coding: &str| {
        let answer = get(
            &server,
            "/events",
            &format!("Accept-Encoding: {coding}\r\n"),
        )
        .await;
        answer.header("etag").unwrap().to_owned()
    };
    let (plain, brotli) = (etag("identity").await, etag("br").await);
    assert!(
        plain.starts_with('"') && plain.len() > 20,
        "strong: {plain}"
    );
    assert_ne!(plain, brotli, "a strong tag is of one form");
    let has = async |tags: &str| {
        let headers = format!("Accept-Encoding: br\r\nIf-None-Match: {tags}\r\n");
        get(&server, "/events/5", &headers).await
    };
    for tags in [brotli.clone(), format!("\"x\", W/{brotli}"), "*".into()] {
        let answer = has(&tags).await;
        assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{tags}");
        assert_eq!(answer.header("etag"), Some(brotli.as_str()));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
        assert_eq!(answer.header("content-type"), None);
    }
    for tags in [plain.as_str(), "\"\"", "nonsense", brotli.trim_matches('"')] {
        assert_eq!(has(tags).await.status, 200, "{tags}");
    }
}

#[tokio::test]
async fn a_connection_goes_on_behind_a_304() {
    let server = TestServer::start().await;
    let mut stream = server.connect().await;
    let first = "GET /events HTTP/1.1\r\nHost: it\r\nIf-None-Match: *\r\n\r\n";
    let second = "GET /health HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n";
    stream
        .write_all(format!("{first}{second}").as_bytes())
        .await
        .unwrap();
    let mut answers = String::new();
    within(stream.read_to_string(&mut answers)).await.unwrap();
    let (not_modified, healthy) = answers.split_once("\r\n\r\n").unwrap();
    assert!(not_modified.starts_with("HTTP/1.1 304 "), "{answers}");
    assert!(
        healthy.starts_with("HTTP/1.1 200 ") && healthy.contains(r#""status":"ok""#),
        "{answers}"
    );
}

#[tokio::test]
async fn pages_and_files_carry_the_policy_and_the_api_does_not_need_it() {
    let server = TestServer::start().await;
    for target in ["/events", "/events/1", SCRIPT, PICTURE, ICON] {
        let answer = get(&server, target, "").await;
        let policy = answer.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "worker-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(
                policy.split("; ").any(|other| other == part),
                "{part} in {policy}"
            );
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(
            answer.header("cross-origin-opener-policy"),
            Some("same-origin")
        );
        assert!(
            answer
                .header("permissions-policy")
                .unwrap()
                .contains("camera=()")
        );
    }
    let refused = get(&server, "/assets/gone.js", "").await;
    assert_eq!(refused.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn nothing_but_the_files_of_the_app_can_be_had() {
    let server = TestServer::start().await;
    for target in [
        "/assets/",
        "/assets",
        "/assets/gone.js",
        "/assets/../index.html",
        "/assets/..%2findex.html",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/../../../../etc/passwd",
        "/assets/index-1a2b.js/",
        "/assets/index-1a2b.js.br",
        "/assets/index-1a2b.js%00.svg",
        "/assets\\index-1a2b.js",
        "//assets/index-1a2b.js",
        "/ASSETS/index-1a2b.js",
        "/%61ssets/index-1a2b.js",
    ] {
        let answer = get(&server, target, "").await;
        assert!(
            [400, 404].contains(&answer.status),
            "{target}: {}",
            answer.status
        );
        assert!(
            !answer.body.contains("let it") && !answer.body.contains("root:"),
            "{target}"
        );
        assert!(
            ["not_found", "malformed_request"].contains(&answer.code().as_str()),
            "{target}"
        );
    }
}

#[tokio::test]
async fn a_program_without_the_app_says_how_to_have_it() {
    let server = TestServer::start_with(|config| config.assets = Assets::new(&[])).await;
    for target in ["/events", "/events/101"] {
        let answer = get(&server, target, "").await;
        assert_eq!(answer.status, 404);
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert!(answer.body.contains("scripts/web"), "{}", answer.body);
        assert!(answer.header("content-security-policy").is_some());
    }
    assert_eq!(get(&server, SCRIPT, "").await.code(), "not_found");
    assert_eq!(
        server.get("/api/event-bus/latest").await.body,
        "0",
        "all else works"
    );
}

/// Asks for a form of a file, and hands back its head and its bytes.
async fn form(server: &TestServer, path: &str, coding: &str) -> (Answer, Vec<u8>) {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\nAccept-Encoding: {coding}\r\n\r\n"
    );
    let mut stream = server.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    let end = answer
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap();
    let head = Answer::parse_head(std::str::from_utf8(&answer[..end]).unwrap());
    (head, answer[end + 4..].to_vec())
}

/// What the build embedded, the page or none: each form of each file is that file.
#[tokio::test]
async fn every_form_of_what_was_built_in_is_the_file() {
    let assets = Assets::default();
    let paths: Vec<_> = assets.paths().collect();
    let server = TestServer::start_with(|config| config.assets = assets).await;
    let is_built = paths.contains(&"/index.html");
    assert_eq!(
        is_built,
        !paths.is_empty(),
        "all of the app or nothing of it: {paths:?}"
    );
    assert_eq!(
        get(&server, "/events", "").await.status,
        if is_built { 200 } else { 404 }
    );
    for path in paths {
        let (head, plain) = form(&server, path, "identity").await;
        assert_eq!(head.status, 200, "{path}");
        assert_ne!(
            head.header("content-type"),
            Some("application/octet-stream"),
            "{path}"
        );
        for coding in ["br", "gzip"] {
            let (head, bytes) = form(&server, path, coding).await;
            let mut decoded = Vec::new();
            match head.header("content-encoding") {
                None => decoded.clone_from(&bytes),
                Some("gzip") => {
                    flate2::read::GzDecoder::new(&*bytes)
                        .read_to_end(&mut decoded)
                        .unwrap();
                }
                Some("br") => {
                    let mut decoder = brotli_decompressor::Decompressor::new(&*bytes, 4096);
                    decoder.read_to_end(&mut decoded).unwrap();
                }
                other => panic!("{path}: {other:?}"),
            }
            assert_eq!(decoded, plain, "{path} in {coding}");
            let is_smaller = bytes.len() < plain.len();
            assert_eq!(
                is_smaller,
                head.header("content-encoding").is_some(),
                "{path} in {coding}"
            );
        }
    }
}
