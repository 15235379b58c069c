//! Answers that are kept: real servers.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/cluster.rs"]
mod support;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ms_pool::{Builder, CacheState, Cached, Cluster, Counter};
use sqlx::{AssertSqlSafe, QueryBuilder};

const LONG: Duration = Duration::from_secs(600);

/// A cluster that counts the statements it sends.
struct Watched {
    db: Cluster,
    sent: Arc<AtomicUsize>,
}

fn watched(change: impl FnOnce(Builder) -> Builder) -> Watched {
    let sent = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&sent);
    let builder = support::builder().0.on_decision(move |_| {
        counts.fetch_add(1, Ordering::Relaxed);
    });
    Watched { db: change(builder).build().unwrap(), sent }
}

impl Watched {
    fn long(&self) -> Cached<'_> {
        self.db.cached(LONG)
    }

    /// Statements since the last time.
    fn sent(&self) -> usize {
        self.sent.swap(0, Ordering::Relaxed)
    }

    fn counted(&self) -> HashMap<&'static str, u64> {
        let counted =
            self.db.statistics().unwrap().iter().filter(|(name, count)| name.starts_with("cache_") && *count > 0);
        counted.collect()
    }
}

async fn numbers(name: &str) -> String {
    let table = support::table(name, "n INT, name VARCHAR(20)").await;
    let sql = format!("INSERT INTO {table} VALUES (1, 'one'), (2, 'two'), (3, NULL)");
    sqlx::query(AssertSqlSafe(sql)).execute(&support::cluster()).await.unwrap();
    support::synced().await;
    table
}

