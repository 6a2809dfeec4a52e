//! Attacks, and what others notice of them: they are served, and the server's memory has a bound.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use todoki::limit::setting;
use todoki_codec::frame::CloseCode;
use todoki_codec::frame::encode::masked;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::{TestServer, within};
use crate::process::{ServerProcess, Wire};

const DRAFT: &str = r#"[{"kind":"a","data":{}}]"#;

/// Memory that an attack may cost a server, in KiB; each sends or asks for far more.
const ATTACK_KIB: u64 = 64 << 10;

/// A server whose clients need not answer while a test looks elsewhere.
async fn attacked(data: &Path, flags: &[&str]) -> ServerProcess {
    ServerProcess::start_with(data, "127.0.0.1:0", flags).await
}

/// A subscriber and a producer who were there before, and must not notice.
struct Others {
    producer: Wire,
    subscriber: Wire,
}

impl Others {
    async fn join(address: &str) -> Self {
        let mut subscriber = Wire::connect(address).await.unwrap();
        subscriber.upgrade("").await.unwrap();
        assert!(
            within(subscriber.text())
                .await
                .unwrap()
                .starts_with(br#"{"type":"subscribed""#)
        );
        let mut producer = Wire::connect(address).await.unwrap();
        producer.emit(DRAFT).await.expect("a server that answers");
        within(subscriber.text()).await.unwrap();
        Self {
            producer,
            subscriber,
        }
    }

    /// An event goes through.
    async fn notice_nothing(&mut self) {
        let cursors = within(self.producer.emit(DRAFT)).await.expect("stored");
        loop {
            let text = within(self.subscriber.text()).await.expect("still there");
            if text.starts_with(br#"{"type":"event""#) {
                let text = String::from_utf8_lossy(&text);
                let cursor = format!("\"cursor\":{},", cursors[0]);
                assert!(text.contains(&cursor), "{text}");
                return;
            }
        }
    }
}

/// The status of `/livez` on a new connection, or none if there is no answer.
async fn newcomer(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = "GET /livez HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.get(9..12).map(str::to_owned)
}

async fn until_served(address: &str) {
    within(async { while newcomer(address).await.as_deref() != Some("200") {} }).await;
}

#[tokio::test]
async fn half_heads_make_room_for_those_who_send_whole_ones() {
    let settings = ["handshakes=8"].map(|text| setting(text).unwrap()).to_vec();
    let server = TestServer::start_with(|config| config.limit = settings).await;
    let address = server.address.to_string();
    let mut others = Others::join(&address).await;
    let mut half = Vec::new();
    for _ in 0..64 {
        let mut stream = server.connect().await;
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nHost: it\r\nX-Slow: ")
            .await
            .ok();
        half.push(stream);
    }
    others.notice_nothing().await;
    until_served(&address).await;
    others.notice_nothing().await;
    // Eight were let in, of which one made room; the rest were told to come back.
    let mut told = 0;
    let mut ended = 0;
    for mut stream in half {
        let mut answer = Vec::new();
        let ending =
            tokio::time::timeout(Duration::from_millis(100), stream.read_to_end(&mut answer));
        if ending.await.is_ok() {
            ended += 1;
        }
        told += usize::from(answer.starts_with(b"HTTP/1.1 503"));
    }
    assert_eq!(told, 56);
    assert!(ended > told, "whoever dawdled made room");
}

#[tokio::test]
async fn half_heads_end_by_their_deadline_and_cost_others_nothing() {
    let server = TestServer::start_with(|config| {
        config.deadlines.head = Duration::from_secs(3);
    })
    .await;
    let mut others = Others::join(&server.address.to_string()).await;
    let mut half = JoinSet::new();
    for _ in 0..400 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /livez HT").await.unwrap();
        half.spawn(async move {
            let mut answer = Vec::new();
            // A reset is an end as well.
            stream.read_to_end(&mut answer).await.ok();
        });
    }
    while !half.is_empty() {
        others.notice_nothing().await;
        while half.try_join_next().is_some() {}
    }
}

#[tokio::test]
async fn a_process_without_descriptors_says_so_and_serves_those_it_has_and_recovers() {
    let data = tempfile::tempdir().unwrap();
    let server = attacked(data.path(), &[]).await;
    let mut others = Others::join(server.address()).await;
    server.limit_files(64);
    let mut held = Vec::new();
    let mut told = 0;
    within(async {
        while told < 3 {
            let mut stream = TcpStream::connect(server.address()).await.unwrap();
            let mut answer = [0; 12];
            let heard =
                tokio::time::timeout(Duration::from_secs(2), stream.read(&mut answer)).await;
            match heard {
                Ok(Ok(12)) if &answer == b"HTTP/1.1 503" => told += 1,
                // Let in, and waiting for us to ask.
                Err(_) => held.push(stream),
                other => panic!("{other:?}"),
            }
            while told == 0 && held.len() < 40 {
                held.push(TcpStream::connect(server.address()).await.unwrap());
            }
        }
    })
    .await;
    others.notice_nothing().await;
    drop(held);
    until_served(server.address()).await;
    others.notice_nothing().await;
}

