//! Failover under load: servers that die, freeze, come back and change their role while thirty-two tasks use them, with the
//! defaults of `strict`. What single statements go through is in `cluster_faults.rs`.
//!
//! That no write is executed twice is shown by a ledger: every insert has an id that is never used again, by nobody, whatever
//! came of it; and the table has no key that would hide a second one.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::print_stdout, reason = "what was measured is part of the result")]

#[path = "support/relay.rs"]
#[allow(unreachable_pub, dead_code, reason = "the tests of the pool use the same file")]
mod relay;
#[path = "support/shop.rs"]
mod shop;
#[path = "support/cluster.rs"]
mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ms_pool::{Cluster, Counter, Error, ServerState, Statistics, TxOptions, code};
use relay::{Relay, Weather};
use shop::{Shop, tcp};
use sqlx::{AssertSqlSafe, Row};
use support::{address, alone, control, direct, number, primary_url, replica_url};
use tokio::task::JoinSet;

/// Three servers to read from, all with the same tables: the third is the primary under another name.
const READERS: usize = 16;
const WRITERS: usize = 8;
const TRANSACTORS: usize = 8;
/// More than a statement may take: its own deadline, a turn to dial and a connect, here and elsewhere.
const DEADLINE: Duration = Duration::from_millis(2000);
/// Connections to one server.
const CONNECTIONS: u64 = 10;

fn at(url: &str) -> String {
    let (host, port) = address(url);
    tcp(&host, port)
}

/// A primary at this address, and three servers to read from.
fn shop(primary: &str, rest: &str) -> Shop {
    let shop = Shop::new().primary("primary", primary).replica("replica1", &at(&replica_url(1)));
    shop.replica("replica2", &at(&replica_url(2))).replica("replica3", &at(&primary_url())).with(rest)
}

const TIMES: &str = r#""failover": {"strategy": "loop_before_primary", "retry_after_s": 1},
    "filters": {"random": []}, "pool": {"connect_timeout_ms": 300, "statement_timeout_ms": 400}"#;

fn state(db: &Cluster, name: &str) -> ServerState {
    db.state().into_iter().find(|it| &*it.name == name).unwrap()
}

async fn pause_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// What readers saw since somebody looked last.
#[derive(Default)]
struct Reads {
    times: Vec<Duration>,
    failed: Vec<u16>,
}

impl Reads {
    fn quantile(&mut self, share: f64) -> Duration {
        self.times.sort_unstable();
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let at = (self.times.len() as f64 * share) as usize;
        self.times.get(at).copied().unwrap_or_default()
    }

    fn told(&mut self) -> String {
        let (p50, p99, max) = (self.quantile(0.5), self.quantile(0.99), self.quantile(0.999_999));
        format!("{} reads, p50 {p50:?}, p99 {p99:?}, slowest {max:?}, failed {:?}", self.times.len(), self.failed)
    }
}

/// What the tasks have in common.
#[derive(Default)]
struct Load {
    reads: Mutex<Reads>,
    enough: AtomicBool,
    next_id: AtomicU64,
    slowest_write_ms: AtomicU64,
    /// What each write was told: ids by outcome.
    ledger: Mutex<BTreeMap<u64, Told>>,
}

/// What the application knows of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The server has confirmed it.
    Done,
    /// It may or may not have happened: the answer is missing.
    Unknown,
    /// It has not happened: the transaction ended before its commit was sent.
    NotDone,
}

impl Load {
    fn take(&self) -> Reads {
        std::mem::take(&mut *self.reads.lock().unwrap())
    }

    async fn read(&self, db: &Cluster) {
        let began = Instant::now();
        let answer = sqlx::query("SELECT 1").execute(db).await;
        let mut reads = self.reads.lock().unwrap();
        reads.times.push(began.elapsed());
        reads.failed.extend(answer.err().map(|it| code(&it)));
    }

