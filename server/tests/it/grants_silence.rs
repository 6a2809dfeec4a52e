//! Nothing that somebody is told depends on events that they must not see: two worlds in which one tenant does the same,
//! and in one of which another tenant publishes. What the first is told is the same in both, but for the cursors of its own
//! events.

use std::time::Duration;

use simd_json::OwnedValue;
use simd_json::prelude::*;

use crate::harness::{Answer, Client, TOKEN, TestServer, auth_entry, within};
use crate::stream::Streaming;

const OURS: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e01";
const THEIRS: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e02";
const US: &str = "us";

/// Heartbeats that a test can wait for.
const QUICK: Duration = Duration::from_millis(500);

const USUAL: Duration = Duration::from_secs(30);

/// A server, and whether the others publish on it.
struct World {
    server: TestServer,
    has_others: bool,
    /// Who is listened to.
    token: &'static str,
    /// Cursors of our events.
    own: Vec<i64>,
    told: Vec<String>,
}

impl World {
    async fn new(token: &'static str, has_others: bool, heartbeat: Duration) -> Self {
        let grants = format!(
            r#"grants = [{{ actions = ["read", "replay", "emit"], where = {{ project_id = ["{OURS}"] }} }}]"#
        );
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("auth.toml");
        std::fs::write(&path, auth_entry(US, US, &grants)).unwrap();
        let server = TestServer::start_in(data, |config| {
            config.auth = Some(path);
            config.heartbeat = heartbeat;
        })
        .await;
        Self {
            server,
            has_others,
            token,
            own: Vec::new(),
            told: Vec::new(),
        }
    }

    /// The others publish what could be mistaken for ours: the same kinds, and one that we do not have; the same ids.
    async fn others(&self) {
        if self.has_others {
            let draft = |kind: &str| {
                format!(
                    r#"{{"kind":"{kind}","data":{{}},"project_id":"{THEIRS}","agent_id":"{THEIRS}"}}"#
                )
            };
            let drafts = [
                draft("task.created"),
                draft("secret.failed"),
                draft("task.done"),
            ];
            self.server
                .emit(&format!("[{}]", vec![drafts.join(","); 40].join(",")))
                .await;
        }
    }

