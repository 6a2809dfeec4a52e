//! Query strings become subscriptions, pages, replays and counts.
//!
//! A parameter that is unknown, malformed or given twice is refused by name: a misspelt filter must never widen a
//! stream. Percent-encoding is RFC 3986 (a `+` is a plus, so RFC 3339 offsets need no escape). `token` is skipped
//! here, and `ticket` where a stream begins, since whoever authenticates has read them.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

use crate::decode::parse_uuid;
use crate::event::Cursor;
use crate::filter::{Filter, WantedIds};
use crate::kind::{KindError, Pattern};
use crate::limits::{
    CURSOR_MAX, FACET_VALUES, FACET_VALUES_DEFAULT, HISTOGRAM_WINDOWS, HISTOGRAM_WINDOWS_DEFAULT,
    PAGE_EVENTS, PAGE_EVENTS_DEFAULT, PATTERNS,
};
use crate::windows::Windows;

/// Where a subscription starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// `head`: only what comes from now on.
    Head,
    /// `earliest`: all that the log still has.
    Earliest,
    /// A number: after that cursor; 0 is all history.
    After(Cursor),
    /// An RFC 3339 time: events stamped at it or later.
    Time(Timestamp),
}

/// How messages are put into WebSocket frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `message`: one message a text frame.
    #[default]
    Message,
    /// `lines`: up to 512 events or 64 KiB a text frame, joined by line feeds. For browsers and bulk readers.
    Lines,
}

/// What to do with a subscriber that cannot keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Slow {
    /// `catch_up`: it is given the log at its own pace; nothing is lost.
    #[default]
    CatchUp,
    /// `disconnect`: it is closed with 4408, to resume.
    Disconnect,
    /// `skip`: it goes on with what is new, and is told exactly what it missed.
    Skip,
}

/// What a client asked for on `/ws/event-bus` or `GET /api/event-bus/stream`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Which events.
    pub filter: Filter,
    /// From where; `None` is where the stream stands: the head for a new one.
    pub start: Option<Start>,
    /// In which form; `None` is as before: one message a frame for a new stream.
    pub encoding: Option<Encoding>,
    /// What to do when it is too slow; `None` is as before: catch up for a new stream.
    pub slow: Option<Slow>,
}

/// Which way a page reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The first events after the cursor.
    After(Cursor),
    /// The last events before the cursor.
    Before(Cursor),
}

/// What a client asked for on `GET /api/event-bus`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageQuery {
    /// Which events.
    pub filter: Filter,
    /// Around which cursor.
    pub direction: Direction,
    /// At most so many events.
    pub limit: usize,
}

/// What a client asked for on `POST /api/event-bus/replay`: events in `(from, to]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayQuery {
    /// Which events.
    pub filter: Filter,
    /// Exclusive; `None` is all that there is.
    pub from: Option<Cursor>,
    /// Inclusive; `None` is the head.
    pub to: Option<Cursor>,
}

/// What a client asked for on `GET /api/event-bus/histogram`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramQuery {
    /// Which events.
    pub filter: Filter,
    /// Counted in which windows.
    pub windows: Windows,
}

/// What a client asked for on `GET /api/event-bus/facets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacetsQuery {
    /// Which events.
    pub filter: Filter,
    /// At most so many values of each facet.
    pub limit: usize,
}

