//! What a session sets up on its connections: who depends on it goes there, what can be told to others is told.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

use std::time::Duration;

use ms_filters::Role;
use ms_pool::{Counter, Error, Session, TxOptions};
use sqlx::{AssertSqlSafe, Row};
use support::{builder, configured, direct, primary_url};

async fn run(session: &mut Session, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(session).await.map(drop)
}

async fn text(session: &mut Session, sql: &str) -> String {
    let row = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_one(session).await.unwrap();
    row.try_get_unchecked(0).unwrap()
}

fn used(session: &Session) -> Role {
    session.last_used().unwrap().role
}

/// Why the statement before went where it went.
fn why(session: &Session) -> String {
    session.last_decision().unwrap().to_string()
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn statements_go_where_what_they_depend_on_is() {
    let (builder, statistics) = builder();
    let db = builder.build().unwrap();
    for (set_up, dependent, reason, free) in [
        ("CREATE TEMPORARY TABLE held_t (id INT)", "SELECT COUNT(*) FROM held_t", "held table", None),
        ("SET @held = 5", "SELECT @held", "held variable", Some("SELECT 1")),
        ("DO GET_LOCK('held', 0)", "SELECT IS_USED_LOCK('held') = CONNECTION_ID()", "held lock", None),
        ("SET SESSION sql_auto_is_null = 1", "SELECT @@sql_auto_is_null", "held setting", None),
    ] {
        let before = statistics.get(Counter::StateBound);
        let mut session = db.session();
        // Nobody is to be asked for positions, which takes connections of its own.
        session.set_consistency(ms_pool::Consistency::EVENTUAL).unwrap();
        run(&mut session, set_up).await.unwrap();
        for _ in 0..3 {
            run(&mut session, dependent).await.unwrap();
            assert_eq!(used(&session), Role::Primary, "{dependent}");
            assert!(why(&session).contains(reason), "{}", why(&session));
        }
        assert_eq!(statistics.get(Counter::StateBound) - before, 3, "{set_up}");
        if let Some(free) = free {
            run(&mut session, free).await.unwrap();
            assert_eq!(used(&session), Role::Replica, "{free}");
        }
        run(&mut session, "/*ms=replica*/SELECT 1").await.unwrap();
        assert_eq!(used(&session), Role::Replica, "a hint is obeyed");
        drop(session);
        assert_eq!(db.state()[0].idle, 0, "the connection is nobody else's: {set_up}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn classic_routes_regardless() {
    let db = configured(r#", "compat": "classic", "filters": ["random"]"#).0;
    let mut session = db.session();
    run(&mut session, "SET @held = 5").await.unwrap();
    run(&mut session, "SELECT @held").await.unwrap();
    assert_eq!(used(&session), Role::Replica);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn settings_are_told_to_the_sessions_other_connections() {
    let db = support::patient();
    let limit = if support::is_mariadb() { "max_statement_time" } else { "max_execution_time" };
    let mut session = db.session();
    // One connection that is open before, the others later.
    run(&mut session, "SELECT 1").await.unwrap();
    for (setting, question, expected) in [
        ("SET time_zone = '+05:00'".to_owned(), "@@time_zone".to_owned(), "+05:00"),
        (format!("SET SESSION {limit} = 55"), format!("CAST(@@{limit} AS SIGNED)"), "55"),
        ("SET time_zone = '+06:00'".to_owned(), "@@time_zone".to_owned(), "+06:00"),
        ("SET NAMES latin1".to_owned(), "@@character_set_client".to_owned(), "latin1"),
        ("USE mysql".to_owned(), "DATABASE()".to_owned(), "mysql"),
        ("USE test".to_owned(), "DATABASE()".to_owned(), "test"),
        ("USE mysql".to_owned(), "DATABASE()".to_owned(), "mysql"),
    ] {
        run(&mut session, &setting).await.unwrap();
        for hint in ["", "", "", "/*ms=primary*/", "/*ms=replica*/"] {
            assert_eq!(text(&mut session, &format!("{hint}SELECT {question}")).await, expected, "{hint} {setting}");
        }
        run(&mut session, "SELECT 1").await.unwrap();
        assert_eq!(used(&session), Role::Replica, "it binds nothing: {setting}");
    }
    run(&mut session, "SET time_zone = 'Nowhere/Nothing'").await.unwrap_err();
    assert_eq!(
        text(&mut session, "/*ms=replica*/SELECT @@time_zone").await,
        "+06:00",
        "what was refused is told nobody"
    );
    session.select_db("test").await.unwrap();
    assert_eq!(text(&mut session, "SELECT DATABASE()").await, "test");
    drop(session);
    let mut other = db.session();
    assert_ne!(text(&mut other, "SELECT @@time_zone").await, "+06:00");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_was_prepared_means_the_database_of_now() {
    let mut admin = direct(&primary_url()).await;
    let create = "CREATE DATABASE IF NOT EXISTS held_other; DROP TABLE IF EXISTS held_where, held_other.held_where; \
        CREATE TABLE held_where (n INT); CREATE TABLE held_other.held_where (n INT); \
        INSERT INTO held_where VALUES (1); INSERT INTO held_other.held_where VALUES (2)";
    sqlx::raw_sql(create).execute(&mut admin).await.unwrap();
    support::synced().await;
    let db = support::patient();
    let mut session = db.session();
    for (name, expected) in [("test", 1), ("held_other", 2), ("test", 1)] {
        run(&mut session, &format!("USE {name}")).await.unwrap();
        for sql in ["/*ms=primary*/SELECT n FROM held_where", "/*ms=replica*/SELECT n FROM held_where"] {
            let n: i32 = sqlx::query_scalar(sql).fetch_one(&mut session).await.unwrap();
            assert_eq!(n, expected, "{sql} in {name}");
        }
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn state_that_is_lost_with_an_abandoned_statement_is_told_once() {
    let db = support::patient();
    let mut session = db.session();
    run(&mut session, "CREATE TEMPORARY TABLE held_lost (id INT)").await.unwrap();
    let slow = tokio::time::timeout(Duration::from_millis(50), run(&mut session, "DO SLEEP(5)")).await;
    assert!(slow.is_err());
    let lost = run(&mut session, "SELECT COUNT(*) FROM held_lost").await.unwrap_err();
    assert!(matches!(Error::of(&lost), Some(Error::StateLost { .. })), "{lost}");
    run(&mut session, "SELECT 1").await.unwrap();
    assert_eq!(used(&session), Role::Replica, "nothing binds any more");

    // Without state there is nothing to tell.
    let slow = tokio::time::timeout(Duration::from_millis(50), run(&mut session, "/*ms=primary*/DO SLEEP(5)")).await;
    assert!(slow.is_err());
    run(&mut session, "/*ms=primary*/SELECT 1").await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_transaction_begins_where_the_state_is() {
    let db = support::patient();
    let mut session = db.session();
    let read_only = TxOptions { read_only: true, ..TxOptions::default() };
    run(&mut session, "SET @held = 5").await.unwrap();
    session.start_transaction(read_only.clone()).await.unwrap();
    assert_eq!(text(&mut session, "SELECT CAST(@held AS CHAR)").await, "5");
    assert_eq!(used(&session), Role::Primary);
    session.commit().await.unwrap();
    session.start_transaction(read_only).await.unwrap();
    run(&mut session, "SELECT 1").await.unwrap();
    assert_eq!(used(&session), Role::Replica);
    session.commit().await.unwrap();
}
