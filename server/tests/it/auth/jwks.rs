//! Keys that another server publishes, from the token on.

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Receiver, channel};
use tokio_rustls::TlsAcceptor;

use super::{claims, key_file, signing_key};
use crate::harness::{TestServer, within};
use crate::process::todoki;

const LATEST: &str = "/api/event-bus/latest";

/// A set with the public key of this file, under this name.
pub(crate) fn key_set(file: &str, name: &str) -> String {
    let pem = std::fs::read_to_string(key_file(file)).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(body).unwrap();
    // The point is what such a key ends with.
    let point = URL_SAFE_NO_PAD.encode(&der[der.len() - 32..]);
    format!(
        r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"{name}","x":"{point}"}}]}}"#
    )
}

/// A server that answers each connection with these keys.
pub(crate) async fn serve(keys: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            answer(stream, &keys).await.unwrap();
        }
    });
    format!("http://{address}/jwks.json")
}

/// A server that hangs up on everyone; the receiver hears of each who came.
async fn serve_nothing() -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (came, coming) = channel(16);
    tokio::spawn(async move {
        loop {
            listener.accept().await.unwrap();
            came.try_send(()).ok();
        }
    });
    (format!("http://{address}/jwks.json"), coming)
}

/// One that answers over TLS, with the certificate of the tests for localhost.
async fn serve_tls(keys: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let certificate = CertificateDer::from_pem_file(key_file("localhost.cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(key_file("localhost.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // Whoever does not trust the certificate hangs up.
            if let Ok(stream) = acceptor.accept(stream).await {
                answer(stream, &keys).await.unwrap();
            }
        }
    });
    format!("https://localhost:{port}/jwks.json")
}

pub(crate) async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    keys: &str,
) -> io::Result<()> {
    let mut request = [0; 4096];
    assert_ne!(stream.read(&mut request).await?, 0);
    let length = keys.len();
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{keys}").as_bytes()).await?;
    stream.shutdown().await
}

pub(crate) fn verifier(jwks: &str) -> String {
    format!(
        "[[jwt]]\nissuer = \"https://id.example\"\naudience = \"todoki\"\nalgorithms = [\"EdDSA\"]\njwks = \"{jwks}\"\n"
    )
}

pub(crate) fn token(key: &str, kid: &str) -> String {
    let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#);
    signing_key(key)
        .sign(&header, &claims(r#","role":"viewer""#))
        .unwrap()
}

#[tokio::test]
async fn the_first_token_waits_for_the_keys_that_it_is_checked_with() {
    let url = serve(key_set("ed.pub.pem", "2026-02")).await;
    let server = TestServer::start_with_auth(&verifier(&url)).await;
    assert_eq!(
        server
            .get_as(&token("ed.pem", "2026-02"), LATEST)
            .await
            .status,
        200
    );
    assert_eq!(
        server
            .get_as(&token("ed.pem", "2026-03"), LATEST)
            .await
            .status,
        401
    );
    assert_eq!(
        server
            .get_as(&token("ed-other.pem", "2026-02"), LATEST)
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn a_server_of_keys_that_is_not_there_keeps_others_out_only() {
    // Nobody listens on the discard port.
    let file = [
        crate::harness::auth_entry("ci", "secret", "role = \"viewer\""),
        verifier("http://127.0.0.1:9/jwks.json"),
    ];
    let server = TestServer::start_with_auth(&file.concat()).await;
    assert_eq!(
        server.get_as(&token("ed.pem", "a"), LATEST).await.status,
        401
    );
    assert_eq!(server.get_as("secret", LATEST).await.status, 200);
}

#[tokio::test]
async fn a_new_address_of_keys_that_does_not_answer_puts_nobody_out_and_holds_nothing_up() {
    let old = serve(key_set("ed.pub.pem", "a")).await;
    let (new, mut asked) = serve_nothing().await;
    let before = token("ed.pem", "a");
    let entry = |label: &str| crate::harness::auth_entry(label, label, "role = \"viewer\"");
    let server = TestServer::start_with_auth(&[verifier(&old), entry("gone")].concat()).await;
    let mut client = server.subscribe_as(&before, "").await;
    client.expect("subscribed").await;
    let mut gone = server.subscribe_as("gone", "").await;
    gone.expect("subscribed").await;
    let revoked = "[revoked]\nlabels = [\"gone\"]\n".to_owned();
    server.write_auth(&[verifier(&new), entry("gone"), entry("next"), revoked].concat());
    assert_eq!(gone.closed().await.unwrap().code.number(), 3000);
    assert_eq!(server.get_as("next", LATEST).await.status, 200);
    within(asked.recv()).await.unwrap();
    assert_eq!(server.get_as(&before, LATEST).await.status, 200);
    server.emit(r#"{"kind":"a","data":{}}"#).await;
    assert_eq!(client.cursors(1).await, [1]);
}

#[tokio::test]
async fn keys_from_a_new_address_are_in_force_once_it_has_answered() {
    let old = serve(key_set("ed.pub.pem", "a")).await;
    let new = serve(key_set("ed-other.pub.pem", "b")).await;
    let (before, after) = (token("ed.pem", "a"), token("ed-other.pem", "b"));
    let server = TestServer::start_with_auth(&verifier(&old)).await;
    let mut client = server.subscribe_as(&before, "").await;
    client.expect("subscribed").await;
    server.write_auth(&verifier(&new));
    within(async { while server.get_as(&after, LATEST).await.status != 200 {} }).await;
    assert_eq!(server.get_as(&before, LATEST).await.status, 401);
    assert_eq!(client.closed().await.unwrap().code.number(), 3000);
}

#[tokio::test]
async fn a_set_of_keys_may_be_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    std::fs::write(&file, key_set("ed.pub.pem", "a")).unwrap();
    let server = TestServer::start_with_auth(&verifier(&file.display().to_string())).await;
    assert_eq!(
        server.get_as(&token("ed.pem", "a"), LATEST).await.status,
        200
    );
    assert_eq!(
        server
            .get_as(&token("ed-other.pem", "a"), LATEST)
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn keys_come_over_tls_from_whom_the_system_trusts_alone() {
    let url = serve_tls(key_set("ed.pub.pem", "a")).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("auth.toml");
    std::fs::write(&file, verifier(&url)).unwrap();
    let inspect = async |trusted: &str| {
        let mut command = todoki();
        command
            .args(["token", "inspect", &token("ed.pem", "a"), "--auth"])
            .arg(&file);
        command.env("SSL_CERT_FILE", key_file(trusted));
        within(command.output()).await.unwrap()
    };
    let trusting = inspect("ca.cert.pem").await;
    let out = String::from_utf8_lossy(&trusting.stdout).into_owned();
    assert!(out.contains("lets in jwt:https://id.example#ann"), "{out}");
    // Another authority signed nothing here.
    let doubting = inspect("other-ca.cert.pem").await;
    assert_eq!(doubting.status.code(), Some(1));
    let said = String::from_utf8_lossy(&doubting.stderr).into_owned();
    assert!(
        said.contains("no key of its issuer has that name"),
        "{said}"
    );
}
