//! The program with a database: what it says, and that it says no password.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::database::{Cluster, Database};
use crate::harness::{TOKEN, within};
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
    let doctor = ["doctor", "--listen", "127.0.0.1:0", "--data-dir", data];
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
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir", data])
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
        said.contains("postgres://127.0.0.1:") && said.contains("events 1 to 3 "),
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

/// More than any of this takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program, and what it says on one of its outputs.
struct Program<R> {
    child: Child,
    lines: Lines<BufReader<R>>,
    said: Vec<String>,
}

impl<R: AsyncRead + Unpin> Program<R> {
    fn new(child: Child, output: R) -> Self {
        let lines = BufReader::new(output).lines();
        Self {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Listens until it says this.
    async fn says(&mut self, text: &str) -> &str {
        while !self.said.last().is_some_and(|line| line.contains(text)) {
            let line = timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("{text:?} after {:?}", self.said));
            let line = line.unwrap();
            self.said
                .push(line.unwrap_or_else(|| panic!("{text:?} after {:?}", self.said)));
        }
        self.said.last().expect("it has said this")
    }

    /// How many lines it has said with this in them.
    fn count(&self, text: &str) -> usize {
        self.said.iter().filter(|line| line.contains(text)).count()
    }

    async fn end(mut self) {
        self.child.start_kill().unwrap();
        within(self.child.wait()).await.unwrap();
    }
}

fn spawn(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_once_and_its_end_too() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let data = tempfile::tempdir().unwrap();
    let mut server = spawn(
        todoki()
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--token",
                TOKEN,
                "--heartbeat",
                "1s",
            ])
            .arg("--data-dir")
            .arg(data.path())
            .env("TODOKI_LOG_URL", database.url()),
    );
    let log = server.stderr.take().unwrap();
    let output = server.stdout.take().unwrap();
    let mut announced = Program::new(server, output);
    let address = announced.says("listens on").await;
    let url = address.split_once("listens on ").unwrap().1.to_owned();
    let mut log = Program {
        child: announced.child,
        lines: BufReader::new(log).lines(),
        said: Vec::new(),
    };
    let tail = || {
        let mut command = todoki();
        command.args(["tail", "--url", &url, "--token", TOKEN, "--cursor", "0"]);
        let mut tail = spawn(&mut command);
        let notes = tail.stderr.take().unwrap();
        Program::new(tail, notes)
    };
    let mut tails = [tail(), tail(), tail()];
    for tail in &mut tails {
        tail.says("live from here").await;
    }
    cluster.ctl("stop -m immediate");
    log.says("the database is away").await;
    for tail in &mut tails {
        tail.says("log_unavailable").await;
    }
    // Who is live waits for news, and who comes now for history.
    let mut late = tail();
    late.says("log_unavailable").await;
    let mut emit = spawn(todoki().args([
        "emit", "--url", &url, "--token", TOKEN, "--kind", "a", "--data", "{}",
    ]));
    let notes = emit.stderr.take().unwrap();
    let mut emit = Program::new(emit, notes);
    emit.says("trying again").await;
    cluster.ctl("start");
    log.says("the database is back").await;
    emit.says("takes events again").await;
    for tail in tails.iter_mut().chain([&mut late]) {
        tail.says("the log is back").await;
        assert_eq!(tail.count("log_unavailable"), 1, "{:?}", tail.said);
    }
    let warnings = log.said.iter().filter(|line| line.contains("WARN")).count();
    assert_eq!(warnings, 1, "{:?}", log.said);
    for tail in tails {
        tail.end().await;
    }
    late.end().await;
    log.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_history_is_gone_does_not_say_that_all_is_safe() {
    let database = Database::new();
    let data = tempfile::tempdir().unwrap();
    let mut server = spawn(
        todoki()
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data.path())
            .env("TODOKI_LOG_URL", database.url()),
    );
    let log = server.stderr.take().unwrap();
    let output = server.stdout.take().unwrap();
    let mut server = Program::new(server, output);
    server.says("epoch").await;
    let client = database.connect().await;
    client
        .batch_execute(
            "UPDATE todoki.log SET epoch = gen_random_uuid();
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name LIKE 'todoki%' AND datname = current_database()",
        )
        .await
        .unwrap();
    let status = within(server.child.wait()).await.unwrap();
    assert_eq!(status.code(), Some(1));
    let mut log = Program::new(server.child, log);
    let last = log.says("the server stopped").await;
    assert!(
        last.contains("new epoch; start this server again"),
        "{last}"
    );
    assert!(!last.contains("safe"), "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_named_by_nothing_is_none() {
    let data = tempfile::tempdir().unwrap();
    let doctor = todoki()
        .args(["doctor", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data.path())
        .env("TODOKI_LOG_URL", "")
        .output();
    let output = within(doctor).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("none yet; `todoki serve` makes one"),
        "{said}"
    );
}
