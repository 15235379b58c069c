//! `transient_error`: what failed with a listed code is done again, and what must not be is not.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

use std::{sync::Arc, time::Duration};

use ms_pool::{Cluster, Counter, Password, Statistics, code};
use sqlx::{Arguments, AssertSqlSafe, Executor, MySql, mysql::MySqlArguments};
use support::{configured, direct, eventually, number, primary_url, synced, table};
use tokio::time::{sleep, timeout};

const RETRIES: Counter = Counter::TransientErrorRetries;

/// A cluster that does again what fails with one of `codes`, up to three times, with `more` keys.
fn trying(codes: &str, more: &str) -> (Cluster, Arc<Statistics>) {
    configured(&format!(
        r#", "transient_error": {{"mysql_error_codes": [{codes}], "max_retries": 3, "usleep_retry": 1000}} {more}"#
    ))
}

/// A procedure that notes its argument and fails the first `times` with `errno` and `state`.
async fn flaky(name: &str, times: u32, errno: u16, state: &str) {
    table(&format!("{name}_calls"), "id INT").await;
    let create = format!(
        "DROP PROCEDURE IF EXISTS {name};
         CREATE PROCEDURE {name}(IN value INT) BEGIN
            INSERT INTO {name}_calls VALUES (value);
            IF (SELECT COUNT(*) FROM {name}_calls) <= {times} THEN
                SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {errno}, MESSAGE_TEXT = 'not yet';
            END IF;
         END"
    );
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut direct(&primary_url()).await).await.unwrap();
    synced().await;
}

/// How often it was called with 7.
async fn calls_of(name: &str) -> u64 {
    number(&primary_url(), &format!("SELECT COUNT(*) FROM {name}_calls WHERE id = 7")).await
}

async fn run<'c>(executor: impl Executor<'c, Database = MySql>, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(executor).await.map(|_| ())
}

