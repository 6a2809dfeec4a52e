//! Query strings: nothing that is unknown, malformed or said twice is passed over, since it would widen a stream.

use super::row::{Request, Row, Subject, row};

const PAGE: &str = "/api/event-bus";
const LATEST: &str = "/api/event-bus/latest";
const REPLAY: &str = "/api/event-bus/replay";
const SOCKET: &str = "/ws/event-bus";
const SEEK: &str = "/api/event-bus/seek";
const HISTOGRAM: &str = "/api/event-bus/histogram";
const FACETS: &str = "/api/event-bus/facets";
const METRICS: &str = "/metrics";

pub(super) fn subjects() -> Vec<Subject> {
    vec![
        Subject {
            title: "Parameters of every endpoint",
            rows: [
                PAGE,
                LATEST,
                REPLAY,
                SEEK,
                HISTOGRAM,
                FACETS,
                SOCKET,
                METRICS,
                "/api/event-bus/emit",
            ]
            .into_iter()
            .flat_map(shared)
            .collect(),
        },
        Subject {
            title: "Kinds and ids",
            rows: filters(),
        },
        Subject {
            title: "Cursors and limits",
            rows: [page_numbers(), replay_numbers(), starts(), beyond()]
                .into_iter()
                .flatten()
                .collect(),
        },
        Subject {
            title: "Times, windows and values",
            rows: [times(), windows(), values()]
                .into_iter()
                .flatten()
                .collect(),
        },
        Subject {
            title: "Parameters that are right",
            rows: right(),
        },
    ]
}

const REFUSED: &str = "400 invalid_parameter";

/// Asks the endpoint in its own way.
pub(super) fn ask(path: &str, query: &str) -> Request {
    let target = format!("{path}?{query}");
    match path {
        SOCKET => super::upgrade::handshake(&target),
        REPLAY => Request::new("POST", &target),
        PAGE | LATEST | SEEK | HISTOGRAM | FACETS | METRICS | "/health" => Request::get(&target),
        _ => Request::new("POST", &target)
            .header("Content-Type: application/json")
            .body("{}"),
    }
}

fn shared(path: &'static str) -> Vec<Row> {
    let why = "our rule: refused by name";
    [
        (
            "an unknown parameter",
            "nonsense=1",
            "unknown parameter \"nonsense\"",
        ),
        (
            "a parameter in capitals",
            "KINDS=a",
            "unknown parameter \"KINDS\"",
        ),
        ("a parameter without a name", "=1", "unknown parameter \"\""),
        (
            "broken percent-encoding",
            "kinds=%zz",
            "\"%zz\" is not percent-encoded",
        ),
        (
            "percent-encoding cut short",
            "kinds=a%2",
            "\"a%2\" is not percent-encoded",
        ),
        (
            "percent-encoding that is not UTF-8",
            "kinds=%ff",
            "\"%ff\" is not percent-encoded",
        ),
        (
            "a name that is badly encoded",
            "%g1=1",
            "\"%g1\" is not percent-encoded",
        ),
        (
            "a token twice",
            "token=a&token=b",
            "token is given more than once",
        ),
    ]
    .into_iter()
    .map(|(name, query, says)| {
        row(
            format!("{name}, {path}"),
            ask(path, query),
            REFUSED,
            says,
            why,
        )
    })
    .collect()
}

