//! What a primary takes with it when another server takes its place: who is told, and by which statements.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/relay.rs"]
#[allow(unreachable_pub, dead_code, reason = "the tests of the pool use the same file")]
mod relay;
#[path = "support/replicas.rs"]
mod replicas;
#[path = "support/shop.rs"]
mod shop;
#[path = "support/cluster.rs"]
mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use ms_pool::{Cluster, Error, TxOptions};
use relay::{Relay, Weather};
use replicas::{all_well, freeze, insert};
use shop::{Shop, tcp};
use sqlx::{AssertSqlSafe, Executor, MySql};
use support::{address, primary_url, replica_url, server_of};

/// A cluster whose primary is behind a relay, and a table.
struct Failing {
    db: Cluster,
    primary: Relay,
    table: String,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Failing {
    async fn new(table: &str) -> Self {
        Self::with(table, r#""compat": "strict""#).await
    }

    async fn with(table: &str, key: &str) -> Self {
        all_well().await;
        let table = support::table(table, "n INT").await;
        support::account("losing").await;
        let primary = Relay::to(server_of(&primary_url())).await.unwrap();
        let (host, port) = address(&replica_url(2));
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&warnings);
        let shop = Shop::new().account("losing", "losing").primary("primary", &tcp("127.0.0.1", primary.port()));
        let builder = shop.replica("replica", &tcp(&host, port)).with(key).builder();
        let db = builder.on_warning(move |it| sink.lock().unwrap().push(it.to_string())).build().unwrap();
        Self { db, primary, table, warnings }
    }

    /// The first replica becomes the primary, with all or without what was written last.
    async fn fail_over(&self) {
        self.primary.lead_to(server_of(&replica_url(1)));
        support::kill_connections_of("losing", &primary_url()).await;
    }

    /// What a read on the primary comes to.
    async fn read<'c>(&self, executor: impl Executor<'c, Database = MySql>) -> Result<i64, sqlx::Error> {
        let sql = format!("/*ms=primary*/ SELECT COUNT(*) FROM {}", self.table);
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(executor).await
    }
}

#[track_caller]
fn check_lost(read: Result<i64, sqlx::Error>) {
    let error = read.expect_err("what was written is not there");
    assert!(matches!(Error::of(&error), Some(Error::PositionLost { .. })), "{error}");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_read_on_the_new_primary_is_told_what_it_lacks_once() {
    let _turn = support::alone().await;
    let it = Failing::new("lost_read").await;
    let (scope, idle) = (it.db.scope(), it.db.scope());
    let mut session = it.db.session();
    insert(&scope, &it.table).await;
    insert(&mut session, &it.table).await;
    support::synced().await;
    freeze(1).await;
    insert(&scope, &it.table).await;
    insert(&mut session, &it.table).await;
    insert(&it.db, &it.table).await;
    it.fail_over().await;

    // Nobody has asked yet where their writes had got to.
    check_lost(it.read(&scope).await);
    assert_eq!(it.read(&scope).await.unwrap(), 2, "told once");
    check_lost(it.read(&mut session).await);
    assert_eq!(it.read(&mut session).await.unwrap(), 2);
    // Through the cluster it is many callers' concern.
    assert_eq!(it.read(&it.db).await.unwrap(), 2);
    assert!(it.warnings.lock().unwrap().iter().any(|it| it.starts_with("what was written is lost")));
    // Who has written nothing has lost nothing.
    assert_eq!(it.read(&idle).await.unwrap(), 2);
    all_well().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_position_is_compared_with_what_the_new_primary_has() {
    let _turn = support::alone().await;
    let it = Failing::new("lost_known").await;
    let scope = it.db.scope();
    insert(&scope, &it.table).await;
    support::synced().await;
    freeze(1).await;
    insert(&scope, &it.table).await;
    let position = scope.position().await.unwrap().to_string();
    it.fail_over().await;
    let error = it.read(&scope).await.unwrap_err();
    let Some(Error::PositionLost { lost, .. }) = Error::of(&error) else { panic!("{error}") };
    // All of it, or its last transaction alone where each has a number of its own.
    let last = position.rsplit(['-', ':']).next().unwrap();
    assert!(lost.ends_with(last), "{lost} of {position}");
    assert_eq!(it.read(&scope).await.unwrap(), 1);
    all_well().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_transaction_is_told_at_its_first_statement() {
    let _turn = support::alone().await;
    let it = Failing::new("lost_begin").await;
    let scope = it.db.scope();
    freeze(1).await;
    insert(&scope, &it.table).await;
    scope.position().await.unwrap();
    it.fail_over().await;
    let lost = async {
        let mut tx = scope.begin_with(TxOptions::default()).await?;
        it.read(&mut tx).await
    };
    check_lost(lost.await);
    let mut tx = scope.begin().await.unwrap();
    assert_eq!(it.read(&mut tx).await.unwrap(), 0);
    tx.rollback().await.unwrap();
    all_well().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn where_nothing_is_lost_nobody_is_told() {
    let _turn = support::alone().await;
    let it = Failing::new("lost_nothing").await;
    let scope = it.db.scope();
    insert(&scope, &it.table).await;
    scope.position().await.unwrap();
    support::synced().await;
    it.fail_over().await;
    for _ in 0..3 {
        assert_eq!(it.read(&scope).await.unwrap(), 1);
    }
    assert!(!it.warnings.lock().unwrap().iter().any(|it| it.contains("is lost")), "{:?}", it.warnings);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn reads_that_wait_for_a_primary_that_dies_go_on_without_it() {
    let _turn = support::alone().await;
    let it = Failing::with("lost_waiting", r#""compat": "strict", "pool": {"max_connections": 1}"#).await;
    let scope = it.db.scope();
    freeze(2).await;
    insert(&it.db, &it.table).await;
    insert(&scope, &it.table).await;
    let sql = format!("SELECT COUNT(*) FROM {}", it.table);
    let count = || sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql.clone()));
    assert_eq!(count().fetch_one(&it.db).await.unwrap(), 2, "the primary has it");
    // And has shown it, which is a second thing to see.
    assert_eq!(count().fetch_one(&scope).await.unwrap(), 2, "the primary has it");

    // Somebody has the only connection, so whoever needs the primary waits; and then it is gone.
    let mut holder = it.db.begin().await.unwrap();
    insert(&mut holder, &it.table).await;
    let dies = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        it.primary.set(Weather::CutAfter(0));
        drop(holder);
    };
    let (through_all, through_scope, ()) = tokio::join!(count().fetch_one(&it.db), count().fetch_one(&scope), dies);
    assert_eq!(through_all.unwrap(), 0, "it is the concern of many callers");
    assert!(it.warnings.lock().unwrap().iter().any(|it| it.contains("nobody knows how far")), "{:?}", it.warnings);
    let error = through_scope.expect_err("it has written");
    assert!(matches!(Error::of(&error), Some(Error::NoPosition { .. })), "{error}");
    assert_eq!(count().fetch_one(&scope).await.unwrap(), 0, "told once");
    it.primary.set(Weather::Fair);
    all_well().await;
}
