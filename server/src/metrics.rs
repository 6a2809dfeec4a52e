//! `GET /metrics`: what a server counts, in the text format of Prometheus.
//!
//! `LIST` has every metric, with what it means and where its number comes from; docs/OPERATIONS.md shows the same list
//! to people, and a test holds the two together. Units are seconds and bytes. No label comes from a client: each has the
//! values that a table of this server gives it, so the number of series is fixed when it is built.
//!
//! Nothing is counted here. Shards count for themselves ([`hub::meter`](crate::hub::meter)) and are asked; the log counts
//! in its [`Recorder`](log::Recorder); the edge counts in [`Traffic`](crate::traffic::Traffic).

use std::time::Duration;

use hyper::Response;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    CounterValueEncoder, DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue,
    GaugeValueEncoder, MetricEncoder, NoLabelSet, prometheus_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use todoki_codec::frame::CloseCode;
use todoki_codec::query;

use crate::accept::TURNED_AWAY;
use crate::histogram::Histogram;
use crate::hub::meter;
use crate::hub::survey::{Standing, Survey};
use crate::log::{self, Bounds, Log};
use crate::reply::{self, Body, Refusal};
use crate::route::App;
use crate::subscriber;
use crate::traffic::Labelled;

/// How long a scrape waits for the shards: half of what scrapers usually wait, so that they are told rather than cut off.
const SURVEY_DEADLINE: Duration = Duration::from_secs(5);

/// Answers a scrape.
pub async fn metrics<L: Log>(app: &App<L>, query: &str) -> Result<Response<Body>, Refusal> {
    query::nothing(query)?;
    let scrape = Scrape::take(app).await.ok_or(Refusal::Unmeasured)?;
    Ok(reply::metrics(scrape.exposition()))
}

/// One metric.
#[derive(Debug)]
struct Metric {
    /// As it is exposed.
    name: &'static str,
    /// What its number means.
    help: &'static str,
    labels: &'static [&'static str],
    value: Value,
}

/// Where the number of a metric comes from.
#[derive(Debug)]
enum Value {
    Counter(fn(&Scrape) -> Vec<Series>),
    Gauge(fn(&Scrape) -> Vec<Series>),
    Histogram(fn(&Scrape) -> &Histogram),
}

/// A number, and the values of its labels.
type Series = (Vec<String>, Number);

#[derive(Clone, Copy, Debug)]
enum Number {
    Whole(u64),
    Seconds(Duration),
}

const fn metric(
    name: &'static str,
    labels: &'static [&'static str],
    value: Value,
    help: &'static str,
) -> Metric {
    Metric {
        name,
        help,
        labels,
        value,
    }
}

const STATE: &[&str] = &["state"];
const RESULT: &[&str] = &["status", "code"];

