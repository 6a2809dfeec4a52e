//! A server from start to end: open the log, bind, serve, drain, close the log.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::accept;
use crate::auth::{self, Auth, FileError, Tickets};
use crate::config::{self, Serve};
use crate::hub::Hub;
use crate::hub::shard::{Settings, Unstarted};
use crate::limit::{Limiter, Limits};
use crate::log::{
    AnyLog, Bounds, DatabaseError, DatabaseOptions, Embedded, Log, OpenError, Options, Postgres,
    Recorder, Release,
};
use crate::origin::Origins;
use crate::page;
use crate::proxy::Proxies;
use crate::retention::{self, Retention};
use crate::route::App;
use crate::subscriber::pace::Inbound;
use crate::subscriber::place::Looking;
use crate::timeline::Counting;
use crate::tls::{Facts, Tls, TlsError};
use crate::traffic::Traffic;

/// Connections may finish what they do for so long once the server drains.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// A server that has its log and its port, and is about to serve.
#[derive(Debug)]
pub struct Server {
    app: Arc<App<AnyLog>>,
    listener: TcpListener,
    address: SocketAddr,
    token: Token,
    config: Serve,
    shards: Shards,
}

/// The threads of the hub.
#[derive(Debug)]
struct Shards {
    /// Dropped when nobody needs them any more, which ends them.
    done: DropGuard,
    /// Cancelled when one has ended.
    ended: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

/// Where the token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// From a flag or the environment.
    Given,
    /// Generated, and kept in this file.
    Generated(PathBuf),
    /// None may do everything: who may come in stands in this file.
    File(PathBuf),
    /// From a flag or the environment, beside this file.
    GivenBeside(PathBuf),
}

/// Why a server does not start, or stopped.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// Without a token only loopback addresses are served.
    OpenToAll(SocketAddr),
    /// No client could send this token.
    BadToken,
    /// Who may come in cannot be read.
    Auth(FileError),
    /// The certificate or its key.
    Tls(TlsError),
    /// The log.
    Log(OpenError),
    /// The log in a database.
    Database(DatabaseError),
    /// The port.
    Bind(SocketAddr, io::Error),
    /// The generated token.
    Token(PathBuf, io::Error),
    /// The shards' threads.
    Threads(io::Error),
    /// It stopped by itself while serving: why, and what to do.
    Stopped(Arc<str>),
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenToAll(address) => write!(
                f,
                "{address} can be reached by others, so a token is needed: set --auth, --token or TODOKI_TOKEN, \
                 or listen on 127.0.0.1"
            ),
            Self::BadToken => f.write_str(
                "the token must be visible ASCII characters without spaces, or no client could send it",
            ),
            Self::Auth(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Log(error) => error.fmt(f),
            Self::Database(error) => error.fmt(f),
            Self::Bind(address, error) if error.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "{address} is in use, perhaps by another Todoki: stop it, or choose another port with --listen"
            ),
            Self::Bind(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Token(path, error) => {
                write!(f, "cannot keep the token in {}: {error}", path.display())
            }
            Self::Threads(error) => write!(f, "cannot start a thread: {error}; check ulimit -u"),
            Self::Stopped(cause) => write!(f, "the server stopped: {cause}"),
        }
    }
}

impl std::error::Error for ServerError {}

