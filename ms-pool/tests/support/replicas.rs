//! Replicas of the test cluster that stand still and go on, and a table that shows it. Beside `cluster.rs`, as module `support`.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use sqlx::{AssertSqlSafe, Executor, MySql, Row};

use crate::support::{self, direct, is_mariadb, replica_url};

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
