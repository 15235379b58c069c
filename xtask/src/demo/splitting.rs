//! Act one: reads here, writes there.

use std::time::{Duration, Instant};

use comfy_table::Cell;
use ms_filters::{Reason, Role};
use ms_pool::{Counter, Session, Tx};

use super::{Failed, because::because, claim, named, shop::Shop};
use crate::screen::{Column, Screen, text};

/// A statement and the side it must go to.
struct Line {
    sql: &'static str,
    expected: Role,
    /// What is bound to its `?`.
    bound: Option<i64>,
}

const fn text_of(sql: &'static str, expected: Role) -> Line {
    Line { sql, expected, bound: None }
}

/// What happens before the transaction.
const BEFORE: &[Line] = &[
    text_of("INSERT INTO orders SET customer=2, product=3", Role::Primary),
    text_of("SELECT COUNT(*) FROM orders", Role::Replica),
    text_of("SELECT name FROM products WHERE price < 6", Role::Replica),
    text_of("SELECT * FROM products WHERE id = 1 FOR UPDATE", Role::Primary),
    text_of("/*ms=primary*/ SELECT COUNT(*) FROM orders", Role::Primary),
    text_of("/*ms=last_used*/ SELECT COUNT(*) FROM orders", Role::Primary),
    text_of("/*ms=replica*/ SELECT COUNT(*) FROM orders", Role::Replica),
];

/// The transaction, without its ends.
const INSIDE: &[&str] = &["UPDATE products SET stock = 99 WHERE id = 1", "SELECT stock FROM products WHERE id = 1"];

/// What happens after it.
const AFTER: &[Line] = &[
    Line { bound: Some(2), ..text_of("SELECT name FROM customers WHERE id = ?", Role::Replica) },
    text_of("WITH o AS (SELECT 1) SELECT COUNT(*) FROM o", Role::Replica),
    text_of("SELECT name, discount(price) FROM products", Role::Primary),
];

pub(super) async fn act(shop: &Shop, screen: &mut Screen) -> Result<(), Failed> {
    screen.heading("1. Reads go to replicas, writes to the primary")?;
    screen.paragraph(
        "One session, one handle: the text of a statement decides, a hint in a leading comment wins over it, and a transaction \
         stays together. `discount` is a function of the shop; nobody has said that it only reads.",
    )?;
    let mut rows = Vec::new();
    let mut session = shop.db.session();
    for line in BEFORE {
        rows.push(one(&mut session, line).await?);
    }
    rows.extend(transaction(shop).await?);
    for line in AFTER {
        rows.push(one(&mut session, line).await?);
    }
    let columns = [Column::Text("statement"), Column::Name("server"), Column::Text("why"), Column::Number("µs")];
    screen.table(columns, rows)?;
    screen.paragraph(
        "The service level is `eventual` today: a read may miss a write made a moment ago (see 3). Reading one's own writes from \
         replicas is being built. The rules are those of `compat: strict`, the default: only what provably reads goes to a replica, \
         a replica's connection refuses to write, transactions keep to their server, and statements follow the session's state.",
    )?;
    Ok(())
}

/// Runs one statement and says where and why.
async fn one(session: &mut Session, line: &Line) -> Result<[Cell; 4], Failed> {
    let began = Instant::now();
    let outcome = match line.bound {
        Some(value) => sqlx::query(line.sql).bind(value).fetch_all(&mut *session).await,
        None => sqlx::raw_sql(line.sql).fetch_all(&mut *session).await,
    };
    let took = began.elapsed();
    outcome.map_err(Failed::statement(line.sql))?;

    let decision = session.last_decision().expect("a statement has just run");
    let (server, why) = (decision.server().unwrap_or("nobody"), because(&decision));
    let expected = format!("`{}` runs on a {:?}", line.sql, line.expected).to_lowercase();
    claim(expected, decision.role() == Some(line.expected), || format!("it on `{server}`"))?;
    Ok(row(session.cluster(), line.sql, server, &why, took))
}

async fn transaction(shop: &Shop) -> Result<Vec<[Cell; 4]>, Failed> {
    let why = Reason::TransactionOnPrimary.sentence();
    let mut rows = Vec::new();
    let mut add = |sql, server: &str, why: &str, took| rows.push(row(&shop.db, sql, server, why, took));

    let opened = shop.statistics.get(Counter::LazyPrimarySuccess);
    let began = Instant::now();
    let mut tx: Tx = shop.db.begin().await.map_err(Failed::statement("BEGIN"))?;
    let took = began.elapsed();
    let server = tx.server().to_owned();
    claim("a transaction runs on the primary", server == "primary", || format!("it on `{server}`"))?;
    // The session keeps its own connection, so the transaction may need another one; that takes longer than the statement.
    match shop.statistics.get(Counter::LazyPrimarySuccess) - opened {
        0 => add("BEGIN", &server, why, took),
        _ => add("BEGIN", &server, &format!("{why}; newly opened"), took),
    }
    for &sql in INSIDE {
        let began = Instant::now();
        sqlx::query(sql).fetch_all(&mut tx).await.map_err(Failed::statement(sql))?;
        add(sql, &server, why, began.elapsed());
    }
    let began = Instant::now();
    tx.commit().await.map_err(Failed::statement("COMMIT"))?;
    add("COMMIT", &server, why, began.elapsed());
    Ok(rows)
}

fn row(db: &ms_pool::Cluster, sql: &str, server: &str, why: &str, took: Duration) -> [Cell; 4] {
    [text(sql), named(db, server), text(why), text(took.as_micros().to_string())]
}
