//! What handles cost while nothing happens.
//!
//! Measured from outside, as the growth of the process, so nothing that a handle drags along is forgotten. In a file of its own:
//! other tests of the same process would grow it, too.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/shop.rs"]
mod shop;

use std::time::{Duration, Instant};

use ms_pool::{Cluster, Session};
use shop::{Shop, closed_port, tcp};

const SESSIONS: usize = 10_000;

/// What the process has in memory, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = status.lines().find(|it| it.starts_with("Rss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// One test, so that its parts follow each other.
#[tokio::test]
async fn idle_sessions_are_small_and_large_clusters_are_built_quickly() {
    sessions_that_did_nothing();
    sessions_that_ran_a_statement().await;
    a_thousand_servers();
}

fn sessions_that_did_nothing() {
    let db = Shop::new().primary("p", &tcp("h", 1)).replica("r", &tcp("h", 2)).build();
    let each = growth(|| (0..SESSIONS).map(|_| db.session()).collect::<Vec<_>>());
    println!("a new session: {} bytes, {each} bytes of memory", size_of::<Session>());
    assert!(size_of::<Session>() <= 512, "{} bytes", size_of::<Session>());
    assert!(each < 1024, "{each} bytes each");
}

/// What routing keeps for the next statement counts as well. There is no server, which costs a session nothing.
async fn sessions_that_ran_a_statement() {
    let db = Shop::new().primary("p", &tcp("127.0.0.1", closed_port())).with(r#""failover": "master""#).build();
    let before = resident();
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let mut session = db.session();
        assert_eq!(ms_pool::code(&sqlx::query("SELECT 1").execute(&mut session).await.unwrap_err()), 2003);
        assert!(session.last_decision().is_some());
        sessions.push(session);
    }
    let each = (resident() - before) / SESSIONS;
    println!("a session that ran a statement: {each} bytes of memory");
    assert!(each < 1024, "{each} bytes each");
}

fn growth<T>(make: impl FnOnce() -> T) -> usize {
    let before = resident();
    let made = make();
    let each = resident().saturating_sub(before) / SESSIONS;
    drop(made);
    each
}

fn a_thousand_servers() {
    let mut shop = Shop::new().primary("primary", &tcp("10.0.0.1", 3306));
    for n in 1..1000 {
        shop = shop.replica(&format!("replica{n}"), &tcp(&format!("10.0.{}.{}", n / 250, n % 250), 3306));
    }
    let text = shop.text();
    let mut times: Vec<Duration> = (0..5)
        .map(|_| {
            let began = Instant::now();
            let db = Cluster::builder().config_text("ms.json", text.clone()).build().unwrap();
            assert_eq!(db.servers().len(), 1000);
            began.elapsed()
        })
        .collect();
    times.sort();
    println!("1,000 servers: {:?} (best {:?})", times[2], times[0]);
    // The bar is 50 ms for an optimised build.
    assert!(times[2] < Duration::from_millis(if cfg!(debug_assertions) { 250 } else { 50 }), "{times:?}");
}
