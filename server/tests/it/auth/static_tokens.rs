//! Static tokens of `auth.toml`, over the wire.

use simd_json::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::harness::{TOKEN, TestServer, auth_entry, within};
use todoki::auth::Auth;

const ONE: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e01";
const OTHER: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e02";
const PAGE: &str = "/api/event-bus?cursor=0";

fn draft(kind: &str, project: &str) -> String {
    format!(r#"{{"kind":"{kind}","data":{{}},"project_id":"{project}"}}"#)
}

#[tokio::test]
async fn a_token_of_the_file_lets_its_holder_do_what_its_role_says() {
    let server = TestServer::start_with_auth(
        &[
            auth_entry("looker", "look", "role = \"viewer\""),
            auth_entry(
                "worker",
                "work",
                &format!("role = \"agent\"\nproject_id = \"{ONE}\""),
            ),
        ]
        .concat(),
    )
    .await;
    let emit = async |token, project| {
        let json = "Content-Type: application/json\r\n";
        let body = draft("task.created", project);
        let answer = server
            .request_as(token, "POST", "/api/event-bus/emit", json, &body)
            .await;
        answer.status
    };
    assert_eq!(emit("look", ONE).await, 403);
    assert_eq!(emit("work", OTHER).await, 403);
    assert_eq!(emit("work", ONE).await, 200);
    assert_eq!(emit(TOKEN, OTHER).await, 200);
    let seen = async |token| {
        let page = server.get_as(token, PAGE).await;
        assert_eq!(page.status, 200, "{}", page.body);
        page.json().get_array("events").unwrap().len()
    };
    assert_eq!(
        (seen("look").await, seen("work").await, seen(TOKEN).await),
        (2, 1, 2)
    );
    assert_eq!(server.get_as("nobody", PAGE).await.status, 401);
    assert_eq!(server.get_as("look", "/metrics").await.status, 403);
}

#[tokio::test]
async fn a_change_of_the_file_is_in_force_within_a_second_or_not_at_all() {
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("auth.toml");
    let viewer = auth_entry("ci", "secret", "role = \"viewer\"");
    std::fs::write(&path, &viewer).unwrap();
    let auth = Auth::open(&path, None).unwrap();
    let stop = CancellationToken::new();
    let mut changes = auth.changes();
    let change = async |text: &str| {
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &path).unwrap();
    };
    let story = async {
        let first = auth.admit_token("secret").await.unwrap();
        assert!(first.principal.check_emits().is_err());
        change(&auth_entry("ci", "secret", "role = \"agent\"")).await;
        let began = todoki::clock::instant();
        within(changes.changed()).await.unwrap();
        assert!(began.elapsed().as_millis() < 1000);
        let again = auth.readmit(&first).unwrap();
        assert!(again.principal.check_emits().is_ok());
        assert_eq!(again.principal.name(), first.principal.name());
        // A file that is not right changes nothing; the next one that is right does.
        change("[[tokens]]\nlabel = \"ci\"").await;
        change(&format!("{viewer}[revoked]\nlabels = [\"ci\"]")).await;
        within(changes.changed()).await.unwrap();
        assert!(auth.readmit(&again).is_err());
        assert!(auth.admit_token("secret").await.is_err());
        change(&auth_entry("ci", "another", "role = \"viewer\"")).await;
        within(changes.changed()).await.unwrap();
        assert!(auth.readmit(&again).is_err());
        let successor = auth.admit_token("another").await.unwrap();
        assert_eq!(successor.principal.name(), first.principal.name());
        stop.cancel();
    };
    tokio::join!(auth.keep(stop.clone()), story);
}

#[tokio::test]
async fn a_running_server_takes_up_new_tokens_and_drops_old_ones() {
    let server =
        TestServer::start_with_auth(&auth_entry("ci", "secret", "role = \"viewer\"")).await;
    assert_eq!(server.get_as("secret", PAGE).await.status, 200);
    server.write_auth(&auth_entry("next", "next", "role = \"viewer\""));
    within(async { while server.get_as("next", PAGE).await.status != 200 {} }).await;
    assert_eq!(server.get_as("secret", PAGE).await.status, 401);
}

#[tokio::test]
async fn a_token_in_the_query_is_taken_only_where_that_is_allowed() {
    let server = TestServer::start().await;
    let ask = async |server: &TestServer| {
        let request =
            format!("GET {PAGE}&token={TOKEN} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
        crate::harness::Answer::parse(&server.raw(request).await).status
    };
    assert_eq!(ask(&server).await, 401);
    let server = TestServer::start_with(|config| config.allow_query_token = true).await;
    assert_eq!(ask(&server).await, 200);
}
