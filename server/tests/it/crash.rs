//! Kill −9 under load, again and again: what was acknowledged or seen is there afterwards, in the same place.

use std::collections::HashMap;
use std::time::Duration;

use simd_json::prelude::*;
use todoki_codec::message::{self, Said};

use crate::process::{ServerProcess, Wire};

const ROUNDS: u32 = 50;
const PUBLISHERS: u32 = 4;

/// What was acknowledged: the draft's own number, by cursor.
type Acknowledged = HashMap<i64, u64>;

/// Emits one batch after the other until the server is gone; the sizes vary so that kills meet every sort of commit.
async fn publish(address: String, publisher: u64) -> Acknowledged {
    let mut acknowledged = HashMap::new();
    let mut number = publisher << 32;
    let Ok(mut wire) = Wire::connect(&address).await else {
        return acknowledged;
    };
    loop {
        let count = number % 7 * 5 + 1;
        let drafts: Vec<_> = (0..count)
            .map(|place| format!("{{\"kind\":\"k\",\"data\":{{\"n\":{}}}}}", number + place))
            .collect();
        let Some(cursors) = wire.emit(&format!("[{}]", drafts.join(","))).await else {
            return acknowledged;
        };
        acknowledged.extend(cursors.into_iter().zip(number..));
        number += count;
    }
}

/// Follows until the server is gone.
async fn follow(address: String, after: i64) -> Vec<(i64, u64)> {
    let mut seen = Vec::new();
    let Ok(mut wire) = Wire::connect(&address).await else {
        return seen;
    };
    wire.upgrade(&format!("cursor={after}")).await;
    while let Some(text) = wire.text().await {
        if let Some(Said::Event(event)) = message::read(&text) {
            seen.push((event.cursor.get(), number(&event.json)));
        }
    }
    seen
}

fn number(event: &[u8]) -> u64 {
    let event = simd_json::to_owned_value(&mut event.to_vec()).unwrap();
    event["data"].get_u64("n").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_or_seen_is_lost_by_kill_9() {
    let data = tempfile::tempdir().unwrap();
    let mut known: Acknowledged = HashMap::new();
    let mut after = 0;
    for round in 0..ROUNDS {
        let server = ServerProcess::start(data.path(), "127.0.0.1:0").await;
        let address = server.address().to_owned();
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| {
                tokio::spawn(publish(
                    address.clone(),
                    u64::from(round * PUBLISHERS + publisher + 1),
                ))
            })
            .collect();
        let follower = tokio::spawn(follow(address, after));
        // Not waiting for an event but aiming: the kill must come at any moment of the load.
        tokio::time::sleep(Duration::from_millis(u64::from(30 + round * 37 % 170))).await;
        server.kill().await;
        for publisher in publishers {
            known.extend(publisher.await.unwrap());
        }
        let seen = follower.await.unwrap();
        let is_gapless = seen
            .iter()
            .zip(after + 1..)
            .all(|((cursor, _), expected)| *cursor == expected);
        assert!(is_gapless, "round {round}: {:?}", seen.first());
        after = seen.last().map_or(after, |(cursor, _)| *cursor);
        for (cursor, number) in seen {
            assert_eq!(
                *known.entry(cursor).or_insert(number),
                number,
                "round {round}: cursor {cursor} used twice"
            );
        }
    }
    assert!(
        known.len() > ROUNDS as usize,
        "there was load: {}",
        known.len()
    );
    let server = ServerProcess::start(data.path(), "127.0.0.1:0").await;
    let stored = stored(server.address()).await;
    server.kill().await;
    for (cursor, number) in &known {
        assert_eq!(
            stored.get(cursor),
            Some(number),
            "cursor {cursor} was acknowledged or seen"
        );
    }
    let mut numbers: Vec<_> = stored.values().collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), stored.len(), "nothing is stored twice");
    assert!(
        (1..)
            .take(stored.len())
            .all(|cursor| stored.contains_key(&cursor)),
        "cursors are dense"
    );
}

async fn stored(address: &str) -> Acknowledged {
    let mut stored = HashMap::new();
    let mut wire = Wire::connect(address).await.unwrap();
    wire.upgrade("cursor=0").await;
    loop {
        match message::read(&wire.text().await.unwrap()) {
            Some(Said::Event(event)) => {
                stored.insert(event.cursor.get(), number(&event.json));
            }
            Some(Said::Message(message::Message::ReplayComplete { .. })) => return stored,
            _ => {}
        }
    }
}
