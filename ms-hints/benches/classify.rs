//! What classification costs, by rule set and kind of text.
//!
//! `cargo bench -p ms-hints`. Times vary with the machine; for counts that do not, run `examples/count.rs` under
//! callgrind, as its first lines say.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ms_hints::{Compat, Options, Statement};

#[path = "../examples/texts/mod.rs"]
mod texts;

fn classify(c: &mut Criterion) {
    for (compat, name) in [(Compat::Classic, "classic"), (Compat::Strict, "strict")] {
        let options = Options { compat, ..Options::default() };
        let mut group = c.benchmark_group(name);
        for (name, text) in texts::all() {
            group
                .bench_function(name, |b| b.iter(|| Statement::parse(black_box(text.as_bytes()), black_box(&options))));
        }
        group.finish();
    }
}

criterion_group!(benches, classify);
criterion_main!(benches);
