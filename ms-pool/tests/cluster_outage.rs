//! What the cluster remembers of a server that cannot be reached, in `strict`: who pays for it, and when it is tried again.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/oddity.rs"]
mod oddity;
#[path = "support/relay.rs"]
#[allow(unreachable_pub, dead_code, reason = "the tests of the pool use the same file")]
mod relay;
#[path = "support/shop.rs"]
mod shop;
#[path = "support/cluster.rs"]
mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ms_pool::{Cluster, Counter, ServerState, Statistics};
use oddity::{OddServer, Oddity};
use relay::{Relay, Weather};
use shop::{Shop, closed_port, tcp};
use support::{address, primary_url, replica_url, server_of};
use tokio::task::JoinSet;

const LOOP: &str = r#""failover": {"strategy": "loop_before_master", "retry_after_s": 1}"#;

fn at(url: &str) -> String {
    let (host, port) = address(url);
    tcp(&host, port)
}

/// A primary, a replica that is well, and one behind a relay; each statement takes the next in turn.
async fn shop(rest: &str) -> (Cluster, Relay, Arc<Statistics>) {
    let relay = Relay::to(server_of(&replica_url(2))).await.unwrap();
    let statistics = Arc::new(Statistics::default());
    let shop = Shop::new().primary("primary", &at(&primary_url())).replica("well", &at(&replica_url(1)));
    let shop = shop.replica("ill", &tcp("127.0.0.1", relay.port())).with(r#""filters": {"roundrobin": []}"#);
    (shop.with(rest).builder().statistics(Arc::clone(&statistics)).build().unwrap(), relay, statistics)
}

/// Reads so often, each in a session of its own; the slowest.
async fn reads(db: &Cluster, times: u32) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..times {
        let began = Instant::now();
        sqlx::query("SELECT 1").execute(db).await.unwrap();
        slowest = slowest.max(began.elapsed());
    }
    slowest
}