/// Every metric of a server, in the order in which they are exposed.
static LIST: &[Metric] = &[
    metric(
        "websocket_connections_total",
        &[],
        Value::Gauge(|scrape| one(scrape.survey.subscribers())),
        "Subscribers that are connected now; a gauge, whatever the name says, since the name was promised",
    ),
    metric(
        "websocket_events_sent_total",
        &[],
        Value::Counter(|scrape| one(scrape.counts().live_events + scrape.counts().log_events)),
        "Events that sockets have taken, one for each subscriber that was given it",
    ),
    metric(
        "websocket_broadcast_lag_seconds",
        &[],
        Value::Histogram(|scrape| &scrape.counts().lateness),
        "From the commit of an event to the write that gave it to a live subscriber, once for each; the clock is read once for 64 writes",
    ),
    metric(
        "websocket_reconnections_total",
        &[],
        Value::Counter(|scrape| one(scrape.resumed)),
        "WebSocket connections that went on after a cursor of their own, above 0",
    ),
    metric(
        "todoki_build_info",
        &["version"],
        Value::Gauge(|_| vec![by([env!("CARGO_PKG_VERSION")], 1)]),
        "Always 1; the label says which version runs",
    ),
    metric(
        "todoki_shards",
        &[],
        Value::Gauge(|scrape| one(scrape.shards as u64)),
        "Threads that deliver, each with subscribers of its own",
    ),
    metric(
        "todoki_subscribers",
        STATE,
        Value::Gauge(|scrape| by_state(scrape, |standing| Number::Whole(standing.subscribers))),
        "Subscribers by whether they are live, or behind and given the log: at their start, or because they were slow",
    ),
    metric(
        "todoki_streams",
        &[],
        Value::Gauge(|scrape| one(scrape.streams as u64)),
        "Streams over HTTP that are open now, each of which reads the log for itself; no other metric of subscribers counts them",
    ),
    metric(
        "todoki_lag_events",
        STATE,
        Value::Gauge(|scrape| by_state(scrape, |standing| Number::Whole(standing.lag_events))),
        "Events that subscribers have not been given, summed: of the live, those that match and wait; of those behind, all up to the head",
    ),
    metric(
        "todoki_lag_events_max",
        STATE,
        Value::Gauge(|scrape| by_state(scrape, |standing| Number::Whole(standing.lag_events_most))),
        "The same of the subscriber that has most",
    ),
    metric(
        "todoki_lag_seconds",
        STATE,
        Value::Gauge(|scrape| by_state(scrape, |standing| Number::Seconds(standing.lag))),
        "For how long subscribers have lagged, summed: since they were told so, or since their sockets took nothing; 0 for all others",
    ),
    metric(
        "todoki_lag_seconds_max",
        STATE,
        Value::Gauge(|scrape| by_state(scrape, |standing| Number::Seconds(standing.lag_most))),
        "The same of the subscriber that has lagged longest",
    ),
    metric(
        "todoki_groups",
        &[],
        Value::Gauge(|scrape| one(scrape.survey.groups as u64)),
        "Groups of subscribers that share bytes, counted in each shard",
    ),
    metric(
        "todoki_segment_bytes",
        &[],
        Value::Gauge(|scrape| one(scrape.survey.segment_bytes as u64)),
        "Memory reserved for the bytes that groups share",
    ),
    metric(
        "todoki_events_sent_total",
        &["source"],
        Value::Counter(|scrape| {
            let counts = scrape.counts();
            vec![
                by(["group"], counts.live_events),
                by(["log"], counts.log_events),
            ]
        }),
        "Events that sockets have taken, by where they came from: what a group shares, or pages of the log, which count when all of a page is taken",
    ),
    metric(
        "todoki_writes_total",
        &[],
        Value::Counter(|scrape| one(scrape.counts().writes)),
        "Writes that a subscriber's socket took something of",
    ),
    metric(
        "todoki_written_bytes_total",
        &[],
        Value::Counter(|scrape| one(scrape.counts().written_bytes)),
        "Bytes that subscribers' sockets took, frame headers and messages of all types included",
    ),
    metric(
        "todoki_blocked_writes_total",
        &[],
        Value::Counter(|scrape| one(scrape.counts().blocked_writes)),
        "Writes that a subscriber's socket took nothing of, because it was full",
    ),
    metric(
        "todoki_write_events",
        &[],
        Value::Histogram(|scrape| &scrape.counts().write_events),
        "Events that one write of shared bytes completed; 0 when it ended inside a frame",
    ),
    metric(
        "todoki_round_seconds",
        &[],
        Value::Histogram(|scrape| &scrape.counts().rounds),
        "How long rounds took: distributing what was committed, and letting every subscriber write",
    ),
    metric(
        "todoki_inbox_overruns_total",
        &[],
        Value::Counter(|scrape| one(scrape.counts().overruns)),
        "Times that a shard was so far behind the log that it read from there what it had no room for",
    ),
    metric(
        "todoki_catch_up_entries_total",
        &[],
        Value::Counter(|scrape| one(scrape.counts().fell_behind)),
        "Live subscribers that could not keep up and fell behind, whatever slow= they asked for",
    ),
    metric(
        "todoki_catch_up_exits_total",
        &["outcome"],
        Value::Counter(|scrape| {
            let counts = scrape.counts();
            vec![
                by(["live"], counts.caught_up),
                by(["gave_up"], counts.gave_up),
            ]
        }),
        "How that ended: live again, with slow=skip after a gap; or they were closed, left or asked for another stream before",
    ),
    metric(
        "todoki_gaps_total",
        &["reason"],
        Value::Counter(|scrape| labelled(scrape.subscribers().gaps(), |reason| [reason])),
        "Holes that subscribers were told of, by the reason they were given",
    ),
    metric(
        "todoki_disconnects_total",
        &["by", "code"],
        Value::Counter(|scrape| {
            let endings = scrape.subscribers().endings();
            endings
                .map(|(who, code, count)| by([who.to_owned(), code], count))
                .collect()
        }),
        "WebSocket connections that ended, by who ended them and the close code; 1005 is none, 1006 no close frame, other any that says nothing here",
    ),
    metric(
        "todoki_connections_refused_total",
        &["limit"],
        Value::Counter(|scrape| labelled(scrape.refused_connections, |limit| [limit])),
        "Connections that were refused before a request was read, by the limit that they were over",
    ),
    metric(
        "todoki_emits_total",
        RESULT,
        Value::Counter(|scrape| labelled(scrape.emits.clone(), |labels| labels)),
        "Emit requests with the token, by the class of their status and the code that they were refused with, or ok",
    ),
    metric(
        "todoki_emit_drafts_total",
        RESULT,
        Value::Counter(|scrape| labelled(scrape.drafts.clone(), |labels| labels)),
        "Drafts of those requests, as far as they could be read; a retry with a known id counts again",
    ),
    metric(
        "todoki_refusals_total",
        RESULT,
        Value::Counter(|scrape| labelled(scrape.refusals.clone(), |labels| labels)),
        "Requests of any kind that were refused, by the class of their status and the code",
    ),
    metric(
        "todoki_log_head_cursor",
        &[],
        Value::Gauge(|scrape| one(number(scrape.bounds.head))),
        "Cursor of the newest durable event; its rate is that of stored events",
    ),
    metric(
        "todoki_log_earliest_cursor",
        &[],
        Value::Gauge(|scrape| one(number(scrape.bounds.earliest))),
        "Cursor of the oldest event that is still stored; one past the head when there is none",
    ),
    metric(
        "todoki_log_available",
        &[],
        Value::Gauge(|scrape| one(u64::from(scrape.is_log_available))),
        "1 while the log can be reached, 0 while the database that has it is away",
    ),
    metric(
        "todoki_log_commit_seconds",
        &[],
        Value::Histogram(|scrape| &scrape.log.commit_times),
        "How long it took to make a group of drafts durable: the commit with its fsync, without the inserts before it",
    ),
    metric(
        "todoki_log_commit_drafts",
        &[],
        Value::Histogram(|scrape| &scrape.log.commit_drafts),
        "Drafts that were committed together",
    ),
    metric(
        "todoki_log_failed_commits_total",
        &[],
        Value::Counter(|scrape| one(scrape.log.failed_commits)),
        "Groups of drafts that could not be committed, a full disk's among them",
    ),
    metric(
        "todoki_log_waiting_requests",
        &[],
        Value::Gauge(|scrape| one(scrape.log.waiting)),
        "Appends and trims that wait for the log's writer, or that it works on",
    ),
];

