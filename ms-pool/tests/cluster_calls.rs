//! The calls of the original's connection handle: to all servers at once, about just any server, and statements that stay.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

use std::sync::Arc;

use ms_pool::{Cluster, Counter, Error, Password, Session, code};
use sqlx::{AssertSqlSafe, Row, mysql::MySqlArguments};
use support::{
    account, address, builder, configured, connections_of, direct, kill_connections_of, number, primary_url,
    replica_url, section,
};

const PRIMARY: &str = "/*ms=primary*/";
const REPLICA: &str = "/*ms=replica*/";

/// The first value of a statement, as text.
async fn text(session: &mut Session, sql: &str) -> Option<String> {
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(session).await.unwrap();
    row.try_get_unchecked(0).unwrap()
}

async fn on_both(session: &mut Session, expression: &str) -> [Option<String>; 2] {
    let primary = text(session, &format!("{PRIMARY}SELECT {expression}")).await;
    [primary, text(session, &format!("{REPLICA}SELECT {expression}")).await]
}

fn both(value: &str) -> [Option<String>; 2] {
    [Some(value.to_owned()), Some(value.to_owned())]
}

fn sticky() -> Cluster {
    configured(r#", "filters": {"random": {"sticky": true}}"#).0
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_database_is_for_open_and_later_connections_and_for_prepared_statements() {
    let db = sticky();
    let mut session = db.session();
    let prepared = async |session: &mut Session| {
        let sql = "/*ms=primary*/SELECT COUNT(*) FROM calls_of_a_database";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(session).await
    };
    let mut primary = direct(&primary_url()).await;
    let create = "CREATE DATABASE IF NOT EXISTS calls; DROP TABLE IF EXISTS calls.calls_of_a_database, calls_of_a_database; \
        CREATE TABLE calls_of_a_database (id INT); CREATE TABLE calls.calls_of_a_database (id INT); \
        INSERT INTO calls.calls_of_a_database VALUES (1)";
    sqlx::raw_sql(create).execute(&mut primary).await.unwrap();
    support::synced().await;

    assert_eq!(prepared(&mut session).await.unwrap(), 0);
    session.select_db("calls").await.unwrap();
    assert_eq!(prepared(&mut session).await.unwrap(), 1, "a statement from before means the new database's table");
    assert_eq!(on_both(&mut session, "DATABASE()").await, both("calls"), "the replica was opened later");
    session.select_db("test").await.unwrap();
    assert_eq!(prepared(&mut session).await.unwrap(), 0);
    sqlx::raw_sql("DROP DATABASE calls; DROP TABLE calls_of_a_database").execute(&mut primary).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_connection_that_differs_is_nobody_elses() {
    let db = sticky();
    let mut session = db.session();
    let id = async |session: &mut Session| text(session, "/*ms=primary*/SELECT CONNECTION_ID()").await;
    let first = id(&mut session).await;
    session.select_db("information_schema").await.unwrap();
    session.set_charset("latin1").await.unwrap();
    session.set_autocommit(false).await.unwrap();
    session.select_db("test").await.unwrap();
    session.set_charset("utf8mb4").await.unwrap();
    session.set_autocommit(true).await.unwrap();
    drop(session);
    let mut session = db.session();
    assert_eq!(id(&mut session).await, first, "all is as it was");

    for call in 0..3 {
        let before = id(&mut session).await;
        match call {
            0 => session.select_db("information_schema").await.unwrap(),
            1 => session.set_charset("latin1").await.unwrap(),
            _ => session.set_autocommit(false).await.unwrap(),
        }
        drop(session);
        session = db.session();
        assert_ne!(id(&mut session).await, before, "call {call}");
        assert_eq!(text(&mut session, "/*ms=primary*/SELECT DATABASE()").await.as_deref(), Some("test"));
        assert_eq!(text(&mut session, "/*ms=primary*/SELECT @@autocommit").await.as_deref(), Some("1"));
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn one_lost_connection_does_not_keep_the_others_from_being_told() {
    let db = sticky();
    let mut session = db.session();
    on_both(&mut session, "1").await;
    let replica = session.last_used().unwrap();
    let (name, id) = (replica.name.to_owned(), replica.connection_id.unwrap());
    let url = replica_url(if name == "replica1" { 1 } else { 2 });
    sqlx::raw_sql(AssertSqlSafe(format!("KILL {id}"))).execute(&mut direct(&url).await).await.unwrap();

    let error = session.select_db("information_schema").await.unwrap_err();
    let Error::Broadcast { call: "select_db", failures } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(failures.iter().map(|it| &*it.server).collect::<Vec<_>>(), [name]);
    assert!(matches!(error.code(), 2006 | 2013), "{error:?}");
    assert_eq!(on_both(&mut session, "DATABASE()").await, both("information_schema"), "a new one to the replica");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn names_are_names() {
    let db = sticky();
    let mut session = db.session();
    on_both(&mut session, "1").await;
    let error = session.select_db("a`; DROP DATABASE `test").await.unwrap_err();
    assert_eq!(error.code(), 1049);
    let Error::Broadcast { failures, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(failures.iter().count(), 2, "all causes: {failures}");
    assert!(matches!(session.select_db("a\0").await, Err(Error::Refused { .. })));
    for charset in ["utf8; DROP TABLE t", "", "gbk"] {
        assert!(matches!(session.set_charset(charset).await, Err(Error::Refused { .. })), "{charset}");
    }
    assert_eq!(session.charset(), "utf8mb4");
    session.select_db("test").await.unwrap();
    assert_eq!(on_both(&mut session, "DATABASE()").await, both("test"));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_charset_is_for_open_and_later_connections() {
    let db = sticky();
    let mut session = db.session();
    text(&mut session, "/*ms=primary*/SELECT 1").await;
    session.set_charset("latin1").await.unwrap();
    assert_eq!(session.charset(), "latin1");
    assert_eq!(on_both(&mut session, "@@character_set_connection").await, both("latin1"));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn without_autocommit_what_was_written_goes_with_the_session() {
    let table = support::table("calls_autocommit", "id INT").await;
    let (builder, statistics) = builder();
    let db = builder.build().unwrap();
    let insert = format!("INSERT INTO {table} VALUES (1)");
    let rows = async || number(&primary_url(), &format!("SELECT COUNT(*) FROM {table}")).await;

    let mut session = db.session();
    session.set_autocommit(false).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(insert.as_str())).execute(&mut session).await.unwrap();
    drop(session);
    assert_eq!(rows().await, 0, "the connection was closed");

    let mut session = db.session();
    session.set_autocommit(false).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(insert.as_str())).execute(&mut session).await.unwrap();
    session.set_autocommit(true).await.unwrap();
    assert_eq!(rows().await, 1);
    let counts = (statistics.get(Counter::AutocommitOff), statistics.get(Counter::AutocommitOn));
    assert_eq!(counts, (2, 1));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn another_user_replaces_open_connections_and_counts_nothing() {
    account("calls_user").await;
    let (db, statistics) = configured(r#", "filters": {"random": {"sticky": true}}"#);
    let mut session = db.session();
    on_both(&mut session, "1").await;
    let used = session.last_used().unwrap().name.to_owned();
    let before: Vec<_> = statistics.iter().collect();
    session.change_user("calls_user", Password::new("calls_user"), Some("information_schema")).await.unwrap();
    assert_eq!(statistics.iter().collect::<Vec<_>>(), before);
    assert_eq!(connections_of("calls_user", &primary_url()).await, 1, "at once");

    let user = "CONCAT(SUBSTRING_INDEX(CURRENT_USER(), '@', 1), ' ', DATABASE())";
    assert_eq!(on_both(&mut session, user).await, both("calls_user information_schema"));
    assert_eq!(session.last_used().unwrap().name, used, "the sticky choice stays");
    assert!(session.dump_servers().iter().all(|it| it.user == "calls_user"));
    drop(session);
    assert_eq!(text(&mut db.session(), "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)").await.as_deref(), Some("app"));
    for _ in 0..50 {
        if connections_of("calls_user", &primary_url()).await == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the new account's connections outlive the session");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_user_who_is_not_let_in_leaves_nothing_of_the_former() {
    let db = sticky();
    let mut session = db.session();
    on_both(&mut session, "1").await;
    let error = session.change_user("app", Password::new("wrong"), Some("test")).await.unwrap_err();
    let Error::Broadcast { failures, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!((error.code(), error.sqlstate(), failures.iter().count()), (1045, "28000", 2));
    assert_eq!(session.open_servers().count(), 0);
    let refused = sqlx::query("SELECT 1").execute(&mut session).await.unwrap_err();
    assert_eq!(code(&refused), 1045);
    session.change_user("app", Password::new("app"), Some("test")).await.unwrap();
    assert_eq!(on_both(&mut session, "DATABASE()").await, both("test"));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_prepared_statement_stays_and_says_nothing_of_the_next() {
    let (db, statistics) = configured(r#", "filters": {"roundrobin": []}"#);
    let mut session = db.session();
    let first = session.prepare("SELECT CONNECTION_ID()").await.unwrap();
    assert_eq!((first.server(), first.sql()), ("replica1", "SELECT CONNECTION_ID()"));
    text(&mut session, "/*ms=primary*/SELECT 1").await;
    let before: Vec<_> = statistics.iter().collect();
    for _ in 0..2 {
        let rows = first.fetch_all(&mut session, MySqlArguments::default()).await.unwrap();
        assert_eq!(rows[0].get_unchecked::<u64, _>(0), first.connection_id());
    }
    assert_eq!(statistics.iter().collect::<Vec<_>>(), before);
    assert_eq!(session.last_used().unwrap().name, "primary");
    text(&mut session, "/*ms=last_used*/SELECT 1").await;
    assert_eq!(session.last_used().unwrap().name, "primary");

    let other = first.fetch_all(&mut db.session(), MySqlArguments::default()).await.unwrap_err();
    assert!(matches!(Error::of(&other), Some(Error::PreparedLost { .. })), "{other:?}");
    session.change_user("app", Password::new("app"), Some("test")).await.unwrap();
    let replaced = first.execute(&mut session, MySqlArguments::default()).await.unwrap_err();
    assert_eq!((code(&replaced), session.dump_servers()[1].name), (2006, "replica1"));

    let second = session.prepare("SELECT 1").await.unwrap();
    let url = replica_url(if second.server() == "replica1" { 1 } else { 2 });
    let kill = format!("KILL {}", second.connection_id());
    sqlx::raw_sql(AssertSqlSafe(kill)).execute(&mut direct(&url).await).await.unwrap();
    for _ in 0..2 {
        let lost = second.execute(&mut session, MySqlArguments::default()).await.unwrap_err();
        assert!(matches!(code(&lost), 2006 | 2013), "it is not sent elsewhere: {lost:?}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn just_any_server_is_the_first_primary_that_works() {
    let (db, statistics) = configured("");
    let mut session = db.session();
    assert_eq!(session.warning_count().await.unwrap(), 0);
    let info = session.server_info().await.unwrap();
    assert_eq!(session.last_used().unwrap().name, "primary");
    let counts = (statistics.get(Counter::UsePrimary), statistics.get(Counter::LazyPrimarySuccess));
    assert_eq!((counts, info.mariadb), ((1, 1), support::is_mariadb()));
    session.ping().await.unwrap();
    session.server_info().await.unwrap();
    assert_eq!(statistics.get(Counter::UsePrimary), 1, "it is connected now");

    sqlx::raw_sql("DROP TABLE IF EXISTS no_such_table_of_calls").execute(&mut session).await.unwrap();
    assert_eq!(session.warning_count().await.unwrap(), 1);
    assert_eq!(session.warning_count().await.unwrap(), 1, "asking changes nothing");

    let id = session.last_used().unwrap().connection_id.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("KILL {id}"))).execute(&mut direct(&primary_url()).await).await.unwrap();
    assert!(matches!(code(&session.ping().await.unwrap_err()), 2006 | 2013));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn escaped_text_comes_back_as_it_was() {
    let (host, port) = address(&primary_url());
    let text_of = "it's \"\\ \n\r\0\x1a %_ čaj";
    for init in ["", r#", "init": ["SET sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')"]"#] {
        let file = format!(
            r#"{{"shop": {{"master": [{{"host": "{host}", "port": {port}, "user": "app", "password": "app"}}], "slave": [] {init}}}}}"#
        );
        let db = Cluster::builder().config_text("ms.json", file).build().unwrap();
        let mut session = db.session();
        text(&mut session, "/*ms=primary*/SELECT 1").await;
        let sql = format!("/*ms=primary*/SELECT '{}'", session.escape(text_of).unwrap());
        assert_eq!(text(&mut session, &sql).await.as_deref(), Some(text_of), "{init}");
        sqlx::raw_sql("SET @@session.sql_mode = ''").execute(&mut session).await.unwrap();
        assert!(matches!(session.escape("a"), Err(Error::Refused { .. })), "nobody knows the mode now");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn eager_in_classic_leaves_replicas_alone_when_a_primary_is_dead() {
    let port = address(&primary_url()).1.to_string();
    let file = |compat| {
        let file = section(&format!(r#", "compat": "{compat}", "lazy_connections": 0"#));
        file.replacen(&format!("\"port\": {port}"), "\"port\": 1", 1)
    };
    for (compat, replicas) in [("classic", 0), ("strict", 2)] {
        let statistics = Arc::new(ms_pool::Statistics::default());
        let builder = Cluster::builder().config_text("ms.json", file(compat)).statistics(Arc::clone(&statistics));
        assert_eq!(builder.connect().await.unwrap_err().code(), 2003);
        let counts = (statistics.get(Counter::EagerPrimaryFailure), statistics.get(Counter::EagerReplicaSuccess));
        assert_eq!(counts, (1, replicas), "{compat}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn where_connections_are_eager_a_refusal_shows_with_the_call() {
    for (lazy, refusals) in [("false", 3), ("true", 0)] {
        let keys =
            format!(r#", "lazy_connections": {lazy}, "compat": "classic", "pool": {{"verify_idle_after_ms": 60000}}"#);
        let db = Cluster::builder().config_text("test.json", section(&keys)).connect().await.unwrap();
        let mut session = db.session();
        let refused = session.select_db("calls_nowhere").await;
        let failures = refused.map_or_else(|error| named(&error), |()| 0);
        assert_eq!((failures, session.open_servers().count()), (refusals, refusals), "lazy: {lazy}");
        let refused = session.change_user("calls_nobody", Password::NONE, None).await;
        assert_eq!(refused.map_or_else(|error| named(&error), |()| 0), refusals, "lazy: {lazy}");
    }
}

/// How many servers an error of a call names.
fn named(error: &Error) -> usize {
    match error {
        Error::Broadcast { failures, .. } => failures.iter().count(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn an_eager_connection_that_died_meanwhile_refuses_nothing() {
    account("calls_eager").await;
    // Taken for alive while the others are looked for.
    let keys = section(r#", "lazy_connections": false, "pool": {"verify_idle_after_ms": 60000}"#);
    let keys = keys.replace(r#""app""#, r#""calls_eager""#);
    let db = Cluster::builder().config_text("test.json", keys).connect().await.unwrap();
    assert_eq!(kill_connections_of("calls_eager", &replica_url(1)).await, 1);
    let mut session = db.session();
    session.select_db("information_schema").await.unwrap();
    assert_eq!(session.open_servers().count(), 2);
    let database = "/*ms=replica*/SELECT DATABASE()";
    for _ in 0..2 {
        assert_eq!(text(&mut session, database).await.as_deref(), Some("information_schema"));
    }
}
