//! Connections and servers that die.

use std::time::Duration;

use super::relay::{Relay, Weather};
use super::world::*;
use crate::error::code;
use crate::pool::*;

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_killed_idle_connection_is_replaced_unseen_once_it_is_doubtful() {
    let url = primary();
    let limits = Limits { verify_idle_after: Duration::ZERO, ..limits(2) };
    let pool = ServerPool::new(target(&url, url.port().unwrap()), limits);
    kill_all_idle(&pool).await;
    is_sound(&pool).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn one_broken_connection_makes_the_others_doubtful() {
    let pool = pool(&primary(), 3);
    kill_all_idle(&pool).await;
    let mut broken = pool.try_lease().expect("used a moment ago, so it is trusted");
    assert!(broken.is_untried());
    let error = number(&mut broken, text("SELECT 1")).await.unwrap_err();
    assert_eq!((code(&error), broken.phase(), broken.is_untried()), (2013, Phase::Broken, true));
    drop(broken);
    assert!(pool.try_lease().is_none(), "the others are to be asked first");
    is_sound(&pool).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_silent_idle_connection_costs_a_part_of_the_connect_timeout() {
    let url = primary();
    let relay = Relay::to(host_and_port(&url)).await.unwrap();
    let limits = Limits { verify_idle_after: Duration::ZERO, connect_timeout: Duration::from_secs(2), ..limits(3) };
    let pool = ServerPool::new(target(&url, relay.port()), limits);
    let both = (lease(&pool).await.unwrap(), lease(&pool).await.unwrap());
    drop(both);
    relay.set(Weather::StallAfter(0));
    let began = tokio::time::Instant::now();
    let error = lease(&pool).await.unwrap_err();
    assert_eq!(error.code(), 2003);
    // A quarter for the ping, once, although two were idle; the whole for the connect.
    assert!(began.elapsed() < Duration::from_millis(2900), "{:?}", began.elapsed());
    relay.set(Weather::Fair);
    is_sound(&pool).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_server_that_is_killed_is_refused_and_then_found_again() {
    let (url, _alone) = replica().await;
    let limits = Limits { connect_timeout: Duration::from_secs(2), ..limits(2) };
    let pool = ServerPool::new(target(&url, url.port().unwrap()), limits);
    let mut held = lease(&pool).await.unwrap();
    let before = held.identity().clone();
    drop(lease(&pool).await.unwrap());
    control("kill replica1");
    let killed = Mend("restart replica1");
    let error = number(&mut held, text("SELECT 1")).await.unwrap_err();
    assert!(matches!(code(&error), 2006 | 2013), "{error:?}");
    drop(held);
    // 2003, or 2013 while the system still buries the process.
    let refused = lease(&pool).await.unwrap_err();
    assert!(refused.blames_server() && matches!(refused.code(), 2003 | 2013), "{refused:?}");
    drop(killed);
    is_sound(&pool).await;
    let after = pool.identity().unwrap();
    assert_eq!(before.key, after.key);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_frozen_server_is_given_up_in_time() {
    let (url, _alone) = replica().await;
    let limit = Duration::from_secs(2);
    let limits = Limits { connect_timeout: limit, statement_timeout: Some(limit), ..limits(2) };
    let pool = ServerPool::new(target(&url, url.port().unwrap()), limits);
    let mut held = lease(&pool).await.unwrap();
    control("pause replica1");
    let paused = Mend("resume replica1");
    let error = number(&mut held, text("SELECT 1")).await.unwrap_err();
    let refused = lease(&pool).await;
    drop(paused);
    assert_eq!(code(&error), 2013, "{error:?}");
    assert_eq!(refused.unwrap_err().code(), 2003);
    drop(held);
    is_sound(&pool).await;
}

/// Fills the shelf and kills every connection on it, behind the pool's back.
async fn kill_all_idle(pool: &std::sync::Arc<ServerPool>) {
    let mut leases = Vec::new();
    for _ in 0..pool.limits().max_connections.get() {
        leases.push(lease(pool).await.unwrap());
    }
    let ids: Vec<_> = leases.iter().map(|it| it.identity().connection_id).collect();
    let other = super::world::pool(&primary(), 1);
    let mut killer = lease(&other).await.unwrap();
    for id in ids {
        killer.run_text(&format!("KILL {id}"), SOON).await.unwrap();
    }
    // The server closes the sockets a moment later.
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(leases);
}
