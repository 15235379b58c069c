//! Rules for tables: the filter `table` of the configuration.
//!
//! What is decided without a server, errors above all, needs no cluster; the others show that it happens on real ones.
#![cfg(feature = "table-rules")]
#![allow(clippy::unwrap_used, reason = "a broken set-up is a failed test")]

#[path = "support/cluster.rs"]
mod support;

use std::sync::{Arc, Mutex};

use ms_filters::Tables;
use ms_pool::{Cluster, Error, Session};
use sqlx::Executor;
use support::{address, configured, replica_url};

const NO_PRIMARY: &str = "Couldn't find the appropriate master connection. Something is wrong";

#[tokio::test]
async fn an_error_says_which_table_has_no_server_by_which_rules() {
    let (db, warnings) = dead(r#"{"shop.a%": {"master": ["primary"]}, "shop.b": {"slave": ["replica"]}}"#);
    for (sql, expected) in [
        (
            "UPDATE `c` SET x = 1",
            "no rule matches a table of it (ERROR): table `shop.c` by the rules `shop.filters.table.rules`",
        ),
        (
            "SELECT 1 FROM a JOIN old.t",
            "no rule matches a table of it (ERROR): table `old.t` by the rules `shop.filters.table.rules`",
        ),
        (
            "DELETE FROM b",
            "the rules leave its tables no primary (ERROR): table `shop.b` by the rules `shop.filters.table.rules`",
        ),
        (
            "SELECT 1 FROM a, b",
            "the rules leave its tables no server (ERROR): tables `shop.a`, `shop.b` by the rules `shop.filters.table.rules`",
        ),
        (
            "FROBNICATE a",
            "its tables are not known, so it may run only on servers that every rule names (ERROR): any table by the \
             rules `shop.filters.table.rules`",
        ),
    ] {
        let mut session = db.session();
        // The second time the tables are known.
        for _ in 0..2 {
            let error = session.execute(sql).await.unwrap_err();
            assert_eq!(ms_pool::code(&error), 2000, "{sql}: {error}");
            assert_eq!(Error::of(&error).unwrap().to_string(), expected.replace("ERROR", NO_PRIMARY), "{sql}");
        }
    }
    warnings.lock().unwrap().clear();
    let error = db.session().execute("SELECT 1 FROM a").await.unwrap_err();
    assert!(error.to_string().ends_with(": table `shop.a` by the rules `shop.filters.table.rules`"), "{error}");
    let warned = "Couldn't find the appropriate slave connection. 0 slaves to choose from. Something is wrong";
    assert_eq!(*warnings.lock().unwrap(), [warned]);
}

#[tokio::test]
async fn a_statement_without_tables_goes_on() {
    let (db, _) = dead(r#"{"shop.a": {"master": ["primary"]}}"#);
    for sql in ["SELECT 1", "SET @a = 1", "BEGIN NOT_A_TABLE", "XA RECOVER"] {
        // To a server that is dead.
        let error = db.session().execute(sql).await.unwrap_err();
        assert_eq!(ms_pool::code(&error), 2003, "{sql}: {error}");
    }
}

#[test]
fn the_tables_of_a_statement_are_there_to_see() {
    let (db, _) = dead(r#"{"%": {"master": ["primary"]}}"#);
    let shown = |sql: &str| match db.tables(sql).as_tables() {
        Tables::Named(tables) => tables.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(" "),
        other => format!("{other:?}"),
    };
    for _ in 0..2 {
        assert_eq!(shown("SELECT * FROM a JOIN old.b JOIN a AS c"), "shop.a old.b");
        assert_eq!(shown("SELECT 1 FROM DUAL"), "shop.DUAL");
        assert_eq!(shown("SELECT 1"), "");
        assert_eq!(shown("FROM a"), "Unparsable");
    }
    let long = format!("SELECT '{}' FROM a", "x".repeat(10_000));
    assert_eq!(shown(&long), "shop.a");
    let larger = format!("SELECT '{}' FROM a", "x".repeat(300_000));
    assert_eq!(shown(&larger), "Unparsable");
}

#[test]
fn without_rules_nobody_looks() {
    let db = Cluster::builder().primary("mysql://app@127.0.0.1:4/shop").build().unwrap();
    assert_eq!(db.tables("SELECT * FROM a").as_tables(), Tables::NotAsked);
}

#[tokio::test]
async fn a_table_needs_a_database() {
    let text = r#"{"shop": {"compat": "classic", "master": [{"host": "127.0.0.1", "port": 4, "user": "app"}], "slave": [],
        "filters": {"table": {"rules": {"%": {"master": []}}}, "random": []}}}"#;
    let db = Cluster::builder().config_text("test.json", text).build().unwrap();
    let error = db.session().execute("DELETE FROM a").await.unwrap_err();
    assert!(error.to_string().contains("a table of it names no database"), "{error}");
    assert_eq!(db.tables("SELECT 1 FROM DUAL").as_tables(), Tables::Named(&[]));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn the_default_database_of_a_session_completes_names() {
    let rules = r#"{"test.%": {"slave": ["replica2"]}, "mysql.%": {"slave": ["replica1"]}}"#;
    let filters = format!(r#", "filters": {{"table": {{"rules": {rules}}}, "roundrobin": []}}"#);
    let (db, _) = configured(&filters);
    let mut session = db.session();
    let here = "SELECT CONVERT(@@port, CHAR) FROM (SELECT COUNT(*) FROM help_topic) a";
    let there = "SELECT CONVERT(@@port, CHAR) FROM (SELECT COUNT(*) FROM mysql.help_topic) a";
    assert_eq!(port_by(&mut session, there).await, port(1));
    // There is no such table in `test`, and it is replica 2 that says so.
    assert_eq!(ms_pool::code(&session.execute(here).await.unwrap_err()), 1146);
    assert_eq!(session.last_used().unwrap().name, "replica2");
    session.select_db("mysql").await.unwrap();
    assert_eq!(port_by(&mut session, here).await, port(1));
    session.select_db("test").await.unwrap();
    assert_eq!(ms_pool::code(&session.execute(here).await.unwrap_err()), 1146);
    assert_eq!(session.last_used().unwrap().name, "replica2");
    session.change_user("app", ms_pool::Password::new("app"), Some("mysql")).await.unwrap();
    assert_eq!(port_by(&mut session, here).await, port(1));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn prepared_statements_and_transactions_are_routed_by_their_tables() {
    let rules = r#"{"mysql.help%": {"master": ["primary"], "slave": ["replica2"]}}"#;
    let filters = format!(r#", "filters": {{"table": {{"rules": {rules}}}, "roundrobin": []}}"#);
    let (db, _) = configured(&filters);
    let sql = "SELECT CONVERT(@@port, CHAR) FROM (SELECT COUNT(*) FROM mysql.help_topic WHERE help_topic_id >= ?) a";
    for _ in 0..3 {
        let (found,): (String,) = sqlx::query_as(sql).bind(0).fetch_one(&db).await.unwrap();
        assert_eq!(found, port(2));
    }
    let mut tx = db.begin().await.unwrap();
    // Its server is chosen already.
    let (found,): (String,) = sqlx::query_as("SELECT CONVERT(COUNT(*), CHAR) FROM information_schema.SCHEMATA")
        .fetch_one(&mut tx)
        .await
        .unwrap();
    assert_ne!(found, "0");
    tx.rollback().await.unwrap();
}

async fn port_by(session: &mut Session, sql: &'static str) -> String {
    let (port,): (String,) = sqlx::query_as(sql).fetch_one(session).await.unwrap();
    port
}

fn port(replica: usize) -> String {
    address(&replica_url(replica)).1.to_string()
}

/// A cluster of dead servers with these rules, and the warnings it gives.
fn dead(rules: &str) -> (Cluster, Arc<Mutex<Vec<String>>>) {
    let text = format!(
        r#"{{"shop": {{
            "compat": "classic",
            "master": {{"primary": {{"host": "127.0.0.1", "port": 4, "user": "app", "db": "shop"}}}},
            "slave": {{"replica": {{"host": "127.0.0.1", "port": 6, "user": "app"}}}},
            "filters": {{"table": {{"rules": {rules}}}, "random": []}}
        }}}}"#
    );
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&warnings);
    let builder = Cluster::builder().config_text("test.json", text);
    let db = builder.on_warning(move |it| sink.lock().unwrap().push(it.to_string())).build().unwrap();
    (db, warnings)
}
