//! Transactions of sessions and guards: where they run, how they end, what is left when they do not.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

use std::time::Duration;

use ms_filters::Role;
use ms_pool::{Cluster, Consistency, Error, Isolation, Session, TxOptions};
use sqlx::{AssertSqlSafe, Executor, Row, mysql::MySqlArguments};
use support::{configured, direct, eventually, no_transaction, number, open_transactions, patient, primary_url, table};

fn read_only() -> TxOptions {
    TxOptions { read_only: true, ..TxOptions::default() }
}

fn classic(stickiness: &str) -> Cluster {
    configured(&format!(r#", "filters": ["random"], "compat": "classic", "trx_stickiness": "{stickiness}""#)).0
}

async fn run(executor: impl Executor<'_, Database = sqlx::MySql>, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(executor).await.map(drop)
}

async fn text(session: &mut Session, sql: &str) -> String {
    let row = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_one(session).await.unwrap();
    row.try_get_unchecked(0).unwrap()
}

/// The role of the server that the session used last.
fn used(session: &Session) -> Role {
    session.last_used().unwrap().role
}

/// What anybody else sees in the table.
async fn seen(table: &str) -> u64 {
    number(&primary_url(), &format!("SELECT COUNT(*) FROM {table}")).await
}

/// Kills the connection the session used last.
async fn kill_last(session: &Session) {
    let id = session.last_used().unwrap().connection_id.unwrap();
    run(&mut direct(&primary_url()).await, &format!("KILL {id}")).await.unwrap();
    let gone = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {id}");
    eventually("the killed connection to go", async || number(&primary_url(), &gone).await == 0).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_session_keeps_a_transaction_on_one_server_until_it_ends() {
    let db = patient();
    let table = table("trx_session", "id INT PRIMARY KEY").await;
    let mut session = db.session();
    run(&mut session, "SELECT 1").await.unwrap();
    assert_eq!(used(&session), Role::Replica);

    session.start_transaction(TxOptions::default()).await.unwrap();
    assert!(session.in_transaction());
    assert_eq!(db.state()[0].opened, 0, "nothing is sent before the first statement");
    for (id, sql) in [(1, "SELECT 1"), (2, "/*ms=replica*/SELECT 1")] {
        run(&mut session, sql).await.unwrap();
        assert_eq!(used(&session), Role::Primary);
        run(&mut session, &format!("INSERT INTO {table} VALUES ({id})")).await.unwrap();
    }
    assert_eq!(seen(&table).await, 0);
    session.commit().await.unwrap();
    assert_eq!((seen(&table).await, session.in_transaction()), (2, false));
    run(&mut session, "SELECT 1").await.unwrap();
    assert_eq!(used(&session), Role::Replica);

    session.start_transaction(TxOptions::default()).await.unwrap();
    run(&mut session, &format!("DELETE FROM {table}")).await.unwrap();
    session.rollback().await.unwrap();
    assert_eq!(seen(&table).await, 2);
    drop(session);
    // One may still be asking a replica for what was committed.
    support::eventually("the connections to be as they were", async || db.num_idle() == db.size()).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_transaction_with_nothing_in_it_sends_nothing() {
    let db = patient();
    let mut session = db.session();
    session.start_transaction(TxOptions::default()).await.unwrap();
    session.commit().await.unwrap();
    assert!(!session.in_transaction());
    session.start_transaction(TxOptions::default()).await.unwrap();
    session.rollback().await.unwrap();
    assert_eq!(db.size(), 0);
    run(&mut session, "SELECT 1").await.unwrap();
    assert_eq!(used(&session), Role::Replica, "no `BEGIN` is left over");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_read_only_transaction_runs_on_a_replica_and_refuses_writes_there() {
    let db = patient();
    let table = table("trx_read_only", "id INT PRIMARY KEY").await;
    let mut session = db.session();
    session.start_transaction(TxOptions { snapshot: true, name: Some("report".into()), ..read_only() }).await.unwrap();
    run(&mut session, &format!("SELECT * FROM {table}")).await.unwrap();
    assert_eq!(used(&session), Role::Replica);
    let refused = run(&mut session, &format!("INSERT INTO {table} VALUES (1)")).await.unwrap_err();
    // A server that is read-only for everybody says so first.
    assert!([1290, 1792].contains(&ms_pool::code(&refused)), "{refused}");
    assert_eq!(used(&session), Role::Replica);
    session.commit().await.unwrap();
    run(&mut session, &format!("INSERT INTO {table} VALUES (1)")).await.unwrap();
    assert_eq!((used(&session), seen(&table).await), (Role::Primary, 1));

    let mut tx = db.begin_with(read_only()).await.unwrap();
    assert!(tx.server().starts_with("replica"), "{}", tx.server());
    let refused = run(&mut tx, &format!("INSERT INTO {table} VALUES (2)")).await.unwrap_err();
    assert!([1290, 1792].contains(&ms_pool::code(&refused)), "{refused}");
    tx.commit().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn classic_keeps_the_originals_three_kinds_of_stickiness() {
    for (stickiness, options, expected) in [
        ("disabled", read_only(), Role::Replica),
        ("disabled", TxOptions::default(), Role::Replica),
        ("master", read_only(), Role::Primary),
        ("on", TxOptions::default(), Role::Primary),
        ("on", read_only(), Role::Replica),
    ] {
        let db = classic(stickiness);
        let mut session = db.session();
        session.start_transaction(options.clone()).await.unwrap();
        assert_eq!(db.state()[0].opened, u64::from(stickiness == "disabled"), "{stickiness}");
        run(&mut session, "SELECT 1").await.unwrap();
        assert_eq!(used(&session), expected, "{stickiness} {options:?}");
        run(&mut session, "COMMIT").await.unwrap();
        let bound = if stickiness == "disabled" { Role::Primary } else { expected };
        assert_eq!(used(&session), bound, "text is not seen: {stickiness}");
        assert!(session.in_transaction());
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn strict_sees_transactions_in_text() {
    let db = patient();
    let table = table("trx_text", "id INT PRIMARY KEY AUTO_INCREMENT").await;
    let insert = format!("INSERT INTO {table} VALUES ()");
    let mut session = db.session();
    for (begin, end, left) in [
        ("BEGIN", "COMMIT", 1),
        ("START TRANSACTION", "ROLLBACK", 1),
        ("SET autocommit = 0", "SET autocommit = 1", 2),
        ("BEGIN", "CREATE TABLE IF NOT EXISTS trx_text_other (id INT)", 3),
    ] {
        run(&mut session, begin).await.unwrap();
        assert!(session.in_transaction(), "{begin}");
        run(&mut session, &insert).await.unwrap();
        run(&mut session, "SELECT 1").await.unwrap();
        assert_eq!(used(&session), Role::Primary, "{begin}");
        run(&mut session, end).await.unwrap();
        assert_eq!((session.in_transaction(), seen(&table).await), (false, left), "{end}");
        run(&mut session, "SELECT 1").await.unwrap();
        assert_eq!(used(&session), Role::Replica, "{begin} {end} {:?}", session.last_decision());
    }
    run(&mut session, "START TRANSACTION READ ONLY").await.unwrap();
    assert_eq!(used(&session), Role::Replica);
    run(&mut session, "COMMIT AND CHAIN").await.unwrap();
    assert!(session.in_transaction());
    run(&mut session, "ROLLBACK").await.unwrap();
    assert!(!session.in_transaction());
    drop(session);
    let unused = async || db.num_idle() == db.size();
    support::eventually("what text has ended to be back: it needs no closing", unused).await;
    assert!(db.size() > 0);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn text_and_calls_can_be_mixed() {
    let db = patient();
    let table = table("trx_mixed", "id INT PRIMARY KEY AUTO_INCREMENT").await;
    let insert = format!("INSERT INTO {table} VALUES ()");
    let mut session = db.session();
    session.start_transaction(TxOptions::default()).await.unwrap();
    run(&mut session, &insert).await.unwrap();
    run(&mut session, "COMMIT").await.unwrap();
    assert_eq!((session.in_transaction(), seen(&table).await), (false, 1));
    // The driver still counts the first one.
    session.start_transaction(TxOptions::default()).await.unwrap();
    run(&mut session, &insert).await.unwrap();
    session.rollback().await.unwrap();
    assert_eq!(seen(&table).await, 1);
    run(&mut session, "BEGIN").await.unwrap();
    run(&mut session, &insert).await.unwrap();
    session.start_transaction(TxOptions::default()).await.unwrap();
    assert_eq!(seen(&table).await, 2, "a second start commits the first transaction");
    run(&mut session, &insert).await.unwrap();
    session.set_autocommit(true).await.unwrap();
    assert_eq!((seen(&table).await, session.in_transaction()), (3, false));
    session.set_autocommit(false).await.unwrap();
    run(&mut session, &insert).await.unwrap();
    session.commit().await.unwrap();
    assert_eq!((seen(&table).await, session.in_transaction()), (4, true), "the next one is open already");
    run(&mut session, &insert).await.unwrap();
    drop(session);
    assert_eq!(seen(&table).await, 4);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_lost_transaction_is_told_once_and_never_continued() {
    let db = patient();
    let table = table("trx_lost", "id INT PRIMARY KEY AUTO_INCREMENT").await;
    let insert = format!("INSERT INTO {table} VALUES ()");
    let mut session = db.session();
    session.start_transaction(TxOptions::default()).await.unwrap();
    run(&mut session, &insert).await.unwrap();
    kill_last(&session).await;
    let lost = run(&mut session, &insert).await.unwrap_err();
    assert!([2006, 2013].contains(&ms_pool::code(&lost)), "{lost}");
    run(&mut session, &insert).await.expect("the session is usable again");
    assert_eq!((seen(&table).await, session.in_transaction()), (1, false), "outside the transaction");

    // A commit does not pretend.
    session.start_transaction(TxOptions::default()).await.unwrap();
    run(&mut session, &insert).await.unwrap();
    kill_last(&session).await;
    run(&mut session, "SELECT 1").await.unwrap_err();
    let lost = session.commit().await.unwrap_err();
    assert!(ms_pool::code(&lost) == 2013 || matches!(Error::of(&lost), Some(Error::TransactionLost { .. })), "{lost}");
    assert_eq!(seen(&table).await, 1);
    session.commit().await.expect("it was told");

    // A rollback has what it wants, and a cancelled statement is told at the next one.
    session.start_transaction(TxOptions::default()).await.unwrap();
    run(&mut session, &insert).await.unwrap();
    let slow = tokio::time::timeout(Duration::from_millis(50), run(&mut session, "DO SLEEP(5)")).await;
    assert!(slow.is_err());
    let lost = run(&mut session, &insert).await.unwrap_err();
    assert!(matches!(Error::of(&lost), Some(Error::TransactionLost { .. })), "{lost}");
    session.start_transaction(TxOptions::default()).await.unwrap();
    run(&mut session, &insert).await.unwrap();
    kill_last(&session).await;
    session.rollback().await.expect("the server has done it");
    assert_eq!(seen(&table).await, 1);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_guard_never_runs_a_statement_outside_its_transaction() {
    let db = patient();
    let table = table("trx_guard", "id INT PRIMARY KEY AUTO_INCREMENT").await;
    let insert = format!("INSERT INTO {table} VALUES ()");
    let mut tx = db.begin().await.unwrap();
    for text in ["BEGIN", "COMMIT", "ROLLBACK", "SET autocommit = 1"] {
        let refused = run(&mut tx, text).await.unwrap_err();
        assert!(matches!(Error::of(&refused), Some(Error::Refused { .. })), "{text}: {refused}");
    }
    run(&mut tx, &insert).await.unwrap();
    let slow = tokio::time::timeout(Duration::from_millis(50), run(&mut tx, "DO SLEEP(5)")).await;
    assert!(slow.is_err());
    for _ in 0..3 {
        let lost = run(&mut tx, &insert).await.unwrap_err();
        assert!(matches!(Error::of(&lost), Some(Error::TransactionLost { .. })), "{lost}");
    }
    let lost = tx.commit().await.unwrap_err();
    assert!(matches!(Error::of(&lost), Some(Error::TransactionLost { .. })), "{lost}");
    assert_eq!(seen(&table).await, 0);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_guard_in_a_session_sees_its_state_and_leaves_it() {
    let db = patient();
    let table = table("trx_borrowed", "id INT PRIMARY KEY AUTO_INCREMENT").await;
    let insert = format!("INSERT INTO {table} VALUES ()");
    let mut session = db.session();
    run(&mut session, "/*ms=primary*/SET @a = 7").await.unwrap();
    let mut tx = session.begin(TxOptions::default()).await.unwrap();
    run(&mut tx, &insert).await.unwrap();
    let seven: i64 = sqlx::query_scalar("SELECT CAST(@a AS SIGNED)").fetch_one(&mut tx).await.unwrap();
    assert_eq!(seven, 7);
    tx.savepoint("half`way").await.unwrap();
    run(&mut tx, &insert).await.unwrap();
    tx.rollback_to("half`way").await.unwrap();
    tx.release_savepoint("half`way").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(seen(&table).await, 1);
    assert_eq!(text(&mut session, "/*ms=primary*/SELECT CAST(@a AS CHAR)").await, "7");

    let mut tx = session.begin(TxOptions::default()).await.unwrap();
    run(&mut tx, &insert).await.unwrap();
    let id: i64 = sqlx::query_scalar("SELECT CAST(CONNECTION_ID() AS SIGNED)").fetch_one(&mut tx).await.unwrap();
    let its = format!("p.id = {id}");
    assert_eq!(open_transactions(&primary_url(), &its).await.len(), 1);
    drop(tx);
    assert!(!session.in_transaction());
    no_transaction(&primary_url(), &its, "the transaction that was dropped").await;
    run(&mut session, &insert).await.unwrap();
    assert_eq!(seen(&table).await, 2);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn settings_of_the_next_transaction_go_where_it_begins() {
    let db = patient();
    let variable = if support::is_mariadb() { "tx_isolation" } else { "transaction_isolation" };
    let mut session = db.session();
    let options = TxOptions { isolation: Some(Isolation::ReadUncommitted), ..TxOptions::default() };
    let table = table("trx_isolation", "id INT PRIMARY KEY").await;
    let mut writer = db.begin().await.unwrap();
    run(&mut writer, &format!("INSERT INTO {table} VALUES (1)")).await.unwrap();
    let count = format!("SELECT COUNT(*) FROM {table}");
    session.start_transaction(options).await.unwrap();
    assert_eq!(text(&mut session, &count).await, "1", "dirty reads were asked for");
    session.commit().await.unwrap();
    session.start_transaction(TxOptions::default()).await.unwrap();
    assert_eq!(text(&mut session, &count).await, "0", "for one transaction only");
    assert_ne!(text(&mut session, &format!("SELECT @@{variable}")).await, "READ-UNCOMMITTED");
    session.commit().await.unwrap();

    // On a replica, which would be no place for a transaction.
    run(&mut session, "/*ms=replica*/SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED").await.unwrap();
    let there = session.last_used().unwrap().name.to_owned();
    session.start_transaction(TxOptions::default()).await.unwrap();
    text(&mut session, &count).await;
    assert_eq!(session.last_used().unwrap().name, there);
    session.rollback().await.unwrap();
    writer.rollback().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_service_level_stays_while_a_transaction_is_bound() {
    let db = patient();
    let mut session = db.session();
    session.set_consistency(Consistency::Strong).unwrap();
    run(&mut session, "SELECT 1").await.unwrap();
    assert_eq!(used(&session), Role::Primary);
    session.start_transaction(read_only()).await.unwrap();
    session.set_consistency(Consistency::EVENTUAL).unwrap();
    run(&mut session, "SELECT 1").await.unwrap();
    assert_eq!(used(&session), Role::Replica);
    let refused = session.set_consistency(Consistency::Strong).unwrap_err();
    assert!(refused.to_string().contains("No change allowed in the middle of a transaction"), "{refused}");
    session.commit().await.unwrap();
    session.set_consistency(Consistency::Strong).unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_dropped_session_rolls_back_and_its_connection_is_used_again() {
    let db = patient();
    let table = table("trx_dropped", "id INT PRIMARY KEY").await;
    for round in 0..3 {
        let mut session = db.session();
        session.start_transaction(TxOptions::default()).await.unwrap();
        run(&mut session, &format!("INSERT INTO {table} VALUES (1)")).await.unwrap();
        drop(session);
        eventually("the rollback", async || db.num_idle() == 1).await;
        assert_eq!((db.state()[0].opened, seen(&table).await), (1, 0), "round {round}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_hint_or_a_callback_does_not_lose_the_start() {
    let (to_primary, table) = ("/*ms=primary*/", table("trx_hinted", "id INT PRIMARY KEY AUTO_INCREMENT").await);
    for compat in ["classic", "strict"] {
        let by_callback = support::section(&format!(
            r#", "compat": "{compat}", "filters": {{"user": {{"callback": "first"}}}}, "trx_stickiness": "on""#
        ));
        let by_callback = Cluster::builder().config_text("test.json", by_callback);
        let by_callback = by_callback.user_callback("first", |call| call.primaries.uri(0).into()).build().unwrap();
        let by_hint = configured(&format!(r#", "compat": "{compat}", "trx_stickiness": "on""#)).0;
        for db in [by_callback, by_hint] {
            let mut session = db.session();
            session.start_transaction(TxOptions::default()).await.unwrap();
            run(&mut session, &format!("{to_primary}INSERT INTO {table} VALUES ()")).await.unwrap();
            session.rollback().await.unwrap();
            assert_eq!(seen(&table).await, 0, "{compat}");
        }
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_first_statement_that_finds_no_server_says_which_and_why() {
    let (host, port) = support::address(&primary_url());
    let primary = format!(r#"{{"host": "{host}", "port": {port}, "user": "app", "password": "app", "db": "test"}}"#);
    // Nobody listens on port 1.
    let text = format!(
        r#"{{"shop": {{"master": {{"primary": {primary}}}, "slave": {{"dead": {{"host": "{host}", "port": 1}}}},
            "filters": ["roundrobin"], "failover": "disabled", "trx_stickiness": "on"}}}}"#
    );
    let db = Cluster::builder().config_text("test.json", text).build().unwrap();
    let mut session = db.session();
    session.start_transaction(read_only()).await.unwrap();
    let error = run(&mut session, "SELECT 1").await.unwrap_err();
    assert_eq!(ms_pool::code(&error), 2003, "{error}");
    assert!(error.to_string().contains("dead"), "{error}");
    assert!(session.in_transaction(), "nothing was begun, and the next statement may find a server");
    session.rollback().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_definition_inside_a_guard_commits_and_is_warned_of() {
    let warnings = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = std::sync::Arc::clone(&warnings);
    let db = support::builder().0.on_warning(move |it| heard.lock().unwrap().push(it.to_string())).build().unwrap();
    let table = table("trx_definition", "id INT PRIMARY KEY AUTO_INCREMENT").await;
    let insert = format!("INSERT INTO {table} VALUES ()");
    let mut tx = db.begin().await.unwrap();
    run(&mut tx, &insert).await.unwrap();
    run(&mut tx, "CREATE TABLE IF NOT EXISTS trx_definition_other (id INT)").await.unwrap();
    assert_eq!((tx.server(), seen(&table).await), ("primary", 1));
    run(&mut tx, &insert).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(seen(&table).await, 2, "there was nothing to roll back any more");
    let warnings = warnings.lock().unwrap();
    assert!(warnings.iter().any(|it| it.contains("has committed the transaction on server `primary`")), "{warnings:?}");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_statement_that_stays_with_its_connection_joins_the_transaction_there_or_is_refused() {
    let db = patient();
    let table = table("trx_prepared", "id INT PRIMARY KEY AUTO_INCREMENT").await;
    let mut session = db.session();
    let insert = AssertSqlSafe(format!("INSERT INTO {table} VALUES ()"));
    let insert = Session::prepare(&mut session, insert).await.unwrap();
    let read = Session::prepare(&mut session, "SELECT 1").await.unwrap();
    assert_eq!((insert.role(), read.role()), (Role::Primary, Role::Replica));
    session.start_transaction(TxOptions::default()).await.unwrap();
    insert.execute(&mut session, MySqlArguments::default()).await.unwrap();
    let refused = read.execute(&mut session, MySqlArguments::default()).await.unwrap_err();
    assert!(matches!(Error::of(&refused), Some(Error::Refused { .. })), "{refused}");
    session.rollback().await.unwrap();
    assert_eq!(seen(&table).await, 0, "it began with the prepared statement");
    read.execute(&mut session, MySqlArguments::default()).await.unwrap();
    for control in ["COMMIT", "SET time_zone = '+01:00'"] {
        let refused = Session::prepare(&mut session, control).await.unwrap_err();
        assert!(matches!(Error::of(&refused), Some(Error::Refused { .. })), "{control}: {refused}");
    }
    assert!(!session.in_transaction());
}