    async fn emit(&mut self, kind: &str) {
        let draft = format!(r#"{{"kind":"{kind}","data":{{}},"project_id":"{OURS}"}}"#);
        let answer = self.post("/api/event-bus/emit", &draft).await;
        self.own.push(answer.body.parse().unwrap());
        self.note_answer("emit", &answer);
    }

    async fn post(&self, target: &str, body: &str) -> Answer {
        let json = "Content-Type: application/json\r\n";
        self.server
            .request_as(self.token, "POST", target, json, body)
            .await
    }

    /// Everything about an answer but what always differs.
    fn note_answer(&mut self, what: &str, answer: &Answer) {
        let body = if answer.body.starts_with(['{', '[']) && answer.body.lines().count() < 2 {
            self.alike(answer.json()).to_string()
        } else {
            let lines = answer.body.lines();
            lines
                .map(|line| self.alike_text(line))
                .collect::<Vec<_>>()
                .join("\n")
        };
        self.told.push(format!("{what}: {} {body}", answer.status));
    }

    fn alike_text(&self, json: &str) -> String {
        let value = simd_json::to_owned_value(&mut json.as_bytes().to_vec()).unwrap();
        self.alike(value).to_string()
    }

    /// The same with our cursors by their place, and without clocks.
    fn alike(&self, value: OwnedValue) -> OwnedValue {
        match value {
            OwnedValue::Array(values) => {
                let values: Vec<_> = values.into_iter().map(|value| self.alike(value)).collect();
                values.into()
            }
            OwnedValue::Object(members) => {
                let members = members.into_iter().map(|(name, value)| {
                    let value = match &*name {
                        "time" | "server_time" | "epoch" | "heartbeat_ms" => "".into(),
                        "count" | "events" if !value.is_array() => value,
                        // The first is the same for all, as is said; the others have no cursors.
                        "earliest" | "counts" | "failures" => value,
                        _ => self.alike(value),
                    };
                    (name, value)
                });
                OwnedValue::from(members.collect::<simd_json::owned::Object>())
            }
            value => {
                let place = value
                    .as_i64()
                    .and_then(|cursor| self.own.iter().position(|own| *own == cursor));
                place.map_or(value, |place| format!("our event {place}").into())
            }
        }
    }

    async fn get(&mut self, target: &str) {
        let answer = self.server.get_as(self.token, target).await;
        self.note_answer(target, &answer);
    }

    /// Notes what a client is told up to a message of this type, pings left out: how many there are is chance.
    async fn hear(&mut self, client: &mut Client, last: &str) {
        loop {
            let message = client.message().await;
            let name = message.get_str("type").unwrap().to_owned();
            if name != "ping" {
                let text = self.alike(message).to_string();
                self.told.push(text);
            }
            if name == last {
                return;
            }
        }
    }

    /// The watermark comes to be that of our newest event, and is never anything that is not ours.
    async fn hear_watermark(&self, client: &mut Client, reached: i64) {
        loop {
            let ping = client.expect("ping").await;
            let cursor = ping.get_i64("cursor").unwrap();
            if cursor == reached {
                return;
            }
            assert!(cursor == 0 || self.own.contains(&cursor), "{ping}");
        }
    }

    async fn ask_everything(&mut self) {
        for target in [
            "?cursor=0",
            "?cursor=0&limit=1",
            "?cursor=0&limit=3",
            "?cursor=0&kinds=secret.*",
            "?before=9007199254740991",
            "?before=9007199254740991&limit=1",
            "?before=9007199254740991&limit=3",
            "/latest",
            "/seek?time=2001-01-01T00:00:00Z",
            "/seek?time=2100-01-01T00:00:00Z",
            "/facets",
            "/facets?kinds=secret.*",
            "/histogram?from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&windows=2",
            "/histogram?from=2099-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&windows=2",
        ] {
            self.get(&format!("/api/event-bus{target}")).await;
        }
        for accept in ["application/json", "application/x-ndjson"] {
            let headers = format!("Accept: {accept}\r\n");
            let target = "/api/event-bus/replay?from_cursor=0";
            let replay = self
                .server
                .request_as(self.token, "POST", target, &headers, "")
                .await;
            self.note_answer(accept, &replay);
        }
    }

    /// The same over plain HTTP.
    async fn listen_over_http(&mut self, start: &str) {
        let token = self.token;
        let headers = format!("Authorization: Bearer {token}\r\nAccept: application/x-ndjson\r\n");
        let opened = Streaming::open(&self.server, start, &headers).await;
        let mut stream = opened.ok().unwrap();
        let opening = if start.is_empty() {
            "subscribed"
        } else {
            "replay_complete"
        };
        self.hear_lines(&mut stream, opening).await;
        self.others().await;
        self.emit("task.done").await;
        self.hear_lines(&mut stream, "event").await;
    }

    /// As [`World::hear`].
    async fn hear_lines(&mut self, stream: &mut Streaming, last: &str) {
        loop {
            let message = stream.message().await;
            let name = message.get_str("type").unwrap().to_owned();
            if name == "ping" {
                let cursor = message.get_i64("cursor").unwrap();
                let is_known = cursor == 0 || self.own.contains(&cursor);
                assert!(is_known || self.token == TOKEN, "{message}");
                continue;
            }
            let text = self.alike(message).to_string();
            self.told.push(text);
            if name == last {
                return;
            }
        }
    }

    /// A stream in every way to begin one, and every command.
    async fn listen(&mut self) {
        for start in [
            "",
            "cursor=0",
            "cursor=earliest",
            "cursor=2001-01-01T00:00:00Z",
            "cursor=2100-01-01T00:00:00Z",
        ] {
            let mut client = self.server.subscribe_as(self.token, start).await;
            self.hear(&mut client, "subscribed").await;
            if !start.is_empty() {
                self.hear(&mut client, "replay_complete").await;
            }
            self.others().await;
            let auth = format!(r#"{{"type":"auth","token":"{}"}}"#, self.token);
            for (command, last) in [
                (
                    r#"{"type":"subscribe","kinds":"task.*"}"#,
                    "replay_complete",
                ),
                (r#"{"type":"subscribe","cursor":"head"}"#, "subscribed"),
                (
                    r#"{"type":"subscribe","cursor":"2100-01-01T00:00:00Z"}"#,
                    "replay_complete",
                ),
                (&auth, "authorised"),
            ] {
                client.send(command).await;
                self.hear(&mut client, last).await;
                self.others().await;
            }
            self.listen_over_http(start).await;
            self.emit("task.done").await;
            self.hear(&mut client, "event").await;
            self.hear(&mut client, "event").await;
            self.others().await;
            if self.token == US {
                let newest = *self.own.last().unwrap();
                self.hear_watermark(&mut client, newest).await;
            }
        }
    }
}

/// Everything that somebody is told in a world.
async fn told(token: &'static str, has_others: bool) -> Vec<String> {
    let mut world = World::new(token, has_others, QUICK).await;
    world.others().await;
    world.ask_everything().await;
    world.emit("task.created").await;
    world.others().await;
    world.ask_everything().await;
    for kind in ["task.done", "agent.output", "task.failed"] {
        world.others().await;
        world.emit(kind).await;
    }
    world.others().await;
    world.ask_everything().await;
    world.listen().await;
    world.ask_everything().await;
    world.told
}

#[tokio::test]
async fn whoever_must_not_see_others_is_told_the_same_whether_or_not_they_publish() {
    let (alone, among_others) = (told(US, false).await, told(US, true).await);
    for (alone, among_others) in alone.iter().zip(&among_others) {
        assert_eq!(alone, among_others);
    }
    assert_eq!(alone.len(), among_others.len());
    // Whoever may see all is told of the others, so what is compared would show them.
    assert_ne!(told(TOKEN, false).await, told(TOKEN, true).await);
}

#[tokio::test]
async fn the_id_of_an_event_of_others_is_free_and_says_nothing() {
    let world = World::new(US, true, USUAL).await;
    let draft = |project: &str, n: u8| {
        format!(r#"{{"kind":"a","data":{{"n":{n}}},"project_id":"{project}","id":"k"}}"#)
    };
    world.server.emit(&draft(THEIRS, 1)).await;
    let ours = world.post("/api/event-bus/emit", &draft(OURS, 2)).await;
    assert_eq!((ours.status, &*ours.body), (200, "2"));
    let again = world.post("/api/event-bus/emit", &draft(OURS, 2)).await;
    assert_eq!((again.status, &*again.body), (200, "2"));
    let other = world.post("/api/event-bus/emit", &draft(OURS, 3)).await;
    assert_eq!((other.status, &*other.code()), (409, "id_conflict"));
    assert_eq!(other.json().get_i64("cursor"), Some(2));
    // What is not granted is refused before any id is looked at, whether or not it is stored.
    for id in ["k", "unused"] {
        let draft = format!(r#"{{"kind":"a","data":{{}},"project_id":"{THEIRS}","id":"{id}"}}"#);
        let answer = world.post("/api/event-bus/emit", &draft).await;
        assert_eq!((answer.status, &*answer.code()), (403, "forbidden"));
    }
    assert_eq!(world.server.get("/api/event-bus/latest").await.body, "2");
}

#[tokio::test]
async fn a_position_beyond_the_head_is_refused_without_saying_where_the_head_is() {
    let mut world = World::new(US, true, USUAL).await;
    world.emit("a").await;
    world.others().await;
    let beyond = "/api/event-bus?cursor=1000000";
    let answer = world.server.get_as(US, beyond).await;
    assert_eq!((answer.status, &*answer.code()), (409, "cursor_ahead"));
    assert_eq!(answer.json().get_i64("head"), Some(1));
    assert!(answer.body.contains("the head 1:"), "{}", answer.body);
    let mut client = world.server.subscribe_as(US, "cursor=1000000").await;
    assert_eq!(client.expect("subscribed").await.get_i64("head"), Some(1));
    let gap = client.expect("gap").await;
    let told = ["requested", "resume_at", "head"].map(|name| gap.get_i64(name).unwrap());
    assert_eq!(told, [1_000_000, 1, 1]);
    world.emit("a").await;
    client.expect("replay_complete").await;
    assert_eq!(
        client.cursors(1).await,
        *world.own.last_chunk::<1>().unwrap()
    );
}

/// A client that takes nothing, and is told what it missed when it does again.
#[tokio::test]
async fn who_skips_is_told_of_no_position_that_is_not_theirs() {
    let world = World::new(US, true, USUAL).await;
    let mut client = world.server.subscribe_as(US, "slow=skip").await;
    client.expect("subscribed").await;
    let filler = "x".repeat(200_000);
    let mut own = Vec::new();
    let flood = async {
        // More than its socket and its group hold.
        for _ in 0..100 {
            let draft =
                format!(r#"{{"kind":"a","data":{{"x":"{filler}"}},"project_id":"{OURS}"}}"#);
            let answer = world.post("/api/event-bus/emit", &draft).await;
            own.push(answer.body.parse::<i64>().unwrap());
            world.others().await;
        }
    };
    within(flood).await;
    let gap = loop {
        let message = within(client.message()).await;
        if message.get_str("type") == Some("gap") {
            break message;
        }
    };
    for name in ["requested", "resume_at", "head"] {
        let position = gap.get_i64(name).unwrap();
        assert!(position == 0 || own.contains(&position), "{gap}");
    }
    // It goes on with what is new.
    let draft = format!(r#"{{"kind":"a","data":{{}},"project_id":"{OURS}"}}"#);
    world.post("/api/event-bus/emit", &draft).await;
    client.expect("event").await;
}

/// Whoever is granted what comes and nothing that is stored knows of no event from before they came, also where somebody
/// who is given the same was there.
#[tokio::test]
async fn who_sees_only_what_comes_is_told_of_nothing_that_came_before() {
    let grants =
        format!(r#"grants = [{{ actions = ["read"], where = {{ project_id = ["{OURS}"] }} }}]"#);
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("auth.toml");
    let entries = ["early", "late"].map(|label| auth_entry(label, label, &grants));
    std::fs::write(&path, entries.concat()).unwrap();
    let server = TestServer::start_in(data, |config| {
        config.auth = Some(path);
        config.heartbeat = QUICK;
    })
    .await;
    let draft = format!(r#"{{"kind":"a","data":{{}},"project_id":"{OURS}"}}"#);
    let early = server.subscribe_as("early", "").await;
    server.emit(&draft).await;
    let mut late = server.subscribe_as("late", "").await;
    let told = late.expect("subscribed").await.get_i64("cursor");
    assert_eq!(told, Some(0));
    assert_eq!(late.expect("ping").await.get_i64("cursor"), told);
    server.emit(&draft).await;
    let event = loop {
        let message = late.message().await;
        if message.get_str("type") == Some("event") {
            break message.get_i64("cursor");
        }
    };
    assert_eq!(event, Some(2));
    assert_eq!(late.expect("ping").await.get_i64("cursor"), event);
    drop(early);
}
