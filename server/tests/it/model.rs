//! The promise, checked against a model: a subscriber gets exactly the log's events that its filter picks, after the
//! cursor it asked for, in order, each once, whenever it joins and however fast events come.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use simd_json::prelude::*;
use todoki_codec::Event;
use todoki_codec::message::{self, Message, Said};
use tokio::sync::watch;
use uuid::Uuid;

use crate::harness::TestServer;

const SUBSCRIBERS: usize = 200;
const PUBLISHERS: usize = 5;
const EVENTS_PER_SECOND: usize = 5_000;
const END: i64 = 20_000;
const EVENTS: usize = 20_000;

/// Drafts of one request; publishers send one every `PAUSE`.
const BATCH: usize = 20;
const PAUSE: Duration =
    Duration::from_millis((1_000 * PUBLISHERS * BATCH / EVENTS_PER_SECOND) as u64);

const KINDS: [&str; 6] = [
    "task.created",
    "task.done",
    "task.review.done",
    "agent.output",
    "agent.error",
    "x",
];
const PATTERNS: [&str; 8] = [
    "*",
    "task.*",
    "task.d*",
    "task.done",
    "agent.*",
    "agent.error",
    "x",
    "none.*",
];

#[derive(Clone, Debug)]
struct Wish {
    patterns: Vec<&'static str>,
    task: Option<usize>,
    agent: Option<usize>,
    /// Join when the log is so many per mille full.
    join_at: i64,
    /// Start so many per mille behind the head; beyond 1000 is live only.
    start: i64,
    /// Offer to read compressed messages.
    is_compressed: bool,
}

fn wish() -> impl Strategy<Value = Wish> {
    (
        prop::collection::vec(prop::sample::select(&PATTERNS[..]), 1..3),
        prop::option::weighted(0.3, 0_usize..4),
        prop::option::weighted(0.3, 0_usize..4),
        0_i64..900,
        0_i64..1_200,
        any::<bool>(),
    )
        .prop_map(
            |(patterns, task, agent, join_at, start, is_compressed)| Wish {
                patterns,
                task,
                agent,
                join_at,
                start,
                is_compressed,
            },
        )
}

fn id(number: usize) -> Uuid {
    Uuid::from_u128(number as u128 + 1)
}

impl Wish {
    fn query(&self, head: i64) -> String {
        let parameters = [
            Some(format!("kinds={}", self.patterns.join(","))),
            self.task.map(|task| format!("task_id={}", id(task))),
            self.agent.map(|agent| format!("agent_id={}", id(agent))),
            (self.start <= 1_000).then(|| format!("cursor={}", head * self.start / 1_000)),
        ];
        parameters
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("&")
    }

    /// Written anew, without the codec's filter.
    fn picks(&self, event: &Event) -> bool {
        let kind = event.kind.as_str();
        let is_kind = self
            .patterns
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => kind.starts_with(prefix),
                None => kind == *pattern,
            });
        is_kind
            && self
                .task
                .is_none_or(|task| event.ids.task_id == Some(id(task)))
            && self
                .agent
                .is_none_or(|agent| event.ids.agent_id == id(agent))
    }
}

/// Drafts that differ in kind, task and agent; the `n`-th of them is always the same.
fn batch(n: usize) -> String {
    let draft = |n: usize| {
        let kind = KINDS[n * 7 % KINDS.len()];
        let task = if n.is_multiple_of(3) {
            "null".to_owned()
        } else {
            format!("\"{}\"", id(n / 3 % 4))
        };
        let agent = id(n / 5 % 4);
        format!(r#"{{"kind":"{kind}","task_id":{task},"agent_id":"{agent}","data":{{"n":{n}}}}}"#)
    };
    let drafts: Vec<_> = (n * BATCH..(n + 1) * BATCH).map(draft).collect();
    format!("[{}]", drafts.join(","))
}

async fn publish(server: Arc<TestServer>, publisher: usize, head: Arc<watch::Sender<i64>>) {
    let requests = EVENTS / PUBLISHERS / BATCH;
    let mut pace = tokio::time::interval(PAUSE);
    for request in 0..requests {
        pace.tick().await;
        let cursors = server.emit(&batch(request * PUBLISHERS + publisher)).await;
        head.send_if_modified(|head| {
            let newest = (*head).max(cursors[BATCH - 1]);
            std::mem::replace(head, newest) != newest
        });
    }
}

/// What a subscriber was given until the watermark reached the end, and the cursor after which it began.
async fn follow(
    server: Arc<TestServer>,
    wish: Wish,
    mut head: watch::Receiver<i64>,
) -> (i64, Vec<Event>) {
    let join_at = END * wish.join_at / 1_000;
    let joined = *head.wait_for(|head| *head >= join_at).await.unwrap();
    let query = wish.query(joined);
    let mut client = if wish.is_compressed {
        server.subscribe_compressed(&query).await
    } else {
        server.subscribe(&query).await
    };
    let start = client.expect("subscribed").await.get_i64("cursor").unwrap();
    let mut events = Vec::new();
    loop {
        match message::read(&client.text().await).unwrap() {
            Said::Event(event) => events.push(event),
            Said::Message(Message::Ping { cursor, .. }) if cursor.get() >= END => {
                return (start, events);
            }
            Said::Message(Message::ReplayComplete { count, .. }) => {
                assert_eq!(count, events.len() as u64);
            }
            Said::Message(Message::Ping { .. }) => {}
            other @ Said::Message(_) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_subscriber_gets_exactly_its_part_of_the_log() {
    let server = TestServer::start_with(|config| config.heartbeat = Duration::from_secs(3)).await;
    let server = Arc::new(server);
    let head = Arc::new(watch::Sender::new(0));
    let mut runner = TestRunner::new(Config {
        rng_seed: RngSeed::Fixed(20_261_125),
        ..Config::default()
    });
    let followers: Vec<_> = (0..SUBSCRIBERS)
        .map(|_| {
            let wish = wish().new_tree(&mut runner).unwrap().current();
            let following = follow(Arc::clone(&server), wish.clone(), head.subscribe());
            (wish, tokio::spawn(following))
        })
        .collect();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| tokio::spawn(publish(Arc::clone(&server), publisher, Arc::clone(&head))))
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let truth = whole_log(&server).await;
    assert_eq!(truth.len(), EVENTS);
    for (wish, follower) in followers {
        let (start, given) = follower.await.unwrap();
        let expected: Vec<_> = truth
            .iter()
            .filter(|event| event.cursor.get() > start && wish.picks(event))
            .collect();
        let first_difference = expected
            .iter()
            .zip(&given)
            .position(|(expected, given)| *expected != given);
        assert_eq!(
            (first_difference, given.len()),
            (None, expected.len()),
            "{wish:?} after {start}"
        );
    }
}

/// Every event, as the log has it.
async fn whole_log(server: &TestServer) -> Vec<Event> {
    let mut client = server.subscribe("cursor=0").await;
    client.expect("subscribed").await;
    let mut events = Vec::new();
    loop {
        match message::read(&client.text().await).unwrap() {
            Said::Event(event) => events.push(event),
            Said::Message(Message::ReplayComplete { .. }) => return events,
            Said::Message(_) => {}
        }
    }
}
