//! A dropped future never poisons a connection or leaks a slot, whatever byte it was cut at.

use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx_core::sql_str::SqlSafeStr;
use tokio::time::{Instant, timeout};

use super::relay::{Relay, Weather};
use super::world::*;
use crate::error::{Error, code};
use crate::pool::*;

/// Long enough for the bytes let through to arrive, short enough to try them all.
const BLINK: Duration = Duration::from_millis(12);

const QUESTION: &str = "SELECT 7 AS a UNION ALL SELECT 8";

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_text_statement_dropped_at_any_byte_costs_at_most_the_connection() {
    check(|| text(QUESTION), 50).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_first_prepared_statement_dropped_at_any_byte_costs_at_most_the_connection() {
    check(|| prepared(QUESTION), 100).await;
}

/// Stops the answer after 0, 1, 2, … bytes; afterwards the pool must be sound.
async fn check(question: impl Fn() -> Stmt, at_least: u64) {
    let url = primary();
    let relay = Relay::to(host_and_port(&url)).await.unwrap();
    let pool = ServerPool::new(target(&url, relay.port()), limits(1));

    let mut whole = lease(&pool).await.unwrap();
    let before = relay.passed();
    whole.fetch_many(question()).try_collect::<Vec<_>>().await.unwrap();
    let length = relay.passed() - before;
    assert!(length > at_least, "the answer has only {length} bytes");
    drop(whole);

    for bytes in 0..length {
        // A connection that saw the statement before would not prepare it.
        pool.retire();
        let mut lease = lease(&pool).await.unwrap();
        relay.set(Weather::StallAfter(bytes));
        let answer = timeout(BLINK, lease.fetch_many(question()).try_collect::<Vec<_>>()).await;
        assert!(answer.is_err() && !lease.is_ready(), "after {bytes} of {length} bytes");
        drop(lease);
        relay.set(Weather::Fair);
        is_sound(&pool).await;
    }
    assert_eq!(pool.state().counters.abandoned, length);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_connect_dropped_at_any_byte_leaks_nothing() {
    let url = primary();
    let relay = Relay::to(host_and_port(&url)).await.unwrap();
    let pool = ServerPool::new(target(&url, relay.port()), limits(1));
    is_sound(&pool).await;
    let length = relay.passed();
    assert!(length > 150, "{length}");

    // About a hundred places: a TLS server has a lot to say before it comes to the point.
    let step = usize::try_from(length / 100 + 1).unwrap();
    for bytes in (0..length - 20).step_by(step) {
        pool.retire();
        relay.set(Weather::StallAfter(bytes));
        assert!(timeout(3 * BLINK, lease(&pool)).await.is_err(), "after {bytes} of {length} bytes");
        assert_eq!(pool.state().size(), 0, "after {bytes} of {length} bytes");
        relay.set(Weather::Fair);
    }
    is_sound(&pool).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_connection_cut_at_any_byte_is_an_error_and_is_replaced() {
    let url = primary();
    let relay = Relay::to(host_and_port(&url)).await.unwrap();
    let pool = ServerPool::new(target(&url, relay.port()), limits(1));
    for bytes in (0..100).step_by(7) {
        let mut lease = lease(&pool).await.unwrap();
        relay.set(Weather::CutAfter(bytes));
        let answer = lease.fetch_many(prepared(QUESTION)).try_collect::<Vec<_>>().await;
        relay.set(Weather::Fair);
        let error = answer.unwrap_err();
        assert_eq!((code(&error), lease.phase()), (2013, Phase::Broken), "after {bytes} bytes: {error:?}");
        drop(lease);
        is_sound(&pool).await;
        pool.retire();
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn an_abandoned_statement_is_stopped_at_the_server() {
    let pool = pool(&primary(), 2);
    let other = lease(&pool).await.unwrap();
    let sleeps = "SELECT SLEEP(20) /* abandoned */";
    let mut lease = super::world::lease(&pool).await.unwrap();
    let victim = lease.identity().connection_id;
    let late = timeout(Duration::from_millis(100), lease.fetch_many(text(sleeps)).try_collect::<Vec<_>>()).await;
    assert!(late.is_err());
    assert_eq!(lease.phase(), Phase::Asking);
    drop(lease);
    drop(other);
    until("the order", || pool.state().counters.kills_sent == 1).await;
    let mut watcher = super::world::lease(&pool).await.unwrap();
    let question =
        format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {victim} AND info IS NOT NULL");
    let gone = Instant::now() + SOON;
    while number(&mut watcher, text(question.clone())).await.unwrap() > 0 {
        assert!(Instant::now() < gone, "the statement runs on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(pool.state().counters.abandoned, 1);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn with_all_connections_in_use_the_order_goes_over_one_more() {
    let pool = pool(&primary(), 1);
    let mut lease = lease(&pool).await.unwrap();
    let late = timeout(Duration::from_millis(100), lease.run_text("SELECT SLEEP(20)", SOON)).await;
    assert!(late.is_err());
    drop(lease);
    let held = super::world::lease(&pool).await.unwrap();
    until("the order", || pool.state().counters.kills_sent == 1).await;
    assert_eq!((pool.state().size(), pool.state().counters.kills_lost), (1, 0));
    drop(held);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_statement_that_is_too_slow_is_given_up_and_so_is_its_connection() {
    let url = primary();
    let limit = Duration::from_secs(1);
    let pool =
        ServerPool::new(target(&url, url.port().unwrap()), Limits { statement_timeout: Some(limit), ..limits(1) });
    let mut lease = lease(&pool).await.unwrap();
    let error = number(&mut lease, text("SELECT SLEEP(20)")).await.unwrap_err();
    assert!(matches!(Error::of(&error), Some(Error::StatementTimeout { .. })), "{error:?}");
    assert_eq!((code(&error), lease.phase()), (2013, Phase::Asking));
    let next = number(&mut lease, text("SELECT 1")).await.unwrap_err();
    assert!(matches!(Error::of(&next), Some(Error::Abandoned { .. })), "{next:?}");
    assert!(lease.start_transaction("BEGIN".into_sql_str(), SOON).await.is_err());
    drop(lease);
    until("the order", || pool.state().counters.kills_sent == 1).await;
    is_sound(&pool).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn rows_nobody_read_are_read_when_few_and_cut_off_when_many() {
    check_unread("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3", true).await;
    // A server's error in the part nobody read is nobody's business.
    check_unread("SELECT 1; SELECT no_such_column", true).await;
    let endless =
        "SELECT a.ordinal_position, SLEEP(0.01) FROM information_schema.columns a, information_schema.columns b";
    check_unread(endless, false).await;
}

async fn check_unread(sql: &'static str, kept: bool) {
    let pool = pool(&primary(), 1);
    let mut lease = lease(&pool).await.unwrap();
    let connection = lease.identity().connection_id;
    assert!(lease.fetch_many(text(sql)).try_next().await.unwrap().is_some());
    assert_eq!(lease.phase(), Phase::Unread);
    drop(lease);
    is_sound(&pool).await;
    let next = super::world::lease(&pool).await.unwrap();
    assert_eq!(next.identity().connection_id == connection, kept, "{sql}");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_held_connection_settles_before_its_next_statement() {
    let pool = pool(&primary(), 1);
    let mut lease = lease(&pool).await.unwrap();
    lease.fetch_many(text("SELECT 1; SELECT no_such_column")).try_next().await.unwrap();
    lease.settle(SOON).await;
    assert!(lease.is_ready());
    assert_eq!(number(&mut lease, text("SELECT 5")).await.unwrap(), 5);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn fetching_one_row_leaves_nothing_behind() {
    let pool = pool(&primary(), 1);
    let mut lease = lease(&pool).await.unwrap();
    for sql in ["SELECT 1 WHERE 1 = 0", "SELECT 1", "SELECT 1 UNION ALL SELECT 2", "SELECT 1; SELECT no_such_column"] {
        // It reads on for a few milliseconds, which a busy machine may need for the first row.
        let mut left = 0;
        loop {
            let row = first_row(lease.fetch_many(text(sql))).await.unwrap();
            assert_eq!(row.is_some(), !sql.contains("1 = 0"));
            if lease.is_ready() {
                break;
            }
            left += 1;
            assert!(left < 5, "{sql}");
            lease.settle(SOON).await;
        }
    }
    let many = "SELECT ordinal_position FROM information_schema.columns";
    assert!(first_row(lease.fetch_many(text(many))).await.unwrap().is_some());
    assert_eq!(lease.phase(), Phase::Unread);
    drop(lease);
    is_sound(&pool).await;
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_wrong_number_of_arguments_costs_the_connection_and_not_the_next_user() {
    let pool = pool(&primary(), 1);
    let mut lease = lease(&pool).await.unwrap();
    let error = number(&mut lease, prepared("SELECT ?")).await.unwrap_err();
    assert!(matches!(error, sqlx::Error::Protocol(_)), "{error:?}");
    assert_eq!(lease.phase(), Phase::Broken);
    drop(lease);
    is_sound(&pool).await;
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_lease_may_be_dropped_without_a_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let pool = pool(&primary(), 3);
    let (clean, mut unread, mut asking) = first
        .block_on(async { (lease(&pool).await.unwrap(), lease(&pool).await.unwrap(), lease(&pool).await.unwrap()) });
    first.block_on(async {
        unread.fetch_many(text("SELECT 1 UNION ALL SELECT 2")).try_next().await.unwrap();
        let sleeping = asking.run_text("SELECT SLEEP(1)", SOON);
        assert!(timeout(BLINK, sleeping).await.is_err());
    });
    drop((clean, unread, asking));
    assert_eq!((pool.state().in_use, pool.state().idle), (0, 1));
    // And the runtime itself may go first.
    let mut orphan = first.block_on(lease(&pool)).unwrap();
    first.block_on(async { orphan.fetch_many(text("SELECT 1 UNION ALL SELECT 2")).try_next().await.unwrap() });
    drop(first);
    runtime().block_on(async {
        drop(orphan);
        until("the settling", || pool.state().in_use == 0).await;
        // Idle connections belong to the runtime that is gone.
        pool.retire();
        is_sound(&pool).await;
    });
}
