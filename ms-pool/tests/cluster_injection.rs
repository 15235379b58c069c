//! Counting what is written: each write has its number, whatever comes between; and where it has none, somebody says so.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

#[path = "support/relay.rs"]
#[allow(unreachable_pub, dead_code, reason = "the tests of the pool use the same file")]
mod relay;
#[path = "support/shop.rs"]
mod shop;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use ms_hints::Level;
use ms_pool::{
    Cluster, Consistency, Counter, Error, LevelOption, Password, Role, Scope, Session, Statistics, TxOptions, code,
};
use relay::{Relay, Weather};
use shop::{Shop, tcp};
use sqlx::{Acquire, AssertSqlSafe, Executor, MySql, MySqlConnection, mysql::MySqlArguments};
use support::{address, direct, eventually, number, primary_url, replica_url, table};
use tokio::time::timeout;

/// Enough for anything that is meant to succeed.
const SOON: Duration = Duration::from_secs(10);

/// A cluster that counts, and tables of its own to count in and to write to.
struct Counted {
    db: Cluster,
    statistics: Arc<Statistics>,
    warnings: Arc<Mutex<Vec<String>>>,
    counter: String,
    log: String,
}

impl Counted {
    /// In `strict`, with two connections per server; `keys` go into `global_transaction_id_injection`, `more` into the section.
    async fn new(name: &str, keys: &str, more: &str) -> Self {
        let (counter, log) = Self::tables(name).await;
        let on_commit = format!("UPDATE test.{counter} SET n = n + 1");
        Self::with(counter, log, &on_commit, keys, more)
    }

    async fn tables(name: &str) -> (String, String) {
        let counter = table(&format!("injection_{name}_n"), "n INT").await;
        let log = table(&format!("injection_{name}"), "id INT AUTO_INCREMENT PRIMARY KEY, a INT").await;
        run(&mut direct(&primary_url()).await, &format!("INSERT INTO {counter} VALUES (0)")).await.unwrap();
        support::synced().await;
        (counter, log)
    }

    fn with(counter: String, log: String, on_commit: &str, keys: &str, more: &str) -> Self {
        let (statistics, warnings) = (Arc::new(Statistics::default()), Arc::<Mutex<Vec<String>>>::default());
        let text = support::section(&section(&counter, on_commit, keys, more));
        let sink = Arc::clone(&warnings);
        let builder = Cluster::builder().config_text("test.json", text).statistics(Arc::clone(&statistics));
        let db = builder.on_warning(move |it| sink.lock().unwrap().push(it.to_string())).build().unwrap();
        assert_eq!(db.warnings(), []);
        Self { db, statistics, warnings, counter, log }
    }

    /// What everybody sees.
    async fn number(&self) -> u64 {
        number(&primary_url(), &format!("SELECT n FROM {}", self.counter)).await
    }

    async fn written(&self) -> u64 {
        number(&primary_url(), &format!("SELECT COUNT(*) FROM {}", self.log)).await
    }

    fn insert(&self) -> String {
        format!("INSERT INTO {} (a) VALUES (1)", self.log)
    }

    /// Not proven to be a read, with as many rows as asked for.
    fn rows(&self, rows: u32) -> String {
        let rows = vec!["SELECT 1 AS a"; rows as usize].join(" UNION ALL ");
        format!("SELECT a FROM ({rows}) AS them FOR UPDATE")
    }

    /// Successes and failures: of statements, of commits, of commits that something else implied.
    fn moved(&self) -> [(u64, u64); 3] {
        use Counter::{
            GtidAutocommitFailure, GtidAutocommitSuccess, GtidCommitFailure, GtidCommitSuccess,
            GtidImplicitCommitFailure, GtidImplicitCommitSuccess,
        };
        let get = |counter| self.statistics.get(counter);
        [
            (get(GtidAutocommitSuccess), get(GtidAutocommitFailure)),
            (get(GtidCommitSuccess), get(GtidCommitFailure)),
            (get(GtidImplicitCommitSuccess), get(GtidImplicitCommitFailure)),
        ]
    }

    async fn drop_counter(&self) {
        run(&mut direct(&primary_url()).await, &format!("DROP TABLE {}", self.counter)).await.unwrap();
    }

