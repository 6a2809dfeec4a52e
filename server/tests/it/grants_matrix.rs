//! Who may see and send what, everywhere: principal × event × surface, over real sockets, against a naive model.
//!
//! Grants, events and subscriptions are drawn from a seed. The model judges one event by one grant at a time, as
//! docs/WIRE.md has it, and knows nothing of scopes and filters; where nothing can be seen at all it tries every kind and
//! id that could tell.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fastrand::Rng;
use simd_json::OwnedValue;
use simd_json::prelude::*;

use crate::harness::{Answer, Client, TestServer, auth_entry};
use crate::stream::Streaming;

const SEED: u64 = 6;
const PRINCIPALS: usize = 24;
const SUBSCRIPTIONS: usize = 16;
/// Events before the clients come, and as many while they are there.
const EVENTS: usize = 150;

/// Kinds that events have.
const KINDS: [&str; 7] = [
    "task.created",
    "task.done",
    "task.failed",
    "task.review.done",
    "agent.output",
    "agent.error",
    "relay.up",
];

/// Patterns of grants and subscriptions.
const PATTERNS: [&str; 9] = [
    "*",
    "task.*",
    "task.created",
    "task.review.*",
    "t*",
    "agent.*",
    "agent.e*",
    "agent.output",
    "relay.up",
];

const FIELDS: [&str; 4] = ["agent_id", "session_id", "task_id", "project_id"];

/// Different ids of a field that events have, and one more that none has.
const IDS: usize = 3;

fn id(field: usize, number: usize) -> String {
    format!("018f3c2e-7b1a-7c3d-9e4f-0000000{field}000{number}")
}

/// The system's events have no agent but this one.
const SYSTEM: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Clone, Debug)]
struct Grant {
    actions: Vec<&'static str>,
    kinds: Vec<&'static str>,
    /// Of each field, the ids that are let through; none lets all.
    within: [Vec<usize>; 4],
}

#[derive(Clone, Debug, PartialEq)]
struct Item {
    kind: String,
    /// Of each field.
    ids: [Option<usize>; 4],
}

#[derive(Clone, Debug)]
struct Wanted {
    kinds: Vec<&'static str>,
    ids: [Option<usize>; 4],
}

fn is_like(kind: &str, patterns: &[&str]) -> bool {
    patterns.is_empty()
        || patterns
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => kind.starts_with(prefix),
                None => kind == *pattern,
            })
}

fn may(grants: &[Grant], action: &str, item: &Item) -> bool {
    grants.iter().any(|grant| {
        let has_ids = |field: usize| {
            let list = &grant.within[field];
            list.is_empty() || item.ids[field].is_some_and(|id| list.contains(&id))
        };
        grant.actions.contains(&action) && is_like(&item.kind, &grant.kinds) && (0..4).all(has_ids)
    })
}

fn wants(wanted: &Wanted, item: &Item) -> bool {
    let has_id = |field: usize| wanted.ids[field].is_none_or(|id| item.ids[field] == Some(id));
    is_like(&item.kind, &wanted.kinds) && (0..4).all(has_id)
}

/// Every event that could tell one set of grants from another.
fn universe() -> Vec<Item> {
    let ends = PATTERNS.map(|pattern| pattern.replace('*', "x"));
    let kinds = KINDS.iter().map(ToString::to_string).chain(ends);
    let numbers = || (0..=IDS).map(Some).chain([None]);
    let mut all = Vec::new();
    for kind in kinds {
        for agent in numbers() {
            for session in numbers() {
                for task in numbers() {
                    for project in numbers() {
                        all.push(Item {
                            kind: kind.clone(),
                            ids: [agent, session, task, project],
                        });
                    }
                }
            }
        }
    }
    all
}

fn some<T: Copy>(rng: &mut Rng, of: &[T], most: usize) -> Vec<T> {
    let count = rng.usize(0..=most);
    (0..count).map(|_| of[rng.usize(0..of.len())]).collect()
}