fn sql(text: &str, table: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(text.replace("{t}", table))
}

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
struct Number {
    n: i32,
    name: Option<String>,
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_was_asked_for_once_is_not_asked_for_again() {
    let table = numbers("cache_once").await;
    let it = watched(|it| it);
    for round in 0..3 {
        let all = sqlx::query_as::<_, Number>(sql("SELECT n, name FROM {t} ORDER BY n", &table));
        let all = it.long().fetch_all(all).await.unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(all[2], Number { n: 3, name: None });
        let one = sqlx::query_scalar::<_, String>(sql("SELECT name FROM {t} WHERE n = ?", &table)).bind(2);
        assert_eq!(it.long().fetch_one(one).await.unwrap(), "two");
        let none = || sqlx::query_scalar::<_, i32>(sql("SELECT n FROM {t} WHERE n > ?", &table)).bind(9);
        assert_eq!(it.long().fetch_optional(none()).await.unwrap(), None);
        assert!(matches!(it.long().fetch_one(none()).await, Err(sqlx::Error::RowNotFound)));
        assert_eq!(it.sent(), if round == 0 { 3 } else { 0 }, "round {round}");
    }
    assert_eq!(it.counted(), [("cache_misses", 3), ("cache_hits", 9)].into());
    let CacheState { entries, bytes, .. } = it.db.cache_state();
    assert_eq!(entries, 3);
    assert!((500..3_000).contains(&bytes), "{bytes}");
    // What a program writes stays unseen, until it says so.
    sqlx::query(sql("DELETE FROM {t}", &table)).execute(&it.db).await.unwrap();
    let count = || sqlx::query_as::<_, Number>(sql("SELECT n, name FROM {t} ORDER BY n", &table));
    assert_eq!(it.long().fetch_all(count()).await.unwrap().len(), 3);
    it.db.clear_cache();
    support::synced().await;
    assert_eq!(it.long().fetch_all(count()).await.unwrap().len(), 0);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn other_parameters_and_other_types_are_other_questions() {
    let table = numbers("cache_keys").await;
    let it = watched(|it| it);
    for _ in 0..2 {
        for n in 1..=3 {
            let query = sqlx::query_scalar::<_, i32>(sql("SELECT n FROM {t} WHERE n = ?", &table)).bind(n);
            assert_eq!(it.long().fetch_one(query).await.unwrap(), n);
        }
        let text = || sql("SELECT n, name FROM {t} WHERE n = 1", &table);
        let number = sqlx::query_as::<_, Number>(text());
        assert_eq!(it.long().fetch_one(number).await.unwrap().n, 1);
        let pair = sqlx::query_as::<_, (i32, Option<String>)>(text());
        assert_eq!(it.long().fetch_one(pair).await.unwrap(), (1, Some("one".to_owned())));
        assert_eq!(it.long().fetch_all(sqlx::query_scalar::<_, i32>(text())).await.unwrap(), [1]);
        let mut built = QueryBuilder::new("SELECT n FROM ");
        built.push(&table).push(" WHERE n IN (").push_bind(1).push(", ").push_bind(2).push(") ORDER BY n");
        assert_eq!(it.long().fetch_all(built.build_query_scalar::<i32>()).await.unwrap(), [1, 2]);
    }
    assert_eq!(it.sent(), 7);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn an_answer_is_as_old_as_each_one_says() {
    let table = numbers("cache_age").await;
    let it = watched(|it| it);
    let count = || sqlx::query_scalar::<_, i64>(sql("SELECT COUNT(*) FROM {t}", &table));
    assert_eq!(it.long().fetch_one(count()).await.unwrap(), 3);
    sqlx::query(sql("DELETE FROM {t}", &table)).execute(&it.db).await.unwrap();
    support::synced().await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(it.long().fetch_one(count()).await.unwrap(), 3, "kept for who does not mind");
    let second = it.db.cached(Duration::from_secs(1));
    assert_eq!(second.fetch_one(count()).await.unwrap(), 0, "and asked for again for who does");
    assert_eq!(it.long().fetch_one(count()).await.unwrap(), 0, "which is the better answer for all");
    assert_eq!(it.counted()["cache_misses"], 2);
    // No time at all is no cache.
    it.sent();
    for _ in 0..2 {
        it.db.cached(Duration::ZERO).fetch_one(count()).await.unwrap();
    }
    assert_eq!(it.sent(), 2);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_varies_is_asked_for_each_time() {
    let table = numbers("cache_varies").await;
    let it = watched(|it| it);
    for text in [
        "SELECT CAST(RAND() AS CHAR) FROM {t}",
        "SELECT CAST(NOW(6) AS CHAR) FROM {t}",
        "SELECT CURRENT_USER FROM {t}",
        "SELECT name FROM {t} WHERE n = 1 FOR UPDATE",
        "/*ms=primary*/ SELECT name FROM {t} WHERE n = 1",
        "/*ms=strong*/ SELECT name FROM {t} WHERE n = 1",
        "SHOW DATABASES",
    ] {
        for _ in 0..2 {
            let query = sqlx::query_scalar::<_, String>(sql(text, &table));
            it.long().fetch_all(query).await.unwrap();
        }
        assert_eq!(it.sent(), 2, "{text}");
    }
    assert_eq!(it.counted(), [("cache_bypassed", 14)].into());
    assert_eq!(it.db.cache_state().entries, 0);
    // A write through it is an ordinary write.
    let write = sqlx::query_scalar::<_, i32>(sql("INSERT INTO {t} VALUES (4, 'four')", &table));
    assert_eq!(it.long().fetch_all(write).await.unwrap(), [0; 0]);
    let count = sqlx::query_scalar::<_, i64>(sql("SELECT COUNT(*) FROM {t}", &table));
    assert_eq!(count.fetch_one(it.db.primary()).await.unwrap(), 4);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: cargo xtask test"]
async fn many_who_ask_at_once_ask_once() {
    let table = numbers("cache_flight").await;
    let it = Arc::new(watched(|it| it));
    // Slow enough for all to come while it runs.
    let text = Arc::new(
        "SELECT COUNT(*) FROM {t} a, {t} b, {t} c, {t} d, {t} e, {t} f, {t} g, {t} h, {t} i, {t} j, {t} k WHERE a.n + k.n > 2"
            .replace("{t}", &table),
    );
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (it, text) = (Arc::clone(&it), Arc::clone(&text));
            tokio::spawn(async move {
                let query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(text.to_string()));
                it.long().fetch_one(query).await.unwrap()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 8 * 3_i64.pow(9));
    }
    assert_eq!(it.sent(), 1);
    let counted = it.counted();
    assert_eq!(counted["cache_misses"], 1);
    assert!(counted["cache_shared"] > 0, "{counted:?}");
    assert_eq!(counted["cache_shared"] + counted.get("cache_hits").unwrap_or(&0), 49);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: cargo xtask test"]
async fn failures_are_not_kept_and_a_cancelled_question_is_asked_by_the_next() {
    let it = watched(|it| it);
    let missing = || sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM cache_missing");
    let mut dropped = support::direct(&support::primary_url()).await;
    sqlx::query("DROP TABLE IF EXISTS cache_missing").execute(&mut dropped).await.unwrap();
    support::synced().await;
    assert!(it.long().fetch_one(missing()).await.is_err());
    numbers("cache_missing").await;
    assert_eq!(it.long().fetch_one(missing()).await.unwrap(), 3);

    // A tenth of a second and more, so that it is under way when its caller goes.
    let slow = || {
        sqlx::query_scalar::<_, i64>(
            "SELECT COUNT(*) FROM cache_missing a, cache_missing b, cache_missing c, cache_missing d, cache_missing e, \
             cache_missing f, cache_missing g, cache_missing h, cache_missing i, cache_missing j, cache_missing k, \
             cache_missing l, cache_missing m WHERE a.n + m.n > 2",
        )
    };
    let first = async { tokio::time::timeout(Duration::from_millis(10), it.long().fetch_one(slow())).await };
    let second = async {
        tokio::task::yield_now().await;
        it.long().fetch_one(slow()).await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_err(), "it was cancelled");
    assert_eq!(second.unwrap(), 8 * 3_i64.pow(11));
    assert_eq!(it.db.statistics().unwrap().get(Counter::CacheShared), 0);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn the_bytes_are_bounded_and_can_be_none() {
    let table = numbers("cache_bytes").await;
    let it = watched(|it| it.cache_bytes(64 << 10));
    let text = |n: i32| {
        let query = sqlx::query_scalar::<_, String>(sql("SELECT REPEAT('x', ?) FROM {t} WHERE n = 1", &table));
        query.bind(n)
    };
    for n in 1_000..1_200 {
        it.long().fetch_one(text(n)).await.unwrap();
        let CacheState { bytes, capacity, .. } = it.db.cache_state();
        assert!(bytes <= capacity, "{bytes} of {capacity}");
    }
    assert!(it.db.cache_state().entries > 10, "{:?}", it.db.cache_state());
    // An answer that takes all the room there is.
    let entries = it.db.cache_state().entries;
    assert_eq!(it.long().fetch_one(text(100_000)).await.unwrap().len(), 100_000);
    assert_eq!(it.db.cache_state().entries, entries);

    let none = watched(|it| it.cache_bytes(0));
    for _ in 0..2 {
        none.long().fetch_one(text(5)).await.unwrap();
    }
    assert_eq!((none.sent(), none.counted()), (2, [("cache_bypassed", 2)].into()));
}