/// All numbers at one time, or as near to it as several threads come.
#[derive(Debug)]
struct Scrape {
    survey: Survey,
    shards: usize,
    streams: usize,
    log: log::Counts,
    bounds: Bounds,
    is_log_available: bool,
    resumed: u64,
    refused_connections: [(&'static str, u64); TURNED_AWAY.len()],
    refusals: Vec<Labelled>,
    emits: Vec<Labelled>,
    drafts: Vec<Labelled>,
}

impl Scrape {
    /// `None` when the shards do not answer in time.
    async fn take<L: Log>(app: &App<L>) -> Option<Self> {
        let survey = tokio::time::timeout(SURVEY_DEADLINE, app.hub.survey());
        let mut survey = survey.await.ok().flatten()?;
        let traffic = &app.traffic;
        for (code, count) in [
            (CloseCode::UNAUTHORISED, &traffic.turned_away),
            (CloseCode::FORBIDDEN, &traffic.forbidden),
            (CloseCode::RATE_LIMITED, &traffic.turned_away_limited),
        ] {
            survey.counts.subscribers.turned_away(code, count.get());
        }
        Some(Self {
            survey,
            shards: app.hub.shards(),
            streams: app.hub.readers(),
            log: app.recorder.counts(),
            bounds: app.log.bounds(),
            is_log_available: !app.log.is_away(),
            resumed: traffic.resumed.get(),
            refused_connections: traffic.refused_connections(),
            refusals: traffic.refusals(),
            emits: traffic.emits(),
            drafts: traffic.drafts(),
        })
    }

    fn counts(&self) -> &meter::Counts {
        &self.survey.counts
    }

    fn subscribers(&self) -> &subscriber::Counts {
        &self.survey.counts.subscribers
    }

    fn exposition(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).expect("writing into memory does not fail");
        text
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        for metric in LIST {
            metric.encode(self, &mut encoder)?;
        }
        Ok(())
    }
}

impl Metric {
    fn encode(&self, scrape: &Scrape, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        // The encoder appends to counters what their names must end in.
        let name = match self.value {
            Value::Counter(_) => self.name.trim_end_matches("_total"),
            Value::Gauge(_) | Value::Histogram(_) => self.name,
        };
        let mut encoder = encoder.encode_descriptor(name, self.help, None, self.value.kind())?;
        match self.value {
            Value::Counter(read) => self.each(read(scrape), &mut encoder, |encoder, number| {
                encoder.encode_counter::<NoLabelSet, _, u64>(&number, None)
            }),
            Value::Gauge(read) => self.each(read(scrape), &mut encoder, |encoder, number| {
                encoder.encode_gauge(&number)
            }),
            Value::Histogram(read) => {
                let read = read(scrape);
                let (sum, count) = (read.sum(), read.count());
                encoder.encode_histogram::<NoLabelSet>(sum, count, &read.buckets(), None)
            }
        }
    }

