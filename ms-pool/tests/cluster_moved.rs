//! Addresses that lead to another server than before, in `strict`: who lets go of which connections.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/relay.rs"]
#[allow(unreachable_pub, dead_code, reason = "the tests of the pool use the same file")]
mod relay;
#[path = "support/shop.rs"]
mod shop;
#[path = "support/cluster.rs"]
mod support;

use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, stream::FuturesUnordered};
use ms_pool::{Cluster, Counter, Session, Statistics};
use relay::Relay;
use shop::{Shop, tcp};
use sqlx::Row;
use support::{address, connections_of, eventually, primary_url, replica_url, server_of};

const STRICT: &str = r#""compat": "strict""#;

/// A cluster whose only replica is behind a relay, by an account of its own.
struct Moving {
    db: Cluster,
    relay: Relay,
    statistics: Arc<Statistics>,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Moving {
    async fn new(account: &str, rest: &str) -> Self {
        support::account(account).await;
        let relay = Relay::to(server_of(&replica_url(1))).await.unwrap();
        let (host, port) = address(&primary_url());
        let (statistics, warnings) = (Arc::new(Statistics::default()), Arc::new(Mutex::new(Vec::new())));
        let sink = Arc::clone(&warnings);
        let shop = Shop::new().account(account, account).primary("primary", &tcp(&host, port));
        let builder = shop.replica("replica", &tcp("127.0.0.1", relay.port())).with(rest).builder();
        let builder = builder.statistics(Arc::clone(&statistics));
        let db = builder.on_warning(move |it| sink.lock().unwrap().push(it.to_string())).build().unwrap();
        Self { db, relay, statistics, warnings }
    }

    /// So many connections at the same time, all to the replica.
    async fn open(&self, connections: usize) -> Vec<Session> {
        let open = (0..connections).map(|_| async {
            let mut session = self.db.session();
            port(&mut session).await;
            session
        });
        open.collect::<FuturesUnordered<_>>().collect().await
    }

    fn moved(&self) -> u64 {
        self.statistics.get(Counter::ServerMoved)
    }
}

/// The port of the server that the session reads from.
async fn port(session: &mut Session) -> u16 {
    let row = sqlx::raw_sql("SELECT @@port").fetch_one(session).await.unwrap();
    row.try_get_unchecked::<String, _>(0).unwrap().parse().unwrap()
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn connections_to_the_former_server_are_let_go() {
    let cluster = Moving::new("moved", STRICT).await;
    let (old, new) = (address(&replica_url(1)).1, address(&replica_url(2)).1);
    let mut sessions = cluster.open(4).await;
    let mut reading = sessions.pop().unwrap();
    let mut transacting = sessions.pop().unwrap();
    transacting.start_transaction(ms_pool::TxOptions { read_only: true, ..Default::default() }).await.unwrap();
    assert_eq!(port(&mut transacting).await, old);
    drop(sessions);
    eventually("two to be idle", async || cluster.db.state()[1].idle == 2).await;

    cluster.relay.lead_to(server_of(&replica_url(2)));
    // Nobody knows yet.
    assert_eq!(port(&mut reading).await, old);
    let others = cluster.open(3).await;
    assert_eq!(cluster.moved(), 1);
    let identity = cluster.db.state()[1].identity.clone().unwrap();
    let told = cluster.warnings.lock().unwrap().clone();
    assert!(told.iter().any(|it| it.contains(&*identity.key) && it.contains("another server")), "{told:?}");

    assert_eq!(port(&mut reading).await, new, "a session goes with its next statement");
    assert_eq!(port(&mut transacting).await, old, "a transaction stays");
    transacting.commit().await.unwrap();
    assert_eq!(port(&mut transacting).await, new);
    // Two of the three were idle ones of the former server.
    drop(others);
    eventually("the former connections to close", async || connections_of("moved", &replica_url(1)).await == 0).await;
    assert!(cluster.db.state()[1].idle >= 1, "{:?}", cluster.db.state());
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn an_address_of_several_servers_keeps_its_connections() {
    let cluster = Moving::new("several", STRICT).await;
    let mut sessions = Vec::new();
    for n in 0..8 {
        cluster.relay.lead_to(server_of(&replica_url(n % 2 + 1)));
        sessions.extend(cluster.open(1).await);
    }
    assert_eq!(cluster.moved(), 2, "the third time it has not moved");
    drop(sessions);
    // Those of the first two times were let go.
    eventually("six to be idle", async || cluster.db.state()[1].idle == 6).await;
    let told = cluster.warnings.lock().unwrap().clone();
    assert_eq!(told.iter().filter(|it| it.contains("several servers")).count(), 1, "{told:?}");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn classic_takes_no_notice() {
    let cluster = Moving::new("classic", r#""compat": "classic""#).await;
    let sessions = cluster.open(2).await;
    cluster.relay.lead_to(server_of(&replica_url(2)));
    let others = cluster.open(1).await;
    drop((sessions, others));
    eventually("three to be idle", async || cluster.db.state()[1].idle == 3).await;
    assert_eq!(cluster.moved(), 0);
}
