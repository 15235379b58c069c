//! What goes over the wire, counted by the server itself.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

#[path = "support/shop.rs"]
mod shop;

use std::collections::HashMap;

use ms_pool::Cluster;
use shop::{Shop, tcp};
use sqlx::{AssertSqlSafe, Row};
use support::{address, is_mariadb, primary_url, replica_url};

const COUNTED: u64 = 50;

/// A packet's header and the byte that names the command.
const HEADER: u64 = 5;

/// What the server counted for its one connection of the cluster. Asking counts as well, and always the same.
async fn counters(db: &Cluster) -> HashMap<String, u64> {
    let table = if is_mariadb() { "information_schema.SESSION_STATUS" } else { "performance_schema.session_status" };
    let names = "'QUESTIONS', 'BYTES_RECEIVED', 'COM_SELECT', 'COM_STMT_PREPARE', 'COM_STMT_EXECUTE', 'COM_STMT_CLOSE', 'COM_ADMIN_COMMANDS'";
    let sql = format!("SELECT UPPER(VARIABLE_NAME), VARIABLE_VALUE FROM {table} WHERE VARIABLE_NAME IN ({names})");
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(db).await.unwrap();
    let value = |row: &sqlx::mysql::MySqlRow| row.try_get_unchecked::<String, _>(1).unwrap().parse().unwrap();
    rows.iter().map(|row| (row.try_get_unchecked::<String, _>(0).unwrap(), value(row))).collect()
}

/// How much each counter moved during `COUNTED` statements, the cost of asking taken off.
async fn moved(db: &Cluster, statements: impl AsyncFn()) -> HashMap<String, u64> {
    let (idle_before, idle_after) = (counters(db).await, counters(db).await);
    statements().await;
    let after = counters(db).await;
    let asking = |name: &String| idle_after[name] - idle_before[name];
    after.iter().map(|(name, value)| (name.clone(), value - idle_after[name] - asking(name))).collect()
}

fn cluster() -> Cluster {
    let at = |url: String| {
        let (host, port) = address(&url);
        tcp(&host, port)
    };
    let shop = Shop::new().primary("primary", &at(primary_url())).replica("replica", &at(replica_url(1)));
    // Without TLS, so that bytes are what they seem.
    shop.with(r#""pool": {"max_connections": 1, "verify_idle_after_ms": 60000}, "tls": {"mode": "disabled"}"#).build()
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_statement_is_one_command() {
    drop(support::direct(&replica_url(1)).await);
    let db = cluster();
    let text = "SELECT 1 AS a";
    let by_text = moved(&db, async || {
        for _ in 0..COUNTED {
            sqlx::raw_sql(text).execute(&db).await.unwrap();
        }
    });
    check(&by_text.await, COUNTED * (HEADER + text.len() as u64));

    let run = async || assert_eq!(sqlx::query_scalar::<_, i64>(text).fetch_one(&db).await.unwrap(), 1);
    // Prepared once, and from then on only executed: number, flags, iterations.
    run().await;
    let prepared = moved(&db, async || {
        for _ in 0..COUNTED {
            run().await;
        }
    });
    check(&prepared.await, COUNTED * (HEADER + 4 + 1 + 4));
    assert_eq!(db.state()[1].opened, 1, "one connection did it all");
}

/// Pings and the bookkeeping of prepared statements are no questions, but bytes tell of everything.
#[track_caller]
fn check(moved: &HashMap<String, u64>, bytes: u64) {
    assert_eq!(moved["QUESTIONS"], COUNTED, "{moved:?}");
    assert_eq!(moved["BYTES_RECEIVED"], bytes, "{moved:?}");
    // MySQL keeps these in another place, which cannot be read by a read.
    for (name, expected) in
        [("COM_SELECT", COUNTED), ("COM_STMT_PREPARE", 0), ("COM_STMT_CLOSE", 0), ("COM_ADMIN_COMMANDS", 0)]
    {
        assert!(!is_mariadb() || moved[name] == expected, "{name}: {moved:?}");
    }
}
