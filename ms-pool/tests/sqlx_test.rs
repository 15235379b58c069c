//! How a service tests its own code: `#[sqlx::test]` makes a database for each test, and `Cluster::from_options` a cluster of it.
//!
//! sqlx's macro wants `DATABASE_URL` and an account that may create databases.

#![allow(clippy::unwrap_used, reason = "a broken set-up is a failed test")]

use ms_pool::{Cluster, Error};
use sqlx::{
    MySql,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
};

/// The service's code, which knows nothing of tests.
async fn order(db: &Cluster, item: &str) -> Result<u64, sqlx::Error> {
    let mut tx = db.begin().await?;
    let done = sqlx::query("INSERT INTO orders (item) VALUES (?)").bind(item).execute(&mut tx).await?;
    tx.commit().await?;
    Ok(done.last_insert_id())
}

async fn item_of(db: &Cluster, id: u64) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("SELECT item FROM orders WHERE id = ?").bind(id).fetch_one(db).await
}

#[sqlx::test(migrations = "tests/migrations")]
#[ignore = "needs a cluster: cargo xtask test"]
async fn an_order_can_be_read_at_once(_: MySqlPoolOptions, options: MySqlConnectOptions) -> Result<(), sqlx::Error> {
    let db = Cluster::from_options(options);
    let id = order(&db, "tea").await?;
    assert_eq!(item_of(&db, id).await?, "tea", "there is no replica that could be late");
    db.close().await;
    Ok(())
}

#[sqlx::test(migrations = "tests/migrations")]
#[ignore = "needs a cluster: cargo xtask test"]
async fn each_test_has_a_database_of_its_own(_: MySqlPoolOptions, options: MySqlConnectOptions) {
    let db = Cluster::from_options(options);
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM orders").fetch_one(&db).await.unwrap();
    assert_eq!(count, 0);
    db.close().await;
}

#[sqlx::test(migrations = "tests/migrations")]
#[ignore = "needs a cluster: cargo xtask test"]
async fn all_handles_are_there_and_go_to_one_server(_: MySqlPoolOptions, options: MySqlConnectOptions) {
    let db = Cluster::from_options(options);
    let id = order(&db, "cups").await.unwrap();
    let select = "SELECT item FROM orders WHERE id = ?";
    for db in [db.replica(), db.primary()] {
        let item: String = sqlx::query_scalar(select).bind(id).fetch_one(db).await.unwrap();
        assert_eq!(item, "cups");
    }
    let hinted: String = sqlx::query_scalar("/*ms=replica*/ SELECT item FROM orders WHERE id = ?")
        .bind(id)
        .fetch_one(&db)
        .await
        .unwrap();
    assert_eq!(hinted, "cups");
    let mut session = db.session();
    let item: String = sqlx::query_scalar(select).bind(id).fetch_one(&mut session).await.unwrap();
    assert_eq!((item.as_str(), session.last_used().unwrap().name), ("cups", "primary"));
    drop(session);
    // What is refused in production is refused in tests.
    let refused = sqlx::raw_sql("BEGIN").execute(&db).await.unwrap_err();
    assert!(matches!(Error::of(&refused), Some(Error::NeedsSession { .. })), "{refused}");
    db.close().await;
}

/// The pool that sqlx offers has the same database, for what has to come from elsewhere.
#[sqlx::test(migrations = "tests/migrations")]
#[ignore = "needs a cluster: cargo xtask test"]
async fn code_on_a_pool_sees_the_same(pool: sqlx::Pool<MySql>) {
    let db = Cluster::from_options((*pool.connect_options()).clone());
    let id = order(&db, "pot").await.unwrap();
    let item: String =
        sqlx::query_scalar("SELECT item FROM orders WHERE id = ?").bind(id).fetch_one(&pool).await.unwrap();
    assert_eq!(item, "pot");
    db.close().await;
}