fn filters() -> Vec<Row> {
    let kinds = "our rule: segments of A-Z a-z 0-9 _ - joined by dots, a * at the end at most";
    let long = format!("kinds={}", "k".repeat(129));
    let many = format!("kinds={}", ["a"; 65].join(","));
    let patterns = [
        ("no pattern", "kinds=", "is empty"),
        ("an empty pattern between two", "kinds=a,,b", "is empty"),
        ("an empty segment", "kinds=a..b", "empty segment at byte 2"),
        ("a dot first", "kinds=.a", "empty segment at byte 0"),
        ("a dot last", "kinds=a.", "empty segment at byte 2"),
        ("a star first", "kinds=*.a", "'*' at byte 0"),
        ("a star in the middle", "kinds=a.*.b", "'*' at byte 2"),
        ("two stars", "kinds=a.**", "'*' at byte 2"),
        ("a space in a pattern", "kinds=a%20b", "' ' at byte 1"),
        ("a plus for a space", "kinds=a+b", "'+' at byte 1"),
        (
            "a pattern outside ASCII",
            "kinds=caf%C3%A9",
            "'é' at byte 3",
        ),
        ("NUL in a pattern", "kinds=a%00", "at byte 1"),
        ("SQL's wildcard", "kinds=a%25", "'%' at byte 1"),
        (
            "a pattern of 129 bytes",
            &long,
            "129 bytes; the limit is 128",
        ),
        ("65 patterns", &many, "65 patterns; the limit is 64"),
        (
            "kinds twice",
            "kinds=a&kinds=b",
            "kinds is given more than once",
        ),
    ];
    let mut rows = Vec::new();
    for (name, query, says) in patterns {
        rows.push(row(name, ask(PAGE, query), REFUSED, says, kinds));
    }
    for path in [REPLAY, HISTOGRAM, FACETS, SOCKET] {
        rows.push(row(
            format!("an empty segment, {path}"),
            ask(path, "kinds=a..b"),
            REFUSED,
            "empty segment",
            kinds,
        ));
        rows.push(row(
            format!("65 patterns, {path}"),
            ask(path, &many),
            REFUSED,
            "the limit is 64",
            kinds,
        ));
    }
    rows.extend(ids());
    rows
}

fn ids() -> Vec<Row> {
    let why = "RFC 9562 §4: the hyphenated form alone, so that equal ids are equal texts";
    let mut rows: Vec<_> = [
        ("an empty id", "agent_id="),
        ("an id that is no UUID", "agent_id=x"),
        (
            "a UUID without hyphens",
            "agent_id=018f3c2e7b1a7c3d9e4f5a6b7c8d9e0f",
        ),
        (
            "a UUID in braces",
            "agent_id={018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f}",
        ),
        (
            "a UUID as a URN",
            "agent_id=urn:uuid:018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f",
        ),
        (
            "a UUID with a letter too many",
            "agent_id=018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0ff",
        ),
        (
            "a UUID that is not hexadecimal",
            "agent_id=018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0g",
        ),
        (
            "a UUID and a space",
            "agent_id=018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f%20",
        ),
        ("null for an id", "agent_id=null"),
    ]
    .into_iter()
    .map(|(name, query)| {
        row(
            name,
            ask(PAGE, query),
            REFUSED,
            "agent_id must be a UUID",
            why,
        )
    })
    .collect();
    for (name, says) in [
        ("session_id", "session_id must be a UUID"),
        ("task_id", "task_id must be a UUID"),
        ("project_id", "project_id must be a UUID"),
    ] {
        for path in [PAGE, REPLAY, HISTOGRAM, FACETS, SOCKET] {
            rows.push(row(
                format!("a bad {name}, {path}"),
                ask(path, &format!("{name}=x")),
                REFUSED,
                says,
                why,
            ));
        }
    }
    let twice = "task_id=018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";
    rows.push(row(
        "an id twice",
        ask(PAGE, &format!("{twice}&{twice}")),
        REFUSED,
        "task_id is given more than once",
        "our rule",
    ));
    rows
}

const NUMBERS: &str = "our rule: decimal digits, no sign, no leading zero, up to 2^53 − 1";

/// What is no cursor anywhere.
const NO_CURSORS: [(&str, &str); 11] = [
    ("a negative", "-1"),
    ("a signed", "+1"),
    ("a leading zero in a", "01"),
    ("a doubled zero for a", "00"),
    ("a fraction for a", "1.0"),
    ("an exponent in a", "1e3"),
    ("a hexadecimal", "0x1"),
    ("an empty", ""),
    ("a space before a", "%201"),
    ("2^53 for a", "9007199254740992"),
    ("2^64 for a", "18446744073709551616"),
];

