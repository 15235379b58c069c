//! What handles cost while nothing happens.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/shop.rs"]
mod shop;

use std::time::{Duration, Instant};

use ms_pool::{Cluster, Session};
use shop::{Shop, closed_port, tcp};

const SESSIONS: usize = 10_000;

/// Bytes that `make` left on the heap, for each session.
fn heap_of_each(make: impl FnOnce()) -> usize {
    let left = allocation_counter::measure(make).bytes_current;
    usize::try_from(left).unwrap() / SESSIONS
}

#[test]
fn ten_thousand_sessions_that_did_nothing() {
    let db = Shop::new().primary("p", &tcp("h", 1)).replica("r", &tcp("h", 2)).build();
    let mut sessions = Vec::with_capacity(SESSIONS);
    let heap = heap_of_each(|| sessions.extend((0..SESSIONS).map(|_| db.session())));
    check("did nothing", heap);
}

/// What routing keeps for the next statement counts as well. There is no server, which costs a session nothing.
#[test]
fn ten_thousand_sessions_that_ran_a_statement() {
    let dead = tcp("127.0.0.1", closed_port());
    let db = Shop::new().primary("p", &dead).replica("r", &dead).with(r#""failover": "master""#).build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut sessions = Vec::with_capacity(SESSIONS);
    let mut run = |count: usize| {
        runtime.block_on(async {
            for _ in 0..count {
                let mut session = db.session();
                let error = sqlx::query("SELECT 1").execute(&mut session).await.unwrap_err();
                assert_eq!(ms_pool::code(&error), 2003);
                assert!(session.last_decision().is_some());
                sessions.push(session);
            }
        });
    };
    // What the runtime sets up once is not a session's.
    run(10);
    let heap = heap_of_each(|| run(SESSIONS - 10));
    check("ran a statement", heap);
}

#[track_caller]
#[allow(clippy::print_stdout, reason = "the numbers are what a reader of the log wants")]
fn check(what: &str, heap: usize) {
    let own = size_of::<Session>();
    println!("a session that {what}: {own} bytes and {heap} on the heap");
    assert!(own <= 640, "{own} bytes");
    assert!(own + heap < 1024, "{own} + {heap} bytes");
}

#[test]
fn a_thousand_servers_are_built_quickly() {
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