fn grant(rng: &mut Rng) -> Grant {
    let mut actions = some(rng, &["read", "replay", "emit"], 4);
    actions.sort_unstable();
    actions.dedup();
    if actions.is_empty() {
        actions = vec!["read", "replay"];
    }
    let numbers: Vec<_> = (0..IDS).collect();
    Grant {
        actions,
        kinds: some(rng, &PATTERNS, 3),
        within: std::array::from_fn(|_| {
            let is_bound = rng.u8(0..3) == 0;
            some(rng, &numbers, if is_bound { 2 } else { 0 })
        }),
    }
}

fn item(rng: &mut Rng) -> Item {
    Item {
        kind: KINDS[rng.usize(0..KINDS.len())].into(),
        ids: std::array::from_fn(|_| (rng.u8(0..4) > 0).then(|| rng.usize(0..IDS))),
    }
}

fn wanted(rng: &mut Rng) -> Wanted {
    Wanted {
        kinds: some(rng, &PATTERNS, 2),
        ids: std::array::from_fn(|_| (rng.u8(0..5) == 0).then(|| rng.usize(0..IDS))),
    }
}

fn list(texts: impl Iterator<Item = String>) -> String {
    let quoted: Vec<_> = texts.map(|text| format!("\"{text}\"")).collect();
    format!("[{}]", quoted.join(","))
}

fn grant_text(grant: &Grant) -> String {
    let strings = |texts: &[&str]| list(texts.iter().map(ToString::to_string));
    let mut text = format!("{{actions={}", strings(&grant.actions));
    if !grant.kinds.is_empty() {
        write!(text, ",kinds={}", strings(&grant.kinds)).unwrap();
    }
    let within: Vec<_> = (0..4)
        .filter(|field| !grant.within[*field].is_empty())
        .map(|field| {
            let ids = grant.within[field].iter().map(|number| id(field, *number));
            format!("{}={}", FIELDS[field], list(ids))
        })
        .collect();
    if !within.is_empty() {
        write!(text, ",where={{{}}}", within.join(",")).unwrap();
    }
    text + "}"
}

