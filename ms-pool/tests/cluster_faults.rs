//! Servers that die, freeze and come back while they are used.
//!
//! Each test breaks a server that all of them use, so they take turns, and each mends what it broke. Other tests must not run on
//! the same cluster at the same time.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/cluster.rs"]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ms_pool::{Cluster, Counter, Error, ServerState, code};
use sqlx::{AssertSqlSafe, Row};
use support::{alone, configured, control, primary_url};
use tokio::task::JoinSet;

const TASKS: usize = 16;

/// What the cluster remembers hides what each statement goes through; `cluster_failover_faults.rs` has it on.
const FORGETTING: &str = r#", "failover": {"strategy": "loop_before_master", "remember_failed": 0}"#;

/// What tasks that read all the time saw.
#[derive(Default)]
struct Seen {
    reads: AtomicU64,
    failed: AtomicU64,
    slowest_ms: AtomicU64,
    codes: std::sync::Mutex<Vec<u16>>,
    enough: AtomicBool,
}

impl Seen {
    fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// What was seen since the last time.
    fn take(&self) -> (u64, u64, Duration) {
        let take = |it: &AtomicU64| it.swap(0, Ordering::Relaxed);
        (take(&self.reads), take(&self.failed), Duration::from_millis(take(&self.slowest_ms)))
    }
}

