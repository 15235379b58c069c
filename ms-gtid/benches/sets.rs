//! What it costs to compare positions, for sets far more broken up than any server should have.
#![allow(missing_docs, reason = "criterion's macros generate undocumented items")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ms_gtid::mysql::GtidSet;

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

/// `count` ranges of `length` numbers each, every tenth number missing.
fn broken_up(count: u64, length: u64) -> String {
    let ranges = (0..count).map(|i| format!(":{}-{}", i * 10 + 1, i * 10 + length));
    std::iter::once(UUID.to_owned()).chain(ranges).collect()
}

fn sets(c: &mut Criterion) {
    let (server, written): (GtidSet, GtidSet) =
        (broken_up(1000, 9).parse().expect("a set"), broken_up(1000, 5).parse().expect("a set"));
    assert!(server.contains_all(&written) && server.interval_count() == 1000 && written.interval_count() == 1000);
    c.bench_function("subset of two sets of 1000 intervals", |b| {
        b.iter(|| black_box(&server).contains_all(black_box(&written)));
    });
    c.bench_function("subtract two sets of 1000 intervals", |b| {
        b.iter(|| black_box(&server).subtract(black_box(&written)));
    });
    let text = broken_up(1000, 9);
    c.bench_function("read a set of 1000 intervals", |b| b.iter(|| black_box(text.as_str()).parse::<GtidSet>()));
}

criterion_group!(benches, sets);
criterion_main!(benches);