    async fn write(&self, db: &Cluster, table: &str) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let insert = format!("INSERT INTO {table} VALUES ({id}, 1)");
        let answer = sqlx::raw_sql(AssertSqlSafe(insert)).execute(db).await;
        self.note(id, began, if answer.is_ok() { Told::Done } else { Told::Unknown });
        if answer.is_err() {
            pause_ms(5).await;
        }
    }

    async fn transact(&self, db: &Cluster, table: &str) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let inserts = async {
            let mut tx = db.begin().await?;
            for part in [1, 2] {
                let insert = format!("INSERT INTO {table} VALUES ({id}, {part})");
                sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut tx).await?;
            }
            Ok::<_, sqlx::Error>(tx)
        };
        let told = match inserts.await {
            Err(_) => Told::NotDone,
            Ok(tx) => match tx.commit().await {
                Ok(()) => Told::Done,
                Err(_) => Told::Unknown,
            },
        };
        self.note(id, began, told);
        if told != Told::Done {
            pause_ms(5).await;
        }
    }

    fn note(&self, id: u64, began: Instant, told: Told) {
        self.slowest_write_ms.fetch_max(began.elapsed().as_millis().try_into().unwrap(), Ordering::Relaxed);
        self.ledger.lock().unwrap().insert(id, told);
    }
}

/// Readers alone, or with writers of the ledger.
fn start(db: &Cluster, ledger: Option<&str>) -> (Arc<Load>, JoinSet<()>) {
    let load = Arc::new(Load::default());
    let mut tasks = JoinSet::new();
    let others = if ledger.is_some() { WRITERS + TRANSACTORS } else { 0 };
    for n in 0..READERS + others {
        let (db, load, table) = (db.clone(), Arc::clone(&load), ledger.unwrap_or_default().to_owned());
        tasks.spawn(async move {
            while !load.enough.load(Ordering::Relaxed) {
                match n {
                    ..READERS => load.read(&db).await,
                    _ if n < READERS + WRITERS => load.write(&db, &table).await,
                    _ => load.transact(&db, &table).await,
                }
                tokio::task::yield_now().await;
            }
        });
    }
    (load, tasks)
}

async fn end(load: &Load, tasks: JoinSet<()>) {
    load.enough.store(true, Ordering::Relaxed);
    tokio::time::timeout(Duration::from_secs(15), tasks.join_all()).await.expect("every statement ends");
}

