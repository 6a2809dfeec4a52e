//! TLS at the door: the handshake and whoever does not make it, and a certificate that is replaced.

pub(crate) mod authority;
pub(crate) mod secure;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use simd_json::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Answer, TestServer, within};
use authority::{Authority, Issued};
use secure::{SecureServer, shown};

fn only(server: &SecureServer, version: &'static SupportedProtocolVersion) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config
        .dangerous()
        .set_certificate_verifier(verifier(server));
    config
}

fn verifier(server: &SecureServer) -> Arc<dyn rustls::client::danger::ServerCertVerifier> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut roots = RootCertStore::empty();
    let pem = server.authority.pem().as_bytes();
    roots
        .add(CertificateDer::from_pem_slice(pem).unwrap())
        .unwrap();
    let provider = Arc::new(ring::default_provider());
    rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap()
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken_and_http_inside() {
    let server = SecureServer::start().await;
    for version in [&version::TLS12, &version::TLS13] {
        let mut config = only(&server, version);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut stream = server.connect_with(config).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.ends_with("alive\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_of_another_protocol_is_refused_in_the_handshake() {
    let server = SecureServer::start().await;
    let mut config = server.trusting();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let error = server.connect_with(config).await.unwrap_err();
    assert!(
        error.to_string().contains("NoApplicationProtocol"),
        "{error}"
    );
}

#[tokio::test]
async fn answers_over_tls_tell_browsers_to_stay_with_it_but_not_on_localhost() {
    let server = SecureServer::start().await;
    for (target, host, hsts) in [
        ("/health", "it", true),
        ("/api/event-bus", "it", true),
        ("/nothing", "todoki.example.org:8443", true),
        ("/health", "localhost:3000", false),
        ("/health", "LocalHost", false),
        ("/health", "app.localhost:1", false),
        ("/health", "localhost.example.org", true),
    ] {
        let answer = server.get(target, &format!("Host: {host}\r\n")).await;
        let expected = hsts.then_some("max-age=31536000");
        assert_eq!(
            answer.header("strict-transport-security"),
            expected,
            "{host}"
        );
    }
    let plain = TestServer::start().await;
    let answer = plain.get("/health").await;
    assert_eq!(answer.header("strict-transport-security"), None);
}

#[tokio::test]
async fn http_in_the_clear_is_told_that_tls_is_spoken_here() {
    let server = SecureServer::start().await;
    for request in [
        "GET /api/event-bus HTTP/1.1\r\nHost: it\r\n\r\n",
        "POST /api/event-bus/emit HTTP/1.1\r\nHost: it\r\nContent-Length: 2\r\n\r\n{}",
    ] {
        let answer = Answer::parse(&server.server.raw(request).await);
        assert_eq!(answer.status, 400);
        assert_eq!(answer.code(), "tls_required");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(answer.header("strict-transport-security"), None);
    }
    let metrics = server.get("/metrics", "Host: it\r\n").await.body;
    let counted = r#"todoki_refusals_total{status="4xx",code="tls_required"} 2"#;
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn what_is_no_handshake_ends_the_connection_and_nothing_else() {
    let server = SecureServer::start().await;
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for garbage in [
        &b"\0"[..],
        b"\x80\x2e\x01\x03\x00",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x17\x03\x03\x00\x01x",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x04\xff\xff\xff\xff",
        b"get / http/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        hello,
        b"",
    ] {
        let mut stream = server.server.connect().await;
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // It is closed, with an alert or a reset or neither.
        within(stream.read_to_end(&mut answer)).await.ok();
        assert!(answer.len() < 1024, "{garbage:?}: {answer:?}");
    }
    let alive = server.get("/livez", "Host: it\r\n").await;
    assert_eq!(alive.status, 200);
}

#[tokio::test]
async fn a_handshake_that_stalls_is_ended_by_its_deadline_and_delays_nobody() {
    let deadline = Duration::from_millis(400);
    let server = SecureServer::start_with(|config| config.deadlines.handshake = deadline).await;
    let begun = todoki::clock::instant();
    let mut stalled = Vec::new();
    for begin in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"] {
        let mut stream = server.server.connect().await;
        stream.write_all(begin).await.unwrap();
        stalled.push(stream);
    }
    assert_eq!(server.get("/livez", "Host: it\r\n").await.status, 200);
    for mut stream in stalled {
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await.ok();
        assert!(begun.elapsed() >= deadline, "not before its time");
        assert_eq!(answer, b"");
    }
}

#[tokio::test]
async fn a_handshake_under_way_does_not_keep_a_server_from_stopping() {
    let server =
        SecureServer::start_with(|config| config.deadlines.handshake = Duration::from_mins(10))
            .await;
    let mut stream = server.server.connect().await;
    stream.write_all(b"\x16\x03\x01").await.unwrap();
    assert_eq!(server.get("/livez", "Host: it\r\n").await.status, 200);
    server.server.stop().await;
}

/// Connects anew until another certificate is shown.
async fn other_than(server: &SecureServer, before: &[u8]) -> bytes::Bytes {
    let renewed = async {
        loop {
            let certificate = shown(&server.connect().await);
            if certificate != before {
                return certificate;
            }
        }
    };
    within(renewed).await
}

#[tokio::test]
async fn a_new_certificate_is_shown_while_streams_go_on() {
    let server = SecureServer::start().await;
    let mut client = server.subscribe("").await;
    client.expect("subscribed").await;
    let first = shown(&client.stream);
    Issued::good(&server.authority).put(server.files.path());
    let second = other_than(&server, &first).await;
    server.emit(r#"{"kind":"a","data":{}}"#).await;
    assert_eq!(client.cursors(1).await, [1]);
    Issued::good(&server.authority).put(server.files.path());
    other_than(&server, &second).await;
    client.send(r#"{"type":"ping","t":1}"#).await;
    assert_eq!(client.expect("pong").await.get_i64("t"), Some(1));
}

#[tokio::test]
async fn a_pair_that_cannot_be_used_is_not_taken() {
    let server = SecureServer::start().await;
    let first = shown(&server.connect().await);
    let path = |name| server.files.path().join(name);
    let other = Issued::good(&server.authority);
    // The certificate is of another key, then no certificate, then gone. A good pair ends it; had any of those before it
    // been taken, no connection would have been made on the way.
    for bad in [&other.certificate, "nonsense", ""] {
        std::fs::write(path("cert.pem"), bad).unwrap();
        let until = todoki::clock::instant() + Duration::from_millis(1_300);
        while todoki::clock::instant() < until {
            assert_eq!(shown(&server.connect().await), first);
        }
    }
    std::fs::remove_file(path("cert.pem")).unwrap();
    assert_eq!(shown(&server.connect().await), first);
    other.put(server.files.path());
    other_than(&server, &first).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_said_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("it");
    let (good, other) = (Issued::good(&authority), Issued::good(&authority));
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let bad_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (certificate, key, file, words) in [
        (None, Some(&*good.key), "cert.pem", "cannot read"),
        (Some(&*good.certificate), None, "key.pem", "cannot read"),
        (Some(""), Some(&good.key), "cert.pem", "no certificate"),
        (
            Some(&good.key),
            Some(&good.key),
            "cert.pem",
            "no certificate",
        ),
        (Some(broken), Some(&good.key), "cert.pem", "cannot be used"),
        (
            Some("-----BEGIN CERTIFICATE-----\n?"),
            Some(&good.key),
            "cert.pem",
            "not in PEM",
        ),
        (
            Some(&good.certificate),
            Some(""),
            "key.pem",
            "no private key",
        ),
        (
            Some(&good.certificate),
            Some(&good.certificate),
            "key.pem",
            "no private key",
        ),
        (
            Some(&good.certificate),
            Some(encrypted),
            "key.pem",
            "needs a password",
        ),
        (
            Some(&good.certificate),
            Some(bad_key),
            "key.pem",
            "cannot be used",
        ),
        (
            Some(&good.certificate),
            Some(&other.key),
            "key.pem",
            "not that of the first",
        ),
    ] {
        leave(dir.path(), [("cert.pem", certificate), ("key.pem", key)]);
        let data = tempfile::tempdir().unwrap();
        let mut config = crate::harness::config(&data);
        config.tls_cert = Some(dir.path().join("cert.pem"));
        config.tls_key = Some(dir.path().join("key.pem"));
        let error = todoki::Server::start(config).await.err().unwrap();
        let error = error.to_string();
        assert!(
            error.contains(file) && error.contains(words),
            "{words}: {error}"
        );
    }
}

/// Leaves these files with this content, or none.
fn leave(dir: &Path, files: [(&str, Option<&str>); 2]) {
    for (name, content) in files {
        let path = dir.join(name);
        std::fs::remove_file(&path).ok();
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
    }
}
