//! Answers that are kept from replicas that trail: never older than whoever asks has said, time kept and lag together.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/replicas.rs"]
mod replicas;
#[path = "support/cluster.rs"]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ms_pool::Role;
use replicas::{Acknowledged, delay_both};
use sqlx::AssertSqlSafe;
use support::{direct, primary_url};

/// A row every few milliseconds that says when it was written.
async fn write(table: String, began: Instant, stop: Arc<AtomicBool>, written: Arc<Acknowledged>) {
    let mut primary = direct(&primary_url()).await;
    while !stop.load(Ordering::Relaxed) {
        let now = began.elapsed().as_millis();
        let sql = format!("INSERT INTO {table} VALUES ({now})");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut primary).await.unwrap();
        written.note(began.elapsed(), now.try_into().unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_is_kept_is_as_old_as_the_replica_it_came_from_and_older() {
    let _turn = support::alone().await;
    let table = support::table("cache_delayed", "at INT").await;
    let (began, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    delay_both(2).await;
    let written = Arc::new(Acknowledged::default());
    let writer = tokio::spawn(write(table.clone(), began, Arc::clone(&stop), Arc::clone(&written)));
    // Until then nobody can tell how far the replicas trail.
    tokio::time::sleep(Duration::from_secs(5)).await;

    let (primary, replica) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let sides = [(Role::Primary, Arc::clone(&primary)), (Role::Replica, Arc::clone(&replica))];
    let builder = support::builder().0.on_decision(move |it| {
        for (role, count) in &sides {
            count.fetch_add(usize::from(it.role() == Some(*role)), Ordering::Relaxed);
        }
    });
    let db = builder.build().unwrap();
    for (bound, for_so_long) in [(1, 4), (10, 14)] {
        db.clear_cache();
        let bound = Duration::from_secs(bound);
        let from = Instant::now();
        let mut answers = 0;
        while from.elapsed() < Duration::from_secs(for_so_long) {
            let sent = began.elapsed();
            let sql = format!("SELECT MAX(at) FROM {table}");
            let last: i32 = db.cached(bound).fetch_one(sqlx::query_scalar(AssertSqlSafe(sql))).await.unwrap();
            let least = written.by(sent.saturating_sub(bound));
            assert!(i64::from(last) >= least, "{last} at {sent:?} within {bound:?}, when {least} is to be seen");
            answers += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let sent = [&primary, &replica].map(|it| it.swap(0, Ordering::Relaxed));
        assert!(answers > 50 && sent[0] + sent[1] < answers / 8, "{sent:?} of {answers}");
        match bound.as_secs() {
            1 => assert_eq!(sent[1], 0, "the replicas trail by more"),
            _ => assert!(sent[0] <= 1 && sent[1] > 0, "{sent:?}: replicas will do"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    delay_both(0).await;
    support::synced().await;
}
