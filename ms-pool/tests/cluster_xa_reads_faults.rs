//! Who sees what a global transaction has committed, when no replica has it yet.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/cluster.rs"]
mod support;

use sqlx::{AssertSqlSafe, Executor, MySqlExecutor};
use support::{configured, control, table};

async fn rows(executor: impl MySqlExecutor<'_>, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(executor).await.unwrap()
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_was_committed_is_seen_by_who_reads_through_the_same_handle() {
    let table = table("xa_reads", "n INT").await;
    let (db, _) = configured("");
    let insert = |n: i32| AssertSqlSafe(format!("INSERT INTO {table} VALUES ({n})"));
    for replica in ["replica1", "replica2"] {
        control(&format!("sql {replica} STOP REPLICA SQL_THREAD")).await;
    }
    let mut xa = db.xa("reads-cluster").begin().await.unwrap();
    xa.execute(insert(1)).await.unwrap();
    xa.commit().await.unwrap();
    let by_cluster = rows(&db, &table).await;

    let scope = db.scope();
    let mut xa = scope.xa("reads-scope").begin().await.unwrap();
    xa.execute(insert(2)).await.unwrap();
    xa.commit().await.unwrap();
    let by_scope = rows(&scope, &table).await;
    let token = scope.token().await;
    for replica in ["replica1", "replica2"] {
        control(&format!("sql {replica} START REPLICA SQL_THREAD")).await;
    }
    assert_eq!((by_cluster, by_scope), (1, 2));
    assert!(scope.has_written() && token.is_ok(), "{token:?}");
    db.close().await;
}
