//! Global transactions on real servers.
//!
//! The section has two primaries, `east` and `west`, which are the same server under two names: a transaction has a branch of its
//! own for each, and one server knows of both. What servers of their own add, crashes above all, `xtask torture xa` is for.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/shop.rs"]
mod shop;
#[path = "support/cluster.rs"]
mod support;

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use ms_pool::{
    Cluster, Counter, Error, Statistics, TxOptions, Xa, XaFailure, XaGcOptions, XaOptions, XaTables, ms_xa::Verdict,
};
use shop::{Shop, tcp};
use sqlx::{AssertSqlSafe, Executor, MySqlConnection, Row};
use support::{address, direct, eventually, number, primary_url};

/// A cluster of one test, its account, its table and its store all named after it.
struct World {
    name: &'static str,
    db: Cluster,
    statistics: Arc<Statistics>,
    tables: XaTables,
}

impl World {
    async fn new(name: &'static str) -> Self {
        Self::with(name, "").await
    }

    async fn with(name: &'static str, more: &str) -> Self {
        support::account(name).await;
        support::table(name, "place VARCHAR(10), n INT, UNIQUE (place, n)").await;
        let mut tables = XaTables::default();
        tables.transactions = format!("{name}_trx");
        tables.participants = format!("{name}_participants");
        tables.collections = format!("{name}_gc");
        let mut primary = direct(&primary_url()).await;
        for sql in tables.replace() {
            primary.execute(AssertSqlSafe(sql)).await.unwrap();
        }
        let (host, port) = address(&primary_url());
        let store = format!(
            r#""xa": {{"state_store": {{"mysql": {{"host": "{host}", "port": {port}, "user": "{name}", "password": "{name}", "db": "test",
            "global_trx_table": "{}", "participant_table": "{}", "garbage_collection_table": "{}"}}}}}}"#,
            tables.transactions, tables.participants, tables.collections
        );
        let groups =
            r#""filters": {"node_groups": {"east": {"master": ["east"]}, "west": {"master": ["west"]}}, "random": []}"#;
        let mut shop = Shop::new()
            .account(name, name)
            .primary("east", &tcp(&host, port))
            .primary("west", &tcp(&host, port))
            .with(r#""multi_master": true"#)
            .with(groups)
            .with(&store);
        if !more.is_empty() {
            shop = shop.with(more);
        }
        let statistics = Arc::new(Statistics::default());
        let db = shop.builder().statistics(Arc::clone(&statistics)).build().unwrap();
        Self { name, db, statistics, tables }
    }

    async fn insert(&self, xa: &mut Xa, place: &str, n: i32) -> Result<(), sqlx::Error> {
        let sql = format!("INSERT INTO {} VALUES ('{place}', {n})", self.name);
        xa.on(place).unwrap().execute(AssertSqlSafe(sql)).await.map(drop)
    }

    /// Both places.
    async fn insert_both(&self, xa: &mut Xa, n: i32) {
        for place in ["east", "west"] {
            self.insert(xa, place, n).await.unwrap();
        }
    }

    /// How many rows of that number there are.
    async fn rows(&self, n: i32) -> u64 {
        number(&primary_url(), &format!("SELECT COUNT(*) FROM {} WHERE n = {n}", self.name)).await
    }

    /// The store's word for how a transaction ended.
    async fn recorded(&self, gtrid: &str) -> String {
        let sql = format!(
            "SELECT CONCAT_WS(' ', state, IFNULL(decision, '-'), finished) FROM {} WHERE gtrid = '{gtrid}' ORDER BY store_trx_id DESC \
             LIMIT 1",
            self.tables.transactions
        );
        let row = direct(&primary_url()).await.fetch_one(AssertSqlSafe(sql)).await.unwrap();
        row.get(0)
    }

    fn count(&self, counter: Counter) -> u64 {
        self.statistics.get(counter)
    }
}

