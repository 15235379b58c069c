//! The cluster that `cargo xtask test` started, and the hand that breaks its servers.
//!
//! Tests that use it are `#[ignore]`d, so that plain `cargo test` works without any server.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use std::{env, sync::Arc};

use ms_pool::{Builder, Cluster, Statistics};
use sqlx::{Connection, Executor, MySqlConnection, Row};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    sync::{Mutex, MutexGuard},
};

/// An environment variable of the test cluster.
pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("`{name}` is not set: run these tests with `cargo xtask test`"))
}

/// The URL of the primary.
pub fn primary_url() -> String {
    variable("MS_TEST_PRIMARY")
}

/// The URL of a replica, from 1.
pub fn replica_url(number: usize) -> String {
    variable(&format!("MS_TEST_REPLICA_{number}"))
}

/// Whether the servers are MariaDB.
pub fn is_mariadb() -> bool {
    variable("MS_TEST_FLAVOR") == "mariadb"
}

/// A cluster of one primary and two replicas, with statistics of its own.
pub fn builder() -> (Builder, Arc<Statistics>) {
    let statistics = Arc::new(Statistics::default());
    let builder = Cluster::builder()
        .primary(primary_url())
        .replicas([replica_url(1), replica_url(2)])
        .statistics(Arc::clone(&statistics));
    (builder, statistics)
}

/// The same, built; nothing is open.
pub fn cluster() -> Cluster {
    builder().0.build().unwrap()
}

/// A read that has to see something waits for a replica as long as it takes, and not 100 ms, which a busy machine needs for a login.
pub const PATIENT: &str = r#", "global_transaction_id_injection": {"wait_for_gtid_timeout": 10}"#;

/// The same, whose reads wait for replicas.
pub fn patient() -> Cluster {
    configured(PATIENT).0
}

/// `host` and `port` of a URL of the test cluster.
pub fn address(url: &str) -> (String, u16) {
    let rest = url.split('@').nth(1).unwrap();
    let (host, port) = rest.split('/').next().unwrap().split_once(':').unwrap();
    (host.to_owned(), port.parse().unwrap())
}

/// The same as one word.
pub fn server_of(url: &str) -> String {
    let (host, port) = address(url);
    format!("{host}:{port}")
}

/// A section of a file over the test cluster: `extra` is put behind the servers.
pub fn section(extra: &str) -> String {
    let entry = |url: String| {
        let (host, port) = address(&url);
        format!(r#"{{"host": "{host}", "port": {port}, "user": "app", "password": "app", "db": "test"}}"#)
    };
    format!(
        r#"{{"shop": {{"master": {{"primary": {}}}, "slave": {{"replica1": {}, "replica2": {}}} {extra}}}}}"#,
        entry(primary_url()),
        entry(replica_url(1)),
        entry(replica_url(2)),
    )
}

/// A cluster from [`section`], with statistics of its own.
pub fn configured(extra: &str) -> (Cluster, Arc<Statistics>) {
    let statistics = Arc::new(Statistics::default());
    let text = section(extra);
    let builder = Cluster::builder().config_text("test.json", text).statistics(Arc::clone(&statistics));
    (builder.build().unwrap(), statistics)
}

/// A bare connection beside the pool.
pub async fn direct(url: &str) -> MySqlConnection {
    MySqlConnection::connect(url).await.unwrap()
}

/// The port of the server that runs statements of `executor` with `hint` in front.
pub async fn port_of<'c, E>(executor: E, hint: &'static str) -> u16
where
    E: Executor<'c, Database = sqlx::MySql>,
{
    let sql = sqlx::AssertSqlSafe(format!("{hint} SELECT @@port AS port"));
    let row = sqlx::raw_sql(sql).fetch_one(executor).await.unwrap();
    row.try_get_unchecked::<String, _>("port").unwrap().parse().unwrap()
}

/// Tells the owner of the servers to do something, such as `kill replica1`.
pub async fn control(command: &str) -> String {
    let answer = ask(command).await;
    assert!(answer.starts_with("ok"), "`{command}`: {answer}");
    answer
}