#[tokio::test]
async fn what_inflates_to_a_gigabyte_is_cut_off_at_a_megabyte() {
    let data = tempfile::tempdir().unwrap();
    let server = attacked(data.path(), &[]).await;
    // Before the others come: it takes longer than their connections may be idle.
    let bomb = tokio::task::spawn_blocking(bomb).await.unwrap();
    let mut others = Others::join(server.address()).await;
    assert!(bomb.len() <= 1 << 20, "{} bytes", bomb.len());
    let before = server.peak_kib();
    for _ in 0..10 {
        let mut attacker = Wire::connect(server.address()).await.unwrap();
        let agreed = attacker.upgrade_compressed().await.unwrap();
        assert!(agreed.contains("permessage-deflate"), "{agreed}");
        attacker.send(&in_fragments(&bomb)).await;
        let close = within(attacker.closed()).await.unwrap();
        assert_eq!(close.code, CloseCode::TOO_BIG);
        others.notice_nothing().await;
    }
    let cost = server.peak_kib() - before;
    assert!(cost <= ATTACK_KIB, "{cost} KiB");
}

/// A thousand million spaces, compressed into one message as tightly as it goes (RFC 7692 §7.2.1).
fn bomb() -> Vec<u8> {
    let mut deflater = DeflateEncoder::new(Vec::new(), Compression::best());
    let spaces = vec![b' '; 1_000_000];
    for _ in 0..1_000 {
        deflater.write_all(&spaces).unwrap();
    }
    deflater.flush().unwrap();
    let mut payload = deflater.get_ref().clone();
    assert!(payload.ends_with(&[0, 0, 0xff, 0xff]));
    payload.truncate(payload.len() - 4);
    payload
}

/// A compressed text in frames of 64 KiB.
fn in_fragments(payload: &[u8]) -> Vec<u8> {
    const FIN: u8 = 0x80;
    const RSV1: u8 = 0x40;
    let mut bytes = Vec::new();
    let pieces = payload.chunks(64 << 10);
    let last = pieces.len() - 1;
    for (place, piece) in pieces.enumerate() {
        let start = bytes.len();
        masked::text(piece, [1, 2, 3, 4], &mut bytes);
        let mut first = if place == 0 { RSV1 | 1 } else { 0 };
        if place == last {
            first |= FIN;
        }
        bytes[start] = first;
    }
    bytes
}

#[tokio::test]
async fn floods_of_frames_cost_a_bounded_memory_and_are_closed() {
    let data = tempfile::tempdir().unwrap();
    let server = attacked(data.path(), &[]).await;
    let mut others = Others::join(server.address()).await;
    let before = server.peak_kib();
    let mut empty = vec![0x01, 0x80, 1, 2, 3, 4];
    empty.extend([0x00, 0x80, 1, 2, 3, 4].repeat(100_000));
    let pings = [0x89, 0x80, 1, 2, 3, 4].repeat(100_000);
    let floods = [(empty, CloseCode::POLICY), (pings, CloseCode::RATE_LIMITED)];
    for (flood, code) in floods {
        for _ in 0..10 {
            let mut attacker = Wire::connect(server.address()).await.unwrap();
            attacker.upgrade("").await.unwrap();
            attacker.send(&flood).await;
            let close = within(attacker.closed()).await.unwrap();
            assert_eq!(close.code, code);
        }
        others.notice_nothing().await;
    }
    let cost = server.peak_kib() - before;
    assert!(cost <= ATTACK_KIB, "{cost} KiB");
}

/// Everybody comes at once; those who are turned away come back when they were told to, and in the end all are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_come_at_once_and_all_come_in() {
    const CLIENTS: usize = 10_000;
    let data = tempfile::tempdir().unwrap();
    let server = attacked(data.path(), &["--max-connections", "11000"]).await;
    let mut others = Others::join(server.address()).await;
    let mut coming = JoinSet::new();
    for _ in 0..CLIENTS {
        coming.spawn(insist(server.address().to_owned()));
    }
    let (mut arrived, mut refusals) = (Vec::new(), 0);
    while arrived.len() < CLIENTS {
        others.notice_nothing().await;
        while let Some(client) = coming.try_join_next() {
            let (wire, times) = client.unwrap();
            arrived.push(wire);
            refusals += times;
        }
    }
    others.notice_nothing().await;
    let peak = server.peak_kib();
    // Debug builds are larger; what is measured for documents is a release build's.
    assert!(
        peak <= 512 << 10,
        "{peak} KiB for {CLIENTS} connections, {refusals} refusals"
    );
}

/// Comes back until it is let in; also says how often it was turned away.
async fn insist(address: String) -> (Wire, usize) {
    let mut times = 0;
    loop {
        let mut wait = Duration::from_secs(1);
        if let Ok(mut wire) = Wire::connect(&address).await {
            match wire.upgrade("").await {
                Some(head) if head.starts_with("HTTP/1.1 101") => return (wire, times),
                Some(head) => {
                    let told = head
                        .split_once("Retry-After: ")
                        .expect("when to come back")
                        .1;
                    let seconds = told.split("\r\n").next().unwrap().parse().unwrap();
                    wait = Duration::from_secs(seconds);
                }
                None => {}
            }
        }
        times += 1;
        tokio::time::sleep(wait).await;
    }
}
