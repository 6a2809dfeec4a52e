//! Connections to the database: TLS, deadlines, and the settings of each session.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{AsyncMessage, Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::sync::CancellationToken;

use super::error::{DatabaseError, line};
use crate::tls::{self, TrustError};

/// How long connecting may take, TLS and password included: longer than a slow network needs, shorter than a producer's
/// patience.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// A connection that is silent for so long is asked whether it is still there, and one whose other end has not taken
/// what was sent for as long is given up: this is how a database that vanished without a word is noticed.
const SILENCE: Duration = Duration::from_secs(10);

/// How long a statement of the writer may take, a group commit above all: beyond it, the database is no use.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a group waits for its turn. Others hold the lock for as long as their commit takes; who holds it longer (a
/// transaction with its constraints set immediate, or a prepared one) makes emits busy, and is told to the operator.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a page may take: by the limits on what it looks at some ten milliseconds, and more from a cold disk.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Migrating and appending. A server has one such session at a time.
    Writer,
    /// Pages, and forgetting.
    Reader,
    /// Hearing of commits, and reading on.
    Listener,
}

/// A connection. It ends when the client is dropped.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    /// Cancelled when it has ended.
    pub(super) ended: CancellationToken,
}

/// Makes connections.
pub(super) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    /// What this server calls itself.
    pub(super) name: String,
    /// Where the database is, without user and password.
    pub(super) place: Box<str>,
    /// Notified when another server, or an application, has committed events.
    pub(super) news: Arc<Notify>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Connector {
    pub(super) fn new(url: &str, ca: Option<&Path>) -> Result<Self, DatabaseError> {
        let mut config: Config = url.parse().map_err(|error| DatabaseError::Url {
            cause: line(&error).into(),
        })?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_DEADLINE);
        }
        config
            .keepalives_idle(SILENCE)
            .tcp_user_timeout(SILENCE)
            // Where several hosts are named, the one that takes writes is the database, whichever that is after a failover.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        let roots = match (config.get_ssl_mode(), ca) {
            (SslMode::Disable, _) => RootCertStore::empty(),
            // A database without TLS has no use for them, and one with it is not trusted.
            (SslMode::Prefer, None) => tls::roots(None).unwrap_or_else(|_| RootCertStore::empty()),
            (_, ca) => tls::roots(ca).map_err(untrusting)?,
        };
        let tls = tls::trusting(roots);
        let name = super::server_name();
        config.application_name(format!("todoki {name}"));
        Ok(Self {
            place: place(&config).into(),
            config,
            tls: MakeRustlsConnect::new(tls),
            name,
            news: Arc::default(),
        })
    }

    /// Connects. Must run within the log's runtime, which drives the connection.
    pub(super) async fn connect(&self, role: Role) -> Result<Session, DatabaseError> {
        let unreachable = |cause: String| DatabaseError::Unreachable {
            place: self.place.clone(),
            cause: cause.into(),
        };
        let connecting = async {
            let session = self.begin(role).await?;
            session.client.batch_execute(&Self::settings(role)).await?;
            if role == Role::Writer {
                self.supersede(&session.client).await?;
            }
            Ok(session)
        };
        match timeout(CONNECT_DEADLINE + TURN_TIMEOUT, connecting).await {
            Ok(connected) => connected.map_err(|error| unreachable(line(&error))),
            Err(_elapsed) => Err(unreachable("no answer in time".into())),
        }
    }

    async fn begin(&self, role: Role) -> Result<Session, tokio_postgres::Error> {
        let mut config = self.config.clone();
        if role == Role::Writer {
            config.application_name(self.writer_name());
        }
        let (client, mut connection) = config.connect(self.tls.clone()).await?;
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let (news, own_name) = (Arc::clone(&self.news), self.name.clone());
        tokio::spawn(async move {
            let _guard = guard;
            loop {
                match std::future::poll_fn(|task| connection.poll_message(task)).await {
                    // Our own commits need no telling.
                    Some(Ok(AsyncMessage::Notification(told))) if told.payload() == own_name => {}
                    Some(Ok(AsyncMessage::Notification(_))) => news.notify_one(),
                    Some(Ok(AsyncMessage::Notice(notice))) => {
                        tracing::debug!(notice = notice.message(), "the database says");
                    }
                    Some(Ok(_)) => {}
                    // Whoever uses the client is told by it.
                    Some(Err(_)) | None => return,
                }
            }
        });
        Ok(Session { client, ended })
    }

    fn writer_name(&self) -> String {
        format!("todoki writer {}", self.name)
    }

    fn settings(role: Role) -> String {
        match role {
            Role::Writer => format!(
                "SET statement_timeout = {}; SET lock_timeout = {};
                 SELECT set_config('synchronous_commit', 'on', false)
                 WHERE current_setting('synchronous_commit') = 'off'",
                WRITE_TIMEOUT.as_millis(),
                TURN_TIMEOUT.as_millis(),
            ),
            // Every page walks an index in its order. This leaves the planner no other way, whatever it believes of a
            // table that it has yet to look at. What it then takes for costly is not worth compiling.
            Role::Reader | Role::Listener => format!(
                "SET statement_timeout = {}; SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off;
                 SET enable_sort = off",
                READ_TIMEOUT.as_millis(),
            ),
        }
    }

    /// Ends an earlier session of this server's writer, if the database has not noticed its end, and waits until it has
    /// ended: what was sent over it may still be on its way into the table. From then on nothing of it is.
    async fn supersede(&self, client: &Client) -> Result<(), tokio_postgres::Error> {
        client
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE application_name = $1 AND usename = current_user AND pid <> pg_backend_pid()",
                &[&self.writer_name()],
            )
            .await?;
        // Held by each session of the writer to its end.
        client
            .execute(
                "SELECT pg_advisory_lock(hashtextextended($1, 0))",
                &[&self.name],
            )
            .await?;
        Ok(())
    }
}

/// Host and database, to be shown to people.
fn place(config: &Config) -> String {
    let hosts: Vec<_> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    let port = match config.get_ports() {
        [port] => format!(":{port}"),
        _ => String::new(),
    };
    let database = config
        .get_dbname()
        .or(config.get_user())
        .unwrap_or_default();
    format!("postgres://{}{port}/{database}", hosts.join(","))
}

fn untrusting(error: TrustError) -> DatabaseError {
    DatabaseError::Certificates {
        path: error.path,
        cause: error.cause.into(),
    }
}
