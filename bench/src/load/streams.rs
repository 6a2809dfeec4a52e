//! One stream over HTTP, as `EventSource` and `curl` have it, beside the same over WebSocket.
//!
//! A subscriber of a WebSocket shares its bytes with all others; a stream over HTTP reads pages of the log for itself, and
//! rests between them. What that costs for each delivery, what it adds to how late an event is, and what a stream keeps in
//! memory, is what differs between the rows of as many streams.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::chunks::Chunks;
use super::connect::{self, Start};
use super::fan_out::{self, Case, FanOutRow};
use super::receive::Framing;
use super::{FanOut, rounded};
use crate::Outcome;
use crate::quantiles::median;
use crate::report::Row;
use crate::server::{ServerProcess, TOKEN};
use crate::settings::Settings;
use crate::wire;

/// After the last connection, memory has so long to come to rest.
const SETTLE: Duration = Duration::from_secs(1);

/// One of so many streams is there before memory is looked at: what the first ones allocate for all others is not counted
/// for each.
const FIRST_OF: u32 = 10;

/// How the stream is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    WebSocket,
    Http(Chunks),
}

impl Way {
    /// Taking turns.
    const ALL: [Self; 3] = [
        Self::WebSocket,
        Self::Http(Chunks::ServerSent),
        Self::Http(Chunks::Lines),
    ];

    /// In words, as rows have it.
    fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "WebSocket",
            Self::Http(Chunks::ServerSent) => "HTTP, server-sent events",
            Self::Http(Chunks::Lines) => "HTTP, lines",
        }
    }
}

/// A line of the table of streams.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamsRow {
    /// The round whose cost is the median.
    #[serde(flatten)]
    pub fan_out: FanOutRow,
    /// Resident memory of the server with the first tenth of the streams.
    pub before_kib: u64,
    /// With all of them, before the first event.
    pub at_rest_kib: u64,
    /// The difference, for each of the others.
    pub at_rest_bytes_per_stream: f64,
}

impl Row for StreamsRow {
    const COLUMNS: &'static [&'static str] = &[
        "way",
        "streams",
        "emits/s",
        "event bytes",
        "deliveries",
        "server CPU µs per delivery",
        "due → subscriber, p50 / p99 / p99.9 / max ms",
        "due → sent, p50 / p99 / p99.9 / max ms",
        "resident bytes per stream at rest",
        "server MiB resident, before → at rest → after",
        "receiver cores",
        "generator",
    ];

    fn cells(&self) -> Vec<String> {
        let row = &self.fan_out;
        let (before, at_rest) = (self.before_kib >> 10, self.at_rest_kib >> 10);
        vec![
            row.subject.clone(),
            row.subscribers.to_string(),
            row.rate_per_s.to_string(),
            row.event_bytes.to_string(),
            row.deliveries.to_string(),
            format!("{:.2}", row.cpu_us_per_delivery),
            row.to_subscriber.to_string(),
            row.sent_late.to_string(),
            format!("{:.0}", self.at_rest_bytes_per_stream),
            format!("{before} → {at_rest} → {}", row.resident_mib),
            format!("{:.2}", row.receiver_cores),
            row.generator.name().to_owned(),
        ]
    }
}

/// Measures each way in each round, and reports the rounds whose costs are the medians.
pub fn run(settings: &Settings, flags: &FanOut) -> Outcome<Vec<StreamsRow>> {
    let mut cases = Vec::new();
    for subscribers in settings.counts(&flags.subscribers, 10) {
        let case = flags.case(subscribers, "message");
        cases.extend(Way::ALL.map(|way| (way, case.clone(), Vec::new())));
    }
    for round in 1..=settings.rounds() {
        for (way, case, rows) in &mut cases {
            let name = way.name();
            settings.note(&format!("streams: round {round}, {name}, {case:?}"));
            rows.push(measure(settings, *way, case)?);
        }
    }
    let medians = cases
        .into_iter()
        .map(|(_, _, rows)| median(rows, |row| row.fan_out.cpu_us_per_delivery));
    Ok(medians.collect())
}

fn measure(settings: &Settings, way: Way, case: &Case) -> Outcome<StreamsRow> {
    match way {
        Way::WebSocket => measure_by(settings, way, case, |socket| connect::subscribe(socket, "")),
        Way::Http(framing) => measure_by(settings, way, case, |socket| follow(socket, framing)),
    }
}

fn measure_by<F: Framing>(
    settings: &Settings,
    way: Way,
    case: &Case,
    begin: impl Fn(&mut TcpStream) -> Outcome<Start<F>>,
) -> Outcome<StreamsRow> {
    let settle = if settings.quick {
        Duration::from_millis(50)
    } else {
        SETTLE
    };
    let server = ServerProcess::start(settings)?;
    let more = |count| connect::subscribers(server.address(), count, |_, socket| begin(socket));
    let first = case.subscribers / FIRST_OF;
    let others = case.subscribers - first;
    let mut streams = more(first)?;
    thread::sleep(settle);
    let before = server.usage()?.resident_bytes;
    streams.append(&mut more(others)?);
    thread::sleep(settle);
    let at_rest = server.usage()?.resident_bytes;
    let grown = rounded(at_rest.saturating_sub(before));
    Ok(StreamsRow {
        fan_out: fan_out::todoki(settings, way.name(), case, &server, streams, None)?,
        before_kib: before >> 10,
        at_rest_kib: at_rest >> 10,
        at_rest_bytes_per_stream: grown / f64::from(others),
    })
}

/// Asks a Todoki server for its stream over HTTP, and waits for `subscribed`.
fn follow(socket: &mut TcpStream, framing: Chunks) -> Outcome<Start<Chunks>> {
    let accept = framing.media_type();
    let request = format!(
        "GET /api/event-bus/stream HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\n\
         Accept: {accept}\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let (head, mut early) = connect::answer(socket)?;
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    let is_chunked = lines.any(|line| line.eq_ignore_ascii_case("transfer-encoding: chunked"));
    if !status.starts_with("HTTP/1.1 200 ") || !is_chunked {
        return Err(format!("there is no stream: {status}").into());
    }
    loop {
        let mut after = None;
        // It is in the first chunk, before which there is nothing.
        let done = framing.first(&early, &mut |message| {
            after = after.or_else(|| wire::member(message, "cursor"));
            Ok(())
        })?;
        early.drain(..done);
        if let Some(after) = after {
            return Ok(Start {
                framing,
                early,
                after,
            });
        }
        connect::more(socket, &mut early)?;
    }
}
