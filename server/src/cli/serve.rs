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
  todoki serve --listen 0.0.0.0:3000 --token SECRET --data /var/lib/todoki
  todoki serve --retain-age 30d

SIGTERM or Ctrl-C drains: subscribers are told to come back, emits in flight finish, the log is closed.
A second signal ends at once, which loses nothing that was acknowledged. TODOKI_LOG sets what is logged
(debug, info, warn; info by default).";

pub(super) async fn run(serve: Serve) -> Result<(), Failure> {
    start_log(serve.log_json);
    let server = Server::start(serve.config.clone()).await.map_err(failure)?;
    announce(&server, &serve.config)?;
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    server.run(stop).await.map_err(failure)
}

fn failure(error: ServerError) -> Failure {
    match error {
        ServerError::OpenToAll(_) => Failure::usage(error),
        error => error.into(),
    }
}

fn start_log(is_json: bool) {
    let filter =
        EnvFilter::try_new(config::log_filter()).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    if is_json {
        log.json().init();
    } else {
        log.init();
    }
}

/// On standard output, so that a program that started us can read the address.
fn announce(server: &Server, config: &config::Serve) -> io::Result<()> {
    let address = server.address();
    let bounds = server.bounds();
    let mut text = format!(
        "Todoki {} listens on http://{address}\n",
        env!("CARGO_PKG_VERSION")
    );
    let data = config.data.display();
    match bounds.head.count_since(bounds.earliest.before()) {
        0 => writeln!(text, "  log    {data}, empty (epoch {})", bounds.epoch),
        count => writeln!(
            text,
            "  log    {data}, {count} events, {} to {} (epoch {})",
            bounds.earliest, bounds.head, bounds.epoch
        ),
    }
    .map_err(io::Error::other)?;
    text.push_str(&hint(server));
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// How to get in.
fn hint(server: &Server) -> String {
    let address = server.address();
    match server.token() {
        Token::Given => "  token  as given\n".to_owned(),
        Token::Generated(path) => format!(
            "  token  generated, kept in {0}\n\n\
             Here, the todoki commands find the token by themselves:\n  \
             todoki tail\n  \
             todoki emit --kind hello.world --data '{{\"from\":\"me\"}}'\n\
             Elsewhere, send it:\n  \
             curl http://{address}/api/event-bus -H \"Authorization: Bearer $(cat {0})\"\n",
            path.display()
        ),
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
        tracing::info!("draining; a second signal ends at once");
        stop.cancel();
        next().await;
        std::process::exit(1);
    });
    Ok(())
}