    fn each(
        &self,
        series: Vec<Series>,
        encoder: &mut MetricEncoder<'_>,
        encode: impl Fn(&mut MetricEncoder<'_>, Number) -> std::fmt::Result,
    ) -> std::fmt::Result {
        for (values, number) in series {
            debug_assert_eq!(values.len(), self.labels.len(), "{}", self.name);
            let labels: Vec<_> = self.labels.iter().copied().zip(values).collect();
            encode(&mut encoder.encode_family(&labels)?, number)?;
        }
        Ok(())
    }
}

impl Value {
    fn kind(&self) -> MetricType {
        match self {
            Self::Counter(_) => MetricType::Counter,
            Self::Gauge(_) => MetricType::Gauge,
            Self::Histogram(_) => MetricType::Histogram,
        }
    }
}

fn one(number: u64) -> Vec<Series> {
    vec![(Vec::new(), Number::Whole(number))]
}

fn by<const N: usize>(labels: [impl Into<String>; N], number: u64) -> Series {
    (labels.map(Into::into).into(), Number::Whole(number))
}

fn by_state(scrape: &Scrape, read: fn(&Standing) -> Number) -> Vec<Series> {
    let states = [
        ("live", &scrape.survey.live),
        ("behind", &scrape.survey.behind),
    ];
    states
        .map(|(state, standing)| (vec![state.to_owned()], read(standing)))
        .into()
}

fn labelled<K, const N: usize>(
    counts: impl IntoIterator<Item = (K, u64)>,
    labels: fn(K) -> [&'static str; N],
) -> Vec<Series> {
    let counts = counts.into_iter();
    counts.map(|(key, count)| by(labels(key), count)).collect()
}

fn number(cursor: todoki_codec::Cursor) -> u64 {
    cursor.get().unsigned_abs()
}

impl EncodeGaugeValue for Number {
    fn encode(&self, encoder: &mut GaugeValueEncoder<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(number) => EncodeGaugeValue::encode(number, encoder),
            Self::Seconds(span) => EncodeGaugeValue::encode(&span.as_secs_f64(), encoder),
        }
    }
}

impl EncodeCounterValue for Number {
    fn encode(&self, encoder: &mut CounterValueEncoder<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(number) => EncodeCounterValue::encode(number, encoder),
            Self::Seconds(span) => EncodeCounterValue::encode(&span.as_secs_f64(), encoder),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const DOCUMENT: &str = include_str!("../../docs/OPERATIONS.md");

    fn section() -> &'static str {
        let (_, section) = DOCUMENT.split_once("\n## Metrics\n").expect("the section");
        section
            .split_once("\n## ")
            .map_or(section, |(section, _)| section)
    }

    fn row(metric: &Metric) -> String {
        let Metric {
            name, help, value, ..
        } = metric;
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let kind = format!("{:?}", value.kind()).to_lowercase();
        format!("| `{name}` | {kind} | {} | {help} |", labels.join(", "))
    }

    #[test]
    fn the_document_has_the_list_word_for_word() {
        let rows: Vec<_> = LIST.iter().map(row).collect();
        let (list, _alerts) = section().split_once("\n### ").expect("the alerts");
        let written: Vec<_> = list
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        assert!(
            written == rows,
            "docs/OPERATIONS.md is to have these rows:\n{}",
            rows.join("\n")
        );
    }

    #[test]
    fn the_document_names_no_metric_that_there_is_not() {
        let known: BTreeSet<_> = LIST.iter().map(|metric| metric.name).collect();
        let words = section().split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named =
            words.filter(|word| word.starts_with("todoki_") || word.starts_with("websocket_"));
        for name in named {
            let is_part = ["_bucket", "_sum", "_count"].iter().any(|part| {
                name.strip_suffix(part)
                    .is_some_and(|name| known.contains(name))
            });
            assert!(is_part || known.contains(name), "{name}");
        }
    }

    #[test]
    fn names_say_their_type_and_unit() {
        for metric in LIST {
            let name = metric.name;
            assert!(
                metric.help.len() > 20 && !metric.help.ends_with('.'),
                "{name}"
            );
            match metric.value {
                Value::Counter(_) => assert!(name.ends_with("_total"), "{name}"),
                // What users were promised.
                Value::Gauge(_) if name == "websocket_connections_total" => {}
                Value::Gauge(_) | Value::Histogram(_) => {
                    assert!(!name.ends_with("_total"), "{name}");
                }
            }
        }
    }
}
