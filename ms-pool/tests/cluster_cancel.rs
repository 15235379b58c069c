//! A statement may be given up at any moment: what follows is correct, nothing hangs, no slot is lost, the server stops.
//!
//! Answers are stopped at every byte by a relay between the cluster and its servers. Without TLS, whose records would arrive
//! whole or not at all and hide the places that matter.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

#[path = "support/relay.rs"]
#[allow(unreachable_pub, dead_code, reason = "the tests of the pool use the same file")]
mod relay;
#[path = "support/shop.rs"]
mod shop;

use std::time::{Duration, Instant};

use futures_util::{FutureExt, TryStreamExt};
use ms_pool::{Cluster, Error, Session, code};
use relay::{Relay, Weather};
use shop::{Shop, tcp};
use sqlx::{AssertSqlSafe, Executor, MySql, Row};
use support::{address, primary_url, replica_url};
use tokio::time::timeout;

/// Long enough for the bytes let through to arrive, short enough to try them all.
const BLINK: Duration = Duration::from_millis(12);
/// Enough for anything that is meant to succeed.
const SOON: Duration = Duration::from_secs(10);

/// A cluster with one connection per server, behind relays.
struct World {
    db: Cluster,
    primary: Relay,
    replica: Relay,
}

impl World {
    async fn new(extra: &str) -> Self {
        // MySQL lets an account in without TLS once it has logged in with it.
        for url in [primary_url(), replica_url(1)] {
            drop(support::direct(&url).await);
        }
        let to = async |url: String| {
            let (host, port) = address(&url);
            Relay::to(format!("{host}:{port}")).await.unwrap()
        };
        let (primary, replica) = (to(primary_url()).await, to(replica_url(1)).await);
        let shop = Shop::new().primary("primary", &tcp("127.0.0.1", primary.port()));
        let shop = shop.replica("replica", &tcp("127.0.0.1", replica.port()));
        let shop =
            shop.with(r#""pool": {"max_connections": 1, "acquire_timeout_ms": 5000}, "tls": {"mode": "disabled"}"#);
        let shop = if extra.is_empty() { shop } else { shop.with(extra) };
        Self { db: shop.build(), primary, replica }
    }

    fn set(&self, weather: Weather) {
        self.primary.set(weather);
        self.replica.set(weather);
    }

    fn passed(&self) -> u64 {
        self.primary.passed() + self.replica.passed()
    }
}

/// How a statement is sent.
#[derive(Clone, Copy, Debug)]
enum Form {
    Text,
    Prepared,
}

/// All rows of a statement, first column.
async fn rows<'e, E: Executor<'e, Database = MySql>>(on: E, form: Form, sql: String) -> Result<Vec<i64>, sqlx::Error> {
    let rows = match form {
        Form::Text => sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(on).await?,
        Form::Prepared => sqlx::query(AssertSqlSafe(sql)).fetch_all(on).await?,
    };
    rows.iter().map(|row| row.try_get_unchecked(0)).collect()
}

/// Three rows; the comment makes every round's text another one, which has to be prepared anew, of the same length.
fn question(round: u64) -> String {
    format!("SELECT 7 AS a /* {round:06} */ UNION ALL SELECT 8 UNION ALL SELECT 9")
}

/// A statement that only a connection in step can answer, and its answer.
async fn in_step<'e, E: Executor<'e, Database = MySql>>(on: E, form: Form, nonce: u64, after: &str) {
    let answer = timeout(SOON, rows(on, form, format!("SELECT {nonce}"))).await;
    let answer = answer.unwrap_or_else(|_| panic!("{after}: the next statement hangs"));
    let answer = answer.unwrap_or_else(|error| panic!("{after}: the next statement fails: {error}"));
    assert_eq!(answer, [i64::try_from(nonce).unwrap()], "{after}");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_session_goes_on_after_a_statement_was_dropped_at_any_byte() {
    for form in [Form::Text, Form::Prepared] {
        check_session(form, Weather::StallAfter).await;
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_session_goes_on_after_its_connection_was_cut_at_any_byte() {
    for form in [Form::Text, Form::Prepared] {
        check_session(form, Weather::CutAfter).await;
    }
}

async fn check_session(form: Form, weather: fn(u64) -> Weather) {
    let world = World::new("").await;
    let mut session = world.db.session();
    let length = length_of_answer(&world, &mut session, form).await;
    for bytes in 0..length {
        world.set(weather(bytes));
        let answer = timeout(BLINK, rows(&mut session, form, question(bytes))).await;
        let after = format!("{form:?}, {bytes} of {length} bytes");
        match answer {
            // Cut: either the caller hears of it, or a proven read was repeated.
            Ok(Err(error)) => assert_eq!(code(&error), 2013, "{after}: {error:?}"),
            Ok(Ok(rows)) => assert_eq!(rows, [7, 8, 9], "{after}"),
            Err(_) => {}
        }
        world.set(Weather::Fair);
        in_step(&mut session, form, 1_000 + bytes, &after).await;
    }
    drop(session);
    in_step(&world.db, form, 5, "the slot came back").await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn the_cluster_goes_on_after_a_statement_was_dropped_at_any_byte() {
    for form in [Form::Text, Form::Prepared] {
        let world = World::new("").await;
        let length = length_of_answer(&world, &mut world.db.session(), form).await;
        for bytes in 0..length {
            world.set(Weather::StallAfter(bytes));
            let dropped = timeout(BLINK, rows(&world.db, form, question(bytes))).await;
            let after = format!("{form:?}, {bytes} of {length} bytes");
            assert!(dropped.is_err(), "{after}");
            world.set(Weather::Fair);
            in_step(&world.db, form, 1_000 + bytes, &after).await;
        }
        let replica = &world.db.state()[1];
        assert_eq!((replica.abandoned, replica.in_use), (length, 0));
    }
}

async fn length_of_answer(world: &World, session: &mut Session, form: Form) -> u64 {
    in_step(&mut *session, form, 1, "at first").await;
    let before = world.passed();
    assert_eq!(rows(&mut *session, form, question(999_999)).await.unwrap(), [7, 8, 9]);
    let length = world.passed() - before;
    assert!(length > 50, "the answer has only {length} bytes");
    length
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn an_answer_left_after_its_first_row_does_not_disturb_the_next() {
    let digits = support::table("cancel_digits", "n INT").await;
    let fill = format!("INSERT INTO {digits} VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)");
    sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut support::direct(&primary_url()).await).await.unwrap();
    support::synced().await;
    // Ten million rows take longer to read than anybody waits, and MySQL begins to send them within a second.
    let joined: Vec<_> = (0..7).map(|n| format!("{digits} AS d{n}")).collect();
    let long = format!("SELECT d0.n FROM {}", joined.join(", "));
    for form in [Form::Text, Form::Prepared] {
        let world = World::new("").await;
        let mut session = world.db.session();
        for round in 0..20 {
            // Both a short answer, whose rest is read, and one that is too long for that.
            let sql = if round % 5 == 4 { long.clone() } else { question(round) };
            match form {
                Form::Text => drop(sqlx::raw_sql(AssertSqlSafe(sql)).fetch(&mut session).try_next().await.unwrap()),
                Form::Prepared => drop(sqlx::query(AssertSqlSafe(sql)).fetch(&mut session).try_next().await.unwrap()),
            }
            in_step(&mut session, form, round, &format!("round {round} of a session")).await;
        }
        drop(session);
        let abandoned = world.db.state()[1].abandoned;
        assert!(abandoned >= 3, "long answers cost their connections");
        for round in 0..20 {
            let sql = sqlx::query(AssertSqlSafe(question(round)));
            assert!(sql.fetch(&world.db).try_next().await.unwrap().is_some());
            in_step(&world.db, form, round, &format!("round {round}")).await;
        }
        assert_eq!(world.db.state()[1].abandoned, abandoned, "short answers are read and cost nothing");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_statement_that_is_given_up_is_stopped_at_the_server() {
    let db = support::cluster();
    for (n, slow) in ["SELECT SLEEP(30)", "SELECT BENCHMARK(1000000000, SHA2(RAND(), 512))"].into_iter().enumerate() {
        let sql = |door: &str| format!("{slow} /* given up {door} {n} */");
        let gave_up = timeout(Duration::from_millis(200), rows(&db, Form::Text, sql("cluster"))).await;
        assert!(gave_up.is_err(), "{gave_up:?}");
        stopped(&sql("cluster")).await;

        let mut session = db.session();
        assert!(timeout(Duration::from_millis(200), rows(&mut session, Form::Prepared, sql("session"))).await.is_err());
        // The connection lies in the session until it is missed; the statement is stopped at once all the same.
        stopped(&sql("session")).await;
        in_step(&mut session, Form::Text, 4, "a slow statement").await;

        let mut tx = db.begin().await.unwrap();
        assert!(timeout(Duration::from_millis(200), rows(&mut tx, Form::Text, sql("tx"))).await.is_err());
        drop(tx);
        stopped(&sql("tx")).await;
        in_step(&db, Form::Text, 6, "a slow statement").await;
    }
}

/// The word to the server must not overtake the statement it is about.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_statement_that_is_given_up_at_once_is_stopped_as_well() {
    let (db, _) = support::configured(r#", "pool": {"max_connections": 5}"#);
    let sql = "SELECT SLEEP(30) /* given up at once */";
    for _ in 0..20 {
        // Idle connections, so that neither the statement nor the word has to wait for one.
        let warm = (0..4).map(|_| rows(db.primary(), Form::Text, "SELECT SLEEP(0.02)".to_owned()));
        futures_util::future::try_join_all(warm).await.unwrap();
        for _ in 0..3 {
            // Polled once it is sent, and not looked at again.
            assert!(rows(db.primary(), Form::Text, sql.to_owned()).now_or_never().is_none());
        }
        tokio::task::yield_now().await;
    }
    stopped(sql).await;
}

/// No server runs `sql` any more.
async fn stopped(sql: &str) {
    let text = sql.split("/*").nth(1).unwrap();
    let question = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%{text}%' AND id <> CONNECTION_ID()"
    );
    let took = support::eventually(sql, async || {
        let mut left = 0;
        for url in [primary_url(), replica_url(1), replica_url(2)] {
            left += support::number(&url, &question).await;
        }
        left == 0
    });
    took.await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_statement_that_is_too_slow_is_given_up_with_its_connection() {
    let (db, _) = support::configured(r#", "pool": {"statement_timeout_ms": 1000, "max_connections": 1}"#);
    let slow = || "SELECT SLEEP(20) /* too slow */".to_owned();
    let too_slow = async |answer: Result<Vec<i64>, sqlx::Error>, began: Instant| {
        let error = answer.unwrap_err();
        assert!(matches!(Error::of(&error), Some(Error::StatementTimeout { .. })), "{error:?}");
        assert_eq!(code(&error), 2013);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    };
    for form in [Form::Text, Form::Prepared] {
        let began = Instant::now();
        too_slow(rows(&db, form, slow()).await, began).await;
        in_step(&db, form, 1, "a timeout").await;

        let mut session = db.session();
        in_step(&mut session, form, 2, "nothing").await;
        let began = Instant::now();
        too_slow(rows(&mut session, form, slow()).await, began).await;
        in_step(&mut session, form, 3, "a timeout").await;
        drop(session);

        let mut tx = db.begin().await.unwrap();
        let began = Instant::now();
        too_slow(rows(&mut tx, form, slow()).await, began).await;
        rows(&mut tx, form, "SELECT 1".to_owned()).await.expect_err("the transaction is gone");
        tx.commit().await.expect_err("the transaction is gone");
        in_step(db.primary(), form, 4, "a timeout").await;
    }
    stopped(&slow()).await;
}

/// Two rows that belong together, and a hand that interferes.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_transaction_is_whole_or_not_there_wherever_it_is_cut() {
    let table = support::table("cancel_ledger", "round INT, side INT").await;
    let world = World::new("").await;
    let insert = |round: u64, side: u8| format!("INSERT INTO {table} VALUES ({round}, {side})");
    for form in [Form::Text, Form::Prepared] {
        for weather in [Weather::StallAfter as fn(u64) -> Weather, Weather::CutAfter] {
            for bytes in 0..30 {
                for step in 0..4 {
                    interfered(&world, form, weather(bytes), step, |side| insert(bytes, side)).await;
                    world.set(Weather::Fair);
                    in_step(world.db.primary(), form, bytes, &format!("{form:?} {bytes} in step {step}")).await;
                }
            }
        }
    }
    let half = format!(
        "SELECT COUNT(*) FROM (SELECT round FROM {table} GROUP BY round HAVING SUM(side = 1) <> SUM(side = 2)) AS it"
    );
    assert_eq!(support::number(&primary_url(), &half).await, 0, "half a transaction");
    let whole = support::number(&primary_url(), &format!("SELECT COUNT(*) FROM {table}")).await;
    println!("{whole} rows of 960 were committed");
    assert!(whole > 0 && whole < 960, "{whole} rows: nothing was interfered with");
    assert_eq!(world.db.state()[0].in_use, 0);
}

/// A transaction with bad weather during one of its steps; it goes on as if nothing had happened.
async fn interfered(world: &World, form: Form, weather: Weather, bad: u8, insert: impl Fn(u8) -> String) {
    let start = |step| {
        if step == bad {
            world.set(weather);
        }
    };
    start(0);
    let Ok(Ok(mut tx)) = timeout(2 * BLINK, world.db.begin()).await else {
        return;
    };
    world.set(Weather::Fair);
    let mut lost = false;
    for side in [1, 2] {
        start(side);
        let answer = timeout(BLINK, rows(&mut tx, form, insert(side))).await;
        world.set(Weather::Fair);
        assert!(!(lost && matches!(answer, Ok(Ok(_)))), "a lost transaction goes on: {weather:?} in step {bad}");
        lost |= !matches!(answer, Ok(Ok(_)));
    }
    start(3);
    let ended = timeout(BLINK, tx.commit()).await;
    assert!(!(lost && matches!(ended, Ok(Ok(())))), "a lost transaction was committed: {weather:?} in step {bad}");
}
