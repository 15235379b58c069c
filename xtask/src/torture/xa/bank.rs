//! Accounts on three servers, and their audit.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    time::Duration,
};

use fastrand::Rng;
use ms_pool::{XaGcOptions, XaTables};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};
use xtask::cluster::{self, Cluster};

/// The servers with accounts.
pub(super) const SERVERS: [&str; 3] = ["server1", "server2", "server3"];
/// The server with the state store.
pub(super) const STORE: &str = "server4";
/// Accounts on each server; few, so that transfers meet.
pub(super) const ACCOUNTS: u32 = 20;
/// Recovery has to be through after this.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    Server(#[from] cluster::Error),
    #[error("the worker cannot be run")]
    Worker(#[source] io::Error),
    #[error("the configuration cannot be written")]
    Config(#[source] io::Error),
    #[error("the library refuses")]
    Library(#[source] ms_pool::Error),
    #[error("nothing can be printed")]
    Screen(#[from] io::Error),
    #[error("recovery is not through after {PATIENCE:?}: {left}")]
    NotRecovered { left: String },
}

/// The servers, and the hand of whoever recovers.
pub(super) struct Bank {
    pub(super) servers: Cluster,
    tables: XaTables,
    /// Two, as if they were two processes.
    recoverers: [ms_pool::Cluster; 2],
}

/// What recovery has done.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub(super) committed: u64,
    pub(super) rolled_back: u64,
    pub(super) presumed: u64,
    pub(super) passes: u32,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Audit {
    /// On all of their servers.
    pub(super) transfers: u64,
    /// Committed, rolled back, in doubt, by what the worker was told.
    pub(super) reported: [u64; 3],
    pub(super) violations: Vec<String>,
}

impl Bank {
    pub(super) async fn open(servers: Cluster) -> Result<Self, Failed> {
        let accounts: Vec<_> = (0..ACCOUNTS).map(|id| format!("({id}, 1000)")).collect();
        for name in SERVERS {
            let sql = format!(
                "CREATE TABLE test.account (id INT PRIMARY KEY, cents BIGINT NOT NULL) ENGINE=InnoDB; CREATE TABLE test.ledger \
                 (gtrid VARCHAR(64) NOT NULL, cents BIGINT NOT NULL, servers INT NOT NULL, KEY (gtrid)) ENGINE=InnoDB; INSERT INTO \
                 test.account VALUES {}",
                accounts.join(", ")
            );
            servers.server(name)?.sql(&sql).await?;
        }
        let tables = XaTables::default();
        let create = tables.create().join("; ");
        servers.server(STORE)?.sql(&format!("USE test; {create}")).await?;
        let config = config(&servers)?;
        let path = servers.folder().join("bank.json");
        std::fs::write(&path, config.to_string()).map_err(Failed::Config)?;
        let open = || ms_pool::Cluster::builder().config_file(&path).section("bank").build().map_err(Failed::Library);
        let recoverers = [open()?, open()?];
        Ok(Self { servers, tables, recoverers })
    }

    /// The file for workers.
    pub(super) fn config(&self) -> PathBuf {
        self.servers.folder().join("bank.json")
    }

    async fn store(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Failed> {
        Ok(self.servers.server(STORE)?.sql(sql).await?.rows)
    }

    /// Lets the leases of everything run out, and recovers until nothing is left to recover; now and then two at once.
    pub(super) async fn recover(&self, rng: &mut Rng) -> Result<Recovered, Failed> {
        let trx = &self.tables.transactions;
        let began = Instant::now();
        let mut recovered = Recovered::default();
        loop {
            // Nobody wants to wait half a minute for each of hundreds of dead owners.
            let over =
                format!("UPDATE test.{trx} SET lease = '2000-01-01', timeout = '2000-01-01' WHERE finished = 'NO'");
            self.store(&over).await?;
            let [one, other] = &self.recoverers;
            let gc = |it: &ms_pool::Cluster| {
                let it = it.clone();
                async move { it.xa_gc(XaGcOptions::default()).await }
            };
            let runs = if rng.u8(..4) == 0 {
                let (one, other) = tokio::join!(gc(one), gc(other));
                vec![one, other]
            } else {
                vec![gc(one).await]
            };
            recovered.passes += 1;
            let mut why = Vec::new();
            for run in runs {
                match run {
                    Ok(run) => {
                        recovered.committed += u64::from(run.committed);
                        recovered.rolled_back += u64::from(run.rolled_back);
                        recovered.presumed += u64::from(run.presumed);
                        why.extend(run.left.iter().map(ToString::to_string));
                    }
                    Err(error) => why.push(error.to_string()),
                }
            }
            let left = self.store(&format!("SELECT COUNT(*) FROM test.{trx}")).await?;
            let left = left.first().and_then(|row| row.first()?.as_deref()).unwrap_or("?").to_owned();
            if left == "0" && why.is_empty() {
                return Ok(recovered);
            }
            if began.elapsed() > PATIENCE {
                return Err(Failed::NotRecovered { left: format!("{left} records; {}", why.join("; ")) });
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Holds what is on the servers against what a worker was told.
    pub(super) async fn audit(&self, told: &[(char, String)]) -> Result<Audit, Failed> {
        let mut audit = Audit::default();
        let mut found: BTreeMap<String, (i64, BTreeSet<&str>, usize)> = BTreeMap::new();
        let mut total = 0;
        for name in SERVERS {
            let server = self.servers.server(name)?;
            let listed = server.sql("XA RECOVER").await?.rows;
            if !listed.is_empty() {
                audit.violations.push(format!("{} branches are prepared on {name}", listed.len()));
            }
            let accounts = number(server.sql("SELECT SUM(cents) FROM test.account").await?.first());
            total += accounts;
            for row in server.sql("SELECT gtrid, cents, servers FROM test.ledger").await?.rows {
                let [Some(gtrid), Some(cents), Some(servers)] = &row[..] else { continue };
                let transfer = found.entry(gtrid.clone()).or_default();
                transfer.0 += number(Some(cents));
                if !transfer.1.insert(name) {
                    audit.violations.push(format!("transfer {gtrid} is twice on {name}"));
                }
                transfer.2 = servers.parse().unwrap_or(0);
            }
        }
        let all = i64::from(ACCOUNTS) * 1000 * 3;
        if total != all {
            audit.violations.push(format!("the accounts sum up to {total} instead of {all}"));
        }
        for (gtrid, (sum, servers, wanted)) in &found {
            if servers.len() != *wanted || *sum != 0 {
                let servers: Vec<_> = servers.iter().copied().collect();
                audit
                    .violations
                    .push(format!("transfer {gtrid} is on {} only, of {wanted} servers", servers.join(", ")));
            }
        }
        audit.transfers = found.len() as u64;
        for (how, gtrid) in told {
            let is_there = found.contains_key(gtrid);
            let (at, wrong) = match how {
                'c' => (0, !is_there),
                'r' => (1, is_there),
                _ => (2, false),
            };
            audit.reported[at] += 1;
            if wrong {
                let reported = if *how == 'c' { "committed, and is nowhere" } else { "rolled back, and is there" };
                audit.violations.push(format!("transfer {gtrid} was reported as {reported}"));
            }
        }
        for name in SERVERS {
            let server = self.servers.server(name)?;
            // Nothing is under way any more, so nothing may hold a lock.
            if let Err(error) = server.sql("SET innodb_lock_wait_timeout = 5; DELETE FROM test.ledger").await {
                let open = server.sql("SELECT * FROM information_schema.INNODB_TRX").await?;
                let connections = server.sql("SHOW FULL PROCESSLIST").await?;
                audit.violations.push(format!(
                    "{name} holds locks of a transaction that nobody has: {error}; {:?}; {:?}",
                    open.rows, connections.rows
                ));
            }
        }
        Ok(audit)
    }
}

fn number(text: Option<&str>) -> i64 {
    text.and_then(|it| it.parse().ok()).unwrap_or(i64::MIN / 8)
}

/// One section: a group for each server, and the store.
fn config(servers: &Cluster) -> Result<Value, Failed> {
    let entry = |name: &str| -> Result<Value, Failed> {
        let port = servers.server(name)?.port();
        Ok(json!({"host": "127.0.0.1", "port": port, "user": "app", "password": "app", "db": "test"}))
    };
    let (mut primaries, mut groups) = (Map::new(), Map::new());
    for name in SERVERS {
        primaries.insert(name.to_owned(), entry(name)?);
        groups.insert(name.to_owned(), json!({"master": [name]}));
    }
    Ok(json!({"bank": {
        "master": primaries,
        "slave": {},
        "multi_master": true,
        "filters": {"node_groups": groups, "random": []},
        "xa": {
            "state_store": {"mysql": entry(STORE)?},
            "garbage_collection": {"max_retries": 0, "max_transactions_per_run": 32768, "probability": 0},
        },
    }}))
}
