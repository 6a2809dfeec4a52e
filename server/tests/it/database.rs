//! PostgreSQL for tests: one server for all that only need a database, and servers of their own for those that stop them.
//!
//! `scripts/postgres` starts them. They end with this process, however that ends: each waits for the end of its input.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, NoTls};

use crate::harness::within;

/// A PostgreSQL of our own.
pub(crate) struct Cluster {
    url: String,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _child: Child,
}

impl Cluster {
    /// Starts one, with these settings.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/postgres");
        let mut child = Command::new(script)
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("scripts/postgres can be run");
        let stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut url = String::new();
        stdout.read_line(&mut url).unwrap();
        assert!(
            url.starts_with("postgres://"),
            "PostgreSQL does not start: see above, and run scripts/setup"
        );
        Self {
            url: url.trim().to_owned(),
            pipes: Mutex::new((stdin, stdout)),
            _child: child,
        }
    }

    /// Starts a standby of this one, without which it commits nothing from then on.
    pub(crate) async fn standby(&self) -> Self {
        let standby = Self::start(&["--standby-of", &self.url]);
        let client = connect(&self.url).await;
        let wait = "ALTER SYSTEM SET synchronous_standby_names = '*'";
        client.batch_execute(wait).await.unwrap();
        let reload = "SELECT pg_reload_conf()";
        client.execute(reload, &[]).await.unwrap();
        let synced = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'";
        within(async { while client.query(synced, &[]).await.unwrap().is_empty() {} }).await;
        standby
    }

    /// Lets this standby hear of nothing more, and returns when it does not.
    pub(crate) async fn detach(&self) {
        let client = connect_to(&self.url, TargetSessionAttrs::Any).await;
        for sql in [
            "ALTER SYSTEM RESET primary_conninfo",
            "SELECT pg_reload_conf()",
        ] {
            client.batch_execute(sql).await.unwrap();
        }
        let receiving = "SELECT FROM pg_stat_wal_receiver";
        within(async { while !client.query(receiving, &[]).await.unwrap().is_empty() {} }).await;
    }

    /// The one that all tests share that only need a database.
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// `pg_ctl` with these arguments; returns when it is done.
    pub(crate) fn ctl(&self, arguments: &str) {
        let mut pipes = self.pipes.lock().unwrap();
        writeln!(pipes.0, "{arguments}").unwrap();
        let mut answer = String::new();
        pipes.1.read_line(&mut answer).unwrap();
        assert_eq!(answer, "done\n", "pg_ctl {arguments}");
    }

    /// A new database.
    pub(crate) fn database(&self) -> Database {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("log{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let (server, _) = self.url.rsplit_once('/').unwrap();
        let database = Database {
            url: format!("{server}/{name}"),
        };
        let (url, sql) = (self.url.clone(), format!("CREATE DATABASE {name}"));
        run_apart(async move { connect(&url).await.batch_execute(&sql).await.unwrap() });
        database
    }
}

/// A database of our own.
pub(crate) struct Database {
    url: String,
}

impl Database {
    /// A new one on the shared server.
    pub(crate) fn new() -> Self {
        Cluster::shared().database()
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The same one, which may be on this cluster too.
    pub(crate) fn or_on(&self, other: &Cluster) -> Self {
        let address = |url: &str| {
            let (_, behind) = url.split_once('@').unwrap();
            behind.split_once('/').unwrap().0.to_owned()
        };
        let own = address(&self.url);
        let both = format!("{own},{}", address(&other.url));
        Self {
            url: self.url.replace(&own, &both),
        }
    }

    /// A connection of an application.
    pub(crate) async fn connect(&self) -> Client {
        connect(&self.url).await
    }
}

async fn connect(url: &str) -> Client {
    connect_to(url, TargetSessionAttrs::ReadWrite).await
}

async fn connect_to(url: &str, wanted: TargetSessionAttrs) -> Client {
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    config.target_session_attrs(wanted);
    let (client, connection) = config.connect(NoTls).await.unwrap();
    // Its end is told to whoever uses the client.
    tokio::spawn(async move { connection.await.ok() });
    client
}

/// Runs something asynchronous for a caller that is not, on a thread of its own: the caller may be on a runtime.
fn run_apart(work: impl Future<Output = ()> + Send + 'static) {
    let thread = std::thread::spawn(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(work);
    });
    thread.join().unwrap();
}
