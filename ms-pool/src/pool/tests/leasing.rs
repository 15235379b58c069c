//! Slots and waiters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx_core::sql_str::SqlSafeStr;
use tokio::time::{Instant, timeout};

use super::world::*;
use crate::error::Error;
use crate::pool::*;
use crate::transaction::End;

#[test]
fn a_thousand_pools_cost_nothing_and_need_no_runtime() {
    let url = "mysql://app:app@127.0.0.1:1/test".parse().unwrap();
    let began = std::time::Instant::now();
    let pools: Vec<_> = (0..1000).map(|_| pool(&url, 10)).collect();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(pools.iter().all(|it| it.state().size() == 0 && it.try_lease().is_none()));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn the_connection_used_last_is_taken_first_without_waiting() {
    let pool = pool(&primary(), 3);
    let (mut a, mut b) = (lease(&pool).await.unwrap(), lease(&pool).await.unwrap());
    let (id_a, id_b) = (connection_id(&mut a).await, connection_id(&mut b).await);
    assert!(pool.try_lease().is_none(), "nothing is idle");
    drop(a);
    drop(b);
    assert_eq!((pool.state().idle, pool.state().in_use, pool.state().counters.opened), (2, 0, 2));
    let mut first = pool.try_lease().unwrap();
    assert!(first.is_untried());
    assert_eq!(connection_id(&mut first).await, id_b);
    assert!(!first.is_untried());
    assert_eq!(pool.try_lease().unwrap().identity().connection_id, u64::try_from(id_a).unwrap());
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn one_connection_serves_a_hundred_tasks() {
    let pool = pool(&primary(), 1);
    let at_once = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..100_i64)
        .map(|nonce| {
            let (pool, at_once) = (Arc::clone(&pool), Arc::clone(&at_once));
            tokio::spawn(async move {
                let mut lease = lease(&pool).await.unwrap();
                assert_eq!(at_once.fetch_add(1, Ordering::SeqCst), 0);
                assert_eq!(number(&mut lease, text(format!("SELECT {nonce}"))).await.unwrap(), nonce);
                at_once.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    for task in tasks {
        timeout(SOON, task).await.expect("no deadlock").unwrap();
    }
    assert_eq!(pool.state().counters.opened, 1);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn who_waits_is_served_in_order_and_not_overtaken() {
    let pool = pool(&primary(), 1);
    let held = lease(&pool).await.unwrap();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for turn in 0..5 {
        let (its_pool, order) = (Arc::clone(&pool), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let _lease = lease(&its_pool).await.unwrap();
            order.lock().unwrap().push(turn);
        }));
        until("the waiting", || pool.state().waiting == turn + 1).await;
    }
    drop(held);
    // The slot belongs to the first in the queue already.
    assert!(pool.try_lease().is_none());
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_waiter_that_gives_up_leaves_its_turn_to_the_next() {
    let pool = pool(&primary(), 1);
    for round in 0..50_u64 {
        let held = lease(&pool).await.unwrap();
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { lease(&pool).await.map(drop) })
            })
            .collect();
        until("the waiting", || pool.state().waiting == 3).await;
        // Before, while and after the slot is handed over.
        match round % 3 {
            0 => {
                waiters[0].abort();
                drop(held);
            }
            1 => {
                drop(held);
                waiters[0].abort();
            }
            _ => {
                drop(held);
                tokio::task::yield_now().await;
                waiters[0].abort();
            }
        }
        for waiter in waiters {
            if let Ok(leased) = timeout(SOON, waiter).await.expect("no lost wake-up") {
                leased.unwrap();
            }
        }
        assert_eq!((pool.state().in_use, pool.state().waiting), (0, 0), "round {round}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn waiting_ends_at_the_deadline_and_says_for_what() {
    let pool = pool(&primary(), 1);
    let held = lease(&pool).await.unwrap();
    let began = Instant::now();
    let error = pool.lease(began + Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(&error, Error::AcquireTimeout { limit: 1, waited, .. } if *waited >= Duration::from_millis(50)));
    assert!(error.to_string().starts_with("all 1 connections to server `db` stayed in use for "), "{error}");
    assert!(matches!(sqlx::Error::from(error), sqlx::Error::PoolTimedOut));
    assert_eq!(pool.state().counters.timeouts, 1);
    drop(held);
    is_sound(&pool).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn closing_refuses_the_new_and_waits_for_the_old() {
    let pool = pool(&primary(), 2);
    let held = lease(&pool).await.unwrap();
    drop(lease(&pool).await.unwrap());
    let waiting = {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move {
            let both = (lease(&pool).await, lease(&pool).await);
            both.1.unwrap_err()
        })
    };
    until("the waiting", || pool.state().waiting == 1).await;
    assert!(!pool.close(Instant::now() + Duration::from_millis(50)).await, "one is still out");
    assert!(matches!(waiting.await.unwrap(), Error::Closed));
    assert!(matches!(lease(&pool).await.unwrap_err(), Error::Closed));
    assert_eq!(pool.state().idle, 0);
    let closing = {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { pool.close(Instant::now() + SOON).await })
    };
    tokio::task::yield_now().await;
    drop(held);
    assert!(closing.await.unwrap());
    assert_eq!((pool.state().size(), pool.state().closed), (0, true));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn dirty_and_exposed_connections_are_closed() {
    let pool = pool(&primary(), 1);
    let mut tainted = lease(&pool).await.unwrap();
    tainted.taint("variable");
    tainted.taint("lock");
    assert_eq!(tainted.dirty(), Some("variable"));
    drop(tainted);
    assert_eq!(pool.state().size(), 0);

    let mut exposed = lease(&pool).await.unwrap();
    exposed.start_transaction("BEGIN".into_sql_str(), SOON).await.unwrap();
    exposed.expose();
    assert_eq!((exposed.is_exposed(), exposed.transaction_depth()), (true, 1));
    exposed.end_transaction(End::Rollback, SOON).await.unwrap();
    assert_eq!((exposed.is_exposed(), exposed.transaction_depth()), (false, 0));
    drop(exposed);
    assert_eq!(pool.state().size(), 0);
    assert_eq!(pool.state().counters.kills_sent + pool.state().counters.kills_lost, 0);
    is_sound(&pool).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn min_idle_connections_are_opened_but_never_more_than_there_may_be() {
    let url = primary();
    let few = ServerPool::new(target(&url, url.port().unwrap()), Limits { min_idle: 2, ..limits(3) });
    few.warm().await.unwrap();
    assert_eq!(few.state().idle, 2);
    let many = ServerPool::new(target(&url, url.port().unwrap()), Limits { min_idle: 9, ..limits(3) });
    many.warm().await.unwrap();
    assert_eq!(many.state().idle, 3);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn idle_and_old_connections_go_by_themselves() {
    let url = primary();
    let brief = Some(Duration::from_millis(150));
    for limits in [Limits { idle_timeout: brief, ..limits(2) }, Limits { max_lifetime: brief, ..limits(2) }] {
        let pool = ServerPool::new(target(&url, url.port().unwrap()), limits);
        drop(lease(&pool).await.unwrap());
        assert_eq!(pool.state().idle, 1);
        until("the reaping", || pool.state().idle == 0).await;
        // The task is born again.
        drop(lease(&pool).await.unwrap());
        until("the second reaping", || pool.state().idle == 0).await;
        assert_eq!(pool.state().counters.opened, 2);
    }
}

async fn connection_id(lease: &mut Lease) -> i64 {
    number(lease, text("SELECT CONNECTION_ID()")).await.unwrap()
}