fn ill(db: &Cluster) -> ServerState {
    db.state().into_iter().find(|it| &*it.name == "ill").unwrap()
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_failure_is_everybodys_and_one_statement_finds_out_that_it_is_over() {
    let (db, relay, statistics) = shop(LOOP).await;
    // The address leads nowhere: connections are accepted and closed.
    relay.lead_to(format!("127.0.0.1:{}", closed_port()));
    reads(&db, 20).await;
    assert_eq!(relay.accepted(), 1, "one statement has tried");
    let outage = ill(&db).outage.unwrap();
    assert_eq!(outage.failures, 1);
    assert!(outage.avoided_for <= Duration::from_millis(1200), "{outage:?}");
    assert!(statistics.get(Counter::RememberedSkipped) >= 9, "{statistics:?}");

    // The second time is twice as long.
    tokio::time::sleep(Duration::from_millis(1250)).await;
    reads(&db, 20).await;
    assert_eq!(relay.accepted(), 2);
    let outage = ill(&db).outage.unwrap();
    assert!(outage.failures == 2 && outage.avoided_for > Duration::from_millis(1250), "{outage:?}");

    relay.lead_to(server_of(&replica_url(2)));
    reads(&db, 20).await;
    assert_eq!(relay.accepted(), 2, "its time is not over");
    tokio::time::sleep(Duration::from_millis(2450)).await;
    reads(&db, 2).await;
    assert_eq!((relay.accepted(), ill(&db).outage), (3, None));
    assert_eq!(statistics.get(Counter::RememberedRetried), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_silent_server_costs_one_connect_timeout_per_time() {
    const CONNECT: Duration = Duration::from_secs(1);
    let (db, relay, statistics) = shop(LOOP).await;
    relay.set(Weather::StallAfter(0));
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let db = db.clone();
        tasks.spawn(async move {
            let mut slow = Vec::new();
            while began.elapsed() < 4 * CONNECT {
                let asked = Instant::now();
                sqlx::query("SELECT 1").execute(&db).await.unwrap();
                if asked.elapsed() > CONNECT / 2 {
                    slow.push((asked - began, asked.elapsed()));
                }
                tokio::task::yield_now().await;
            }
            slow
        });
    }
    let slow: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    let is_first = |it: &(Duration, Duration)| it.0 < CONNECT + CONNECT / 2;
    let (at_once, later): (Vec<_>, Vec<_>) = slow.iter().copied().partition(is_first);
    println!("slow at the beginning {at_once:?}, later {later:?}; {} connects", relay.accepted());
    assert!(slow.iter().all(|(_, took)| *took < 2 * CONNECT), "{slow:?}");
    // At the beginning nobody knows; from then on a second, and then two, until one statement tries.
    assert!(later.len() == 1, "{later:?}");
    assert_eq!((statistics.get(Counter::RememberedRetried), ill(&db).outage.unwrap().failures), (1, 2));
    // At most four connects are under way at the same time.
    assert!(relay.accepted() <= 4 + 1, "{}", relay.accepted());
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn connections_to_a_server_that_is_avoided_are_left_alone() {
    let minute = LOOP.replace(r#""retry_after_s": 1"#, r#""retry_after_s": 60"#);
    let (db, relay, _) = shop(&minute).await;
    let mut session = db.session();
    let mut read = async || {
        sqlx::query("SELECT 1").execute(&mut session).await.unwrap();
        session.last_used().unwrap().name.to_owned()
    };
    assert_eq!([read().await, read().await], ["well", "ill"]);
    relay.set(Weather::StallAfter(0));
    // Somebody else finds out.
    reads(&db, 2).await;
    assert_eq!(ill(&db).outage.unwrap().failures, 1);
    for _ in 0..4 {
        let name = tokio::time::timeout(Duration::from_secs(10), read()).await.expect("nobody waits for it");
        assert_eq!(name, "well");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_trial_that_is_given_up_is_the_next_statements() {
    let (db, relay, _) = shop(LOOP).await;
    relay.lead_to(format!("127.0.0.1:{}", closed_port()));
    reads(&db, 2).await;
    relay.lead_to(server_of(&replica_url(2)));
    relay.set(Weather::StallAfter(0));
    tokio::time::sleep(Duration::from_millis(1250)).await;
    // One of two meets the silent server and is dropped.
    for _ in 0..2 {
        let _ = tokio::time::timeout(Duration::from_millis(100), reads(&db, 1)).await;
    }
    assert_eq!(relay.accepted(), 2);
    relay.set(Weather::Fair);
    reads(&db, 2).await;
    assert_eq!((relay.accepted(), ill(&db).outage), (3, None));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn the_last_server_is_tried_whatever_is_remembered() {
    let relay = Relay::to(format!("127.0.0.1:{}", closed_port())).await.unwrap();
    let db = Shop::new().primary("only", &tcp("127.0.0.1", relay.port())).build();
    for times in 1..4 {
        sqlx::query("DO 1").execute(&db).await.unwrap_err();
        assert_eq!(relay.accepted(), times);
    }
    let outage = db.state()[0].outage.unwrap();
    assert_eq!(outage.failures, 1, "what was known is no news");
    assert!(outage.avoided_for > Duration::from_secs(9), "ten seconds unless configured: {outage:?}");
    relay.lead_to(server_of(&primary_url()));
    sqlx::query("DO 1").execute(&db).await.expect("at once");
    assert_eq!(db.state()[0].outage, None);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn wrong_credentials_on_one_server_only_cost_one_login() {
    let (host, port) = address(&replica_url(2));
    let shop = Shop::new().primary("primary", &at(&primary_url())).replica("well", &at(&replica_url(1)));
    let db = shop.account("app", "wrong").replica("ill", &tcp(&host, port)).with(LOOP).builder().build().unwrap();
    reads(&db, 20).await;
    assert_eq!(ill(&db).failed, 1);
    assert_eq!(ill(&db).outage.unwrap().failures, 1);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn the_account_of_one_session_is_not_the_servers_fault() {
    let (db, relay, _) = shop(LOOP).await;
    reads(&db, 2).await;
    let mut session = db.session();
    session.change_user("app", ms_pool::Password::new("wrong"), None).await.ok();
    for _ in 0..4 {
        let _ = sqlx::query("SELECT 1").execute(&mut session).await;
    }
    assert!(db.state().iter().all(|it| it.outage.is_none()), "{:?}", db.state());
    drop(relay);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_server_that_misbehaves_costs_one_statement_its_time_and_none_its_answer() {
    // What it does to everybody who comes, and the milliseconds that costs at most: none of the connect timeout, or one.
    check_odd(Oddity::Goodbye, 900).await;
    check_odd(Oddity::LastWords(b"\x10\0\0\0not the protocol".to_vec()), 900).await;
    check_odd(Oddity::Words(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), 1900).await;
    check_odd(Oddity::Silence, 1900).await;
    // A real server that stops at a byte of its greeting, or of what follows.
    for bytes in [3, 20, 90, 150] {
        let relay = Relay::to(server_of(&replica_url(2))).await.unwrap();
        relay.set(Weather::StallAfter(bytes));
        check_behind(relay.port(), &format!("stalls after {bytes} bytes"), 1900).await;
    }
}

async fn check_odd(oddity: Oddity, limit_ms: u64) {
    let server = OddServer::new(oddity.clone()).await;
    check_behind(server.port(), &format!("{oddity:?}"), limit_ms).await;
}

async fn check_behind(port: u16, what: &str, limit_ms: u64) {
    let shop = Shop::new().primary("primary", &at(&primary_url())).replica("well", &at(&replica_url(1)));
    let shop = shop.replica("ill", &tcp("127.0.0.1", port)).with(r#""filters": {"roundrobin": []}"#);
    let db = shop.with(LOOP).with(r#""pool": {"connect_timeout_ms": 1000}"#).build();
    reads(&db, 1).await;
    let slowest = reads(&db, 9).await;
    assert!(slowest < Duration::from_millis(limit_ms), "{what}: {slowest:?}");
    assert_eq!((ill(&db).failed, ill(&db).outage.unwrap().failures), (1, 1), "{what}");
    assert_eq!(ill(&db).in_use, 0, "{what}");
}
