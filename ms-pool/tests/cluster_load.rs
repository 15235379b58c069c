//! Many tasks on few connections: nobody waits for ever, and whoever waits too long is told for what.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

#[path = "support/shop.rs"]
mod shop;
#[path = "support/told.rs"]
mod told;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use ms_pool::{Cluster, Counter, Error, HeldBy, Statistics, code};
use sqlx::{Acquire, AssertSqlSafe, mysql::MySqlPoolOptions};
use support::{configured, primary_url, replica_url, unused};
use tokio::task::JoinSet;

/// Of the acceptance: so many tasks, so much time.
const TASKS: usize = 100;
const LIMIT: Duration = Duration::from_secs(10);

/// Each task holds a session that wants one server after the other, in both orders, beside single statements.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_hundred_tasks_share_one_connection_per_server() {
    for compat in ["classic", "strict"] {
        let (db, _) = configured(&format!(r#", "compat": "{compat}", "pool": {{"max_connections": 1}}"#));
        let table = support::table(&format!("load_{compat}"), "id INT PRIMARY KEY, n INT").await;
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for id in 0..TASKS {
            tasks.spawn(one_of_many(db.clone(), table.clone(), id));
        }
        let finished = tokio::time::timeout(LIMIT, tasks.join_all()).await.expect("all of them finish");
        assert_eq!(finished.len(), TASKS);
        println!("{compat}: {TASKS} tasks, 7 statements each, took {:?}", began.elapsed());
        let count = format!("SELECT COUNT(*) FROM {table} WHERE n = 2");
        assert_eq!(support::number(&primary_url(), &count).await, TASKS as u64);
        unused(&db).await;
        assert!(db.state().iter().all(|it| it.timeouts == 0), "{:?}", db.state());
    }
}

/// Sessions that have written on one primary and want another, which is held by sessions that want theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_hundred_tasks_share_one_connection_to_each_of_two_primaries() {
    let (host, port) = support::address(&primary_url());
    let address = shop::tcp(&host, port);
    let shop = shop::Shop::new().primary("first", &address).primary("second", &address);
    let shop = shop.with(r#""multi_master": true, "filters": {"roundrobin": []}, "pool": {"max_connections": 1}"#);
    let db = shop.build();
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let db = db.clone();
        tasks.spawn(async move {
            let mut session = db.session();
            for _ in 0..4 {
                sqlx::query("DO 1").execute(&mut session).await.unwrap();
            }
        });
    }
    tokio::time::timeout(LIMIT, tasks.join_all()).await.expect("all of them finish");
    assert!(db.state().iter().all(|it| it.timeouts == 0), "{:?}", db.state());
    unused(&db).await;
}

