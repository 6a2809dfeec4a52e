//! The program with a database: what it says, and that it says no password.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::database::Database;
use crate::harness::within;
use crate::process::todoki;

/// What a command prints, on both of its outputs.
async fn output(database: &Database, arguments: &[&str]) -> String {
    let running = todoki()
        .args(arguments)
        .env("TODOKI_LOG_URL", database.url())
        .output();
    let output = within(running).await.unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_looked_at_filled_from_a_classic_table_and_served() {
    let database = Database::new();
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let doctor = ["doctor", "--listen", "127.0.0.1:0", "--data", data];
    let before = output(&database, &doctor).await;
    assert!(before.contains("has no log yet"), "{before}");
    let client = database.connect().await;
    client
        .batch_execute(
            "CREATE TABLE events (cursor BIGSERIAL PRIMARY KEY, kind TEXT NOT NULL, time TIMESTAMPTZ NOT NULL DEFAULT now(),
                                  agent_id UUID NOT NULL, session_id UUID, task_id UUID, data JSONB NOT NULL);
             INSERT INTO events (kind, agent_id, data) SELECT 'a', gen_random_uuid(), '{}' FROM generate_series(1, 3)",
        )
        .await
        .unwrap();
    let imported = output(&database, &["import"]).await;
    assert_eq!(imported, "imported 3 events from public.events\n");
    let after = output(&database, &doctor).await;
    assert!(after.contains("has a log, up to event 3"), "{after}");
    let mut server = todoki()
        .args(["serve", "--listen", "127.0.0.1:0", "--data", data])
        .env("TODOKI_LOG_URL", database.url())
        .env("TODOKI_LOG", "warn")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut said = String::new();
    while !said.contains("epoch") {
        said += &within(lines.next_line()).await.unwrap().unwrap();
    }
    assert!(
        said.contains("postgres://127.0.0.1:") && said.contains("3 events, 1 to 3"),
        "{said}"
    );
    server.start_kill().unwrap();
    within(server.wait()).await.unwrap();
    let (user, _) = database.url().split_once('@').unwrap();
    let (_, password) = user.rsplit_once(':').unwrap();
    for text in [before, imported, after, said] {
        assert!(!text.contains(password), "{text}");
    }
}
