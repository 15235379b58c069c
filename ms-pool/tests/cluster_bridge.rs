//! Pools of sqlx's beside the cluster's own, sessions lent as bare connections, and migrations, on real servers.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use ms_pool::{Builder, Cluster, Error, Mode, Password, PoolSettings, Role, TxOptions, credentials_fn};
use sqlx::{Acquire, AssertSqlSafe, MySqlConnection, MySqlPool};
use support::{
    account, address, builder, cluster, connections_of, eventually, is_mariadb, port_of, primary_url, replica_url,
    section,
};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("tests/migrations");

/// A cluster by file for one account, at most so many connections per server.
fn limited(user: &str, most: u32) -> Builder {
    let text = section("").replace(r#""user": "app", "password": "app""#, &format!(r#""user": "{user}""#));
    let mut pool = PoolSettings::default();
    pool.max_connections = NonZeroU32::new(most).unwrap();
    Cluster::builder().config_text("test.json", text).password(Password::new(user)).pool(pool)
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn each_role_has_a_pool_that_is_set_up_as_ours() {
    let text = section(r#", "init": ["SET @who = 'shop'"]"#);
    let db = Cluster::builder().config_text("test.json", text).build().unwrap();
    let primary = db.sqlx_pool(Role::Primary).await.unwrap();
    let replica = db.sqlx_pool(Role::Replica).await.unwrap();
    assert_eq!(port_of(&primary, "").await, address(&primary_url()).1);
    let port = port_of(&replica, "").await;
    assert!([replica_url(1), replica_url(2)].iter().any(|url| address(url).1 == port));
    assert_eq!(port_of(&db.sqlx_pool(Role::Replica).await.unwrap(), "").await, port, "it is always the same one");
    for pool in [&primary, &replica] {
        let settings = "SELECT CONCAT(@@time_zone, ' ', @@sql_mode LIKE '%PIPES_AS_CONCAT%', ' ', @who)";
        let shown: String = sqlx::query_scalar(settings).fetch_one(pool).await.unwrap();
        assert_eq!(shown, "+00:00 1 shop");
    }
    let belt = if is_mariadb() { "SELECT @@tx_read_only" } else { "SELECT @@transaction_read_only" };
    for (pool, belted) in [(&primary, false), (&replica, true)] {
        assert_eq!(sqlx::query_scalar::<_, bool>(belt).fetch_one(pool).await.unwrap(), belted);
    }
    db.close().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn both_together_stay_within_the_limit() {
    account("bridge_limit").await;
    let db = limited("bridge_limit", 4).build().unwrap();
    // Four idle connections of ours, of which two have to make room.
    let mut sessions: Vec<_> = (0..4).map(|_| db.session()).collect();
    for session in &mut sessions {
        port_of(&mut *session, "/*ms=primary*/").await;
    }
    drop(sessions);
    assert_eq!(connections_of("bridge_limit", &primary_url()).await, 4);
    let pool = db.sqlx_pool(Role::Primary).await.unwrap();
    let state = &db.state()[0];
    assert_eq!((state.max, state.lent, state.in_use, state.idle), (4, 2, 2, 2));

    let busy = async |pool: MySqlPool, db: Cluster| {
        for _ in 0..5 {
            let (ours, theirs) = tokio::join!(
                sqlx::query("SELECT SLEEP(0.02)").execute(db.primary()),
                sqlx::query("SELECT SLEEP(0.02)").execute(&pool)
            );
            ours.unwrap();
            theirs.unwrap();
        }
    };
    // The two that make room take their leave without waiting.
    support::eventually("them to be gone", async || connections_of("bridge_limit", &primary_url()).await == 2).await;
    let tasks: Vec<_> = (0..16).map(|_| tokio::spawn(busy(pool.clone(), db.clone()))).collect();
    let mut most = 0;
    while !tasks.iter().all(|task| task.is_finished()) {
        most = most.max(connections_of("bridge_limit", &primary_url()).await);
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(most, 4, "all were needed, and no more were there");
    db.close().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_share_leaves_something_for_either_side() {
    for (most, share, possible) in [(1, None, false), (2, None, true), (3, Some(3), false), (3, Some(2), true)] {
        let mut builder = limited("app", most).password(Password::new("app"));
        if let Some(share) = share {
            builder = builder.sqlx_pool_connections(NonZeroU32::new(share).unwrap());
        }
        let db = builder.build().unwrap();
        let pool = db.sqlx_pool(Role::Primary).await;
        assert_eq!(pool.is_ok(), possible, "{most} {share:?}");
        match pool {
            Ok(pool) => assert_eq!(pool.options().get_max_connections(), share.unwrap_or(most / 2)),
            Err(error) => assert!(matches!(Error::of(&error), Some(Error::Refused { .. })), "{error}"),
        }
        port_of(db.primary(), "").await;
        db.close().await;
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn closing_the_cluster_closes_its_pools() {
    account("bridge_close").await;
    let db = limited("bridge_close", 4).build().unwrap();
    let pool = db.sqlx_pool(Role::Primary).await.unwrap();
    let held = pool.acquire().await.unwrap();
    let closing = tokio::spawn({
        let db = db.clone();
        async move { db.close().await }
    });
    eventually("the pool to be closed", async || pool.is_closed()).await;
    assert!(!closing.is_finished(), "it waits for what is in use");
    drop(held);
    closing.await.unwrap();
    assert_eq!(db.state()[0].lent, 0);
    eventually("all to be closed", async || connections_of("bridge_close", &primary_url()).await == 0).await;
    assert!(matches!(pool.acquire().await.unwrap_err(), sqlx::Error::PoolClosed));
    let error = db.sqlx_pool(Role::Replica).await.unwrap_err();
    assert!(matches!(Error::of(&error), Some(Error::Closed)), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn the_password_is_asked_for_after_each_connect() {
    account("bridge_rotate").await;
    let asked = Arc::new(AtomicU32::new(0));
    let counting = Arc::clone(&asked);
    let tokens = credentials_fn(move |_: &str, _: &str| {
        // Whoever asks later gets the next one: ours for its own connection, then sqlx's pool.
        let now = counting.fetch_add(1, Relaxed);
        async move { Ok(Password::new(if now < 2 { "bridge_rotate" } else { "rotated" })) }
    });
    let db = limited("bridge_rotate", 4).password(tokens).build().unwrap();
    let pool = db.sqlx_pool(Role::Primary).await.unwrap();
    assert_eq!(asked.load(Relaxed), 2);
    let first = pool.acquire().await.unwrap();
    eventually("the password to be asked for again", async || asked.load(Relaxed) == 3).await;
    let mut root = support::direct(&primary_url()).await;
    sqlx::raw_sql("ALTER USER bridge_rotate@'%' IDENTIFIED BY 'rotated'").execute(&mut root).await.unwrap();
    let second = pool.acquire().await.unwrap();
    drop((first, second));
    db.close().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn without_replicas_in_use_both_roles_share_the_primarys_pool() {
    let db = builder().0.mode(Mode::PrimaryOnly).build().unwrap();
    let replica = db.sqlx_pool(Role::Replica).await.unwrap();
    let primary = db.sqlx_pool(Role::Primary).await.unwrap();
    assert_eq!(port_of(&replica, "").await, address(&primary_url()).1);
    port_of(&primary, "").await;
    assert_eq!((primary.size(), db.state()[0].lent), (replica.size(), 5), "it is one pool");
    db.close().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn migrations_run_on_the_primary_and_keep_no_lock() {
    let db = cluster();
    let clean = "DROP TABLE IF EXISTS orders, _sqlx_migrations";
    sqlx::raw_sql(clean).execute(&db).await.unwrap();
    let (first, second) = tokio::join!(MIGRATIONS.run(&db), MIGRATIONS.run(&db));
    first.unwrap();
    second.unwrap();
    let done: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM _sqlx_migrations").fetch_one(db.primary()).await.unwrap();
    assert_eq!(done, 2);
    MIGRATIONS.run(&mut db.session()).await.unwrap();
    sqlx::raw_sql(clean).execute(&db).await.unwrap();
    db.close().await;
}

/// Code that takes whatever a connection can be had from.
async fn generic<'a, A: Acquire<'a, Database = sqlx::MySql>>(from: A) -> u64 {
    let mut conn = from.acquire().await.unwrap();
    id(&mut conn).await
}

async fn id(conn: &mut MySqlConnection) -> u64 {
    sqlx::query_scalar("SELECT CONNECTION_ID()").fetch_one(conn).await.unwrap()
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_session_lends_its_own_connection_and_stays_on_it() {
    account("bridge_lend").await;
    let db = limited("bridge_lend", 4).build().unwrap();
    let mut session = db.session();
    sqlx::query("CREATE TEMPORARY TABLE lent (id INT)").execute(&mut session).await.unwrap();
    let mine = session.last_used().unwrap().connection_id.unwrap();
    assert_eq!(generic(&mut session).await, mine);
    let conn = (&mut session).acquire().await.unwrap();
    sqlx::query("INSERT INTO lent VALUES (1)").execute(&mut *conn).await.unwrap();
    sqlx::query("SET @x = 7").execute(&mut *conn).await.unwrap();
    let x: i64 = sqlx::query_scalar("SELECT @x FROM lent").fetch_one(&mut session).await.unwrap();
    assert_eq!((x, session.last_used().unwrap().connection_id), (7, Some(mine)));
    let decision = session.last_decision().unwrap().to_string();
    assert!(decision.contains("held"), "{decision}");
    drop(session);
    eventually("it to be closed", async || connections_of("bridge_lend", &primary_url()).await == 0).await;

    let mut session = db.session();
    generic(&mut session).await;
    assert_eq!(port_of(&mut session, "").await, address(&primary_url()).1, "an unhinted read stays as well");
    drop(session);
    db.close().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_lent_connection_in_mid_answer_is_waited_for_or_given_up() {
    let db = cluster();
    for (seconds, survives) in [("0.5", true), ("5", false)] {
        let mut session = db.session();
        let conn = (&mut session).acquire().await.unwrap();
        let before = id(&mut *conn).await;
        let slow = sqlx::query(AssertSqlSafe(format!("SELECT SLEEP({seconds})"))).execute(conn);
        assert!(tokio::time::timeout(Duration::from_millis(60), slow).await.is_err());
        let next = sqlx::query_scalar("SELECT 42").fetch_one(&mut session).await;
        match survives {
            true => {
                let next: i64 = next.unwrap();
                assert_eq!((next, session.last_used().unwrap().connection_id), (42, Some(before)));
            }
            false => {
                let error = next.map(|it: i64| it).unwrap_err();
                assert!(matches!(Error::of(&error), Some(Error::StateLost { .. })), "{error}");
                let next: i64 = sqlx::query_scalar("SELECT 43").fetch_one(&mut session).await.unwrap();
                assert_eq!(next, 43, "the session goes on");
            }
        }
    }
    db.close().await;
}

/// The wrong number of arguments leaves sqlx waiting for a result that nobody sends.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_lent_connection_that_is_out_of_step_is_not_used_again() {
    let db = cluster();
    let mut session = db.session();
    let conn = (&mut session).acquire().await.unwrap();
    sqlx::query("SELECT ?, ?").bind(1).execute(&mut *conn).await.unwrap_err();
    let error = sqlx::query("SELECT 1").execute(&mut session).await.unwrap_err();
    assert!(matches!(Error::of(&error), Some(Error::StateLost { .. })), "{error}");
    sqlx::query("SELECT 1").execute(&mut session).await.unwrap();
    drop(session);
    db.close().await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_transaction_is_lent_with_its_connection() {
    let db = cluster();
    let table = support::table("bridge_tx", "id INT PRIMARY KEY").await;
    let insert = || AssertSqlSafe(format!("INSERT INTO {table} VALUES (1)"));
    let count = || AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    let mut session = db.session();
    session.start_transaction(TxOptions::default()).await.unwrap();
    let conn = (&mut session).acquire().await.unwrap();
    sqlx::query(insert()).execute(conn).await.unwrap();
    let seen: i64 = sqlx::query_scalar(count()).fetch_one(&mut session).await.unwrap();
    session.rollback().await.unwrap();
    let left: i64 = sqlx::query_scalar(count()).fetch_one(db.primary()).await.unwrap();
    assert_eq!((seen, left), (1, 0));

    session.start_transaction(TxOptions { read_only: true, ..TxOptions::default() }).await.unwrap();
    port_of(&mut session, "").await;
    let mut reads = db.session();
    reads.start_transaction(TxOptions { read_only: true, ..TxOptions::default() }).await.unwrap();
    port_of(&mut reads, "").await;
    let refused = (&mut reads).acquire().await.unwrap_err();
    assert!(refused.to_string().contains("is not a primary"), "{refused}");
    reads.rollback().await.unwrap();
    session.rollback().await.unwrap();
    drop((session, reads));
    db.close().await;
}

#[tokio::test]
async fn sqlxs_transactions_name_what_to_call_instead() {
    let db = Cluster::from_options("mysql://app@127.0.0.1:1/test".parse().unwrap());
    let refused = Acquire::begin(&mut db.session()).await.unwrap_err();
    assert!(refused.to_string().contains("call `Session::begin`"), "{refused}");
    let refused = Acquire::begin(&db).await.unwrap_err();
    assert!(refused.to_string().contains("call `begin()` of the cluster"), "{refused}");
}
