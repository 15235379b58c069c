//! Servers, pools and shorthand.

use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroU32;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx_core::Url;
use sqlx_core::row::Row;
use sqlx_core::sql_str::AssertSqlSafe;
use tokio::sync::{Mutex, MutexGuard};

use crate::credentials::Password;
use crate::error::Error;
use crate::pool::{Address, Belt, Charset, Configured, Dial, Lease, Limits, ServerPool, Stmt, Target, Tls};

/// Enough for anything that is meant to succeed, on a machine busy with other things.
pub(super) const SOON: Duration = Duration::from_secs(10);

/// A server of the test cluster, by the environment variable that holds its URL.
pub(super) fn server(variable: &str) -> Url {
    let url = std::env::var(variable).unwrap_or_else(|_| panic!("`{variable}` is not set: cargo xtask test"));
    Url::parse(&url).unwrap()
}

pub(super) fn primary() -> Url {
    server("MS_TEST_PRIMARY")
}

/// A replica, for one test at a time: some of them stop it.
pub(super) async fn replica() -> (Url, MutexGuard<'static, ()>) {
    static ALONE: Mutex<()> = Mutex::const_new(());
    (server("MS_TEST_REPLICA_1"), ALONE.lock().await)
}

pub(super) fn host_and_port(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
}

/// What a configuration file would say about the server, at another port perhaps.
pub(super) fn target(url: &Url, port: u16) -> Target {
    Target {
        server: "db".into(),
        dial: Dial::Configured(Box::new(Configured {
            address: Address::Tcp { host: url.host_str().unwrap().to_owned(), port },
            user: url.username().into(),
            credentials: Arc::new(url.password().map_or(Password::NONE, Password::new)),
            database: Some(url.path().trim_start_matches('/').to_owned()),
            charset: Charset::default(),
            tls: Tls::default(),
        })),
        belt: Belt::Off,
        init: Vec::new(),
    }
}

/// Its part that comes from a configuration.
pub(super) fn configured(target: &mut Target) -> &mut Configured {
    match &mut target.dial {
        Dial::Configured(it) => it,
        Dial::Ready(_) => unreachable!("made of a configuration"),
    }
}

pub(super) fn limits(max_connections: u32) -> Limits {
    Limits {
        max_connections: NonZeroU32::new(max_connections).unwrap(),
        connect_timeout: SOON,
        acquire_timeout: SOON,
        ..Limits::default()
    }
}

pub(super) fn pool(url: &Url, max_connections: u32) -> Arc<ServerPool> {
    ServerPool::new(target(url, url.port().unwrap()), limits(max_connections))
}

pub(super) async fn lease(pool: &Arc<ServerPool>) -> Result<Lease, Error> {
    pool.lease(pool.acquire_deadline()).await
}

/// A statement without arguments by the prepared protocol.
pub(super) fn prepared(sql: &'static str) -> Stmt {
    Stmt { args: Some(sqlx_mysql::MySqlArguments::default()), persistent: true, ..Stmt::text(sql) }
}

pub(super) fn text(sql: impl Into<String>) -> Stmt {
    Stmt::text(AssertSqlSafe(sql.into()))
}

/// The only number of the only row.
pub(super) async fn number(lease: &mut Lease, stmt: Stmt) -> Result<i64, sqlx::Error> {
    let mut rows = Vec::new();
    let mut answer = lease.fetch_many(stmt);
    while let Some(item) = answer.try_next().await? {
        rows.extend(item.right());
    }
    assert_eq!(rows.len(), 1, "one row was asked for");
    rows[0].try_get_unchecked::<i64, _>(0)
}

/// Proves that a pool is in order: all slots can be taken at once and each connection answers what it is asked.
pub(super) async fn is_sound(pool: &Arc<ServerPool>) {
    let mut leases = Vec::new();
    for nonce in 0..i64::from(pool.limits().max_connections.get()) {
        let mut lease = tokio::time::timeout(SOON, lease(pool)).await.expect("a slot").expect("a connection");
        let answer = tokio::time::timeout(SOON, number(&mut lease, text(format!("SELECT {nonce}")))).await;
        assert_eq!(answer.expect("an answer in time").expect("an answer"), nonce);
        leases.push(lease);
    }
}

/// Waits for something that happens by itself.
pub(super) async fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + SOON;
    while !happened() {
        assert!(tokio::time::Instant::now() < end, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Undoes what was done to a server, also when the test fails.
pub(super) struct Mend(pub(super) &'static str);

impl Drop for Mend {
    fn drop(&mut self) {
        control(self.0);
    }
}

/// Tells the cluster to do something to one of its servers.
pub(super) fn control(command: &str) {
    let path = std::env::var("MS_TEST_CONTROL").expect("`MS_TEST_CONTROL` is not set: cargo xtask test");
    let mut socket = UnixStream::connect(path).unwrap();
    writeln!(socket, "{command}").unwrap();
    let mut answer = String::new();
    BufReader::new(socket).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("ok"), "`{command}`: {answer}");
}