async fn one_of_many(db: Cluster, table: String, id: usize) {
    let write =
        || sqlx::query(AssertSqlSafe(format!("INSERT INTO {table} VALUES (?, 1) ON DUPLICATE KEY UPDATE n = n + 1")));
    let write = || write().bind(i32::try_from(id).unwrap());
    let mut session = db.session();
    for round in 0..2 {
        if (id + round).is_multiple_of(2) {
            sqlx::query("SELECT 1").execute(&mut session).await.unwrap();
            write().execute(&mut session).await.unwrap();
        } else {
            write().execute(&mut session).await.unwrap();
            sqlx::query("SELECT 1").execute(&mut session).await.unwrap();
        }
    }
    drop(session);
    sqlx::query("SELECT 1").execute(&db).await.unwrap();
    sqlx::query("SELECT 1").execute(db.primary()).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    sqlx::query("SELECT 1").execute(&mut tx).await.unwrap();
    tx.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_thousand_statements_at_once_share_ten_connections() {
    let (db, _) = configured(r#", "pool": {"max_connections": 10}"#);
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for n in 0..1000_i64 {
        let db = db.clone();
        tasks.spawn(async move {
            let sql = if n % 4 == 0 { "SELECT ? FOR UPDATE" } else { "SELECT ?" };
            let got: i64 = sqlx::query_scalar(sql).bind(n).fetch_one(&db).await.unwrap();
            assert_eq!(got, n);
        });
    }
    tasks.join_all().await;
    println!("1,000 statements on 10 connections per server took {:?}", began.elapsed());
    unused(&db).await;
    for server in db.state() {
        assert!(server.opened <= 10, "{server:?}");
        assert_eq!((server.failed, server.timeouts), (0, 0), "{server:?}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn whoever_waits_too_long_is_told_for_what() {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&warnings);
    let extra = r#", "pool": {"max_connections": 1, "acquire_timeout_ms": 1000}"#;
    let builder = Cluster::builder().config_text("test.json", support::section(extra));
    let db = builder.on_warning(move |it| sink.lock().unwrap().push(it.to_string())).build().unwrap();
    let mut holder = db.session();
    sqlx::query("DO 1").execute(&mut holder).await.unwrap();

    let ears = told::Eavesdropper::default();
    let listening = ears.listen();
    let began = Instant::now();
    let error = sqlx::query("DO 1").execute(&db).await.unwrap_err();
    let waited = began.elapsed();
    let begun = db.begin().await.unwrap_err();
    drop(listening);

    for error in [error, begun] {
        assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error:?}");
        assert!(matches!(Error::of(&error), Some(Error::NoSlot)), "{error:?}");
        assert_eq!(code(&error), 2000);
    }
    assert!((1000..4000).contains(&waited.as_millis()), "{waited:?}: five seconds unless configured");
    let heard = ears.heard();
    assert!(heard.contains("WARN") && heard.contains("all 1 connections to server `primary`"), "{heard}");
    let warnings = warnings.lock().unwrap().clone();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("all 1 connections to server `primary`"), "{warnings:?}");
    let state = &db.state()[0];
    assert_eq!((state.timeouts, state.in_use, state.waiting), (2, 1, 0));
    drop(holder);
    sqlx::query("DO 1").execute(&db).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn whoever_waits_too_long_is_told_for_whom() {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&warnings);
    let extra = r#", "pool": {"max_connections": 4, "acquire_timeout_ms": 1000}"#;
    let builder = Cluster::builder().config_text("test.json", support::section(extra));
    let db = builder.on_warning(move |it| sink.lock().unwrap().push(it.to_string())).build().unwrap();
    let holders = || db.state()[0].holders.clone();
    let a_while = || tokio::time::sleep(Duration::from_millis(20));
    let id = "/*ms=primary*/SELECT CONNECTION_ID()";

    let mut session = db.session();
    let of_session: u64 = sqlx::query_scalar(id).fetch_one(&mut session).await.unwrap();
    a_while().await;
    let mut tx = db.begin().await.unwrap();
    let of_tx: u64 = sqlx::query_scalar(id).fetch_one(&mut tx).await.unwrap();
    a_while().await;
    let bare = (&db).acquire().await.unwrap();
    a_while().await;
    let mut statement = sqlx::raw_sql("/*ms=primary*/SELECT 1; SELECT 2").fetch(&db);
    statement.next().await.unwrap().unwrap();
    let by: Vec<_> = holders().iter().map(|it| it.by).collect();
    assert_eq!(by, [HeldBy::Session, HeldBy::Transaction, HeldBy::Bare, HeldBy::Statement]);
    let ids: Vec<_> = holders().iter().map(|it| it.connection_id).collect();
    assert_eq!(ids[..2], [of_session, of_tx]);
    assert!(holders()[0].held >= Duration::from_millis(60), "{:?}", holders());

    db.begin().await.unwrap_err();
    let warning = warnings.lock().unwrap().join(" ");
    let expected = format!("; held longest: connection {of_session} by a session for ");
    assert!(warning.starts_with("all 4 connections to server `primary` stayed in use for "), "{warning}");
    assert!(warning.contains(&expected), "{warning}");
    assert!(warning.contains(&format!(", connection {of_tx} by a transaction for ")), "{warning}");
    assert!(warning.contains("a bare connection") && !warning.contains("a statement"), "three are enough: {warning}");

    drop((statement, bare, session));
    tx.rollback().await.unwrap();
    support::eventually("the statement's answer to be read", async || holders().is_empty()).await;
    // Taken again, it counts from then.
    let began = Instant::now();
    let _tx = db.begin().await.unwrap();
    let [holder] = holders()[..] else { panic!("{:?}", holders()) };
    // Either clock may have lost a part of a millisecond.
    assert!(
        holder.by == HeldBy::Transaction && holder.held <= began.elapsed() + Duration::from_millis(1),
        "{holder:?}"
    );
}

/// What a firewall, a proxy or `wait_timeout` does at night.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test"]
async fn neither_reads_nor_later_writes_notice_that_their_idle_connections_were_killed() {
    let name = "load_killed";
    support::account(name).await;
    let url = |url: String| url.replace("app:app", &format!("{name}:{name}"));
    let statistics = Arc::new(Statistics::default());
    let builder = Cluster::builder().primary(url(primary_url())).replicas([url(replica_url(1)), url(replica_url(2))]);
    let db = builder.statistics(Arc::clone(&statistics)).build().unwrap();
    let pool = MySqlPoolOptions::new().max_connections(10).connect(&url(replica_url(1))).await.unwrap();

    let (mut ours, mut theirs, mut at_once, mut later) = (0, 0, 0, 0);
    for round in 0..6 {
        warm(&db).await;
        let killed = kill_all(name).await;
        assert!(killed > 10, "only {killed} connections were idle in round {round}");
        // At once, while they still count as fresh; after the time from which they are checked for writes, and for reads.
        let pause = [0, 150, 1100][round % 3];
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let writes = if pause == 0 { &mut at_once } else { &mut later };
        for _ in 0..100 {
            *writes += u32::from(sqlx::query("DO 1").execute(&db).await.is_err());
        }
        for _ in 0..100 {
            ours += u32::from(sqlx::query("SELECT 1").execute(&db).await.is_err());
            theirs += u32::from(sqlx::query("SELECT 1").execute(&pool).await.is_err());
        }
    }
    let repeated = statistics.get(Counter::ReadRepeated);
    println!(
        "killed idle connections: {ours} failed reads ({repeated} repeated), failed writes: {at_once} at once, {later} later; \
         MySqlPool: {theirs} failed reads"
    );
    assert_eq!(ours, 0, "failed reads of ours; {theirs} of MySqlPool");
    assert!(repeated > 0, "nothing was put to the test");
    // A write is never repeated: the first on a connection that died while it counted as fresh hears of it, no other.
    assert!(at_once <= 2, "{at_once} failed writes");
    assert_eq!(later, 0, "failed writes on connections that had been idle for longer than a write trusts");
    pool.close().await;
}

/// Opens several connections to every server, and leaves them idle.
async fn warm(db: &Cluster) {
    let mut tasks = JoinSet::new();
    for n in 0..60 {
        let db = db.clone();
        tasks.spawn(async move {
            let sql = if n % 3 == 0 { "SELECT SLEEP(0.1) FOR UPDATE" } else { "SELECT SLEEP(0.1)" };
            sqlx::query(sql).execute(&db).await.map(drop)
        });
    }
    for done in tasks.join_all().await {
        done.unwrap();
    }
}

async fn kill_all(name: &str) -> usize {
    let mut killed = 0;
    for url in [primary_url(), replica_url(1), replica_url(2)] {
        killed += support::kill_connections_of(name, &url).await;
    }
    killed
}
