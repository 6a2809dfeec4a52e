//! The only place that chooses a status: results become responses, refusals become problem+json (RFC 9457).

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
    SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use prometheus_client::encoding::prometheus_text;
use serde::Serialize;
use todoki_codec::Cursor;
use todoki_codec::decode::EmitError;
use todoki_codec::limits::BODY_BYTES;
use todoki_codec::query::QueryError;

use crate::limit::{Exceeded, Name, Unit};
use crate::log::{AppendError, Bounds, ReadError};

/// What a response carries; the error ends a stream that cannot go on, so that the client sees it is cut.
pub type Body = UnsyncBoxBody<Bytes, ReadError>;

/// A response with this body, whole.
pub fn full(content: impl Into<Bytes>) -> Body {
    Full::new(content.into())
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

/// `200` with JSON.
pub fn json(content: impl Into<Bytes>) -> Response<Body> {
    json_body(full(content))
}

/// `200` with JSON that is still being written.
pub fn json_body(body: Body) -> Response<Body> {
    with_type(StatusCode::OK, "application/json", body)
}

/// `200` with this as JSON.
pub fn json_of(value: &impl Serialize) -> Response<Body> {
    // Our own types have nothing that JSON cannot say.
    json(simd_json::serde::to_vec(value).unwrap_or_default())
}

/// `200` with an event a line, still being written.
pub fn lines_body(body: Body) -> Response<Body> {
    with_type(StatusCode::OK, "application/x-ndjson", body)
}

/// `200` with server-sent events, being written for as long as the client stays.
pub fn events_body(body: Body) -> Response<Body> {
    let mut response = with_type(StatusCode::OK, "text/event-stream", body);
    unbuffered(&mut response);
    response
}

/// `200` with a message a line, being written for as long as the client stays.
pub fn messages_body(body: Body) -> Response<Body> {
    let mut response = lines_body(body);
    unbuffered(&mut response);
    response
}

/// nginx would collect what trickles in, and tells by this header that it must not.
fn unbuffered(response: &mut Response<Body>) {
    set(response, HeaderName::from_static("x-accel-buffering"), "no");
}

/// `200` with a line of text.
pub fn text(content: &'static str) -> Response<Body> {
    with_type(StatusCode::OK, "text/plain; charset=utf-8", full(content))
}

/// `200` with metrics.
pub fn metrics(content: String) -> Response<Body> {
    with_type(StatusCode::OK, prometheus_text::CONTENT_TYPE, full(content))
}

/// `200` with a file.
pub fn file(content: Bytes, content_type: &'static str) -> Response<Body> {
    with_type(StatusCode::OK, content_type, full(content))
}

/// `304`: the client has it.
pub fn not_modified() -> Response<Body> {
    bare(StatusCode::NOT_MODIFIED)
}

/// `307` to a path of ours.
pub fn redirect(path: &'static str) -> Response<Body> {
    let mut response = bare(StatusCode::TEMPORARY_REDIRECT);
    set(&mut response, LOCATION, path);
    response
}

/// `404` in place of the page, to whoever looks at a program that was built without it.
pub fn no_page() -> Response<Body> {
    with_type(
        StatusCode::NOT_FOUND,
        "text/plain; charset=utf-8",
        full(
            "This todoki was built without its page; everything else works.\n\n\
             To have it, run scripts/web and build todoki again, or use scripts/run, which does both.\n",
        ),
    )
}

/// `204` to `OPTIONS`.
pub fn options(allow: &'static str) -> Response<Body> {
    let mut response = bare(StatusCode::NO_CONTENT);
    set(&mut response, ALLOW, allow);
    response
}

/// A status without content.
fn bare(status: StatusCode) -> Response<Body> {
    let mut response = with_type(status, "text/plain", full(""));
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

/// `503` to a readiness probe.
pub fn not_ready(content: &'static str) -> Response<Body> {
    with_type(
        StatusCode::SERVICE_UNAVAILABLE,
        "text/plain; charset=utf-8",
        full(content),
    )
}

fn with_type(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, content_type);
    set(&mut response, CACHE_CONTROL, "no-store");
    set(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    // Values are our own words; one that cannot stand in a header is left out rather than sent broken.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Everything that a request can be refused for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// The request is not well-formed HTTP, or not in a form that every hop reads alike.
    Malformed(&'static str),
    /// The request target is too long to be a filter.
    TargetTooLong {
        /// Bytes found.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// `Expect` asks for something that we do not do.
    Expectation,
    /// The body is coded in another way than in chunks.
    TransferCoding,
    /// No such path.
    NotFound,
    /// The path has other methods.
    Method {
        /// Those it has.
        allow: &'static str,
    },
    /// HTTP in the clear, where TLS is spoken.
    TlsRequired,
    /// No token, or a wrong one.
    Unauthorised,
    /// The token is right, and what it lets its holder do is not this.
    Forbidden,
    /// What the token lets its holder do is not to emit this draft.
    ForbiddenDraft {
        /// Its place in the batch.
        index: Option<usize>,
        /// Whether it names no project, which every grant asks for.
        is_without_project: bool,
    },
    /// A page of another site asks.
    ForeignOrigin,
    /// The path speaks WebSocket only.
    NotAnUpgrade(&'static str),
    /// A WebSocket version that nobody should speak any more.
    WebSocketVersion,
    /// The body is of another type.
    ContentType,
    /// The body is compressed.
    ContentEncoding,
    /// The body is over [`BODY_BYTES`].
    BodyTooLarge,
    /// The body did not arrive within this.
    BodyTimeout(Duration),
    /// The body broke off.
    BodyBroken,
    /// A header is out of its grammar.
    Header {
        /// Which.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The query string.
    Query(QueryError),
    /// The cursor is beyond the head: it belongs to another log, or to a history that was lost.
    Ahead {
        /// What was asked for.
        cursor: Cursor,
        /// Where the log stands.
        bounds: Bounds,
    },
    /// Events after the cursor were forgotten, as the retention settings ask.
    Gone {
        /// What was asked for.
        cursor: Cursor,
        /// Where the log stands.
        bounds: Bounds,
    },
    /// The drafts.
    Emit(EmitError),
    /// The log did not take them.
    Append(AppendError),
    /// The log cannot be read.
    Read(ReadError),
    /// The bodies of emits hold all the room that there is for them.
    Bodies,
    /// Too many counts are waiting.
    Counting,
    /// Too many who come in wait for the log to find where they begin.
    Looking,
    /// The shards do not say what they count.
    Unmeasured,
    /// Too many tickets wait to be used.
    Tickets,
    /// Too many tickets of whoever asks for another wait to be used.
    TicketsOfOne {
        /// The limit.
        most: usize,
    },
    /// Somebody did too much in too short a time, or has too much at once.
    RateLimited(Exceeded),
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<EmitError> for Refusal {
    fn from(error: EmitError) -> Self {
        Self::Emit(error)
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        Self::Append(error)
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How long clients wait before they try again.
const RETRY_AFTER_SECONDS: &str = "1";

#[derive(Serialize)]
struct Problem<'a> {
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<Cursor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    earliest: Option<Cursor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<Cursor>,
}

impl Refusal {
    /// The status, and the stable code that a client may branch on.
    pub fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed_request"),
            Self::TargetTooLong { .. } => (StatusCode::URI_TOO_LONG, "target_too_long"),
            Self::Expectation => (StatusCode::EXPECTATION_FAILED, "expectation_failed"),
            Self::TransferCoding => (StatusCode::NOT_IMPLEMENTED, "transfer_coding"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::TlsRequired => (StatusCode::BAD_REQUEST, "tls_required"),
            Self::Unauthorised => (StatusCode::UNAUTHORIZED, "unauthorised"),
            Self::Forbidden | Self::ForbiddenDraft { .. } => (StatusCode::FORBIDDEN, "forbidden"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign_origin"),
            Self::NotAnUpgrade(_) => (StatusCode::UPGRADE_REQUIRED, "upgrade_required"),
            Self::WebSocketVersion => (StatusCode::UPGRADE_REQUIRED, "websocket_version"),
            Self::ContentType | Self::ContentEncoding => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
            }
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BodyTimeout(_) => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            Self::BodyBroken => (StatusCode::BAD_REQUEST, "body_broken"),
            Self::Header { .. } => (StatusCode::BAD_REQUEST, "invalid_header"),
            Self::Query(_) => (StatusCode::BAD_REQUEST, "invalid_parameter"),
            Self::Ahead { .. } => (StatusCode::CONFLICT, "cursor_ahead"),
            Self::Gone { .. } => (StatusCode::GONE, "cursor_gone"),
            Self::Emit(error) => match error.reason.code() {
                code @ "draft_too_large" => (StatusCode::PAYLOAD_TOO_LARGE, code),
                code => (StatusCode::BAD_REQUEST, code),
            },
            Self::Append(error) => append_status(error),
            Self::Read(_) => (StatusCode::SERVICE_UNAVAILABLE, "log_unavailable"),
            Self::Bodies | Self::Counting | Self::Looking | Self::Tickets => {
                (StatusCode::SERVICE_UNAVAILABLE, "busy")
            }
            Self::Unmeasured => (StatusCode::SERVICE_UNAVAILABLE, "metrics_unavailable"),
            Self::TicketsOfOne { .. } | Self::RateLimited(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "rate_limited")
            }
        }
    }

    /// The same where one draft was sent, and not a batch.
    #[must_use]
    pub fn of_one(self) -> Self {
        match self {
            Self::ForbiddenDraft {
                is_without_project, ..
            } => Self::ForbiddenDraft {
                index: None,
                is_without_project,
            },
            refusal => refusal,
        }
    }

    /// The response.
    pub fn response(&self) -> Response<Body> {
        let (status, code) = self.status();
        let problem = self.problem(status, code);
        let content = simd_json::serde::to_vec(&problem).unwrap_or_default();
        let mut response = with_type(status, "application/problem+json", full(content));
        match self {
            Self::Method { allow } => set(&mut response, ALLOW, allow),
            Self::Unauthorised => set(&mut response, WWW_AUTHENTICATE, "Bearer realm=\"todoki\""),
            Self::NotAnUpgrade(_) | Self::WebSocketVersion => {
                set(&mut response, UPGRADE, "websocket");
                set(&mut response, CONNECTION, "upgrade");
                set(&mut response, SEC_WEBSOCKET_VERSION, "13");
            }
            // The rest of the body is still on its way: nothing behind it could be understood.
            Self::Malformed(_)
            | Self::TlsRequired
            | Self::TransferCoding
            | Self::BodyTooLarge
            | Self::BodyTimeout(_)
            | Self::BodyBroken => {
                set(&mut response, CONNECTION, "close");
            }
            Self::Bodies => {
                set(&mut response, CONNECTION, "close");
                set(&mut response, RETRY_AFTER, RETRY_AFTER_SECONDS);
            }
            Self::RateLimited(exceeded) => {
                set_rate_limit(&mut response, exceeded);
                if matches!(exceeded.name, Name::AddressBodies | Name::PrincipalBodies) {
                    set(&mut response, CONNECTION, "close");
                }
            }
            _ if status == StatusCode::SERVICE_UNAVAILABLE
                || status == StatusCode::TOO_MANY_REQUESTS =>
            {
                set(&mut response, RETRY_AFTER, RETRY_AFTER_SECONDS);
            }
            _ => {}
        }
        response
    }

    fn problem<'a>(&self, status: StatusCode, code: &'a str) -> Problem<'a> {
        let mut problem = Problem {
            title: status.canonical_reason().unwrap_or("Refused"),
            status: status.as_u16(),
            code,
            detail: self.to_string(),
            index: None,
            cursor: None,
            earliest: None,
            head: None,
        };
        match self {
            Self::Emit(error) => problem.index = error.index,
            Self::ForbiddenDraft { index, .. } => problem.index = *index,
            Self::Append(AppendError::Conflict { index, cursor }) => {
                (problem.index, problem.cursor) = (Some(*index), Some(*cursor));
            }
            Self::Append(AppendError::Rivals { index } | AppendError::TooManyKinds { index }) => {
                problem.index = Some(*index);
            }
            Self::Ahead { bounds, .. } | Self::Gone { bounds, .. } => {
                (problem.earliest, problem.head) = (Some(bounds.earliest), Some(bounds.head));
            }
            _ => {}
        }
        problem
    }
}

/// What draft-ietf-httpapi-ratelimit-headers-09 has for programs. A limit on what is there at the same time has no window,
/// so it has a policy without one.
fn set_rate_limit(response: &mut Response<Body>, exceeded: &Exceeded) {
    let (limit, wait) = (exceeded.name.limit(), exceeded.wait_s());
    let quota = limit.unit.burst(exceeded.value);
    let window = match limit.unit {
        Unit::PerSecond(_) | Unit::PerMinute | Unit::PerDay => {
            format!(";w={}", limit.unit.window().as_secs())
        }
        Unit::AtOnce | Unit::InARow | Unit::Switch => String::new(),
    };
    set(response, RETRY_AFTER, &wait.to_string());
    let policy = format!("\"{}\";q={quota}{window}", limit.name);
    set(response, RATE_LIMIT_POLICY, &policy);
    let left = format!("\"{}\";r=0;t={wait}", limit.name);
    set(response, RATE_LIMIT, &left);
}

fn append_status(error: &AppendError) -> (StatusCode, &'static str) {
    match error {
        AppendError::Conflict { .. } | AppendError::Rivals { .. } => {
            (StatusCode::CONFLICT, "id_conflict")
        }
        AppendError::Busy | AppendError::Locked => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        AppendError::Full => (StatusCode::INSUFFICIENT_STORAGE, "log_full"),
        AppendError::TooManyKinds { .. } => (StatusCode::INSUFFICIENT_STORAGE, "too_many_kinds"),
        AppendError::Exhausted => (StatusCode::INSUFFICIENT_STORAGE, "cursors_exhausted"),
        AppendError::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "log_unavailable"),
        AppendError::Closed(_) => (StatusCode::SERVICE_UNAVAILABLE, "log_closed"),
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) | Self::NotAnUpgrade(what) => f.write_str(what),
            Self::TargetTooLong { bytes, limit } => {
                write!(f, "the request target has {bytes} bytes; the limit is {limit}")
            }
            Self::Expectation => f.write_str("Expect must be 100-continue"),
            Self::TransferCoding => f.write_str("Transfer-Encoding must be chunked, given once"),
            Self::TlsRequired => f.write_str("this port speaks TLS: use https:// or wss://"),
            Self::NotFound => f.write_str(
                "no such path; see /events, /ws/event-bus, /api/event-bus, /api/event-bus/emit, /api/event-bus/latest, \
                 /api/event-bus/replay, /api/event-bus/seek, /api/event-bus/histogram, /api/event-bus/facets, \
                 /api/event-bus/stream, /api/event-bus/tickets, /health, /metrics",
            ),
            Self::Method { allow } => write!(f, "this path answers {allow}"),
            Self::Unauthorised => f.write_str(
                "a token that this server takes is needed: Authorization: Bearer TOKEN, or for a WebSocket the token as \
                 a subprotocol",
            ),
            Self::Forbidden => f.write_str("the grants of this token do not allow this"),
            Self::ForbiddenDraft {
                index,
                is_without_project,
            } => write_forbidden_draft(*index, *is_without_project, f),
            Self::ForeignOrigin => f.write_str(
                "pages of this origin may not connect; start the server with --allow-origin ORIGIN to let them",
            ),
            Self::WebSocketVersion => f.write_str("Sec-WebSocket-Version must be 13"),
            Self::ContentType => f.write_str(
                "Content-Type must be application/json, or application/x-ndjson for lines of drafts",
            ),
            Self::ContentEncoding => f.write_str("the body must not be compressed"),
            Self::BodyTooLarge => write!(f, "the body is over the limit of {BODY_BYTES} bytes"),
            Self::BodyTimeout(deadline) => {
                write!(f, "the body did not arrive within {deadline:?}")
            }
            Self::BodyBroken => f.write_str("the body broke off before its end"),
            Self::Header { name, expected } => write!(f, "{name} must be {expected}"),
            Self::Query(error) => error.fmt(f),
            Self::Ahead { cursor, bounds } => write!(
                f,
                "cursor {cursor} is beyond the head {}: it belongs to another log, or to a history that was lost",
                bounds.head
            ),
            Self::Gone { cursor, bounds } => write!(
                f,
                "events after cursor {cursor} are no longer stored; the oldest is {}. Without from_cursor, a replay begins there",
                bounds.earliest
            ),
            Self::Emit(error) => error.fmt(f),
            Self::Append(error) => error.fmt(f),
            Self::Read(_) => f.write_str("the log cannot be read just now"),
            Self::Bodies => f.write_str("the bodies of emits hold all that they may together (bodies-kib)"),
            Self::Counting => f.write_str("too many histograms and facets are being counted"),
            Self::Looking => f.write_str("too many subscriptions are looking for where they begin"),
            Self::Unmeasured => f.write_str("the server is too busy to say what it counts"),
            Self::Tickets => f.write_str("too many tickets wait to be used"),
            Self::TicketsOfOne { most } => write!(
                f,
                "{most} tickets for holders of this token wait to be used, which is the limit"
            ),
            Self::RateLimited(exceeded) => write_exceeded(exceeded, f),
        }
    }
}

fn write_forbidden_draft(
    index: Option<usize>,
    is_without_project: bool,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    if let Some(index) = index {
        write!(f, "draft {index}: ")?;
    }
    f.write_str("the grants of this token do not allow to emit this kind with these ids")?;
    if is_without_project {
        f.write_str("; they are for projects, and it has no project_id")?;
    }
    Ok(())
}

fn write_exceeded(exceeded: &Exceeded, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let limit = exceeded.name.limit();
    write!(
        f,
        "over the limit {} of {} {}; try again in {} s",
        limit.name,
        exceeded.value,
        limit.unit,
        exceeded.wait_s()
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::traffic::CODES;

    /// Codes and their statuses, as this file chooses them and as the document lists them.
    #[test]
    fn every_code_is_in_the_wire_document_and_the_other_way_round() {
        let source = include_str!("reply.rs");
        let choices = source.split("StatusCode::").skip(1);
        let mut chosen: BTreeSet<_> = choices
            .filter_map(|choice| choice.split_once(", \"")?.1.split_once('"'))
            .map(|(code, _)| code)
            .filter(|code| {
                code.contains('_') || ["busy", "forbidden", "unauthorised"].contains(code)
            })
            .collect();
        // What `todoki_codec::decode` chooses.
        chosen.extend([
            "invalid_json",
            "invalid_draft",
            "empty_batch",
            "batch_too_long",
            "draft_too_large",
        ]);
        let wire = include_str!("../../docs/WIRE.md");
        let table = wire.split_once("## Refusals").expect("the section").1;
        let table = table.split_once("## Limits").expect("the next section").0;
        let rows = table
            .lines()
            .filter(|line| line.starts_with("| ") && !line.starts_with("| status"));
        let listed: BTreeSet<_> = rows
            .filter_map(|row| row.split('|').nth(2))
            .flat_map(|codes| codes.split('`').skip(1).step_by(2))
            .collect();
        assert_eq!(chosen, listed);
        let counted: BTreeSet<_> = CODES.iter().map(|code| code.name).collect();
        assert_eq!(chosen, counted, "every refusal is counted by its code");
    }
}
