//! What a global transaction has committed is seen, on replicas that stand still and go on: real servers, real replication.
//!
//! The section's two primaries are one server under two names, so that there are two branches.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/replicas.rs"]
mod replicas;
#[path = "support/shop.rs"]
mod shop;
#[path = "support/cluster.rs"]
mod support;

use ms_pool::Cluster;
use replicas::{all_well, count, eventually_from_a_replica, freeze, insert, port};
use shop::{Shop, tcp};
use sqlx::{AssertSqlSafe, Executor};
use support::{address, primary_url, replica_url};

/// Two primaries, each with a group of its own; reads without a group have both replicas.
fn cluster() -> Cluster {
    let at = |url: &str| {
        let (host, port) = address(url);
        tcp(&host, port)
    };
    Shop::new()
        .primary("east", &at(&primary_url()))
        .primary("west", &at(&primary_url()))
        .replica("replica1", &at(&replica_url(1)))
        .replica("replica2", &at(&replica_url(2)))
        .with(r#""multi_master": true"#)
        .with(
            r#""filters": {"node_groups": {"east": {"master": ["east"]}, "west": {"master": ["west"]}}, "random": []}"#,
        )
        .build()
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_was_committed_is_seen_by_who_committed_it() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("xa_seen", "n INT").await;
    let db = cluster();
    for replica in [1, 2] {
        freeze(replica).await;
    }
    let insert_at = async |xa: &mut ms_pool::Xa, place: &str| {
        let sql = format!("INSERT INTO {table} VALUES (1)");
        xa.on(place).unwrap().execute(AssertSqlSafe(sql)).await.unwrap();
    };
    // Through the cluster: one phase, then two.
    for (name, places, rows) in [("seen-1", &["east"][..], 1), ("seen-2", &["east", "west"], 3)] {
        let mut xa = db.xa(name).begin().await.unwrap();
        for place in places {
            insert_at(&mut xa, place).await;
        }
        // Inside, it sees what it has written itself, on a primary; outside nobody does, and nobody has to wait.
        assert_eq!(count(&mut xa, &table).await.1, port(&primary_url()));
        xa.commit().await.unwrap();
        assert_eq!(count(&db, &table).await, (rows, port(&primary_url())), "{name}");
    }
    // Through a scope.
    let scope = db.scope();
    let mut xa = scope.xa("seen-3").begin().await.unwrap();
    insert_at(&mut xa, "west").await;
    insert_at(&mut xa, "east").await;
    xa.commit().await.unwrap();
    assert_eq!(count(&scope, &table).await, (5, port(&primary_url())));
    assert!(scope.has_written());
    scope.token().await.unwrap();
    // And somebody else who is told.
    let position = scope.position().await.unwrap();
    all_well().await;
    eventually_from_a_replica(&db.scope_at(&position), &table, 5).await;
}

/// What has been rolled back nobody waits for.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_was_rolled_back_is_waited_for_by_nobody() {
    let _turn = support::alone().await;
    all_well().await;
    let table = support::table("xa_undone", "n INT").await;
    let db = cluster();
    let scope = db.scope();
    insert(&scope, &table).await;
    all_well().await;
    eventually_from_a_replica(&scope, &table, 1).await;
    for replica in [1, 2] {
        freeze(replica).await;
    }
    let mut xa = scope.xa("undone").begin().await.unwrap();
    let sql = format!("INSERT INTO {table} VALUES (2)");
    xa.on("east").unwrap().execute(AssertSqlSafe(sql.clone())).await.unwrap();
    xa.on("west").unwrap().execute(AssertSqlSafe(sql)).await.unwrap();
    xa.rollback().await.unwrap();
    let (seen, at) = count(&scope, &table).await;
    assert_eq!(seen, 1);
    assert_ne!(at, port(&primary_url()), "a replica has all that there is");
    all_well().await;
}
