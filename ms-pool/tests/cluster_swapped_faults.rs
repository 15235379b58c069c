//! A replica's name that leads to another server from one moment to the next: what was seen of the former is nothing to the latter.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/relay.rs"]
#[allow(unreachable_pub, dead_code, reason = "the tests of the pool use the same file")]
mod relay;
#[path = "support/replicas.rs"]
mod replicas;
#[path = "support/shop.rs"]
mod shop;
#[path = "support/cluster.rs"]
mod support;

use ms_pool::{Cluster, Scope};
use relay::Relay;
use replicas::{all_well, count, freeze, insert};
use shop::{Shop, tcp};
use support::{address, primary_url, replica_url, server_of};

/// A cluster whose only replica is behind a relay, and a table. The second replica stands still.
struct Swapped {
    db: Cluster,
    replica: Relay,
    table: String,
}

/// What becomes of connections that were idle when the name was turned.
#[derive(Clone, Copy)]
enum Idle {
    /// They are looked at before they are used, so a new one is made.
    Checked,
    /// The next statement finds out that they are gone, and is sent again.
    Used,
}

impl Swapped {
    async fn new(table: &str, idle: Idle) -> Self {
        all_well().await;
        let table = support::table(table, "n INT").await;
        support::account("swapped").await;
        freeze(2).await;
        let replica = Relay::to(server_of(&replica_url(1))).await.unwrap();
        let (host, port) = address(&primary_url());
        let shop = Shop::new().account("swapped", "swapped").primary("primary", &tcp(&host, port));
        let verify = match idle {
            Idle::Checked => 0,
            Idle::Used => 60_000,
        };
        let pool = format!(r#""compat": "strict", "pool": {{"verify_idle_after_ms": {verify}}}"#);
        let builder = shop.replica("replica", &tcp("127.0.0.1", replica.port())).with(&pool).builder();
        Self { db: builder.build().unwrap(), replica, table }
    }

    /// Reads on the replica until everything is there.
    async fn reads(&self, scope: &Scope, rows: i64) {
        support::eventually("the replica to answer", async || {
            count(scope, &self.table).await == (rows, address(&replica_url(1)).1)
        })
        .await;
    }

    /// The name leads to the replica that stands still.
    async fn swap(&self) {
        self.replica.lead_to(server_of(&replica_url(2)));
        support::kill_connections_of("swapped", &replica_url(1)).await;
    }
}

/// A scope reads its write on a replica, whose name then leads to one that does not have it.
async fn own_write(table: &str, idle: Idle) {
    let _turn = support::alone().await;
    let it = Swapped::new(table, idle).await;
    let scope = it.db.scope();
    insert(&scope, &it.table).await;
    it.reads(&scope, 1).await;
    it.swap().await;
    let (seen, at) = count(&scope, &it.table).await;
    all_well().await;
    assert_eq!((seen, at), (1, address(&primary_url()).1));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn who_answers_now_is_asked_what_it_has() {
    own_write("swapped_new", Idle::Checked).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_read_is_not_sent_again_to_somebody_else_as_it_is() {
    own_write("swapped_again", Idle::Used).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_scope_stays_on_a_server_and_not_on_a_name() {
    for idle in [Idle::Checked, Idle::Used] {
        let _turn = support::alone().await;
        let it = Swapped::new("swapped_stays", idle).await;
        // Somebody else's write, which the scope sees and then has to go on seeing.
        insert(it.db.primary(), &it.table).await;
        let scope = it.db.scope();
        it.reads(&scope, 1).await;
        it.swap().await;
        let (seen, _) = count(&scope, &it.table).await;
        all_well().await;
        assert_eq!(seen, 1);
    }
}