/// The answer, also if it is that it cannot be done.
pub async fn ask(command: &str) -> String {
    let stream = UnixStream::connect(variable("MS_TEST_CONTROL")).await.unwrap();
    let (read, mut write) = stream.into_split();
    write.write_all(format!("{command}\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    BufReader::new(read).read_line(&mut answer).await.unwrap();
    answer.trim_end().to_owned()
}

/// A table of this test alone, on the primary and, when this returns, on both replicas.
pub async fn table(name: &str, columns: &str) -> String {
    let mut primary = direct(&primary_url()).await;
    let create = format!("DROP TABLE IF EXISTS {name}; CREATE TABLE {name} ({columns}) ENGINE=InnoDB");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut primary).await.unwrap();
    synced().await;
    name.to_owned()
}

/// Waits until the replicas have all that the primary has.
pub async fn synced() {
    control("wait-sync").await;
}

/// What a database administrator sees: one number, from the server behind `url`.
pub async fn number(url: &str, sql: &str) -> u64 {
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).fetch_one(&mut direct(url).await).await.unwrap();
    let text: String = row.try_get_unchecked::<String, _>(0).unwrap();
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no number: {sql}"))
}

/// Makes an account for one test alone, so that its connections can be told from those of others; on all servers.
///
/// The password is the name. Logs in once everywhere: MySQL lets nobody in without TLS whose password it has not seen.
pub async fn account(name: &str) {
    let mut primary = direct(&primary_url()).await;
    let create = format!(
        "DROP USER IF EXISTS {name}@'%'; CREATE USER {name}@'%' IDENTIFIED BY '{name}'; GRANT ALL ON *.* TO {name}@'%'"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut primary).await.unwrap();
    synced().await;
    for url in [primary_url(), replica_url(1), replica_url(2)] {
        direct(&url.replace("app:app", &format!("{name}:{name}"))).await.close().await.unwrap();
    }
}

/// Connections of an account to a server.
pub async fn connections_of(name: &str, url: &str) -> u64 {
    number(url, &format!("SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{name}'")).await
}

/// Kills the connections of an account to a server; says how many there were.
pub async fn kill_connections_of(name: &str, url: &str) -> usize {
    let mut root = direct(url).await;
    let sql = format!("SELECT id FROM information_schema.processlist WHERE user = '{name}'");
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(&mut root).await.unwrap();
    for row in &rows {
        let id: String = row.try_get_unchecked(0).unwrap();
        // It may have gone by itself.
        let _ = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("KILL {id}"))).execute(&mut root).await;
    }
    let left = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{name}'");
    eventually("the killed connections to go", async || number(url, &left).await == 0).await;
    rows.len()
}

/// Waits up to ten seconds for something to become true; says how long it took. (A `SLEEP` of MariaDB that is killed while
/// it starts misses the call, and looks again after five.)
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> std::time::Duration {
    let began = std::time::Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "still waiting for {what}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    began.elapsed()
}

/// Waits until nobody has or wants a connection. One may still have been asking a replica.
pub async fn unused(db: &Cluster) {
    let unused = async || db.state().iter().all(|it| it.in_use == 0 && it.waiting == 0);
    eventually("all connections to be back", unused).await;
}

/// The transactions that a server has open for certain connections; `whose` is a condition on the process list, `p`.
///
/// InnoDB shows a copy of its list, which it makes anew only when nobody has looked for 0.1 s: who looks every 10 ms sees
/// the same transactions for ever (MariaDB 10.11, MySQL 9.7). So the tests of a file take turns, and wait before they look.
pub async fn open_transactions(url: &str, whose: &str) -> Vec<String> {
    static LOOKING: Mutex<()> = Mutex::const_new(());
    let list = format!(
        "SELECT CONCAT_WS(' | ', p.id, p.command, p.time, p.state, p.info, t.trx_state, t.trx_started, t.trx_query) \
         FROM information_schema.innodb_trx AS t JOIN information_schema.processlist AS p \
         ON p.id = t.trx_mysql_thread_id WHERE {whose}"
    );
    let _turn = LOOKING.lock().await;
    tokio::time::sleep(std::time::Duration::from_millis(120)).await;
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(list)).fetch_all(&mut direct(url).await).await.unwrap();
    rows.iter().map(|row| row.try_get_unchecked(0).unwrap()).collect()
}

/// Waits up to ten seconds until there are none.
pub async fn no_transaction(url: &str, whose: &str, what: &str) {
    let began = std::time::Instant::now();
    loop {
        let open = open_transactions(url, whose).await;
        if open.is_empty() {
            return;
        }
        let late = began.elapsed() > std::time::Duration::from_secs(10);
        assert!(!late, "transactions of {what} at {:?} are still open: {open:#?}", address(url));
    }
}

/// One test at a time, on servers that all run when it begins.
pub async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    let turn = TURN.lock().await;
    // A test that failed may have left one broken.
    for name in ["primary", "replica1", "replica2"] {
        ask(&format!("resume {name}")).await;
        let answer = ask(&format!("start {name}")).await;
        assert!(answer == "ok" || answer.contains("running already"), "{answer}");
    }
    synced().await;
    turn
}
