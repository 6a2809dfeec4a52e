//! Proxies in front of the server: whose word about a client is taken, and for what.

use crate::harness::{Answer, TOKEN, TestServer};

async fn asked(server: &TestServer, headers: &str) -> Answer {
    let request = format!(
        "GET /api/event-bus/latest HTTP/1.1\r\nHost: it\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n{headers}\r\n"
    );
    Answer::parse(&server.raw(request).await)
}

#[tokio::test]
async fn a_trusted_proxy_says_that_the_client_came_over_tls() {
    let server = TestServer::start_with(|config| {
        config.trusted_proxy = vec![todoki::proxy::network("127.0.0.0/8").unwrap()];
    })
    .await;
    for (headers, hsts) in [
        ("X-Forwarded-Proto: https\r\n", Some("max-age=31536000")),
        ("X-Forwarded-Proto: http\r\n", None),
        ("X-Forwarded-Proto: https, http\r\n", None),
        ("Forwarded: proto=https\r\n", None),
        ("", None),
    ] {
        let answer = asked(&server, headers).await;
        assert_eq!(answer.status, 200, "{headers}");
        assert_eq!(
            answer.header("strict-transport-security"),
            hsts,
            "{headers}"
        );
    }
}

#[tokio::test]
async fn nobody_else_is_believed() {
    for trusted in [vec![], vec![todoki::proxy::network("10.0.0.0/8").unwrap()]] {
        let server = TestServer::start_with(|config| config.trusted_proxy = trusted).await;
        let answer = asked(&server, "X-Forwarded-Proto: https\r\n").await;
        assert_eq!(answer.header("strict-transport-security"), None);
    }
}

#[tokio::test]
async fn a_page_behind_a_proxy_that_ends_tls_connects_to_its_own_host() {
    let server = TestServer::start_with(|config| {
        config.trusted_proxy = vec![todoki::proxy::network("127.0.0.1").unwrap()];
    })
    .await;
    let forwarded = format!(
        "Authorization: Bearer {TOKEN}\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"
    );
    // The proxy passes `Host: it` on as it came.
    let own = format!("{forwarded}Origin: https://it\r\n");
    let mut client = server
        .upgrade("", &own)
        .await
        .unwrap_or_else(|answer| panic!("{}", answer.status));
    client.expect("subscribed").await;
    let foreign = format!("{forwarded}Origin: https://evil.example\r\n");
    let refused = server.upgrade("", &foreign).await.err().expect("refused");
    assert_eq!(refused.code(), "foreign_origin");
}
