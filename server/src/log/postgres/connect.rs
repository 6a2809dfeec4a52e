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

use super::error::{DatabaseError, Obstacle, line};
use crate::tls::{self, TrustError};

/// How long connecting may take, TLS and password included: longer than a slow network needs, shorter than a producer's
/// patience.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// A connection that is silent for so long is asked whether it is still there, and one whose other end has not taken
/// what was sent for as long is given up: this is how a database that vanished without a word is noticed.
const SILENCE: Duration = Duration::from_secs(10);

/// How long a statement of the writer may take, a group commit above all: beyond it, the database is no use.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

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
        let mut config = config(url)?;
        if ca.is_some() {
            // Whoever names a certificate wants it looked at, and never clear text in its place.
            if config.get_ssl_mode() == SslMode::Disable {
                return Err(bad_url("sslmode=disable and --log-ca exclude each other"));
            }
            config.ssl_mode(SslMode::Require);
        }
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
        let unreachable = |obstacle: Obstacle| DatabaseError::Unreachable {
            place: self.place.clone(),
            cause: obstacle.cause.into(),
            advice: obstacle.advice,
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
            Ok(connected) => connected.map_err(|error| unreachable(Obstacle::new(&error))),
            Err(_elapsed) => Err(unreachable(Obstacle::too_late())),
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
        // All that is ours is named with its schema, and nothing of the same name in another one is to come before what
        // PostgreSQL has. What a role or a database may have been given of its own is ours to say too: a snapshot that is
        // older than the lock it waited for would not have the events before its own, a session that only waits is not
        // idle, and neither a disk nor a standby may be without what is acknowledged.
        let own = "SET search_path = pg_catalog, pg_temp; SET default_transaction_isolation = 'read committed';
                   SET standard_conforming_strings = on;
                   SELECT set_config(name, '0', false) FROM pg_settings
                   WHERE name IN ('idle_session_timeout', 'transaction_timeout');
                   SELECT set_config('synchronous_commit', 'on', false)
                   WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')";
        match role {
            Role::Writer => format!(
                "{own}; SET statement_timeout = {}; SET lock_timeout = {}",
                WRITE_TIMEOUT.as_millis(),
                TURN_TIMEOUT.as_millis(),
            ),
            // Every page walks an index in its order. This leaves the planner no other way, whatever it believes of a
            // table that it has yet to look at. What it then takes for costly is not worth compiling.
            Role::Reader | Role::Listener => format!(
                "{own}; SET statement_timeout = {}; SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off;
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

/// What `--log` takes, for people who wrote something else.
const EXPECTED: &str = "write postgres://USER:PASSWORD@HOST:PORT/DATABASE";

fn bad_url(cause: &str) -> DatabaseError {
    DatabaseError::Url {
        cause: cause.into(),
    }
}

/// Reads a URL. Whatever is wrong with it, nothing that could be of a password is told.
fn config(url: &str) -> Result<Config, DatabaseError> {
    let wrong = |what: &str| bad_url(&format!("{what}; {EXPECTED}"));
    let schemes = ["postgres://", "postgresql://"];
    let Some(rest) = schemes.iter().find_map(|scheme| url.strip_prefix(scheme)) else {
        return Err(wrong(if url.is_empty() {
            "it is empty"
        } else {
            "this is not a postgres:// URL"
        }));
    };
    // The first would end the password, and what is behind it would be taken for the host.
    if rest.matches('@').count() > 1 {
        return Err(wrong(
            "there is more than one @ in it: in a user or a password @ : / % # are written percent-encoded (@ is %40)",
        ));
    }
    // A ? before it is of the password.
    let (login, behind) = rest.split_once('@').unwrap_or(("", rest));
    let (address, query) = behind.split_once('?').unwrap_or((behind, ""));
    let mut options = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        options.push(match option.split_once('=') {
            // Certificates are verified whichever of them it is.
            Some(("sslmode", "verify-ca" | "verify-full")) => "sslmode=require",
            Some(("sslmode", "disable" | "prefer" | "require")) => option,
            Some(("sslmode", _)) => {
                return Err(bad_url(
                    "sslmode is disable, prefer, require, verify-ca or verify-full",
                ));
            }
            Some(("sslrootcert", _)) => {
                return Err(bad_url(
                    "sslrootcert is not known; name the file with --log-ca",
                ));
            }
            _ => option,
        });
    }
    let at = if rest.contains('@') { "@" } else { "" };
    let url = format!("postgres://{login}{at}{address}?{}", options.join("&"));
    url.parse().map_err(|error| wrong(&line(&error)))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        config(url).unwrap_err().to_string()
    }

    #[test]
    fn no_part_of_a_password_is_told() {
        for url in [
            "postgres://todoki:p@ssw0rd@host/db",
            "postgres://todoki:p@ssw0rd/more@host/db",
            "postgres://todoki:p@ssw0rd?x=ssw0rd@host/db",
            "postgres://todoki:p@ss:ssw0rd@host/db",
            "postgres://todoki:ssw0rd",
            "host=h password=ssw0rd",
            "mysql://todoki:ssw0rd@host/db",
        ] {
            let told = refused(url);
            assert!(!told.contains("ssw0rd"), "{told}");
            assert!(told.contains("postgres://USER:PASSWORD@HOST"), "{told}");
        }
        assert!(refused("postgres://u:p@w@h/d").contains("%40"));
        let encoded = config("postgres://todoki:p%40ss%2Fw%3A0%23%25@host/db").unwrap();
        assert_eq!(encoded.get_password(), Some(&b"p@ss/w:0#%"[..]));
        assert_eq!(place(&encoded), "postgres://host:5432/db");
        let bare = config("postgres://todoki:a?b#c@host/db?sslmode=disable").unwrap();
        assert_eq!(bare.get_password(), Some(&b"a?b#c"[..]));
        assert_eq!(place(&bare), "postgres://host:5432/db");
    }

    #[test]
    fn sslmode_is_taken_as_hosted_databases_write_it() {
        for (mode, means) in [
            ("disable", SslMode::Disable),
            ("prefer", SslMode::Prefer),
            ("require", SslMode::Require),
            ("verify-ca", SslMode::Require),
            ("verify-full", SslMode::Require),
        ] {
            let url = format!("postgresql://u:p@h/d?sslmode={mode}&connect_timeout=3");
            assert_eq!(config(&url).unwrap().get_ssl_mode(), means, "{mode}");
        }
        let told = refused("postgres://u:p@h/d?sslmode=allow");
        assert!(told.contains("verify-full"), "{told}");
        let told = refused("postgres://u:p@h/d?sslrootcert=ca.pem");
        assert!(told.contains("--log-ca"), "{told}");
        assert!(refused("").contains("empty"));
    }

    #[test]
    fn whoever_names_a_certificate_gets_no_clear_text() {
        let ca = Path::new("/nowhere.pem");
        let error = Connector::new("postgres://u:p@h/d?sslmode=disable", Some(ca));
        let told = error.unwrap_err().to_string();
        assert!(told.contains("--log-ca"), "{told}");
    }
}
