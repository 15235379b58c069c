//! The statements that are measured, and the four kinds of executors they are measured on.
//!
//! Every way of running a statement reads its answer to the end (`fetch_all`): an answer that is left half read costs whoever
//! comes next, and would make one executor pay for another.

#![allow(dead_code, reason = "each program uses its own part")]

use std::{env, num::NonZeroU32};

use ms_config::{Compat, PoolSettings, Settings};
use ms_pool::{Cluster, Session};
use sqlx::{Connection, Executor, MySql, MySqlConnection, MySqlPool};

/// Rows in the table that is read.
const ROWS: u32 = 100;

/// A statement and the protocol it is sent by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// `SELECT 1` as text.
    OneText,
    /// `SELECT 1`, prepared.
    OnePrepared,
    /// A row by its primary key as text.
    KeyText,
    /// A row by its primary key, prepared, with one argument.
    KeyPrepared,
}

impl Work {
    /// All of them.
    pub(crate) const ALL: [Work; 4] = [Work::OneText, Work::OnePrepared, Work::KeyText, Work::KeyPrepared];

    /// What it is called on command lines and in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Work::OneText => "one_text",
            Work::OnePrepared => "one_prepared",
            Work::KeyText => "key_text",
            Work::KeyPrepared => "key_prepared",
        }
    }

    /// Runs it once and reads the one row of its answer.
    pub(crate) async fn run<'c, E: Executor<'c, Database = MySql>>(self, executor: E) {
        let rows = match self {
            Work::OneText => sqlx::raw_sql("SELECT 1").fetch_all(executor).await,
            Work::OnePrepared => sqlx::query("SELECT 1").fetch_all(executor).await,
            Work::KeyText => sqlx::raw_sql("SELECT id, item FROM bench_items WHERE id = 7").fetch_all(executor).await,
            Work::KeyPrepared => {
                sqlx::query("SELECT id, item FROM bench_items WHERE id = ?").bind(7).fetch_all(executor).await
            }
        };
        assert_eq!(rows.expect("the server answers").len(), 1);
    }
}

/// A kind of executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// sqlx's connection, the least there is.
    Connection,
    /// A session of this crate.
    Session(Compat),
    /// sqlx's pool with its defaults, which is what a service has today.
    Pool,
    /// A cluster of this crate with its defaults.
    Cluster(Compat),
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Kind; 6] = [
        Kind::Connection,
        Kind::Session(Compat::Classic),
        Kind::Session(Compat::Strict),
        Kind::Pool,
        Kind::Cluster(Compat::Classic),
        Kind::Cluster(Compat::Strict),
    ];

    /// What it is called on command lines and in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Connection => "connection",
            Kind::Session(Compat::Classic) => "session-classic",
            Kind::Session(_) => "session-strict",
            Kind::Pool => "pool",
            Kind::Cluster(Compat::Classic) => "cluster-classic",
            Kind::Cluster(_) => "cluster-strict",
        }
    }

    /// One for each of so many tasks: pools are shared, connections are not.
    pub(crate) async fn make(self, tasks: u32) -> Vec<Runner> {
        let connected = "the servers of a test cluster answer";
        let mut runners = Vec::new();
        match self {
            Kind::Connection => {
                for _ in 0..tasks {
                    let connection = MySqlConnection::connect(&replica()).await.expect(connected);
                    runners.push(Runner::Connection(Box::new(connection)));
                }
            }
            Kind::Session(compat) => {
                let mut pool = PoolSettings::default();
                pool.max_connections = NonZeroU32::new(tasks).expect("there is a task");
                let cluster = builder(compat).pool(pool).build().expect("the URLs of a test cluster are good");
                runners.extend((0..tasks).map(|_| Runner::Session(Box::new(cluster.session()))));
            }
            Kind::Pool => {
                let pool = MySqlPool::connect(&replica()).await.expect(connected);
                runners.extend((0..tasks).map(|_| Runner::Pool(pool.clone())));
            }
            Kind::Cluster(compat) => {
                let cluster = builder(compat).build().expect("the URLs of a test cluster are good");
                runners.extend((0..tasks).map(|_| Runner::Cluster(cluster.clone())));
            }
        }
        runners
    }
}

/// What one task runs its statements on.
pub(crate) enum Runner {
    /// See [`Kind::Connection`].
    Connection(Box<MySqlConnection>),
    /// See [`Kind::Session`].
    Session(Box<Session>),
    /// See [`Kind::Pool`].
    Pool(MySqlPool),
    /// See [`Kind::Cluster`].
    Cluster(Cluster),
}

impl Runner {
    /// Runs one statement.
    pub(crate) async fn run(&mut self, work: Work) {
        match self {
            Runner::Connection(connection) => work.run(&mut **connection).await,
            Runner::Session(session) => work.run(&mut **session).await,
            Runner::Pool(pool) => work.run(&*pool).await,
            Runner::Cluster(cluster) => work.run(&*cluster).await,
        }
    }
}

/// The primary and one replica with everything else as it comes, so that one server answers all reads and pools are equally
/// large whoever owns them.
fn builder(compat: Compat) -> ms_pool::Builder {
    let settings = Settings { compat: Some(compat), ..Settings::default() };
    Cluster::builder().primary(primary()).replicas([replica()]).settings(settings)
}

/// The URL in a variable of `cargo xtask test-cluster`, without TLS: encryption costs all executors the same, and only hides
/// what differs.
fn url(variable: &str) -> String {
    let url =
        env::var(variable).unwrap_or_else(|_| panic!("`{variable}` is not set: run this with `cargo xtask bench`"));
    format!("{url}?ssl-mode=DISABLED")
}

fn primary() -> String {
    url("MS_TEST_PRIMARY")
}

fn replica() -> String {
    url("MS_TEST_REPLICA_1")
}

/// Makes the table and waits until the replica has it.
pub(crate) async fn prepare() {
    let connected = "the servers of a test cluster answer";
    let mut primary = MySqlConnection::connect(&primary()).await.expect(connected);
    let create = "DROP TABLE IF EXISTS bench_items; \
                  CREATE TABLE bench_items (id INT PRIMARY KEY, item VARCHAR(40) NOT NULL) ENGINE=InnoDB";
    sqlx::raw_sql(create).execute(&mut primary).await.expect("the table is made");
    for id in 1..=ROWS {
        let insert = sqlx::query("INSERT INTO bench_items VALUES (?, ?)").bind(id).bind(format!("item number {id}"));
        insert.execute(&mut primary).await.expect("a row goes in");
    }
    let mut replica = MySqlConnection::connect(&replica()).await.expect(connected);
    loop {
        // An error says that the table has not arrived either.
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM bench_items").fetch_one(&mut replica).await;
        if count.is_ok_and(|count: i64| count == i64::from(ROWS)) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
