//! Closes what was idle for too long.
//!
//! Old connections are noticed when somebody takes them. A pool that nobody uses needs a task for it: one per pool,
//! born with the first idle connection, gone with the last one or with the pool.

use std::sync::{Arc, MutexGuard, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use super::link::Link;
use super::server_pool::ServerPool;
use super::shelf::Shelf;

/// Not more often than this, however short the timeouts.
const PAUSE: Duration = Duration::from_millis(100);
/// How soon a missing `min_idle` connection is tried again.
const REFILL: Duration = Duration::from_secs(1);

/// Starts the task if there is something to watch and nobody who does.
#[inline]
pub(super) fn ensure(pool: &Arc<ServerPool>, shelf: &mut MutexGuard<'_, Shelf>) {
    // A task that is finished without saying so died with its runtime.
    if shelf.len() == 0 || shelf.reaper.as_ref().is_some_and(|it| !it.is_finished()) {
        return;
    }
    start(pool, shelf);
}

#[cold]
fn start(pool: &Arc<ServerPool>, shelf: &mut Shelf) {
    let limits = pool.limits();
    if limits.idle_timeout.is_none() && limits.max_lifetime.is_none() && limits.min_idle == 0 {
        return;
    }
    if let Ok(runtime) = Handle::try_current() {
        shelf.reaper = Some(runtime.spawn(watch(Arc::downgrade(pool))).abort_handle());
    }
}

async fn watch(pool: Weak<ServerPool>) {
    while let Some(due) = pool.upgrade().and_then(|it| round(&it)) {
        sleep_until(due).await;
        refill(&pool).await;
    }
}

/// Closes what is due and says when to look again; `None` when there is nothing left to look after.
fn round(pool: &ServerPool) -> Option<Instant> {
    let limits = pool.limits();
    let now = Instant::now();
    let mut shelf = pool.shelf();
    let reaped = shelf.reap(now, limits.idle_timeout, limits.min_idle as usize);
    let short = !shelf.is_closed() && shelf.len() < limits.min_idle as usize;
    let due = match shelf.next_due(limits.idle_timeout) {
        _ if short => Some(now + REFILL),
        // Those kept by `min_idle` are overdue for ever.
        Some(due) => Some(due.max(now + PAUSE)),
        None => None,
    };
    if due.is_none() {
        // Under the lock: who puts the next one back starts a new task.
        shelf.reaper = None;
    }
    drop(shelf);
    reaped.into_iter().for_each(Link::close);
    due
}

async fn refill(pool: &Weak<ServerPool>) {
    let Some(pool) = pool.upgrade() else {
        return;
    };
    if pool.limits().min_idle > 0 && !pool.shelf().is_closed() {
        // A failure is counted there, and tried again in the next round.
        let _ = pool.warm().await;
    }
}
