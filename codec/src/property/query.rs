//! Properties of query strings and filters: whatever is accepted can be spelled again, and a filter picks what the plain
//! reading of its text picks.

use std::fmt::Write as _;

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use crate::event::{Cursor, Event, Ids};
use crate::filter::{Filter, WantedIds};
use crate::kind::{Kind, Pattern};
use crate::limits::{FACET_VALUES, HISTOGRAM_WINDOWS, KIND_BYTES, PAGE_EVENTS, PATTERNS};
use crate::query::{self, Direction, Encoding, QueryError, Slow, Start, Subscription};

/// Any text is a query or a refusal that can be told; what is accepted reads back from how it is written.
pub fn queries_read_back(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match query::subscription(text) {
        Ok(asked) => {
            filter_reads_back(&asked.filter);
            let is_empty = text.bytes().all(|byte| byte == b'&');
            let twice = query::subscription(&format!("{text}&{text}"));
            assert_eq!(twice.is_ok(), is_empty, "a parameter is given once");
            assert_eq!(query::subscription(&spell_subscription(&asked)), Ok(asked));
        }
        Err(error) => refusal_is_told(&error),
    }
    streams_read_back(text);
    match query::page(text) {
        Ok(page) => {
            assert!((1..=PAGE_EVENTS).contains(&page.limit));
            let direction = match page.direction {
                Direction::After(cursor) => format!("cursor={cursor}"),
                Direction::Before(cursor) => format!("before={cursor}"),
            };
            let again = format!("limit={}&{}&{direction}", page.limit, page.filter);
            assert_eq!(query::page(&again), Ok(page));
        }
        Err(error) => refusal_is_told(&error),
    }
    match query::replay(text) {
        Ok(range) => {
            assert!(
                range
                    .to
                    .is_none_or(|to| range.from.unwrap_or_default() <= to)
            );
            let to = range
                .to
                .map(|to| format!("&to_cursor={to}"))
                .unwrap_or_default();
            let from = range
                .from
                .map(|from| format!("&from_cursor={from}"))
                .unwrap_or_default();
            let again = format!("{}{from}{to}", range.filter);
            assert_eq!(query::replay(&again), Ok(range));
        }
        Err(error) => refusal_is_told(&error),
    }
    counts_read_back(text);
    if let Some(token) = query::token(text) {
        let again = format!("token={}", spell(&token));
        assert_eq!(query::token(&again), Some(token));
        assert_eq!(query::nothing(&again), Ok(()));
    }
    if query::nothing(text).is_ok() {
        assert!(
            query::subscription(text).is_ok_and(|asked| asked.filter.is_all())
                || text.matches("token").count() > 1
        );
    }
}

/// A stream is a subscription, and every filter can be a ticket's.
fn streams_read_back(text: &str) {
    match query::stream(text) {
        Ok(asked) => {
            assert_eq!((asked.encoding, asked.slow), (None, None));
            assert_eq!(query::subscription(text), Ok(asked));
        }
        Err(error) => refusal_is_told(&error),
    }
    match query::filter(text) {
        Ok(filter) => {
            filter_reads_back(&filter);
            assert_eq!(query::stream(text).map(|asked| asked.filter), Ok(filter));
        }
        Err(error) => refusal_is_told(&error),
    }
    if let Some(ticket) = query::ticket(text) {
        let again = format!("ticket={}", spell(&ticket));
        assert_eq!(query::ticket(&again), Some(ticket));
        assert!(query::stream(&again).is_ok_and(|asked| asked.filter.is_all()));
    }
}