impl Server {
    /// Opens the log and binds the port. Nothing is served until [`Server::run`].
    pub async fn start(config: Serve) -> Result<Self, ServerError> {
        let given = config.given_token();
        if let Some(token) = &given
            && (token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(ServerError::BadToken);
        }
        if given.is_none() && config.auth.is_none() && !config.listen.ip().is_loopback() {
            return Err(ServerError::OpenToAll(config.listen));
        }
        // Before the log is touched: what is wrong in it is found at once.
        let of_file = auth_file(&config, given.as_deref())?;
        let tls = match config.tls_files() {
            Some(files) => Some(Arc::new(Tls::open(files).map_err(ServerError::Tls)?)),
            None => None,
        };
        let stop = CancellationToken::new();
        let recorder = Arc::<Recorder>::default();
        let (log, hub, unstarted) = open_log(&config, &recorder).await?;
        let (auth, token) = match (of_file, given) {
            (Some(of_file), _) => of_file,
            (None, Some(token)) => (Auth::new(&token), Token::Given),
            (None, None) => generated_token(&config)?,
        };
        let auth = Arc::new(auth.with_query_token(config.allow_query_token));
        let shards = start_shards(&config, unstarted, &log, &auth, &stop)?;
        warn_of_openness(&config, &token);
        let listener =
            accept::bind(config.listen).map_err(|error| ServerError::Bind(config.listen, error))?;
        let address = listener
            .local_addr()
            .map_err(|error| ServerError::Bind(config.listen, error))?;
        let app = Arc::new(App {
            tickets: Tickets::of(&log),
            log,
            hub,
            assets: config.assets.clone(),
            stop,
            auth,
            origins: Origins::new(config.allow_origin.clone()),
            is_compressing: config.compression,
            has_open_metrics: config.open_metrics,
            recorder,
            traffic: Traffic::default(),
            reading: Arc::new(Semaphore::new(page::READING)),
            counting: Counting::default(),
            tls,
            proxies: Proxies::new(config.trusted_proxy.clone()),
            deadlines: config.deadlines,
            heartbeat: config.heartbeat,
            looking: Looking::default(),
            limiter: Arc::new(Limiter::new(Limits::new(&config.limit))),
            tasks: TaskTracker::new(),
        });
        Ok(Self {
            app,
            listener,
            address,
            token,
            config,
            shards,
        })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its addresses begin with.
    pub fn scheme(&self) -> &'static str {
        match self.app.tls {
            Some(_) => "https",
            None => "http",
        }
    }

    /// What its certificate says of itself, if it speaks TLS.
    pub fn certificate(&self) -> Option<Facts> {
        self.app.tls.as_ref().map(|tls| tls.facts())
    }

    /// Where its log is, to be shown to people.
    pub fn place(&self) -> String {
        match &*self.app.log {
            AnyLog::Embedded(_) => self.config.data.display().to_string(),
            AnyLog::Postgres(log) => log.place().to_owned(),
        }
    }

    /// Where its token comes from.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Where its log stands.
    pub fn bounds(&self) -> Bounds {
        self.app.log.bounds()
    }

    /// Serves until `stop` is cancelled or the log stops, then drains and closes the log.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ServerError> {
        let Self {
            app,
            listener,
            config,
            shards,
            ..
        } = self;
        let log = Arc::clone(&app.log);
        let mut accepting = tokio::spawn(accept::accept(
            listener,
            Arc::clone(&app),
            config.max_connections as usize,
        ));
        let keeping = tokio::spawn(retention::keep(
            Arc::clone(&log),
            Retention {
                events: config.retain_events,
                age: config.retain_age,
            },
        ));
        let auth_app = Arc::clone(&app);
        let authorising = tokio::spawn(async move {
            auth_app.auth.keep(auth_app.stop.clone()).await;
        });
        let renewing = app.tls.clone().map(|tls| tokio::spawn(tls.keep()));
        let stopped = tokio::select! {
            () = stop.cancelled() => None,
            cause = log.failed() => Some(match &*log {
                AnyLog::Embedded(_) => safe(&cause),
                // Whose history may be gone; it says itself what to do.
                AnyLog::Postgres(_) => cause,
            }),
            () = shards.ended.cancelled() => Some(safe("a shard has ended")),
            _ended = &mut accepting => Some(safe("connections are no longer accepted")),
        };
        app.stop.cancel();
        keeping.abort();
        authorising.abort();
        if let Some(renewing) = renewing {
            renewing.abort();
        }
        if !accepting.is_finished() {
            // It ends with the stop, and a panic in it has been reported.
            accepting.await.ok();
        }
        app.tasks.close();
        if tokio::time::timeout(DRAIN_DEADLINE, app.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(left = app.tasks.len(), "connections did not end in time");
        }
        drop(shards.done);
        tokio::task::spawn_blocking(move || {
            for thread in shards.threads {
                // Its panic has been reported.
                thread.join().ok();
            }
            log.close();
        })
        .await
        .expect("closing does not panic");
        stopped.map_or(Ok(()), |cause| Err(ServerError::Stopped(cause)))
    }
}

/// Why it stopped, where nothing is lost by it.
fn safe(cause: &str) -> Arc<str> {
    format!("{cause}. Everything acknowledged is safe; check where the log is, then start again")
        .into()
}

