//! Reads that no replica can answer yet, and what the primary takes of them: real servers, replication stopped.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/replicas.rs"]
mod replicas;
#[path = "support/cluster.rs"]
mod support;

use std::sync::{Arc, Mutex};

use ms_pool::{BeyondBudget, Cluster, Counter, Error, PrimaryBudget, Scope, Statistics, TxOptions};
use replicas::{all_well, count, freeze, insert, port};
use sqlx::AssertSqlSafe;
use support::{primary_url, replica_url};

/// A cluster with such a budget, and a scope of it that has written what no replica has.
async fn behind(table: &str, settings: (u8, u32, BeyondBudget)) -> (Cluster, Scope, Arc<Statistics>) {
    all_well().await;
    let mut budget = PrimaryBudget::default();
    (budget.percent, budget.floor_per_second, budget.beyond) = settings;
    let (builder, statistics) = support::builder();
    let db = builder.primary_budget(budget).build().unwrap();
    insert(db.primary(), table).await;
    support::synced().await;
    for replica in [1, 2] {
        freeze(replica).await;
    }
    let scope = db.scope();
    insert(&scope, table).await;
    (db, scope, statistics)
}

async fn refused(scope: &Scope, table: &str) -> bool {
    let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    match sqlx::query(sql).fetch_one(scope).await {
        Ok(_) => false,
        Err(error) => {
            assert!(matches!(Error::of(&error), Some(Error::BudgetSpent)), "{error}");
            assert_eq!(ms_pool::code(&error), 2000);
            true
        }
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn whoever_wants_it_gets_an_error_and_nobody_else() {
    let _turn = support::alone().await;
    let table = support::table("budget_error", "n INT").await;
    let (db, scope, statistics) = behind(&table, (0, 0, BeyondBudget::Error)).await;
    for _ in 0..3 {
        assert!(refused(&scope, &table).await);
    }
    assert_eq!(statistics.get(Counter::BehindRefused), 3);
    // Other reads are not concerned, nor is who said that the primary is to answer.
    assert_ne!(count(&db.scope(), &table).await.1, port(&primary_url()));
    assert_eq!(count(db.primary(), &table).await.0, 2);
    scope.set_beyond_budget(BeyondBudget::Primary);
    assert_eq!(count(&scope, &table).await, (2, port(&primary_url())));
    let counts = [Counter::BehindPrimary, Counter::BehindBeyond].map(|it| statistics.get(it));
    assert_eq!(counts, [1, 1]);

    all_well().await;
    let scope = db.scope();
    insert(&scope, &table).await;
    support::synced().await;
    assert_eq!(count(&scope, &table).await.0, 3, "a replica has it, and there is nothing to pay for");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn so_many_go_to_the_primary_and_no_more() {
    let _turn = support::alone().await;
    let table = support::table("budget_floor", "n INT").await;
    // Ten in ten seconds, and half of all reads.
    let (db, scope, statistics) = behind(&table, (50, 1, BeyondBudget::Error)).await;
    let others = db.scope();
    let mut refusals = 0;
    for _ in 0..30 {
        refusals += u32::from(refused(&scope, &table).await);
    }
    // Those that were answered are reads, too: ten, and half of twenty.
    assert!((9..=12).contains(&refusals), "{refusals} of 30");
    for _ in 0..40 {
        count(&others, &table).await;
    }
    let before = statistics.get(Counter::BehindPrimary);
    for _ in 0..10 {
        assert!(!refused(&scope, &table).await, "others have read so much that there is room");
    }
    assert_eq!(statistics.get(Counter::BehindPrimary), before + 10);
    all_well().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn the_past_is_for_whoever_asks_for_it() {
    let _turn = support::alone().await;
    let table = support::table("budget_stale", "n INT").await;
    let (db, scope, statistics) = behind(&table, (0, 0, BeyondBudget::Stale)).await;
    let (first, there) = count(&scope, &table).await;
    assert_eq!(first, 1, "its own write is not there");
    assert_ne!(there, port(&primary_url()));
    let mut session = scope.session();
    assert_eq!(count(&mut session, &table).await.0, 1);
    assert!(
        session.last_decision().unwrap().to_string().contains("level stale"),
        "{}",
        session.last_decision().unwrap()
    );
    assert_eq!(statistics.get(Counter::BehindStale), 2);
    let mut tx = scope.begin_with(TxOptions { read_only: true, ..TxOptions::default() }).await.unwrap();
    assert_eq!(count(&mut tx, &table).await.0, 1);
    tx.rollback().await.unwrap();

    // Nothing of what it has to see was forgotten over it.
    scope.set_beyond_budget(BeyondBudget::Primary);
    assert_eq!(count(&scope, &table).await, (2, port(&primary_url())));
    // Another one wants to fail.
    let other = db.scope();
    insert(&other, &table).await;
    other.set_beyond_budget(BeyondBudget::Error);
    assert!(refused(&other, &table).await);

    // Where there is no replica to answer from the past, the primary does.
    for replica in ["replica1", "replica2"] {
        support::control(&format!("kill {replica}")).await;
    }
    let late = db.scope();
    insert(&late, &table).await;
    support::eventually("the primary to answer", async || count(&late, &table).await.1 == port(&primary_url())).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn who_has_read_more_on_one_replica_is_not_sent_to_another_one() {
    let _turn = support::alone().await;
    let table = support::table("budget_stays", "n INT").await;
    let (db, _, _) = behind(&table, (0, 0, BeyondBudget::Stale)).await;
    // This one gets a row more than the other.
    replicas::thaw(1).await;
    support::eventually("replica1 to have it", async || {
        support::number(&replica_url(1), &format!("SELECT COUNT(*) FROM {table}")).await == 2
    })
    .await;
    freeze(1).await;
    let scope = loop {
        let scope = db.scope();
        if count(&scope, &table).await == (2, port(&replica_url(1))) {
            break scope;
        }
    };
    insert(&scope, &table).await;
    for _ in 0..10 {
        assert_eq!(count(&scope, &table).await, (2, port(&replica_url(1))), "old, and not older than what it saw");
    }
    all_well().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn unless_somebody_asks_for_less_the_primary_answers_and_it_is_told_once() {
    let _turn = support::alone().await;
    let table = support::table("budget_default", "n INT").await;
    all_well().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let (builder, statistics) = support::builder();
    let told_too = Arc::clone(&told);
    let mut budget = PrimaryBudget::default();
    budget.percent = 0;
    budget.floor_per_second = 1;
    let db = builder
        .primary_budget(budget)
        .on_warning(move |warning| told_too.lock().unwrap().push(warning.to_string()))
        .build()
        .unwrap();
    for replica in [1, 2] {
        freeze(replica).await;
    }
    let scope = db.scope();
    insert(&scope, &table).await;
    for _ in 0..20 {
        assert_eq!(count(&scope, &table).await, (1, port(&primary_url())));
    }
    assert_eq!(statistics.get(Counter::BehindPrimary), 20);
    let beyond = statistics.get(Counter::BehindBeyond);
    assert!((8..=10).contains(&beyond), "{beyond} of 20, ten of which are within the budget");
    let told: Vec<String> = told.lock().unwrap().iter().filter(|it| it.contains("primary_budget")).cloned().collect();
    assert_eq!(told.len(), 1, "{told:?}");
    all_well().await;
}
