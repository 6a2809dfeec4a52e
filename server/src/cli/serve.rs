//! `todoki serve`: start a server, say where it is, and end it on a signal.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::Failure;
use crate::config;
use crate::server::{Server, ServerError, Token};

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    #[command(flatten)]
    config: config::Serve,

    /// Log as JSON, one object a line
    #[arg(long)]
    log_json: bool,
}

const EXAMPLES: &str = "\
Examples:
  todoki serve
  todoki serve --listen 0.0.0.0:3000 --token SECRET --data-dir /var/lib/todoki
  todoki serve --retain-age 30d
  todoki serve --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem --token SECRET
  TODOKI_LOG_URL=postgres://todoki_server:SECRET@db/todoki todoki serve

SIGTERM or Ctrl-C drains: subscribers are told to come back, emits in flight finish, the log is closed. \
A second signal ends at once, which loses nothing that was acknowledged.

A flag beats its variable, and a variable that is set to nothing is as good as unset. TODOKI_LOG sets what is logged \
(debug, info, warn; info by default).";

pub(super) async fn run(serve: Serve) -> Result<(), Failure> {
    start_log(serve.log_json)?;
    let server = Server::start(serve.config.clone()).await.map_err(failure)?;
    announce(&server, &serve.config)?;
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    server.run(stop).await.map_err(failure)
}

fn failure(error: ServerError) -> Failure {
    match error {
        ServerError::OpenToAll(_) | ServerError::BadToken | ServerError::Auth(_) => {
            Failure::usage(error)
        }
        error => error.into(),
    }
}

fn start_log(is_json: bool) -> Result<(), Failure> {
    let filter = config::log_filter();
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let is_known = filter.contains('=') || levels.contains(&filter.as_str());
    let filter = EnvFilter::try_new(&filter)
        .ok()
        .filter(|_| is_known)
        .ok_or_else(|| {
            Failure::usage(format!(
                "TODOKI_LOG={filter:?}: set it to one of {}",
                levels.join(", ")
            ))
        })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Patient(io::stderr()))
        .with_ansi(io::stderr().is_terminal());
    if is_json {
        log.json().init();
    } else {
        log.init();
    }
    Ok(())
}

/// Standard error, for logs: a reader that is gone must not take the server with it, so what cannot be written is not.
struct Patient(io::Stderr);

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(bytes).ok();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().ok();
        Ok(())
    }
}

/// On standard output, so that a program that started us can read the address.
fn announce(server: &Server, config: &config::Serve) -> io::Result<()> {
    let address = server.address();
    let bounds = server.bounds();
    let mut text = format!(
        "Todoki {} listens on {}://{address}\n",
        env!("CARGO_PKG_VERSION"),
        server.scheme()
    );
    let place = server.place();
    match bounds.head.count_since(bounds.earliest.before()) {
        0 => writeln!(text, "  log    {place}, empty (epoch {})", bounds.epoch),
        // Not how many: events that were imported may have holes between them.
        _ => writeln!(
            text,
            "  log    {place}, events {} to {} (epoch {})",
            bounds.earliest, bounds.head, bounds.epoch
        ),
    }
    .map_err(io::Error::other)?;
    if let Some(certificate) = server.certificate() {
        writeln!(text, "  tls    {certificate}").map_err(io::Error::other)?;
    }
    if config.assets.has_page() {
        writeln!(text, "  page   {}/events", url(server)).map_err(io::Error::other)?;
    }
    text.push_str(&hint(server, config));
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// How to get in.
fn hint(server: &Server, config: &config::Serve) -> String {
    let (address, base) = (server.address(), url(server));
    let path = match server.token() {
        Token::Given => return "  token  as given\n".to_owned(),
        Token::File(path) => return format!("  token  those in {}\n", path.display()),
        Token::GivenBeside(path) => {
            return format!(
                "  token  as given, which may do everything, and those in {}\n",
                path.display()
            );
        }
        Token::Generated(path) => path.display(),
    };
    let is_default = address.port() == config::PORT && address.ip().is_ipv4();
    let url = match server.certificate() {
        None if is_default => String::new(),
        _ => format!(" --url {base}"),
    };
    // Who has not signed by itself is likely known to the system.
    let ca = config.tls_cert.as_ref().filter(|_| {
        let certificate = server.certificate();
        certificate.is_some_and(|certificate| certificate.is_self_signed)
    });
    let ca = |flag| ca.map_or(String::new(), |ca| format!(" {flag} {}", ca.display()));
    let (ours, curls) = (ca("--ca"), ca("--cacert"));
    let data = match config.data.to_str() {
        Some(config::DATA) => String::new(),
        _ => format!(" --data-dir {}", config.data.display()),
    };
    format!(
        "  token  generated, kept in {path}\n\n\
         Here, the todoki commands find the token by themselves:\n  \
         todoki tail{url}{ours}{data}\n  \
         todoki emit{url}{ours}{data} --kind hello.world --data '{{\"from\":\"me\"}}'\n\
         Elsewhere, send it:\n  \
         curl{curls} {base}/api/event-bus -H \"Authorization: Bearer $(cat {path})\"\n"
    )
}

/// Where it is reached: with TLS, by a name of its certificate, as clients want one.
fn url(server: &Server) -> String {
    let address = server.address();
    let Some(certificate) = server.certificate() else {
        return format!("http://{address}");
    };
    let ip = address.ip().to_string();
    let names = &certificate.names;
    let by_address = names.iter().find(|name| **name == ip);
    let by_name = names
        .iter()
        .find(|name| !name.contains(['*', ':']))
        .filter(|_| by_address.is_none());
    match by_name {
        Some(name) => format!("https://{name}:{}", address.port()),
        None => format!("https://{address}"),
    }
}

fn stop_on_signal(stop: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        next().await;
        stop.cancel();
        tracing::info!("draining; a second signal ends at once");
        next().await;
        std::process::exit(1);
    });
    Ok(())
}