/// Why a query string is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryError {
    /// A parameter that the endpoint does not have.
    Unknown(Box<str>),
    /// Given twice, or beside one that it excludes.
    Repeated(&'static str),
    /// Broken percent-encoding or not UTF-8.
    Encoding(Box<str>),
    /// A pattern that is malformed.
    Pattern {
        /// The pattern.
        text: Box<str>,
        /// What is wrong with it.
        error: KindError,
    },
    /// More than [`PATTERNS`].
    TooManyPatterns(usize),
    /// An id that is not a hyphenated UUID.
    Uuid(&'static str),
    /// Not a cursor.
    Cursor(&'static str),
    /// Not a place to start from.
    Start,
    /// Not a count within its limit.
    Count {
        /// Of what.
        name: &'static str,
        /// The limit.
        most: usize,
    },
    /// Not an RFC 3339 time.
    Time(&'static str),
    /// Not given, and there is no default.
    Missing(&'static str),
    /// An encoding that this server does not speak.
    EncodingName,
    /// Not a way to treat a slow subscriber.
    Slow,
    /// The range ends before it starts.
    Range,
    /// The span of time does not end behind its start.
    Span,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "unknown parameter {name:?}"),
            Self::Repeated(name) => {
                write!(f, "{name} is given more than once, or beside its opposite")
            }
            Self::Encoding(text) => write!(f, "{text:?} is not percent-encoded UTF-8"),
            Self::Pattern { text, error } => write!(f, "kinds: {text:?} {error}"),
            Self::TooManyPatterns(count) => {
                write!(f, "kinds: {count} patterns; the limit is {PATTERNS}")
            }
            Self::Uuid(name) => write!(
                f,
                "{name} must be a UUID such as 018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f"
            ),
            Self::Cursor(name) => write!(f, "{name} must be a whole number from 0 to {CURSOR_MAX}"),
            Self::Start => write!(
                f,
                "cursor must be a whole number from 0 to {CURSOR_MAX}, earliest, head, or an RFC 3339 time"
            ),
            Self::Count { name, most } => {
                write!(f, "{name} must be a whole number from 1 to {most}")
            }
            Self::Time(name) => write!(
                f,
                "{name} must be an RFC 3339 time such as 2026-02-27T10:30:00Z"
            ),
            Self::Missing(name) => write!(f, "{name} is required"),
            Self::EncodingName => f.write_str("encoding must be message or lines"),
            Self::Slow => f.write_str("slow must be catch_up, disconnect or skip"),
            Self::Range => f.write_str("to_cursor must not be before from_cursor"),
            Self::Span => f.write_str("to must be after from"),
        }
    }
}

impl std::error::Error for QueryError {}

/// Reads the query of `/ws/event-bus`.
pub fn subscription(query: &str) -> Result<Subscription, QueryError> {
    let mut fields = SubscriptionFields::default();
    for pair in pairs(query) {
        let (name, value) = pair?;
        fields.take(&name, &value)?;
    }
    Ok(fields.finish())
}

/// Reads the query of `GET /api/event-bus/stream`: a subscription without what HTTP decides by itself, which is how
/// messages are put together, and that a slow client is waited for.
pub fn stream(query: &str) -> Result<Subscription, QueryError> {
    let mut fields = SubscriptionFields::default();
    for pair in pairs(query) {
        let (name, value) = pair?;
        match &*name {
            "encoding" | "slow" => return Err(QueryError::Unknown(name.into())),
            _ => fields.take(&name, &value)?,
        }
    }
    Ok(fields.finish())
}

/// Reads the query of `POST /api/event-bus/tickets`: the events that a ticket is for.
pub fn filter(query: &str) -> Result<Filter, QueryError> {
    let mut filter = FilterFields::default();
    for pair in pairs(query) {
        let (name, value) = pair?;
        filter.take(&name, &value)?;
    }
    Ok(filter.finish())
}

/// The parameters of a subscription as they are found, in a query string or in a `subscribe` command.
#[derive(Default)]
pub(crate) struct SubscriptionFields {
    filter: FilterFields,
    start: Once<Start>,
    encoding: Once<Encoding>,
    slow: Once<Slow>,
    ticket: Once<()>,
}

impl SubscriptionFields {
    pub(crate) fn take(&mut self, name: &str, value: &str) -> Result<(), QueryError> {
        match name {
            "cursor" => self.start.set("cursor", parse_start(value)?),
            "encoding" => self.encoding.set("encoding", parse_encoding(value)?),
            "slow" => self.slow.set("slow", parse_slow(value)?),
            "ticket" => self.ticket.set("ticket", ()),
            _ => self.filter.take(name, value),
        }
    }

    /// Whether there is a parameter of this name, whatever its value.
    pub(crate) fn has(name: &str) -> bool {
        !matches!(Self::default().take(name, ""), Err(QueryError::Unknown(_)))
    }

    pub(crate) fn finish(self) -> Subscription {
        Subscription {
            filter: self.filter.finish(),
            start: self.start.0,
            encoding: self.encoding.0,
            slow: self.slow.0,
        }
    }
}

/// Reads the query of `GET /api/event-bus`.
pub fn page(query: &str) -> Result<PageQuery, QueryError> {
    let mut filter = FilterFields::default();
    let mut direction = Once::default();
    let mut limit = Once::default();
    for pair in pairs(query) {
        let (name, value) = pair?;
        match &*name {
            "cursor" => {
                direction.set("cursor", Direction::After(parse_cursor("cursor", &value)?))?;
            }
            "before" => {
                direction.set("cursor", Direction::Before(parse_cursor("before", &value)?))?;
            }
            "limit" => limit.set("limit", parse_count("limit", &value, PAGE_EVENTS)?)?,
            _ => filter.take(&name, &value)?,
        }
    }
    Ok(PageQuery {
        filter: filter.finish(),
        direction: direction.0.unwrap_or(Direction::After(Cursor::ORIGIN)),
        limit: limit.0.unwrap_or(PAGE_EVENTS_DEFAULT),
    })
}

/// Reads the query of `POST /api/event-bus/replay`.
pub fn replay(query: &str) -> Result<ReplayQuery, QueryError> {
    let mut filter = FilterFields::default();
    let mut from = Once::default();
    let mut to = Once::default();
    for pair in pairs(query) {
        let (name, value) = pair?;
        match &*name {
            "from_cursor" => from.set("from_cursor", parse_cursor("from_cursor", &value)?)?,
            "to_cursor" => to.set("to_cursor", parse_cursor("to_cursor", &value)?)?,
            _ => filter.take(&name, &value)?,
        }
    }
    let from = from.0;
    if to.0.is_some_and(|to| to < from.unwrap_or_default()) {
        return Err(QueryError::Range);
    }
    Ok(ReplayQuery {
        filter: filter.finish(),
        from,
        to: to.0,
    })
}

/// Reads the query of `GET /api/event-bus/seek`: the time to look for.
pub fn seek(query: &str) -> Result<Timestamp, QueryError> {
    let mut time = Once::default();
    let mut token = Once::default();
    for pair in pairs(query) {
        let (name, value) = pair?;
        match &*name {
            "time" => time.set("time", parse_time("time", &value)?)?,
            "token" => token.set("token", ())?,
            _ => return Err(QueryError::Unknown(name.into())),
        }
    }
    time.0.ok_or(QueryError::Missing("time"))
}

/// Reads the query of `GET /api/event-bus/histogram`.
pub fn histogram(query: &str) -> Result<HistogramQuery, QueryError> {
    let mut filter = FilterFields::default();
    let mut from = Once::default();
    let mut to = Once::default();
    let mut windows = Once::default();
    for pair in pairs(query) {
        let (name, value) = pair?;
        match &*name {
            "from" => from.set("from", parse_time("from", &value)?)?,
            "to" => to.set("to", parse_time("to", &value)?)?,
            "windows" => {
                windows.set(
                    "windows",
                    parse_count("windows", &value, HISTOGRAM_WINDOWS)?,
                )?;
            }
            _ => filter.take(&name, &value)?,
        }
    }
    let from = from.0.ok_or(QueryError::Missing("from"))?;
    let to = to.0.ok_or(QueryError::Missing("to"))?;
    let count = windows.0.unwrap_or(HISTOGRAM_WINDOWS_DEFAULT);
    Ok(HistogramQuery {
        filter: filter.finish(),
        windows: Windows::new(from, to, count).ok_or(QueryError::Span)?,
    })
}

/// Reads the query of `GET /api/event-bus/facets`.
pub fn facets(query: &str) -> Result<FacetsQuery, QueryError> {
    let mut filter = FilterFields::default();
    let mut limit = Once::default();
    for pair in pairs(query) {
        let (name, value) = pair?;
        match &*name {
            "limit" => limit.set("limit", parse_count("limit", &value, FACET_VALUES)?)?,
            _ => filter.take(&name, &value)?,
        }
    }
    Ok(FacetsQuery {
        filter: filter.finish(),
        limit: limit.0.unwrap_or(FACET_VALUES_DEFAULT),
    })
}

/// Reads a query that has no parameters of its own.
pub fn nothing(query: &str) -> Result<(), QueryError> {
    let mut token = Once::default();
    for pair in pairs(query) {
        match &*pair?.0 {
            "token" => token.set("token", ())?,
            unknown => return Err(QueryError::Unknown(unknown.into())),
        }
    }
    Ok(())
}

/// The value of `token`, for clients that cannot send headers.
pub fn token(query: &str) -> Option<String> {
    first(query, "token")
}

/// The value of `ticket`, for browsers' ways to read a stream, which cannot send headers either.
pub fn ticket(query: &str) -> Option<String> {
    first(query, "ticket")
}

fn first(query: &str, wanted: &str) -> Option<String> {
    pairs(query)
        .filter_map(Result::ok)
        .find(|(name, _)| name == wanted)
        .map(|(_, value)| value.into_owned())
}

/// The patterns of a comma-separated list.
pub fn patterns(list: &str) -> Result<Vec<Pattern>, QueryError> {
    check_count(list.split(',').count())?;
    list.split(',').map(pattern).collect()
}

/// Refuses too many patterns before any of them is read.
pub(crate) fn check_count(patterns: usize) -> Result<(), QueryError> {
    if patterns > PATTERNS {
        return Err(QueryError::TooManyPatterns(patterns));
    }
    Ok(())
}

pub(crate) fn pattern(text: &str) -> Result<Pattern, QueryError> {
    Pattern::parse(text).map_err(|error| QueryError::Pattern {
        text: text.into(),
        error,
    })
}

/// A place to start from, as `cursor=` takes it.
pub fn parse_start(text: &str) -> Result<Start, QueryError> {
    match text {
        "earliest" => Ok(Start::Earliest),
        "head" => Ok(Start::Head),
        _ => parse_cursor("cursor", text)
            .map(Start::After)
            .or_else(|_| text.parse().map(Start::Time))
            .map_err(|_| QueryError::Start),
    }
}

fn parse_encoding(text: &str) -> Result<Encoding, QueryError> {
    match text {
        "message" => Ok(Encoding::Message),
        "lines" => Ok(Encoding::Lines),
        _ => Err(QueryError::EncodingName),
    }
}

fn parse_slow(text: &str) -> Result<Slow, QueryError> {
    match text {
        "catch_up" => Ok(Slow::CatchUp),
        "disconnect" => Ok(Slow::Disconnect),
        "skip" => Ok(Slow::Skip),
        _ => Err(QueryError::Slow),
    }
}

/// Decimal digits and nothing else: no sign, no space, no leading zero.
fn parse_cursor(name: &'static str, text: &str) -> Result<Cursor, QueryError> {
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_plain
        .then(|| text.parse().ok().and_then(Cursor::new))
        .flatten()
        .ok_or(QueryError::Cursor(name))
}

/// A whole number from 1 to `most`, spelled like a cursor.
fn parse_count(name: &'static str, text: &str, most: usize) -> Result<usize, QueryError> {
    parse_cursor(name, text)
        .ok()
        .and_then(|number| usize::try_from(number.get()).ok())
        .filter(|count| (1..=most).contains(count))
        .ok_or(QueryError::Count { name, most })
}

fn parse_time(name: &'static str, text: &str) -> Result<Timestamp, QueryError> {
    text.parse().map_err(|_| QueryError::Time(name))
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

fn pairs(query: &str) -> impl Iterator<Item = Result<Pair<'_>, QueryError>> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // What cannot be read is quoted, but for a token or a ticket.
            let value = decoded(value).map_err(|error| match name {
                "token" | "ticket" => QueryError::Encoding(name.into()),
                _ => error,
            })?;
            Ok((decoded(name)?, value))
        })
}

