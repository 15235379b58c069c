//! Replicas of the test cluster that stand still and go on, and a table that shows it. Beside `cluster.rs`, as module `support`.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use ms_pool::{Scope, ms_gtid::replica::Lag};
use sqlx::{AssertSqlSafe, Executor, MySql, Row};

use crate::support::{self, control, direct, is_mariadb, replica_url};

/// Stops replication on a replica: it goes on answering, from the past.
pub async fn freeze(replica: usize) {
    run(replica, if is_mariadb() { "STOP SLAVE SQL_THREAD" } else { "STOP REPLICA SQL_THREAD" }).await;
}

/// Has it replicate again; it takes its time to catch up.
pub async fn thaw(replica: usize) {
    run(replica, if is_mariadb() { "START SLAVE SQL_THREAD" } else { "START REPLICA SQL_THREAD" }).await;
}

/// Runs SQL on a replica, beside the pool.
pub async fn run(replica: usize, sql: &'static str) {
    sqlx::raw_sql(sql).execute(&mut direct(&replica_url(replica)).await).await.unwrap();
}

/// Both replicas replicate and have everything.
pub async fn all_well() {
    for replica in [1, 2] {
        thaw(replica).await;
    }
    support::synced().await;
}

/// The number of rows in the table, and the port of the server that has counted.
pub async fn count<'c>(executor: impl Executor<'c, Database = MySql>, table: &str) -> (i64, u16) {
    let sql = format!("SELECT COUNT(*) AS n, @@port AS port FROM {table}");
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(executor).await.unwrap();
    (row.get("n"), row.try_get_unchecked::<i64, _>("port").unwrap().try_into().unwrap())
}

/// One row more.
pub async fn insert<'c>(executor: impl Executor<'c, Database = MySql>, table: &str) {
    let sql = format!("INSERT INTO {table} VALUES (1)");
    sqlx::query(AssertSqlSafe(sql)).execute(executor).await.unwrap();
}

/// What the server behind `url` has counted since its start: `Questions`, `Com_select` and the like, summed. Asking counts as well.
pub async fn counted(url: &str, names: &[&str]) -> u64 {
    // MySQL's performance_schema leaves out what begins with `Com_`.
    let sql = format!("SHOW GLOBAL STATUS WHERE Variable_name IN ('{}')", names.join("', '"));
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut direct(url).await).await.unwrap();
    assert!(!rows.is_empty(), "the server counts none of {names:?}");
    rows.iter().map(|row| row.try_get_unchecked::<String, _>(1).unwrap().parse::<u64>().unwrap()).sum()
}

/// Reads until a replica answers, which a busy machine may not manage within the time that a read waits for one. All rows are
/// seen wherever it reads.
pub async fn eventually_from_a_replica(scope: &Scope, table: &str, rows: i64) {
    support::eventually("a replica to have it", async || {
        let (seen, at) = count(scope, table).await;
        assert_eq!(seen, rows);
        at != port(&support::primary_url())
    })
    .await;
}

/// Runs SQL on both replicas, as their administrator.
pub async fn on_both(sql: &str) {
    for name in ["replica1", "replica2"] {
        control(&format!("sql {name} {sql}")).await;
    }
}

/// Has both replicas apply what they get so much later.
pub async fn delay_both(seconds: u32) {
    let sql = if is_mariadb() {
        format!("STOP SLAVE; CHANGE MASTER TO MASTER_DELAY={seconds}; START SLAVE")
    } else {
        format!("STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_DELAY={seconds}; START REPLICA")
    };
    for statement in sql.split("; ") {
        on_both(statement).await;
    }
    both_run().await;
}

/// Waits for receivers that were started to be connected.
pub async fn both_run() {
    let db = support::cluster();
    for name in ["replica1", "replica2"] {
        let runs = async || matches!(db.examine(name).await.unwrap().lag, Ok(Lag::Behind(_)));
        support::eventually("the receiver to run", runs).await;
    }
}

/// What a writer was told to be there, and when: who reads then is to see that or something later.
#[derive(Debug, Default)]
pub struct Acknowledged(Mutex<BTreeMap<Duration, i64>>);

impl Acknowledged {
    /// `value`, larger than all before, was there at `at` at the latest.
    pub fn note(&self, at: Duration, value: i64) {
        self.0.lock().unwrap().insert(at, value);
    }

    /// The least that may be seen of a server that lacks nothing older than `moment`.
    pub fn by(&self, moment: Duration) -> i64 {
        self.0.lock().unwrap().range(..=moment).next_back().map_or(0, |(_, value)| *value)
    }
}

/// The port of a URL.
pub fn port(url: &str) -> u16 {
    support::address(url).1
}
