//! Global transactions whose store is a file, on real servers: two clusters stand for two processes of the machine.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/shop.rs"]
mod shop;
#[path = "support/cluster.rs"]
mod support;

use std::{env, path::Path, time::Duration};

use ms_pool::{Cluster, Error, Xa, XaFailure, XaGcOptions, ms_xa::Verdict};
use shop::{Shop, tcp};
use sqlx::AssertSqlSafe;
use support::{address, number, primary_url};

/// Two names of one server, so that there are two branches.
fn process(store: &Path) -> Cluster {
    let (host, port) = address(&primary_url());
    let shop = Shop::new().primary("east", &tcp(&host, port)).primary("west", &tcp(&host, port));
    let groups =
        r#""filters": {"node_groups": {"east": {"master": ["east"]}, "west": {"master": ["west"]}}, "random": []}"#;
    shop.with(r#""multi_master": true"#).with(groups).builder().xa_store(store).build().unwrap()
}

async fn insert_both(xa: &mut Xa, table: &str) {
    for place in ["east", "west"] {
        let sql = format!("INSERT INTO {table} VALUES (1)");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut xa.on(place).unwrap()).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn processes_of_one_machine_share_a_file() {
    let file = env::temp_dir().join(format!("ms-xa-file-{}.sqlite", std::process::id()));
    let table = support::table("xa_file", "n INT").await;
    let rows = async || number(&primary_url(), &format!("SELECT COUNT(*) FROM {table}")).await;
    let (owner, other) = (process(&file), process(&file));

    let mut xa = owner.xa("file-commits").begin().await.unwrap();
    insert_both(&mut xa, &table).await;
    assert_eq!(other.xa_outcome("file-commits").await.unwrap(), Some(Verdict::Open));
    xa.commit().await.unwrap();
    assert_eq!((rows().await, other.xa_outcome("file-commits").await.unwrap()), (2, Some(Verdict::Committed)));

    // One that is late is taken over by the other process, and its owner finds out.
    let mut xa = owner.xa("file-late").timeout(Duration::from_secs(1)).begin().await.unwrap();
    insert_both(&mut xa, &table).await;
    let only = || XaGcOptions::default().only("file-late");
    assert_eq!(other.xa_gc(only()).await.unwrap().removed, 0, "its time is not over");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let collected = other.xa_gc(only()).await.unwrap();
    assert_eq!((collected.rolled_back, collected.left.len()), (1, 0), "{collected:?}");
    let error = xa.commit().await.unwrap_err();
    assert!(matches!(error, Error::GlobalTransaction { outcome: XaFailure::RolledBack, .. }), "{error:?}");
    assert_eq!(rows().await, 2);
    for db in [owner, other] {
        db.close().await;
    }
    for end in ["", "-wal", "-shm"] {
        _ = std::fs::remove_file(format!("{}{end}", file.display()));
    }
}
