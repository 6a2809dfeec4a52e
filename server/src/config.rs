//! The only reader of flags and environment.
//!
//! A flag beats its variable; everything has a default, so `todoki serve` needs nothing. A variable that is set to nothing
//! is as good as unset: files of services and containers name variables that have no value here.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Arg, Args, Command};
use ipnet::IpNet;
use jiff::SignedDuration;

use crate::assets::Assets;
use crate::limit;
use crate::listen::Deadlines;
use crate::{origin, proxy, tls};

/// The port of a server that is not told another.
pub const PORT: u16 = 3000;

/// The data directory of a server that is not told another.
pub const DATA: &str = "todoki-data";

/// Connections that a server may be told to serve at most: what a machine has ports and memory for.
const CONNECTIONS: std::ops::RangeInclusive<i64> = 1..=1_000_000;

/// Longest duration that can be set: with more, times would leave the calendar.
const LONGEST: Duration = Duration::from_hours(24 * 36_525);

/// Shortest and longest heartbeat: below, signs of life are all there is; above, no proxy waits for them.
const HEARTBEATS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_hours(1);

/// The file in the data directory that holds a generated token.
const TOKEN_FILE: &str = "token";

/// How a server is set up.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Serve {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(
        long,
        env = "TODOKI_LISTEN",
        default_value = "127.0.0.1:3000",
        value_parser = address,
        value_name = "ADDRESS"
    )]
    pub listen: SocketAddr,

    /// Token that clients must send [env: `TODOKI_TOKEN` or `USER_TOKEN`]; without one, a token is generated into the data
    /// directory and only loopback addresses are served
    #[arg(long, value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,

    /// File of roles, tokens, JWT verifiers and revocations, taken up again when it changes; see docs/OPERATIONS.md and
    /// `todoki token --help`. With it no token is generated
    #[arg(long, env = "TODOKI_AUTH", value_name = "FILE")]
    pub auth: Option<PathBuf>,

    /// Also take tokens from the query of a request (?token=), for clients that can send them in no other way: proxies and
    /// browsers keep addresses, so everyone who reads their logs and histories has the token too
    #[arg(long, env = "TODOKI_ALLOW_QUERY_TOKEN", value_parser = BoolishValueParser::new())]
    pub allow_query_token: bool,

    /// Directory of the log and of a generated token, created when missing
    #[arg(
        long = "data-dir",
        visible_alias = "data",
        env = "TODOKI_DATA",
        default_value = "todoki-data",
        value_name = "DIR"
    )]
    pub data: PathBuf,

    /// Keep the log in this PostgreSQL database, which several servers may share, and not in the data directory; prefer
    /// the variable, as flags can be seen by other users of the machine
    #[arg(
        long,
        env = "TODOKI_LOG_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub log: Option<String>,

    /// Certificate, PEM, that the database's is signed with, which then must use TLS; without it, those that the system
    /// trusts
    #[arg(long, env = "TODOKI_LOG_CA", value_name = "FILE", requires = "log")]
    pub log_ca: Option<PathBuf>,

    /// Speak TLS with this certificate: PEM, the server's own first, then those that signed it. A new one is in force a second
    /// after it was put there, or on SIGHUP
    #[arg(
        long,
        env = "TODOKI_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key, PEM, without a password
    #[arg(
        long,
        env = "TODOKI_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,

    /// Believe what proxies at this address or network, such as 10.0.0.0/8, say of their clients (X-Forwarded-For,
    /// X-Forwarded-Proto); may be given several times, or joined by commas
    #[arg(
        long,
        env = "TODOKI_TRUSTED_PROXY",
        value_delimiter = ',',
        value_parser = proxy::network,
        value_name = "CIDR"
    )]
    pub trusted_proxy: Vec<IpNet>,

    /// Let pages of this origin connect, such as `https://app.example.org`, besides the server's own; may be given several
    /// times, or joined by commas
    #[arg(
        long,
        env = "TODOKI_ALLOW_ORIGIN",
        value_delimiter = ',',
        value_parser = origin::origin,
        value_name = "ORIGIN"
    )]
    pub allow_origin: Vec<String>,

    /// Forget events older than this, such as 30d or 12h; kept for ever when absent
    #[arg(long, env = "TODOKI_RETAIN_AGE", value_parser = duration, value_name = "AGE")]
    pub retain_age: Option<Duration>,

    /// Keep only so many newest events; all when absent
    #[arg(long, env = "TODOKI_RETAIN_EVENTS", value_parser = clap::value_parser!(u64).range(1..), value_name = "COUNT")]
    pub retain_events: Option<u64>,

    /// Interval of the heartbeat; a client that is silent for two of them is closed
    #[arg(long, env = "TODOKI_HEARTBEAT", default_value = "30s", value_parser = heartbeat, value_name = "INTERVAL")]
    pub heartbeat: Duration,

    /// Connections served at the same time
    #[arg(
        long,
        env = "TODOKI_MAX_CONNECTIONS",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(CONNECTIONS),
        value_name = "COUNT"
    )]
    pub max_connections: u32,

    /// Set a limit, 0 for none; may be given several times, or joined by commas. `--help` lists them
    #[arg(
        long,
        env = "TODOKI_LIMITS",
        value_delimiter = ',',
        value_name = "NAME=VALUE",
        value_parser = limit::setting,
        long_help = limit::help()
    )]
    pub limit: Vec<limit::Setting>,

    /// Longest time in milliseconds that an event waits for company, so that one write carries many; 0 turns it off. An
    /// event that comes after quiet never waits
    #[arg(long, env = "TODOKI_COALESCE_MS", default_value_t = 5, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=1000))]
    pub coalesce_ms: u64,

    /// Compress what WebSocket clients are sent, if they offer to read it (permessage-deflate): some seven times fewer bytes
    /// for some more time of the server's, once for all clients with the same filter
    #[arg(long, env = "TODOKI_COMPRESSION", default_value_t = true, action = clap::ArgAction::Set, value_parser = BoolishValueParser::new(), value_name = "BOOL")]
    pub compression: bool,

    /// Tell metrics to whoever asks, without the token: for scrapers that cannot send one, on a network that you trust
    #[arg(long, env = "TODOKI_OPEN_METRICS", value_parser = BoolishValueParser::new())]
    pub open_metrics: bool,

    /// Begin a new epoch: say so after restoring a backup, so that clients do not mistake it for the history they knew
    #[arg(long)]
    pub new_epoch: bool,

    /// How long clients may take; for whoever embeds the server, as nobody has needed flags for it
    #[arg(skip)]
    pub deadlines: Deadlines,

    /// The web app; for whoever embeds the server with another
    #[arg(skip)]
    pub assets: Assets,
}