/// Reads with so many tasks until told that it is enough.
fn readers(db: &Cluster) -> (Arc<Seen>, JoinSet<()>) {
    let seen = Arc::new(Seen::default());
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (db, seen) = (db.clone(), Arc::clone(&seen));
        tasks.spawn(async move {
            while !seen.enough.load(Ordering::Relaxed) {
                let began = Instant::now();
                match sqlx::query("SELECT 1").execute(&db).await {
                    Ok(_) => seen.reads.fetch_add(1, Ordering::Relaxed),
                    Err(error) => {
                        seen.codes.lock().unwrap().push(code(&error));
                        seen.failed.fetch_add(1, Ordering::Relaxed)
                    }
                };
                seen.slowest_ms.fetch_max(began.elapsed().as_millis().try_into().unwrap(), Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
    }
    (seen, tasks)
}

async fn end(seen: &Seen, tasks: JoinSet<()>) {
    seen.enough.store(true, Ordering::Relaxed);
    tokio::time::timeout(Duration::from_secs(10), tasks.join_all()).await.expect("every read ends");
}

fn state(db: &Cluster, name: &str) -> ServerState {
    db.state().into_iter().find(|it| &*it.name == name).unwrap()
}

async fn pause_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_killed_replica_is_hardly_noticed() {
    let _turn = alone().await;
    let (db, statistics) = configured(FORGETTING);
    let (seen, tasks) = readers(&db);
    support::eventually("a hundred reads", async || seen.reads() > 100).await;
    let (before, failed, _) = seen.take();
    assert_eq!(failed, 0, "of {before}");

    control("kill replica1").await;
    pause_ms(700).await;
    let (during, in_flight, slowest) = seen.take();
    println!(
        "killed: {before} reads before; {during} after, {in_flight} failed {:?}, slowest {slowest:?}",
        seen.codes.lock().unwrap()
    );
    // Those in flight were repeated elsewhere, all but one that may have been on a connection just made.
    assert!(statistics.get(Counter::ReadRepeated) > 0 && in_flight <= 1, "{in_flight} reads failed");
    assert!(during > 100 && slowest < Duration::from_secs(1), "{during} reads, {slowest:?}");
    // By now nobody has a connection to it any more.
    pause_ms(300).await;
    assert_eq!(seen.failed(), 0, "{:?}", seen.codes.lock().unwrap());

    let opened = state(&db, "replica1").opened;
    control("restart replica1").await;
    let back =
        support::eventually("the replica to be used again", async || state(&db, "replica1").opened > opened).await;
    println!("used again {back:?} after its restart");
    pause_ms(200).await;
    end(&seen, tasks).await;
    assert_eq!(seen.failed(), 0, "{:?}", seen.codes.lock().unwrap());
    support::unused(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_frozen_replica_costs_deadlines_and_no_more() {
    let _turn = alone().await;
    let pool = r#", "pool": {"connect_timeout_ms": 300, "statement_timeout_ms": 400}"#;
    let (db, _) = configured(&format!("{FORGETTING}{pool}"));
    let (seen, tasks) = readers(&db);
    support::eventually("a hundred reads", async || seen.reads() > 100).await;
    seen.take();
    let open = u64::from(state(&db, "replica1").max);

    control("pause replica1").await;
    pause_ms(3000).await;
    let (reads, failed, slowest) = seen.take();
    println!("frozen: {reads} reads, {failed} failed {:?}, slowest {slowest:?}", seen.codes.lock().unwrap());
    // Whoever had a connection, or took one that looked fresh, waited for the statement's deadline; the others for a connect at most.
    assert!(failed <= open, "{failed} reads failed, {open} connections were open");
    // A read may meet both: the turn to dial and the connect of its own, then the statement elsewhere.
    assert!(slowest < Duration::from_millis(400 + 2 * 300 + 300), "{slowest:?}");
    assert!(reads > 50, "{reads} reads");
    pause_ms(500).await;
    assert_eq!(seen.failed(), 0, "reads go on elsewhere");
    assert!(seen.reads() > 0);

    let opened = state(&db, "replica1").opened;
    control("resume replica1").await;
    support::eventually("the replica to be used again", async || state(&db, "replica1").opened > opened).await;
    end(&seen, tasks).await;
    support::unused(&db).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_transaction_on_a_killed_primary_is_reported_once_and_gone() {
    let _turn = alone().await;
    let table = support::table("faults_tx", "id INT PRIMARY KEY").await;
    let (db, _) = configured("");
    let insert = |id: u8| sqlx::query(AssertSqlSafe(format!("INSERT INTO {table} VALUES ({id})")));
    let mut tx = db.begin().await.unwrap();
    insert(1).execute(&mut tx).await.unwrap();
    let mut other = db.begin().await.unwrap();
    insert(2).execute(&mut other).await.unwrap();
    let mut session = db.session();
    insert(3).execute(&mut session).await.unwrap();

    control("kill primary").await;
    let began = Instant::now();
    let lost = insert(4).execute(&mut tx).await.unwrap_err();
    assert_eq!(code(&lost), 2013, "{lost:?}");
    // From here on the connection is not asked any more.
    let after = insert(5).execute(&mut tx).await.unwrap_err();
    assert!(matches!(Error::of(&after), Some(Error::TransactionLost { .. })), "{after:?}");
    assert_eq!(code(&tx.commit().await.unwrap_err()), 2006);
    assert!([2006, 2013].contains(&code(&other.commit().await.unwrap_err())));
    assert!([2003, 2013].contains(&code(&insert(6).execute(&mut session).await.unwrap_err())));
    assert_eq!(code(&db.begin().await.unwrap_err()), 2003);
    assert_eq!(code(&insert(7).execute(&db).await.unwrap_err()), 2003);
    sqlx::query("SELECT 1").execute(&db).await.expect("reads go on");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());

    control("restart primary").await;
    insert(8).execute(&db).await.unwrap();
    insert(9).execute(&mut session).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    insert(10).execute(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    let select = format!("SELECT id FROM {table} ORDER BY id");
    let rows =
        sqlx::raw_sql(AssertSqlSafe(select)).fetch_all(&mut support::direct(&primary_url()).await).await.unwrap();
    let ids: Vec<i64> = rows.iter().map(|row| row.try_get_unchecked(0).unwrap()).collect();
    assert_eq!(ids, [3, 8, 9, 10]);
    drop(session);
    assert_eq!(state(&db, "primary").in_use, 0);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_session_goes_back_to_its_restarted_replica_in_strict_only() {
    let _turn = alone().await;
    for (compat, expected) in [("strict", [Ok(()), Ok(())]), ("classic", [Err(2013), Err(2006)])] {
        let (db, _) = configured(&format!(r#", "compat": "{compat}", "filters": {{"random": {{"sticky": true}}}}"#));
        let mut session = db.session();
        sqlx::query("SELECT 1").execute(&mut session).await.unwrap();
        let name = session.last_used().unwrap().name.to_owned();
        control(&format!("restart {name}")).await;
        for expected in expected {
            let answer = sqlx::query("SELECT 1").execute(&mut session).await;
            assert_eq!(answer.map(drop).map_err(|it| code(&it)), expected, "{compat}");
        }
        sqlx::query("SELECT 1").execute(&mut db.session()).await.expect("a new session is not concerned");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_frozen_primary_holds_nobody_longer_than_the_deadlines() {
    let _turn = alone().await;
    let pool = r#", "pool": {"connect_timeout_ms": 300, "statement_timeout_ms": 400, "acquire_timeout_ms": 1000}"#;
    let (db, _) = configured(pool);
    let mut tx = db.begin().await.unwrap();
    let mut idle = db.begin().await.unwrap();
    sqlx::query("DO 1").execute(&mut idle).await.unwrap();
    // Its connection is idle now, and fresh.
    idle.rollback().await.unwrap();
    control("pause primary").await;

    let within = async |what: &str, limit: u64, action: &mut (dyn Future<Output = Result<(), sqlx::Error>> + Unpin)| {
        let began = Instant::now();
        let answer = tokio::time::timeout(Duration::from_secs(8), action).await;
        println!("frozen primary: {what} took {:?}: {answer:?}", began.elapsed());
        let error = answer.unwrap_or_else(|_| panic!("{what} hangs")).expect_err("it is frozen");
        assert!(began.elapsed() < Duration::from_millis(limit), "{what} took {:?}", began.elapsed());
        assert!([2003, 2013].contains(&code(&error)), "{what}: {error:?}");
    };
    within("begin on an idle connection", 1500, &mut Box::pin(async { db.begin().await.map(drop) })).await;
    within("begin on a new connection", 1000, &mut Box::pin(async { db.begin().await.map(drop) })).await;
    within("a write", 1000, &mut Box::pin(async { sqlx::query("DO 1").execute(&db).await.map(drop) })).await;
    let mut session = db.session();
    within(
        "a session's write",
        1000,
        &mut Box::pin(async { sqlx::query("DO 1").execute(&mut session).await.map(drop) }),
    )
    .await;
    within(
        "a statement of a transaction",
        1000,
        &mut Box::pin(async { sqlx::query("DO 1").execute(&mut tx).await.map(drop) }),
    )
    .await;
    drop(tx);
    let began = Instant::now();
    db.close().await;
    assert!(began.elapsed() < Duration::from_secs(8), "close took {:?}", began.elapsed());
    control("resume primary").await;
}
