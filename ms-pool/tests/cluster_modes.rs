//! How far each mode lets statements of a real cluster leave the primary.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

use std::sync::{Arc, Mutex};

use ms_pool::{Cluster, Counter, Mode, Role, Settings, Statistics, TxOptions};
use support::{address, builder, configured, eventually, port_of, primary_url, section};

fn is_primary(port: u16) -> bool {
    port == address(&primary_url()).1
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn each_mode_lets_its_own_statements_through() {
    for (mode, read, asked, read_only) in [
        (Mode::PrimaryOnly, true, true, true),
        (Mode::Observe, true, true, true),
        (Mode::OptIn, true, false, false),
        (Mode::Auto, false, false, false),
    ] {
        let db = builder().0.mode(mode).build().unwrap();
        assert_eq!(db.mode(), mode);
        assert_eq!(is_primary(port_of(&db, "").await), read, "{mode:?}");
        assert_eq!(is_primary(port_of(&db, "/*ms=replica*/").await), asked, "{mode:?}");
        assert_eq!(is_primary(port_of(db.replica(), "").await), asked, "{mode:?}");
        assert!(is_primary(port_of(db.primary(), "").await), "{mode:?}");
        let mut tx = db.begin_with(TxOptions { read_only: true, ..TxOptions::default() }).await.unwrap();
        assert_eq!(is_primary(port_of(&mut tx, "").await), read_only, "{mode:?}");
        tx.rollback().await.unwrap();
        assert!(is_primary(port_of(&mut db.begin().await.unwrap(), "").await), "{mode:?}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_is_observed_is_told_and_counted() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let (builder, statistics) = builder();
    let hear = Arc::clone(&told);
    let hook = move |it: &ms_pool::DecisionEvent<'_>| {
        hear.lock().unwrap().push((it.role(), it.observed().map(str::to_owned), it.to_string()));
    };
    let db = builder.mode(Mode::Observe).on_decision(hook).build().unwrap();
    let mut session = db.session();
    assert!(is_primary(port_of(&mut session, "").await));
    let last = session.last_decision().unwrap();
    assert!(last.observed().unwrap().starts_with("replica"), "{last}");
    assert_eq!(last.server(), Some("primary"));
    sqlx::query("DO 1").execute(&mut session).await.unwrap();
    assert_eq!(session.last_decision().unwrap().observed(), None, "it belongs on the primary");

    let told = told.lock().unwrap();
    let (role, observed, line) = &told[0];
    assert_eq!((*role, observed.is_some()), (Some(Role::Primary), true), "{line}");
    assert!(line.contains("-> mode observe -> 1 primary -> random"), "{line}");
    let count = |counter| statistics.get(counter);
    assert_eq!((count(Counter::ReplicaObserved), count(Counter::UseReplica), count(Counter::UsePrimary)), (1, 0, 2));
    assert_eq!(count(Counter::LazyReplicaSuccess), 0, "no replica is connected to");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_section_has_a_mode_which_code_may_change() {
    let (db, _) = configured(r#", "mode": "primary_only""#);
    assert_eq!(db.mode(), Mode::PrimaryOnly);
    assert!(is_primary(port_of(&db, "/*ms=slave*/").await));
    let text = section(r#", "mode": "primary_only""#);
    let settings = Settings { mode: Some(Mode::Observe), ..Settings::default() };
    let builder = || Cluster::builder().config_text("test.json", text.as_str()).settings(settings.clone());
    assert_eq!(builder().build().unwrap().mode(), Mode::Observe, "settings over section");
    assert_eq!(builder().mode(Mode::Auto).build().unwrap().mode(), Mode::Auto, "the call over settings");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn replicas_need_not_be_there_where_nothing_can_get_to_them() {
    for (mode, needed) in [(Mode::PrimaryOnly, false), (Mode::Observe, false), (Mode::OptIn, true), (Mode::Auto, true)]
    {
        let builder = Cluster::builder()
            .primary(primary_url())
            .replicas(["mysql://app@127.0.0.1:1/test"])
            .statistics(Arc::new(Statistics::default()))
            .lazy(false)
            .mode(mode);
        assert_eq!(builder.connect().await.is_err(), needed, "{mode:?}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn state_and_own_writes_are_where_they_were_in_every_mode() {
    let table = support::table("modes_own_writes", "id INT PRIMARY KEY").await;
    for (id, mode) in [Mode::PrimaryOnly, Mode::Observe, Mode::OptIn].into_iter().enumerate() {
        let db = builder().0.mode(mode).build().unwrap();
        let mut session = db.session();
        let insert = format!("INSERT INTO {table} VALUES ({id})");
        sqlx::query(sqlx::AssertSqlSafe(insert)).execute(&mut session).await.unwrap();
        let count = format!("SELECT COUNT(*) FROM {table}");
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&mut session).await.unwrap();
        assert_eq!(usize::try_from(count).unwrap(), id + 1, "{mode:?}: read where it was written");
        sqlx::query("SET @a = 5").execute(&mut session).await.unwrap();
        let a: i64 = sqlx::query_scalar("SELECT @a").fetch_one(&mut session).await.unwrap();
        assert_eq!(a, 5, "{mode:?}");
        drop(session);
        eventually("connections to come back", async || db.state().iter().all(|it| it.in_use == 0)).await;
    }
}
