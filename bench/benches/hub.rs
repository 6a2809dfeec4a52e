//! What fan-out costs in user space: finding groups, appending, handing out, and a whole round without sockets.
//!
//! The system calls are measured by `bench limit`. Here everything stays in the processor's caches, as it does not in a
//! server, so these figures are good for comparing one version with another, and are a lower bound.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::hint::black_box;
use std::io;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use jiff::Timestamp;
use todoki::hub::floor::{Floor, Next, Sink};
use todoki::hub::group::Key;
use todoki::hub::ring::{Ring, Run, SLOTS};
use todoki::hub::segment::{Content, Strand};
use todoki_codec::query::Encoding;
use todoki_codec::{
    Cursor, Draft, Event, Filter, Ids, Kind, Pattern, Scope, Scopes, WantedIds, Within, encode,
};
use uuid::Uuid;

/// Events of one round: what a thousand a second come to in some milliseconds.
const ROUND: usize = 8;

/// The project of all events.
const PROJECT: Uuid = Uuid::from_u128(7);

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(50)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .noise_threshold(0.03)
        .without_plots()
        .configure_from_args();
    ring(&mut criterion);
    segment(&mut criterion);
    route(&mut criterion);
    round(&mut criterion);
    criterion.final_summary();
}

fn ring(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring");
    group.throughput(Throughput::Elements(1));
    let run = |start: u32| Run {
        segment: 1,
        start,
        end: start + 200,
        events: 1,
    };
    group.bench_function("push, peek, take", |bencher| {
        let ring = Ring::<SLOTS>::default();
        bencher.iter(|| {
            ring.push(black_box(run(0))).expect("it is empty");
            let seen = ring.peek().expect("there is one");
            ring.take(u64::from(seen.events), seen.bytes());
            ring.advance(seen)
        });
    });
    group.bench_function("merge", |bencher| {
        let ring = Ring::<SLOTS>::default();
        let mut start = 0;
        ring.push(run(start)).expect("it is empty");
        bencher.iter(|| {
            // Places in a segment wrap round here, which a segment's do not; a slot does not care.
            start = (start + 200) % (1 << 31);
            ring.push(black_box(run(start)))
        });
    });
    group.finish();
}

fn segment(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("segment");
    group.throughput(Throughput::Elements(1));
    let bytes = [b'x'; 214];
    let append = |strand: &mut Strand, cursor: Cursor| {
        let content = Content {
            first: cursor,
            last: cursor,
            events: 1,
        };
        strand.append(content, true, bytes.len(), |out| {
            out.extend_from_slice(&bytes);
        })
    };
    group.bench_function("append 214 B", |bencher| {
        let mut strand = Strand::new(Cursor::ORIGIN);
        let mut cursor = Cursor::ORIGIN;
        bencher.iter(|| {
            cursor = cursor.next();
            if strand.len() > 2 {
                strand.retire_oldest();
            }
            append(&mut strand, cursor)
        });
    });
    group.bench_function("entry at a cursor, of 8 MiB", |bencher| {
        let mut strand = Strand::new(Cursor::ORIGIN);
        let mut cursor = Cursor::ORIGIN;
        while strand.bytes() < 8 << 20 {
            cursor = cursor.next();
            append(&mut strand, cursor);
        }
        let middle = Cursor::ORIGIN.forward(20_000);
        bencher.iter(|| strand.entry(black_box(middle)));
    });
    group.finish();
}

/// An event in floors of so many groups, none of which wants it: for its kind, for its project, or for both together.
fn route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    group.throughput(Throughput::Elements(1));
    let groups = [1, 5, 50, 1000].into_iter();
    let cases = groups.flat_map(|groups| WANTED.map(|wanted| (groups, wanted)));
    for (groups, (what, filter)) in cases {
        group.bench_function(format!("{groups} {what}"), |bencher| {
            let mut floor = Floor::new(Cursor::ORIGIN);
            for number in 0..groups {
                join(&mut floor, filter(number));
            }
            let kind = Kind::parse("kind.unwanted").expect("a kind");
            let mut cursor = Cursor::ORIGIN;
            bencher.iter_batched_ref(
                || next(&mut cursor, &kind, 1),
                |events| floor.distribute([&events[..]]),
                criterion::BatchSize::SmallInput,
            );
            let taken = floor.sinks().map(|sink| sink.0.get()).max();
            assert_eq!(taken, Some(0), "nobody was given anything");
        });
    }
    group.finish();
}

