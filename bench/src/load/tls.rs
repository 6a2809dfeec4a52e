//! One stream over `wss://` beside the same over `ws://`, from the same program; and what it costs to connect.
//!
//! Subscribers of a WebSocket share their bytes also inside TLS, but each has keys of its own, so that what is sent is
//! encrypted for each of them. The publisher's emits go inside TLS too where the stream does, since a server with a
//! certificate speaks nothing else on its port.

use std::net::TcpStream;
use std::sync::Arc;

use clap::Args;
use rustls::client::Resumption;
use rustls::{ClientConfig, HandshakeKind};
use serde::{Deserialize, Serialize};

use super::connect::{self, Start, Tuning};
use super::fan_out::{self, Case, FanOutRow};
use super::receive::Framing;
use super::{FanOut, secure};
use crate::authority;
use crate::quantiles::median;
use crate::report::Row;
use crate::server::ServerProcess;
use crate::settings::Settings;
use crate::{Outcome, pace};

/// Flags of TLS.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// The stream.
    #[command(flatten)]
    pub stream: FanOut,

    /// Subscribers that come and go one after the other, in each way to connect; more than ten thousand in a minute would
    /// leave no port
    #[arg(long, default_value_t = 1000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connects: u32,
}

/// Whether the server has a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    Secure,
}

/// Connecting, from TCP's first packet to `subscribed`, one after the other.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Connects {
    /// In a second.
    pub per_s: f64,
    /// Server CPU time of each, and of its leaving.
    pub cpu_us: f64,
}

/// A line of the table of TLS.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TlsRow {
    /// The round whose cost is the median.
    #[serde(flatten)]
    pub fan_out: FanOutRow,
    /// With a handshake of TLS from the beginning, where there is one.
    pub connects: Connects,
    /// With one that resumes what an earlier one agreed on.
    pub resumed: Option<Connects>,
}

impl Way {
    /// Taking turns.
    const ALL: [Self; 2] = [Self::Plain, Self::Secure];

    /// In words, as rows have it.
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "ws://",
            Self::Secure => "wss://",
        }
    }
}

impl Row for TlsRow {
    const COLUMNS: &'static [&'static str] = &[
        "way",
        "subscribers",
        "emits/s",
        "event bytes",
        "deliveries",
        "server CPU µs per delivery",
        "due → subscriber, p50 / p99 / p99.9 / max ms",
        "due → sent, p50 / p99 / p99.9 / max ms",
        "connects/s (server CPU µs of each)",
        "resumed connects/s (server CPU µs of each)",
        "receiver cores",
        "generator",
        "server MiB resident",
    ];

    fn cells(&self) -> Vec<String> {
        let row = &self.fan_out;
        let told = |one: Connects| format!("{:.0} ({:.0})", one.per_s, one.cpu_us);
        vec![
            row.subject.clone(),
            row.subscribers.to_string(),
            row.rate_per_s.to_string(),
            row.event_bytes.to_string(),
            row.deliveries.to_string(),
            format!("{:.2}", row.cpu_us_per_delivery),
            row.to_subscriber.to_string(),
            row.sent_late.to_string(),
            told(self.connects),
            self.resumed.map_or_else(|| "–".to_owned(), told),
            format!("{:.2}", row.receiver_cores),
            row.generator.name().to_owned(),
            row.resident_mib.to_string(),
        ]
    }
}

/// Measures both ways in each round, and reports the rounds whose costs for a delivery are the medians.
pub fn run(settings: &Settings, flags: &Flags) -> Outcome<Vec<TlsRow>> {
    let connects = if settings.quick {
        flags.connects.min(20)
    } else {
        flags.connects
    };
    let mut cases = Vec::new();
    for subscribers in settings.counts(&flags.stream.subscribers, 10) {
        let case = flags.stream.case(subscribers, "message");
        cases.extend(Way::ALL.map(|way| (way, case.clone(), Vec::new())));
    }
    for round in 1..=settings.rounds() {
        for (way, case, rows) in &mut cases {
            let name = way.name();
            settings.note(&format!("tls: round {round}, {name}, {case:?}"));
            rows.push(match way {
                Way::Plain => plain(settings, case, connects)?,
                Way::Secure => inside_tls(settings, case, connects)?,
            });
        }
    }
    let medians = cases
        .into_iter()
        .map(|(_, _, rows)| median(rows, |row| row.fan_out.cpu_us_per_delivery));
    Ok(medians.collect())
}

fn plain(settings: &Settings, case: &Case, connects: u32) -> Outcome<TlsRow> {
    let server = ServerProcess::start(settings)?;
    let subscribe = |socket: &mut TcpStream| connect::subscribe(socket, "");
    Ok(TlsRow {
        connects: connecting(&server, connects, subscribe)?,
        resumed: None,
        fan_out: fanning_out(settings, Way::Plain, case, &server, subscribe)?,
    })
}

fn inside_tls(settings: &Settings, case: &Case, connects: u32) -> Outcome<TlsRow> {
    let server = ServerProcess::start_secure(settings)?;
    let authority = server.authority().ok_or("a server without TLS")?;
    let config = authority::trusting(authority)?;
    let mut anew = config.clone();
    anew.resumption = Resumption::disabled();
    let (anew, resuming) = (Arc::new(anew), Arc::new(config));
    let shaking = |config: &Arc<ClientConfig>, expected: HandshakeKind| {
        let config = Arc::clone(config);
        move |socket: &mut TcpStream| {
            let start = secure::subscribe(socket, &config)?;
            match start.framing.handshake() {
                Some(kind) if kind == expected => Ok(start),
                kind => Err(format!("a handshake {kind:?}, and not {expected:?}").into()),
            }
        }
    };
    let full = shaking(&anew, HandshakeKind::Full);
    // The first of those that resume has nothing to resume yet.
    connecting(&server, 1, shaking(&resuming, HandshakeKind::Full))?;
    let resumed = connecting(
        &server,
        connects,
        shaking(&resuming, HandshakeKind::Resumed),
    )?;
    Ok(TlsRow {
        connects: connecting(&server, connects, &full)?,
        resumed: Some(resumed),
        fan_out: fanning_out(settings, Way::Secure, case, &server, full)?,
    })
}

fn connecting<F: Framing>(
    server: &ServerProcess,
    count: u32,
    subscribe: impl Fn(&mut TcpStream) -> Outcome<Start<F>>,
) -> Outcome<Connects> {
    let (before, began) = (server.usage()?.cpu, pace::monotonic());
    for number in 0..count {
        connect::subscriber(server.address(), number, Tuning::default(), &subscribe)?;
    }
    let took = pace::monotonic().saturating_sub(began);
    let cpu = server.usage()?.cpu.saturating_sub(before);
    Ok(Connects {
        per_s: f64::from(count) / took.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / f64::from(count),
    })
}

fn fanning_out<F: Framing>(
    settings: &Settings,
    way: Way,
    case: &Case,
    server: &ServerProcess,
    subscribe: impl Fn(&mut TcpStream) -> Outcome<Start<F>>,
) -> Outcome<FanOutRow> {
    let streams = connect::subscribers(server.address(), case.subscribers, |_, socket| {
        subscribe(socket)
    })?;
    fan_out::todoki(settings, way.name(), case, server, streams, None)
}