fn page_numbers() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, value) in NO_CURSORS {
        let query = format!("cursor={value}");
        rows.push(row(
            format!("{name} cursor"),
            ask(PAGE, &query),
            REFUSED,
            "cursor must be a whole number",
            NUMBERS,
        ));
        let query = format!("before={value}");
        rows.push(row(
            format!("{name} before"),
            ask(PAGE, &query),
            REFUSED,
            "before must be a whole number",
            NUMBERS,
        ));
        let query = format!("limit={value}");
        rows.push(row(
            format!("{name} limit"),
            ask(PAGE, &query),
            REFUSED,
            "limit must be a whole number",
            NUMBERS,
        ));
    }
    for (name, query, says) in [
        ("a limit of 0", "limit=0", "from 1 to 1000"),
        ("a limit of 1001", "limit=1001", "from 1 to 1000"),
        (
            "a word for a page's cursor",
            "cursor=earliest",
            "cursor must be a whole number",
        ),
        (
            "cursor with before",
            "cursor=1&before=2",
            "beside its opposite",
        ),
        (
            "before with cursor",
            "before=2&cursor=1",
            "beside its opposite",
        ),
        ("cursor twice", "cursor=1&cursor=1", "more than once"),
        (
            "limit twice",
            "limit=1&limit=1",
            "limit is given more than once",
        ),
        (
            "a replay's parameter for a page",
            "from_cursor=1",
            "unknown parameter",
        ),
        (
            "a subscription's parameter for a page",
            "encoding=message",
            "unknown parameter",
        ),
    ] {
        rows.push(row(name, ask(PAGE, query), REFUSED, says, NUMBERS));
    }
    rows
}

fn replay_numbers() -> Vec<Row> {
    [
        (
            "a negative from_cursor",
            "from_cursor=-1",
            "from_cursor must be",
        ),
        (
            "2^53 for a from_cursor",
            "from_cursor=9007199254740992",
            "from_cursor must be",
        ),
        (
            "a leading zero in a to_cursor",
            "to_cursor=01",
            "to_cursor must be",
        ),
        (
            "a word for a to_cursor",
            "to_cursor=head",
            "to_cursor must be",
        ),
        (
            "from_cursor twice",
            "from_cursor=1&from_cursor=1",
            "from_cursor is given more than once",
        ),
        (
            "to_cursor twice",
            "to_cursor=1&to_cursor=1",
            "to_cursor is given more than once",
        ),
        (
            "a replay that ends before it starts",
            "from_cursor=2&to_cursor=1",
            "must not be before",
        ),
        ("a limit for a replay", "limit=1", "unknown parameter"),
        (
            "a page's parameter for a replay",
            "cursor=1",
            "unknown parameter",
        ),
    ]
    .into_iter()
    .map(|(name, query, says)| row(name, ask(REPLAY, query), REFUSED, says, NUMBERS))
    .collect()
}

/// What is no time anywhere.
const NO_TIMES: [(&str, &str); 8] = [
    ("an empty time", ""),
    ("a cursor for a time", "3"),
    ("a word for a time", "now"),
    ("a day for a time", "2026-01-01"),
    (
        "a time without an offset, to look for",
        "2026-01-01T00:00:00",
    ),
    ("a day that is not in the calendar", "2026-02-30T00:00:00Z"),
    ("an hour that no day has", "2026-01-01T25:00:00Z"),
    ("a time and a space", "2026-01-01T00:00:00Z%20"),
];

const TIMES: &str = "RFC 3339 §5.6";

/// An hour, as a histogram's parameters.
const HOUR: &str = "from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z";