    /// From here on `on_commit` fails.
    async fn take_counter_away(&self) -> String {
        let away = format!("{}_away", self.counter);
        let rename = format!("DROP TABLE IF EXISTS {away}; RENAME TABLE {} TO {away}", self.counter);
        run(&mut direct(&primary_url()).await, &rename).await.unwrap();
        away
    }

    async fn bring_counter_back(&self, away: &str) {
        run(&mut direct(&primary_url()).await, &format!("RENAME TABLE {away} TO {}", self.counter)).await.unwrap();
    }

    /// Somebody else counts, and takes its time.
    async fn lock_counter(&self) -> MySqlConnection {
        let mut other = direct(&primary_url()).await;
        run(&mut other, &format!("BEGIN; UPDATE {} SET n = n", self.counter)).await.unwrap();
        other
    }

    fn warned(&self, text: &str) -> usize {
        self.warnings.lock().unwrap().iter().filter(|it| it.contains(text)).count()
    }
}

fn section(counter: &str, on_commit: &str, keys: &str, more: &str) -> String {
    format!(
        r#", "global_transaction_id_injection": {{
            "on_commit": "{on_commit}", "fetch_last_gtid": "SELECT MAX(n) FROM test.{counter}",
            "check_for_gtid": "SELECT n FROM test.{counter} WHERE n >= #GTID" {keys}
        }}, "pool": {{"max_connections": 2}} {more}"#
    )
}

async fn run<'c>(executor: impl Executor<'c, Database = MySql>, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(executor).await.map(drop)
}