/// The number of the error that a statement ends in.
async fn refusal<'c>(executor: impl Executor<'c, Database = MySql>, sql: &str) -> u16 {
    code(&run(executor, sql).await.expect_err(sql))
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn through_every_handle_a_listed_error_is_tried_again_until_it_passes() {
    let (text, call) = ("CALL transient_handles(7)", "CALL transient_handles(?)");
    for handle in ["cluster", "cluster, with arguments", "on", "session", "session, with arguments", "tx", "prepared"] {
        flaky("transient_handles", 2, 9001, "45000").await;
        let (db, statistics) = trying("9001", "");
        let ran = match handle {
            "cluster" => run(&db, text).await,
            "cluster, with arguments" => sqlx::query(call).bind(7).execute(&db).await.map(|_| ()),
            "on" => run(db.primary(), text).await,
            "session" => run(&mut db.session(), text).await,
            "session, with arguments" => sqlx::query(call).bind(7).execute(&mut db.session()).await.map(|_| ()),
            "tx" => {
                let mut tx = db.begin().await.unwrap();
                run(&mut tx, text).await.unwrap();
                tx.commit().await
            }
            _ => {
                let mut session = db.session();
                let prepared = session.prepare(call).await.unwrap();
                let mut arguments = MySqlArguments::default();
                arguments.add(7).unwrap();
                prepared.execute(&mut session, arguments).await.map(|_| ())
            }
        };
        assert!(ran.is_ok(), "{handle}: {ran:?}");
        assert_eq!((statistics.get(RETRIES), calls_of("transient_handles").await), (2, 3), "{handle}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn it_ends_after_so_many_tries_and_the_error_is_the_servers() {
    flaky("transient_ends", 9, 9001, "45000").await;
    let (db, statistics) = trying("9001", "");
    let mut session = db.session();
    assert_eq!(refusal(&mut session, "CALL transient_ends(7)").await, 9001);
    assert_eq!((statistics.get(RETRIES), calls_of("transient_ends").await), (3, 4));
    // Each statement has tries of its own.
    assert_eq!(refusal(&mut session, "CALL transient_ends(7)").await, 9001);
    assert_eq!((statistics.get(RETRIES), calls_of("transient_ends").await), (6, 8));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_is_not_listed_or_says_good_bye_or_comes_late_is_not_tried_again() {
    for (errno, codes) in [(9001, "9002"), (1927, "1927, 2013"), (4031, "4031, 2013")] {
        flaky("transient_not", 1, errno, "45000").await;
        let (db, statistics) = trying(codes, "");
        run(&db, "CALL transient_not(7)").await.expect_err("once");
        assert_eq!((statistics.get(RETRIES), calls_of("transient_not").await), (0, 1), "{errno}");
    }
    // Behind the answer of the first statement nobody may run it again.
    let (db, statistics) = trying("1146", "");
    let late = "DO 1; INSERT INTO transient_nowhere VALUES (1)";
    assert_eq!(refusal(&mut db.session(), late).await, 1146);
    assert_eq!(refusal(&mut db.begin().await.unwrap(), late).await, 1146);
    assert_eq!(statistics.get(RETRIES), 0);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_lock_that_is_waited_for_in_vain_is_waited_for_again() {
    let stock = table("transient_stock", "id INT PRIMARY KEY, pieces INT").await;
    let fill = format!("INSERT INTO {stock} VALUES (1, 5), (2, 5)");
    run(&mut direct(&primary_url()).await, &fill).await.unwrap();
    // One second is the least.
    let (db, statistics) = trying("1205", r#", "init": "SET innodb_lock_wait_timeout = 1""#);
    let take = format!("UPDATE {stock} SET pieces = pieces - 1 WHERE id = 1");
    let take_other = format!("UPDATE {stock} SET pieces = pieces - 1 WHERE id = 2");
    for transaction in [false, true] {
        let before = statistics.get(RETRIES);
        let waits = Arc::clone(&statistics);
        let holder = hold(&stock, async move {
            while waits.get(RETRIES) == before {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        if transaction {
            let mut tx = db.begin().await.unwrap();
            run(&mut tx, &take_other).await.unwrap();
            run(&mut tx, &take).await.unwrap();
            tx.commit().await.unwrap();
        } else {
            run(&db, &take).await.unwrap();
        }
        assert!(statistics.get(RETRIES) > before, "the lock was not held");
        holder.await.unwrap();
    }
    let left = number(&primary_url(), &format!("SELECT SUM(pieces) FROM {stock}")).await;
    assert_eq!(left, 5 + 5 - 1 - 2, "the transaction's first statement is still in it");
}

/// Locks the first row until `enough`.
async fn hold(stock: &str, enough: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    let mut holder = direct(&primary_url()).await;
    let lock = format!("BEGIN; SELECT * FROM {stock} WHERE id = 1 FOR UPDATE");
    run(&mut holder, &lock).await.unwrap();
    tokio::spawn(async move {
        timeout(Duration::from_secs(10), enough).await.expect("somebody waits for the lock");
        run(&mut holder, "COMMIT").await.unwrap();
    })
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn in_a_transaction_an_error_that_undoes_it_is_the_callers() {
    let call = "CALL transient_deadlock(7)";
    for (begun, tried_again) in [("", 1), ("BEGIN", 0), ("SET autocommit = 0", 0), ("tx", 0), ("autocommit off", 0)] {
        flaky("transient_deadlock", 1, 1213, "40001").await;
        let (db, statistics) = trying("1213", "");
        let mut session = db.session();
        let ran = match begun {
            "tx" => run(&mut db.begin().await.unwrap(), call).await,
            "autocommit off" => {
                session.set_autocommit(false).await.unwrap();
                run(&mut session, call).await
            }
            "" => run(&mut session, call).await,
            sql => {
                run(&mut session, &format!("/*ms=primary*/{sql}")).await.unwrap();
                run(&mut session, call).await
            }
        };
        assert_eq!((ran.is_ok(), statistics.get(RETRIES)), (tried_again == 1, tried_again), "{begun}");
    }
    // Also where the section's own statements have switched autocommit off.
    flaky("transient_deadlock", 1, 1213, "40001").await;
    let (db, statistics) = trying("1213", r#", "init": ["SET @a = 1", "SET autocommit = 0"]"#);
    assert_eq!((refusal(&db, call).await, statistics.get(RETRIES)), (1213, 0));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_pause_can_be_given_up_and_the_connection_is_as_good_as_before() {
    let keys = r#", "transient_error": {"mysql_error_codes": [1146], "usleep_retry": 30000000}"#;
    let (db, statistics) = configured(keys);
    let mut session = db.session();
    let id = "/*ms=primary*/SELECT CONNECTION_ID()";
    let before: u64 = sqlx::query_scalar(id).fetch_one(&mut session).await.unwrap();
    tokio::select! {
        ended = run(&mut session, "INSERT INTO transient_nowhere VALUES (1)") => panic!("thirty seconds: {ended:?}"),
        _ = eventually("the pause", async || statistics.get(RETRIES) == 1) => {}
    }
    let after: u64 = sqlx::query_scalar(id).fetch_one(&mut session).await.unwrap();
    assert_eq!(before, after);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn calls_to_all_servers_try_on_each_connection() {
    let (db, statistics) = trying("1049, 1045", r#", "filters": {"random": {"sticky": true}}"#);
    let mut session = db.session();
    for side in ["/*ms=primary*/SELECT 1", "/*ms=replica*/SELECT 1"] {
        run(&mut session, side).await.unwrap();
    }
    let error = session.select_db("transient_nowhere").await.unwrap_err();
    assert_eq!((error.code(), statistics.get(RETRIES)), (1049, 6));
    session.select_db("test").await.unwrap();
    session.set_charset("latin1").await.unwrap();
    assert_eq!(statistics.get(RETRIES), 6);
    let error = session.change_user("app", Password::new("wrong"), None).await.unwrap_err();
    assert_eq!((error.code(), statistics.get(RETRIES)), (1045, 12));
    session.change_user("app", Password::new("app"), Some("test")).await.unwrap();
    run(&mut session, "SELECT 1").await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_refused_commit_is_not_sent_again_faults() {
    let orders = table("transient_orders", "id INT").await;
    let (db, statistics) = trying("1205", r#", "init": "SET lock_wait_timeout = 1""#);
    for commit in ["COMMIT", "set_autocommit"] {
        let mut session = db.session();
        match commit {
            "COMMIT" => run(&mut session, "/*ms=primary*/BEGIN").await.unwrap(),
            _ => session.set_autocommit(false).await.unwrap(),
        }
        run(&mut session, &format!("INSERT INTO {orders} VALUES (1)")).await.unwrap();
        let mut administrator = direct(&primary_url()).await;
        run(&mut administrator, "FLUSH TABLES WITH READ LOCK").await.unwrap();
        let refused = match commit {
            "COMMIT" => refusal(&mut session, "/*ms=primary*/COMMIT").await,
            _ => session.set_autocommit(true).await.unwrap_err().code(),
        };
        run(&mut administrator, "UNLOCK TABLES").await.unwrap();
        assert_eq!((refused, statistics.get(RETRIES)), (1205, 0), "{commit}");
        // This is why: what was to be committed is gone, and a second `COMMIT` would have said that all is well.
        assert_eq!(number(&primary_url(), &format!("SELECT COUNT(*) FROM {orders}")).await, 0, "{commit}");
    }
}