fn counts_read_back(text: &str) {
    match query::seek(text) {
        Ok(time) => assert_eq!(query::seek(&format!("time={time}")), Ok(time)),
        Err(error) => refusal_is_told(&error),
    }
    match query::histogram(text) {
        Ok(asked) => {
            let windows = asked.windows;
            let count = windows.count();
            assert!((1..=HISTOGRAM_WINDOWS).contains(&count) && windows.width_ms() > 0);
            let edges: Vec<_> = (0..=count).map(|place| windows.edge(place)).collect();
            assert!(edges.is_sorted() && edges[0] < edges[count]);
            // Windows that end where the calendar does would be narrower if they were asked for as they are.
            if edges[count] < Timestamp::MAX {
                let again = format!(
                    "{}&windows={count}&from={}&to={}",
                    asked.filter, edges[0], edges[count]
                );
                assert_eq!(query::histogram(&again), Ok(asked));
            }
        }
        Err(error) => refusal_is_told(&error),
    }
    match query::facets(text) {
        Ok(asked) => {
            assert!((1..=FACET_VALUES).contains(&asked.limit));
            let again = format!("limit={}&{}", asked.limit, asked.filter);
            assert_eq!(query::facets(&again), Ok(asked));
        }
        Err(error) => refusal_is_told(&error),
    }
}

fn filter_reads_back(filter: &Filter) {
    assert!((1..=PATTERNS).contains(&filter.patterns().len()));
    let again = Filter::new(filter.patterns().to_vec(), filter.wanted());
    assert_eq!(again, *filter, "canonical is canonical");
    let spelled = query::subscription(&filter.to_string()).map(|asked| asked.filter);
    assert_eq!(spelled.as_ref(), Ok(filter));
}

fn refusal_is_told(error: &QueryError) {
    assert!(!error.to_string().is_empty());
}

/// A query string that asks for this subscription.
pub(crate) fn spell_subscription(asked: &Subscription) -> String {
    let start = asked
        .start
        .map(|start| format!("&cursor={}", spell_start(start)));
    let encoding = asked.encoding.map(|encoding| match encoding {
        Encoding::Message => "&encoding=message",
        Encoding::Lines => "&encoding=lines",
    });
    let slow = asked.slow.map(|slow| match slow {
        Slow::CatchUp => "&slow=catch_up",
        Slow::Disconnect => "&slow=disconnect",
        Slow::Skip => "&slow=skip",
    });
    format!(
        "{}{}{}{}",
        asked.filter,
        start.unwrap_or_default(),
        encoding.unwrap_or_default(),
        slow.unwrap_or_default()
    )
}

/// A start as `cursor=` takes it.
fn spell_start(start: Start) -> String {
    match start {
        Start::Head => "head".to_owned(),
        Start::Earliest => "earliest".to_owned(),
        Start::After(cursor) => cursor.to_string(),
        Start::Time(time) => time.to_string(),
    }
}

/// Percent-encoded, every byte but letters and digits.
pub(super) fn spell(text: &str) -> String {
    let mut spelled = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            spelled.push(char::from(byte));
        } else {
            write!(spelled, "%{byte:02X}").expect("a string takes what is written");
        }
    }
    spelled
}

/// Bytes that are `pattern,pattern kind kind…` are understood and picked as their text says.
pub fn filters_pick_like_naive(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut words = text.split(' ');
    let listed: Vec<&str> = words.next().unwrap_or_default().split(',').collect();
    let kinds: Vec<&str> = words.collect();
    for kind in &kinds {
        assert_eq!(Kind::parse(kind).is_ok(), naive_is_kind(kind), "{kind:?}");
    }
    let parsed = query::patterns(&listed.join(","));
    let is_list = listed.len() <= PATTERNS && listed.iter().all(|text| naive_is_pattern(text));
    assert_eq!(parsed.is_ok(), is_list, "{listed:?}");
    let Ok(patterns) = parsed else {
        return;
    };
    let wanted = wanted_ids(bytes);
    let filter = Filter::new(patterns.clone(), wanted);
    filter_reads_back(&filter);
    for kind in kinds.iter().filter_map(|text| Kind::parse(text).ok()) {
        let picked = listed.iter().any(|text| naive_picks(text, kind.as_str()));
        assert_eq!(
            filter.matches_kind(kind.as_str()),
            picked,
            "{listed:?} {kind}"
        );
        wider_picks_more(&patterns, kind.as_str());
        for turn in 0..3 {
            let event = event(&kind, ids(bytes, turn));
            let expected = picked && naive_wants(wanted, event.ids);
            assert_eq!(filter.matches(&event), expected, "{filter} {:?}", event.ids);
        }
    }
}

