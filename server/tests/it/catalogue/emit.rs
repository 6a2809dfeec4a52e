//! Emits: their headers, their JSON, their drafts and their batches. What is accepted is in [`kept`](super::kept).

use super::row::{Request, Row, Subject, emit_request, row};

pub(super) fn subjects() -> Vec<Subject> {
    [
        ("Headers of an emit", headers()),
        ("JSON", json()),
        ("Drafts", drafts()),
        ("Idempotency keys", repeats()),
        ("Batches", batches()),
    ]
    .into_iter()
    .map(|(title, rows)| Subject { title, rows })
    .collect()
}

const GOOD: &str = r#"{"kind":"a","data":{}}"#;
const JSON: &str = "400 invalid_json";
const DRAFT: &str = "400 invalid_draft";

fn emit(body: impl Into<Vec<u8>>) -> Request {
    emit_request().body(body)
}

/// A draft of two levels around this.
fn around(data: &str) -> String {
    format!(r#"{{"kind":"a","data":{{"x":{data}}}}}"#)
}

/// A draft that is nested so deep, itself being the first level.
pub(super) fn nested(depth: usize) -> String {
    around(&format!(
        "{}{}",
        "[".repeat(depth - 2),
        "]".repeat(depth - 2)
    ))
}

/// A draft of so many bytes.
pub(super) fn sized(bytes: usize) -> String {
    around(&format!("\"{}\"", "y".repeat(bytes - around("\"\"").len())))
}

fn headers() -> Vec<Row> {
    let typed = |lines: &[&str]| {
        let request = Request::new("POST", "/api/event-bus/emit");
        request.headers(lines).body(GOOD)
    };
    let (media, answer) = ("RFC 9110 §15.5.16", "415 unsupported_media_type");
    let mut rows: Vec<_> = [
        ("no Content-Type", &[][..]),
        ("an empty Content-Type", &["Content-Type: "]),
        ("Content-Type: text/plain", &["Content-Type: text/plain"]),
        (
            "a form",
            &["Content-Type: application/x-www-form-urlencoded"],
        ),
        ("Content-Type: json", &["Content-Type: json"]),
        (
            "a type that begins like ours",
            &["Content-Type: application/json5"],
        ),
        (
            "a list of types",
            &["Content-Type: application/json, text/plain"],
        ),
        (
            "two Content-Types",
            &["Content-Type: application/json", "Content-Type: text/plain"],
        ),
        (
            "the same Content-Type twice",
            &[
                "Content-Type: application/json",
                "Content-Type: application/json",
            ],
        ),
        (
            "a type outside ASCII",
            &["Content-Type: application/json\u{e9}"],
        ),
    ]
    .into_iter()
    .map(|(name, lines)| row(name, typed(lines), answer, "Content-Type must be", media))
    .collect();
    let coded = |lines: &[&str]| emit_request().headers(lines).body(GOOD);
    for (name, lines) in [
        ("Content-Encoding: gzip", &["Content-Encoding: gzip"][..]),
        (
            "Content-Encoding: identity, gzip",
            &["Content-Encoding: identity, gzip"],
        ),
        (
            "gzip in a second Content-Encoding",
            &["Content-Encoding: identity", "Content-Encoding: gzip"],
        ),
    ] {
        rows.push(row(
            name,
            coded(lines),
            answer,
            "must not be compressed",
            media,
        ));
    }
    let keyed = |value: &str, body: &str| {
        emit_request()
            .header(format!("Idempotency-Key: {value}"))
            .body(body)
    };
    let key = "our rule: 1 to 128 visible ASCII characters";
    for (name, value) in [
        ("an empty Idempotency-Key", String::new()),
        ("an Idempotency-Key with a space", "a b".into()),
        ("an Idempotency-Key outside ASCII", "\u{e9}".into()),
        ("an Idempotency-Key of 129 bytes", "k".repeat(129)),
    ] {
        rows.push(row(
            name,
            keyed(&value, GOOD),
            "400 invalid_header",
            "Idempotency-Key must be 1 to 128",
            key,
        ));
    }
    let twice = coded(&["Idempotency-Key: a", "Idempotency-Key: a"]);
    rows.push(row(
        "two Idempotency-Keys",
        twice,
        "400 invalid_header",
        "given once",
        key,
    ));
    let tight = keyed(&"k".repeat(127), &format!("[{GOOD}]"));
    rows.push(row(
        "an Idempotency-Key with no room for a draft's place",
        tight,
        "400 invalid_header",
        "/INDEX fits",
        "each draft of a batch has a key of its own",
    ));
    rows
}

fn json() -> Vec<Row> {
    let grammar = "RFC 8259";
    let deep = "our rule: 64 levels, the draft being the first";
    let unicode = "RFC 8259 §8.1";
    let twice = "our rule: no key twice in one object, since readers differ in which they take";
    let surrogate = "our rule: what is not Unicode cannot be passed on";
    let mut rows = Vec::new();
    let faults: [(&str, String, &str, &'static str); 33] = [
        (
            "a word",
            "nonsense".into(),
            "unexpected byte at byte 1",
            grammar,
        ),
        (
            "an object cut short",
            r#"{"kind":"a""#.into(),
            "the text ends inside a value",
            grammar,
        ),
        (
            "a string cut short",
            r#"{"kind":"a"#.into(),
            "the text ends inside a value",
            grammar,
        ),
        (
            "a second value behind the first",
            format!("{GOOD} {{}}"),
            "more text after the value at byte 23",
            grammar,
        ),
        (
            "a comma too many",
            r#"{"kind":"a","data":{},}"#.into(),
            "unexpected byte at byte 22",
            grammar,
        ),
        (
            "a comma too few",
            r#"{"kind":"a" "data":{}}"#.into(),
            "unexpected byte at byte 12",
            grammar,
        ),
        (
            "a comment",
            r#"{"kind":"a",/**/"data":{}}"#.into(),
            "unexpected byte at byte 12",
            grammar,
        ),
        (
            "single quotes",
            "{'kind':'a','data':{}}".into(),
            "unexpected byte at byte 1",
            grammar,
        ),
        (
            "a key without quotes",
            "{kind:1}".into(),
            "unexpected byte at byte 1",
            grammar,
        ),
        (
            "a form feed for a space",
            format!("\u{c}{GOOD}"),
            "unexpected byte at byte 0",
            grammar,
        ),
        ("NaN", around("NaN"), "unexpected byte", grammar),
        ("Infinity", around("-Infinity"), "invalid number", grammar),
        (
            "a number with a leading zero",
            around("01"),
            "invalid number",
            grammar,
        ),
        (
            "a number with a plus",
            around("+1"),
            "unexpected byte",
            grammar,
        ),
        (
            "a number that begins with a dot",
            around(".5"),
            "unexpected byte",
            grammar,
        ),
        (
            "a number that ends with a dot",
            around("5."),
            "invalid number",
            grammar,
        ),
        (
            "an exponent without digits",
            around("1e"),
            "invalid number",
            grammar,
        ),
        ("a hexadecimal number", around("0x1"), "at byte 25", grammar),
        (
            "a word in capitals",
            around("TRUE"),
            "unexpected byte",
            grammar,
        ),
        (
            "an unknown escape",
            around(r#""\x41""#),
            "invalid escape",
            "RFC 8259 §7",
        ),
        (
            "an escape cut short",
            around(r#""\u00""#),
            "invalid escape",
            "RFC 8259 §7",
        ),
        (
            "a raw line feed in a string",
            around("\"a\nb\""),
            "raw control character",
            "RFC 8259 §7",
        ),
        (
            "a raw NUL in a string",
            around("\"a\0b\""),
            "raw control character",
            "RFC 8259 §7",
        ),
        (
            "a high surrogate alone",
            around(r#""\ud800""#),
            "lone surrogate",
            surrogate,
        ),
        (
            "a low surrogate alone",
            around(r#""\udc00""#),
            "lone surrogate",
            surrogate,
        ),
        (
            "surrogates the wrong way round",
            around(r#""\udc00\ud800""#),
            "lone surrogate",
            surrogate,
        ),
        (
            "a high surrogate before a letter",
            around(r#""\ud800\u0041""#),
            "lone surrogate",
            surrogate,
        ),
        (
            "a byte order mark",
            format!("\u{feff}{GOOD}"),
            "unexpected byte at byte 0",
            unicode,
        ),
        (
            "65 levels",
            nested(65),
            "nesting over the limit of 64",
            deep,
        ),
        (
            "200 levels",
            nested(200),
            "nesting over the limit of 64",
            deep,
        ),
        (
            "100000 levels",
            nested(100_000),
            "nesting over the limit of 64",
            deep,
        ),
        (
            "a member twice",
            r#"{"kind":"a","kind":"b","data":{}}"#.into(),
            "duplicate key at byte 12",
            twice,
        ),
        (
            "a key twice deep in data",
            around(r#"[{"y":1,"y":1}]"#),
            "duplicate key",
            twice,
        ),
    ];
    rows.extend(
        faults
            .into_iter()
            .map(|(name, body, says, why)| row(name, emit(body), JSON, says, why)),
    );
    rows.extend([
        row(
            "a key twice, once in escapes",
            emit(around(r#"{"y":1,"\u0079":1}"#)),
            JSON,
            "duplicate key",
            twice,
        ),
        row(
            "a member twice, once in escapes",
            emit(r#"{"kind":"a","data":{},"k\u0069nd":"b"}"#),
            JSON,
            "duplicate key at byte 22",
            twice,
        ),
        row(
            "bytes that are not UTF-8",
            emit(b"{\"kind\":\"a\",\"data\":{\"x\":\"\xff\"}}".to_vec()),
            JSON,
            "invalid UTF-8 at byte 25",
            unicode,
        ),
        row(
            "an overlong encoding",
            emit(b"{\"kind\":\"a\",\"data\":{\"x\":\"\xc0\xaf\"}}".to_vec()),
            JSON,
            "invalid UTF-8",
            unicode,
        ),
        row(
            "a surrogate in UTF-8",
            emit(b"{\"kind\":\"a\",\"data\":{\"x\":\"\xed\xa0\x80\"}}".to_vec()),
            JSON,
            "invalid UTF-8",
            unicode,
        ),
        row(
            "UTF-16",
            emit(
                GOOD.encode_utf16()
                    .flat_map(u16::to_le_bytes)
                    .collect::<Vec<_>>(),
            ),
            JSON,
            "unexpected byte at byte 1",
            unicode,
        ),
        row(
            "100000 opening brackets",
            emit("[".repeat(100_000)),
            JSON,
            "",
            deep,
        ),
        row(
            "100000 opening braces",
            emit("{\"a\":".repeat(20_000)),
            JSON,
            "nesting over the limit of 64",
            deep,
        ),
    ]);
    rows
}

fn drafts() -> Vec<Row> {
    let typed = "our rule: a draft has kind, data, and ids";
    let refused = [
        ("a string for a draft", r#""a""#, "expected a draft"),
        ("null for a draft", "null", "expected a draft"),
        ("a number for a draft", "1", "expected a draft"),
        ("an empty object", "{}", "kind is missing"),
        ("no data", r#"{"kind":"a"}"#, "data is missing"),
        ("no kind", r#"{"data":{}}"#, "kind is missing"),
        (
            "a member that a draft does not have",
            r#"{"kind":"a","data":{},"user":1}"#,
            "unknown member \"user\"",
        ),
        (
            "a cursor of the producer's own",
            r#"{"kind":"a","data":{},"cursor":1}"#,
            "unknown member \"cursor\"",
        ),
        (
            "a time of the producer's own",
            r#"{"kind":"a","data":{},"time":"2026-01-01T00:00:00Z"}"#,
            "unknown member \"time\"",
        ),
        (
            "a member in capitals",
            r#"{"Kind":"a","data":{}}"#,
            "unknown member \"Kind\"",
        ),
        (
            "a number for the kind",
            r#"{"kind":1,"data":{}}"#,
            "kind must be a string",
        ),
        (
            "null for the kind",
            r#"{"kind":null,"data":{}}"#,
            "kind must be a string",
        ),
        ("an empty kind", r#"{"kind":"","data":{}}"#, "kind is empty"),
        (
            "a kind with an empty segment",
            r#"{"kind":"a..b","data":{}}"#,
            "empty segment at byte 2",
        ),
        (
            "a pattern for a kind",
            r#"{"kind":"a.*","data":{}}"#,
            "'*' at byte 2",
        ),
        (
            "a kind with a space",
            r#"{"kind":"a b","data":{}}"#,
            "' ' at byte 1",
        ),
        (
            "a kind outside ASCII",
            r#"{"kind":"é","data":{}}"#,
            "'é' at byte 0",
        ),
        (
            "a kind with NUL",
            r#"{"kind":"a\u0000","data":{}}"#,
            "at byte 1",
        ),
        (
            "an array for data",
            r#"{"kind":"a","data":[]}"#,
            "data must be a JSON object",
        ),
        (
            "a string for data",
            r#"{"kind":"a","data":"{}"}"#,
            "data must be a JSON object",
        ),
        (
            "null for data",
            r#"{"kind":"a","data":null}"#,
            "data must be a JSON object",
        ),
        (
            "a number for an id",
            r#"{"kind":"a","data":{},"task_id":1}"#,
            "task_id must be a UUID",
        ),
        (
            "an empty id",
            r#"{"kind":"a","data":{},"agent_id":""}"#,
            "agent_id must be a UUID",
        ),
        (
            "a UUID without hyphens",
            r#"{"kind":"a","data":{},"session_id":"018f3c2e7b1a7c3d9e4f5a6b7c8d9e0f"}"#,
            "session_id must be a UUID",
        ),
        (
            "a UUID and a space",
            r#"{"kind":"a","data":{},"project_id":"018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f "}"#,
            "project_id must be a UUID",
        ),
        (
            "an empty idempotency key",
            r#"{"kind":"a","data":{},"id":""}"#,
            "id must be 1 to 128",
        ),
        (
            "an idempotency key with a space",
            r#"{"kind":"a","data":{},"id":"a b"}"#,
            "id must be 1 to 128",
        ),
        (
            "a number for an idempotency key",
            r#"{"kind":"a","data":{},"id":1}"#,
            "id must be 1 to 128",
        ),
    ];
    let mut rows: Vec<_> = refused
        .into_iter()
        .map(|(name, body, says)| row(name, emit(body), DRAFT, says, typed))
        .collect();
    let kind = format!(r#"{{"kind":"{}","data":{{}}}}"#, "k".repeat(129));
    let key = format!(r#"{{"kind":"a","data":{{}},"id":"{}"}}"#, "k".repeat(129));
    rows.extend([
        row(
            "a kind of 129 bytes",
            emit(kind),
            DRAFT,
            "129 bytes; the limit is 128",
            typed,
        ),
        row(
            "an idempotency key of 129 bytes",
            emit(key),
            DRAFT,
            "id must be 1 to 128",
            typed,
        ),
        row(
            "a draft of 256 KiB and a byte",
            emit(sized((256 << 10) + 1)),
            "413 draft_too_large",
            "262145 bytes; the limit is 262144",
            "our rule: a larger payload belongs in a store of its own",
        ),
    ]);
    rows
}

/// The third event of the log has the idempotency key `used`.
fn repeats() -> Vec<Row> {
    let why = "our rule: one key, one draft";
    let seed = r#"{"kind":"seed","data":{}}"#;
    let keyed = |key: &str, body: &str| {
        let header = format!("Idempotency-Key: {key}");
        emit_request().header(header).body(body)
    };
    let used = r#"{"kind":"seed","data":{},"id":"used"}"#;
    let other = r#"{"kind":"seed","data":{"n":1},"id":"used"}"#;
    let fresh = r#"{"kind":"seed","data":{},"id":"fresh"}"#;
    let conflict = "409 id_conflict";
    vec![
        row(
            "a draft that is stored",
            emit(used),
            "200",
            "",
            "it is answered with its first cursor",
        ),
        row(
            "a draft that is stored, its key in the header",
            keyed("used", seed),
            "200",
            "",
            "it is answered with its first cursor",
        ),
        row(
            "a stored draft's key on other data",
            emit(other),
            conflict,
            "which is event 3",
            why,
        ),
        row(
            "a stored draft's key on another kind",
            emit(r#"{"kind":"a","data":{},"id":"used"}"#),
            conflict,
            "which is event 3",
            why,
        ),
        row(
            "a stored draft's key on the same data spelt otherwise",
            emit(r#"{"kind":"seed","data":{ },"id":"used"}"#),
            conflict,
            "which is event 3",
            "data is compared byte by byte",
        ),
        row(
            "a stored draft's key in the header, on other data",
            keyed("used", GOOD),
            conflict,
            "which is event 3",
            why,
        ),
        row(
            "a batch with a stored draft's key on other data",
            emit(format!("[{fresh},{other}]")),
            conflict,
            "(index 1)",
            "all are stored or none",
        ),
        row(
            "one key on two drafts of a batch",
            emit(format!(
                r#"[{fresh},{{"kind":"other","data":{{}},"id":"fresh"}}]"#
            )),
            conflict,
            "its id is also on another draft before it, and they differ (index 1)",
            "all are stored or none",
        ),
    ]
}

fn batches() -> Vec<Row> {
    let whole = "our rule: all are stored or none";
    let batch = |drafts: &[&str]| emit(format!("[{}]", drafts.join(",")));
    let lines = |body: &str| {
        Request::new("POST", "/api/event-bus/emit")
            .header("Content-Type: application/x-ndjson")
            .body(body)
    };
    let bad = r#"{"kind":"a..b","data":{}}"#;
    let large = sized((256 << 10) + 1);
    vec![
        row(
            "an empty body",
            emit(""),
            "400 empty_batch",
            "no draft",
            whole,
        ),
        row(
            "a body of spaces",
            emit(" \r\n\t"),
            "400 empty_batch",
            "no draft",
            whole,
        ),
        row(
            "an empty array",
            emit("[]"),
            "400 empty_batch",
            "no draft",
            whole,
        ),
        row(
            "lines with nothing in them",
            lines("\n\n \n"),
            "400 empty_batch",
            "no draft",
            whole,
        ),
        row(
            "1001 drafts",
            batch(&[GOOD; 1001]),
            "400 batch_too_long",
            "more than 1000",
            whole,
        ),
        row(
            "1001 lines",
            lines(&[GOOD; 1001].join("\n")),
            "400 batch_too_long",
            "more than 1000",
            whole,
        ),
        row(
            "one bad draft at the end",
            batch(&[GOOD, GOOD, bad]),
            DRAFT,
            "draft 2: kind has an empty segment at byte 2 (index 2)",
            whole,
        ),
        row(
            "one bad draft at the start",
            batch(&[bad, GOOD]),
            DRAFT,
            "(index 0)",
            whole,
        ),
        row(
            "one bad line",
            lines(&[GOOD, "", bad].join("\n")),
            DRAFT,
            "(index 1)",
            "blank lines are not counted",
        ),
        row(
            "one line that is no JSON",
            lines(&[GOOD, "nonsense"].join("\n")),
            JSON,
            "draft 1: unexpected byte at byte 24 (index 1)",
            whole,
        ),
        row(
            "a draft over two lines",
            lines("{\"kind\":\"a\",\n\"data\":{}}"),
            JSON,
            "(index 0)",
            "NDJSON: one line, one value",
        ),
        row(
            "two drafts on one line",
            lines(&format!("{GOOD}{GOOD}")),
            JSON,
            "(index 0)",
            "NDJSON: one line, one value",
        ),
        row(
            "an array as lines",
            lines(&format!("[{GOOD}]")),
            DRAFT,
            "expected a draft",
            "NDJSON: one line, one value",
        ),
        row(
            "lines as JSON",
            emit([GOOD, GOOD].join("\n")),
            JSON,
            "more text after the value",
            "RFC 8259 §2",
        ),
        row(
            "an array in an array",
            emit(format!("[[{GOOD}]]")),
            DRAFT,
            "expected a draft",
            whole,
        ),
        row(
            "a number among drafts",
            batch(&[GOOD, "1"]),
            DRAFT,
            "(index 1)",
            whole,
        ),
        row(
            "an array cut short",
            emit(format!("[{GOOD}")),
            JSON,
            "the text ends inside a value",
            "RFC 8259 §5",
        ),
        row(
            "a comma too many in an array",
            emit(format!("[{GOOD},]")),
            JSON,
            "unexpected byte",
            "RFC 8259 §5",
        ),
        row(
            "a brace for a bracket",
            emit(format!("[{GOOD}}}")),
            JSON,
            "unexpected byte",
            "RFC 8259 §5",
        ),
        row(
            "more behind an array",
            emit(format!("[{GOOD}] 1")),
            JSON,
            "more text after the value",
            "RFC 8259 §2",
        ),
        row(
            "one draft that is too large among others",
            batch(&[GOOD, &large]),
            "413 draft_too_large",
            "(index 1)",
            whole,
        ),
        row(
            "a good draft and a key twice in the next",
            batch(&[GOOD, r#"{"kind":"a","kind":"a"}"#]),
            JSON,
            "duplicate key",
            whole,
        ),
    ]
}