fn times() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, time) in NO_TIMES {
        let seek = ask(SEEK, &format!("time={time}"));
        rows.push(row(
            name,
            seek,
            REFUSED,
            "time must be an RFC 3339 time",
            TIMES,
        ));
        let from = ask(HISTOGRAM, &format!("from={time}&to=2026-01-01T00:00:00Z"));
        let says = "from must be an RFC 3339 time";
        rows.push(row(format!("{name}, from"), from, REFUSED, says, TIMES));
        let to = ask(HISTOGRAM, &format!("from=2026-01-01T00:00:00Z&to={time}"));
        let says = "to must be an RFC 3339 time";
        rows.push(row(format!("{name}, to"), to, REFUSED, says, TIMES));
    }
    for (name, path, query, says) in [
        ("no time to look for", SEEK, "", "time is required"),
        (
            "a time twice",
            SEEK,
            "time=2026-01-01T00:00:00Z&time=2026-01-01T00:00:00Z",
            "time is given more than once",
        ),
        (
            "a filter for a time",
            SEEK,
            "time=2026-01-01T00:00:00Z&kinds=a",
            "unknown parameter",
        ),
        ("no span", HISTOGRAM, "", "from is required"),
        (
            "a span without a start",
            HISTOGRAM,
            "to=2026-01-01T00:00:00Z",
            "from is required",
        ),
        (
            "a span without an end",
            HISTOGRAM,
            "from=2026-01-01T00:00:00Z",
            "to is required",
        ),
        (
            "a span that ends before it starts",
            HISTOGRAM,
            "from=2026-01-01T00:00:01Z&to=2026-01-01T00:00:00Z",
            "to must be after from",
        ),
        (
            "a span that ends where it starts",
            HISTOGRAM,
            "from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
            "to must be after from",
        ),
        (
            "a span within a microsecond",
            HISTOGRAM,
            "from=2026-01-01T00:00:00.0000001Z&to=2026-01-01T00:00:00.0000009Z",
            "to must be after from",
        ),
    ] {
        rows.push(row(name, ask(path, query), REFUSED, says, "our rule"));
    }
    rows
}

fn windows() -> Vec<Row> {
    let mut rows = Vec::new();
    let asked = |windows: &str| ask(HISTOGRAM, &format!("{HOUR}&windows={windows}"));
    let says = "windows must be a whole number from 1 to 500";
    for (name, value) in NO_CURSORS.into_iter().chain([
        ("no", "0"),
        ("too large a", "501"),
        ("a word for a", "many"),
    ]) {
        let name = format!("{name} number of windows");
        rows.push(row(name, asked(value), REFUSED, says, NUMBERS));
    }
    let twice = ask(HISTOGRAM, &format!("{HOUR}&windows=1&windows=1"));
    let says = "windows is given more than once";
    rows.push(row("windows twice", twice, REFUSED, says, "our rule"));
    let limit = ask(HISTOGRAM, &format!("{HOUR}&limit=1"));
    let says = "unknown parameter";
    rows.push(row(
        "a limit for a histogram",
        limit,
        REFUSED,
        says,
        "our rule",
    ));
    for (name, request) in [
        ("one window", asked("1")),
        ("500 windows", asked("500")),
        ("windows that nobody counted", ask(HISTOGRAM, HOUR)),
        (
            "a span of all the calendar",
            ask(
                HISTOGRAM,
                "from=0000-01-01T00:00:00Z&to=9999-12-30T00:00:00Z&windows=7",
            ),
        ),
    ] {
        rows.push(row(name, request, "200", "", "our rule"));
    }
    rows
}

fn values() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, value) in NO_CURSORS
        .into_iter()
        .chain([("no", "0"), ("too large a", "51")])
    {
        rows.push(row(
            format!("{name} number of values"),
            ask(FACETS, &format!("limit={value}")),
            REFUSED,
            "limit must be a whole number from 1 to 50",
            NUMBERS,
        ));
    }
    for (name, query, says) in [
        ("a span for facets", HOUR, "unknown parameter \"from\""),
        ("a cursor for facets", "cursor=1", "unknown parameter"),
    ] {
        rows.push(row(name, ask(FACETS, query), REFUSED, says, "our rule"));
    }
    let most = ask(FACETS, "limit=50");
    rows.push(row("50 values", most, "200", "", "our rule"));
    rows
}

