//! What the codec costs per body, event, frame, filter and query: everything that runs once per event or per request.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use jiff::Timestamp;
use todoki_bench::sample;
use todoki_codec::decode::{self, Emit, Form};
use todoki_codec::deflate::{Deflater, Inflater};
use todoki_codec::frame::encode::masked;
use todoki_codec::frame::{self, Decoder, Limits, Role};
use todoki_codec::{
    Cursor, Draft, Event, Filter, Ids, Pattern, Scope, Scopes, WantedIds, Within, encode, query,
};
use uuid::Uuid;

/// Drafts in one batch: what a producer that gathers for some milliseconds sends.
const BATCH: usize = 100;

/// Events in a window of compressed ones.
const WINDOW: i64 = 128;

/// A fixed key: masking costs the same whatever the key.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(50)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .noise_threshold(0.03)
        .without_plots()
        .configure_from_args();
    decode(&mut criterion);
    encode(&mut criterion);
    frame(&mut criterion);
    deflate(&mut criterion);
    filter(&mut criterion);
    query(&mut criterion);
    criterion.final_summary();
}

fn bytes_of(bytes: &[u8]) -> Throughput {
    Throughput::Bytes(bytes.len() as u64)
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let small = sample::draft(210);
    for (name, bytes) in [("one 210 B", 210), ("one 2 KB", 2048)] {
        body(&mut group, name, &sample::draft(bytes).into(), Form::Json);
    }
    let array = format!("[{}]", vec![small.as_str(); BATCH].join(","));
    body(&mut group, "array of 100", &array.into(), Form::Json);
    let lines = vec![small.as_str(); BATCH].join("\n");
    body(&mut group, "NDJSON of 100", &lines.into(), Form::Ndjson);
    group.finish();
}

fn body(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, body: &Bytes, form: Form) {
    assert!(decode::emit(body, form).is_ok(), "{name}");
    group.throughput(bytes_of(body));
    group.bench_function(name, |bencher| {
        bencher.iter(|| decode::emit(black_box(body), form));
    });
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for (name, data_bytes) in [("event 200 B", 30), ("event 2 KB", 1880)] {
        let draft = draft_with(data_bytes);
        let time = Timestamp::UNIX_EPOCH;
        let cursor = Cursor::ORIGIN.forward(1_000_000);
        let written = encode::event(cursor, time, &draft);
        group.throughput(bytes_of(&written.json));
        group.bench_function(name, |bencher| {
            bencher.iter(|| encode::event(black_box(cursor), time, black_box(&draft)));
        });
    }
    group.finish();
}

/// The draft whose data has so many bytes and whose envelope is the least.
fn draft_with(data_bytes: usize) -> Draft {
    let body = format!(
        r#"{{"kind":"task.created","data":{}}}"#,
        sample::data(data_bytes)
    );
    match decode::emit(&body.into(), Form::Json) {
        Ok(Emit::One(draft)) => draft,
        other => panic!("a sample draft is one draft: {other:?}"),
    }
}

fn frame(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    let payload = sample::data(200);
    group.throughput(bytes_of(payload.as_bytes()));
    group.bench_function("encode text 200 B", |bencher| {
        let mut out = BytesMut::with_capacity(1 << 10);
        bencher.iter(|| {
            out.clear();
            frame::encode::text(black_box(payload.as_bytes()), &mut out);
            out.len()
        });
    });
    let command = r#"{"type":"ping"}"#;
    decode_masked(&mut group, "decode command 15 B", command);
    decode_masked(&mut group, "decode masked 200 B", &payload);
    decode_masked(&mut group, "decode masked 64 KB", &sample::data(64 << 10));
    group.finish();
}

fn decode_masked(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, payload: &str) {
    let mut wire = Vec::new();
    masked::text(payload.as_bytes(), MASK, &mut wire);
    group.throughput(bytes_of(payload.as_bytes()));
    group.bench_function(name, |bencher| {
        bencher.iter_batched_ref(
            || Decoder::new(Role::Server, Limits::inbound()),
            |decoder| {
                let decoded = decoder.decode(&mut black_box(wire.as_slice()));
                assert!(matches!(decoded, Ok(Some(_))), "{name}");
                decoded
            },
            BatchSize::SmallInput,
        );
    });
}