/// Does something to the servers and compares what readers saw with what they may see.
async fn disturb(load: &Load, commands: &[&str], in_flight: u64) {
    load.take();
    for command in commands {
        match command.strip_prefix("wait ") {
            Some(ms) => pause_ms(ms.parse().unwrap()).await,
            None => _ = control(command).await,
        }
    }
    pause_ms(600).await;
    let mut reads = load.take();
    println!("{commands:?}: {}", reads.told());
    assert!(reads.failed.len() as u64 <= in_flight, "{commands:?}: {} reads failed", reads.failed.len());
    assert!(reads.quantile(0.999_999) < DEADLINE, "{commands:?}: {:?}", reads.quantile(0.999_999));
    assert!(reads.times.len() > 50, "{commands:?}: {} reads", reads.times.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test"]
async fn no_write_is_executed_twice_and_reads_go_on_whatever_dies() {
    let _turn = alone().await;
    let table = support::table("failover_ledger", "id BIGINT NOT NULL, part INT NOT NULL").await;
    let (host, port) = address(&primary_url());
    let relay = Relay::to(format!("{host}:{port}")).await.unwrap();
    let db = shop(&tcp("127.0.0.1", relay.port()), TIMES).build();
    let (load, tasks) = start(&db, Some(&table));
    pause_ms(500).await;

    // A dead connection from the idle stack is replaced; one just made may be the exception.
    disturb(&load, &["kill replica1", "wait 500", "restart replica1"], 2).await;
    // On a frozen server whoever has a connection waits for it, twice if it thaws late.
    disturb(&load, &["pause replica2", "wait 1500", "resume replica2"], 2 * CONNECTIONS).await;
    disturb(&load, &["restart replica1"], 2).await;
    // The primary is one of the three that are read from.
    // The primary does what it is told, and its answers are lost on the way.
    for _ in 0..40 {
        relay.set(Weather::CutAfter(0));
        pause_ms(5).await;
        relay.set(Weather::Fair);
        pause_ms(60).await;
    }
    disturb(&load, &["kill primary", "wait 700", "restart primary"], 4).await;
    disturb(&load, &["pause primary", "wait 1500", "resume primary"], 2 * CONNECTIONS).await;
    disturb(&load, &["restart primary"], 4).await;
    // A read that moved to the second one in time to die with it, too, is not repeated again.
    disturb(
        &load,
        &["kill replica1", "kill replica2", "wait 500", "restart replica1", "restart replica2"],
        CONNECTIONS,
    )
    .await;
    // All that is remembered is over after its time, and everything is used again.
    pause_ms(4500).await;
    end(&load, tasks).await;
    let mut quiet = load.take();
    println!("afterwards: {}", quiet.told());
    assert!(quiet.failed.is_empty(), "{:?}", quiet.failed);
    assert!(db.state().iter().all(|it| it.outage.is_none()), "{:#?}", db.state());
    support::unused(&db).await;

    let select = format!("SELECT id, COUNT(*), COUNT(DISTINCT part) FROM {table} GROUP BY id");
    let rows = sqlx::raw_sql(AssertSqlSafe(select)).fetch_all(&mut direct(&primary_url()).await).await.unwrap();
    let text = |row: &sqlx::mysql::MySqlRow, column: usize| {
        row.try_get_unchecked::<String, _>(column).unwrap().parse::<u64>().unwrap()
    };
    let found: BTreeMap<u64, (u64, u64)> =
        rows.iter().map(|row| (text(row, 0), (text(row, 1), text(row, 2)))).collect();
    let ledger = load.ledger.lock().unwrap().clone();
    let mut counts = [0_u64; 4];
    // Which of them wrote two parts is not known from the id, but a transaction that did half shows as one of one part.
    for (id, told) in &ledger {
        let rows = found.get(id).copied().unwrap_or_default();
        assert!(rows.0 == rows.1, "{id}: a part is there twice: {rows:?}, {told:?}");
        match told {
            Told::Done => assert!(rows.0 > 0, "{id} was confirmed and is not there"),
            Told::NotDone => assert_eq!(rows.0, 0, "{id} was never committed"),
            Told::Unknown => counts[3] += u64::from(rows.0 > 0),
        }
        counts[*told as usize] += 1;
    }
    let [done, unknown, not_done, unknown_done] = counts;
    let slowest = Duration::from_millis(load.slowest_write_ms.load(Ordering::Relaxed));
    println!(
        "writes: {done} done, {not_done} not done, {unknown} unknown, {unknown_done} of them done; slowest {slowest:?}"
    );
    assert!(done > 500 && not_done > 0 && unknown_done > 20, "{counts:?}");
    assert!(found.keys().all(|id| ledger.contains_key(id)), "somebody else wrote");
    assert!(slowest < 3 * DEADLINE, "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test"]
async fn reads_hardly_notice_that_one_of_three_servers_is_stopped() {
    let _turn = alone().await;
    // Long enough for servers that only have a lot to do.
    let times = TIMES.replace(r#""statement_timeout_ms": 400"#, r#""statement_timeout_ms": 2000"#);
    let db = shop(&at(&primary_url()), &times).build();
    let (load, tasks) = start(&db, None);
    pause_ms(300).await;
    load.take();
    pause_ms(1000).await;
    let mut before = load.take();
    println!("all three run: {}", before.told());

    control("pause replica1").await;
    pause_ms(3000).await;
    let mut first = load.take();
    println!("one is stopped, first three seconds: {}", first.told());
    assert!(first.failed.len() as u64 <= CONNECTIONS, "{:?}", first.failed);

    let tried = state(&db, "replica1").failed;
    pause_ms(4000).await;
    let mut then = load.take();
    let tried = state(&db, "replica1").failed - tried;
    println!("the four seconds after it: {}", then.told());
    println!("tried again {tried} times; {:?}", state(&db, "replica1").outage);
    assert!(then.failed.is_empty(), "{:?}", then.failed);
    // One statement finds out each time that nothing has changed, after a second, two, four.
    assert!((1..=3).contains(&tried), "{tried} statements were slow");
    assert!(then.quantile(0.99) < Duration::from_millis(200), "{:?}", then.quantile(0.99));

    control("resume replica1").await;
    let opened = state(&db, "replica1").opened;
    tokio::time::timeout(Duration::from_secs(6), async {
        while state(&db, "replica1").opened == opened {
            pause_ms(20).await;
        }
    })
    .await
    .expect("it is used again when its time is over");
    pause_ms(300).await;
    end(&load, tasks).await;
    assert!(load.take().failed.is_empty());
}

/// A cluster by an account that `read_only` holds back.
fn held_back(replicas: usize) -> (Cluster, Arc<Statistics>, Arc<Mutex<Vec<String>>>) {
    watched("low", replicas)
}

/// A cluster, its counters and what it says.
fn watched(account: &str, replicas: usize) -> (Cluster, Arc<Statistics>, Arc<Mutex<Vec<String>>>) {
    let (host, port) = address(&primary_url());
    let (statistics, warnings) = (Arc::new(Statistics::default()), Arc::new(Mutex::new(Vec::new())));
    let sink = Arc::clone(&warnings);
    let mut shop = Shop::new().account(account, account).primary("primary", &tcp(&host, port));
    for n in 1..=replicas {
        let (host, port) = address(&replica_url(n));
        shop = shop.replica("replica", &tcp(&host, port));
    }
    let builder = shop.with(r#""failover": "master""#).builder();
    let builder = builder.statistics(Arc::clone(&statistics));
    let db = builder.on_warning(move |it| sink.lock().unwrap().push(it.to_string())).build().unwrap();
    (db, statistics, warnings)
}

async fn set_on_primary(sql: &'static str) {
    sqlx::raw_sql(sql).execute(&mut direct(&primary_url()).await).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_primary_that_refuses_to_write_is_asked_anew_what_it_is() {
    let _turn = alone().await;
    let table = support::table("failover_demoted", "id INT NOT NULL").await;
    let insert = |id: u32| sqlx::raw_sql(AssertSqlSafe(format!("INSERT INTO test.{table} VALUES ({id})")));
    let (db, statistics, warnings) = held_back(1);
    let refused = || statistics.get(Counter::PrimaryRefused);
    let mut session = db.session();
    insert(1).execute(&mut session).await.unwrap();
    let number_of = |session: &ms_pool::Session| session.last_used().unwrap().connection_id.unwrap();
    let first = number_of(&session);
    let mut tx = db.begin().await.unwrap();
    insert(2).execute(&mut tx).await.unwrap();
    insert(3).execute(&db).await.unwrap();
    assert_eq!((state(&db, "primary").idle, state(&db, "primary").opened), (1, 3));

    set_on_primary("SET GLOBAL read_only = 1").await;
    let error = insert(4).execute(&db).await.unwrap_err();
    assert_eq!(code(&error), 1290, "{error:?}");
    assert!(error.as_database_error().is_some(), "the server's own words");
    assert_eq!((refused(), state(&db, "primary").idle), (1, 0), "its connections are closed");
    // The transaction ends on its own connection.
    assert_eq!(code(&insert(5).execute(&mut tx).await.unwrap_err()), 1290);
    tx.rollback().await.unwrap();
    assert_eq!(state(&db, "primary").idle, 0);
    // The role is read on a new connection, which is not closed for saying the same again.
    assert_eq!(code(&insert(6).execute(&db).await.unwrap_err()), 1290);
    let primary = state(&db, "primary");
    assert!(primary.identity.unwrap().read_only);
    assert_eq!((refused(), primary.opened, primary.idle), (1, 4, 1));
    assert_eq!(code(&insert(7).execute(&mut session).await.unwrap_err()), 1290);
    assert_ne!(number_of(&session), first, "a session lets go as well");
    let told = warnings.lock().unwrap().join("\n");
    assert!(told.contains("primary `primary` refuses to write (error 1290)"), "{told}");
    assert!(told.contains("primary `primary` is read-only now"), "{told}");

    set_on_primary("SET GLOBAL read_only = 0").await;
    insert(8).execute(&db).await.unwrap();
    insert(9).execute(&mut session).await.unwrap();
    assert_eq!(
        number(&primary_url(), &format!("SELECT GROUP_CONCAT(id ORDER BY id SEPARATOR '') FROM {table}")).await,
        1389
    );
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_refusal_that_was_asked_for_says_nothing_about_the_primary() {
    let _turn = alone().await;
    let table = support::table("failover_asked", "id INT NOT NULL").await;
    let insert = || sqlx::raw_sql(AssertSqlSafe(format!("INSERT INTO test.{table} VALUES (1)")));
    // Without a replica, which would run what only reads.
    let (db, statistics, _) = held_back(0);
    let refused = || statistics.get(Counter::PrimaryRefused);
    let mut session = db.session();
    for begin in ["START TRANSACTION READ ONLY", "SET SESSION TRANSACTION READ ONLY"] {
        sqlx::raw_sql(begin).execute(&mut session).await.unwrap();
        assert_eq!(code(&insert().execute(&mut session).await.unwrap_err()), 1792, "{begin}");
        sqlx::raw_sql("ROLLBACK").execute(&mut session).await.unwrap();
    }
    drop(session);
    // 1290 for another reason.
    let (mighty, its_statistics, _) = watched("app", 0);
    let file = sqlx::raw_sql("SELECT 1 INTO OUTFILE '/no/such/place'").execute(&mighty).await.unwrap_err();
    println!("INTO OUTFILE: {}", code(&file));
    assert!(support::is_mariadb() || code(&file) == 1290, "{file:?}");
    assert_eq!(its_statistics.get(Counter::PrimaryRefused), 0);
    let options = TxOptions { read_only: true, ..TxOptions::default() };
    let mut tx = db.begin_with(options).await.unwrap();
    assert_eq!(code(&insert().execute(&mut tx).await.unwrap_err()), 1792);
    drop(tx);
    assert_eq!(refused(), 0);

    // Nobody has asked for this.
    let variable = if support::is_mariadb() { "tx_read_only" } else { "transaction_read_only" };
    let set = |on: u8| format!("SET GLOBAL {variable} = {on}");
    sqlx::raw_sql(AssertSqlSafe(set(1))).execute(&mut direct(&primary_url()).await).await.unwrap();
    let fresh = held_back(0);
    let answer = insert().execute(&fresh.0).await.map_err(|it| code(&it)).map(drop);
    let mut tx = fresh.0.begin().await.unwrap();
    let in_transaction = insert().execute(&mut tx).await.map_err(|it| code(&it)).map(drop);
    drop(tx);
    let mut direct = direct(&primary_url()).await;
    sqlx::raw_sql("SET SESSION TRANSACTION READ WRITE").execute(&mut direct).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(set(0))).execute(&mut direct).await.unwrap();
    assert_eq!((answer, in_transaction), (Err(1792), Err(1792)));
    assert_eq!(fresh.1.get(Counter::PrimaryRefused), 1);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_replica_that_takes_writes_beside_the_primary_is_warned_of_and_no_more() {
    let _turn = alone().await;
    let (db, _, warnings) = held_back(1);
    sqlx::query("DO 1").execute(&db).await.unwrap();
    let read = async || {
        // Two at a time, so that one of the connections is new.
        let (mut one, mut two) = (db.session(), db.session());
        sqlx::query("SELECT 1").execute(&mut one).await.unwrap();
        sqlx::query("SELECT 1").execute(&mut two).await.unwrap();
    };
    sqlx::query("SELECT 1").execute(&db).await.unwrap();
    let set = |on: u8| AssertSqlSafe(format!("SET GLOBAL read_only = {on}"));
    let mut replica = direct(&replica_url(1)).await;
    sqlx::raw_sql(set(0)).execute(&mut replica).await.unwrap();
    read().await;
    sqlx::raw_sql(set(1)).execute(&mut replica).await.unwrap();
    let told = warnings.lock().unwrap().join("\n");
    assert!(told.contains("replica `replica` takes writes now and so does primary `primary`"), "{told}");
    sqlx::query("DO 1").execute(&db).await.expect("a common way to run replicas");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_deadline_within_a_transaction_stops_the_statement_and_rolls_back() {
    let _turn = alone().await;
    let table = support::table("failover_deadline", "id INT PRIMARY KEY").await;
    let db = shop(&at(&primary_url()), TIMES).build();
    let mut tx = db.begin().await.unwrap();
    let insert = || sqlx::raw_sql(AssertSqlSafe(format!("INSERT INTO {table} VALUES (1)")));
    insert().execute(&mut tx).await.unwrap();
    let began = Instant::now();
    let late = sqlx::raw_sql("SELECT SLEEP(30), 'failover_deadline'").execute(&mut tx).await.unwrap_err();
    assert!(matches!(Error::of(&late), Some(Error::StatementTimeout { .. })), "{late:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let after = sqlx::query("DO 1").execute(&mut tx).await.unwrap_err();
    assert!(matches!(Error::of(&after), Some(Error::TransactionLost { .. })), "{after:?}");
    let running =
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%failover_deadline%'";
    support::eventually("the statement to be stopped", async || number(&primary_url(), running).await == 0).await;
    // The answer to the order comes after what it does.
    let orders = || (state(&db, "primary").kills_sent, state(&db, "primary").kills_lost);
    support::eventually("the order to be answered", async || orders() != (0, 0)).await;
    assert_eq!(orders(), (1, 0));
    // Its locks are gone with it.
    insert().execute(&db).await.expect("rolled back at the server");
    assert!(matches!(Error::of(&tx.commit().await.unwrap_err()), Some(Error::TransactionLost { .. })));
}