fn starts() -> Vec<Row> {
    let why = "our rule: a cursor, earliest, head, or an RFC 3339 time";
    let mut rows: Vec<_> = NO_CURSORS
        .into_iter()
        .map(|(name, value)| {
            let request = ask(SOCKET, &format!("cursor={value}"));
            row(
                format!("{name} start"),
                request,
                REFUSED,
                "cursor must be a whole number",
                why,
            )
        })
        .collect();
    for (name, query, says) in [
        (
            "an unknown word for a start",
            "cursor=latest",
            "earliest, head, or an RFC 3339 time",
        ),
        (
            "a word in capitals for a start",
            "cursor=HEAD",
            "earliest, head, or an RFC 3339 time",
        ),
        (
            "a day without a time",
            "cursor=2026-01-01",
            "an RFC 3339 time",
        ),
        (
            "a time without an offset",
            "cursor=2026-01-01T00:00:00",
            "an RFC 3339 time",
        ),
        (
            "a day that does not exist",
            "cursor=2026-02-30T00:00:00Z",
            "an RFC 3339 time",
        ),
        (
            "two starts",
            "cursor=0&cursor=head",
            "cursor is given more than once",
        ),
        ("before for a subscription", "before=1", "unknown parameter"),
        (
            "an unknown encoding",
            "encoding=cbor",
            "encoding must be message",
        ),
        (
            "an encoding twice",
            "encoding=message&encoding=message",
            "encoding is given more than once",
        ),
    ] {
        rows.push(row(name, ask(SOCKET, query), REFUSED, says, why));
    }
    rows
}

fn beyond() -> Vec<Row> {
    let why = "our rule: it is of another log, or of a history that was lost";
    vec![
        row(
            "a page after a cursor beyond the head",
            ask(PAGE, "cursor=4"),
            "409 cursor_ahead",
            "beyond the head 3",
            why,
        ),
        row(
            "a page after the greatest cursor",
            ask(PAGE, "cursor=9007199254740991"),
            "409 cursor_ahead",
            "beyond the head 3",
            why,
        ),
        row(
            "a replay from beyond the head",
            ask(REPLAY, "from_cursor=4"),
            "409 cursor_ahead",
            "beyond the head 3",
            why,
        ),
        row(
            "a page before a cursor beyond the head",
            ask(PAGE, "before=9007199254740991"),
            "200",
            "",
            "how to ask for the newest",
        ),
        row(
            "a replay to beyond the head",
            ask(REPLAY, "to_cursor=9007199254740991"),
            "200",
            "",
            "it ends at the head",
        ),
        row(
            "a subscription from beyond the head",
            ask(SOCKET, "cursor=4"),
            "101, subscribed",
            "",
            "a gap message follows",
        ),
    ]
}

fn right() -> Vec<Row> {
    let why = "our rule";
    let most = format!("kinds={}", ["a"; 64].join(","));
    let longest = format!("kinds={}", "k".repeat(128));
    vec![
        row("64 patterns", ask(PAGE, &most), "200", "", why),
        row(
            "a pattern of 128 bytes",
            ask(PAGE, &longest),
            "200",
            "",
            why,
        ),
        row(
            "an escaped comma in kinds",
            ask(PAGE, "kinds=a%2Cb"),
            "200",
            "",
            "RFC 3986 §2.1",
        ),
        row(
            "a UUID in capitals",
            ask(PAGE, "task_id=018F3C2E-7B1A-7C3D-9E4F-5A6B7C8D9E0F"),
            "200",
            "",
            "RFC 9562 §4",
        ),
        row(
            "empty parameters",
            ask(PAGE, "&&limit=1&"),
            "200",
            "",
            "there is nothing in them to misread",
        ),
        row("a limit of 1000", ask(PAGE, "limit=1000"), "200", "", why),
        row(
            "a time with an offset for a start",
            ask(SOCKET, "cursor=2026-01-01T00:00:00+02:00"),
            "101, subscribed",
            "",
            "RFC 3339 §5.6, and a + is a plus in RFC 3986",
        ),
        row(
            "an unknown parameter of a probe",
            ask("/health", "nonsense=1"),
            "200",
            "",
            "a probe has no parameters, and must not fail for a cache's sake",
        ),
    ]
}
