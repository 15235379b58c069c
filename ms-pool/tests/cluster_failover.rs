//! Servers that cannot be connected to: who takes their statements, and what the caller hears.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

#[path = "support/shop.rs"]
mod shop;
#[path = "support/told.rs"]
mod told;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use ms_pool::{Cluster, Counter, Error, Session, Statistics, code};
use shop::{Shop, closed_port, socket, tcp};
use support::{address, primary_url, replica_url};
use told::{Eavesdropper, told};

const IN_TURN: &str = r#""filters": {"roundrobin": []}"#;

fn at(url: &str) -> String {
    let (host, port) = address(url);
    tcp(&host, port)
}

fn dead() -> String {
    tcp("127.0.0.1", closed_port())
}

/// The name of the server that ran it, or the number of the error.
async fn run(session: &mut Session, sql: &'static str) -> Result<String, u16> {
    match sqlx::raw_sql(sql).execute(&mut *session).await {
        Ok(_) => Ok(session.last_used().unwrap().name.to_owned()),
        Err(error) => Err(code(&error)),
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn an_unreachable_replica_is_replaced_as_configured() {
    // Replicas in the order in which they are tried, what `failover` says, where the first read runs, failed connects.
    check_read("-+", "", Err(2003), 1).await;
    check_read("-+", r#""failover": "disabled""#, Err(2003), 1).await;
    check_read("-+", r#""failover": {"strategy": "master"}"#, Ok("primary"), 1).await;
    check_read("-+", r#""failover": ["master"]"#, Ok("primary"), 1).await;
    check_read("-+", r#""failover": "master""#, Ok("primary"), 1).await;
    check_read("-+", r#""failover": "primary""#, Ok("primary"), 1).await;
    check_read("-+", r#""failover": ["loop_before_master"]"#, Ok("replica1"), 1).await;
    check_read("--", r#""failover": "loop_before_master""#, Ok("primary"), 2).await;
    // One retry is the default: the second failure is the last one.
    check_read("--+", r#""failover": {"strategy": "loop_before_master"}"#, Ok("primary"), 2).await;
    check_read("--+", r#""failover": {"strategy": "loop_before_master", "max_retries": 1}"#, Ok("primary"), 2).await;
    check_read("--+", r#""failover": {"strategy": "loop_before_master", "max_retries": 2}"#, Ok("replica2"), 2).await;
    check_read("---+", r#""failover": {"strategy": "loop_before_master", "max_retries": 0}"#, Ok("replica3"), 3).await;
    check_read("+-", r#""failover": {"strategy": "loop_before_master"}"#, Ok("replica0"), 0).await;
}

async fn check_read(replicas: &str, failover: &str, expected: Result<&str, u16>, failures: u64) {
    let mut shop = Shop::new().primary("primary", &at(&primary_url()));
    for (n, alive) in replicas.chars().enumerate() {
        let address = if alive == '+' { at(&replica_url(1)) } else { dead() };
        shop = shop.replica(&format!("replica{n}"), &address);
    }
    shop = shop.with(IN_TURN);
    if !failover.is_empty() {
        shop = shop.with(failover);
    }
    for compat in ["classic", "strict"] {
        let statistics = Arc::new(Statistics::default());
        let shop = shop.clone().with(&format!(r#""compat": "{compat}""#));
        let db = shop.builder().statistics(Arc::clone(&statistics)).build().unwrap();
        let ran = run(&mut db.session(), "SELECT 1").await;
        assert_eq!(ran, expected.map(str::to_owned), "{compat} {replicas} {failover}");
        assert_eq!(statistics.get(Counter::LazyReplicaFailure), failures, "{compat} {replicas} {failover}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_failed_replica_is_tried_again_unless_it_is_to_be_remembered() {
    // Connects that one session makes, and those of a second one.
    check_memory("classic", "false", 3, 1).await;
    check_memory("classic", "true", 1, 1).await;
    check_memory("strict", "false", 3, 1).await;
    check_memory("strict", "true", 1, 0).await;
}

async fn check_memory(compat: &str, remember: &str, connects: u64, of_another: u64) {
    let failover = format!(r#""failover": {{"strategy": "master", "remember_failed": {remember}}}"#);
    let shop = Shop::new().primary("primary", &at(&primary_url())).replica("replica", &dead()).with(&failover);
    let db = shop.with(&format!(r#""compat": "{compat}""#)).build();
    let mut session = db.session();
    for _ in 0..3 {
        assert_eq!(run(&mut session, "SELECT 1").await.as_deref(), Ok("primary"));
    }
    assert_eq!(db.state()[1].failed, connects, "{compat}, remember_failed {remember}");
    assert_eq!(run(&mut db.session(), "SELECT 1").await.as_deref(), Ok("primary"));
    assert_eq!(db.state()[1].failed, connects + of_another, "{compat}, remember_failed {remember}");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_remembered_failure_keeps_its_number() {
    let shop = Shop::new().primary("primary", &at(&primary_url())).replica("replica", &dead());
    let shop = shop.with(r#""failover": {"strategy": "disabled", "remember_failed": true}"#).with(IN_TURN);
    let db = shop.with(r#""compat": "classic""#).build();
    let mut session = db.session();
    for _ in 0..3 {
        assert_eq!(run(&mut session, "SELECT 1").await, Err(2003));
    }
    assert_eq!(db.state()[1].failed, 1);
    let error = sqlx::query("SELECT 1").execute(&mut session).await.unwrap_err();
    assert!(matches!(Error::of(&error), Some(Error::Remembered { .. })), "{error:?}");
    assert_eq!(run(&mut session, "DO 1").await.as_deref(), Ok("primary"), "writes go on");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn with_several_primaries_another_takes_the_write_if_the_strategy_loops() {
    check_write(true, "", Err(2003)).await;
    check_write(true, r#""failover": "master""#, Err(2003)).await;
    check_write(true, r#""failover": "loop_before_master""#, Ok("second")).await;
    // Without multi_master the second one is not there.
    check_write(false, r#""failover": "loop_before_master""#, Err(2003)).await;
}

async fn check_write(multi_master: bool, failover: &str, expected: Result<&str, u16>) {
    let shop = Shop::new().primary("first", &dead()).primary("second", &at(&primary_url()));
    let mut shop = shop.with(&format!(r#""multi_master": {multi_master}"#)).with(IN_TURN);
    if !failover.is_empty() {
        shop = shop.with(failover);
    }
    let db = shop.build();
    let ran = run(&mut db.session(), "DO 1").await;
    assert_eq!(ran, expected.map(str::to_owned), "multi_master {multi_master} {failover}");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn several_primaries_take_turns() {
    let shop = Shop::new().primary("first", &at(&primary_url())).primary("second", &at(&primary_url()));
    let db = shop.with(r#""multi_master": true"#).with(IN_TURN).build();
    let mut session = db.session();
    let mut ran = Vec::new();
    for _ in 0..4 {
        ran.push(run(&mut session, "DO 1").await.unwrap());
    }
    assert_eq!(ran.iter().collect::<HashSet<_>>().len(), 2, "{ran:?}");
    assert!(ran[0] == ran[2] && ran[1] == ran[3], "{ran:?}");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn every_kind_of_refusal_has_its_number() {
    let primary = at(&primary_url());
    check_code("app", "app", &dead(), 2003, "HY000").await;
    check_code("app", "app", &socket("/no/such/mysqld.sock"), 2002, "HY000").await;
    check_code("app", "app", &tcp("no-such-host.invalid", 3306), 2005, "HY000").await;
    check_code("app", "wrong-hunter2", &primary, 1045, "28000").await;
    check_code("nobody_at_all", "wrong-hunter2", &primary, 1045, "28000").await;
    check_code(
        "app",
        "app",
        &format!(r#"{primary}, "tls": {{"mode": "required", "ca": "/no/such/ca.pem"}}"#),
        2000,
        "HY000",
    )
    .await;
}

/// The same through every door.
async fn check_code(user: &str, password: &str, address: &str, expected: u16, state: &str) {
    let shop = Shop::new().account(user, password).primary("primary", address).with(r#""lazy_connections": false"#);
    let ears = Eavesdropper::default();
    let listening = ears.listen();
    let refused = shop.builder().connect().await.unwrap_err();
    let db = shop.build();
    let by_statement = sqlx::query("DO 1").execute(&db).await.unwrap_err();
    let by_session = sqlx::query("DO 1").fetch_all(&mut db.session()).await.unwrap_err();
    let by_begin = db.begin().await.unwrap_err();
    drop(listening);

    assert_eq!((refused.code(), refused.sqlstate()), (expected, state), "{address}");
    assert_eq!([&by_statement, &by_session, &by_begin].map(code), [expected; 3], "{address}");
    assert!(told(&refused).contains("`primary`"), "{}", told(&refused));
    let all = format!("{} {refused:?} {by_statement:?} {by_session:?} {by_begin:?} {db:?}", ears.heard());
    assert!(!all.contains("wrong-hunter2"), "{all}");
    assert_eq!(db.size(), 0, "{address}");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_connect_that_fails_leaves_nothing_open() {
    let name = "failover_eager";
    support::account(name).await;
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&warnings);
    let statistics = Arc::new(Statistics::default());
    let shop = Shop::new().account(name, name).primary("primary", &at(&primary_url()));
    let shop = shop.replica("dead1", &dead()).replica("alive", &at(&replica_url(1))).replica("dead2", &dead());
    let builder = shop.with(r#""lazy_connections": false"#).builder().statistics(Arc::clone(&statistics));
    let error = builder.on_warning(move |it| sink.lock().unwrap().push(it.to_string())).connect().await.unwrap_err();

    assert_eq!(error.code(), 2003);
    assert!(told(&error).contains("`dead1`"), "{}", told(&error));
    // All were tried: an operator hears of both.
    let warnings = warnings.lock().unwrap().clone();
    assert!(warnings.len() == 2 && warnings[1].contains("`dead2`"), "{warnings:?}");
    let counted = [Counter::EagerPrimarySuccess, Counter::EagerReplicaSuccess, Counter::EagerReplicaFailure];
    assert_eq!(counted.map(|it| statistics.get(it)), [1, 1, 2]);
    for url in [primary_url(), replica_url(1)] {
        support::eventually("the connections to close", async || support::connections_of(name, &url).await == 0).await;
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn statements_and_passwords_are_in_no_trace() {
    let from_urls = support::builder().0;
    let from_file = Cluster::builder().config_text("test.json", support::section(""));
    for builder in [from_urls, from_file] {
        let ears = Eavesdropper::default();
        let listening = ears.listen();
        let db = builder.connect().await.unwrap();
        let mut session = db.session();
        sqlx::query("SELECT 'secret-in-text'").execute(&db).await.unwrap();
        sqlx::query("DO 'secret-in-text'").execute(&mut session).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        sqlx::query("DO ?").bind("secret-in-argument").execute(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        sqlx::query("SELECT 'secret-in-text' FROM nowhere").execute(&db).await.unwrap_err();
        drop(listening);
        let heard = format!("{} {db:?} {session:?}", ears.heard());
        assert!(heard.contains("ms_pool::decision"), "{heard}");
        assert!(!heard.contains("secret-in"), "{heard}");
        assert!(!heard.contains("app:app"), "{heard}");
    }
}

/// Kills the connection that the session used last.
async fn kill_last(session: &ms_pool::Session) {
    let last = session.last_used().unwrap();
    let number: usize = last.name.trim_start_matches("replica").parse().unwrap_or(0);
    let url = if number == 0 { support::primary_url() } else { support::replica_url(number) };
    let id = last.connection_id.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("KILL {id}"))).execute(&mut support::direct(&url).await).await.unwrap();
    let gone = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {id}");
    support::eventually("the killed connection to go", async || support::number(&url, &gone).await == 0).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_read_whose_connection_broke_is_run_once_more() {
    for (keys, repeated) in [("", 2), (r#", "retry_reads": false"#, 0), (r#", "compat": "classic""#, 0)] {
        let (db, statistics) = support::configured(&format!(r#", "filters": ["roundrobin"]{keys}"#));
        for hint in ["", "/*ms=primary*/"] {
            let mut session = db.session();
            let sql = format!("{hint}SELECT 7");
            let read = async |session: &mut ms_pool::Session| {
                sqlx::query_scalar::<_, i32>(sqlx::AssertSqlSafe(sql.clone())).fetch_one(session).await
            };
            // Each of the connections it will take turns with has been used.
            for _ in 0..2 {
                assert_eq!(read(&mut session).await.unwrap(), 7);
            }
            if hint.is_empty() {
                assert_eq!(read(&mut session).await.unwrap(), 7);
                read(&mut session).await.unwrap();
                kill_last(&session).await;
                read(&mut session).await.unwrap(); // the other replica's turn
            } else {
                kill_last(&session).await;
            }
            let met = read(&mut session).await;
            match repeated {
                0 => assert!([2006, 2013].contains(&ms_pool::code(&met.unwrap_err())), "{keys}"),
                _ => assert_eq!(met.unwrap(), 7, "{keys}"),
            }
        }
        assert_eq!(statistics.get(ms_pool::Counter::ReadRepeated), repeated, "{keys}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_is_no_proven_read_or_depends_on_its_connection_is_not_run_again() {
    let (db, statistics) = support::configured("");
    for (set_up, sql) in [
        ("/*ms=primary*/SELECT 1", "INSERT INTO not_a_table VALUES (1)"),
        ("/*ms=primary*/SELECT 1", "DO 1"),
        ("SET @a = 1", "SELECT @a"),
        ("BEGIN", "SELECT 1"),
    ] {
        let mut session = db.session();
        sqlx::raw_sql(set_up).execute(&mut session).await.unwrap();
        kill_last(&session).await;
        let error = sqlx::raw_sql(sql).execute(&mut session).await.unwrap_err();
        assert!([2006, 2013].contains(&ms_pool::code(&error)), "{sql}: {error}");
    }
    assert_eq!(statistics.get(ms_pool::Counter::ReadRepeated), 0);
}