/// Its `on_commit` failed with this number of the server; `done` says whether the statement had succeeded.
#[track_caller]
fn not_counted<T: std::fmt::Debug>(ran: Result<T, sqlx::Error>, number: u16, statement_done: bool) {
    let error = ran.unwrap_err();
    assert!(matches!(Error::of(&error), Some(Error::NotCounted { done, .. }) if *done == statement_done), "{error:?}");
    assert_eq!(code(&error), number);
    // Who tries again what met a deadlock, say, must not take this for one.
    assert!(error.as_database_error().is_none());
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn strict_counts_each_statement_on_a_primary_that_is_no_proven_read() {
    let it = Counted::new("strict", "", "").await;
    let mut session = it.db.session();
    let table = &it.log;
    for (counts, sql) in [
        (1, it.insert()),
        (1, format!("SELECT a FROM {table} FOR UPDATE")),
        (1, "SET @a = 1".to_owned()),
        (1, format!("UPDATE {table} SET a = 2; DELETE FROM {table}")),
        (1, format!("CREATE TABLE IF NOT EXISTS {table} (a INT)")),
        (0, format!("/*ms=master*/SELECT a FROM {table}")),
        (0, format!("SELECT a FROM {table}")),
        (0, "/*ms=slave*/SET @a = 1".to_owned()),
        (0, "ROLLBACK".to_owned()),
        (0, "COMMIT".to_owned()),
    ] {
        let before = it.number().await;
        support::synced().await;
        run(&mut session, &sql).await.unwrap();
        assert_eq!(it.number().await - before, counts, "{sql}");
    }
    assert_eq!(it.moved(), [(5, 0), (0, 0), (0, 0)]);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn every_handle_counts() {
    let it = Counted::new("handles", "", "").await;
    let sql = format!("INSERT INTO {} (a) VALUES (?)", it.log);
    for handle in
        ["cluster", "primary", "session", "on its open connection", "prepared", "another account", "fetch_one"]
    {
        let before = it.number().await;
        let mut session = it.db.session();
        match handle {
            "cluster" => sqlx::query(AssertSqlSafe(sql.clone())).bind(1).execute(&it.db).await.map(drop),
            "primary" => run(it.db.primary(), &it.insert()).await,
            "session" => sqlx::query(AssertSqlSafe(sql.clone())).bind(1).execute(&mut session).await.map(drop),
            "on its open connection" => {
                run(&mut session, "/*ms=master*/SELECT 1").await.unwrap();
                run(&mut session, &it.insert()).await
            }
            "prepared" => {
                let insert = session.prepare(AssertSqlSafe(it.insert())).await.unwrap();
                let read = session.prepare("/*ms=master*/SELECT 1").await.unwrap();
                assert_eq!(it.number().await, before, "nothing was written");
                read.execute(&mut session, MySqlArguments::default()).await.unwrap();
                insert.execute(&mut session, MySqlArguments::default()).await.map(drop)
            }
            "another account" => {
                session.change_user("app", Password::new("app"), Some("test")).await.unwrap();
                run(&mut session, &it.insert()).await
            }
            _ => sqlx::raw_sql(AssertSqlSafe(it.rows(3))).fetch_one(&mut session).await.map(drop),
        }
        .unwrap();
        assert_eq!(it.number().await - before, 1, "{handle}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_transaction_that_wrote_is_counted_once_at_its_end_and_with_it() {
    let it = Counted::new("tx", "", "").await;

    let mut tx = it.db.begin().await.unwrap();
    for _ in 0..2 {
        run(&mut tx, &it.insert()).await.unwrap();
    }
    assert_eq!(it.number().await, 0);
    tx.commit().await.unwrap();
    assert_eq!((it.number().await, it.written().await), (1, 2));

    // Nobody sees what is done on the bare connection.
    let mut tx = it.db.begin().await.unwrap();
    run(&mut *tx, &it.insert()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(it.number().await, 2);

    // What only read, what was undone, and what could not write.
    let mut tx = it.db.begin().await.unwrap();
    run(&mut tx, "SELECT 1").await.unwrap();
    tx.savepoint("a").await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = it.db.begin().await.unwrap();
    run(&mut tx, &it.insert()).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = it.db.begin().await.unwrap();
    run(&mut tx, &it.insert()).await.unwrap();
    drop(tx);
    let mut session = it.db.session();
    run(&mut session, "/*ms=master*/START TRANSACTION READ ONLY").await.unwrap();
    run(&mut session, "SELECT 1 FOR UPDATE").await.unwrap();
    session.commit().await.unwrap();
    assert_eq!((it.number().await, it.written().await), (2, 3));

    let mut tx = session.begin(TxOptions::default()).await.unwrap();
    run(&mut tx, &it.insert()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(it.number().await, 3);
    assert_eq!(it.moved(), [(0, 0), (3, 0), (0, 0)]);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_transaction_that_may_not_write_takes_no_number() {
    for compat in ["strict", "classic"] {
        let keys = format!(r#", "compat": "{compat}", "trx_stickiness": "master", "filters": {{"roundrobin": {{}}}}"#);
        let it = Counted::new(&format!("read_only_{compat}"), "", &keys).await;
        let mut session = it.db.session();
        // In `classic` a transaction in text is not seen.
        for begin in if compat == "strict" { &["call", "text"][..] } else { &["call"] } {
            if *begin == "call" {
                let options = TxOptions { read_only: true, ..TxOptions::default() };
                session.start_transaction(options).await.unwrap();
            } else {
                run(&mut session, "/*ms=master*/START TRANSACTION READ ONLY").await.unwrap();
            }
            // Where it could write, if it could: the server refuses `on_commit` there (1792), and with it the commit.
            run(&mut session, "SELECT 1 FOR UPDATE").await.unwrap();
            assert_eq!(session.last_used().unwrap().role, Role::Primary);
            session.commit().await.unwrap();
            assert_eq!(it.number().await, 0, "{compat}, {begin}");
        }
        assert_eq!(it.moved(), [(0, 0); 3], "{compat}");
        session.start_transaction(TxOptions::default()).await.unwrap();
        run(&mut session, &it.insert()).await.unwrap();
        session.commit().await.unwrap();
        assert_eq!(it.number().await, 1, "{compat}: the one after it is counted");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn classic_waits_one_time_for_all_replicas_and_not_after_an_error() {
    let it = Counted::new(
        "wait",
        r#", "wait_for_gtid_timeout": 2, "report_error": false"#,
        r#", "compat": "classic", "filters": {"roundrobin": {}}"#,
    )
    .await;
    let mut session = it.db.session();
    // Nobody will ever have that.
    let far = Consistency::checked(Level::Session, Some(LevelOption::Gtid("1000000"))).unwrap();
    session.set_consistency(far).unwrap();
    let began = Instant::now();
    run(&mut session, "SELECT 1").await.unwrap();
    let waited = began.elapsed();
    assert_eq!(session.last_used().unwrap().role, Role::Primary);
    assert!(
        (Duration::from_millis(1980)..Duration::from_millis(3900)).contains(&waited),
        "{waited:?} for two replicas"
    );

    it.drop_counter().await;
    support::synced().await;
    let began = Instant::now();
    run(&mut session, "SELECT 1").await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(1900), "{:?}", began.elapsed());
    assert_eq!(it.warned("SQL error while checking slave for GTID: 1146/"), 2);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn whatever_commits_a_transaction_counts_it() {
    let it = Counted::new("implicit", "", "").await;
    let mut session = it.db.session();
    let definition = format!("ALTER TABLE {} COMMENT 'x'", it.log);
    for (counts, end) in
        [(1, "COMMIT"), (1, "COMMIT AND CHAIN"), (1, "BEGIN"), (2, &*definition), (1, "again"), (0, "ROLLBACK")]
    {
        let before = it.number().await;
        run(&mut session, "BEGIN").await.unwrap();
        run(&mut session, &it.insert()).await.unwrap();
        assert_eq!(it.number().await, before, "{end}");
        match end {
            "again" => session.start_transaction(TxOptions::default()).await.unwrap(),
            sql => run(&mut session, sql).await.unwrap(),
        }
        // What follows has written nothing yet.
        session.commit().await.unwrap();
        assert_eq!(it.number().await - before, counts, "{end}");
    }
    assert_eq!(it.moved(), [(1, 0), (2, 0), (3, 0)]);

    session.set_autocommit(false).await.unwrap();
    run(&mut session, &it.insert()).await.unwrap();
    session.set_autocommit(true).await.unwrap();
    run(&mut session, "SET autocommit = 0").await.unwrap();
    run(&mut session, &it.insert()).await.unwrap();
    run(&mut session, "SET autocommit = 1").await.unwrap();
    assert_eq!(it.moved(), [(1, 0), (2, 0), (5, 0)]);
    assert_eq!((it.number().await, it.written().await), (8, 7));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_prepared_statement_is_counted_with_its_transaction() {
    let it = Counted::new("prepared", "", "").await;
    let mut session = it.db.session();
    let insert = session.prepare(AssertSqlSafe(it.insert())).await.unwrap();
    session.start_transaction(TxOptions::default()).await.unwrap();
    insert.execute(&mut session, MySqlArguments::default()).await.unwrap();
    assert_eq!(it.number().await, 0);
    session.commit().await.unwrap();
    assert_eq!((it.number().await, it.moved()), (1, [(0, 0), (1, 0), (0, 0)]));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_failed_statement_takes_a_number_only_if_a_part_of_it_was_done() {
    let it = Counted::new("failed", "", "").await;
    let mut session = it.db.session();
    let nowhere = format!("INSERT INTO {}_nowhere VALUES (1)", it.log);
    for sql in [nowhere.clone(), "INSERT".to_owned()] {
        run(&mut session, &sql).await.unwrap_err();
        assert_eq!(it.number().await, 0, "{sql}");
    }
    let error = run(&it.db, &format!("{}; {nowhere}", it.insert())).await.unwrap_err();
    assert_eq!((code(&error), it.number().await, it.written().await), (1146, 1, 1));

    let procedure = format!("{}_half", it.log);
    let create = format!(
        "DROP PROCEDURE IF EXISTS {procedure}; CREATE PROCEDURE {procedure}() BEGIN {}; SIGNAL SQLSTATE '45000'; END",
        it.insert()
    );
    run(&mut direct(&primary_url()).await, &create).await.unwrap();
    run(&mut session, &format!("CALL {procedure}()")).await.unwrap_err();
    assert_eq!((it.number().await, it.written().await), (2, 2));
    // So the last write has a number.
    assert_eq!(session.last_gtid().await.unwrap(), "2");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_failed_injection_is_told_with_what_was_done() {
    let it = Counted::new("reported", "", "").await;
    it.drop_counter().await;
    let mut session = it.db.session();

    not_counted(run(&it.db, &it.insert()).await, 1146, true);
    not_counted(run(&mut session, &it.insert()).await, 1146, true);
    let insert = session.prepare(AssertSqlSafe(it.insert())).await.unwrap();
    not_counted(insert.execute(&mut session, MySqlArguments::default()).await, 1146, true);
    assert_eq!(it.written().await, 3);
    // A row is there, and what is told comes behind it.
    not_counted(sqlx::raw_sql(AssertSqlSafe(it.rows(1))).fetch_one(&mut session).await, 1146, true);
    not_counted(sqlx::query(AssertSqlSafe(it.rows(2))).fetch_all(&it.db).await, 1146, true);

    let mut tx = it.db.begin().await.unwrap();
    run(&mut tx, &it.insert()).await.unwrap();
    not_counted(tx.commit().await, 1146, false);
    run(&mut session, "BEGIN").await.unwrap();
    run(&mut session, &it.insert()).await.unwrap();
    not_counted(run(&mut session, "COMMIT").await, 1146, false);
    // It can still be ended either way.
    assert!(session.in_transaction());
    not_counted(session.commit().await, 1146, false);
    assert!(session.in_transaction());
    session.rollback().await.unwrap();
    session.set_autocommit(false).await.unwrap();
    run(&mut session, &it.insert()).await.unwrap();
    let error = session.set_autocommit(true).await.unwrap_err();
    assert!(matches!(error, Error::NotCounted { done: false, .. }), "{error:?}");
    session.rollback().await.unwrap();
    assert_eq!(it.written().await, 3, "nothing more was committed");
    assert_eq!(it.moved(), [(0, 5), (0, 3), (0, 1)]);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_failed_injection_can_be_ignored_and_is_not_forgotten() {
    let it = Counted::new("ignored", r#", "report_error": false"#, "").await;
    let mut session = it.db.session();
    run(&mut session, &it.insert()).await.unwrap();
    assert_eq!(session.last_gtid().await.unwrap(), "1");

    let away = it.take_counter_away().await;
    run(&mut session, &it.insert()).await.unwrap();
    it.bring_counter_back(&away).await;
    assert_eq!((it.number().await, it.written().await), (1, 2));
    assert_eq!(it.warned("has no number"), 1);
    // 1 would say that a replica has the second write.
    let error = session.last_gtid().await.unwrap_err();
    assert!(error.to_string().contains("the last write has no id"), "{error}");
    // A later number includes it.
    run(&mut session, &it.insert()).await.unwrap();
    assert_eq!(session.last_gtid().await.unwrap(), "2");

    it.drop_counter().await;
    let mut tx = it.db.begin().await.unwrap();
    run(&mut tx, &it.insert()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(it.written().await, 4);
    assert_eq!(it.moved(), [(2, 1), (0, 1), (0, 0)]);
}

/// InnoDB undoes the smaller transaction, which is ours; a `COMMIT` behind that would succeed.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn an_injection_that_undoes_its_transaction_is_never_ignored() {
    for end in ["commit", "text", "guard"] {
        let it = Counted::new("undone", r#", "report_error": false"#, "").await;
        let mut other = it.lock_counter().await;
        let many = format!("INSERT INTO {} (a) VALUES {}", it.log, vec!["(3)"; 300].join(","));
        run(&mut other, &many).await.unwrap();
        let mut primary = direct(&primary_url()).await;
        let row = table("injection_undone_row", "id INT PRIMARY KEY, a INT").await;
        run(&mut primary, &format!("INSERT INTO {row} VALUES (1, 1)")).await.unwrap();

        let mut session = it.db.session();
        session.start_transaction(TxOptions::default()).await.unwrap();
        run(&mut session, &format!("UPDATE {row} SET a = 2")).await.unwrap();
        let mut tx = None;
        if end == "guard" {
            session.rollback().await.unwrap();
            drop(session);
            session = it.db.session();
            let mut guard = it.db.begin().await.unwrap();
            run(&mut guard, &format!("UPDATE {row} SET a = 2")).await.unwrap();
            tx = Some(guard);
        }
        let waits = format!("UPDATE {row} SET a = 3");
        let other = tokio::spawn(async move {
            run(&mut other, &waits).await.unwrap();
            run(&mut other, "ROLLBACK").await.unwrap();
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        let ended = match tx {
            Some(tx) => tx.commit().await,
            None if end == "text" => run(&mut session, "COMMIT").await,
            None => session.commit().await,
        };
        not_counted(ended, 1213, false);
        timeout(SOON, other).await.unwrap().unwrap();
        assert!(!session.in_transaction(), "{end}: nothing is left of it");
        assert_eq!(number(&primary_url(), &format!("SELECT a FROM {row}")).await, 1, "{end}");
        run(&mut session, &it.insert()).await.unwrap();
        assert_eq!(it.number().await, 1, "{end}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_stream_that_is_dropped_early_is_counted_when_its_rest_is_read() {
    let it = Counted::new("early", "", "").await;

    let mut session = it.db.session();
    for rows in [2, 40] {
        let before = it.number().await;
        {
            let sql = it.rows(rows);
            let mut answer = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(&mut session);
            answer.try_next().await.unwrap().unwrap();
        }
        assert_eq!(it.number().await, before);
        assert_eq!(session.last_gtid().await.unwrap(), (before + 1).to_string());
        assert_eq!(it.number().await, before + 1);
    }
    // Before the next statement, which may begin a transaction.
    {
        let sql = it.rows(2);
        let mut answer = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(&mut session);
        answer.try_next().await.unwrap().unwrap();
    }
    run(&mut session, "BEGIN").await.unwrap();
    run(&mut session, "ROLLBACK").await.unwrap();
    assert_eq!(it.number().await, 3);
    drop(session);

    // Without a session nobody comes back to it.
    {
        let sql = it.rows(40);
        let mut answer = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(&it.db);
        answer.try_next().await.unwrap().unwrap();
    }
    eventually("the number", async || it.number().await == 4).await;
    eventually("the connection", async || it.db.num_idle() == 1).await;

    // More rows than anybody reads for the sake of one.
    sqlx::raw_sql(AssertSqlSafe(it.rows(40))).fetch_one(&it.db).await.unwrap();
    eventually("the number", async || it.number().await == 5).await;
    eventually("the connection", async || it.db.num_idle() == 1).await;

    // A connection that is to be closed has to wait.
    let mut session = it.db.session();
    run(&mut session, "SET @a = 1").await.unwrap();
    {
        let sql = it.rows(40);
        let mut answer = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(&mut session);
        answer.try_next().await.unwrap().unwrap();
    }
    drop(session);
    eventually("the number", async || it.number().await == 7).await;
    eventually("the connection to close", async || it.db.size() == 0).await;
    assert_eq!(it.moved(), [(7, 0), (0, 0), (0, 0)]);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_caller_that_leaves_before_the_number_is_there_costs_the_connection_and_no_more() {
    let it = Counted::new("cancelled", "", "").await;
    for handle in ["cluster", "session"] {
        let (written, numbered) = (it.written().await, it.number().await);
        let mut session = it.db.session();
        let other = it.lock_counter().await;
        let insert = it.insert();
        let counting = format!(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'UPDATE test.{}%'",
            it.counter
        );
        let counts = eventually("the injection", async || number(&primary_url(), &counting).await > 0);
        let ended = match handle {
            "cluster" => tokio::select! { ended = run(&it.db, &insert) => Some(ended), _ = counts => None },
            _ => tokio::select! { ended = run(&mut session, &insert) => Some(ended), _ = counts => None },
        };
        assert!(ended.is_none(), "the counter is locked: {ended:?}");
        // The server is told to stop.
        eventually("the injection to end", async || number(&primary_url(), &counting).await == 0).await;
        drop(other);
        assert_eq!(it.written().await, written + 1, "{handle}: it was done");
        if handle == "session" {
            let error = session.last_gtid().await.unwrap_err();
            assert!(error.to_string().contains("the last write has no id"), "{error}");
        }
        assert_eq!(it.number().await, numbered, "{handle}");
        timeout(SOON, run(&mut session, &insert)).await.unwrap().unwrap();
        assert_eq!(session.last_gtid().await.unwrap(), (numbered + 1).to_string(), "{handle}");
    }
}

/// At every byte of the two answers: what the session says about its last write is never too much.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_number_is_told_only_where_it_includes_the_last_write() {
    for weather in [Weather::StallAfter as fn(u64) -> Weather, Weather::CutAfter] {
        let (counter, log) = Counted::tables("bytes").await;
        // MySQL lets an account in without TLS once it has logged in with it.
        for url in [primary_url(), replica_url(1)] {
            drop(direct(&url).await);
        }
        let (host, port) = address(&primary_url());
        let way = Relay::to(format!("{host}:{port}")).await.unwrap();
        let keys = section(&counter, &format!("UPDATE test.{counter} SET n = n + 1"), "", "");
        let shop = Shop::new().primary("primary", &tcp("127.0.0.1", way.port()));
        let db = shop.with(&keys[1..]).with(r#""tls": {"mode": "disabled"}"#).build();
        let mut session = db.session();
        let insert = format!("INSERT INTO {log} (a) VALUES (1)");
        let number_now = async || number(&primary_url(), &format!("SELECT n FROM {counter}")).await;
        let written = async || number(&primary_url(), &format!("SELECT COUNT(*) FROM {log}")).await;

        run(&mut session, &insert).await.unwrap();
        let begin = way.passed();
        run(&mut session, &insert).await.unwrap();
        let length = way.passed() - begin;
        assert!(length > 14, "two answers: {length}");
        let (mut told, mut kept_silent) = (0, 0);
        for bytes in 0..length {
            let before = (written().await, number_now().await);
            way.set(weather(bytes));
            let ran = timeout(Duration::from_millis(12), run(&mut session, &insert)).await;
            way.set(Weather::Fair);
            let after = format!("{bytes} of {length} bytes");
            let id = timeout(SOON, session.last_gtid()).await.unwrap_or_else(|_| panic!("{after}: hangs"));
            let wrote = written().await - before.0;
            match id {
                Ok(id) => {
                    told += 1;
                    assert!(wrote == 0 || id.parse::<u64>().unwrap() > before.1, "{after}: {id} is too low");
                }
                Err(_) => kept_silent += 1,
            }
            assert!(!matches!(ran, Ok(Ok(()))), "{after}: it cannot have succeeded");
            timeout(SOON, run(&mut session, &insert)).await.unwrap_or_else(|_| panic!("{after}: hangs")).unwrap();
            let id = session.last_gtid().await.unwrap();
            assert_eq!(id, number_now().await.to_string(), "{after}");
        }
        assert!(kept_silent > 10, "{told} told, {kept_silent} not");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_read_that_turns_out_to_write_is_counted() {
    let it =
        Counted::new("belt", r#", "wait_for_gtid_timeout": 10"#, r#", "read_functions": ["injection_note"]"#).await;
    for server in ["primary", "replica1", "replica2"] {
        support::control(&format!("sql {server} SET GLOBAL log_bin_trust_function_creators = 1")).await;
    }
    let function = format!(
        "DROP FUNCTION IF EXISTS injection_note; CREATE FUNCTION injection_note() RETURNS INT NOT DETERMINISTIC \
         MODIFIES SQL DATA BEGIN INSERT INTO {} (a) VALUES (4); RETURN 1; END",
        it.log
    );
    run(&mut direct(&primary_url()).await, &function).await.unwrap();
    support::synced().await;

    let mut session = it.db.session();
    run(&it.db, "SELECT injection_note()").await.unwrap();
    assert_eq!(it.number().await, 1);
    // On the open connection to a replica, with no connection to the primary yet and with one.
    support::synced().await;
    run(&mut session, "SELECT 1").await.unwrap();
    for number in 2..=3 {
        run(&mut session, "SELECT injection_note()").await.unwrap();
        assert_eq!((it.number().await, it.written().await), (number, number));
        assert_eq!(session.last_gtid().await.unwrap(), number.to_string());
        support::synced().await;
        run(&mut session, "/*ms=slave*/SELECT 1").await.unwrap();
    }
    assert_eq!(it.statistics.get(Counter::BeltRerouted), 3);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_cannot_be_counted_is_refused() {
    let it = Counted::new("bare", "", "").await;
    let mut session = it.db.session();
    let error = (&mut session).acquire().await.err().unwrap();
    assert!(error.to_string().contains("is not counted by `on_commit`"), "{error}");
    // Migrations have to run somehow.
    (&it.db).acquire().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn the_last_id_is_that_of_the_primary_that_ran_the_last_write() {
    let it = Counted::new("last", "", "").await;
    let mut session = it.db.session();
    let refusal = async |session: &mut Session| session.last_gtid().await.unwrap_err().to_string();
    run(&mut session, "SELECT 1").await.unwrap();
    assert!(refusal(&mut session).await.contains("No mysqlnd_ms connection or no ID has been injected yet"));
    run(&mut session, &it.insert()).await.unwrap();
    run(&mut session, "SELECT 1").await.unwrap();
    let used = session.last_used().unwrap().name.to_owned();
    assert_eq!(session.last_gtid().await.unwrap(), "1");
    assert_eq!(session.last_used().unwrap().name, used, "asking uses nothing");
    assert_eq!(it.moved(), [(1, 0), (0, 0), (0, 0)]);
    // On another connection, if it has to be.
    let primary = session.dump_servers().into_iter().find(|it| it.name == "primary").unwrap();
    let kill = format!("KILL {}", primary.connection_id.unwrap());
    run(&mut direct(&primary_url()).await, &kill).await.unwrap();
    run(&mut session, "/*ms=master*/SELECT 1").await.unwrap();
    assert_eq!(session.last_gtid().await.unwrap(), "1");

    let (without, _) = support::configured(r#", "global_transaction_id_injection": {"on_commit": "DO 1"}"#);
    for db in [without, support::cluster()] {
        let mut session = db.session();
        run(&mut session, &it.insert()).await.unwrap();
        assert!(refusal(&mut session).await.contains("SQL to fetch last global transaction ID is not set"));
    }
    let keys = r#", "global_transaction_id_injection": {"fetch_last_gtid": "SELECT NULL"}"#;
    let mut session = support::configured(keys).0.session();
    run(&mut session, &it.insert()).await.unwrap();
    assert!(refusal(&mut session).await.contains("`fetch_last_gtid` returned nothing"));
}

/// Where a read of the scope runs.
async fn reads_on(scope: &Scope) -> u16 {
    support::port_of(scope, "").await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn who_must_see_a_write_without_a_number_reads_on_the_primary() {
    let it = Counted::new("scope", r#", "report_error": false, "wait_for_gtid_timeout": 5"#, "").await;
    let (_, primary) = address(&primary_url());
    let scope = it.db.scope();
    run(&scope, &it.insert()).await.unwrap();
    assert_ne!(reads_on(&scope).await, primary, "it has a number, and replicas come to have it");
    assert_eq!(scope.position().await.unwrap().count(), Some(1));

    let away = it.take_counter_away().await;
    run(&scope, &it.insert()).await.unwrap();
    it.bring_counter_back(&away).await;
    support::synced().await;
    // Every replica has the number 1, and that number says nothing.
    assert_eq!(reads_on(&scope).await, primary);
    assert!(matches!(scope.position().await, Err(Error::NoPosition { .. })));
    // Another scope has nothing to do with it.
    assert_ne!(reads_on(&it.db.scope()).await, primary);

    // A commit includes what came before, a rollback does not.
    let mut tx = scope.begin().await.unwrap();
    run(&mut tx, &it.insert()).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(reads_on(&scope).await, primary);
    let mut tx = scope.begin().await.unwrap();
    run(&mut tx, &it.insert()).await.unwrap();
    tx.commit().await.unwrap();
    assert_ne!(reads_on(&scope).await, primary);
    assert_eq!(scope.position().await.unwrap().count(), Some(2));

    // So does a transaction that commits without a number of its own.
    let away = it.take_counter_away().await;
    let mut tx = scope.begin().await.unwrap();
    run(&mut tx, &it.insert()).await.unwrap();
    tx.commit().await.unwrap();
    it.bring_counter_back(&away).await;
    assert_eq!(reads_on(&scope).await, primary);
    run(&scope, &it.insert()).await.unwrap();
    assert_ne!(reads_on(&scope).await, primary);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_stream_that_is_dropped_early_leaves_no_stale_position() {
    let it = Counted::new("scope_early", r#", "wait_for_gtid_timeout": 5"#, "").await;
    let (_, primary) = address(&primary_url());
    let scope = it.db.scope();
    run(&scope, &it.insert()).await.unwrap();
    assert_ne!(reads_on(&scope).await, primary);
    let other = it.lock_counter().await;
    {
        let sql = it.rows(40);
        let mut answer = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(&scope);
        answer.try_next().await.unwrap().unwrap();
    }
    // The number cannot be there yet.
    assert_eq!(reads_on(&scope).await, primary);
    drop(other);
    eventually("the number to be taken into account", async || reads_on(&scope).await != primary).await;
    assert_eq!(scope.position().await.unwrap().count(), Some(2));

    // The session's own connection knows, and is asked.
    let mut session = scope.session();
    {
        let sql = it.rows(40);
        let mut answer = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(&mut session);
        answer.try_next().await.unwrap().unwrap();
    }
    assert_eq!(reads_on(&scope).await, primary);
    assert_ne!(support::port_of(&mut session, "").await, primary);
    assert_eq!(scope.position().await.unwrap().count(), Some(3));
}
