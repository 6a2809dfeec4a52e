//! Keys that another server publishes, from the token on.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{claims, key_file, signing_key};
use crate::harness::TestServer;

const LATEST: &str = "/api/event-bus/latest";

/// A set with the public key of this file, under this name.
fn key_set(file: &str, name: &str) -> String {
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
async fn serve(keys: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert_ne!(stream.read(&mut request).await.unwrap(), 0);
            let length = keys.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
            stream
                .write_all(format!("{head}{keys}").as_bytes())
                .await
                .unwrap();
        }
    });
    format!("http://{address}/jwks.json")
}

fn verifier(jwks: &str) -> String {
    format!(
        "[[jwt]]\nissuer = \"https://id.example\"\naudience = \"todoki\"\nalgorithms = [\"EdDSA\"]\njwks = \"{jwks}\"\n"
    )
}

fn token(key: &str, kid: &str) -> String {
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
