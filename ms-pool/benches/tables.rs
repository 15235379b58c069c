//! What it costs to find the tables of a statement: one that was seen before, and a new one.
//!
//! `cargo bench -p ms-pool --features table-rules --bench tables`. The bars: seen before under 200 ns, a new join of 1 KB under
//! 250 µs. No servers are needed.

#![allow(missing_docs, reason = "the macros of criterion make undocumented functions")]

use std::{cell::Cell, hint::black_box};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ms_filters::Tables;
use ms_pool::Cluster;

const SHORT: &str = "SELECT id, item FROM orders WHERE id = ?";

fn tables(c: &mut Criterion) {
    let db = cluster();
    let long = join();
    let mut group = c.benchmark_group("tables");
    for (name, sql) in [("known", SHORT), ("known_1kb", &long)] {
        assert!(matches!(db.tables(sql).as_tables(), Tables::Named([_, ..])), "{sql}");
        group.bench_function(name, |b| b.iter(|| matches!(db.tables(black_box(sql)).as_tables(), Tables::Named(_))));
    }
    // A text never comes twice; what is kept is full after a moment, as in a service that generates its statements.
    let number = Cell::new(0_u64);
    let next = || {
        number.set(number.get() + 1);
        format!("{long} LIMIT {}", number.get())
    };
    group.bench_function("new_1kb", |b| {
        b.iter_batched(next, |sql| matches!(db.tables(&sql).as_tables(), Tables::Named(_)), BatchSize::SmallInput);
    });
    group.bench_function("new", |b| {
        let next = || {
            number.set(number.get() + 1);
            format!("{SHORT} LIMIT {}", number.get())
        };
        b.iter_batched(next, |sql| matches!(db.tables(&sql).as_tables(), Tables::Named(_)), BatchSize::SmallInput);
    });
    group.finish();
}

fn cluster() -> Cluster {
    let text = r#"{"shop": {
        "master": {"primary": {"host": "127.0.0.1", "user": "app", "db": "shop"}},
        "slave": {"replica": {"host": "127.0.0.1", "port": 3307, "user": "app"}},
        "filters": {"table": {"rules": {"shop.%": {"master": ["primary"], "slave": ["replica"]}}}, "random": []}
    }}"#;
    Cluster::builder().config_text("bench.json", text).build().expect("it is a good file")
}

/// A join of five tables in 1 KB, as a report would have it.
fn join() -> String {
    let columns: Vec<String> =
        (0..12).map(|it| format!("o.column_{it} AS first_{it}, i.column_{it} AS second_{it}")).collect();
    let sql = format!(
        "SELECT {}, COUNT(*) AS n, SUM(i.price * i.amount) AS total FROM orders AS o \
         JOIN items AS i ON i.order_id = o.id LEFT JOIN customers AS c ON c.id = o.customer_id \
         JOIN addresses AS a ON a.customer_id = c.id AND a.kind = 'delivery' \
         LEFT JOIN archive.notes AS n ON n.order_id = o.id AND n.created_at > o.created_at \
         WHERE o.created_at BETWEEN ? AND ? AND c.country IN ('de', 'fr', 'it', 'es') AND i.amount > 0 \
         GROUP BY o.id HAVING total > 100 ORDER BY total DESC",
        columns.join(", ")
    );
    assert!((1_000..1_200).contains(&sql.len()), "{}", sql.len());
    sql
}

criterion_group!(benches, tables);
criterion_main!(benches);