async fn open_log(
    config: &Serve,
    recorder: &Arc<Recorder>,
) -> Result<(Arc<AnyLog>, Arc<Hub>, Unstarted), ServerError> {
    let (hub, unstarted) = Hub::new(shards());
    let hub = Arc::new(hub);
    let releasing = Arc::clone(&hub);
    let release = Box::new(move |batch| releasing.release(&batch));
    let (opened, recorder) = (config.clone(), Arc::clone(recorder));
    // Recovery after a crash reads and syncs, which may take a while.
    let log = tokio::task::spawn_blocking(move || open_any(&opened, recorder, release))
        .await
        .expect("opening does not panic")?;
    Ok((Arc::new(log), hub, unstarted))
}

fn start_shards(
    config: &Serve,
    unstarted: Unstarted,
    log: &Arc<AnyLog>,
    auth: &Arc<Auth>,
    stop: &CancellationToken,
) -> Result<Shards, ServerError> {
    let settings = Settings {
        coalesce: Duration::from_millis(config.coalesce_ms),
        heartbeat: config.heartbeat,
        write_stall: config.deadlines.write_stall,
        inbound: Inbound::new(&Limits::new(&config.limit)),
    };
    let (done, ended) = (CancellationToken::new(), CancellationToken::new());
    // Held from here on: whatever fails from now on ends the threads that have started.
    let guard = done.clone().drop_guard();
    let threads = unstarted
        .start(log, auth, settings, stop, &done, &ended)
        .map_err(ServerError::Threads)?;
    Ok(Shards {
        done: guard,
        ended,
        threads,
    })
}

fn open_any(
    config: &Serve,
    recorder: Arc<Recorder>,
    release: Release,
) -> Result<AnyLog, ServerError> {
    if let Some(url) = config.database() {
        let options = DatabaseOptions {
            renew_epoch: config.new_epoch,
            ca: config.log_ca.clone(),
            recorder,
        };
        let log = Postgres::open(url, &options, release);
        return log
            .map(|log| AnyLog::Postgres(Box::new(log)))
            .map_err(ServerError::Database);
    }
    let options = Options {
        renew_epoch: config.new_epoch,
        recorder,
        ..Options::default()
    };
    let log = Embedded::open(&config.data, &options, release);
    log.map(AnyLog::Embedded).map_err(ServerError::Log)
}

/// One core is left to requests and to the log.
fn shards() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1))
}

/// What somebody may have left open without a thought, said at each start.
fn warn_of_openness(config: &Serve, token: &Token) {
    if let Token::GivenBeside(path) = token {
        tracing::warn!(
            file = %path.display(),
            "a token is given beside the file (--token, TODOKI_TOKEN or USER_TOKEN): whoever has it may do everything, and \
             no revocation in the file touches it"
        );
    }
    if config.allow_query_token {
        tracing::warn!(
            "tokens are taken from addresses (--allow-query-token), which proxies and browsers keep: change clients to \
             send them in a header"
        );
    }
}

/// Who may come in by `--auth`, if it is set, and by the token beside it.
fn auth_file(config: &Serve, token: Option<&str>) -> Result<Option<(Auth, Token)>, ServerError> {
    let Some(path) = &config.auth else {
        return Ok(None);
    };
    let auth = Auth::open(path, token).map_err(ServerError::Auth)?;
    let from = match token {
        Some(_) => Token::GivenBeside,
        None => Token::File,
    };
    Ok(Some((auth, from(path.clone()))))
}

fn generated_token(config: &Serve) -> Result<(Auth, Token), ServerError> {
    let path = config::token_file(&config.data);
    let token =
        read_or_write_token(&path).map_err(|error| ServerError::Token(path.clone(), error))?;
    Ok((Auth::new(&token), Token::Generated(path)))
}

fn read_or_write_token(path: &std::path::Path) -> io::Result<String> {
    match std::fs::read_to_string(path) {
        Ok(token) if !token.trim().is_empty() => return Ok(token.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let token = auth::generate().map_err(io::Error::other)?;
    write_private(path, &token)?;
    Ok(token)
}

/// Nobody but the owner may read it.
fn write_private(path: &std::path::Path, token: &str) -> io::Result<()> {
    use std::io::Write;
    // A log in a database has made no directory.
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        builder.create(dir)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    writeln!(options.open(path)?, "{token}")
}