/// How a client reaches a server.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Client {
    /// The server
    #[arg(
        long,
        env = "TODOKI_URL",
        default_value = "http://127.0.0.1:3000",
        value_name = "URL"
    )]
    pub url: String,

    /// Certificate, PEM, that an https server's is signed with; without it, those that the system trusts
    #[arg(long, env = "TODOKI_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// The server's token [env: `TODOKI_TOKEN` or `USER_TOKEN`]; without one, the generated token in the data directory
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,

    /// Where to look for a generated token
    #[arg(
        long,
        env = "TODOKI_DATA",
        default_value = "todoki-data",
        value_name = "DIR"
    )]
    pub data_dir: PathBuf,
}

impl Serve {
    /// The token to ask for, as given.
    pub fn given_token(&self) -> Option<String> {
        given(self.token.as_ref())
    }

    /// Where certificate and key are, if TLS is to be spoken.
    pub fn tls_files(&self) -> Option<tls::Files> {
        Some(tls::Files {
            certificate: self.tls_cert.clone()?,
            key: self.tls_key.clone()?,
        })
    }

    /// The database that has the log, if one is named; an empty name is none.
    pub fn database(&self) -> Option<&str> {
        self.log.as_deref().filter(|url| !url.is_empty())
    }
}

impl Client {
    /// The token to send: given, or generated by a server with the same data directory.
    pub fn token(&self) -> Option<String> {
        given(self.token.as_ref()).or_else(|| {
            let token = std::fs::read_to_string(token_file(&self.data_dir)).ok()?;
            Some(token.trim().to_owned())
        })
    }

    /// Where a person finds the token that is sent, if it was not given.
    pub fn generated_token(&self) -> Option<PathBuf> {
        let file = token_file(&self.data_dir);
        (given(self.token.as_ref()).is_none() && file.exists()).then_some(file)
    }
}

/// Where a generated token is kept.
pub fn token_file(data: &Path) -> PathBuf {
    data.join(TOKEN_FILE)
}

/// What the process logs: a filter such as `info` or `todoki=debug`.
pub fn log_filter() -> String {
    variable("TODOKI_LOG").unwrap_or_else(|| "info".into())
}

/// A secret that a file of settings leaves to a variable.
pub fn secret(name: &str) -> Option<String> {
    variable(name)
}

fn given(flag: Option<&String>) -> Option<String> {
    flag.cloned()
        .or_else(|| variable("TODOKI_TOKEN"))
        .or_else(|| variable("USER_TOKEN"))
}

/// What a variable says; nothing when it is set to nothing.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A command whose flags, and those of its commands, do not hear of variables that are set to nothing.
pub(crate) fn without_empty_variables(command: Command) -> Command {
    command
        .mut_args(|arg| {
            if is_set_to_nothing(&arg) {
                arg.env(None::<&'static str>)
            } else {
                arg
            }
        })
        .mut_subcommands(without_empty_variables)
}

fn is_set_to_nothing(arg: &Arg) -> bool {
    let value = arg.get_env().and_then(std::env::var_os);
    value.is_some_and(|value| value.is_empty())
}

/// An address and a port; names are not looked up, as they may have several addresses.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "write an address and a port, such as 127.0.0.1:3000, 0.0.0.0:3000 or [::1]:3000".into()
    })
}

/// A span such as `30s`, `12h` or `30d`, longer than nothing.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("{text:?} is not a duration such as 30s, 12h or 30d");
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u32>().ok());
    let duration = match days {
        Some(days) => Duration::from_secs(u64::from(days) * 86_400),
        None => text
            .parse::<SignedDuration>()
            .ok()
            .and_then(|span| Duration::try_from(span).ok())
            .ok_or_else(expected)?,
    };
    if duration.is_zero() || duration > LONGEST {
        Err(expected())
    } else {
        Ok(duration)
    }
}

fn heartbeat(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if HEARTBEATS.contains(&interval) {
        Ok(interval)
    } else {
        Err(format!("{text:?} is not within {HEARTBEATS:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_people_do() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("12h"), Ok(Duration::from_hours(12)));
        assert_eq!(duration("30d"), Ok(Duration::from_hours(720)));
        for bad in ["", "0s", "-1s", "x", "5"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