/// Of a message among others like it: a group compresses once for all its members, who each read it.
fn deflate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deflate");
    let events = sample::team(WINDOW);
    let mut deflater = Deflater::default();
    let mut payloads = vec![Vec::new(); events.len()];
    for (event, payload) in events.iter().zip(&mut payloads) {
        deflater.deflate(event, payload);
    }
    group.throughput(Throughput::Elements(events.len() as u64));
    group.bench_function("compress a window of 128 events", |bencher| {
        let mut payload = Vec::new();
        bencher.iter(|| {
            deflater.reset();
            for event in &events {
                payload.clear();
                deflater.deflate(black_box(event), &mut payload);
            }
        });
    });
    group.bench_function("read a window of 128 events", |bencher| {
        let mut inflater = Inflater::streaming();
        bencher.iter(|| {
            for payload in &payloads {
                black_box(inflater.inflate(payload, 1 << 20)).expect("a message");
            }
        });
    });
    group.finish();
}

fn filter(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(1));
    let task = Uuid::from_u128(7);
    let project = Uuid::from_u128(8);
    let event = Event {
        ids: Ids {
            task_id: Some(task),
            project_id: Some(project),
            ..Ids::default()
        },
        ..encode::event(Cursor::MAX, Timestamp::UNIX_EPOCH, &draft_with(30))
    };
    let eight = [
        "agent.*",
        "artifact.*",
        "human.message",
        "permission.*",
        "relay.up",
        "relay.down",
        "system.*",
        "task.*",
    ];
    let ids = WantedIds {
        task_id: Some(task),
        agent_id: Some(Uuid::nil()),
        ..WantedIds::default()
    };
    for (name, filter) in [
        ("all", Filter::default()),
        ("one prefix", patterns(&["task.*"])),
        ("8 patterns", patterns(&eight)),
        ("ids", Filter::new(Vec::new(), ids)),
        ("one project granted", granted(&one_project(project))),
        ("grants that differ", granted(&differing(project))),
    ] {
        assert!(filter.matches(&event), "{name}");
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&filter).matches(black_box(&event)));
        });
    }
    let asked = patterns(&["task.*", "agent.*"]);
    for (name, scopes) in [
        ("narrow to one project", one_project(project)),
        ("narrow to grants that differ", differing(project)),
        ("narrow to 256 projects", many_projects()),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&asked).narrowed(black_box(&scopes)));
        });
    }
    group.finish();
}

fn granted(scopes: &Scopes) -> Filter {
    Filter::default()
        .narrowed(scopes)
        .expect("something is granted")
}

fn of_projects(texts: &[&str], ids: Vec<Uuid>) -> Scope {
    let within = Within {
        project_id: Some(ids),
        ..Within::default()
    };
    Scope::new(patterns(texts).patterns().to_vec(), within)
}

fn one_project(id: Uuid) -> Scopes {
    Scopes::new(vec![of_projects(&[], vec![id])])
}

fn many_projects() -> Scopes {
    let ids = (0..256).map(Uuid::from_u128).collect();
    Scopes::new(vec![of_projects(&[], ids)])
}

/// As in `bench load grants`.
fn differing(id: Uuid) -> Scopes {
    let other = Uuid::from_u128(1);
    let agent = Within {
        agent_id: Some(vec![other]),
        ..Within::default()
    };
    let of_agent = patterns(&["human.message"]).patterns().to_vec();
    Scopes::new(vec![
        Scope::new(of_agent, agent),
        of_projects(&["artifact.*", "permission.*"], vec![other]),
        of_projects(&["relay.*", "task.created"], vec![id, other]),
    ])
}

fn patterns(texts: &[&str]) -> Filter {
    let patterns = texts.iter().map(|text| Pattern::parse(text).expect(text));
    Filter::new(patterns.collect(), WantedIds::default())
}

fn query(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("query");
    let text = "kinds=task.*,agent.output&cursor=100&task_id=018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";
    assert!(query::subscription(text).is_ok());
    group.throughput(bytes_of(text.as_bytes()));
    group.bench_function("subscription", |bencher| {
        bencher.iter(|| query::subscription(black_box(text)));
    });
    group.finish();
}
