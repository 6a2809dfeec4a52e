//! What is on its way when a token is revoked.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{TestServer, auth_entry, within};

#[tokio::test]
async fn an_emit_whose_token_is_revoked_before_its_body_is_whole_stores_nothing() {
    let server = TestServer::start_with_auth(&auth_entry("ci", "secret", "role = \"agent\"")).await;
    let draft = br#"{"kind":"a","data":{}}"#;
    let (first, rest) = draft.split_at(10);
    let head = format!(
        "POST /api/event-bus/emit HTTP/1.1\r\nHost: it\r\nAuthorization: Bearer secret\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        draft.len()
    );
    let mut slow = server.connect().await;
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(first).await.unwrap();
    server.write_auth("");
    within(async {
        while server
            .get_as("secret", "/api/event-bus/latest")
            .await
            .status
            == 200
        {}
    })
    .await;
    slow.write_all(rest).await.unwrap();
    let mut answer = String::new();
    within(slow.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert_eq!(server.get("/api/event-bus/latest").await.body, "0");
}