/// What each group wants: its filter, by its number.
type Wanted = (&'static str, fn(u32) -> Filter);

const WANTED: [Wanted; 3] = [
    ("groups", of_kind),
    ("projects", of_project),
    ("grants that differ", of_grants),
];

/// A kind of its own for each group.
fn of_kind(number: u32) -> Filter {
    let pattern = Pattern::parse(&format!("kind.{number}")).expect("a pattern");
    Filter::new(vec![pattern], WantedIds::default())
}

/// A project of its own for each group.
fn of_project(number: u32) -> Filter {
    let wanted = WantedIds {
        project_id: Some(other_project(number)),
        ..WantedIds::default()
    };
    Filter::new(Vec::new(), wanted)
}

/// Several kinds of the events' project, and all of one of its own, for each group.
fn of_grants(number: u32) -> Filter {
    let (relay, agent, own) = ("relay.*", "agent.*", other_project(number));
    granted(&[(relay, &[PROJECT]), (agent, &[PROJECT]), ("*", &[own])])
}

fn other_project(number: u32) -> Uuid {
    Uuid::from_u128(PROJECT.as_u128() + 1 + u128::from(number))
}

/// Eight events to members that share a group, each of whom takes what it is given.
fn round(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round");
    let granted = [
        ("", Filter::default()),
        (", one project granted", granted(&[("*", &[PROJECT])])),
        (
            ", grants that differ",
            granted(&[("relay.*", &[Uuid::max()]), ("agent.*", &[PROJECT])]),
        ),
    ];
    let cases = [100, 1000].map(|members| granted.clone().map(|granted| (members, granted)));
    for (members, (grants, filter)) in cases.into_iter().flatten() {
        group.throughput(Throughput::Elements(members * ROUND as u64));
        let name = format!("{ROUND} events to {members} members{grants}");
        group.bench_function(name, |bencher| {
            let mut floor = Floor::new(Cursor::ORIGIN);
            for _ in 0..members {
                join(&mut floor, filter.clone());
            }
            let kind = Kind::parse("agent.output").expect("a kind");
            let mut cursor = Cursor::ORIGIN;
            bencher.iter_batched_ref(
                || next(&mut cursor, &kind, ROUND),
                |events| {
                    floor.distribute([&events[..]]);
                    while floor.flush(64) {}
                },
                criterion::BatchSize::SmallInput,
            );
            let taken = floor.sinks().map(|sink| sink.0.get()).min();
            assert!(taken > Some(0), "everyone was given something");
        });
    }
    group.finish();
}

/// Takes everything, and counts it.
#[derive(Debug, Default)]
struct Taken(Cell<usize>);

impl Sink for Taken {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set(self.0.get() + bytes.len());
        Ok(bytes.len())
    }

    fn write_each<'a>(
        sinks: impl Iterator<Item = &'a Self>,
        bytes: &[u8],
        written: &mut Vec<io::Result<usize>>,
    ) {
        written.extend(sinks.map(|sink| sink.try_write(bytes)));
    }

    fn is_blocked(&self) -> bool {
        false
    }

    fn nudge(&self) {}
}

/// All, for somebody to whom these kinds of these projects are granted.
fn granted(grants: &[(&str, &[Uuid])]) -> Filter {
    let scopes = grants.iter().map(|(pattern, ids)| {
        let within = Within {
            project_id: Some(ids.to_vec()),
            ..Within::default()
        };
        Scope::new(vec![Pattern::parse(pattern).expect(pattern)], within)
    });
    let scopes = Scopes::new(scopes.collect());
    let narrowed = Filter::default().narrowed(&scopes);
    narrowed.expect("something is granted")
}

fn join(floor: &mut Floor<Taken>, filter: Filter) {
    let key = Key {
        filter,
        encoding: Encoding::Message,
        is_compressed: false,
    };
    let id = floor.join(key, floor.position(), Taken::default());
    assert_eq!(floor.next(id, floor.position(), None), Next::Live);
}

fn next(cursor: &mut Cursor, kind: &Kind, count: usize) -> Vec<Event> {
    let draft = Draft {
        kind: kind.clone(),
        ids: Ids {
            project_id: Some(PROJECT),
            ..Ids::default()
        },
        data: "{}".into(),
        id: None,
    };
    let mut one = || {
        *cursor = cursor.next();
        encode::event(*cursor, Timestamp::UNIX_EPOCH, &draft)
    };
    (0..count).map(|_| one()).collect()
}