fn draft(item: &Item) -> String {
    let mut text = format!(r#"{{"kind":"{}","data":{{}}"#, item.kind);
    for (field, number) in item.ids.iter().enumerate() {
        if let Some(number) = number {
            write!(text, r#","{}":"{}""#, FIELDS[field], id(field, *number)).unwrap();
        }
    }
    text + "}"
}

fn drafts(items: &[Item]) -> String {
    let texts: Vec<_> = items.iter().map(draft).collect();
    format!("[{}]", texts.join(","))
}

fn query(wanted: &Wanted) -> String {
    let mut text = String::new();
    if !wanted.kinds.is_empty() {
        write!(text, "&kinds={}", wanted.kinds.join(",")).unwrap();
    }
    for (field, number) in wanted.ids.iter().enumerate() {
        if let Some(number) = number {
            write!(text, "&{}={}", FIELDS[field], id(field, *number)).unwrap();
        }
    }
    text
}

fn cursors(events: &OwnedValue) -> Vec<i64> {
    let events = events.as_array().unwrap();
    let cursor = |event: &OwnedValue| event.get_i64("cursor").unwrap();
    events.iter().map(cursor).collect()
}

/// Somebody, with what they ask for.
struct Case<'a> {
    token: String,
    grants: &'a [Grant],
    wanted: Wanted,
    /// Where those begin that begin somewhere.
    from: i64,
    items: &'a [Item],
    universe: &'a [Item],
}

impl Case<'_> {
    /// Cursors after `from` of what these actions let them see of what they want.
    fn seen(&self, actions: &[&str], from: i64) -> Vec<i64> {
        let numbered = (1_i64..).zip(self.items);
        numbered
            .filter(|(cursor, item)| *cursor > from && self.has(actions, item))
            .map(|(cursor, _)| cursor)
            .collect()
    }

    fn has(&self, actions: &[&str], item: &Item) -> bool {
        wants(&self.wanted, item) && actions.iter().all(|action| may(self.grants, action, item))
    }

    /// Whether there could be an event that they may see of what they want.
    fn could_see(&self, actions: &[&str]) -> bool {
        self.universe.iter().any(|item| self.has(actions, item))
    }

    fn may_anything(&self, action: &str) -> bool {
        self.grants
            .iter()
            .any(|grant| grant.actions.contains(&action))
    }

    /// Whether some event is hidden from them.
    fn is_restricted(&self) -> bool {
        let is_open = |item| may(self.grants, "read", item) && may(self.grants, "replay", item);
        !self.universe.iter().all(is_open)
    }

    async fn get(&self, server: &TestServer, target: &str) -> Answer {
        let target = format!("/api/event-bus{target}{}", query(&self.wanted));
        server.get_as(&self.token, &target).await
    }

    async fn upgrade(&self, server: &TestServer, start: &str) -> Result<Client, Answer> {
        let headers = format!("Authorization: Bearer {}\r\n", self.token);
        let query = format!("{start}{}", query(&self.wanted));
        server
            .upgrade(query.trim_start_matches('&'), &headers)
            .await
    }

    /// A stream of theirs, which is there exactly when there could be something in it.
    async fn stream(&self, server: &TestServer, actions: &[&str], start: &str) -> Option<Client> {
        match self.upgrade(server, start).await {
            Ok(mut client) => {
                assert!(self.could_see(actions), "{self}: a stream of nothing");
                client.expect("subscribed").await;
                Some(client)
            }
            Err(answer) => {
                assert_eq!(
                    (answer.status, &*answer.code()),
                    (403, "forbidden"),
                    "{self}"
                );
                assert!(!self.could_see(actions), "{self}: refused");
                None
            }
        }
    }

    /// The same over plain HTTP.
    async fn stream_over_http(
        &self,
        server: &TestServer,
        actions: &[&str],
        start: &str,
    ) -> Option<Streaming> {
        let token = &self.token;
        let headers = format!("Authorization: Bearer {token}\r\nAccept: application/x-ndjson\r\n");
        let query = format!("{start}{}", query(&self.wanted));
        match Streaming::open(server, query.trim_start_matches('&'), &headers).await {
            Ok(mut stream) => {
                assert!(self.could_see(actions), "{self}: a stream of nothing");
                stream.expect("subscribed").await;
                Some(stream)
            }
            Err(answer) => {
                let refusal = (answer.status, &*answer.code());
                assert_eq!(refusal, (403, "forbidden"), "{self}");
                assert!(!self.could_see(actions), "{self}: refused");
                None
            }
        }
    }

    /// An answer that is there exactly when there could be something in it.
    fn granted(&self, answer: Answer) -> Option<Answer> {
        if self.could_see(&["replay"]) {
            assert_eq!(answer.status, 200, "{self}: {}", answer.body);
            Some(answer)
        } else {
            assert_eq!(
                (answer.status, &*answer.code()),
                (403, "forbidden"),
                "{self}"
            );
            None
        }
    }

    async fn check_pages(&self, server: &TestServer, limit: usize) {
        let expected = self.seen(&["replay"], self.from);
        let (mut from, mut found) = (self.from, Vec::<i64>::new());
        loop {
            let answer = self
                .get(server, &format!("?cursor={from}&limit={limit}"))
                .await;
            let Some(answer) = self.granted(answer) else {
                return;
            };
            let page = answer.json();
            let cursors = cursors(&page["events"]);
            assert!(cursors.len() <= limit, "{self}");
            found.extend(&cursors);
            let (next, has_more) = (page.get_i64("next_cursor"), page.get_bool("has_more"));
            if self.is_restricted() {
                assert_eq!(next, Some(*cursors.last().unwrap_or(&from)), "{self}");
                assert_eq!(has_more, Some(found.len() < expected.len()), "{self}");
            }
            from = next.unwrap();
            if has_more == Some(false) {
                break;
            }
        }
        assert_eq!(found, expected, "{self}: pages after {}", self.from);
    }

    async fn check_pages_before(&self, server: &TestServer, limit: usize) {
        let mut expected = self.seen(&["replay"], 0);
        expected.retain(|cursor| *cursor < self.from);
        let (mut before, mut found) = (self.from, Vec::<i64>::new());
        loop {
            let answer = self
                .get(server, &format!("?before={before}&limit={limit}"))
                .await;
            let Some(answer) = self.granted(answer) else {
                return;
            };
            let page = answer.json();
            let cursors = cursors(&page["events"]);
            found.splice(0..0, cursors.iter().copied());
            let (next, has_more) = (page.get_i64("next_cursor"), page.get_bool("has_more"));
            if self.is_restricted() {
                assert_eq!(next, Some(*cursors.first().unwrap_or(&before)), "{self}");
                assert_eq!(has_more, Some(found.len() < expected.len()), "{self}");
            }
            before = next.unwrap();
            if has_more == Some(false) {
                break;
            }
        }
        assert_eq!(found, expected, "{self}: pages before {}", self.from);
    }

    async fn check_replays(&self, server: &TestServer) {
        let expected = self.seen(&["replay"], self.from);
        let target = format!(
            "/api/event-bus/replay?from_cursor={}{}",
            self.from,
            query(&self.wanted)
        );
        for accept in ["application/json", "application/x-ndjson"] {
            let headers = format!("Accept: {accept}\r\n");
            let answer = server
                .request_as(&self.token, "POST", &target, &headers, "")
                .await;
            let Some(mut answer) = self.granted(answer) else {
                return;
            };
            if accept == "application/x-ndjson" {
                let lines: Vec<_> = answer.body.lines().collect();
                answer.body = format!("[{}]", lines.join(","));
            }
            assert_eq!(cursors(&answer.json()), expected, "{self}: {accept}");
        }
    }

    async fn check_latest(&self, server: &TestServer) {
        let answer = server.get_as(&self.token, "/api/event-bus/latest").await;
        if !self.may_anything("replay") {
            assert_eq!(
                (answer.status, &*answer.code()),
                (403, "forbidden"),
                "{self}"
            );
            let seek = "/api/event-bus/seek?time=2100-01-01T00:00:00Z";
            let answer = server.get_as(&self.token, seek).await;
            assert_eq!(
                (answer.status, &*answer.code()),
                (403, "forbidden"),
                "{self}"
            );
            return;
        }
        let numbered = (1_i64..).zip(self.items);
        let newest = numbered
            .filter(|(_, item)| may(self.grants, "replay", item))
            .last();
        let newest = newest.map_or(0, |(cursor, _)| cursor);
        assert_eq!(answer.body, newest.to_string(), "{self}: latest");
        let seek = "/api/event-bus/seek?time=2100-01-01T00:00:00Z";
        let answer = server.get_as(&self.token, seek).await;
        assert_eq!(
            answer.body,
            format!("{{\"cursor\":{newest}}}"),
            "{self}: seek"
        );
    }

    async fn check_counts(&self, server: &TestServer) {
        let expected: Vec<&Item> = self
            .items
            .iter()
            .filter(|item| self.has(&["replay"], item))
            .collect();
        let span = "/histogram?from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&windows=1";
        let Some(answer) = self.granted(self.get(server, span).await) else {
            return;
        };
        let histogram = answer.json();
        let mut families = BTreeMap::<String, u64>::new();
        for item in &expected {
            let family = item.kind.split('.').next().unwrap();
            *families.entry(family.into()).or_default() += 1;
        }
        let names = histogram.get_array("families").unwrap().iter();
        let counts = histogram.get_array("counts").unwrap().iter();
        let found: BTreeMap<_, _> = names
            .map(|name| name.as_str().unwrap().to_owned())
            .zip(counts.map(|row| row[0].as_u64().unwrap()))
            .collect();
        assert_eq!(found, families, "{self}: histogram");
        let is_failure =
            |item: &&&Item| item.kind.ends_with("failed") || item.kind.ends_with("error");
        let failures = expected.iter().filter(is_failure).count();
        assert_eq!(
            histogram["failures"][0].as_usize(),
            Some(failures),
            "{self}"
        );
        let answer = self.get(server, "/facets?limit=50").await;
        self.check_facets(&answer.json(), &expected);
    }

    fn check_facets(&self, facets: &OwnedValue, expected: &[&Item]) {
        assert_eq!(
            facets.get_usize("events"),
            Some(expected.len()),
            "{self}: facets"
        );
        let counted = |values: &mut dyn Iterator<Item = String>| {
            let mut counts = BTreeMap::<String, u64>::new();
            for value in values {
                *counts.entry(value).or_default() += 1;
            }
            counts
        };
        let named = |name: &str| -> BTreeMap<String, u64> {
            let values = facets.get_array(name).unwrap().iter();
            values
                .map(|value| {
                    let count = value.get_u64("count").unwrap();
                    (value.get_str("value").unwrap().to_owned(), count)
                })
                .collect()
        };
        let kinds = counted(&mut expected.iter().map(|item| item.kind.clone()));
        assert_eq!(named("kinds"), kinds, "{self}: facets");
        for (field, name) in ["agents", "sessions", "tasks"].into_iter().enumerate() {
            let mut ids = expected
                .iter()
                .filter_map(|item| item.ids[field])
                .map(|number| id(field, number))
                .filter(|id| id != SYSTEM);
            assert_eq!(named(name), counted(&mut ids), "{self}: {name}");
        }
    }

    /// A batch is stored when they may emit all of it, and otherwise nothing is.
    async fn check_emit(&self, server: &TestServer, items: &[Item]) {
        let before = server.get("/api/event-bus/latest").await.body;
        let json = "Content-Type: application/json\r\n";
        let emit = async |body: &str| {
            server
                .request_as(&self.token, "POST", "/api/event-bus/emit", json, body)
                .await
        };
        let is_refused = |item: &Item| !may(self.grants, "emit", item);
        let refused = items.iter().position(is_refused);
        let answer = emit(&drafts(items)).await;
        let Some(index) = refused else {
            assert_eq!(answer.status, 200, "{self}: {}", answer.body);
            return;
        };
        assert_eq!(
            (answer.status, &*answer.code()),
            (403, "forbidden"),
            "{self}"
        );
        let told = answer.json().get_usize("index");
        let has_any = self.may_anything("emit");
        assert_eq!(told, has_any.then_some(index), "{self}: {items:?}");
        let alone = emit(&draft(&items[index])).await;
        assert_eq!((alone.status, &*alone.code()), (403, "forbidden"), "{self}");
        assert_eq!(
            alone.json().get_usize("index"),
            None,
            "one draft has no place"
        );
        assert_eq!(
            server.get("/api/event-bus/latest").await.body,
            before,
            "{self}"
        );
    }
}