/// If one pattern covers another, it picks all that the other picks.
fn wider_picks_more(patterns: &[Pattern], kind: &str) {
    for wide in patterns.iter().take(8) {
        assert!(wide.covers(wide));
        for narrow in patterns.iter().take(8).filter(|narrow| wide.covers(narrow)) {
            assert!(
                wide.matches(kind) || !narrow.matches(kind),
                "{wide} {narrow} {kind}"
            );
        }
    }
}

fn naive_is_kind(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| matches!(c, 'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '-'))
    };
    text.len() <= KIND_BYTES && text.split('.').all(is_word)
}

/// A pattern is a kind, or what could become one where its star stands.
fn naive_is_pattern(text: &str) -> bool {
    match text.split_at_checked(text.len().saturating_sub(1)) {
        Some((prefix, "*")) => naive_is_kind(&format!("{prefix}x")),
        _ => naive_is_kind(text),
    }
}

fn naive_picks(pattern: &str, kind: &str) -> bool {
    let mut bytes = kind.bytes();
    for expected in pattern.chars() {
        if expected == '*' {
            return true;
        }
        if bytes.next().map(char::from) != Some(expected) {
            return false;
        }
    }
    bytes.next().is_none()
}

fn naive_wants(wanted: WantedIds, ids: Ids) -> bool {
    let pairs = [
        (wanted.agent_id, Some(ids.agent_id)),
        (wanted.session_id, ids.session_id),
        (wanted.task_id, ids.task_id),
        (wanted.project_id, ids.project_id),
    ];
    for (wanted, id) in pairs {
        if let Some(wanted) = wanted
            && Some(wanted) != id
        {
            return false;
        }
    }
    true
}

/// Ids from a universe of three, so that they are often equal.
fn small_ids(seed: u32) -> [Option<Uuid>; 4] {
    std::array::from_fn(|place| match seed >> (2 * place) & 3 {
        0 => None,
        few => Some(Uuid::from_u128(u128::from(few) - 1)),
    })
}

fn wanted_ids(bytes: &[u8]) -> WantedIds {
    let [agent_id, session_id, task_id, project_id] = small_ids(mixed(bytes, 0));
    WantedIds {
        agent_id,
        session_id,
        task_id,
        project_id,
    }
}

fn ids(bytes: &[u8], turn: u32) -> Ids {
    let [agent_id, session_id, task_id, project_id] = small_ids(mixed(bytes, turn + 1));
    // Mostly what is wanted, or nothing would ever be picked.
    let wanted = wanted_ids(bytes);
    let kept = mixed(bytes, turn + 9);
    let choose = |place: u32, wanted: Option<Uuid>, other| {
        if kept >> place & 3 > 0 { wanted } else { other }
    };
    Ids {
        agent_id: choose(0, wanted.agent_id, agent_id).unwrap_or_default(),
        session_id: choose(2, wanted.session_id, session_id),
        task_id: choose(4, wanted.task_id, task_id),
        project_id: choose(6, wanted.project_id, project_id),
    }
}

fn mixed(bytes: &[u8], turn: u32) -> u32 {
    let hash = bytes
        .iter()
        .fold(turn.wrapping_mul(0x9e37_79b9), |hash, byte| {
            (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        });
    hash ^ hash >> 15
}

fn event(kind: &Kind, ids: Ids) -> Event {
    Event {
        cursor: Cursor::MAX,
        time: Timestamp::UNIX_EPOCH,
        kind: kind.clone(),
        ids,
        json: Bytes::new(),
    }
}
