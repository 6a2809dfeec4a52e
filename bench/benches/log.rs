//! What reading a page of history costs, the hop to a blocking thread included, as in the server; and what it costs to see
//! that drafts bring no new kinds, as each emit is looked at.
//!
//! Appending is measured by the `bench` program instead: its cost is the disk's, and depends on who else appends.
#![forbid(unsafe_code)]

use std::ops::Range;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use tempfile::TempDir;
use todoki::log::{Embedded, Log, Options, PageRequest};
use todoki_bench::sample;
use todoki_codec::decode::{self, Emit, Form};
use todoki_codec::query::Direction;
use todoki_codec::{Cursor, Draft, Filter, Pattern, WantedIds};
use tokio::runtime::Runtime;

/// Enough for a filter of 1 % to fill a page of 200, and quick to store in a debug build.
const STORED: usize = 20_000;

/// Drafts of one append.
const BATCH: usize = 1000;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5))
        .noise_threshold(0.05)
        .without_plots()
        .configure_from_args();
    let runtime = Runtime::new().expect("a runtime starts");
    let (_data, log) = stored(&runtime);
    page(&mut criterion, &runtime, &log);
    new_kinds(&mut criterion, &log);
    criterion.final_summary();
}

fn page(criterion: &mut Criterion, runtime: &Runtime, log: &Embedded) {
    let rare = Pattern::parse(sample::RARE_KIND).expect("the sample kind is a kind");
    let mut group = criterion.benchmark_group("page");
    for (name, filter, events) in [
        ("1000 events", Filter::default(), 1000),
        (
            "200 events, 1 in 100",
            Filter::new(vec![rare], WantedIds::default()),
            200,
        ),
    ] {
        let request = PageRequest {
            filter,
            direction: Direction::After(Cursor::ORIGIN),
            until: None,
            max_events: events,
            max_bytes: usize::MAX,
        };
        group.throughput(Throughput::Elements(events as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let page = runtime.block_on(log.page(request.clone()));
                let page = page.expect("the log can be read");
                assert_eq!(page.events.len(), events, "{name}");
                page
            });
        });
    }
    group.finish();
}

fn new_kinds(criterion: &mut Criterion, log: &Embedded) {
    let mut group = criterion.benchmark_group("new kinds");
    for count in [1, 256] {
        let drafts = drafts(1..1 + count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("none of {count}"), |bencher| {
            bencher.iter(|| assert_eq!(log.new_kinds(&drafts), 0));
        });
    }
    group.finish();
}

fn stored(runtime: &Runtime) -> (TempDir, Embedded) {
    let data = tempfile::tempdir().expect("a directory can be made");
    let log = Embedded::open(data.path(), &Options::default(), Box::new(drop));
    let log = log.expect("a new log opens");
    for first in (1..=STORED).step_by(BATCH) {
        runtime
            .block_on(log.append(drafts(first..first + BATCH)))
            .expect("the log can be written");
    }
    (data, log)
}

fn drafts(numbers: Range<usize>) -> Vec<Draft> {
    let body = sample::lines(numbers);
    let Ok(Emit::Batch(drafts)) = decode::emit(&body.into(), Form::Ndjson) else {
        panic!("sample lines are a batch");
    };
    drafts
}