impl std::fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let grants: Vec<_> = self.grants.iter().map(grant_text).collect();
        write!(
            f,
            "{} wants {:?}",
            grants.join(" and "),
            query(&self.wanted)
        )
    }
}

/// What a client is given next are exactly these events, and then it is answered.
async fn hears(case: &Case<'_>, client: &mut Client, expected: &[i64], surface: &str) {
    let mut found = Vec::new();
    while found.len() < expected.len() {
        let message = client.message().await;
        match message.get_str("type") {
            Some("event") => found.push(message.get_i64("cursor").unwrap()),
            Some("replay_complete" | "ping") => {}
            _ => panic!("{case}: {surface}: {message}"),
        }
    }
    assert_eq!(found, expected, "{case}: {surface}");
    client.send(r#"{"type":"ping","ref":"end"}"#).await;
    loop {
        let message = client.message().await;
        match message.get_str("type") {
            Some("replay_complete" | "ping") => {}
            Some("pong") => return,
            _ => panic!("{case}: {surface}: one too many, {message}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_and_sends_exactly_what_they_may_on_every_surface() {
    let mut rng = Rng::with_seed(SEED);
    let principals: Vec<Vec<Grant>> = (0..PRINCIPALS)
        .map(|_| (0..rng.usize(1..=4)).map(|_| grant(&mut rng)).collect())
        .collect();
    let auth: String = (0..)
        .zip(&principals)
        .map(|(number, grants)| {
            let grants: Vec<_> = grants.iter().map(grant_text).collect();
            let lines = format!("grants = [{}]", grants.join(","));
            auth_entry(&format!("p{number}"), &format!("token-{number}"), &lines)
        })
        .collect();
    let items: Vec<Item> = (0..2 * EVENTS).map(|_| item(&mut rng)).collect();
    let universe = universe();
    let mut cases = Vec::new();
    for (number, grants) in principals.iter().enumerate() {
        for _ in 0..SUBSCRIPTIONS {
            cases.push(Case {
                token: format!("token-{number}"),
                grants,
                wanted: wanted(&mut rng),
                from: rng.i64(0..i64::try_from(EVENTS).unwrap()),
                items: &items,
                universe: &universe,
            });
        }
    }
    let server = TestServer::start_with_auth(&auth).await;
    check_streams(&server, &cases, &items).await;
    check_streams_over_http(&auth, &cases, &items).await;
    for case in &cases {
        let limit = rng.usize(1..=20);
        case.check_pages(&server, limit).await;
        case.check_pages_before(&server, limit).await;
        case.check_replays(&server).await;
        case.check_counts(&server).await;
        case.check_latest(&server).await;
    }
    // Last, since they change what is there.
    for case in &cases {
        let items: Vec<_> = (0..rng.usize(1..=3)).map(|_| item(&mut rng)).collect();
        case.check_emit(&server, &items).await;
    }
}

/// Streams that begin at the head, and streams that begin in history, while events come.
async fn check_streams(server: &TestServer, cases: &[Case<'_>], items: &[Item]) {
    let (stored, coming) = items.split_at(EVENTS);
    server.emit(&drafts(stored)).await;
    let mut everything = server.subscribe("").await;
    everything.expect("subscribed").await;
    let mut streams = Vec::new();
    for case in cases {
        let live = case.stream(server, &["read"], "").await;
        let start = format!("cursor={}", case.from);
        let resumed = case.stream(server, &["read", "replay"], &start).await;
        streams.push((case, live, resumed));
    }
    server.emit(&drafts(coming)).await;
    // By now all of it is distributed: who has nothing to hear by then hears nothing.
    everything.cursors(coming.len()).await;
    let head = i64::try_from(EVENTS).unwrap();
    for (case, live, resumed) in streams {
        if let Some(mut client) = live {
            hears(case, &mut client, &case.seen(&["read"], head), "live").await;
        }
        if let Some(mut client) = resumed {
            let expected = case.seen(&["read", "replay"], case.from);
            hears(case, &mut client, &expected, "history and live").await;
        }
    }
}

/// The same streams over plain HTTP, on a server of their own, which is stopped at the end so that they end.
async fn check_streams_over_http(auth: &str, cases: &[Case<'_>], items: &[Item]) {
    let server = TestServer::start_with_auth(auth).await;
    let (stored, coming) = items.split_at(EVENTS);
    server.emit(&drafts(stored)).await;
    let head = i64::try_from(EVENTS).unwrap();
    let mut streams = Vec::new();
    for case in cases {
        for (actions, start, from) in [
            (&["read"][..], String::new(), head),
            (
                &["read", "replay"],
                format!("cursor={}", case.from),
                case.from,
            ),
        ] {
            if let Some(stream) = case.stream_over_http(&server, actions, &start).await {
                streams.push((case, stream, case.seen(actions, from)));
            }
        }
    }
    server.emit(&drafts(coming)).await;
    for (case, stream, expected) in &mut streams {
        let mut found = Vec::new();
        while found.len() < expected.len() {
            let message = stream.message().await;
            match message.get_str("type") {
                Some("event") => found.push(message.get_i64("cursor").unwrap()),
                Some("replay_complete" | "ping") => {}
                _ => panic!("{case}: over HTTP: {message}"),
            }
        }
        assert_eq!(found, *expected, "{case}: over HTTP");
    }
    server.drain();
    for (case, mut stream, _) in streams {
        loop {
            let message = stream.message().await;
            match message.get_str("type") {
                Some("replay_complete" | "ping") => {}
                Some("drain") => break,
                _ => panic!("{case}: over HTTP: one too many, {message}"),
            }
        }
    }
}
