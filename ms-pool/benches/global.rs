//! What a global transaction over three servers costs, beside the same done by hand as well as it can be done.
//!
//! ```sh
//! cargo xtask test-cluster --independent 4 -- cargo bench -p ms-pool --bench global
//! ```
//!
//! By hand is: bare connections, everything that may happen at the same time at the same time, `XA END` and `XA PREPARE` in one
//! message, and with a store the same writes to it. What is here for nothing and not by hand: whoever reads next sees what was
//! committed, for which each server is asked for its position when the connection goes back; that is in whole transactions. Blocks of both take turns, and ratios are taken within a round. Printed are, for
//! whole transactions and for their ends alone, medians with the first and third quartile, in microseconds.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "what it measures is its output")]

use std::{
    env,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use ms_pool::{Cluster, XaTables};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

const ROUNDS: u32 = 40;
/// Transactions of one kind in a round.
const BLOCK: u32 = 20;
const SERVERS: [&str; 3] = ["SERVER_1", "SERVER_2", "SERVER_3"];
const STORE: &str = "SERVER_4";

#[tokio::main]
async fn main() {
    for name in SERVERS {
        let mut server = connect(name).await;
        let sql = "CREATE TABLE IF NOT EXISTS bench (id INT PRIMARY KEY, n INT) ENGINE=InnoDB; REPLACE INTO bench VALUES (1, 0), (2, 0)";
        sqlx::raw_sql(sql).execute(&mut server).await.unwrap();
    }
    let mut store = connect(STORE).await;
    for sql in XaTables::default().create() {
        store.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    for with_store in [true, false] {
        compare(with_store).await;
    }
}

async fn connect(server: &str) -> MySqlConnection {
    MySqlConnection::connect(&env::var(format!("MS_TEST_{server}")).unwrap()).await.unwrap()
}

async fn compare(with_store: bool) {
    let db = cluster(with_store);
    let mut hand = Hand::new(with_store).await;
    let (mut whole, mut end) = (Vec::new(), Vec::new());
    // The first round opens connections.
    for round in 0..=ROUNDS {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for nth in 0..2 {
            for number in 0..BLOCK {
                let gtrid = format!("bench-{round}-{nth}-{number}");
                if (round + nth) % 2 == 0 {
                    ours.push(global(&db, &gtrid).await);
                } else {
                    theirs.push(hand.transact(&gtrid).await);
                }
            }
        }
        if round > 0 {
            whole.push((median(&ours, |it| it.0), median(&theirs, |it| it.0)));
            end.push((median(&ours, |it| it.1), median(&theirs, |it| it.1)));
        }
    }
    let store = if with_store { "with a store" } else { "without a store" };
    for (what, pairs) in [("whole", whole), ("commit", end)] {
        let [low, ratio, high] = quartiles(pairs.iter().map(|(ours, theirs)| ours / theirs).collect());
        let [_, ours, _] = quartiles(pairs.iter().map(|it| it.0).collect());
        let [_, theirs, _] = quartiles(pairs.iter().map(|it| it.1).collect());
        println!("{store}\t{what}\tms {ours:.0} µs\tby hand {theirs:.0} µs\tratio {ratio:.3} ({low:.3} to {high:.3})");
    }
}

/// A group for each server, and the store.
fn cluster(with_store: bool) -> Cluster {
    let entry = |name: &str| {
        let url = env::var(format!("MS_TEST_{name}")).unwrap();
        let address = url.split('@').nth(1).unwrap().split('/').next().unwrap();
        let (host, port) = address.split_once(':').unwrap();
        format!(r#"{{"host": "{host}", "port": {port}, "user": "app", "password": "app", "db": "test"}}"#)
    };
    let primaries: Vec<_> = SERVERS.iter().map(|it| format!(r#""{it}": {}"#, entry(it))).collect();
    let groups: Vec<_> = SERVERS.iter().map(|it| format!(r#""{it}": {{"master": ["{it}"]}}"#)).collect();
    let store = match with_store {
        true => format!(r#", "xa": {{"state_store": {{"mysql": {}}}}}"#, entry(STORE)),
        false => String::new(),
    };
    let text = format!(
        r#"{{"bench": {{"master": {{{}}}, "slave": {{}}, "multi_master": true, "filters": {{"node_groups": {{{}}}, "random": []}}{store}}}}}"#,
        primaries.join(", "),
        groups.join(", ")
    );
    Cluster::builder().config_text("bench.json", text).build().unwrap()
}

const UPDATE: &str = "UPDATE bench SET n = n + 1 WHERE id = 1";

/// Microseconds of a transaction, and of its end.
async fn global(db: &Cluster, gtrid: &str) -> (f64, f64) {
    let began = Instant::now();
    let mut xa = db.xa(gtrid).begin().await.unwrap();
    for name in SERVERS {
        xa.on(name).unwrap().execute(UPDATE).await.unwrap();
    }
    let ending = Instant::now();
    xa.commit().await.unwrap();
    (micros(began.elapsed()), micros(ending.elapsed()))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

struct Hand {
    servers: Vec<MySqlConnection>,
    store: Option<MySqlConnection>,
}

impl Hand {
    async fn new(with_store: bool) -> Self {
        let mut servers = Vec::new();
        for name in SERVERS {
            servers.push(connect(name).await);
        }
        Self { servers, store: if with_store { Some(connect(STORE).await) } else { None } }
    }

    async fn transact(&mut self, gtrid: &str) -> (f64, f64) {
        let began = Instant::now();
        let xid = |branch: usize| format!("'{gtrid}','{branch}',7");
        let mut id = 0;
        if let Some(store) = &mut self.store {
            let sql = format!(
                "INSERT INTO mysqlnd_ms_xa_trx (gtrid, format_id, started, timeout, tag, owner, lease) VALUES ('{gtrid}', 7, \
                 UTC_TIMESTAMP(), UTC_TIMESTAMP() + INTERVAL 60 SECOND, 1, 'bench', UTC_TIMESTAMP() + INTERVAL 30 SECOND)"
            );
            id = run(store, sql).await;
        }
        for branch in 0..SERVERS.len() {
            if let Some(store) = &mut self.store {
                let sql = format!(
                    "INSERT INTO mysqlnd_ms_xa_participants (fk_store_trx_id, branch, bqual, scheme, state) VALUES ({id}, {branch}, \
                     '{branch}', 'tcp://127.0.0.1', 'XA_ACTIVE')"
                );
                run(store, sql).await;
            }
            let server = &mut self.servers[branch];
            run(server, format!("XA START {}", xid(branch))).await;
            run(server, UPDATE.to_owned()).await;
        }
        let ending = Instant::now();
        let both = |branch| format!("XA END {0}; XA PREPARE {0}", xid(branch));
        self.on_all(both).await;
        if let Some(store) = &mut self.store {
            let sql = format!(
                "UPDATE mysqlnd_ms_xa_trx SET decision = 'COMMIT', state = 'XA_PREPARED', intend = 'XA_COMMIT' WHERE store_trx_id = {id} \
                 AND decision IS NULL"
            );
            run(store, sql).await;
        }
        self.on_all(|branch| format!("XA COMMIT {}", xid(branch))).await;
        if let Some(store) = &mut self.store {
            let sql = format!(
                "UPDATE mysqlnd_ms_xa_trx t JOIN mysqlnd_ms_xa_participants p ON p.fk_store_trx_id = t.store_trx_id SET t.state = \
                 'XA_COMMIT', t.finished = 'SUCCESS', p.state = 'XA_COMMIT' WHERE t.store_trx_id = {id}"
            );
            run(store, sql).await;
        }
        (micros(began.elapsed()), micros(ending.elapsed()))
    }

    /// At the same time.
    async fn on_all(&mut self, sql: impl Fn(usize) -> String) {
        let all = self.servers.iter_mut().enumerate().map(|(branch, server)| {
            let sql = sql(branch);
            async move { sqlx::raw_sql(AssertSqlSafe(sql)).execute(server).await }
        });
        try_join_all(all).await.unwrap();
    }
}

async fn run(server: &mut MySqlConnection, sql: String) -> u64 {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(server).await.unwrap().last_insert_id()
}

fn median(values: &[(f64, f64)], which: impl Fn(&(f64, f64)) -> f64) -> f64 {
    quartiles(values.iter().map(which).collect())[1]
}

/// First quartile, median, third quartile.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}