fn decoded(text: &str) -> Result<Cow<'_, str>, QueryError> {
    let is_whole = |(at, _)| {
        let digits = text.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    text.match_indices('%')
        .all(is_whole)
        .then(|| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8()
                .ok()
        })
        .flatten()
        .ok_or_else(|| QueryError::Encoding(text.into()))
}

/// A parameter that may be given once.
struct Once<T>(Option<T>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Once<T> {
    fn set(&mut self, name: &'static str, value: T) -> Result<(), QueryError> {
        match self.0.replace(value) {
            None => Ok(()),
            Some(_) => Err(QueryError::Repeated(name)),
        }
    }
}

/// The parameters that every reading endpoint has.
#[derive(Default)]
struct FilterFields {
    patterns: Once<Vec<Pattern>>,
    agent_id: Once<Uuid>,
    session_id: Once<Uuid>,
    task_id: Once<Uuid>,
    project_id: Once<Uuid>,
    token: Once<()>,
}

impl FilterFields {
    fn take(&mut self, name: &str, value: &str) -> Result<(), QueryError> {
        let (name, id) = match name {
            "kinds" => return self.patterns.set("kinds", patterns(value)?),
            "token" => return self.token.set("token", ()),
            "agent_id" => ("agent_id", &mut self.agent_id),
            "session_id" => ("session_id", &mut self.session_id),
            "task_id" => ("task_id", &mut self.task_id),
            "project_id" => ("project_id", &mut self.project_id),
            _ => return Err(QueryError::Unknown(name.into())),
        };
        id.set(name, parse_uuid(value).ok_or(QueryError::Uuid(name))?)
    }

    fn finish(self) -> Filter {
        Filter::new(
            self.patterns.0.unwrap_or_default(),
            WantedIds {
                agent_id: self.agent_id.0,
                session_id: self.session_id.0,
                task_id: self.task_id.0,
                project_id: self.project_id.0,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: i64) -> Cursor {
        Cursor::new(number).unwrap()
    }

    #[test]
    fn nothing_asked_is_everything_from_now_on() {
        let subscription = subscription("").unwrap();
        assert!(subscription.filter.is_all());
        assert_eq!((subscription.start, subscription.encoding), (None, None));
    }

    #[test]
    fn a_start_is_a_cursor_a_word_or_a_time() {
        let start = |text: &str| subscription(&format!("cursor={text}")).map(|s| s.start);
        assert_eq!(start("0"), Ok(Some(Start::After(Cursor::ORIGIN))));
        assert_eq!(
            start("9007199254740991"),
            Ok(Some(Start::After(Cursor::MAX)))
        );
        assert_eq!(start("earliest"), Ok(Some(Start::Earliest)));
        assert_eq!(start("head"), Ok(Some(Start::Head)));
        let time = Start::Time("2026-01-01T00:00:00Z".parse().unwrap());
        for spelling in [
            "2026-01-01T00:00:00Z",
            "2026-01-01T02:00:00+02:00",
            "2026-01-01T00%3A00%3A00Z",
        ] {
            assert_eq!(start(spelling), Ok(Some(time)), "{spelling}");
        }
        for bad in [
            "",
            "-1",
            "+1",
            "01",
            "1.0",
            "9007199254740992",
            "tail",
            " 1",
            "2026-01-01",
        ] {
            assert_eq!(start(bad), Err(QueryError::Start), "{bad:?}");
        }
    }

    #[test]
    fn a_filter_reads_back_from_how_it_is_written() {
        let id = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";
        let query = format!(
            "kinds=task.*,agent.output,task.created&agent_id={id}&task_id={id}&project_id={id}"
        );
        let filter = subscription(&query).unwrap().filter;
        assert_eq!(filter.patterns().len(), 2);
        assert_eq!(subscription(&filter.to_string()).unwrap().filter, filter);
    }

    #[test]
    fn what_is_unknown_or_repeated_is_refused_by_name() {
        assert_eq!(
            subscription("kind=a").unwrap_err(),
            QueryError::Unknown("kind".into())
        );
        assert_eq!(
            subscription("cursor=1&cursor=1").unwrap_err(),
            QueryError::Repeated("cursor")
        );
        assert_eq!(
            page("cursor=1&before=2").unwrap_err(),
            QueryError::Repeated("cursor")
        );
        assert_eq!(
            subscription("task_id=1").unwrap_err(),
            QueryError::Uuid("task_id")
        );
        assert!(matches!(
            subscription("kinds=a,,b"),
            Err(QueryError::Pattern {
                error: KindError::Empty,
                ..
            })
        ));
        assert!(matches!(
            subscription("kinds=%zz"),
            Err(QueryError::Encoding(_))
        ));
        assert!(matches!(
            subscription("kinds=%ff"),
            Err(QueryError::Encoding(_))
        ));
        assert_eq!(
            subscription(&format!("kinds={}", vec!["a"; 65].join(","))).unwrap_err(),
            QueryError::TooManyPatterns(65)
        );
    }

    #[test]
    fn a_page_has_a_direction_and_a_limit() {
        let page_of = |query: &str| page(query).map(|p| (p.direction, p.limit));
        assert_eq!(page_of(""), Ok((Direction::After(Cursor::ORIGIN), 100)));
        assert_eq!(
            page_of("before=9&limit=1000"),
            Ok((Direction::Before(at(9)), 1000))
        );
        for bad in ["limit=0", "limit=1001", "limit=x", "limit=-1"] {
            let (name, most) = ("limit", PAGE_EVENTS);
            assert_eq!(page_of(bad), Err(QueryError::Count { name, most }), "{bad}");
        }
    }

    #[test]
    fn a_replay_is_a_range() {
        let range = replay("from_cursor=3&to_cursor=9").unwrap();
        assert_eq!((range.from, range.to), (Some(at(3)), Some(at(9))));
        assert_eq!(
            replay("from_cursor=3&to_cursor=2").unwrap_err(),
            QueryError::Range
        );
    }

    #[test]
    fn a_histogram_has_a_span_and_windows() {
        let span = "from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z";
        let asked = histogram(&format!("{span}&windows=60&kinds=task.*")).unwrap();
        assert_eq!(
            (asked.windows.count(), asked.windows.width_ms()),
            (60, 60_000)
        );
        assert_eq!(asked.filter.to_string(), "kinds=task.*");
        assert_eq!(histogram(span).unwrap().windows.count(), 120);
        let backward = "to=2026-01-01T00:00:00Z&from=2026-01-01T00:00:00Z";
        assert_eq!(histogram(backward).unwrap_err(), QueryError::Span);
        let missing = histogram("to=2026-01-01T00:00:00Z").unwrap_err();
        assert_eq!(missing, QueryError::Missing("from"));
    }

    #[test]
    fn facets_have_a_limit_of_their_own() {
        assert_eq!(facets("").unwrap().limit, 20);
        assert_eq!(facets("limit=50").unwrap().limit, 50);
        let (name, most) = ("limit", 50);
        assert_eq!(facets("limit=51"), Err(QueryError::Count { name, most }));
    }

    #[test]
    fn a_time_is_looked_for_by_name() {
        let time = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(seek("time=2026-01-01T02:00:00+02:00&token=x"), Ok(time));
        assert_eq!(seek(""), Err(QueryError::Missing("time")));
        assert_eq!(seek("time=0"), Err(QueryError::Time("time")));
    }

    #[test]
    fn the_token_is_left_to_whoever_authenticates() {
        assert_eq!(token("cursor=0&token=a%20b").as_deref(), Some("a b"));
        assert!(subscription("token=secret").unwrap().filter.is_all());
        assert!(nothing("token=x").is_ok());
        assert!(nothing("x=1").is_err());
    }

    #[test]
    fn a_ticket_is_left_to_whoever_authenticates_where_a_stream_begins() {
        assert_eq!(ticket("cursor=0&ticket=a%2Db").as_deref(), Some("a-b"));
        assert_eq!(ticket("token=a"), None);
        for read in [subscription, stream] {
            assert!(read("ticket=secret").unwrap().filter.is_all());
            assert_eq!(
                read("ticket=a&ticket=b"),
                Err(QueryError::Repeated("ticket"))
            );
            // What is told of one that cannot be read does not repeat it.
            assert_eq!(
                read("ticket=%zz"),
                Err(QueryError::Encoding("ticket".into()))
            );
        }
        let unknown = QueryError::Unknown("ticket".into());
        assert_eq!(page("ticket=a"), Err(unknown.clone()));
        assert_eq!(filter("ticket=a"), Err(unknown.clone()));
        assert_eq!(nothing("ticket=a"), Err(unknown));
    }

    #[test]
    fn a_stream_is_a_subscription_that_has_no_form_of_its_own() {
        let query = "kinds=task.*&cursor=7&project_id=018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";
        assert_eq!(stream(query), subscription(query));
        for name in ["encoding", "slow"] {
            let refused = stream(&format!("{name}=lines"));
            assert_eq!(refused, Err(QueryError::Unknown(name.into())));
        }
    }
}