/// Prepared branches whose name begins so, on the server.
async fn prepared(gtrid: &str) -> usize {
    let rows = direct(&primary_url()).await.fetch_all("XA RECOVER").await.unwrap();
    let ours =
        |row: &sqlx::mysql::MySqlRow| row.try_get_unchecked::<Vec<u8>, _>(3).unwrap().starts_with(gtrid.as_bytes());
    rows.iter().filter(|it| ours(it)).count()
}

fn failure(error: &Error) -> (XaFailure, u16, String) {
    match error {
        Error::GlobalTransaction { outcome, code, text, .. } => (*outcome, *code, text.to_string()),
        other => panic!("another error: {other:?}"),
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn all_commit_and_the_connections_serve_on() {
    let it = World::new("xa_commits").await;
    for n in 0..3 {
        let gtrid = format!("commits-{n}");
        let mut xa = it.db.xa(&gtrid).begin().await.unwrap();
        assert_eq!(it.db.xa_outcome(&gtrid).await.unwrap(), Some(Verdict::Open));
        it.insert_both(&mut xa, n).await;
        assert_eq!(it.rows(n).await, 0, "nobody else sees it");
        xa.commit().await.unwrap();
        assert_eq!(it.rows(n).await, 2);
        assert_eq!(it.recorded(&gtrid).await, "XA_COMMIT COMMIT SUCCESS");
        assert_eq!(it.db.xa_outcome(&gtrid).await.unwrap(), Some(Verdict::Committed));
    }
    assert_eq!((it.db.size(), it.db.num_idle()), (2, 2), "one connection for each branch, again and again");
    assert_eq!(it.db.xa_outcome("never").await.unwrap(), None);
    let counted = [Counter::XaBegin, Counter::XaParticipants, Counter::XaCommitSuccess, Counter::XaRollbackOnClose];
    assert_eq!(counted.map(|counter| it.count(counter)), [3, 6, 3, 0]);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn one_server_commits_in_one_phase() {
    let it = World::new("xa_one").await;
    let mut xa = it.db.xa("one-phase").begin().await.unwrap();
    it.insert(&mut xa, "east", 1).await.unwrap();
    xa.commit().await.unwrap();
    assert_eq!(it.rows(1).await, 1);
    // No decision was written: there was nobody to agree with.
    assert_eq!(it.recorded("one-phase").await, "XA_COMMIT - SUCCESS");
    assert_eq!(it.db.xa_outcome("one-phase").await.unwrap(), Some(Verdict::Committed));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_is_dropped_is_rolled_back() {
    let it = World::new("xa_drops").await;
    let mut xa = it.db.xa("drops-guard").begin().await.unwrap();
    it.insert_both(&mut xa, 1).await;
    drop(xa);
    eventually("the rollback", async || it.count(Counter::XaRollbackSuccess) == 1).await;
    assert_eq!(it.count(Counter::XaRollbackOnClose), 1);
    assert_eq!(it.recorded("drops-guard").await, "XA_ROLLBACK - SUCCESS");
    assert_eq!(it.rows(1).await, 0);
    assert_eq!(it.db.num_idle(), 2, "its connections serve on");

    // A session that is dropped closes its connections, and the store is told.
    let mut session = it.db.session();
    session.xa_begin("drops-session", XaOptions::default()).await.unwrap();
    let sql = format!("/*east*/ INSERT INTO {} VALUES ('east', 2)", it.name);
    session.execute(AssertSqlSafe(sql)).await.unwrap();
    drop(session);
    eventually("the record", async || it.recorded("drops-session").await.ends_with("FAILURE")).await;
    eventually("the row to go", async || it.rows(2).await == 0).await;
    // So it is not in the way of recovery, which has nothing to do but to clear it away.
    let collected = it.db.xa_gc(XaGcOptions::default().only("drops-session")).await.unwrap();
    assert_eq!((collected.removed, collected.left.len()), (1, 0), "{collected:?}");
    assert_eq!(it.db.xa_outcome("drops-session").await.unwrap(), None);
}

/// Wherever the caller goes away, both branches end, and they end alike.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_commit_whose_caller_goes_away_comes_to_its_end() {
    let it = World::new("xa_polls").await;
    let (mut dropped, mut rows) = (0, 0);
    for polls in 0..24 {
        let gtrid = format!("polls-{polls}");
        let mut xa = it.db.xa(&gtrid).begin().await.unwrap();
        it.insert_both(&mut xa, polls).await;
        let mut commit = Box::pin(xa.commit());
        let mut left = polls;
        let ended = poll_fn(|cx| {
            if left == 0 {
                return Poll::Ready(false);
            }
            left -= 1;
            commit.as_mut().poll(cx).map(|_| true)
        });
        // A poll that nobody woke may be the last one for a while.
        let ended = tokio::time::timeout(Duration::from_secs(5), ended).await.unwrap_or(true);
        drop(commit);
        dropped += u32::from(!ended);
        eventually("the end", async || {
            let known = it.recorded(&gtrid).await;
            known.ends_with("SUCCESS") || known.ends_with("FAILURE")
        })
        .await;
        eventually("the branches", async || prepared(&gtrid).await == 0).await;
        let here = it.rows(polls).await;
        assert!(matches!(here, 0 | 2), "{polls} polls: {here} rows");
        rows += here;
    }
    assert!(dropped > 0, "none was dropped");
    assert!(rows > 0, "none was committed");
    eventually("the connections", async || it.db.num_idle() == it.db.size()).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_participant_that_is_lost_undoes_all() {
    let it = World::new("xa_lost").await;
    let mut xa = it.db.xa("lost-killed").begin().await.unwrap();
    it.insert_both(&mut xa, 1).await;
    let id = xa.session_mut().last_used().unwrap().connection_id.unwrap();
    kill(id).await;
    // What it did is gone, so nothing may follow as if it were there.
    let error = it.insert(&mut xa, "west", 2).await.unwrap_err();
    assert!(matches!(ms_pool::code(&error), 2006 | 2013), "{error:?}");
    let error = it.insert(&mut xa, "west", 2).await.unwrap_err();
    assert_eq!(ms_pool::code(&error), 2006, "{error:?}");
    let error = xa.commit().await.unwrap_err();
    let (outcome, code, text) = failure(&error);
    assert_eq!(outcome, XaFailure::RolledBack, "{text}");
    assert!(matches!(code, 2006 | 2013), "{code} {text}");
    assert!(text.starts_with("Failed to switch participant to XA_IDLE state"), "{text}");
    assert_eq!((it.rows(1).await, prepared("lost-killed").await), (0, 0));
    assert_eq!(it.db.xa_outcome("lost-killed").await.unwrap(), Some(Verdict::RolledBack));
    let collected = it.db.xa_gc(XaGcOptions::default().only("lost-killed")).await.unwrap();
    assert_eq!((collected.removed, collected.left.len()), (1, 0), "{collected:?}");
}

async fn kill(id: u64) {
    let mut root = direct(&primary_url()).await;
    root.execute(AssertSqlSafe(format!("KILL {id}"))).await.unwrap();
    gone(id).await;
}

/// Waits until the server has ended a connection.
async fn gone(id: u64) {
    let listed = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {id}");
    eventually("the connection to go", async || number(&primary_url(), &listed).await == 0).await;
}

/// A deadlock ends a branch by itself, and each family says so in its own way.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_deadlock_undoes_all() {
    let it = World::new("xa_deadlock").await;
    let url = primary_url();
    let mut other = direct(&url).await;
    let rows = format!("INSERT INTO {} VALUES ('a', 100), ('b', 100)", it.name);
    other.execute(AssertSqlSafe(rows)).await.unwrap();
    let lock = |place: &str| format!("UPDATE {} SET n = n WHERE place = '{place}'", it.name);

    let mut xa = it.db.xa("deadlock").begin().await.unwrap();
    it.insert_both(&mut xa, 1).await;
    xa.on("east").unwrap().execute(AssertSqlSafe(lock("a"))).await.unwrap();
    other.execute("SET innodb_lock_wait_timeout = 20").await.unwrap();
    other.execute("BEGIN").await.unwrap();
    // The heavier one survives.
    for n in 200..260 {
        let sql = format!("INSERT INTO {} VALUES ('heavy', {n})", it.name);
        other.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    other.execute(AssertSqlSafe(lock("b"))).await.unwrap();
    let waits = tokio::spawn({
        let sql = lock("a");
        async move {
            other.execute(AssertSqlSafe(sql)).await.unwrap();
            other.execute("ROLLBACK").await.unwrap();
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let error = xa.on("east").unwrap().execute(AssertSqlSafe(lock("b"))).await.unwrap_err();
    assert_eq!(ms_pool::code(&error), 1213, "{error}");
    waits.await.unwrap();
    let error = xa.commit().await.unwrap_err();
    assert_eq!(failure(&error).0, XaFailure::RolledBack, "{error}");
    assert_eq!((it.rows(1).await, prepared("deadlock").await), (0, 0));

    // And the cluster is as good as new.
    let mut xa = it.db.xa("deadlock").begin().await.unwrap();
    it.insert_both(&mut xa, 2).await;
    xa.commit().await.unwrap();
    assert_eq!(it.rows(2).await, 2);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn when_its_time_is_over_it_is_not_committed() {
    let it = World::new("xa_late").await;
    let mut xa = it.db.xa("late").timeout(Duration::from_millis(50)).begin().await.unwrap();
    it.insert_both(&mut xa, 1).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    let error = xa.commit().await.unwrap_err();
    let (outcome, _, text) = failure(&error);
    assert_eq!(outcome, XaFailure::RolledBack);
    assert!(text.contains("its time was over"), "{text}");
    assert_eq!((it.rows(1).await, prepared("late").await), (0, 0));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_group_that_nobody_knows_is_no_place_to_write_to() {
    let it = World::new("xa_nowhere").await;
    let mut xa = it.db.xa("nowhere").begin().await.unwrap();
    // Neither a slip of the pen nor what a stranger has chosen gets to a server.
    for name in ["esat", "east */ DROP TABLE xa_nowhere; /*", ""] {
        let error = xa.on(name).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("no filter of the cluster knows a group of servers named `{name}`")),
            "{error}"
        );
    }
    it.insert_both(&mut xa, 1).await;
    assert_eq!(it.count(Counter::XaParticipants), 2);
    xa.commit().await.unwrap();
    assert_eq!(it.rows(1).await, 2);
}

/// An owner that is taken for dead finds out, whichever of the two was first.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn recovery_and_a_slow_owner_agree() {
    let it = World::new("xa_slow").await;
    let mut xa = it.db.xa("slow").begin().await.unwrap();
    it.insert_both(&mut xa, 1).await;
    // Nobody touches it while it lives.
    let options = || XaGcOptions::default().only("slow");
    let collected = it.db.xa_gc(options()).await.unwrap();
    assert_eq!(collected.removed, 0, "{collected:?}");
    let expire = format!("UPDATE {} SET lease = '2000-01-01', timeout = '2000-01-01'", it.tables.transactions);
    direct(&primary_url()).await.execute(AssertSqlSafe(expire)).await.unwrap();
    let collected = it.db.xa_gc(options()).await.unwrap();
    assert_eq!((collected.removed, collected.rolled_back, collected.left.len()), (1, 1, 0), "{collected:?}");
    let error = xa.commit().await.unwrap_err();
    assert_eq!(failure(&error).0, XaFailure::RolledBack, "{error}");
    assert_eq!((it.rows(1).await, prepared("slow").await), (0, 0));
}

/// What a crash between the phases leaves: branches that are prepared, and a decision or none.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn recovery_does_what_was_decided() {
    let it = World::new("xa_recovers").await;
    for (n, gtrid, decision, rows) in [(1, "recovers-c", "'COMMIT'", 2), (2, "recovers-a", "NULL", 0)] {
        let xids = leave_prepared(&it, gtrid, n).await;
        assert_eq!(prepared(gtrid).await, 2, "{xids:?}");
        let over = format!(
            "UPDATE {} SET lease = '2000-01-01', timeout = '2000-01-01', decision = {decision} WHERE gtrid = '{gtrid}'",
            it.tables.transactions
        );
        direct(&primary_url()).await.execute(AssertSqlSafe(over)).await.unwrap();
        let collected = it.db.xa_gc(XaGcOptions::default().only(gtrid)).await.unwrap();
        assert_eq!((collected.removed, collected.left.len()), (1, 0), "{collected:?}");
        assert_eq!((it.rows(n).await, prepared(gtrid).await), (rows, 0), "{gtrid}");
    }
}

/// Branches of another application stay as they are, however similar their names.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_is_not_ours_is_left_alone() {
    let it = World::new("xa_foreign").await;
    let xids = leave_prepared(&it, "foreign-1", 1).await;
    let mut foreign = direct(&primary_url()).await;
    let near = xids[0].replace("-1'", "-11'").replace("2d31'", "2d3131'");
    for (sql, ignore) in [("ROLLBACK", true), ("START", false), ("END", false), ("PREPARE", false)] {
        let done = foreign.execute(AssertSqlSafe(format!("XA {sql} {near}"))).await;
        assert!(ignore || done.is_ok(), "{done:?}");
    }
    assert_eq!(prepared("foreign-1").await, 3);
    drop(foreign);
    let over = format!("UPDATE {} SET lease = '2000-01-01', timeout = '2000-01-01'", it.tables.transactions);
    direct(&primary_url()).await.execute(AssertSqlSafe(over)).await.unwrap();
    let collected = it.db.xa_gc(XaGcOptions::default()).await.unwrap();
    assert_eq!((collected.rolled_back, collected.left.len()), (1, 0), "{collected:?}");
    assert_eq!(prepared("foreign-1").await, 1, "the near one");
    // MariaDB answers with an error because nothing was done in it, and has rolled it back.
    _ = direct(&primary_url()).await.execute(AssertSqlSafe(format!("XA ROLLBACK {near}"))).await;
    assert_eq!(prepared("foreign-1").await, 0);
}

/// A branch that has changed nothing is prepared as any other, and MariaDB will not say that it has committed it.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_branch_that_only_reads_is_in_nobodys_way() {
    let it = World::new("xa_reads").await;
    let mut xa = it.db.xa("reads").begin().await.unwrap();
    it.insert(&mut xa, "east", 1).await.unwrap();
    let sql = format!("SELECT COUNT(*) FROM {}", it.name);
    xa.on("west").unwrap().fetch_all(AssertSqlSafe(sql.clone())).await.unwrap();
    xa.commit().await.unwrap();
    assert_eq!(it.rows(1).await, 1);

    let xids = leave_prepared(&it, "reads-left", 2).await;
    let mut conn = direct(&primary_url()).await;
    conn.execute(AssertSqlSafe(format!("XA ROLLBACK {}", xids[1]))).await.unwrap();
    prepare(&mut conn, &xids[1], &sql).await;
    drop(conn);
    let over = format!(
        "UPDATE {} SET lease = '2000-01-01', decision = 'COMMIT' WHERE gtrid = 'reads-left'",
        it.tables.transactions
    );
    direct(&primary_url()).await.execute(AssertSqlSafe(over)).await.unwrap();
    let collected = it.db.xa_gc(XaGcOptions::default()).await.unwrap();
    assert_eq!((collected.committed, collected.left.len()), (1, 0), "{collected:?}");
    assert_eq!(collected.presumed, u32::from(support::is_mariadb()), "{collected:?}");
    assert_eq!((it.rows(2).await, prepared("reads-left").await), (1, 0));
}

/// Begins one, and prepares its branches by hand on connections that are closed then: the crash of its owner. The names that
/// the store has, as SQL.
async fn leave_prepared(it: &World, gtrid: &str, n: i32) -> Vec<String> {
    let mut xa = it.db.xa(gtrid).begin().await.unwrap();
    it.insert_both(&mut xa, n).await;
    let sql = format!(
        "SELECT HEX(p.bqual), t.format_id FROM {} p JOIN {} t ON t.store_trx_id = p.fk_store_trx_id WHERE t.gtrid = '{gtrid}' ORDER BY \
         p.branch",
        it.tables.participants, it.tables.transactions
    );
    let rows = direct(&primary_url()).await.fetch_all(AssertSqlSafe(sql)).await.unwrap();
    let hex: String = gtrid.bytes().map(|it| format!("{it:02x}")).collect();
    let xids: Vec<String> =
        rows.iter().map(|row| format!("X'{hex}',X'{}',{}", row.get::<String, _>(0), row.get::<u32, _>(1))).collect();
    // Only the sessions that work in the branches can prepare them; a real crash is what the torture does. So they are ended here,
    // and branches of the same names are made anew.
    drop(xa);
    eventually("the end", async || it.recorded(gtrid).await.ends_with("SUCCESS")).await;
    let undo = format!(
        "UPDATE {0} SET finished = 'NO', state = 'XA_NON_EXISTING', intend = 'XA_NON_EXISTING' WHERE gtrid = '{gtrid}'; UPDATE {1} p \
         JOIN {0} t ON t.store_trx_id = p.fk_store_trx_id SET p.state = 'XA_ACTIVE' WHERE t.gtrid = '{gtrid}'",
        it.tables.transactions, it.tables.participants
    );
    sqlx::raw_sql(AssertSqlSafe(undo)).execute(&mut direct(&primary_url()).await).await.unwrap();
    for (branch, (xid, place)) in xids.iter().zip(["east", "west"]).enumerate() {
        let mut conn = direct(&primary_url()).await;
        prepare(&mut conn, xid, &format!("INSERT INTO {} VALUES ('{place}', {n})", it.name)).await;
        // The connections on record serve others by now.
        let id: u64 = conn.fetch_one("SELECT CONNECTION_ID()").await.unwrap().get(0);
        let moved = format!(
            "UPDATE {} p JOIN {} t ON t.store_trx_id = p.fk_store_trx_id SET p.connection_id = {id} WHERE t.gtrid = '{gtrid}' AND \
             p.branch = {branch}",
            it.tables.participants, it.tables.transactions
        );
        sqlx::raw_sql(AssertSqlSafe(moved)).execute(&mut direct(&primary_url()).await).await.unwrap();
        drop(conn);
        // Until then its branch is nobody else's.
        gone(id).await;
    }
    xids
}

async fn prepare(conn: &mut MySqlConnection, xid: &str, work: &str) {
    for sql in [format!("XA START {xid}"), work.to_owned(), format!("XA END {xid}"), format!("XA PREPARE {xid}")] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await.unwrap();
    }
}

/// Each holds what the other one wants, if they are let.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn many_at_once_on_pools_of_one_do_not_stand_still() {
    let it = Arc::new(World::with("xa_crowd", r#""pool": {"max_connections": 1, "acquire_timeout_ms": 20000}"#).await);
    let tasks: Vec<_> = (0..24)
        .map(|n| {
            let it = Arc::clone(&it);
            tokio::spawn(async move {
                let mut xa = it.db.xa(format!("crowd-{n}")).begin().await.unwrap();
                let places = if n % 2 == 0 { ["east", "west"] } else { ["west", "east"] };
                for place in places {
                    it.insert(&mut xa, place, n).await.unwrap();
                    tokio::task::yield_now().await;
                }
                xa.commit().await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        tokio::time::timeout(Duration::from_secs(20), task).await.expect("they stand still").unwrap();
    }
    assert_eq!(it.count(Counter::XaCommitSuccess), 24);
}

/// What a dead process has left is finished by one that lives, without being asked to.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn what_was_left_behind_is_finished_by_itself() {
    let it = World::new("xa_upkeep").await;
    leave_prepared(&it, "upkeep", 1).await;
    let over = format!("UPDATE {} SET lease = '2000-01-01', decision = 'COMMIT'", it.tables.transactions);
    direct(&primary_url()).await.execute(AssertSqlSafe(over)).await.unwrap();
    // Its own transaction, which it holds open meanwhile, is not touched.
    let mut xa = it.db.xa("upkeep-own").begin().await.unwrap();
    it.insert_both(&mut xa, 2).await;
    let began = std::time::Instant::now();
    while prepared("upkeep").await > 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "nobody came");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    eventually("the record to go", async || it.db.xa_outcome("upkeep").await.unwrap().is_none()).await;
    assert_eq!(it.rows(1).await, 2);
    xa.commit().await.unwrap();
    assert_eq!(it.rows(2).await, 2);
}

/// A statement that stays with its connection takes part like any other.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn prepared_statements_take_part() {
    let it = World::new("xa_prepared").await;
    let mut session = it.db.session();
    let insert = |place: &str| AssertSqlSafe(format!("/*{place}*/ INSERT INTO {} VALUES ('{place}', ?)", it.name));
    let east = session.prepare(insert("east")).await.unwrap();
    let west = session.prepare(insert("west")).await.unwrap();
    let number = |n: i32| {
        let mut arguments = sqlx::mysql::MySqlArguments::default();
        sqlx::Arguments::add(&mut arguments, n).unwrap();
        arguments
    };
    for (n, commits) in [(1, true), (2, false)] {
        session.xa_begin("prepared", XaOptions::default()).await.unwrap();
        east.execute(&mut session, number(n)).await.unwrap();
        west.execute(&mut session, number(n)).await.unwrap();
        assert_eq!(it.rows(n).await, 0);
        if commits {
            session.xa_commit("prepared").await.unwrap();
        } else {
            session.xa_rollback("prepared").await.unwrap();
        }
        assert_eq!(it.rows(n).await, if commits { 2 } else { 0 });
    }
    assert_eq!(it.count(Counter::XaParticipants), 4);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn local_and_global_transactions_exclude_each_other() {
    let it = World::new("xa_local").await;
    let mut session = it.db.session();
    session.xa_begin("local", XaOptions::default()).await.unwrap();
    assert_eq!(session.global_transaction().unwrap().as_bytes(), b"local");
    let error = session.begin(TxOptions::default()).await.unwrap_err();
    assert_eq!(ms_pool::code(&error), 1400, "{error}");
    session.rollback().await.unwrap();
    // The server refuses what would end it behind its back.
    let error = session.execute("/*east*/ BEGIN").await.unwrap_err();
    assert_eq!(ms_pool::code(&error), 1399, "{error}");
    session.xa_rollback("local").await.unwrap();
    let mut tx = session.begin(TxOptions::default()).await.unwrap();
    tx.execute("SELECT 1").await.unwrap();
    tx.rollback().await.unwrap();
    assert!(session.global_transaction().is_none());
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_store_that_does_not_answer_starts_nothing() {
    let it = World::new("xa_storeless").await;
    direct(&primary_url()).await.execute(AssertSqlSafe(format!("DROP TABLE {}", it.tables.collections))).await.unwrap();
    let drop_both = format!("DROP TABLE {}, {}", it.tables.participants, it.tables.transactions);
    direct(&primary_url()).await.execute(AssertSqlSafe(drop_both)).await.unwrap();
    let error = it.db.xa("storeless").begin().await.unwrap_err();
    let (outcome, code, text) = failure(&error);
    assert_eq!((outcome, code), (XaFailure::NotStarted, 1146), "{text}");
    // Tables as the original made them.
    let original = format!(
        "CREATE TABLE {} (store_trx_id INT AUTO_INCREMENT PRIMARY KEY, gtrid INT, format_id INT UNSIGNED DEFAULT 1, started DATETIME, \
         timeout DATETIME)",
        it.tables.transactions
    );
    direct(&primary_url()).await.execute(AssertSqlSafe(original)).await.unwrap();
    let (outcome, _, text) = failure(&it.db.xa("12").begin().await.unwrap_err());
    assert_eq!(outcome, XaFailure::NotStarted);
    assert!(text.contains("ms xa init --upgrade"), "{text}");
}
